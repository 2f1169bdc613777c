"""Work that ends when its job is told to stop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from core.jobs import Reporter

_T = TypeVar("_T")


async def until_cancelled(work: Coroutine[Any, Any, _T], reporter: Reporter) -> _T | None:
    """What the work returns; None where the job was told to stop before, which is looked at twice a second. Of several errors
    that ended the work together, the first one is raised."""
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.wait({task}, timeout=0.5)
        if reporter.cancelled():
            task.cancel()
    return None if task.cancelled() else _result(task)


def _result(task: asyncio.Task[_T]) -> _T:
    try:
        return task.result()
    except BaseExceptionGroup as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        raise first from None
