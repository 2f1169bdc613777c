"""Big things as files named by their content (SHA-256): written beside, then moved. Knows bytes and digests only."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

CHUNK = 1 << 20


class Staged(NamedTuple):
    """A copy that is not a blob yet: its file, its digest and its size in bytes."""

    file: Path
    digest: str
    size: int


class Staging:
    """One staged copy in the making. A context manager."""

    def __init__(self, folder: Path) -> None:
        handle, name = tempfile.mkstemp(dir=folder)
        self.path = Path(name)
        self.size = 0
        os.close(handle)
        self._file = self.path.open("wb")
        self._digest = hashlib.sha256()
        self._finished = False

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def finish(self) -> Staged:
        """Bring everything to the disk and hand out the copy."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._finished = True
        return Staged(self.path, self._digest.hexdigest(), self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            with contextlib.suppress(OSError):
                self._file.close()
            self.path.unlink(missing_ok=True)


class Blobs:
    """A folder of blobs. A blob exists complete or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stage(self, source: BinaryIO) -> Staged:
        """Copy a stream beside the blobs, hashing it on the way. Raises OSError, leaving nothing, when the disk is full."""
        with self.staging() as stage:
            while chunk := source.read(CHUNK):
                stage.write(chunk)
            return stage.finish()

    def staging(self) -> Staging:
        """A staged copy that is written piece by piece; leaving the block without `finish` removes it."""
        incoming = self.folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        return Staging(incoming)

    def keep(self, staged: Staged) -> Path:
        """Make a staged copy a blob."""
        target = self.path(staged.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.file.replace(target)
        return target

    def discard(self, staged: Staged) -> None:
        """Throw a staged copy away."""
        staged.file.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Where a blob of this digest lies, whether or not it exists."""
        return self.folder / digest[:2] / digest

    def delete(self, digest: str) -> None:
        """Remove a blob if it is there."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """Digests of all blobs."""
        for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(file.name for file in folder.iterdir())

    def intact(self, digest: str) -> bool:
        """True when the blob exists and its content still has its digest."""
        path = self.path(digest)
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest

    def clear_incoming(self, older_than: float) -> int:
        """Remove staged copies last written before this time (seconds since the epoch); returns how many."""
        left = [file for file in (self.folder / "incoming").glob("*") if file.stat().st_mtime < older_than]
        for file in left:
            file.unlink(missing_ok=True)
        return len(left)
