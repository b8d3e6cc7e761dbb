"""A connection that speaks HTTP/1.1, driven by the thread that makes the request."""

from __future__ import annotations

import time

from linuxapi.socketconst import POLLIN, POLLOUT
from socketpool import ConnectionLostError, TransferTimeoutError
from socketpool.stream import callers, free_blocks, read_blocks

from ..errors import PHASE_RECEIVE, PHASE_SEND, HttpClientError, SendTimeoutError
from ..exchange import LARGE
from ..failures import EventFailedError, aborted, deadline_passed, transfer_failure
from .link import CONTINUE_WAIT, Http1Link, look_again, settled, spoilt
from .upload import BODY_PIECE, Progress, wire_pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from socketpool import MemoryBlock, Stream

    from ..content.body import Body
    from ..exchange import Exchange
    from ..request import Request

#: Seconds between two looks whether the peer has answered before it has the whole body. A near one takes several pieces
#: in this time, and a look costs a tenth of a piece.
_LOOK_EVERY = 0.002


class Http1Caller(Http1Link):
    """The half of :class:`.connection.Http1Connection` that its caller drives, waiting in the kernel."""

    __slots__ = ()

    def run(self, exchange: Exchange) -> None:
        """Send the request and read until the exchange is satisfied, in the calling thread.

        :raises HttpClientError: the connection failed or a limit was passed; the connection is closed then.
        """
        self.exchange = exchange
        exchange.connection = self
        sending = True
        callers.append(None)
        try:
            stream = self.connection.stream
            if stream is None:
                raise self._gone()
            request = exchange.request
            if self._forwarding is None:
                head = request.built_head or request.http1_head()
            else:
                head = self._forwarding.head(exchange)
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
        finally:
            callers.pop()
        if exchange.done and not self._finished(exchange):
            self._drop()

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
        try:
            block = free_blocks.pop()
        except IndexError:
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
                if count:
                    self._received(exchange, block, count)
                else:
                    self._ended(stream, exchange)
                if exchange.done or exchange.satisfied():
                    return
                length, remaining = self._parser.counted
                if length >= LARGE:
                    exchange.expect(length, remaining)
        finally:
            free_blocks.append(block)

    def _ended(self, stream: Stream, exchange: Exchange) -> None:
        """The peer has closed its side."""
        if self.closing is not None:
            raise self.closing
        self._received_end(exchange, not stream.truncated)

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
            left = min(left, look_again(request))
            stream.wait(POLLIN, self._time_left(request, PHASE_RECEIVE, left) if request.deadline else left)
        if not progress.left:
            self._progress = None
        return count

    def _send_with_body(self, stream: Stream, exchange: Exchange, head: bytes, body: Body) -> None:
        """Send head and body, piece by piece; stop where the peer answers that it doesn't want the rest."""
        data = head
        self._progress = None
        if exchange.request.expects_continue:
            if self._send(stream, exchange, head) or self._declined(stream, exchange):
                return
            data = b""
        send = stream.send
        large = body.length is None or body.length > BODY_PIECE
        if large and not exchange.request.deadline:
            stream.wait_in_sends()
            send = stream.send_waiting
        looked = 0.0
        for piece, _ in wire_pieces(body):
            if data and self.uses > 1 and not body.in_memory and not stream.is_quiet():
                raise spoilt()  # while the body was read from its source, and before anything was sent
            if not data and (now := time.monotonic()) - looked >= _LOOK_EVERY:
                looked = now
                if stream.wait(POLLIN, 0.0) and self._receive_early(stream, exchange):
                    return
            if self._send(stream, exchange, data + piece if data else piece, send):
                return
            data = b""
        if data:
            self._send(stream, exchange, data)
        if large:
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

    def _send(
        self, stream: Stream, exchange: Exchange, data: bytes, send: Callable[[bytes], bool] | None = None
    ) -> bool:
        """Send, and wait until the peer takes it. ``True`` if it answers instead that it doesn't want the rest.

        :param send: how, if not as usual.
        """
        if not (send or stream.send)(data) and self._send_rest(stream, exchange):
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
            if count > 0:
                self._received(exchange, block, count)
            elif count == 0:
                self._ended(stream, exchange)
        finally:
            read_blocks.release_mem(block)
        if not settled(exchange):
            return False
        self._body_over = False
        return True

    def _answered(self, stream: Stream, exchange: Exchange) -> bool:
        """After a failed send, take in what the peer had said before it stopped listening. ``True`` if it answered."""
        self._body_over = False
        block = read_blocks.request_mem()
        try:
            while not exchange.done and (count := stream.receive_now(block)) > 0:
                self._received(exchange, block, count)
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
        self._drop()
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

    def _drop(self) -> None:
        self.connection.abort()
        self.origin.forget(self)  # type: ignore[arg-type]

    def consumed(self, exchange: Exchange, size: int) -> None:
        """The reader of a stream has taken *size* bytes. HTTP/1.1 needs no word about it: nothing more was read."""

    def give_up(self, exchange: Exchange) -> None:
        """The reader of a stream is through with it; what is left of the response ends the connection."""
        if self.exchange is not exchange or (exchange.done and exchange.error is None and self._finished(exchange)):
            return
        self.exchange = None
        self._drop()
