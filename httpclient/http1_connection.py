"""A connection that speaks HTTP/1.1: one exchange at a time, driven by the caller or by a worker.

Delphi: the part of Grijjy.Http.TgoHttpClient that sends the request and is called by the socket.
"""

from __future__ import annotations

import time
from errno import EPIPE

from linuxapi.syssocket import POLLIN, POLLOUT
from socketpool.stream import read_blocks

from .errors import DeadlineError, HttpClientError, ReceiveTimeoutError, RemoteClosedError
from .failures import aborted, transfer_failure
from .tls import describe_tls
from .http1_request import encode_chunk
from .http1_response import ResponseParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import MemoryBlock, Stream, TgoSocketConnection, Timer, TSocketPoolWorker

    from .body import Body
    from .exchange import Exchange
    from .http1_response import Http1Limits
    from .origin import Origin

#: Bytes of a request body that are read from its source and sent at once.
_BODY_PIECE = 128 * 1024


class Http1Connection:
    """One connected socket, and the response parser that belongs to it.

    Who took it from the pool owns it until it is given back; only the owner uses it.

    :param origin: where it is given back to.
    :param connection: connected, detached or attached.
    :param limits: bounds for the response parser.

    :ivar uses: how many exchanges it has served.
    :ivar idle_since: when it was given back, in ``time.monotonic()`` seconds.
    """

    __slots__ = (
        "_body_over", "_deadline_timer", "_exchange", "_parser", "_timer", "closing", "connection", "idle_since",
        "origin", "peer", "tls_description", "uses",
    )  # fmt: skip

    def __init__(self, origin: Origin, connection: TgoSocketConnection, limits: Http1Limits | None) -> None:
        self.origin = origin
        self.connection = connection
        stream = connection.stream
        #: The address of the peer, for messages.
        self.peer = "" if stream is None else stream.address.text
        #: TLS version, cipher and ALPN protocol, for those who want to see them.
        self.tls_description = describe_tls(stream)
        self.uses = 0
        self.idle_since = 0.0
        #: Why the other side of this process ends it; whoever waits for it raises this.
        self.closing: HttpClientError | None = None
        self._parser = ResponseParser(limits)
        self._exchange: Exchange | None = None
        self._body_over = True
        self._timer: Timer | None = None
        self._deadline_timer: Timer | None = None

    # The caller drives

    def run(self, exchange: Exchange) -> None:
        """Send the request and read until the exchange is satisfied, in the calling thread.

        :raises HttpClientError: the connection failed or a limit was passed; the connection is closed then.
        """
        stream = self.connection.stream
        assert stream is not None
        self._exchange = exchange
        exchange.connection = self
        exchange.peer = self.peer
        request = exchange.request
        parser = self._parser
        sending = True
        try:
            parser.start(request.method, exchange)
            self.uses += 1
            head = request.http1_head()
            body = request.body
            if body is None:
                sent = stream.send(head)
                if exchange.on_sent is not None:
                    exchange.on_sent(head)
                if not sent:
                    self._send_rest(stream, exchange)
            else:
                self._send_with_body(stream, exchange, head, body)
            sending = False
            if not exchange.satisfied():
                self.pump(exchange)
        except BaseException as error:
            raise self._failed(error, exchange, sending) from (error if isinstance(error, OSError) else None)

    def pump(self, exchange: Exchange) -> None:
        """Read on until the exchange is satisfied."""
        stream = self.connection.stream
        assert stream is not None
        request = exchange.request
        parser = self._parser
        timeout = request.recv_timeout
        block = read_blocks.request_mem()
        try:
            while True:
                if request.deadline:
                    timeout = self._time_left(request.deadline, request.recv_timeout)
                count = stream.receive(block, timeout)
                self._received(parser, stream, exchange, block, count)
                if exchange.incremental:
                    exchange.deliver()
                if exchange.satisfied():
                    return
        except TimeoutError as error:
            if request.deadline and time.monotonic() >= request.deadline:
                raise DeadlineError("the overall time limit has passed while waiting for the response") from error
            raise
        finally:
            read_blocks.release_mem(block)

    def pump_stream(self, exchange: Exchange) -> None:
        """Like :meth:`pump`, for an exchange whose caller comes back for more."""
        try:
            self.pump(exchange)
        except BaseException as error:
            raise self._failed(error, exchange, False) from (error if isinstance(error, OSError) else None)

    def _received(
        self, parser: ResponseParser, stream: Stream, exchange: Exchange, block: MemoryBlock, count: int
    ) -> None:
        if count > 0:
            exchange.responded = True
            if parser.receive(block.data, 0, count) < count and not parser.handed_over:
                parser.reusable = False  # bytes that nobody asked for must not answer the next request
        else:
            if self.closing is not None:
                raise self.closing
            parser.eof(not stream.truncated)

    @staticmethod
    def _time_left(deadline: float, limit: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError("the overall time limit has passed while waiting for the response")
        return min(limit, left)

    def _send_with_body(self, stream: Stream, exchange: Exchange, head: bytes, body: Body) -> None:
        """Send head and body, piece by piece; stop where the response is complete before the body is."""
        chunked = body.length is None
        piece = body.read(_BODY_PIECE)
        data = head + (encode_chunk(piece) if chunked else piece)
        left = 0 if body.length is None else body.length - len(piece)
        while True:
            if piece and not chunked and left < 0:
                raise RemoteClosedError("the body is longer than its length said")
            sent = stream.send(data)
            if exchange.on_sent is not None:
                exchange.on_sent(data)
            if not sent and self._send_rest(stream, exchange):
                return
            if not piece or (not chunked and left == 0):
                return
            piece = body.read(_BODY_PIECE)
            if not piece and not chunked:
                raise RemoteClosedError(f"the body ended {left} bytes before the length that it was sent with")
            left -= len(piece)
            data = encode_chunk(piece) if chunked else piece

    def _send_rest(self, stream: Stream, exchange: Exchange) -> bool:
        """Wait until the peer has taken what is queued. ``True`` where it has answered instead, and finally."""
        request = exchange.request
        while not stream.flush():
            timeout = self._time_left(request.deadline, request.recv_timeout) if request.deadline else None
            ready = stream.wait(POLLIN | POLLOUT, request.recv_timeout if timeout is None else timeout)
            if not ready:
                from socketpool import TransferTimeoutError

                raise TransferTimeoutError(f"the peer took no data for {request.recv_timeout:g} s")
            if ready & POLLIN and self._receive_early(stream, exchange):
                return True
        return False

    def _receive_early(self, stream: Stream, exchange: Exchange) -> bool:
        """Read what the peer says while it is still being sent to (RFC 9112 section 9.5)."""
        block = read_blocks.request_mem()
        try:
            count = stream.receive_now(block)
            if count >= 0:
                self._received(self._parser, stream, exchange, block, count)
        finally:
            read_blocks.release_mem(block)
        if exchange.head is None:
            return False
        # A final response means that the rest of the body isn't wanted; the connection can't go on without it.
        self._parser.reusable = False
        self._body_over = False
        return True

    def _failed(self, error: BaseException, exchange: Exchange, sending: bool) -> BaseException:
        """Close the connection and return what to raise."""
        connection, closing = self.connection, self.closing
        peer = self.peer
        if sending and isinstance(error, OSError) and closing is None and not isinstance(error, HttpClientError):
            self._look_for_answer(exchange)
        connection.abort()
        self.origin.forget(self)
        if not isinstance(error, Exception):
            return error
        if closing is not None:
            return closing.locate(url=exchange.request.uri.to_string(), peer=peer)
        failure = transfer_failure(error, exchange.request, peer, sending=sending)
        exchange.error = failure
        return failure

    def _look_for_answer(self, exchange: Exchange) -> None:
        """After a failed send, note whether the peer had said anything: only then was the request looked at."""
        stream = self.connection.stream
        block = read_blocks.request_mem()
        try:
            if stream is not None and stream.receive_now(block) > 0:
                exchange.responded = True
        except OSError:
            pass
        finally:
            read_blocks.release_mem(block)

    def consumed(self, exchange: Exchange, size: int) -> None:
        """The reader of a stream has taken *size* bytes. HTTP/1.1 needs no word about it: nothing more was read."""

    def give_up(self, exchange: Exchange) -> None:
        """The reader of a stream wants no more of it; what is left of the response ends the connection."""
        self.origin.forget(self)
        self.connection.abort()

    @property
    def reusable(self) -> bool:
        """The response is over, and the connection may carry another request."""
        parser = self._parser
        return parser.done and parser.reusable and self.closing is None and not self.connection.closed

    # A worker drives

    def start(self, exchange: Exchange) -> None:
        """Send the request; the worker reads the response. Only in the thread of the connection's worker."""
        if exchange.done:  # given up while it waited
            self.origin.give_back(self)
            return
        connection = self.connection
        self._exchange = exchange
        exchange.connection = self
        exchange.peer = self.peer
        self.uses += 1
        request = exchange.request
        connection.on_buffer = self._on_buffer
        connection.on_disconnected = self._on_disconnected
        try:
            self._parser.start(request.method, exchange)
            head = request.http1_head()
        except HttpClientError as error:
            self._end(error)
            return
        worker = connection.worker
        assert worker is not None
        exchange.last_activity = now = time.monotonic()
        due = now + request.recv_timeout
        timer = self._timer
        if timer is None or timer.when > due:
            if timer is not None:
                timer.cancel()
            self._timer = worker.call_at(due, self._check_silence)
        if request.deadline:
            self._deadline_timer = worker.call_at(request.deadline, self._deadline_passed)
        body = request.body
        if body is None:
            self._body_over = True
            data = head
        elif body.length is not None and body.length <= _BODY_PIECE:
            self._body_over = True
            try:
                data = head + body.read(_BODY_PIECE)
            except Exception as error:
                self._end(error)
                return
        else:
            self._body_over = False
            connection.on_sent = self._send_more
            data = head
        if exchange.on_sent is not None and self._body_over:
            connection.on_sent = exchange.on_sent
        if not connection.send(data):
            # The worker finds out why, and tells; where it already has, there is nobody left to wait for.
            if connection.closed:
                self._end(connection.error or RemoteClosedError("the connection was closed"))

    def _send_more(self, sent: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._body_over:
            return
        exchange.last_activity = time.monotonic()
        if exchange.on_sent is not None:
            exchange.on_sent(sent)
        body = exchange.request.body
        assert body is not None
        try:
            piece = body.read(_BODY_PIECE)
        except Exception as error:
            self._end(error)
            return
        if body.length is None:
            self._body_over = not piece
            self.connection.send(encode_chunk(piece))
        elif piece:
            self.connection.send(piece)
        else:
            self._body_over = True

    def _on_buffer(self, block: MemoryBlock, count: int) -> None:
        exchange = self._exchange
        if exchange is None:
            # Idle, and the peer says something that nobody has asked for.
            self.origin.forget(self)
            self.connection.abort()
            return
        exchange.last_activity = time.monotonic()
        stream = self.connection.stream
        assert stream is not None
        try:
            self._received(self._parser, stream, exchange, block, count)
            if exchange.incremental:
                exchange.deliver()
        except Exception as error:
            self._end(error)
            return
        if exchange.done:
            self._complete(exchange)

    def _complete(self, exchange: Exchange) -> None:
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
            self._deadline_timer = None
        self._exchange = None
        if self._body_over and self.reusable:
            self.origin.give_back(self)
        else:
            self.origin.forget(self)
            self.connection.close()
        if exchange.on_done is not None:
            exchange.on_done(exchange)

    def _on_disconnected(self) -> None:
        exchange = self._exchange
        if exchange is None:
            self.origin.forget(self)
            return
        error = self.connection.error
        if self.closing is None and error is None:
            try:
                self._parser.eof(True)
            except HttpClientError as failure:
                self._end(failure)
            else:
                self._complete(exchange)
            return
        self._end(self.closing or error or RemoteClosedError("the connection was closed"))

    def _end(self, error: BaseException) -> None:
        """The attempt has failed."""
        exchange, self._exchange = self._exchange, None
        for timer in (self._timer, self._deadline_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._deadline_timer = None
        peer = self.peer
        self.origin.forget(self)
        self.connection.stop_callbacks()
        self.connection.abort()
        if exchange is not None:
            sending = not self._body_over and not exchange.responded
            exchange.on_failure(transfer_failure(error, exchange.request, peer, sending=sending))
            if exchange.on_done is not None:
                exchange.on_done(exchange)

    def _check_silence(self) -> None:
        """The timer of the receive limit: one per connection, and it moves itself along."""
        self._timer = None
        exchange = self._exchange
        if exchange is None or not self.connection.attached:
            return  # idle, or a caller drives now
        limit = exchange.request.recv_timeout
        due = exchange.last_activity + limit
        if time.monotonic() >= due:
            self._end(ReceiveTimeoutError(f"nothing was received for {limit:g} s"))
        else:
            worker = self.connection.worker
            assert worker is not None
            self._timer = worker.call_at(due, self._check_silence)

    def _deadline_passed(self) -> None:
        self._deadline_timer = None
        if self._exchange is not None:
            self._end(DeadlineError("the overall time limit has passed while waiting for the response"))

    def cancel(self, exchange: Exchange, error: HttpClientError) -> None:
        """Give up a non-blocking exchange, from any thread."""
        worker = self.connection.worker
        if worker is not None:
            try:
                worker.call_soon(self._cancel, exchange, error)
            except RuntimeError:
                pass  # closed, which has ended the exchange

    def _cancel(self, exchange: Exchange, error: HttpClientError) -> None:
        if self._exchange is exchange:
            self._end(error)

    def watch_idle(self, worker: TSocketPoolWorker) -> bool:
        """Give an idle connection to a worker, which notices when the peer closes it."""
        connection = self.connection
        connection.on_buffer = self._on_buffer
        connection.on_disconnected = self._on_disconnected
        try:
            connection.attach(worker)
        except OSError:
            return False
        return True

    # Either way

    def close(self, reason: HttpClientError | None = None) -> None:
        """End the connection from any thread; an exchange on it fails with *reason*."""
        self.closing = reason or aborted()
        self.connection.end(OSError(EPIPE, "closed by this side"))
