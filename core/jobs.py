"""What a running job may say: the port its action reports to, its statuses, and how fast it goes. No clock, no process."""

import math
from typing import Any, Literal, Protocol, get_args

Status = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)
ALIVE: tuple[Status, ...] = ("running", "cancelling")
"""Statuses in which a process stands behind the row."""

ENDED: tuple[Status, ...] = ("done", "failed", "cancelled")


class Reporter(Protocol):
    """What an action is handed to tell how far it is. No call waits, and none fails because the telling did not work."""

    def progress(self, done: float, total: float, message: str = "") -> None:
        """`done` of `total` units (total 0: not known yet); `message` is a sentence, '' keeps the last one."""
        ...

    def metric(self, step: int, name: str, value: float) -> None:
        """A number at a step, such as a loss. The same step and name again replaces the value."""
        ...

    def input(self, name: str, digest: str) -> None:
        """Something the job reads, by the SHA-256 of its content; it goes into job.json."""
        ...

    def cancelled(self) -> bool:
        """True once somebody asked the job to stop: leave everything in order and return. Costs nothing to ask."""
        ...


def told_text(text: str, limit: int = 600) -> str:
    """A text of a program or a model as one that can be stored and shown: cut, without control characters and lone surrogates."""
    cut = text[:limit].encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else " " for char in cut)


def plain(value: Any) -> Any:
    """A result as JSON that every reader takes: a number that is not finite is null, a text has no lone surrogates."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {str(key): plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case list() | tuple():
            return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def objects(value: Any) -> Any:
    """Named tuples as objects, all the way down, for `plain`."""
    if (fields := getattr(value, "_asdict", None)) is not None:
        return objects(fields())
    match value:
        case dict():
            return {str(name): objects(part) for name, part in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case list() | tuple():
            return [objects(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def rate(done: float, since_done: float, seconds: float) -> float | None:
    """Units a second since the first report of this attempt; None while nothing can be said.

    `done` and `since_done` in units, `seconds` between the two reports. A resumed job starts with `since_done` > 0, so what an
    earlier attempt did makes no rate.
    """
    moved = done - since_done
    return moved / seconds if moved > 0 and seconds > 0 else None


def vanished(how: str, attempt: int, again: bool) -> str:
    """The sentence for a process that ended without a word; `how` is what is known of its end ('signal 9' or '')."""
    known = f" ({how})" if how else ""
    if again:
        return f"The process of attempt {attempt} ended without a word{known}; the job is queued again and goes on."
    killed = " Signal 9 is often a machine out of memory." if how == "signal 9" else ""
    return f"The process ended without a word{known}; the log has its last lines.{killed} Resume or retry."
