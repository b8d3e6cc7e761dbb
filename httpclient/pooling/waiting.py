"""The queue of those who wait for a connection, in the order of arrival."""

from __future__ import annotations

import threading
import time
from itertools import count

from ..errors import PHASE_POOL, HttpClientError, PoolTimeoutError
from ..failures import deadline_passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from socketpool import TSocketPoolWorker

    from ..exchange import Exchange
    from ..http1.connection import Http1Connection
    from .origin import Origin

#: What can be granted besides a connection: room to open one, a look at the one that all can share, and nothing any
#: more, because the origin is closed.
ROOM: Final = "room"
SHARED: Final = "shared"
CLOSED: Final = "closed"


#: Waiters are numbered in the order of arrival, over all origins.
_numbers = count(1)


class Waiter:
    """Somebody who waits for a connection.

    :param origin: in whose queue.
    :param exchange: what the connection is for.
    :param worker: where a non-blocking exchange goes on; ``None`` for a thread that waits.

    :ivar grant: what the wait has led to; ``None`` as long as it lasts. Changed only with the lock of the origin held.
    :ivar since: when the wait began, in ``time.monotonic()`` seconds.
    :ivar starving: when it began, it was only the limit of the whole pool that was in the way.
    """

    __slots__ = ("_lock", "exchange", "grant", "number", "origin", "since", "starving", "worker")

    def __init__(self, origin: Origin, exchange: Exchange, worker: TSocketPoolWorker | None) -> None:
        self.origin = origin
        self.exchange = exchange
        self.worker = worker
        self.number = next(_numbers)
        self.starving = False
        self.grant: Http1Connection | str | None = None
        self.since = time.monotonic()
        self._lock = None
        if worker is None:
            self._lock = threading.Lock()
            self._lock.acquire()

    def wake(self) -> None:
        """Wake the thread that sleeps, now that something has been granted to it. More than once does no harm."""
        if self._lock is not None and self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:
                pass  # woken by somebody else in the same moment

    def sleep(self, seconds: float) -> None:
        """Sleep until woken, or until the time is up."""
        assert self._lock is not None
        self._lock.acquire(timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))

    def due(self, last_grant: float) -> float:
        """When to give up, in ``time.monotonic()`` seconds.

        Where the request has no limit for this, if nobody gets a connection for the connect time limit: a long queue
        that moves along is no reason to.

        :param last_grant: when somebody last got one.
        """
        request = self.exchange.request
        if request.pool_timeout is not None:
            due = self.since + request.pool_timeout
        else:
            due = max(self.since, last_grant) + request.connect_timeout
        return min(due, request.deadline) if request.deadline else due

    def given_up(self) -> HttpClientError:
        """Return the error of a wait that took too long."""
        request = self.exchange.request
        if request.deadline and time.monotonic() >= request.deadline:
            error: HttpClientError = deadline_passed(PHASE_POOL)
        else:
            limit = request.connect_timeout if request.pool_timeout is None else request.pool_timeout
            error = PoolTimeoutError(f"no connection became free within {limit:g} s")
        return error.locate(url=request.uri.to_string())
