"""Checks of an installation: versions, disk, schema, database, blobs, full text. Each gives a line a person can act on."""

import platform
import shutil
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.actions.remove_set import drop_originals
from app.context import Context
from db.migrate import newest, version

_LOW_DISK = 1 << 30
PACKAGES = ("gradio", "fastapi", "sqlmodel", "SQLAlchemy", "alembic", "pydantic", "pyarrow", "openai")
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "fuse.s3fs", "fuse.gcsfuse"})


class Finding(NamedTuple):
    """One check: whether it passed, and what was seen or what to do."""

    ok: bool
    name: str
    text: str


def examine(context: Context) -> Iterator[Finding]:
    """Every check, in the order a person would want them."""
    yield _versions()
    yield _disk(context)
    yield _file_system(context)
    current, latest = version(context.database), newest()
    yield Finding(
        current == latest, "schema", f"version {current}, newest {latest}" + _hint(current == latest, "serve")
    )
    if current != latest:
        return
    yield from _database(context)
    yield from _blobs(context)


def _hint(ok: bool, command: str) -> str:
    return "" if ok else f"; `subtext {command}` brings it up to date"


def _versions() -> Finding:
    found = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    return Finding(
        True, "versions", f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, " + ", ".join(found)
    )


def _disk(context: Context) -> Finding:
    free = shutil.disk_usage(context.settings.data).free
    advice = "" if free > _LOW_DISK else "; free some space before the next import"
    return Finding(free > _LOW_DISK, "disk", f"{free / (1 << 30):.1f} GiB free in {context.settings.data}{advice}")


def _file_system(context: Context) -> Finding:
    folder, best, kind = str(context.settings.data.resolve()), "", "unknown"
    try:
        with Path("/proc/mounts").open(encoding="utf-8") as mounts:
            for line in mounts:
                _, point, name = line.split()[:3]
                if (folder + "/").startswith(point.rstrip("/") + "/") and len(point) > len(best):
                    best, kind = point, name
    except OSError:
        pass
    ok = kind not in NETWORK_FILE_SYSTEMS
    return Finding(ok, "file system", kind + ("" if ok else ": SQLite needs a local disk; move SUBTEXT_DATA to one"))


def _database(context: Context) -> Iterator[Finding]:
    with context.database.write() as connection:
        problems = connection.execute(text("PRAGMA integrity_check(5)")).scalars().all()
        yield Finding(
            problems == ["ok"], "database", "; ".join(problems) if problems != ["ok"] else "integrity check passed"
        )
        dangling = connection.execute(text("PRAGMA foreign_key_check")).all()
        yield Finding(
            not dangling, "references", f"{len(dangling)} rows point nowhere" if dangling else "all rows have owners"
        )
        for table in ("node_text", "scenario_text"):
            yield _full_text(connection, table)
        counted = (
            "SELECT count(*) FROM data_set d WHERE records <> (SELECT count(*) FROM record r WHERE r.set_id = d.id)"
        )
        wrong = connection.execute(text(counted)).scalar_one()
        yield Finding(
            not wrong, "counts", f"{wrong} sets state a wrong count" if wrong else "every set holds what it states"
        )


def _full_text(connection: Connection, table: str) -> Finding:
    try:
        connection.exec_driver_sql(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")
    except DBAPIError as error:
        return Finding(False, table, f"the search index does not match its texts ({error.orig})")
    return Finding(True, table, "search index matches its texts")


def _blobs(context: Context) -> Iterator[Finding]:
    with context.database.read() as connection:
        wanted = set(connection.execute(text("SELECT digest FROM source_file")).scalars())
    broken = sorted(digest for digest in wanted if not context.blobs.intact(digest))
    names = ", ".join(digest[:12] for digest in broken[:3])
    seen = f"{len(broken)} missing or damaged: {names}" if broken else f"{len(wanted)} intact"
    yield Finding(not broken, "originals", seen)
    spare = drop_originals(context, [digest for digest in context.blobs.digests() if digest not in wanted])
    if spare:
        yield Finding(True, "spare files", f"removed {spare} that no set uses (an import was interrupted)")
