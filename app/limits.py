"""How often somebody may ask for something costly: a sliding window a minute and a day for each caller, in memory.

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
