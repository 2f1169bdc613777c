"""Export a set as a background job: into the job's folder, written beside and moved, with the set's files as inputs."""

import hashlib
import os
from pathlib import Path
from typing import Any

from app.actions.export_data import export_set
from app.context import Context
from core.jobs import Reporter
from core.specs import ExportSpec
from db import sets

_EVERY = 200
"""Chunks between two looks whether the job shall end."""


def export_to_folder(context: Context, spec: ExportSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Write the export; returns its file, size in bytes and SHA-256. Raises Refused as `export_set`, OSError as any write."""
    download = export_set(context, spec.set, spec.format)
    for file in sets.files_of(context.database, spec.set):
        reporter.input(file.name, file.digest)
    name = Path(download.name).name[-120:]
    beside, digest, size = folder / "export.part", hashlib.sha256(), 0
    with beside.open("wb") as target:
        for count, chunk in enumerate(download.chunks):
            if count % _EVERY == 0:
                reporter.progress(size, 0, f"{size:,} bytes written to {name}.")
                if reporter.cancelled():
                    break
            target.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        else:
            target.flush()
            os.fsync(target.fileno())
    if reporter.cancelled():
        beside.unlink(missing_ok=True)
        return {}
    beside.replace(folder / name)
    reporter.progress(size, size, f"{size:,} bytes written to {name}.")
    return {"file": name, "bytes": size, "sha256": digest.hexdigest()}
