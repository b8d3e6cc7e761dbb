"""A connection that speaks HTTP/2: many exchanges at once, from any number of threads.

Who reads for all of them, and how that changes, is :mod:`.driver`'s. Here is what can be done with a connection:
make a request and wait for its response, or have the worker do that; read on in a stream; give up; close.

No Delphi origin: the original used one session for one stream at a time, from two threads without a lock.
"""

from __future__ import annotations

import time
from errno import EPIPE

from nghttp2_api.constants import NGHTTP2_CANCEL

from ..errors import DeadlineError, HttpClientError, RemoteClosedError
from ..failures import aborted, transfer_failure
from .driver import FRESH, Http2Driver, too_slow
from .link import WORKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import MemoryBlock, TgoSocketConnection, TSocketPoolWorker

    from ..duplex import DuplexExchange
    from ..exchange import Exchange, StreamExchange
    from ..pooling.origin import Origin
    from .link import Party
    from .statistics import Http2Statistics

#: How many bytes a reader takes before the session is told: an eighth of a stream's window.
_TAKEN_STEP = 128 * 1024


class Http2Connection(Http2Driver):
    """One connected socket and the HTTP/2 session on it. All methods may be called from any thread.

    :param origin: what it belongs to.
    :param connection: connected, detached or attached.

    :ivar uses: how many exchanges it has served.
    """

    __slots__ = ()

    def __init__(self, origin: Origin, connection: TgoSocketConnection) -> None:
        super().__init__(origin, connection)
        if connection.attached:
            self._listen()
        self.watch_health()

    @property
    def accepts_streams(self) -> bool:
        """Another exchange can be started; beyond the peer's limit it waits its turn inside the session."""
        return self.session.accepts_streams

    @property
    def ended_in_turn(self) -> bool:
        """The server has said goodbye, and has processed requests before that: another connection gets on with it."""
        session = self.session
        return session.goaway_received and session.last_stream_id > 0

    # The caller drives, or waits for who does

    def run(self, exchange: Exchange) -> None:
        """Send the request and wait until the exchange is satisfied, in the calling thread.

        :raises HttpClientError: the exchange failed.
        """
        try:
            if not (self._quick and self._run_alone(exchange)):
                mine = self._begin(exchange)
                if exchange.on_sent is not None:
                    exchange.on_sent(exchange.request.http1_head())
                self._wait(exchange, mine)
        except BaseException as error:
            self._fail(exchange, error)
            raise
        if exchange.incremental:
            exchange.deliver()
        if exchange.error is not None:
            raise self._located(exchange.error, exchange)

    def _begin(self, exchange: Exchange) -> bool:
        """Send a request. ``True`` if the calling thread is the driver now.

        :raises RefusedStreamError: the connection has ended before.
        """
        mine = False
        now = time.monotonic()
        try:
            with self._lock:
                idle = not self._exchanges
                before = self._driver
                if before is None:
                    self._driver = exchange
                    mine = True
                else:
                    mine = self._may_drive(exchange)
                check = idle and now - self.idle_since >= FRESH
                ready = before is not WORKER and not check if mine else True
                if ready:
                    self._submit(exchange, now)
                    if mine:
                        self._send_pending()
                    else:
                        self._send_aside()
            if not ready:
                self._take_over(check)
                with self._lock:
                    self._submit(exchange, now)
                    self._send_pending()
        except BaseException as error:
            with self._lock:
                if isinstance(error, OSError) and not isinstance(error, HttpClientError):
                    self._lost(error)
            self._hand_over(exchange)
            raise
        return mine

    def pump_stream(self, exchange: Exchange) -> None:
        """Read on until the exchange of a stream is satisfied again.

        :raises HttpClientError: the exchange failed.
        """
        exchange.last_activity = time.monotonic()  # while nobody wanted to hear it, the peer wasn't silent
        try:
            self.await_party(exchange)
        except BaseException as error:
            self._fail(exchange, error)
            raise
        if exchange.error is not None:
            raise self._located(exchange.error, exchange)

    def await_party(self, party: Party) -> None:
        """Wait until a party is satisfied, driving if nobody does.

        :raises HttpTimeoutError: that takes too long.
        """
        party.last_activity = time.monotonic()  # the peer isn't silent because nobody has listened
        with self._lock:
            mine = not party.satisfied() and self._may_drive(party)
        try:
            if mine:
                self._take_over(False)
        except BaseException:
            self._hand_over(party)
            raise
        self._wait(party, mine)

    def _fail(self, exchange: Exchange, error: BaseException) -> None:
        """Give up an exchange whose thread can't go on.

        :raises HttpClientError: what to raise instead of *error*.
        """
        self._withdraw(exchange)
        self._hand_over(exchange)  # it may have become the driver just as it gave up
        if not isinstance(error, (OSError, HttpClientError)):
            return  # the user's own, or an interrupt
        failure: HttpClientError
        if self.closing is not None:
            failure = self.closing
        else:
            failure = exchange.error or transfer_failure(error, exchange.request, self.peer, sending=False)
            exchange.error = failure
        self._located(failure, exchange)
        if failure is not error:
            raise failure from error

    # A stream in both directions

    def open(self, exchange: DuplexExchange) -> None:
        """Send the head of a request whose body follows.

        :raises HttpClientError: it could not be sent.
        """
        try:
            if self._begin(exchange):
                self._hand_over(exchange)
        except BaseException as error:
            self._fail(exchange, error)
            raise

    def resume(self, exchange: DuplexExchange) -> None:
        """Send what its body has been given, as far as the peer allows it."""
        with self._lock:
            if self._ended:
                return
            self.session.resume(exchange.stream_id)
            self._send_aside()
            ready = self._collect()
        self._tell(ready, None)

    def abandon(self, exchange: Exchange, error: HttpClientError, code: int = NGHTTP2_CANCEL) -> None:
        """Reset a stream, if it isn't over, from any thread; whoever waits for it gets *error*."""
        with self._lock:
            if self._exchanges.pop(exchange.stream_id, None) is None or exchange.done:
                return
            if not self._ended:
                self.session.cancel(exchange.stream_id, code)
                self._send_aside()
            exchange.on_failure(error)
            ready = self._collect()
            idle = self._is_left()
        self._tell(ready, None)
        if idle:
            self.origin.became_idle()

    def update_priority(self, exchange: Exchange, priority: str) -> bool:
        """Send PRIORITY_UPDATE for a stream (RFC 9218). ``False`` if the peer wouldn't look at it."""
        with self._lock:
            if self._ended or exchange.done:
                return False
            sent = self.session.update_priority(exchange.stream_id, priority)
            self._send_aside()
            ready = self._collect()
        self._tell(ready, None)
        return sent

    def await_settings(self, party: Party) -> None:
        """Wait for the peer's first SETTINGS, or the end.

        :raises HttpTimeoutError: that takes too long.
        """
        with self._lock:
            if not self._ended and not self.settings_received:
                self.session.when_settings_received(lambda: self._news.append(party))
                self._send_aside()  # a new connection hasn't said anything yet
        self.await_party(party)

    @property
    def settings_received(self) -> bool:
        """The peer's SETTINGS have arrived."""
        return self.session.settings_received

    @property
    def ended(self) -> bool:
        """The connection is over."""
        return self._ended

    def remote_setting(self, identifier: int) -> int:
        """Return a setting of the peer (RFC 9113 section 6.5.2)."""
        with self._lock:
            return self.session.remote_setting(identifier)

    # A worker drives

    def start(self, exchange: Exchange, worker: TSocketPoolWorker) -> None:
        """Start a non-blocking exchange. In a worker's thread."""
        if exchange.done:
            return
        lock = self._lock
        try:
            lock.acquire()  # less than a with statement costs; no signal handler runs in a worker
            try:
                self._submit(exchange, time.monotonic())
                if self._driver is None:
                    self._attach(worker)
                # Requests that are started one after the other go out together.
                ask, self._flush_asked = not self._flush_asked, True
                lost = self._collect() if self._ended else None
            finally:
                lock.release()
        except Exception as error:
            with self._lock:
                self._retire()
            exchange.on_failure(transfer_failure(error, exchange.request, self.peer, sending=True))
            exchange.finish()
            return
        if lost:
            self._tell(lost, None)
            return
        if ask:
            worker.call_soon(self._flush)
        if self._timer is None:
            self._watch_timeouts(worker)

    def _listen(self) -> None:
        connection = self.connection
        connection.on_buffer = self._on_buffer
        connection.on_disconnected = self._on_disconnected
        connection.on_writable = self._flush

    def _flush(self) -> None:
        with self._lock:
            self._flush_asked = False
            self._send_aside()
            ready = self._collect()
        self._tell(ready, None)

    def _on_buffer(self, block: MemoryBlock, count: int) -> None:
        with self._lock:
            health = self._health
            if health is not None:
                health.heard = time.monotonic()
            try:
                self.session.receive_at(block.view, block.address, block.pointer, count)
                self._send_pending()
            except (OSError, HttpClientError) as error:
                self._lost(error)
            ready = self._collect()
            idle = not self._exchanges
            if idle:
                self._retire()
            ended = self._ended
        self._tell(ready, None)
        if ended:
            self.connection.abort()
        elif idle:
            self.origin.became_idle()

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
        sending: set[Exchange] = set()
        with self._lock:
            for exchange in self._exchanges.values():
                if exchange.call is None:
                    continue
                request = exchange.request
                timeout = request.recv_timeout
                if request.body is not None and self._is_sending(exchange, now):
                    sending.add(exchange)
                    timeout = request.send_timeout
                limit = exchange.last_activity + timeout
                if request.deadline:
                    limit = min(limit, request.deadline)
                if limit <= now:
                    late.append(exchange)
                else:
                    due = min(due, limit) if due else limit
            for exchange in late:
                del self._exchanges[exchange.stream_id]
                self.session.cancel(exchange.stream_id)
            if late:
                self._send_aside()
            idle = bool(late) and self._is_left()
        for exchange in late:
            request = exchange.request
            failure: HttpClientError
            if request.deadline and now >= request.deadline:
                failure = DeadlineError("the overall time limit has passed")
            else:
                is_sending = exchange in sending
                failure = too_slow(request.send_timeout if is_sending else request.recv_timeout, is_sending)
            exchange.on_failure(failure)
            self._deliver(exchange)
        if idle:
            self.origin.became_idle()
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
            self.session.consume(exchange.stream_id, size)
            self._send_aside()
            ready = self._collect()
        self._tell(ready, None)

    def give_up(self, exchange: Exchange) -> None:
        """The reader of a stream wants no more of it: reset that stream, and nothing else."""
        self._withdraw(exchange)

    def cancel(self, exchange: Exchange, error: HttpClientError) -> None:
        """Give up a non-blocking exchange, from any thread."""
        if self._withdraw(exchange):
            exchange.on_failure(self._located(error, exchange))
            self._tell_in_worker([exchange])

    def _withdraw(self, exchange: Exchange) -> bool:
        """Forget an exchange and reset its stream. ``False`` if it has ended already."""
        with self._lock:
            if self._exchanges.pop(exchange.stream_id, None) is None:
                return False
            if self._ended:
                return True
            self.session.cancel(exchange.stream_id)
            self._send_aside()
            ready = self._collect()
            idle = self._is_left()
        self._tell(ready, None)
        if idle:
            self.origin.became_idle()
        return True

    def _is_left(self) -> bool:
        """After the end of an exchange that no driver has read: nothing is under way any more. With the lock held.

        A connection that the peer has announced the end of ends then; it would keep its place for good.
        """
        if self._exchanges or self._ended or self._driver not in (None, WORKER):
            return False
        self._retire()
        return not self._ended

    def watch_idle(self, worker: TSocketPoolWorker, now: float, settled: float, expiry: float) -> float:
        """Let the worker watch the connection while nobody reads, and close it when that was idle for too long.

        :return: in how many seconds to look again; 0 if it is in use or gone.
        """
        with self._lock:
            if self._ended or self._driver not in (None, WORKER):
                return 0.0
            busy = bool(self._exchanges)
            age = now - self.idle_since
            attached = self.connection.attached
            if age >= expiry and not busy:
                self.session.terminate()
                self._lost(aborted("the connection was idle for too long"))
            elif age >= settled and not attached:
                self._attach(worker)
                attached = True
            ended = self._ended
        if ended:
            self.connection.abort()
            return 0.0
        if busy and attached:
            return 0.0
        return expiry - age if attached else settled - age

    def statistics(self) -> Http2Statistics:
        """Return what the connection has done so far."""
        from .statistics import session_statistics

        with self._lock:
            origin = self.origin
            scheme = "https" if origin.tls else "http"
            return session_statistics(self.session, f"{scheme}://{origin.host}:{origin.port}", self.peer)

    @property
    def is_idle(self) -> bool:
        """Nobody uses the connection; a glance only, without the lock."""
        return not (self._exchanges or self._ended) and (self._driver is None or self._driver is WORKER)

    def close_idle(self) -> bool:
        """End the connection if nobody uses it, from any thread. ``False`` if somebody does."""
        with self._lock:
            if not self.is_idle:
                return False
            self.session.terminate()
            self._lost(aborted("the connection was idle, and was closed"))
        return True

    def close(self, reason: HttpClientError | None = None) -> None:
        """End the connection from any thread; the exchanges on it fail with *reason*."""
        self.closing = reason or aborted()
        with self._lock:
            driver = self._driver
            if not self._ended:
                self.session.terminate()
                self._lost(self.closing)
            ready = self._collect()
        self._tell(ready, None)
        if self.connection.attached:
            self.connection.end(OSError(EPIPE, "closed by this side"))
        elif driver is None:
            self.connection.abort()
