"""The way of a request to a connection, in the calling thread or in a worker's.

An origin is scheme, host and port (RFC 9110 section 4.3.1).
"""

from __future__ import annotations

import time
from threading import get_ident

from socketpool import ConnectionTimeoutError

from ..errors import PHASE_CONNECT, ClientClosedError, HttpClientError, HttpProtocolError
from ..failures import aborted, connect_failure, deadline_passed
from .coalescing import SharedElsewhereError, look_elsewhere, may_coalesce
from .connections import OriginConnections, OriginRetiredError
from .waiting import CLOSED, ROOM, SHARED, Waiter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from socketpool import MemoryBlock, TgoSocketConnection, TSocketPoolWorker

    from ..exchange import Exchange
    from ..http1.connection import Http1Connection
    from ..http2.connection import Http2Connection
    from ..request import Request
    from .connections import HttpConnection

#: What TLS may be asked to negotiate, by the client's ``http2`` setting.
ALPN_PROTOCOLS: dict[bool | None, tuple[bytes, ...]] = {
    None: (b"h2", b"http/1.1"),
    True: (b"h2",),
    False: (b"http/1.1",),
}


class Origin(OriginConnections):
    """The connections to one origin, and those who use them. All methods may be called from any thread."""

    __slots__ = ()

    # Blocking

    def run(self, exchange: Exchange) -> None:
        """Carry an exchange out in the calling thread, until it is satisfied.

        :raises HttpClientError: it failed.
        """
        try:
            http2 = self._http2
            if http2 is not None and http2.session.accepts_streams:
                http2.run(exchange)
                return
            connection = self._take(exchange) or self._acquire(exchange)
            connection.run(exchange)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.interrupted(exchange)
            raise

    def http2_connection(self, exchange: Exchange) -> Http2Connection:
        """Return the connection that all share, opened in the calling thread if there is none yet.

        :raises HttpProtocolError: the peer speaks HTTP/1.1.
        """
        connection = None if self._negotiated is False else self._take(exchange) or self._acquire(exchange)
        if connection is None or not connection.is_http2:
            if connection is not None:
                exchange.connection = None
                self.give_back(connection)
            raise HttpProtocolError(
                "a stream in both directions needs HTTP/2, and HTTP/1.1 is spoken here",
                url=exchange.request.uri.to_string(), phase=PHASE_CONNECT,
                advice="Use TgoHttpClient(http2=True) if the server speaks HTTP/2 without being asked",
            )  # fmt: skip
        return connection

    def interrupted(self, exchange: Exchange) -> None:
        """After KeyboardInterrupt and the like: end the connection that the exchange had, unless others have it by
        now, and do what may not have been done for others.
        """
        connection = exchange.connection
        if connection is not None and not connection.is_http2 and connection.exchange in (None, exchange):
            with self._lock:
                lost = connection in self._connections and connection not in self._idle
                lost = lost and not any(waiter.grant is connection for waiter in self._unsettled)
            if lost:
                connection.exchange = None
                self._drop(connection)
        self._leave(exchange)
        self.pool.tell_again()

    def tell_again(self) -> None:
        """Tell those to whom something has been granted, since whoever should have told them may have been stopped."""
        with self._lock:
            http2 = self._http2
            if http2 is not None and http2.accepts_streams:
                self._grant_shared()
            granted = self._places.grant(self)
            granted += [waiter for waiter in self._unsettled if waiter.grant is not None]
        self._tell(granted)

    def _grant_shared(self) -> list[Waiter]:
        """Let all who wait share the HTTP/2 connection; return them, to be told. With the lock held."""
        granted = []
        while self.first_waiting() is not None:
            granted.append(self.grant_first(SHARED))
        return granted

    def _take(self, exchange: Exchange) -> HttpConnection | None:
        """Return a connection that can be used at once by the calling thread, if there is one."""
        http2 = self._http2
        if http2 is not None and http2.accepts_streams:
            return http2
        idle = self._idle
        while idle and not exchange.fresh:
            try:
                # As in _pop_idle(): first known, then taken.
                candidate = exchange.connection = idle[-1]
                taken = idle.pop()
            except IndexError:
                break  # another thread took it
            if taken is not candidate:
                candidate = exchange.connection = taken
            if candidate.take():
                return candidate
            exchange.connection = None
            self._drop(candidate)
        return None

    def _acquire(self, exchange: Exchange) -> HttpConnection:
        """Open a connection, or wait for one that others have."""
        try:
            while True:
                grant = self._ask(exchange, None) or self._wait(exchange)
                if grant is ROOM:
                    return self._open(exchange)
                if grant is CLOSED:
                    raise aborted().locate(url=exchange.request.uri.to_string())
                if grant is SHARED:
                    http2 = self._http2
                    if http2 is not None and http2.accepts_streams:
                        return http2
                elif not isinstance(grant, str):
                    exchange.connection = grant
                    if not exchange.fresh and grant.take():
                        return grant
                    exchange.connection = None
                    if self._replace(grant, exchange):
                        return self._open(exchange)
        except BaseException:
            self._leave(exchange)
            raise

    def _wait(self, exchange: Exchange) -> Http1Connection | str:
        """Sleep until something is granted.

        :raises HttpTimeoutError: that took too long.
        """
        waiter: Waiter = exchange.waiter
        while True:
            waiter.sleep(self._due(waiter) - time.monotonic())
            with self._lock:
                if waiter.grant is not None:
                    grant = waiter.grant
                    if not isinstance(grant, str):
                        exchange.connection = grant
                    exchange.waited = time.monotonic() - waiter.since
                    exchange.waiter = None  # from here on, no call before it is settled
                    self._unsettled.discard(waiter)
                    return grant
                late = time.monotonic() >= self._due(waiter)
            if late:
                raise waiter.given_up()

    def _due(self, waiter: Waiter) -> float:
        """When a waiter gives up, as things are."""
        return waiter.due(self._places.granted_at if waiter.starving else self._granted_at)

    def _open(self, exchange: Exchange) -> HttpConnection:
        """Connect in the calling thread, which has room to."""
        request = exchange.request
        connection: TgoSocketConnection | None = None
        timeout = request.connect_timeout
        try:
            if request.deadline:
                timeout = _connect_limit(request)
            connection = self._new_connection(exchange)
            connection.open(use_nagle=False, timeout=timeout)
            return self._opened(connection, exchange)
        except SharedElsewhereError as error:
            return self._join(error.connection, exchange)
        except BaseException as error:
            if connection is not None:
                connection.abort()
            if not isinstance(error, Exception):
                raise
            raise self._connect_failure(error, request, timeout) from error

    # Opening

    def _new_connection(self, exchange: Exchange) -> TgoSocketConnection:
        """Return a connection to be opened for an exchange, which has room for it.

        :raises HttpClientError: the client is closed.
        :raises OSError: TLS can't be used as the options say.
        """
        pool, route = self.pool, self.route
        context = pool.tls_context() if self.tls else None
        connection = pool.socket_manager.request(self.host, self.port) if route is None else route.new_connection(self)
        if context is not None:
            connection.ssl = True
            connection.tls_context = context
            connection.alpn = pool.http2 is True
            if pool.http2_options and may_coalesce(self):
                connection.on_addresses = lambda addresses: look_elsewhere(self, addresses)
        with self._lock:
            if self._closed:
                raise aborted()
            self._opening[exchange] = connection
        if self._places.used > pool.max_idle_connections:
            pool.opens_one()
        return connection

    def _opened(self, connection: TgoSocketConnection, exchange: Exchange) -> HttpConnection:
        """A connection is there: find out what it speaks, and let the others know."""
        stream = connection.stream
        engine = None if stream is None else stream.engine
        # An origin without TLS may be reached through a proxy with it.
        is_http2 = engine.alpn == b"h2" if self.tls and engine is not None else self.pool.http2 is True
        opened: HttpConnection
        if is_http2:
            from ..http2.connection import Http2Connection

            opened = Http2Connection(self, connection)
        else:
            opened = (_http1_connection or _load_http1())(self, connection)
        exchange.times, connection.times = connection.times, None
        exchange.connection = opened  # first, so that whoever is interrupted from here on ends it
        with self._lock:
            closed = self._closed
            if not closed:
                if exchange in self._opening:
                    del self._opening[exchange]
                else:
                    self._places.used += 1
                self._negotiated = is_http2
                if is_http2:
                    self._http2 = opened  # type: ignore[assignment]
                self._connections.add(opened)
                granted = None
                if self._waiting or self._starved:
                    granted = self._grant_shared() if is_http2 else self._places.grant(self)
        if closed:
            opened.close()
            raise aborted()
        if granted:
            self._tell(granted)
        return opened

    def _join(self, connection: Http2Connection, exchange: Exchange) -> Http2Connection:
        """Use a connection of another origin; see :mod:`.coalescing`."""
        with self._lock:
            self._http2 = connection
            self._negotiated = True
        self._leave(exchange)
        self.tell_again()
        return connection

    def misdirected(self) -> None:
        """The server doesn't answer for this origin on another's connection (RFC 9110 section 15.5.20)."""
        with self._lock:
            self.stands_alone = True
            if self._http2 is not self._own_http2():
                self._http2 = None

    def _connect_failure(self, error: BaseException, request: Request, timeout: float) -> HttpClientError:
        if self.route is not None:
            error = self.route.failure(error)
        if self._closed and not isinstance(error, ClientClosedError):
            error = aborted()
        elif isinstance(error, ConnectionTimeoutError) and timeout < request.connect_timeout:
            error = deadline_passed(PHASE_CONNECT)
        return connect_failure(error, request)

    # Non-blocking

    def submit(self, exchange: Exchange) -> None:
        """Carry an exchange out by a worker; ``exchange.call`` is told when it has ended."""
        manager = self.pool.socket_manager
        try:
            worker = manager.only_worker or manager.choose_worker()
        except OSError as error:
            self._fail(exchange, self._connect_failure(error, exchange.request, 0.0))
            return
        if worker.thread_id == get_ident():
            self._start(worker, exchange, later=True)
        else:
            self._call(worker, exchange, self._start, worker, exchange)

    def _call(self, worker: TSocketPoolWorker, exchange: Exchange, call: Callable[..., object], *args: Any) -> None:
        """Have something done for an exchange in the worker's thread."""
        try:
            worker.call_soon(call, *args)
        except RuntimeError:
            self._leave(exchange)
            self._fail(exchange, aborted())

    @staticmethod
    def _fail(exchange: Exchange, error: HttpClientError) -> None:
        exchange.on_failure(error.locate(url=exchange.request.uri.to_string()))
        exchange.finish()

    def _start(self, worker: TSocketPoolWorker, exchange: Exchange, later: bool = False) -> None:
        """Find a connection for a non-blocking exchange. In the worker's thread.

        :param later: open one when it is its turn: who asks for thousands in one call gets them little by little.
        """
        while not exchange.done:
            http2 = self._http2
            if http2 is not None and http2.session.accepts_streams:
                http2.start(exchange, worker)
                return
            grant: Http1Connection | str | None
            try:
                grant = self._idle.pop() if self._idle and not exchange.fresh else self._ask(exchange, worker)
            except IndexError:
                continue  # another thread took it
            except OriginRetiredError:
                self._start_elsewhere(exchange)
                return
            except HttpClientError as error:
                self._fail(exchange, error)
                return
            if grant is not None and not isinstance(grant, str):
                socket = grant.connection
                if not exchange.fresh and (
                    grant.start(exchange) if socket.token and socket.worker is worker
                    else self._start_on(grant, exchange, worker)
                ):  # fmt: skip
                    return
                if self._replace(grant, exchange):
                    self._connect(exchange)
                    return
            elif grant is None:
                waiter = exchange.waiter
                if waiter is not None:  # and nothing has been granted to it in the same moment
                    self._watch_waiting(worker, self._due(waiter))
                return
            elif grant is ROOM:
                if later:
                    self._call(worker, exchange, self._connect, exchange)
                else:
                    self._connect(exchange)
                return

    def _start_elsewhere(self, exchange: Exchange) -> None:
        try:
            self.pool.submit_again(exchange)
        except HttpClientError as error:
            self._fail(exchange, error)

    def _granted(self, waiter: Waiter) -> None:
        """A waiter has been granted something. In its worker's thread."""
        exchange, worker, grant = waiter.exchange, waiter.worker, waiter.grant
        assert worker is not None
        with self._lock:
            if waiter not in self._unsettled:
                return  # told twice
            self._unsettled.discard(waiter)
            exchange.waiter = None
        exchange.waited = time.monotonic() - waiter.since
        if grant is SHARED:
            self._start(worker, exchange)
        elif grant is None or isinstance(grant, str):
            self._connect(exchange)
        else:
            self._start_or_replace(grant, exchange, worker)

    def _start_or_replace(self, connection: Http1Connection, exchange: Exchange, worker: TSocketPoolWorker) -> None:
        if not self._start_on(connection, exchange, worker):
            if self._replace(connection, exchange):
                self._connect(exchange)
            else:
                self._start(worker, exchange)

    def _start_on(self, connection: Http1Connection, exchange: Exchange, worker: TSocketPoolWorker) -> bool:
        """Start an exchange on a connection, in the thread of the worker that serves it.

        :param worker: who serves it if nobody does yet.
        :return: ``False`` if it can't be used any more, as far as can be told from here.
        """
        socket = connection.connection
        if socket.stream is None or connection.closing is not None:
            return False
        try:
            if not socket.attached:
                connection.attach(worker)
            serving = socket.worker or worker
            if serving.is_current:
                return connection.start(exchange)
            serving.call_soon(self._start_or_replace, connection, exchange, serving)
        except (OSError, RuntimeError) as error:
            self._drop(connection)
            self._fail(exchange, self._connect_failure(error, exchange.request, 0.0))
        return True

    def _connect(self, exchange: Exchange) -> None:
        """Connect by a worker; the exchange has room to."""
        if exchange.done:  # given up meanwhile
            self._leave(exchange)
            return
        request = exchange.request
        timeout = request.connect_timeout
        try:
            if request.deadline:
                timeout = _connect_limit(request)
            connection = self._new_connection(exchange)
            connection.handler = _Opening(self, connection, exchange, timeout)
            connection.connect(use_nagle=False, timeout=timeout, here=True)
        except Exception as error:
            self._leave(exchange)
            self._fail(exchange, self._connect_failure(error, request, timeout))

    def connected(self, connection: TgoSocketConnection, exchange: Exchange) -> None:
        """A worker has connected for an exchange. In its thread."""
        connection.handler = None
        try:
            opened = self._opened(connection, exchange)
        except Exception as error:
            connection.stop_callbacks()
            connection.abort()
            self._leave(exchange)
            self._fail(exchange, self._connect_failure(error, exchange.request, 0.0))
            return
        exchange.connection = None
        serving = connection.worker
        assert serving is not None
        if opened.is_http2:
            opened.start(exchange, serving)
        else:
            connection.handler = opened
            opened.start(exchange)

    def not_connected(self, connection: TgoSocketConnection, exchange: Exchange, timeout: float) -> None:
        """A worker could not connect for an exchange. In its thread."""
        connection.stop_callbacks()
        error = connection.error or ConnectionError("the connection was closed")
        if isinstance(error, SharedElsewhereError) and connection.worker is not None:
            self._join(error.connection, exchange)
            self._start(connection.worker, exchange)
            return
        self._leave(exchange)
        self._fail(exchange, self._connect_failure(error, exchange.request, timeout))

    def _tell(self, waiters: list[Waiter]) -> None:
        """Let those know whom something has been granted to; they may wait at any origin."""
        for waiter in waiters:
            if waiter.worker is None:
                waiter.wake()
            else:
                # Never at once: who fails at once would tell the next, and so on.
                waiter.origin._call(waiter.worker, waiter.exchange, waiter.origin._granted, waiter)

    def withdraw(self, exchange: Exchange, error: HttpClientError) -> None:
        """Give up a non-blocking exchange that has no connection yet, from any thread."""
        worker = None
        granted: list[Waiter] = []
        with self._lock:
            waiter = exchange.waiter
            if waiter is not None and waiter.grant is None and waiter in self._waiting:
                self._waiting.remove(waiter)
                self._unsettled.discard(waiter)
                exchange.waiter = None
                worker = waiter.worker
                granted = self._places.grant(self)
        self._tell(granted)
        try:
            worker = worker or self.pool.socket_manager.choose_worker()
            worker.call_soon(self._withdrawn, exchange, error)
        except (OSError, RuntimeError):
            self._fail(exchange, error)

    def _withdrawn(self, exchange: Exchange, error: HttpClientError) -> None:
        # If a connection has been found meanwhile, that one is told instead.
        if exchange.connection is not None:
            exchange.connection.cancel(exchange, error)
        elif not exchange.done:
            self._fail(exchange, error)
        opening = self._opening.get(exchange)
        if opening is not None:
            opening.end(aborted("the request was given up"))  # its place is worth more to others

    def _watch_waiting(self, worker: TSocketPoolWorker, due: float) -> None:
        """Set the one timer of the non-blocking waiters, unless it goes off early enough. In a worker's thread."""
        timer = self._wait_timer
        if timer is not None and timer.when <= due:
            return

        def look() -> None:
            if self._wait_timer is timer:  # and not one that was set to an earlier time since
                self._wait_timer = None
                self._expire_waiting(worker)

        timer = self._wait_timer = worker.call_at(due, look)

    def _expire_waiting(self, worker: TSocketPoolWorker) -> None:
        """End the non-blocking exchanges that have waited too long."""
        now = time.monotonic()
        late = []
        due = 0.0
        with self._lock:
            for waiter in list(self._waiting):
                if waiter.worker is None:
                    continue
                limit = self._due(waiter)
                if limit <= now:
                    self._waiting.remove(waiter)
                    self._unsettled.discard(waiter)
                    waiter.exchange.waiter = None
                    late.append(waiter)
                else:
                    due = min(due, limit) if due else limit
            granted = self._places.grant(self)
        self._tell(granted)
        for waiter in late:
            assert waiter.worker is not None
            self._call(waiter.worker, waiter.exchange, self._fail, waiter.exchange, waiter.given_up())
        if due:
            self._watch_waiting(worker, due)

    # The end

    def close(self) -> None:
        """End everything: idle connections at once, exchanges under way and waiting ones with an error."""
        with self._lock:
            self._closed = True
            waiting = [waiter for waiter in self._waiting if waiter.grant is None]
            self._waiting.clear()
            for waiter in waiting:
                waiter.grant = CLOSED
            opening = list(self._opening.values())
            connections = list(self._connections)
        self.close_idle()
        for waiter in waiting:
            if waiter.worker is None:
                waiter.wake()
            else:
                self._fail(waiter.exchange, aborted())
        for connection in opening:
            if connection is not None:
                connection.end(aborted())
        for http in connections:
            http.close()


#: Loaded with the first connection that speaks it: an import for each takes several us.
_http1_connection: type[Http1Connection] | None = None


def _load_http1() -> type[Http1Connection]:
    global _http1_connection
    from ..http1.connection import Http1Connection

    _http1_connection = Http1Connection
    return Http1Connection


class _Opening:
    """What becomes of a connection that a worker opens; see :attr:`socketpool.TgoSocketConnection.handler`."""

    __slots__ = ("_connection", "_exchange", "_origin", "_timeout")

    def __init__(self, origin: Origin, connection: TgoSocketConnection, exchange: Exchange, timeout: float) -> None:
        self._origin = origin
        self._connection = connection
        self._exchange = exchange
        self._timeout = timeout

    def on_connected(self) -> None:
        self._origin.connected(self._connection, self._exchange)

    def on_buffer(self, block: MemoryBlock, count: int) -> None:
        """Nothing is read before."""

    def on_disconnected(self) -> None:
        self._origin.not_connected(self._connection, self._exchange, self._timeout)


def _connect_limit(request: Request) -> float:
    """Return how many seconds connecting may take for a request with a deadline.

    :raises DeadlineError: the time is up.
    """
    left = request.deadline - time.monotonic()
    if left <= 0:
        raise deadline_passed(PHASE_CONNECT)
    return min(left, request.connect_timeout)
