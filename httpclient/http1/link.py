"""What an HTTP/1.1 connection is, whoever drives it: a socket, a parser, and how far they are.

Delphi: the part of Grijjy.Http.TgoHttpClient that sends the request and is called by the socket.
"""

from __future__ import annotations

import time
from errno import EPIPE

from ..errors import HttpClientError, RemoteClosedError
from ..failures import aborted, deadline_passed
from .response import KnownHead, ResponseParser
from .upload import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from openssl_api import TlsEngine
    from socketpool import MemoryBlock, TgoSocketConnection, Timer, TSocketPoolWorker

    from ..exchange import Exchange
    from ..head import ResponseHead
    from ..pooling.origin import Origin
    from ..proxies.routes import ForwardingRoute
    from ..request import Request

#: Seconds to wait for the server to ask for a body that is sent with ``Expect: 100-continue``, before it is sent
#: unasked (RFC 9110 section 10.1.1: a client should not wait indefinitely).
CONTINUE_WAIT = 1.0

#: How many seconds before the server says that it closes an idle connection we do.
_KEEP_ALIVE_MARGIN = 1.0

_UNLIMITED = float("inf")

#: Stands for the parser where there is none.
NO_PARSER = ResponseParser()

#: No time limit at all: none is negative.
NO_LIMIT = -1.0


class Http1Link:
    """One connected socket, and the response parser that belongs to it.

    Who took it from the pool owns it until it is given back; only the owner uses it.

    :param origin: where it is given back to.
    :param connection: connected, detached or attached.

    :ivar exchange: what it is used for; ``None`` while it is idle.
    :ivar uses: how many exchanges it has served.
    :ivar idle_since: when it was given back, in ``time.monotonic()`` seconds.
    """

    __slots__ = (
        "_body_over", "_continue_timer", "_deadline_timer", "_extras", "_forwarding", "_keep_alive", "_last", "_parser",
        "_pieces", "_progress", "_sending", "_timer", "_timer_limit", "_timer_worker", "closing", "connection",
        "engine", "exchange", "head", "idle_since", "origin", "peer", "uses",
    )  # fmt: skip

    #: See Http2Connection.
    ended_in_turn = False
    #: Unlike Http2Connection, it carries one exchange at a time.
    is_http2: Literal[False] = False

    def __init__(self, origin: Origin, connection: TgoSocketConnection) -> None:
        self.origin = origin
        if origin.known_head is None:
            origin.known_head = KnownHead()
        self.connection = connection
        stream = connection.stream
        #: The address of the peer, for messages.
        self.peer = "" if stream is None else stream.address.text
        #: The TLS with the origin, for those who ask about it, also when it has ended.
        self.engine: TlsEngine | None = stream.engine if stream is not None and origin.tls else None
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
        #: Of the response that is arriving, taken from the origin when the first bytes are there, and given back after
        #: the last, since there may be thousands of connections.
        self._parser = NO_PARSER
        #: Everything of the request has been given to the socket, so another request may follow it.
        self._body_over = True
        #: Request or response say that it is the last one on this connection.
        self._last = False
        #: How the peer gets on with a large body, or one that it hasn't taken in time.
        self._progress: Progress | None = None
        #: While a worker drives, something of the following is to be undone at the end of the exchange.
        self._extras = False
        # What is still to be sent, and what is being sent.
        self._pieces: Iterator[tuple[bytes, bool]] | None = None
        self._sending = b""
        self._timer: Timer | None = None
        #: The receive limit for which the timer is early enough, whenever a request with that limit begins.
        self._timer_limit = NO_LIMIT
        self._timer_worker: TSocketPoolWorker | None = None
        self._deadline_timer: Timer | None = None
        self._continue_timer: Timer | None = None

    def take(self) -> bool:
        """Make the calling thread the owner of an idle connection.

        :return: whether it can be used; ``False`` if it has ended, or the peer has said what nobody asked for.
        """
        connection = self.connection
        if connection.handler is not None:  # a worker has, or had it
            if not connection.detach():
                return False
            connection.stop_callbacks()
        stream = connection.stream
        return stream is not None and self.closing is None and stream.is_quiet()

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
            if value is not None:
                self._keep_alive = _keep_alive(value)
        return self._keep_alive

    def _finished(self, exchange: Exchange) -> bool:
        """The response is complete: give the connection back if it may carry another exchange, as far as both have
        said. Whether it has ended meanwhile is looked at when it is used again.

        :return: ``False`` if it may not.
        """
        self.exchange = None
        self.head = head = exchange.head
        parser = self._parser
        if (
            parser.reusable
            and self._body_over
            and not self._last
            # A proxy that refuses a request before it has read all of it (squid, for one) never reads the rest.
            and (self._forwarding is None or head is None or head.status != 407)
        ):
            if parser is not NO_PARSER:
                self._parser = NO_PARSER
                self.origin.parsers.append(parser)
            self.origin.give_back(self, exchange.ended_at)  # type: ignore[arg-type]
            return True
        return False

    def close(self, reason: HttpClientError | None = None) -> None:
        """End the connection from any thread; an exchange on it fails with *reason*."""
        self.closing = reason or aborted()
        self.connection.end(OSError(EPIPE, "closed by this side"))

    def _gone(self) -> HttpClientError:
        return self.closing or aborted("the connection was closed by this side")

    def _expect(self, exchange: Exchange) -> ResponseParser:
        """Return the parser for the response to the exchange, which begins."""
        parser = self._parser = _take_parser(self.origin)
        parser.start(exchange.request.method, exchange)
        return parser

    def _received(self, exchange: Exchange, block: MemoryBlock, count: int) -> None:
        """Take in what was read."""
        if exchange.responded:
            self._parser.receive(block.data, 0, count, block.view)
        else:
            exchange.responded = True
            stays = self.origin.known_head.answer(exchange.request.method, exchange, block.data, count, block.view)
            if stays is None:
                self._expect(exchange).receive(block.data, 0, count, block.view)
            elif not stays:
                self._last = True
        if exchange.incremental:
            exchange.deliver()

    def _received_end(self, exchange: Exchange, clean: bool) -> None:
        """Take in the end of the stream."""
        parser = self._parser if exchange.responded else self._expect(exchange)
        parser.eof(clean)
        if exchange.incremental:
            exchange.deliver()

    @staticmethod
    def _time_left(request: Request, phase: str, limit: float) -> float:
        left = request.deadline - time.monotonic()
        if left <= 0:
            raise deadline_passed(phase)
        return min(limit, left)


def _take_parser(origin: Origin) -> ResponseParser:
    try:
        return origin.parsers.pop()
    except IndexError:
        return ResponseParser(origin.pool.limits, origin.known_head)


def _keep_alive(value: bytes) -> float:
    """Return for how many seconds a Keep-Alive field lets a connection be idle."""
    seconds = _UNLIMITED
    for parameter in value.lower().replace(b";", b",").split(b","):
        name, _, text = parameter.replace(b'"', b" ").partition(b"=")
        name, text = name.strip(), text.strip()
        digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
        # More digits than these are as good as no limit.
        if name in {b"timeout", b"max"} and 0 < len(digits) < 10:
            number = int(digits)
            limit = max(0.0, number - _KEEP_ALIVE_MARGIN) if name == b"timeout" else _UNLIMITED
            seconds = min(seconds, limit if number else 0.0)
    return seconds


def spoilt() -> RemoteClosedError:
    """Return the error of a connection that could be used when it was chosen, and can't be any more."""
    return RemoteClosedError(
        "the server closed the connection, or sent what nobody had asked for, before the request was sent",
        retry_safe=True,
    )


def look_again(request: Request) -> float:
    """In how many seconds to look how the peer gets on with the body of a request: often enough to be exact."""
    return min(request.send_timeout, request.recv_timeout) / 4


def settled(exchange: Exchange) -> bool:
    """Whatever else is sent, the answer stays the same: it is complete, or it isn't a success.

    Another answer may come before the end of the body and be about what has been sent so far.
    """
    head = exchange.head
    return exchange.done or (head is not None and head.status >= 300)
