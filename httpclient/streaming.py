"""Reading a response piece by piece, at the pace of its reader."""

from __future__ import annotations

from .errors import BodyError
from .sockets import call_elsewhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .exchange import StreamExchange


class StreamReader:
    """Pulls the body of one response, and gives the connection back at its end. For one thread at a time.

    :param exchange: whose head will have arrived before anything is read. Made before that, so that whatever happens
        meanwhile, somebody gives the connection back.
    """

    __slots__ = ("_closed", "_exchange", "_started")

    def __init__(self, exchange: StreamExchange) -> None:
        self._closed = False
        self._started = False
        self._exchange = exchange

    def pieces(self) -> Iterator[bytes]:
        """Yield what arrives, to the end.

        :raises BodyError: it has been read or closed already.
        :raises HttpClientError: it could not be read to its end.
        """
        if self._closed or self._started:
            raise BodyError("the body of this response has been read or closed already")
        self._started = True
        self._exchange.wants_head = False
        while not self._closed:
            piece = self._next()
            if not piece:
                self.close()
                return
            yield piece

    def _next(self) -> bytes:
        exchange = self._exchange
        connection = exchange.connection
        while True:
            piece = exchange.take()
            if piece:
                connection.consumed(exchange, len(piece))
                return piece
            if exchange.error is not None:
                raise exchange.error
            if exchange.done:
                return b""
            connection.pump_stream(exchange)

    def close(self) -> None:
        """Give up what hasn't been read."""
        self._closed = True
        exchange = self._exchange
        connection = exchange.connection
        if connection is None:
            return
        try:
            connection.give_up(exchange)  # unless it has been given back already, because nothing was left
        except BaseException as error:
            if not isinstance(error, Exception):
                connection.origin.interrupted(exchange)
            raise

    def __del__(self) -> None:
        # A response that nobody closed must not cost a connection for good.
        if not getattr(self, "_closed", True):
            exchange = self._exchange
            connection = exchange.connection
            if connection is not None and (not exchange.done or getattr(connection, "exchange", None) is exchange):
                call_elsewhere(self.close)
