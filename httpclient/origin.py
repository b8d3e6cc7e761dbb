"""The connections of one pool to one origin: who may use which, who waits, and when another one is opened.

An origin is scheme, host and port (RFC 9110 section 4.3.1). All methods may be called from any thread unless they
say otherwise; nothing of the user's runs while the lock is held.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from socketpool import ManagerClosedError

from .errors import ClientClosedError, HttpClientError, PoolTimeoutError
from .failures import aborted, connect_failure
from .http1_connection import Http1Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import TgoSocketConnection, TSocketPoolWorker

    from .exchange import Exchange
    from .http2_connection import Http2Connection
    from .pool import ConnectionPool
    from .uri import TgoURI

    HttpConnection = Http1Connection | Http2Connection

#: What TLS may be asked to negotiate, by the client's ``http2`` setting.
ALPN_PROTOCOLS: dict[bool | None, tuple[bytes, ...]] = {
    None: (b"h2", b"http/1.1"),
    True: (b"h2",),
    False: (b"http/1.1",),
}


class Waiter:
    """Somebody who waits for a connection, in the order of arrival.

    :param exchange: what the connection is for.
    :param worker: where a non-blocking exchange goes on; ``None`` for a thread that waits.
    """

    __slots__ = ("connection", "exchange", "lock", "worker")

    def __init__(self, exchange: Exchange, worker: TSocketPoolWorker | None) -> None:
        self.exchange = exchange
        self.worker = worker
        self.connection: HttpConnection | None = None
        self.lock = threading.Lock()
        self.lock.acquire()


class Origin:
    """The connections to one origin.

    :param pool: the pool that this belongs to.
    :param uri: any URL of the origin.
    """

    __slots__ = (
        "_closed", "_connections", "_http2", "_idle", "_lock", "_negotiated", "_opening", "_waiting", "host", "pool",
        "port", "tls",
    )  # fmt: skip

    def __init__(self, pool: ConnectionPool, uri: TgoURI) -> None:
        self.pool = pool
        self.host = uri.connect_host
        self.port = uri.port
        self.tls = uri.scheme == "https"
        self._lock = threading.Lock()
        self._closed = False
        self._connections: set[HttpConnection] = set()
        self._opening: set[TgoSocketConnection] = set()
        self._idle: list[Http1Connection] = []
        self._http2: Http2Connection | None = None
        self._waiting: deque[Waiter] = deque()
        #: What the peer speaks: ``True`` HTTP/2, ``False`` HTTP/1.1, ``None`` not known yet.
        self._negotiated: bool | None = pool.http2 if pool.http2 is not None or self.tls else False

    # Taking a connection

    def run(self, exchange: Exchange, fresh: bool = False) -> None:
        """Carry an exchange out in the calling thread, until it is satisfied.

        :param fresh: don't use an idle connection: one has just proved stale.
        :raises HttpClientError: it failed.
        """
        connection = self._take(fresh)
        if connection is None:
            connection = self._open_or_wait(exchange, fresh)
        connection.run(exchange)
        if exchange.done:
            self.finished(connection)

    def finished(self, connection: HttpConnection) -> None:
        """A caller has read the response to its end; keep the connection if it is good for another."""
        if type(connection) is Http1Connection:
            if connection.reusable:
                self.give_back(connection)
            else:
                self.forget(connection)
                connection.connection.abort()

    def _take(self, fresh: bool) -> HttpConnection | None:
        """Return a connection that can be used at once by the calling thread, if there is one."""
        http2 = self._http2
        if http2 is not None and http2.accepts_streams:
            return http2
        idle = self._idle
        while idle and not fresh and not self._waiting:
            try:
                candidate = idle.pop()
            except IndexError:
                break  # another thread took it
            connection = candidate.connection
            if connection.attached:
                if not connection.detach():
                    continue
                connection.stop_callbacks()
            stream = connection.stream
            if stream is not None and stream.is_quiet():
                return candidate
            self._drop(candidate)
        return None

    def _open_or_wait(self, exchange: Exchange, fresh: bool) -> HttpConnection:
        request = exchange.request
        while True:
            waiter = None
            with self._lock:
                self._check_open()
                if self._may_open():
                    connection = self._new_connection()
                else:
                    waiter = Waiter(exchange, None)
                    self._waiting.append(waiter)
            if waiter is None:
                return self._open(connection, exchange)
            limit = request.connect_timeout
            if request.deadline:
                limit = min(limit, max(0.0, request.deadline - time.monotonic()))
            try:
                granted = waiter.lock.acquire(timeout=limit)
            except BaseException:
                unused = self._give_up(waiter)
                if type(unused) is Http1Connection:
                    self.give_back(unused)
                raise
            if not granted and self._give_up(waiter) is None:
                raise PoolTimeoutError(
                    f"no connection became free within {limit:g} s", url=request.uri.to_string()
                )
            taken = waiter.connection or self._take(fresh)
            if taken is not None:
                return taken

    def _give_up(self, waiter: Waiter) -> HttpConnection | None:
        """Stop waiting; return the connection that was granted in the same moment, if one was."""
        with self._lock:
            try:
                self._waiting.remove(waiter)
            except ValueError:
                return waiter.connection
        return None

    def _may_open(self) -> bool:
        # While it isn't known whether the peer speaks HTTP/2, one connection finds out for everybody.
        if self._opening and self._negotiated is not False:
            return False
        return len(self._connections) + len(self._opening) < self.pool.max_connections_per_origin

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("the client is closed")

    def _new_connection(self) -> TgoSocketConnection:
        try:
            connection = self.pool.socket_manager.request(self.host, self.port, ssl=self.tls)
        except ManagerClosedError as error:
            raise ClientClosedError("the client is closed") from error
        if self.tls:
            connection.tls_context = self.pool.tls_context()
            connection.alpn = self.pool.http2 is True
        self._opening.add(connection)
        return connection

    def _open(self, connection: TgoSocketConnection, exchange: Exchange) -> HttpConnection:
        """Connect in the calling thread."""
        request = exchange.request
        timeout = request.connect_timeout
        if request.deadline:
            timeout = min(timeout, max(0.0, request.deadline - time.monotonic()))
        try:
            connection.open(use_nagle=False, timeout=timeout)
            return self._opened(connection)
        except BaseException as error:
            connection.abort()
            self._not_opened(connection)
            if not isinstance(error, Exception):
                raise
            raise connect_failure(aborted() if self._closed else error, request) from error

    def _opened(self, connection: TgoSocketConnection) -> HttpConnection:
        """A connection is there: find out what it speaks, and let the others know."""
        stream = connection.stream
        engine = None if stream is None else stream.engine
        is_http2 = engine.alpn == b"h2" if engine is not None else self.pool.http2 is True
        opened: HttpConnection
        if is_http2:
            from .http2_connection import Http2Connection

            opened = Http2Connection(self, connection)
        else:
            opened = Http1Connection(self, connection, self.pool.limits)
        with self._lock:
            self._opening.discard(connection)
            self._negotiated = is_http2
            closed = self._closed
            if not closed:
                self._connections.add(opened)
                if is_http2:
                    self._http2 = opened  # type: ignore[assignment]
            if is_http2:
                wakened = list(self._waiting)
                self._waiting.clear()
            else:
                wakened = self._next_waiters()
        if closed:
            opened.close()
            raise aborted()
        self._wake(wakened)
        return opened

    def _not_opened(self, connection: TgoSocketConnection) -> None:
        with self._lock:
            self._opening.discard(connection)
            wakened = self._next_waiters()
        self._wake(wakened)

    def _next_waiters(self) -> list[Waiter]:
        """Take from the queue those for whom there is room now. Called with the lock held."""
        room = self.pool.max_connections_per_origin - len(self._connections) - len(self._opening)
        if self._negotiated is not False:
            room = min(room, 1)
        wakened = []
        while self._waiting and room > 0:
            wakened.append(self._waiting.popleft())
            room -= 1
        return wakened

    def _wake(self, waiters: list[Waiter]) -> None:
        """Let waiters look again: they find a shared connection, or room to open one."""
        for waiter in waiters:
            if waiter.worker is None:
                waiter.lock.release()
            else:
                self._call(waiter.worker, waiter.exchange)

    # Giving a connection back

    def give_back(self, connection: Http1Connection) -> None:
        """Keep a connection for the next exchange, or hand it to who waits longest."""
        connection.idle_since = time.monotonic()
        if self._waiting:
            with self._lock:
                waiter = self._waiting.popleft() if self._waiting else None
            if waiter is not None:
                self._grant(waiter, connection)
                return
        if self._closed:
            self._drop(connection)
            return
        self._idle.append(connection)
        if not connection.connection.attached:
            self.pool.watch_idle()
        if self._closed:
            self._close_idle()

    def _grant(self, waiter: Waiter, connection: Http1Connection) -> None:
        socket = connection.connection
        if waiter.worker is None:
            # Given from the worker that drove it, or from the thread that did.
            if socket.attached:
                if not socket.detach():
                    self.forget(connection)
                    self._wake([waiter])
                    return
                socket.stop_callbacks()
            waiter.connection = connection
            waiter.lock.release()
        else:
            self._start_on(connection, waiter.exchange, waiter.worker)

    def forget(self, connection: HttpConnection) -> None:
        """A connection has ended, or won't be used again."""
        with self._lock:
            self._connections.discard(connection)
            if connection is self._http2:
                self._http2 = None
            elif connection in self._idle:
                try:
                    self._idle.remove(connection)  # type: ignore[arg-type]
                except ValueError:
                    pass
            wakened = self._next_waiters() if self._waiting else []
        if wakened:
            self._wake(wakened)

    def _drop(self, connection: Http1Connection) -> None:
        self.forget(connection)
        connection.connection.abort()

    # Non-blocking

    def submit(self, exchange: Exchange) -> None:
        """Carry an exchange out by a worker; ``exchange.on_done`` tells when it has ended."""
        try:
            worker = self.pool.socket_manager.choose_worker()
        except ManagerClosedError:
            self._fail(exchange, ClientClosedError("the client is closed"))
            return
        self._call(worker, exchange)

    def _call(self, worker: TSocketPoolWorker, exchange: Exchange) -> None:
        try:
            if worker.is_current:
                self._start(worker, exchange)
            else:
                worker.call_soon(self._start, worker, exchange)
        except RuntimeError:
            self._fail(exchange, aborted())

    def withdraw(self, exchange: Exchange, error: HttpClientError) -> None:
        """Give up a non-blocking exchange that has no connection yet, from any thread."""
        with self._lock:
            for waiter in self._waiting:
                if waiter.exchange is exchange:
                    self._waiting.remove(waiter)
                    break
        try:
            self.pool.socket_manager.choose_worker().call_soon(self._withdrawn, exchange, error)
        except (OSError, RuntimeError):
            pass  # closed, which has ended the exchange

    def _withdrawn(self, exchange: Exchange, error: HttpClientError) -> None:
        # If a connection has been found meanwhile, that one is told instead.
        if exchange.connection is not None:
            exchange.connection.cancel(exchange, error)
        elif not exchange.done:
            self._fail(exchange, error)

    @staticmethod
    def _fail(exchange: Exchange, error: HttpClientError) -> None:
        exchange.on_failure(error.locate(url=exchange.request.uri.to_string()))
        if exchange.on_done is not None:
            exchange.on_done(exchange)

    def _start(self, worker: TSocketPoolWorker, exchange: Exchange) -> None:
        """Find a connection for a non-blocking exchange. In the worker's thread."""
        http2 = self._http2
        if http2 is not None and http2.accepts_streams:
            http2.start(exchange, worker)
            return
        idle = self._idle
        while idle:
            try:
                candidate = idle.pop()
            except IndexError:
                break
            stream = candidate.connection.stream
            # An attached one is watched: had it ended, it would not be here.
            if stream is not None and (candidate.connection.attached or stream.is_quiet()):
                self._start_on(candidate, exchange, worker)
                return
            self._drop(candidate)
        with self._lock:
            if self._closed:
                connection = None
            elif self._may_open():
                connection = self._new_connection()
            else:
                self._waiting.append(Waiter(exchange, worker))
                return
        if connection is None:
            self._fail(exchange, ClientClosedError("the client is closed"))
            return
        self._connect(connection, exchange, worker)

    def _start_on(self, connection: Http1Connection, exchange: Exchange, worker: TSocketPoolWorker) -> None:
        """Start an exchange on a connection, in the thread of the worker that serves it."""
        socket = connection.connection
        try:
            if not socket.attached:
                socket.attach(worker)
            serving = socket.worker
            if serving is not None and serving.is_current:
                connection.start(exchange)
            elif serving is not None:
                serving.call_soon(connection.start, exchange)
        except (OSError, RuntimeError) as error:
            self._drop(connection)
            self._fail(exchange, connect_failure(error, exchange.request))

    def _connect(self, connection: TgoSocketConnection, exchange: Exchange, worker: TSocketPoolWorker) -> None:
        request = exchange.request

        def connected() -> None:
            connection.on_connected = connection.on_disconnected = None
            try:
                opened = self._opened(connection)
            except Exception as error:
                connection.abort()
                self._fail(exchange, connect_failure(error, request))
                return
            serving = connection.worker
            assert serving is not None
            opened.start(exchange) if type(opened) is Http1Connection else opened.start(exchange, serving)

        def failed() -> None:
            self._not_opened(connection)
            error = connection.error or ConnectionError("the connection was closed")
            self._fail(exchange, connect_failure(aborted() if self._closed else error, request))

        connection.on_connected = connected
        connection.on_disconnected = failed
        timeout = request.connect_timeout
        if request.deadline:
            timeout = min(timeout, max(0.0, request.deadline - time.monotonic()))
        try:
            connection.connect(use_nagle=False, timeout=timeout)
        except OSError as error:
            self._not_opened(connection)
            self._fail(exchange, connect_failure(error, request))

    # Idle connections, and the end

    def watch(self, worker: TSocketPoolWorker, now: float, settled: float, expiry: float) -> float:
        """Let the worker watch connections that have been idle for a while, and close those idle for too long.

        :param settled: seconds after which an idle connection is worth registering with the worker.
        :param expiry: seconds after which it is closed.
        :return: in how many seconds to look again; 0 if nothing here is idle.

        Only in the worker's thread.
        """
        again = 0.0
        expired = []
        with self._lock:
            for connection in list(self._idle):
                age = now - connection.idle_since
                if age >= expiry:
                    try:
                        self._idle.remove(connection)
                    except ValueError:
                        continue
                    expired.append(connection)
                    continue
                wait = expiry - age
                if not connection.connection.attached:
                    if age >= settled:
                        try:
                            self._idle.remove(connection)
                        except ValueError:
                            continue
                        if not connection.watch_idle(worker):
                            expired.append(connection)
                            continue
                        self._idle.insert(0, connection)
                    else:
                        wait = settled - age
                again = min(again, wait) if again else wait
            http2 = self._http2
        for connection in expired:
            self._drop(connection)
        if http2 is not None:
            wait = http2.watch_idle(worker, now, settled, expiry)
            if wait:
                again = min(again, wait) if again else wait
        return again

    def _close_idle(self) -> None:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            self._drop(connection)

    def close(self) -> None:
        """End everything: idle connections at once, exchanges under way and waiting ones with an error."""
        with self._lock:
            self._closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
            opening = list(self._opening)
        self._close_idle()
        for waiter in waiting:
            if waiter.worker is None:
                waiter.lock.release()
            else:
                self._fail(waiter.exchange, aborted())
        for connection in opening:
            connection.end(ManagerClosedError("the client was closed"))
        with self._lock:
            connections = list(self._connections)
        for http in connections:
            http.close()

    def abandon_after_fork(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._lock = threading.Lock()
        self._connections = set()
        self._opening = set()
        self._idle = []
        self._http2 = None
        self._waiting = deque()
