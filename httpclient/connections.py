"""The connections to one origin: which there are, whose they are, and who waits for one.

As long as anybody waits, there is neither room for another connection nor an idle one: whatever becomes free is
granted to who waits longest in the same moment, under the lock. So nobody is overtaken, and no wake-up gets lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from .errors import ClientClosedError
from .http1_connection import Http1Connection
from .waiting import ROOM, SHARED, Waiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from socketpool import TgoSocketConnection, Timer, TSocketPoolWorker

    from .exchange import Exchange
    from .http2_connection import Http2Connection
    from .pool import ConnectionPool
    from .uri import TgoURI

    HttpConnection: TypeAlias = Http1Connection | Http2Connection


class OriginRetiredError(Exception):
    """The pool has dropped this object, since nobody used it; it will make another."""


class OriginConnections:
    """What :class:`Origin` hands out.

    All methods may be called from any thread unless they say otherwise. Nothing of the user's runs while the lock is
    held, and of a connection's locks only its I/O lock is taken then.

    :param pool: the pool that this belongs to.
    :param uri: any URL of the origin.
    """

    __slots__ = (
        "_closed", "_connections", "_granted_at", "_http2", "_idle", "_lock", "_negotiated", "_opening", "_retired",
        "_wait_timer", "_waiting", "host", "pool", "port", "tls",
    )  # fmt: skip

    def __init__(self, pool: ConnectionPool, uri: TgoURI) -> None:
        self.pool = pool
        self.host = uri.connect_host
        self.port = uri.port
        self.tls = uri.scheme == "https"
        self._lock = threading.Lock()
        self._closed = False
        self._retired = False
        self._connections: set[HttpConnection] = set()
        #: Who has room to open a connection, and the connection once there is one.
        self._opening: dict[Exchange, TgoSocketConnection | None] = {}
        #: May be popped from without the lock, since that is atomic; for everything else the lock is needed.
        self._idle: list[Http1Connection] = []
        self._http2: Http2Connection | None = None
        self._waiting: deque[Waiter] = deque()
        #: When somebody who waited last got something.
        self._granted_at = 0.0
        self._wait_timer: Timer | None = None
        #: What the peer speaks: ``True`` HTTP/2, ``False`` HTTP/1.1, ``None`` not known yet.
        self._negotiated: bool | None = pool.http2 if pool.http2 is not None or self.tls else False

    # Asking

    def _ask(self, exchange: Exchange, worker: TSocketPoolWorker | None) -> Http1Connection | str | None:
        """Return what there is for an exchange; ``None`` if it waits in the queue from now on.

        :raises OriginRetiredError: not here any more.
        """
        with self._lock:
            if self._closed:
                raise ClientClosedError("the client is closed", url=exchange.request.uri.to_string())
            if self._retired:
                raise OriginRetiredError
            http2 = self._http2
            if http2 is not None and http2.accepts_streams:
                return SHARED
            if self._has_room():
                self._opening[exchange] = None
                return ROOM
            idle = self._pop_idle()  # came back since somebody looked, or wasn't fresh enough
            if idle is None:
                waiter = exchange.waiter = Waiter(exchange, worker)
                self._waiting.append(waiter)
            return idle

    def _pop_idle(self) -> Http1Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _has_room(self) -> bool:
        """Another connection may be opened. With the lock held."""
        opening = self._opening
        # While it isn't known whether the peer speaks HTTP/2, one connection finds out for everybody.
        if opening and self._negotiated is not False:
            return False
        return len(self._connections) + len(opening) < self.pool.max_connections_per_origin

    def _grant_room(self) -> list[Waiter]:
        """Give the room that there is to those who wait longest; return them, to be told. With the lock held."""
        granted = []
        while self._waiting and self._has_room():
            waiter = self._waiting.popleft()
            self._opening[waiter.exchange] = None
            waiter.grant = ROOM
            granted.append(waiter)
        if granted:
            self._granted_at = time.monotonic()
        return granted

    def _leave(self, exchange: Exchange) -> None:
        """Leave the queue, and pass on what has been granted in the same moment."""
        unused = None
        with self._lock:
            waiter, exchange.waiter = exchange.waiter, None
            if waiter is not None:
                if isinstance(waiter.grant, Http1Connection):
                    unused = waiter.grant
                elif waiter.grant is None and waiter in self._waiting:
                    self._waiting.remove(waiter)
            self._opening.pop(exchange, None)
            granted = self._grant_room()
        self._tell(granted)
        if unused is not None:
            self.give_back(unused)

    def _replace(self, connection: Http1Connection, exchange: Exchange) -> bool:
        """End a connection and let an exchange have its place. ``False`` if the place has been given away already."""
        with self._lock:
            place = connection in self._connections
            if place:
                self._connections.discard(connection)
                self._opening[exchange] = None
        connection.connection.abort()
        return place

    # Giving back

    def give_back(self, connection: Http1Connection) -> None:
        """Keep a connection for the next exchange, or hand it to who waits longest."""
        connection.idle_since = now = time.monotonic()
        waiter = None
        with self._lock:
            kept = not self._closed
            if self._waiting:
                waiter = self._waiting.popleft()
                waiter.grant = connection
                self._granted_at = now
            elif kept:
                self._idle.append(connection)
        if waiter is not None:
            if waiter.worker is None:
                waiter.wake()
            else:
                waiter.exchange.waiter = None
                self._start_on(connection, waiter.exchange, waiter.worker)
        elif not kept:
            self._drop(connection)
        elif not connection.connection.attached:
            self.pool.watch_idle()

    def forget(self, connection: HttpConnection) -> None:
        """A connection has ended, or won't be used again."""
        with self._lock:
            self._connections.discard(connection)
            if connection is self._http2:
                self._http2 = None
            elif connection in self._idle:
                try:
                    self._idle.remove(connection)
                except ValueError:
                    pass  # taken in this moment
            granted = self._grant_room()
        self._tell(granted)

    def _drop(self, connection: Http1Connection) -> None:
        connection.connection.abort()
        self.forget(connection)

    def _start_on(
        self, connection: Http1Connection, exchange: Exchange, worker: TSocketPoolWorker, here: bool = False
    ) -> None:
        raise NotImplementedError

    def _tell(self, waiters: list[Waiter]) -> None:
        raise NotImplementedError

    # Idle connections, and the end

    def watch(self, worker: TSocketPoolWorker, now: float, settled: float, expiry: float) -> float:
        """Let the worker watch connections that have been idle for a while, and close those idle for too long.

        :param settled: seconds after which an idle connection is worth registering with the worker.
        :param expiry: seconds after which it is closed.
        :return: in how many seconds to look again; 0 if nothing here is idle.

        Only in the worker's thread.
        """
        again = 0.0
        ended = []
        with self._lock:
            for connection in list(self._idle):
                age = now - connection.idle_since
                attached = connection.connection.attached
                wait = expiry - age if attached else min(expiry, settled) - age
                if wait <= 0:
                    try:
                        self._idle.remove(connection)
                    except ValueError:
                        continue  # taken in this moment
                    if age >= expiry or not connection.watch_idle(worker):
                        ended.append(connection)
                        continue
                    self._idle.insert(0, connection)
                    wait = expiry - age
                again = min(again, wait) if again else wait
            http2 = self._http2
        for connection in ended:
            self._drop(connection)
        if http2 is not None:
            wait = http2.watch_idle(worker, now, settled, expiry)
            if wait:
                again = min(again, wait) if again else wait
        return again

    def retire(self) -> bool:
        """Let nobody use this object any more, if nobody does. ``False`` if somebody does."""
        with self._lock:
            if not (self._connections or self._opening or self._waiting or self._idle):
                self._retired = True
            return self._retired

    def _close_idle(self) -> None:
        while (connection := self._pop_idle()) is not None:
            self._drop(connection)

    def abandon_after_fork(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._lock = threading.Lock()
        self._connections = set()
        self._opening = {}
        self._idle = []
        self._http2 = None
        self._waiting = deque()
        self._wait_timer = None
