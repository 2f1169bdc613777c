"""Lock files: who holds one lives, because the kernel takes the lock away with the process. Knows no job."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class Lock:
    """An advisory lock on a file, held until `release` or the end of the process. Children do not inherit it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._handle: int | None = None

    def take(self, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock; False when somebody else holds it. Raises OSError when the file cannot be made."""
        handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Let go; nothing happens when it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def free(self) -> bool:
        """True when nobody holds the lock now."""
        taken = self.take()
        self.release()
        return taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.release()
