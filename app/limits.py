"""How often somebody may ask for something costly, and how many may at once: counted by caller, in memory.

Knows callers by a text and times by a clock it is handed; what is asked for is the routes' affair.
"""

from collections import deque
from collections.abc import Callable

from app.errors import Busy

_CALLERS = 10_000
_DAY_S = 86_400.0


class Limits:
    """Counts of callers; used on one event loop. `clock` gives seconds that only grow."""

    def __init__(self, a_minute: int, a_day: int, clock: Callable[[], float]) -> None:
        self._a_minute, self._a_day, self._clock = a_minute, a_day, clock
        self._seen: dict[str, deque[float]] = {}

    def take(self, caller: str) -> None:
        """Count one more. Raises Busy with how long to wait; a refused try does not count."""
        now = self._clock()
        times = self._seen.setdefault(caller, deque())
        while times and times[0] <= now - _DAY_S:
            times.popleft()
        recent = [at for at in times if at > now - 60]
        if len(recent) >= self._a_minute:
            wait = max(1, round(recent[0] + 60 - now))
            raise Busy(f"{self._a_minute} responses a minute are what a visitor may ask for. Wait {wait} seconds.")
        if len(times) >= self._a_day:
            raise Busy(f"{self._a_day} responses a day are what a visitor may ask for. Come back tomorrow.")
        times.append(now)
        self._forget()

    def _forget(self) -> None:
        """Leave out the callers that were here longest ago, so that strangers cannot fill the memory."""
        while len(self._seen) > _CALLERS:
            self._seen.pop(min(self._seen, key=lambda caller: self._seen[caller][-1] if self._seen[caller] else 0.0))


class Places:
    """What is at work at the same time: `at_once` in all, `of_one` of a caller who is counted, in the measure of `limits`."""

    def __init__(self, at_once: int, of_one: int, limits: Limits) -> None:
        self._at_once, self._of_one, self._limits = at_once, of_one, limits
        self._taken: dict[object, str] = {}

    def take(self, caller: str) -> Callable[[], None]:
        """Take a place before anything is awaited; call what is returned to give it back. '' is a caller who is not counted.

        Raises Busy; a refused try costs nothing.
        """
        if len(self._taken) >= self._at_once:
            raise Busy(f"{self._at_once} responses are being written already. Try again in a moment.")
        if caller:
            if sum(one == caller for one in self._taken.values()) >= self._of_one:
                raise Busy(f"{self._of_one} of your responses are being written. Wait for one of them, or stop it.")
            self._limits.take(caller)
        mark = object()
        self._taken[mark] = caller

        def leave() -> None:
            self._taken.pop(mark, None)

        return leave
