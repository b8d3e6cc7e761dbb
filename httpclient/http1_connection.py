"""A connection that speaks HTTP/1.1: one exchange at a time, driven by the caller or by a worker.

Delphi: the part of Grijjy.Http.TgoHttpClient that sends the request and is called by the socket.
"""

from __future__ import annotations

import re
import time
from errno import EPIPE

from linuxapi.syssocket import POLLIN, POLLOUT
from socketpool import ConnectionLostError, TransferTimeoutError
from socketpool.stream import read_blocks

from ._large_body import LARGE
from .body import Body
from .errors import PHASE_RECEIVE, PHASE_SEND, HttpClientError, ReceiveTimeoutError, RemoteClosedError, SendTimeoutError
from .failures import EventFailedError, aborted, deadline_passed, transfer_failure
from .http1_response import ResponseParser
from .http1_upload import BODY_PIECE, Progress, wire_pieces
from .tls import tls_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from socketpool import MemoryBlock, Stream, TgoSocketConnection, Timer, TSocketPoolWorker

    from .exchange import Exchange
    from .head import ResponseHead
    from .http1_limits import Http1Limits
    from .origin import Origin
    from .request import Request
    from .routes import ForwardingRoute

#: Seconds to wait for the server to ask for a body that is sent with ``Expect: 100-continue``, before it is sent
#: unasked (RFC 9110 section 10.1.1: a client should not wait indefinitely).
CONTINUE_WAIT = 1.0


#: How many seconds before the server says that it closes an idle connection we do.
_KEEP_ALIVE_MARGIN = 1.0

_UNLIMITED = float("inf")

#: What is in a Keep-Alive field. More digits than these are as good as no limit.
_find_parameters = re.compile(rb"\b(timeout|max)[ \t]*=[ \t]*\"?([0-9]{1,9})(?![0-9])").findall


class Http1Connection:
    """One connected socket, and the response parser that belongs to it.

    Who took it from the pool owns it until it is given back; only the owner uses it.

    :param origin: where it is given back to.
    :param connection: connected, detached or attached.
    :param limits: bounds for the response parser.

    :ivar exchange: what it is used for; ``None`` while it is idle.
    :ivar uses: how many exchanges it has served.
    :ivar idle_since: when it was given back, in ``time.monotonic()`` seconds.
    """

    __slots__ = (
        "_body_over", "_continue_timer", "_deadline_timer", "_forwarding", "_keep_alive", "_last", "_parser", "_pieces",
        "_progress", "_sending", "_timer", "_timer_worker", "closing", "connection", "exchange", "head", "idle_since",
        "origin", "peer", "tls", "uses",
    )  # fmt: skip

    #: See Http2Connection.
    ended_in_turn = False

    def __init__(self, origin: Origin, connection: TgoSocketConnection, limits: Http1Limits | None) -> None:
        self.origin = origin
        self.connection = connection
        stream = connection.stream
        #: The address of the peer, for messages.
        self.peer = "" if stream is None else stream.address.text
        #: TLS version, cipher and ALPN protocol, for those who want to see them.
        self.tls = tls_info(stream if origin.tls else None)
        #: Makes the heads of the requests where a proxy carries them out.
        self._forwarding: ForwardingRoute | None = None
        if origin.route is not None and origin.route.forwarding:
            self._forwarding = origin.route  # type: ignore[assignment]
        self.uses = 0
        self.idle_since = 0.0
        #: The head of the last response, until somebody has looked at what it says of keeping the connection.
        self.head: ResponseHead | None = None
        self._keep_alive = _UNLIMITED
        #: Why the other side of this process ends it; whoever waits for it raises this.
        self.closing: HttpClientError | None = None
        self.exchange: Exchange | None = None
        self._parser = ResponseParser(limits, origin.known_head)
        #: Everything of the request has been given to the socket, so another request may follow it.
        self._body_over = True
        #: The request says that it is the last one on this connection.
        self._last = False
        #: How the peer gets on with a large body, or one that it hasn't taken in time.
        self._progress: Progress | None = None
        # While a worker drives: what is still to be sent, and what is being sent.
        self._pieces: Iterator[tuple[bytes, bool]] | None = None
        self._sending = b""
        self._timer: Timer | None = None
        self._timer_worker: TSocketPoolWorker | None = None
        self._deadline_timer: Timer | None = None
        self._continue_timer: Timer | None = None

    def take(self) -> bool:
        """Make the calling thread the owner of an idle connection.

        :return: whether it can be used; ``False`` if it has ended, or the peer has said what nobody asked for.
        """
        connection = self.connection
        if connection.attached:
            if not connection.detach():
                return False
            connection.stop_callbacks()
        stream = connection.stream
        return stream is not None and self.closing is None and stream.is_quiet()

    def looks_usable(self, worker: TSocketPoolWorker) -> bool:
        """Tell whether an idle connection can be used, as far as its worker can tell. In *worker*'s thread."""
        connection = self.connection
        stream = connection.stream
        if stream is None or self.closing is not None:
            return False
        # Also if it is watched: what has come since the worker's last look is seen only after this. One that another
        # worker watches is that one's to look at.
        return (connection.attached and connection.worker is not worker) or stream.is_quiet()

    def keep_alive(self) -> float:
        """Return for how many seconds it may be idle, by what the server says of it.

        ``Keep-Alive: timeout=N`` (RFC 2068 section 19.7.1.1; no later standard has it, and most servers send it) means
        that the server closes it after N seconds. A request that is sent in that moment is lost, so this is a little
        less. ``max=0`` means that no other request is welcome.
        """
        head, self.head = self.head, None
        if head is not None:
            self._keep_alive = _UNLIMITED
            value = head.get(b"keep-alive")
            for name, number in () if value is None else _find_parameters(value.lower()):
                limit = max(0.0, int(number) - _KEEP_ALIVE_MARGIN) if name == b"timeout" else _UNLIMITED
                self._keep_alive = min(self._keep_alive, limit if int(number) else 0.0)
        return self._keep_alive

    @property
    def reusable(self) -> bool:
        """The exchange is over, and the connection may carry another one."""
        parser = self._parser
        return (
            parser.done
            and parser.reusable
            and self._body_over
            and not self._last
            and self.closing is None
            and not self.connection.closed
            # A proxy that refuses a request before it has read all of it (squid, for one) never reads the rest.
            and (self._forwarding is None or self.head is None or self.head.status != 407)
        )

    def close(self, reason: HttpClientError | None = None) -> None:
        """End the connection from any thread; an exchange on it fails with *reason*."""
        self.closing = reason or aborted()
        self.connection.end(OSError(EPIPE, "closed by this side"))

    # The caller drives

    def run(self, exchange: Exchange) -> None:
        """Send the request and read until the exchange is satisfied, in the calling thread.

        :raises HttpClientError: the connection failed or a limit was passed; the connection is closed then.
        """
        self.exchange = exchange
        exchange.connection = self
        exchange.peer = self.peer
        sending = True
        try:
            stream = self.connection.stream
            if stream is None:
                raise self._gone()
            request = exchange.request
            head = request.http1_head() if self._forwarding is None else self._forwarding.head(exchange)
            self._parser.start(request.method, exchange)
            self.uses += 1
            if request.closes:
                self._last = True
            try:
                if request.body is not None:
                    self._send_with_body(stream, exchange, head, request.body)
                elif (stream.send(head) or not self._send_rest(stream, exchange)) and exchange.on_sent is not None:
                    exchange.on_sent(head)
            except ConnectionLostError:
                if not self._answered(stream, exchange):
                    raise
            sending = False
            if not exchange.responded or not exchange.satisfied():
                self.pump(exchange)
        except BaseException as error:
            failure = self._failed(error, exchange, sending)
            if failure is error:
                raise
            raise failure from error

    def pump_stream(self, exchange: Exchange) -> None:
        """Like :meth:`pump`, for an exchange whose caller comes back for more."""
        try:
            self.pump(exchange)
        except BaseException as error:
            failure = self._failed(error, exchange, False)
            if failure is error:
                raise
            raise failure from error

    def pump(self, exchange: Exchange) -> None:
        """Read on until the exchange is satisfied."""
        stream = self.connection.stream
        if stream is None:
            raise self._gone()
        request = exchange.request
        timeout = request.recv_timeout
        block = read_blocks.request_mem()
        try:
            while True:
                if self._progress is not None:
                    count = self._receive_taking(stream, request, block, self._progress)
                    if count < 0:
                        continue
                elif request.deadline:
                    count = self._receive_before(stream, request, block)
                else:
                    try:
                        count = stream.receive(block, timeout)
                    except TransferTimeoutError:
                        if request.body is None:
                            raise
                        # Silent, or not through with the request yet?
                        self._progress = Progress(stream, time.monotonic() - timeout)
                        if not self._progress.left:
                            raise
                        continue
                self._received(stream, exchange, block, count)
                if exchange.satisfied():
                    return
                length, remaining = self._parser.counted
                if length >= LARGE:
                    exchange.expect(length, remaining)
        finally:
            read_blocks.release_mem(block)

    def _receive_before(self, stream: Stream, request: Request, block: MemoryBlock) -> int:
        """Receive with the deadline of the request."""
        if stream.engine is None:
            timeout = self._time_left(request, PHASE_RECEIVE, request.recv_timeout)
            try:
                return stream.receive(block, timeout)
            except TransferTimeoutError as error:
                if timeout < request.recv_timeout:
                    raise deadline_passed(PHASE_RECEIVE) from error
                raise
        # Where it may wait, OpenSSL goes on until a record is complete, however slowly that trickles in.
        while (count := stream.receive_now(block)) < 0:
            timeout = self._time_left(request, PHASE_RECEIVE, request.recv_timeout)
            if not stream.wait(POLLIN, timeout) and timeout >= request.recv_timeout:
                raise TransferTimeoutError(f"nothing was received for {timeout:g} s")
        return count

    def _receive_taking(self, stream: Stream, request: Request, block: MemoryBlock, progress: Progress) -> int:
        """Receive while the peer is still taking what was sent; -1 when it has all, and nothing has been received."""
        while (count := stream.receive_now(block)) < 0:
            now = time.monotonic()
            progress.look(stream, now)
            if not progress.left:
                break
            left = progress.since + request.send_timeout - now
            if left <= 0:
                raise SendTimeoutError(f"the peer took no data for {request.send_timeout:g} s")
            left = min(left, _look_again(request))
            stream.wait(POLLIN, self._time_left(request, PHASE_RECEIVE, left) if request.deadline else left)
        if not progress.left:
            self._progress = None
        return count

    def _gone(self) -> HttpClientError:
        return self.closing or aborted("the connection was closed by this side")

    def _received(self, stream: Stream, exchange: Exchange, block: MemoryBlock, count: int) -> None:
        """Take in what was read; a count of 0 is the end of the stream."""
        if count > 0:
            exchange.responded = True
            self._parser.receive(block.data, 0, count)
        else:
            if self.closing is not None:
                raise self.closing
            self._parser.eof(not stream.truncated)
        if exchange.incremental:
            exchange.deliver()

    @staticmethod
    def _time_left(request: Request, phase: str, limit: float) -> float:
        left = request.deadline - time.monotonic()
        if left <= 0:
            raise deadline_passed(phase)
        return min(limit, left)

    def _send_with_body(self, stream: Stream, exchange: Exchange, head: bytes, body: Body) -> None:
        """Send head and body, piece by piece; stop where the peer answers that it doesn't want the rest."""
        data = head
        self._progress = None
        if exchange.request.expects_continue:
            if self._send(stream, exchange, head) or self._declined(stream, exchange):
                return
            data = b""
        for piece, _ in wire_pieces(body):
            if data and self.uses > 1 and body.__class__ is not Body and not stream.is_quiet():
                raise _spoilt()  # while the body was read from its source, and before anything was sent
            if not data and stream.wait(POLLIN, 0.0) and self._receive_early(stream, exchange):
                return
            if self._send(stream, exchange, data + piece if data else piece):
                return
            data = b""
        if data:
            self._send(stream, exchange, data)
        if body.length is None or body.length > BODY_PIECE:
            self._progress = Progress(stream, time.monotonic())

    def _declined(self, stream: Stream, exchange: Exchange) -> bool:
        """Wait for the server to ask for the body. ``True`` if it answers instead."""
        limit = time.monotonic() + CONTINUE_WAIT
        while not exchange.responded:
            left = limit - time.monotonic()
            if exchange.request.deadline:
                left = self._time_left(exchange.request, PHASE_RECEIVE, left)
            if left <= 0 or not stream.wait(POLLIN, left):
                break
            if self._receive_early(stream, exchange):
                return True
        return False

    def _send(self, stream: Stream, exchange: Exchange, data: bytes) -> bool:
        """Send, and wait until the peer takes it. ``True`` if it answers instead that it doesn't want the rest."""
        if not stream.send(data) and self._send_rest(stream, exchange):
            return True
        if exchange.on_sent is not None:
            exchange.on_sent(data)
        return False

    def _send_rest(self, stream: Stream, exchange: Exchange) -> bool:
        """Wait until the peer has taken what is queued. ``True`` if it answers instead that it doesn't want it."""
        request = exchange.request
        while not stream.flush():
            limit = request.send_timeout
            timeout = self._time_left(request, PHASE_SEND, limit) if request.deadline else limit
            ready = stream.wait(POLLIN | POLLOUT, timeout)
            if not ready:
                if timeout < limit:
                    raise deadline_passed(PHASE_SEND)
                raise TransferTimeoutError(f"the peer took no data for {limit:g} s")
            if ready & POLLIN and self._receive_early(stream, exchange):
                return True
        return False

    def _receive_early(self, stream: Stream, exchange: Exchange) -> bool:
        """Read what the peer says while it is still being sent to (RFC 9112 section 9.5).

        :return: whether that makes the rest of the request pointless.
        """
        block = read_blocks.request_mem()
        try:
            count = stream.receive_now(block)
            if count >= 0:
                self._received(stream, exchange, block, count)
        finally:
            read_blocks.release_mem(block)
        if not _settled(exchange):
            return False
        self._body_over = False
        return True

    def _answered(self, stream: Stream, exchange: Exchange) -> bool:
        """After a failed send, take in what the peer had said before it stopped listening. ``True`` if it answered."""
        self._body_over = False
        block = read_blocks.request_mem()
        try:
            while not exchange.done and (count := stream.receive_now(block)) > 0:
                self._received(stream, exchange, block, count)
        except EventFailedError:
            raise
        except (OSError, HttpClientError):
            pass  # that it couldn't be sent to says more
        finally:
            read_blocks.release_mem(block)
        return exchange.head is not None

    def _failed(self, error: BaseException, exchange: Exchange, sending: bool) -> BaseException:
        """Close the connection and return what to raise."""
        closing, peer = self.closing, self.peer
        self.exchange = None
        self.connection.abort()
        self.origin.forget(self)
        if not isinstance(error, Exception):
            exchange.error = aborted("the request was interrupted")
            exchange.done = True
            return error
        if closing is not None and not isinstance(error, EventFailedError):
            failure: HttpClientError = closing.locate(url=exchange.request.uri.to_string(), peer=peer)
        else:
            failure = transfer_failure(error, exchange.request, peer, sending=sending)
        exchange.error = failure
        exchange.done = True
        return failure

    def consumed(self, exchange: Exchange, size: int) -> None:
        """The reader of a stream has taken *size* bytes. HTTP/1.1 needs no word about it: nothing more was read."""

    def give_up(self, exchange: Exchange) -> None:
        """The reader of a stream is through with it; what is left of the response ends the connection."""
        if self.exchange is exchange:
            if exchange.done and exchange.error is None:
                self.origin.finished(self)
            else:
                self.exchange = None
                self.connection.abort()
                self.origin.forget(self)

    # A worker drives

    def attach(self, worker: TSocketPoolWorker) -> None:
        """Give the connection to a worker.

        :raises OSError: it can't take it.
        """
        connection = self.connection
        connection.handler = self
        connection.attach(worker)

    def watch_idle(self, worker: TSocketPoolWorker) -> bool:
        """Give an idle connection to a worker, which notices when the peer closes it."""
        try:
            self.attach(worker)
        except OSError:
            return False
        return True

    def start(self, exchange: Exchange, looked: bool = False) -> None:
        """Send the request; the worker reads the response. Only in the thread of the connection's worker.

        :param looked: somebody has just made sure that it can be used.
        """
        connection = self.connection
        connection.handler = self
        connection.on_sent = None
        if exchange.done:  # given up while it waited
            self.origin.give_back(self)
            return
        self.exchange = exchange
        exchange.connection = self
        exchange.peer = self.peer
        self.uses += 1
        self._body_over = True
        if exchange.request.closes:
            self._last = True
        try:
            self._parser.start(exchange.request.method, exchange)
            self._set_timers(exchange)
            data = self._first_piece(exchange)
        except Exception as error:
            self._end(error)
            return
        body = exchange.request.body
        if self.uses > 1 and not (looked and (body is None or body.__class__ is Body)):
            # What has come since the last response isn't read as the answer to this request.
            stream = connection.stream
            if stream is not None and not stream.is_quiet():
                self._end(_spoilt())
                return
        # Where it can't be sent, the worker finds out why and tells; unless it has already, to nobody.
        if not connection.send(data) and connection.closed:
            self._end(RemoteClosedError("the connection was closed before the request was sent", retry_safe=True))

    def _first_piece(self, exchange: Exchange) -> bytes:
        request = exchange.request
        data = request.http1_head() if self._forwarding is None else self._forwarding.head(exchange)
        body = request.body
        if body is None and exchange.on_sent is None:
            return data
        connection = self.connection
        if body is not None and body.length != 0:
            self._body_over = False
            self._pieces = wire_pieces(body)
            if request.expects_continue:
                worker = connection.worker
                assert worker is not None
                self._continue_timer = worker.call_at(time.monotonic() + CONTINUE_WAIT, self._continue)
            else:
                piece, self._body_over = next(self._pieces)
                data += piece
        if exchange.on_sent is not None or not self._body_over:
            connection.on_sent = self._on_sent
            self._sending = data
        return data

    def _set_timers(self, exchange: Exchange) -> None:
        request = exchange.request
        worker = self.connection.worker
        assert worker is not None
        exchange.last_activity = now = time.monotonic()
        self._progress = None
        due = now + (request.recv_timeout if request.body is None else _look_again(request))
        timer = self._timer
        if timer is None or timer.when > due or self._timer_worker is not worker:
            if timer is not None and self._timer_worker is worker:
                timer.cancel()
            self._timer = worker.call_at(due, _check_silence, self)
            self._timer_worker = worker
        if request.deadline:
            self._deadline_timer = worker.call_at(request.deadline, self._deadline_passed)

    def _on_sent(self, sent: bytes) -> None:
        exchange = self.exchange
        if exchange is None or sent is not self._sending:
            return  # word of an exchange that has ended meanwhile
        exchange.last_activity = time.monotonic()
        self._sending = b""
        try:
            if exchange.on_sent is not None:
                exchange.on_sent(sent)
            if not self._body_over and self._continue_timer is None and not _settled(exchange):
                self._send_more()
        except BaseException as error:
            self._end(error)

    def _send_more(self) -> None:
        assert self._pieces is not None
        self._sending, self._body_over = next(self._pieces)
        self.connection.send(self._sending)

    def _continue(self) -> None:
        """The server asks for the body, or has had time enough to."""
        exchange, timer = self.exchange, self._continue_timer
        self._continue_timer = None
        if timer is not None:
            timer.cancel()
        if exchange is not None and not _settled(exchange):
            try:
                self._send_more()
            except BaseException as error:
                self._end(error)

    def on_connected(self) -> None:
        """It has been before it got here. See :attr:`socketpool.TgoSocketConnection.handler`."""

    def on_buffer(self, block: MemoryBlock, count: int) -> None:
        """Something has been received."""
        exchange = self.exchange
        if exchange is None:
            self._discard()  # idle, and the peer says something that nobody has asked for
            return
        exchange.last_activity = time.monotonic()
        stream = self.connection.stream
        assert stream is not None
        try:
            self._received(stream, exchange, block, count)
        except BaseException as error:
            self._end(error)
            return
        if exchange.done:
            self._complete(exchange)
            return
        length, remaining = self._parser.counted
        if length >= LARGE:
            exchange.expect(length, remaining)
        if self._continue_timer is not None:
            self._continue()

    def _complete(self, exchange: Exchange) -> None:
        if self._sending and self._body_over and exchange.on_sent is not None:
            self._on_sent(self._sending)  # the answer was faster than the word that it had been sent
            if self.exchange is None:
                return
        self._leave()
        self.head = exchange.head
        if self.reusable:
            self.origin.give_back(self)
        else:
            self._discard()
        exchange.finish()

    def _discard(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.connection.stop_callbacks()
        self.connection.abort()
        self.origin.forget(self)

    def _leave(self) -> None:
        """Forget the exchange, which is over."""
        self.exchange = None
        self._pieces = None
        self._sending = b""
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
            self._deadline_timer = None
        if self._continue_timer is not None:
            self._continue_timer.cancel()
            self._continue_timer = None

    def on_disconnected(self) -> None:
        """The connection has ended."""
        exchange = self.exchange
        if exchange is None:
            self.origin.forget(self)
            return
        error: BaseException | None = self.closing or self.connection.error
        # Also where sending failed, and the answer that says why ends with the connection.
        if error is None or (not self._body_over and _settled(exchange) and isinstance(error, ConnectionLostError)):
            try:
                self._parser.eof(True)
                if exchange.incremental:
                    exchange.deliver()
            except HttpClientError as failure:
                error = failure
            else:
                self._complete(exchange)
                return
        self._end(error)

    def _end(self, error: BaseException) -> None:
        """The attempt has failed."""
        exchange = self.exchange
        sending = not self._body_over and exchange is not None and not exchange.responded
        self._leave()
        self._discard()
        if exchange is not None:
            if self.closing is not None and not isinstance(error, EventFailedError):
                error = self.closing
            # Also where all has arrived, and the user's event that got the last of it has failed.
            exchange.error = transfer_failure(error, exchange.request, self.peer, sending=sending)
            exchange.done = True
            exchange.finish()

    def check_silence(self) -> None:
        """The timer of the receive limit: one per connection, and it moves itself along."""
        self._timer = None
        exchange, connection = self.exchange, self.connection
        worker, stream = connection.worker, connection.stream
        if exchange is None or stream is None or not connection.attached or worker is None or not worker.is_current:
            return  # idle, or somebody else drives now
        request = exchange.request
        limit = request.recv_timeout
        since = exchange.last_activity
        now = time.monotonic()
        sending = False
        if request.body is not None or stream.backlog_size:
            progress = self._progress
            if progress is None:
                progress = self._progress = Progress(stream, since)
            else:
                progress.look(stream, now)
            since = max(since, progress.since)
            sending = progress.left > 0
            if sending:
                limit = request.send_timeout
        due = since + limit
        if now < due:
            when = min(due, now + _look_again(request)) if sending else due
            self._timer = worker.call_at(when, _check_silence, self)
            self._timer_worker = worker
        elif sending:
            self._end(SendTimeoutError(f"the peer took no data for {limit:g} s"))
        else:
            self._end(ReceiveTimeoutError(f"nothing was received for {limit:g} s"))

    def _deadline_passed(self) -> None:
        self._deadline_timer = None
        if self.exchange is None:
            return
        stream = self.connection.stream
        sending = not self._body_over or (stream is not None and stream.backlog_size > 0)
        self._end(deadline_passed(PHASE_SEND if sending else PHASE_RECEIVE))

    def cancel(self, exchange: Exchange, error: HttpClientError) -> None:
        """Give up a non-blocking exchange, from any thread."""
        worker = self.connection.worker
        if worker is not None:
            try:
                worker.call_soon(self._cancel, exchange, error)
            except RuntimeError:
                pass  # closed, which has ended the exchange

    def _cancel(self, exchange: Exchange, error: HttpClientError) -> None:
        if self.exchange is exchange:
            self._end(error)


def _spoilt() -> RemoteClosedError:
    """Return the error of a connection that could be used when it was chosen, and can't be any more."""
    return RemoteClosedError(
        "the server closed the connection, or sent what nobody had asked for, before the request was sent",
        retry_safe=True,
    )


def _check_silence(connection: Http1Connection) -> None:
    connection.check_silence()


def _look_again(request: Request) -> float:
    """In how many seconds to look how the peer gets on with the body of a request: often enough to be exact."""
    return min(request.send_timeout, request.recv_timeout) / 4


def _settled(exchange: Exchange) -> bool:
    """Whatever else is sent, the answer stays the same: it is complete, or it isn't a success.

    Another answer may come before the end of the body and be about what has been sent so far.
    """
    head = exchange.head
    return exchange.done or (head is not None and head.status >= 300)
