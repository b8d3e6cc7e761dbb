"""A connection that speaks HTTP/2: many exchanges at once, from any number of threads.

Somebody has to read for all of them: the *driver*. A blocking caller that finds none becomes the driver itself, so a
lone request costs no thread hand-off. When its own response is there, it passes the role on: to another waiting
caller, or to the worker if only non-blocking exchanges are left, or to nobody. Who isn't the driver submits its
request, sends it, and sleeps until it is woken with the result, or with the role.

One lock guards the session, the stream and the roles. It is never held while waiting for the peer, nor while code of
the user runs.

No Delphi origin: the original used one session for one stream at a time, from two threads without a lock.
"""

from __future__ import annotations

import threading
import time
from copy import copy
from errno import EPIPE

from linuxapi.syssocket import POLLIN, POLLOUT
from socketpool.stream import Stream, read_blocks

from .errors import DeadlineError, HttpClientError, ReceiveTimeoutError, RemoteClosedError
from .failures import aborted, transfer_failure
from .http2 import SEND_SIZE, Http2Session
from .tls import describe_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import MemoryBlock, TgoSocketConnection, Timer, TSocketPoolWorker

    from .exchange import Exchange, StreamExchange
    from .origin import Origin

#: How many bytes a reader takes before the session is told: an eighth of a stream's window.
_TAKEN_STEP = 128 * 1024

#: Stands for the worker in the role of the driver.
_WORKER = "worker"


class Http2Connection:
    """One connected socket and the HTTP/2 session on it. All methods may be called from any thread.

    :param origin: what it belongs to.
    :param connection: connected, detached or attached.

    :ivar uses: how many exchanges it has served.
    """

    __slots__ = (
        "_driver", "_ended", "_exchanges", "_flush_asked", "_lock", "_news", "_session", "_timer", "_waiters",
        "closing", "connection", "idle_since", "origin", "peer", "tls_description", "uses",
    )  # fmt: skip

    def __init__(self, origin: Origin, connection: TgoSocketConnection) -> None:
        stream = connection.stream
        assert stream is not None
        self.origin = origin
        self.connection = connection
        self.peer = stream.address.text
        #: TLS version, cipher and ALPN protocol, for those who want to see them.
        self.tls_description = describe_tls(stream)
        self.uses = 0
        self.idle_since = time.monotonic()
        self.closing: HttpClientError | None = None
        self._lock = threading.Lock()
        self._session = Http2Session()
        #: Who reads: ``None``, the worker, or the exchange of the thread that does.
        self._driver: object = _WORKER if connection.attached else None
        #: The exchanges under way, by stream.
        self._exchanges: dict[int, Exchange] = {}
        #: Exchanges of threads that sleep.
        self._waiters: list[Exchange] = []
        #: Exchanges that something has happened to, to be told with the lock released.
        self._news: list[Exchange] = []
        self._ended = False
        self._flush_asked = False
        self._timer: Timer | None = None
        if connection.attached:
            self._listen()

    def _listen(self) -> None:
        connection = self.connection
        connection.on_buffer = self._on_buffer
        connection.on_disconnected = self._on_disconnected
        connection.on_writable = self._flush

    @property
    def accepts_streams(self) -> bool:
        """Another exchange can be started; beyond the peer's limit it waits its turn inside the session."""
        return not self._ended and self.closing is None and self._session.accepts_streams

    # The caller drives, or waits for who does

    def run(self, exchange: Exchange) -> None:
        """Send the request and wait until the exchange is satisfied, in the calling thread.

        :raises HttpClientError: the exchange failed.
        """
        with self._lock:
            idle = not self._exchanges
            mine = self._driver is None or (idle and self._driver is _WORKER)
            if mine:
                self._driver = exchange
        try:
            if mine:
                self._take_over()
                if idle:
                    self._catch_up()
            with self._lock:
                self._submit(exchange)
                self._send_pending()
        except BaseException as error:
            if isinstance(error, OSError) and not isinstance(error, HttpClientError):
                with self._lock:
                    self._lost(error)
            else:
                self._withdraw(exchange)
            self._hand_over(exchange)
            failure = self._failure(error, exchange)
            if failure is error:
                raise  # as it is, its cause included
            raise failure from error
        if exchange.on_sent is not None:
            exchange.on_sent(exchange.request.http1_head())
        self._wait(exchange, mine)

    def pump_stream(self, exchange: Exchange) -> None:
        """Read on until the exchange of a stream is satisfied again."""
        with self._lock:
            mine = self._driver is None and not exchange.done
            if mine:
                self._driver = exchange
        try:
            if mine:
                self._take_over()
        except BaseException:
            self._hand_over(exchange)
            raise
        self._wait(exchange, mine)

    def _take_over(self) -> None:
        """Take the connection from the worker, if it has it. The driver does this, with the lock released."""
        if self.connection.attached and self.connection.detach():
            self.connection.stop_callbacks()

    def _wait(self, exchange: Exchange, mine: bool) -> None:
        try:
            while not exchange.satisfied():
                if mine:
                    try:
                        self._drive(exchange)
                    finally:
                        self._hand_over(exchange)
                    break
                mine = self._sleep(exchange)
            else:
                if mine:
                    self._hand_over(exchange)
        except BaseException as error:
            self._withdraw(exchange)
            self._hand_over(exchange)  # it may have become the driver just as it gave up
            failure = self._failure(error, exchange)
            if failure is error:
                raise  # as it is, its cause included
            raise failure from error
        if exchange.incremental:
            exchange.deliver()
        if exchange.error is not None:
            raise self._located(exchange.error, exchange)

    def _submit(self, exchange: Exchange) -> None:
        """Queue the request in the session. With the lock held."""
        exchange.connection = self
        exchange.peer = self.peer
        exchange.news = self._news
        if self._ended or not self._session.accepts_streams:
            raise RemoteClosedError("the HTTP/2 connection has just ended", retry_safe=True)
        request = exchange.request
        uri = request.uri
        exchange.last_activity = time.monotonic()
        self.uses += 1
        exchange.stream_id = self._session.submit(
            request.method, uri.scheme, uri.authority, uri.target, request.fields, request.body, exchange
        )
        self._exchanges[exchange.stream_id] = exchange

    def _send_pending(self) -> None:
        """Send what the session has to say, as far as the kernel takes it. With the lock held."""
        connection = self.connection
        stream = connection.stream
        while stream is not None and not stream.backlog_size:
            data = self._session.data_to_send()
            if not data:
                return
            # While a worker reads, it uses the stream too, under the lock of the connection.
            if connection.attached:
                connection.send(data)
            else:
                stream.send(data)
            if len(data) < SEND_SIZE:
                return  # that was all

    def _catch_up(self) -> None:
        """Before a request goes on an idle connection: hear what the peer has said meanwhile, perhaps goodbye."""
        stream = self.connection.stream
        if stream is not None and not stream.has_buffered_input and Stream.is_quiet(stream):
            return
        block = read_blocks.request_mem()
        try:
            with self._lock:
                try:
                    self._read(block)
                except (OSError, HttpClientError) as error:
                    self._lost(error)
        finally:
            read_blocks.release_mem(block)

    def _read(self, block: MemoryBlock) -> None:
        """Read what has arrived and act on it. With the lock held."""
        stream = self.connection.stream
        if stream is None:
            raise RemoteClosedError("the HTTP/2 connection was closed")
        count = stream.receive_now(block)
        while count > 0:
            self._session.receive(block.data, 0, count)
            if count < block.size and not stream.has_buffered_input:
                break
            count = stream.receive_now(block)
        if count == 0:
            raise self.closing or RemoteClosedError("the server closed the HTTP/2 connection")

    def _drive(self, exchange: Exchange) -> None:
        """Read for everybody, until *exchange* is satisfied."""
        stream = self.connection.stream
        if stream is None:
            raise self.closing or RemoteClosedError("the HTTP/2 connection was closed")
        block = read_blocks.request_mem()
        try:
            while not exchange.satisfied():
                timeout = self._patience(exchange)
                if stream.has_buffered_input or stream.wait(
                    POLLIN | POLLOUT if stream.backlog_size else POLLIN, timeout
                ):
                    with self._lock:
                        try:
                            if stream.backlog_size:
                                stream.flush()
                            self._read(block)
                            self._send_pending()
                        except (OSError, HttpClientError) as error:
                            self._lost(error)
                        except BaseException:
                            self._lost(aborted("reading was interrupted"))  # half way, so nothing can go on
                            raise
                        finished = self._collect()
                    self._tell(finished, exchange)
                    if self._ended:
                        return
        finally:
            read_blocks.release_mem(block)

    def _patience(self, exchange: Exchange) -> float:
        """Return how long to wait for the peer on behalf of an exchange.

        :raises HttpTimeoutError: not at all.
        """
        request = exchange.request
        now = time.monotonic()
        if request.deadline and now >= request.deadline:
            raise DeadlineError("the overall time limit has passed while waiting for the response")
        left = exchange.last_activity + request.recv_timeout - now
        if left <= 0:
            raise ReceiveTimeoutError(f"nothing was received for {request.recv_timeout:g} s")
        return min(left, request.deadline - now) if request.deadline else left

    def _collect(self) -> list[Exchange]:
        """Return the exchanges that something has happened to, each once. With the lock held."""
        news = self._news
        if not news:
            return []
        ready = list(dict.fromkeys(news))
        news.clear()
        now = time.monotonic()
        for exchange in ready:
            exchange.last_activity = now
            if exchange.head is not None:
                exchange.responded = True
            if exchange.done:
                self._exchanges.pop(exchange.stream_id, None)
        return ready

    def _tell(self, ready: list[Exchange], own: Exchange | None) -> None:
        """Let users have what has arrived for them. With nothing locked."""
        for exchange in ready:
            if exchange.waiter is not None:
                if exchange.satisfied() or exchange.incremental:
                    self._wake(exchange)
            elif exchange.on_done is None:
                if exchange.incremental and exchange is own:
                    exchange.deliver()
            elif exchange.incremental or exchange.done:
                self._tell_in_worker(exchange)

    def _tell_in_worker(self, exchange: Exchange) -> None:
        worker = self.connection.worker or self.origin.pool.socket_manager.choose_worker()
        if worker.is_current:
            self._deliver(exchange)
        else:
            try:
                worker.call_soon(self._deliver, exchange)
            except RuntimeError:
                self._deliver(exchange)

    def _deliver(self, exchange: Exchange) -> None:
        if exchange.incremental:
            try:
                exchange.deliver()
            except Exception as error:
                if isinstance(error, HttpClientError):
                    failure = error
                else:
                    failure = aborted(f"an event of the client failed: {error!r}")
                    failure.__cause__ = error
                with self._lock:
                    if exchange.stream_id in self._exchanges:
                        self._session.cancel(exchange.stream_id)
                        del self._exchanges[exchange.stream_id]
                exchange.done = False
                exchange.on_failure(failure)
        if exchange.done and exchange.on_done is not None:
            on_done, exchange.on_done = exchange.on_done, None
            if exchange.error is not None:
                self._located(exchange.error, exchange)
            on_done(exchange)

    # Roles

    def _sleep(self, exchange: Exchange) -> bool:
        """Wait until woken. ``True`` if the calling thread is the driver now."""
        with self._lock:
            if exchange.satisfied():
                return False
            if self._driver is None:
                self._driver = exchange
                return True
            waiter = exchange.waiter = threading.Lock()
            waiter.acquire()
            self._waiters.append(exchange)
        try:
            if exchange.incremental:
                exchange.deliver()
            waiter.acquire(timeout=min(self._patience(exchange), threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                exchange.waiter = None
                if exchange in self._waiters:
                    self._waiters.remove(exchange)
                mine = self._driver is exchange
        return mine

    def _wake(self, exchange: Exchange) -> None:
        waiter = exchange.waiter
        if waiter is not None and waiter.locked():
            try:
                waiter.release()
            except RuntimeError:
                pass  # woken by somebody else in the same moment

    def _hand_over(self, exchange: Exchange) -> None:
        """Stop being the driver, and see to it that whoever is left is served."""
        attach = False
        heir = None
        with self._lock:
            if self._driver is not exchange:
                return
            self._driver = None
            self._retire()
            if self._ended:
                pass
            elif self._waiters:
                heir = self._waiters.pop(0)
                self._driver = heir
            elif self._exchanges:
                # A stream whose reader is busy elsewhere is no reason for the worker to read; a non-blocking
                # exchange is.
                attach = any(other.on_done is not None for other in self._exchanges.values())
                if attach:
                    self._driver = _WORKER
            else:
                self.idle_since = time.monotonic()
        if self._ended:
            self.connection.abort()
        elif heir is not None:
            self._wake(heir)
        elif attach:
            self._attach(None)
        else:
            self.origin.pool.watch_idle()

    def _retire(self) -> None:
        """End a connection that the peer has announced the end of, once nothing is left on it. With the lock held."""
        if not self._exchanges and not self._session.accepts_streams:
            self._lost(aborted("the peer ended the connection with GOAWAY"))

    def _attach(self, worker: TSocketPoolWorker | None) -> bool:
        """Give the connection to the worker, which is the driver from now on."""
        connection = self.connection
        self._listen()
        try:
            connection.attach(worker or self.origin.pool.socket_manager.choose_worker())
            serving = connection.worker
            if serving is not None:
                serving.call_soon(self._watch_timeouts, serving)
            return True
        except (OSError, RuntimeError) as error:
            with self._lock:
                self._lost(error)
                ready = self._collect()
            self._tell(ready, None)
            return False

    # A worker drives

    def start(self, exchange: Exchange, worker: TSocketPoolWorker) -> None:
        """Start a non-blocking exchange. In a worker's thread."""
        if exchange.done:
            return
        try:
            with self._lock:
                self._submit(exchange)
                if self._driver is None:
                    self._driver = _WORKER
                    attach = not self.connection.attached
                else:
                    attach = False
                # Requests that are started one after the other go out together.
                ask, self._flush_asked = not self._flush_asked, True
        except Exception as error:
            exchange.on_failure(transfer_failure(error, exchange.request, self.peer, sending=True))
            if exchange.on_done is not None:
                exchange.on_done(exchange)
            return
        if attach and not self._attach(worker):
            return
        if ask:
            worker.call_soon(self._flush)
        if self._timer is None:
            self._watch_timeouts(worker)

    def _flush(self) -> None:
        with self._lock:
            self._flush_asked = False
            if self._ended:
                return
            try:
                self._send_pending()
            except (OSError, HttpClientError) as error:
                self._lost(error)
            ready = self._collect()
        self._tell(ready, None)

    def _on_buffer(self, block: MemoryBlock, count: int) -> None:
        with self._lock:
            try:
                self._session.receive(block.data, 0, count)
                self._send_pending()
            except (OSError, HttpClientError) as error:
                self._lost(error)
            ready = self._collect()
            if not self._exchanges:
                self.idle_since = time.monotonic()
                self._retire()
            ended = self._ended
        self._tell(ready, None)
        if ended:
            self.connection.abort()

    def _on_disconnected(self) -> None:
        error = self.closing or self.connection.error or RemoteClosedError("the server closed the HTTP/2 connection")
        with self._lock:
            self._lost(error)
            ready = self._collect()
        self._tell(ready, None)

    def _watch_timeouts(self, worker: TSocketPoolWorker) -> None:
        """The timer of non-blocking exchanges: one per connection, set to the earliest limit. In the worker, whoever
        the driver is."""
        self._timer = None
        now = time.monotonic()
        due = 0.0
        late: list[Exchange] = []
        with self._lock:
            for exchange in self._exchanges.values():
                if exchange.on_done is None:
                    continue
                request = exchange.request
                limit = exchange.last_activity + request.recv_timeout
                if request.deadline:
                    limit = min(limit, request.deadline)
                if limit <= now:
                    late.append(exchange)
                else:
                    due = min(due, limit) if due else limit
            for exchange in late:
                del self._exchanges[exchange.stream_id]
                self._session.cancel(exchange.stream_id)
            if late:
                try:
                    self._send_pending()
                except (OSError, HttpClientError) as error:
                    self._lost(error)
        for exchange in late:
            request = exchange.request
            failure: HttpClientError
            if request.deadline and now >= request.deadline:
                failure = DeadlineError("the overall time limit has passed")
            else:
                failure = ReceiveTimeoutError(f"nothing was received for {request.recv_timeout:g} s")
            exchange.on_failure(failure)
            self._deliver(exchange)
        if due and self._timer is None:
            self._timer = worker.call_at(due, lambda: self._watch_timeouts(worker))

    # Ends

    def consumed(self, exchange: StreamExchange, size: int) -> None:
        """The reader of a stream has taken *size* bytes: the peer may send as many more."""
        exchange.taken += size
        if exchange.taken < _TAKEN_STEP:
            return  # the peer still has most of its window
        with self._lock:
            if self._ended or exchange.done:
                return
            size, exchange.taken = exchange.taken, 0
            self._session.consume(exchange.stream_id, size)
            try:
                self._send_pending()
            except (OSError, HttpClientError) as error:
                self._lost(error)
            ready = self._collect()
        self._tell(ready, None)

    def give_up(self, exchange: Exchange) -> None:
        """The reader of a stream wants no more of it: reset that stream, and nothing else."""
        self._withdraw(exchange)

    def cancel(self, exchange: Exchange, error: HttpClientError) -> None:
        """Give up a non-blocking exchange, from any thread."""
        if self._withdraw(exchange):
            exchange.on_failure(self._located(error, exchange))
            self._tell_in_worker(exchange)

    def _withdraw(self, exchange: Exchange) -> bool:
        """Forget an exchange and reset its stream. ``False`` if it has ended already."""
        with self._lock:
            if self._exchanges.pop(exchange.stream_id, None) is None:
                return False
            if self._ended:
                return True
            self._session.cancel(exchange.stream_id)
            try:
                self._send_pending()
            except (OSError, HttpClientError) as error:
                self._lost(error)
            ready = self._collect()
        self._tell(ready, None)
        return True

    def _lost(self, error: BaseException) -> None:
        """The connection is over: every exchange on it ends. With the lock held."""
        if self._ended:
            return
        self._ended = True
        stream = self.connection.stream
        if stream is not None and isinstance(error, HttpClientError):
            try:
                self._send_pending()  # GOAWAY tells the peer what it did wrong
            except (OSError, HttpClientError):
                pass
        reason = self._reason(error)
        self._session.connection_lost(reason)
        for exchange in self._exchanges.values():
            if exchange.error is reason:
                exchange.error = copy(reason)  # each its own: where it happened will be added
        self._session.close()
        for exchange in self._waiters:
            self._wake(exchange)
        if stream is not None:
            if self._driver is None and not self.connection.attached:
                self.connection.abort()  # nobody is reading who would meet the end
            else:
                stream.shutdown()
        self.origin.forget(self)

    def _reason(self, error: BaseException) -> HttpClientError:
        if isinstance(error, HttpClientError):
            return error
        reason = RemoteClosedError(str(getattr(error, "strerror", None) or error))
        reason.__cause__ = error
        return reason

    def _located(self, error: HttpClientError, exchange: Exchange) -> HttpClientError:
        return error.locate(url=exchange.request.uri.to_string(), peer=self.peer)

    def _failure(self, error: BaseException, exchange: Exchange) -> BaseException:
        if not isinstance(error, (OSError, HttpClientError)):
            return error  # the user's own, or an interrupt
        if self.closing is not None:
            return self._located(self.closing, exchange)
        failure = exchange.error or transfer_failure(error, exchange.request, self.peer, sending=False)
        exchange.error = failure
        return self._located(failure, exchange)

    def watch_idle(self, worker: TSocketPoolWorker, now: float, settled: float, expiry: float) -> float:
        """Let the worker watch the connection while nobody uses it, and close it when that has lasted too long.

        :return: in how many seconds to look again; 0 if it is in use or gone.
        """
        with self._lock:
            if self._ended or self._exchanges or self._driver not in (None, _WORKER):
                return 0.0
            age = now - self.idle_since
            if age >= expiry:
                self._session.terminate()
                self._lost(aborted("the connection was idle for too long"))
            attach = not self._ended and age >= settled and not self.connection.attached
            if attach:
                self._driver = _WORKER
            attached = self.connection.attached
        if self._ended:
            self.connection.abort()
            return 0.0
        if attach:
            self._attach(worker)
            return expiry - age
        return expiry - age if attached else settled - age

    def close(self, reason: HttpClientError | None = None) -> None:
        """End the connection from any thread; the exchanges on it fail with *reason*."""
        self.closing = reason or aborted()
        with self._lock:
            driver = self._driver
            if not self._ended:
                self._session.terminate()
                self._lost(self.closing)
            ready = self._collect()
        self._tell(ready, None)
        if self.connection.attached:
            self.connection.end(OSError(EPIPE, "closed by this side"))
        elif driver is None:
            self.connection.abort()

