"""The places of a pool: how many connections there may be to all origins together, and who gets the next one.

Each origin has a limit of its own and a queue of its own. Where it is only the limit of the pool that keeps the first
of a queue waiting, its origin is *starved*. A place that becomes free goes to the starved origin whose first waiter
came first. As long as any origin is starved nothing stays idle, whatever origin it belongs to: a connection that is
given back is closed for it, unless its own origin has somebody who has waited longer.

No Delphi origin: each client of the original held one connection.
"""

from __future__ import annotations

import threading
import time
from _heapq import heappop, heappush  # the C part of heapq

from .waiting import ROOM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connections import OriginConnections
    from .waiting import Waiter


class Places:
    """What the origins of one pool share. Everything here is read and changed with :attr:`lock` held.

    :param limit: how many connections there may be, those that are being opened included; 0 for any number.

    :ivar lock: the lock of the pool's connections, one for all origins.
    :ivar used: how many there are.
    :ivar starved: a heap of origins, by the number of their first waiter. Entries may be out of date.
    :ivar granted_at: when a starved origin last got a place, in ``time.monotonic()`` seconds.
    """

    __slots__ = ("granted_at", "limit", "lock", "starved", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.used = 0
        self.starved: list[tuple[int, OriginConnections]] = []
        self.granted_at = 0.0

    def first_starved(self) -> OriginConnections | None:
        """Return the starved origin whose first waiter came first; ``None`` where none is starved."""
        starved = self.starved
        while starved:
            number, origin = starved[0]
            head = origin.first_waiting()
            if head is not None and head.number == number and origin.has_room():
                return origin
            heappop(starved)
            if origin.queued == number:
                origin.queued = 0
        return None

    def enqueue(self, origin: OriginConnections) -> None:
        """Note an origin as starved, if anybody waits there for nothing but a place."""
        head = origin.first_waiting()
        if head is not None and origin.has_room():
            self.first_starved()  # drops what is out of date, so that it doesn't pile up
            if origin.queued != head.number:
                origin.queued = head.number
                heappush(self.starved, (head.number, origin))

    def grant(self, origin: OriginConnections) -> list[Waiter]:
        """Give away what room there is, now that something has changed at an origin; return who got it, to be told."""
        granted: list[Waiter] = []
        if not self.limit:
            while origin.first_waiting() is not None and origin.has_room():
                granted.append(origin.grant_first(ROOM))
            return granted
        self.enqueue(origin)
        while self.used < self.limit:
            first = self.first_starved()
            if first is None:
                break
            granted.append(first.grant_first(ROOM))
            self.granted_at = time.monotonic()
            self.enqueue(first)
        return granted

    def abandon_after_fork(self) -> None:
        """In a forked child: the connections are the parent's."""
        self.lock = threading.Lock()
        self.used = 0
        self.starved.clear()
