"""The connections to one origin: which there are, whose they are, and who waits for one.

As long as anybody waits, there is neither room for another connection nor an idle one: whatever becomes free is
granted to who waits longest in the same moment, under the lock. So nobody is overtaken, and no wake-up gets lost.
"""

from __future__ import annotations

import time
from collections import deque
from operator import attrgetter

from ..errors import ClientClosedError
from .waiting import ROOM, SHARED, Waiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from socketpool import TgoSocketConnection, Timer, TSocketPoolWorker

    from ..exchange import Exchange
    from ..http1.connection import Http1Connection
    from ..http1.response import KnownHead, ResponseParser
    from ..http2.connection import Http2Connection
    from ..proxies.routes import Route
    from ..uri import TgoURI
    from .pool import ConnectionPool

    HttpConnection: TypeAlias = Http1Connection | Http2Connection


_IDLE_SINCE = attrgetter("idle_since")


class OriginRetiredError(Exception):
    """The pool has dropped this object, since nobody used it; it will make another."""


class OriginConnections:
    """What :class:`Origin` hands out.

    All methods may be called from any thread unless they say otherwise. Nothing of the user's runs while the lock is
    held, and of a connection's locks only its I/O lock is taken then.

    :param pool: the pool that this belongs to.
    :param uri: any URL of the origin.
    :param route: the way to it; ``None`` for the direct one.
    """

    __slots__ = (
        "_closed", "_connections", "_granted_at", "_http2", "_idle", "_lock", "_negotiated", "_opening", "_places",
        "_retired", "_starved", "_unsettled", "_wait_timer", "_waiting", "host", "known_head", "parsers", "pool",
        "port", "queued", "route", "stands_alone", "tls",
    )  # fmt: skip

    def __init__(self, pool: ConnectionPool, uri: TgoURI, route: Route | None = None) -> None:
        self.pool = pool
        self.route = route
        self.host = uri.connect_host
        self.port = uri.port
        self.tls = uri.scheme == "https"
        #: What the HTTP/1.1 connections have in common; made for the first of them.
        self.known_head: KnownHead = None  # type: ignore[assignment]
        #: Parsers that have nothing to do, for connections that have none.
        self.parsers: list[ResponseParser] = []
        self._places = pool.places
        #: One for all origins of the pool.
        self._lock = pool.places.lock
        #: See :class:`.places.Places`; nothing becomes idle while anything is in here.
        self._starved = pool.places.starved
        self._closed = False
        self._retired = False
        self._connections: set[HttpConnection] = set()
        #: Who has room to open a connection, and the connection once there is one.
        self._opening: dict[Exchange, TgoSocketConnection | None] = {}
        #: May be popped from without the lock, since that is atomic; for everything else the lock is needed.
        self._idle: list[Http1Connection] = []
        self._http2: Http2Connection | None = None
        #: The server doesn't want requests for this origin on another's connection (421).
        self.stands_alone = False
        self._waiting: deque[Waiter] = deque()
        #: Those who wait, and those who have been granted something and don't know it yet.
        self._unsettled: set[Waiter] = set()
        #: When somebody who waited last got something.
        self._granted_at = 0.0
        self._wait_timer: Timer | None = None
        #: The number of the waiter for whom the origin is noted as starved; 0 if it isn't.
        self.queued = 0
        #: What the peer speaks: ``True`` HTTP/2, ``False`` HTTP/1.1, ``None`` not known yet.
        self._negotiated: bool | None = pool.http2 if pool.http2 is not None or self.tls else False

    # Asking

    def _ask(self, exchange: Exchange, worker: TSocketPoolWorker | None) -> Http1Connection | str | None:
        """Return what there is for an exchange; ``None`` if it waits in the queue from now on.

        :raises OriginRetiredError: not here any more.
        """
        evict = False
        with self._lock:
            if self._closed:
                raise ClientClosedError("the client is closed", url=exchange.request.uri.to_string())
            if self._retired:
                raise OriginRetiredError
            http2 = self._http2
            if http2 is not None and http2.accepts_streams:
                return SHARED
            places = self._places
            room = self.has_room()
            if room and (not places.limit or places.used < places.limit):
                self._opening[exchange] = None
                places.used += 1
                return ROOM
            # One that came back since somebody looked, or wasn't fresh enough.
            idle = self._pop_idle(exchange if worker is None else None)
            if idle is None:
                waiter = exchange.waiter = Waiter(self, exchange, worker)  # type: ignore[arg-type]
                self._unsettled.add(waiter)
                self._waiting.append(waiter)
                if room:
                    waiter.starving = True
                    # Who finds another one starved is sure that nothing is idle, or will be evicted presently.
                    evict = places.first_starved() is None
                    places.enqueue(self)
        if evict:
            self.pool.make_room()
        return idle

    def _pop_idle(self, exchange: Exchange | None = None) -> Http1Connection | None:
        """Take an idle connection, the one that was used last.

        :param exchange: a blocking one that it is for: told first, so that it can be given back whatever happens.
        """
        try:
            connection = self._idle[-1]
            if exchange is not None:
                exchange.connection = connection
            taken = self._idle.pop()
        except IndexError:
            if exchange is not None:
                exchange.connection = None
            return None
        if taken is not connection and exchange is not None:
            exchange.connection = taken
        return taken

    def has_room(self) -> bool:
        """Another connection may be opened, as far as this origin's own limit goes. With the lock held."""
        opening = self._opening
        # While it isn't known whether the peer speaks HTTP/2, one connection finds out for everybody.
        if opening and self._negotiated is not False:
            return False
        return len(self._connections) + len(opening) < self.pool.max_connections_per_origin

    def first_waiting(self) -> Waiter | None:
        """Return who waits longest; ``None`` if nobody does. With the lock held."""
        waiting = self._waiting
        while waiting:
            if waiting[0].grant is None:
                return waiting[0]
            waiting.popleft()  # somebody was interrupted before that
        return None

    def grant_first(self, grant: Http1Connection | str) -> Waiter:
        """Grant something to who waits longest, and return the waiter, to be told. With the lock held."""
        waiter = self._waiting[0]
        # No call in here: after one, a signal handler may raise, and the rest would be missing.
        if grant is ROOM:
            self._opening[waiter.exchange] = None
            self._places.used += 1
        waiter.grant = grant
        self._waiting.popleft()
        self._granted_at = time.monotonic()
        return waiter

    def _leave(self, exchange: Exchange) -> None:
        """Leave the queue, and pass on what has been granted in the same moment."""
        unused = None
        with self._lock:
            waiter, exchange.waiter = exchange.waiter, None
            if waiter is not None:
                if waiter.grant is None:
                    if waiter in self._waiting:
                        self._waiting.remove(waiter)
                elif not isinstance(waiter.grant, str):
                    unused = waiter.grant
                self._unsettled.discard(waiter)
            if exchange in self._opening:
                del self._opening[exchange]
                self._places.used -= 1
            granted = self._places.grant(self)
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

    def give_back(self, connection: Http1Connection, ended_at: float = 0.0) -> None:
        """Keep a connection for the next exchange, or hand it to who waits longest.

        :param ended_at: when its last exchange was complete, in ``time.monotonic()`` seconds; 0 for now.
        """
        connection.idle_since = ended_at or time.monotonic()
        waiter = None
        with self._lock:
            kept = not self._closed
            if self._waiting or self._starved:
                starved = self._places.first_starved()
                head = self.first_waiting()
                if head is not None and (starved is None or head.number <= self._starved[0][0]):
                    waiter = self.grant_first(connection)
                    if self._places.limit:
                        self._places.enqueue(self)
                elif starved is not None:
                    kept = False  # its place is what the other one waits for
            if waiter is None and kept:
                self._idle.append(connection)
        if waiter is not None:
            if waiter.worker is not None and waiter.worker.is_current:
                self._granted(waiter)
            else:
                self._tell([waiter])
        elif not kept:
            self._drop(connection)
        elif not self.pool.watching:
            self.pool.watch_idle()

    def became_idle(self) -> None:
        """The HTTP/2 connection has nothing to do any more. With nothing locked."""
        if self._starved:
            self.pool.make_room()
        if not self.pool.watching:
            self.pool.watch_idle()

    def forget(self, connection: HttpConnection) -> None:
        """A connection has ended, or won't be used again."""
        with self._lock:
            if connection in self._connections:
                self._places.used -= 1
                self._connections.discard(connection)
            if connection is self._http2:
                self._http2 = None
            elif connection in self._idle:
                try:
                    self._idle.remove(connection)
                except ValueError:
                    pass  # taken in this moment
            granted = self._places.grant(self) if self._waiting or self._starved else None
        if granted:
            self._tell(granted)

    def _drop(self, connection: Http1Connection) -> None:
        connection.connection.abort()
        self.forget(connection)

    def _tell(self, waiters: list[Waiter]) -> None:
        raise NotImplementedError

    def _granted(self, waiter: Waiter) -> None:
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
                if age < min(expiry, settled):
                    wait = min(expiry, settled) - age
                elif connection.connection.attached and age < (limit := min(expiry, connection.keep_alive())):
                    wait = limit - age
                else:
                    limit = min(expiry, connection.keep_alive())
                    try:
                        self._idle.remove(connection)
                    except ValueError:
                        continue  # taken in this moment
                    if age >= limit or not connection.watch_idle(worker):
                        ended.append(connection)
                        continue
                    from bisect import insort

                    insort(self._idle, connection, key=_IDLE_SINCE)
                    wait = limit - age
                again = min(again, wait) if again else wait
            http2 = self._own_http2()
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

    def idle(self) -> list[HttpConnection]:
        """Return the connections that nobody uses, as far as one can tell at a glance. With the lock held."""
        idle: list[HttpConnection] = list(self._idle)
        http2 = self._own_http2()
        if http2 is not None and http2.is_idle:
            idle.append(http2)
        return idle

    def _own_http2(self) -> Http2Connection | None:
        """Return the HTTP/2 connection, if it isn't one that another origin shares with this one."""
        http2 = self._http2
        return http2 if http2 in self._connections else None

    def http2_connections(self) -> list[Http2Connection]:
        """Return the HTTP/2 connections that are open."""
        with self._lock:
            return [each for each in self._connections if each.is_http2]

    def count_idle(self) -> int:
        """Return how many connections nobody uses. With the lock held."""
        http2 = self._own_http2()
        return len(self._idle) + (http2 is not None and http2.is_idle)

    def take_idle(self, connection: HttpConnection) -> bool:
        """Take a certain connection out of the idle ones. ``False`` if somebody uses it. With the lock held."""
        if connection.is_http2:
            return connection.is_idle
        try:
            self._idle.remove(connection)
        except ValueError:
            return False
        return True

    def evict(self, connection: HttpConnection) -> bool:
        """Close a connection that :meth:`take_idle` has taken. ``False`` if somebody uses it by now."""
        if connection.is_http2:
            return connection.close_idle()
        self._drop(connection)
        return True

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        while True:
            with self._lock:
                connection = self._idle[0] if self._idle else None
                taken = connection is not None and self.pool.take_idle(connection)
            if connection is None:
                break
            if taken:
                self.pool.evict(connection)
        http2 = self._own_http2()
        if http2 is not None:
            http2.close_idle()

    def statistics(self) -> tuple[int, int, int, int]:
        """Return how many connections are open, idle and being opened, and how many requests wait."""
        with self._lock:
            waiting = sum(waiter.grant is None for waiter in self._waiting)
            return len(self._connections), len(self.idle()), len(self._opening), waiting

    def abandon_after_fork(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._lock = self._places.lock
        self._connections = set()
        self._opening = {}
        self._idle = []
        self._http2 = None
        self._waiting = deque()
        self._unsettled = set()
        self.queued = 0
        self._wait_timer = None
