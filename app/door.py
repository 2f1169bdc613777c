"""The door under a rush: how often an address may try a name, and how many passwords are checked at once.

Kept in memory and bounded: a restart forgets it, and a flood of made-up names pushes out only other tries. Knows no password
and no account.
"""

import asyncio
import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from app.errors import Busy

TRIES = 5
"""Failed tries of one name from one address before that address waits."""
ADDRESS_TRIES = 50
"""Failed tries of one address, whatever the names, before it waits."""
WORKERS, WAITING = 2, 10
"""Passwords that are checked at once, and sign-ins that wait for that."""
_KEPT = 10_000

T = TypeVar("T")


@dataclass(slots=True)
class _Tries:
    """Tries in a row: failed ones, those under way, and until when no other one is let through."""

    failed: int = 0
    under_way: int = 0
    until: str = ""


class Door:
    """One for each server. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._pool = ThreadPoolExecutor(WORKERS, "sign-in")
        self._inside = 0

    def begin(self, name: str, address: str, now: str) -> bool:
        """Start a try; False when this address has to wait. Tries under way count, so that many at once get no more chances.

        A name that has come in from this address before waits only for its own failures, not for those of its neighbours.
        """
        with self._lock:
            own, all_of_it = self._of(name, address, now), self._of("", address, now)
            crowded = all_of_it.failed + all_of_it.under_way >= ADDRESS_TRIES and (name, address) not in self._known
            if own.until or own.failed + own.under_way >= TRIES or crowded:
                return False
            own.under_way += 1
            all_of_it.under_way += 1
            return True

    def end(self, name: str, address: str, right: bool, now: str, until: str) -> None:
        """How a try ended; with the last failure that is allowed the address waits until the given time."""
        with self._lock:
            own, all_of_it = self._of(name, address, now), self._of("", address, now)
            for tries, limit in ((own, TRIES), (all_of_it, ADDRESS_TRIES)):
                tries.under_way = max(0, tries.under_way - 1)
                tries.failed += not right
                if tries.failed >= limit:
                    tries.until = until
            if right:
                own.failed, own.until = 0, ""
                self._known[name, address] = None
                self._known.move_to_end((name, address))
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)

    def knows(self, name: str, address: str) -> bool:
        """True where this name has come in from this address."""
        with self._lock:
            return (name, address) in self._known

    def forget(self, name: str) -> None:
        """Forget the failed tries of a name from everywhere."""
        with self._lock:
            for key in [key for key in self._tries if key[0] == name]:
                del self._tries[key]

    def _of(self, name: str, address: str, now: str) -> _Tries:
        found = self._tries.setdefault((name, address), _Tries())
        self._tries.move_to_end((name, address))
        if found.until and found.until <= now:
            found.failed, found.until = 0, ""
        while len(self._tries) > _KEPT:
            self._tries.popitem(last=False)
        return found

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that hashes a password, in threads of its own: nothing else waits for it. Raises Busy for a crowd."""
        with self._lock:
            if self._inside >= WORKERS + WAITING:
                raise Busy("Many people are signing in just now. Try again in a few seconds.")
            self._inside += 1
        started = self._pool.submit(work)
        started.add_done_callback(self._leave)
        return await asyncio.wrap_future(started)

    def _leave(self, _done: Future[T]) -> None:
        with self._lock:
            self._inside -= 1


def neighbourhood(address: str) -> str:
    """The address whose tries count together: of an IPv6 address the network of one household (/64)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:60]
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address
