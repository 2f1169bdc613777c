"""Files on their way in: uploads that wait for a decision, and imports that are running.

Both live in this process only. A restart forgets uploads (their copies are removed) and rolls a running import back.
"""

import asyncio
import secrets
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.actions.import_data import Incoming, Labels, import_staged
from app.context import Context
from app.errors import Refused
from db.blobs import Staging
from db.search import tidy

WAITING = 600
"""Uploads that may wait at one time; the oldest goes when one more comes."""
_SPARE = 256 << 20


class Uploads:
    """Staged files by token."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: dict[str, Incoming] = {}
        self._lock = threading.Lock()

    async def receive(self, name: str, request: Request) -> str:
        """Take a file from a request body in bounded memory; returns its token. Raises Refused when it is too large."""
        limit = self._context.settings.max_upload_mb << 20
        stated = request.headers.get("content-length", "")
        self._check(name, int(stated) if stated.isdigit() else 0, limit)
        try:
            with await asyncio.to_thread(self._context.blobs.staging) as stage:
                async for chunk in request.stream():
                    self._check(name, stage.size + len(chunk), limit, disk=False)
                    await asyncio.to_thread(stage.write, chunk)
                return await asyncio.to_thread(self._keep, name, stage)
        except ClientDisconnect as error:
            raise Refused(f"The upload of {name} broke off. Drop the file again.") from error
        except OSError as error:
            raise Refused(f"{name} could not be kept: {(error.strerror or str(error)).lower()}.") from error

    def _check(self, name: str, size: int, limit: int, disk: bool = True) -> None:
        if size > limit:
            raise Refused(
                f"{name} is larger than {limit >> 20} MiB. Set SUBTEXT_MAX_UPLOAD_MB higher, or use `subtext import`."
            )
        if disk and shutil.disk_usage(self._context.settings.data).free < size + _SPARE:
            raise Refused(f"There is not enough free disk for {name}. Free some space and try again.")

    def _keep(self, name: str, stage: Staging) -> str:
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._waiting[token] = Incoming(name, stage.finish())
            oldest = list(self._waiting)[:-WAITING]
        self.discard(oldest)
        return token

    def get(self, token: str) -> Incoming:
        """The file of a token. Raises Refused when it is gone."""
        found = self._waiting.get(token)
        if found is None:
            raise Refused("This upload is gone (the server was restarted, or it was imported). Drop the file again.")
        return found

    def take(self, tokens: Sequence[str]) -> list[Incoming]:
        """The files of these tokens, which are now the caller's: all of them, or none with Refused."""
        with self._lock:
            found = [self.get(token) for token in dict.fromkeys(tokens)]
            for token in tokens:
                self._waiting.pop(token, None)
        return found

    def discard(self, tokens: Sequence[str]) -> None:
        """Forget files and remove their copies."""
        for token in tokens:
            with self._lock:
                found = self._waiting.pop(token, None)
            if found is not None:
                self._context.blobs.discard(found.staged)


@dataclass(slots=True)
class Running:
    """An import under way or done. `text` is the outcome or the refusal; '' while it runs."""

    names: str
    started: str
    read: int = 0
    total: int = 0
    text: str = ""
    failed: bool = False
    set_id: int | None = None

    def view(self) -> dict[str, Any]:
        """For the page."""
        share = self.read / self.total if self.total else 0.0
        done = bool(self.text)
        return {
            "names": self.names,
            "started": self.started,
            "share": share,
            "done": done,
            "failed": self.failed,
            "text": self.text,
            "set": self.set_id,
        }


class Imports:
    """Imports, one at a time, in a thread of their own: the page only looks on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._all: dict[str, Running] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="import")

    def start(self, incoming: list[Incoming], labels: Labels) -> str:
        """Queue an import; returns its token."""
        names = incoming[0].name if len(incoming) == 1 else f"{len(incoming)} files"
        running = Running(names, self._context.now(), total=sum(item.staged.size for item in incoming))
        token = secrets.token_urlsafe(12)
        self._all[token] = running
        self._worker.submit(self._run, running, incoming, labels)
        return token

    def get(self, token: str) -> Running:
        """An import by token. Raises Refused when it is not known."""
        found = self._all.get(token)
        if found is None:
            raise Refused("This import is not known; the server was restarted. The Data page shows what is stored.")
        return found

    def recent(self) -> list[Running]:
        """The last imports of this process, newest first."""
        return list(self._all.values())[::-1][:6]

    def _run(self, running: Running, incoming: list[Incoming], labels: Labels) -> None:
        def progress(read: int, total: int) -> None:
            running.read, running.total = read, total

        try:
            outcome = import_staged(self._context, incoming, labels, progress)
            running.set_id, running.text = outcome.set_id, outcome.sentence()
            tidy(self._context.database)
        except Refused as refusal:
            running.failed, running.text = True, str(refusal)
        except Exception as bug:
            running.failed, running.text = True, f"The import stopped on a bug in Subtext: {type(bug).__name__}: {bug}"
            raise
        finally:
            for item in incoming:
                self._context.blobs.discard(item.staged)
