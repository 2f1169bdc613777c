"""Writing what an action hands out to a file or to standard output."""

import sys
from contextlib import suppress
from pathlib import Path

from app.actions.export_data import Download
from app.errors import Refused


def hand_out(download: Download, output: Path | None) -> None:
    """Write a download to standard output, or into a file that appears whole or not at all. Raises Refused for a bad place."""
    if output is None:
        for chunk in download.chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    beside = output.parent / f"{output.name}.part"
    try:
        with beside.open("wb") as target:
            target.writelines(download.chunks)
        beside.replace(output)
    except OSError as error:
        raise Refused(f"{output} could not be written: {(error.strerror or str(error)).lower()}.") from error
    finally:
        with suppress(OSError):
            beside.unlink()
