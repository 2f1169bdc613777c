"""Opening the database: WAL, foreign keys on, one door for writes (BEGIN IMMEDIATE), query-only reads.

Knows connections and transactions; knows no table.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

BUSY_SECONDS = 60
"""How long a writer waits for another one. A large import holds the write lock for some seconds."""


class Database:
    """A SQLite file with its two ways in. Safe to share between threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._door = threading.Lock()
        self._writer = _engine(file, query_only=False)
        self._reader = _engine(file, query_only=True)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A connection that cannot write and sees one consistent state."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """The one door for writes: a transaction that has the write lock from its first moment; commits on success.

        Threads of one process queue at a lock of our own: SQLite's way to wait is to sleep and look again, which made twenty
        writers idle half of the time. Raises OperationalError when the door stays shut for a minute.
        """
        if not self._door.acquire(timeout=BUSY_SECONDS):
            raise OperationalError("BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked"))
        try:
            with self._writer.begin() as connection:
                yield connection
        finally:
            self._door.release()

    def close(self) -> None:
        """Close every connection; the file can then be moved or deleted."""
        self._writer.dispose()
        self._reader.dispose()


def raw(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection of a SQLAlchemy connection, for bulk statements inside its transaction."""
    driver: Any = connection.connection.driver_connection
    return driver


def _engine(file: Path, query_only: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{file}",
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=32,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "cached_statements": 256},
    )

    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        pragmas = ["foreign_keys=ON", "synchronous=NORMAL", "temp_store=MEMORY", "mmap_size=268435456"]
        pragmas += ["query_only=ON"] if query_only else ["journal_mode=WAL", "cache_size=-65536"]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if query_only else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
    return engine
