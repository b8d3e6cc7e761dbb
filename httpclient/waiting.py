"""The queue of those who wait for a connection, in the order of arrival."""

from __future__ import annotations

import threading
import time

from .errors import PHASE_POOL, HttpClientError, PoolTimeoutError
from .failures import deadline_passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from socketpool import TSocketPoolWorker

    from .exchange import Exchange
    from .http1_connection import Http1Connection

#: What can be granted besides a connection: room to open one, a look at the one that all can share, and nothing any
#: more, because the origin is closed.
ROOM: Final = "room"
SHARED: Final = "shared"
CLOSED: Final = "closed"


class Waiter:
    """Somebody who waits for a connection.

    :param exchange: what the connection is for.
    :param worker: where a non-blocking exchange goes on; ``None`` for a thread that waits.

    :ivar grant: what the wait has led to; ``None`` as long as it lasts. Changed only with the lock of the origin held.
    :ivar since: when the wait began, in ``time.monotonic()`` seconds.
    """

    __slots__ = ("_lock", "exchange", "grant", "since", "worker")

    def __init__(self, exchange: Exchange, worker: TSocketPoolWorker | None) -> None:
        self.exchange = exchange
        self.worker = worker
        self.grant: Http1Connection | str | None = None
        self.since = time.monotonic()
        self._lock = None
        if worker is None:
            self._lock = threading.Lock()
            self._lock.acquire()

    def wake(self) -> None:
        """Wake the thread that sleeps, now that something has been granted to it."""
        if self._lock is not None:
            self._lock.release()

    def sleep(self, seconds: float) -> None:
        """Sleep until woken, or until the time is up."""
        assert self._lock is not None
        self._lock.acquire(timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))

    def due(self, last_grant: float) -> float:
        """When to give up, in ``time.monotonic()`` seconds: if nobody gets a connection for the connect time limit.

        A long queue that moves along is no reason to.

        :param last_grant: when somebody last got one.
        """
        request = self.exchange.request
        due = max(self.since, last_grant) + request.connect_timeout
        return min(due, request.deadline) if request.deadline else due

    def given_up(self) -> HttpClientError:
        """Return the error of a wait that took too long."""
        request = self.exchange.request
        if request.deadline and time.monotonic() >= request.deadline:
            error: HttpClientError = deadline_passed(PHASE_POOL)
        else:
            error = PoolTimeoutError(f"no connection became free within {request.connect_timeout:g} s")
        return error.locate(url=request.uri.to_string())
