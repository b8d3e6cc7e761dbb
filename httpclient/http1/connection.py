"""A connection that speaks HTTP/1.1: one exchange at a time, driven by the caller or by a worker.

:mod:`.link` is what both have in common, :mod:`.caller` how a caller drives; here is how a worker does.

Delphi: the part of Grijjy.Http.TgoHttpClient that sends the request and is called by the socket.
"""

from __future__ import annotations

import time
from time import monotonic

from socketpool import ConnectionLostError

from ..errors import (
    PHASE_RECEIVE,
    PHASE_SEND,
    HttpClientError,
    ReceiveTimeoutError,
    RemoteClosedError,
    SendTimeoutError,
)
from ..exchange import LARGE
from ..failures import EventFailedError, deadline_passed, transfer_failure
from .caller import Http1Caller
from .link import CONTINUE_WAIT, NO_LIMIT, look_again, settled, spoilt
from .upload import Progress, wire_pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import MemoryBlock, TSocketPoolWorker

    from ..exchange import Exchange
    from ..request import Request


class Http1Connection(Http1Caller):
    """One connected socket, and the response parser that belongs to it.

    Who took it from the pool owns it until it is given back; only the owner uses it.
    """

    __slots__ = ()

    def attach(self, worker: TSocketPoolWorker) -> None:
        """Give the connection to a worker.

        :raises OSError: it can't take it.
        """
        connection = self.connection
        connection.handler = self
        connection.attach(worker)
        self._timer_limit = NO_LIMIT  # the timer may be another worker's

    def watch_idle(self, worker: TSocketPoolWorker) -> bool:
        """Give an idle connection to a worker, which notices when the peer closes it."""
        try:
            self.attach(worker)
        except OSError:
            return False
        return True

    def start(self, exchange: Exchange) -> bool:
        """Send the request; the worker reads the response. Only in the thread of the connection's worker.

        :return: ``False`` where nothing has been done: it has ended, or the peer has said what nobody asked for. What
            has come since the last response isn't read as the answer to this request.
        """
        if exchange.done:  # given up while it waited
            self.origin.give_back(self)
            return True
        connection = self.connection
        stream = connection.stream
        if self.uses and (stream is None or self.closing is not None or not stream.is_quiet()):
            return False
        request = exchange.request
        body = request.body
        self.exchange = exchange
        exchange.connection = self
        self.uses += 1
        if request.closes:
            self._last = True
        try:
            exchange.last_activity = now = monotonic()
            if self._timer_limit != request.recv_timeout or body is not None or request.deadline:
                self._set_timers(request, now)
            if body is None and exchange.on_sent is None and self._forwarding is None:
                data = request.built_head or request.http1_head()
            else:
                data = self._first_piece(exchange)
                # Reading it from its source may have taken time.
                if self.uses > 1 and body is not None and not body.in_memory and stream and not stream.is_quiet():
                    raise spoilt()
        except Exception as error:
            self._end(error)
            return True
        # Where it can't be sent, the worker finds out why and tells; unless it has already, to nobody.
        if not connection.send(data) and connection.closed:
            self._end(RemoteClosedError("the connection was closed before the request was sent", retry_safe=True))
        return True

    def _first_piece(self, exchange: Exchange) -> bytes:
        request = exchange.request
        data = request.http1_head() if self._forwarding is None else self._forwarding.head(exchange)
        body = request.body
        if body is None and exchange.on_sent is None:
            return data
        connection = self.connection
        self._extras = True
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

    def _set_timers(self, request: Request, now: float) -> None:
        """See to it that a timer goes off when a limit of the request may have been passed, or earlier."""
        worker = self.connection.worker
        assert worker is not None
        due = now + (request.recv_timeout if request.body is None else look_again(request))
        timer = self._timer
        if timer is None or timer.when > due or self._timer_worker is not worker:
            if timer is not None and self._timer_worker is worker:
                timer.cancel()
            self._set_silence_timer(due)
        if request.body is None:
            self._timer_limit = request.recv_timeout
        if request.deadline:
            self._extras = True
            self._deadline_timer = worker.call_at(request.deadline, self._deadline_passed)

    def _set_silence_timer(self, when: float) -> None:
        worker = self._timer_worker = self.connection.worker
        assert worker is not None
        self._timer = worker.call_at(when, _check_silence, self)
        self._timer_limit = NO_LIMIT

    def _on_sent(self, sent: bytes) -> None:
        exchange = self.exchange
        if exchange is None or sent is not self._sending:
            return  # word of an exchange that has ended meanwhile
        exchange.last_activity = time.monotonic()
        self._sending = b""
        try:
            if exchange.on_sent is not None:
                exchange.on_sent(sent)
            if not self._body_over and self._continue_timer is None and not settled(exchange):
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
        if exchange is not None and not settled(exchange):
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
        try:
            self._received(exchange, block, count)
        except BaseException as error:
            self._end(error)
            return
        if exchange.done:
            self._complete(exchange)
            return
        exchange.last_activity = monotonic()
        length, remaining = self._parser.counted
        if length >= LARGE:
            exchange.expect(length, remaining)
        if self._continue_timer is not None:
            self._continue()

    def _complete(self, exchange: Exchange) -> None:
        if self._extras:
            if self._sending and self._body_over and exchange.on_sent is not None:
                self._on_sent(self._sending)  # the answer was faster than the word that it had been sent
                if self.exchange is None:
                    return
            self._leave()
        if not self._finished(exchange):
            self._discard()
        call = exchange.call
        if call is not None:
            call.attempt_ended(exchange)

    def _discard(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_limit = NO_LIMIT
        self.connection.stop_callbacks()
        self.connection.abort()
        self.origin.forget(self)

    def _leave(self) -> None:
        """The exchange is over: undo what only some have."""
        self._extras = False
        self.connection.on_sent = None
        self._progress = None
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
        if error is None or (not self._body_over and settled(exchange) and isinstance(error, ConnectionLostError)):
            try:
                self._received_end(exchange, True)
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
        self.exchange = None
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
        self._timer_limit = NO_LIMIT
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
                self._extras = True
            else:
                progress.look(stream, now)
            since = max(since, progress.since)
            sending = progress.left > 0
            if sending:
                limit = request.send_timeout
        due = since + limit
        if now < due:
            when = min(due, now + look_again(request)) if sending else due
            self._set_silence_timer(when)
            if request.body is None:
                self._timer_limit = request.recv_timeout
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


def _check_silence(connection: Http1Connection) -> None:
    connection.check_silence()
