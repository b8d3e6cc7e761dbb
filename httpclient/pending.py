"""A non-blocking call: it goes through as many attempts as it takes, and ends in exactly one result.

Everything but :meth:`PendingCall.start` runs in a worker's thread.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, InvalidStateError

from .errors import HttpClientError
from .exchange import Exchange, IncrementalExchange
from .failures import aborted
from .flow import FOLLOWED, Flow
from .messaging import TgoHttpResponseMessage, TMessageManager
from .response import HttpResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import TgoHttpClient
    from .pool import ConnectionPool
    from .request import Request


class HttpFuture(Future["HttpResponse"]):
    """The Future of a response. Cancelling it gives the request up, whether or not it has been sent."""

    def __init__(self, call: PendingCall) -> None:
        super().__init__()
        self._call: PendingCall | None = call

    def cancel(self) -> bool:
        """Give the request up. ``False`` if it has its result already."""
        if not super().cancel():
            return False
        call = self._call
        if call is not None:
            call.abort()
        return True

    def forget_call(self) -> None:
        """The call has ended."""
        self._call = None


class PendingCall:
    """A call whose result goes to a Future, and in a message to those who subscribed.

    :param client: whose call it is.
    :param pool: the connections to use.
    :param request: the first request.
    """

    __slots__ = ("_client", "_ended", "_exchange", "_flow", "_pool", "_started", "future")

    def __init__(self, client: TgoHttpClient, pool: ConnectionPool, request: Request) -> None:
        self._client = client
        self._pool = pool
        self._flow = Flow(client, request)
        self._started = time.monotonic()
        self._exchange: Exchange | None = None
        self._ended = False
        self.future = HttpFuture(self)

    def start(self) -> None:
        """Begin. In the calling thread."""
        self._client.call_started(self)
        try:
            self._attempt()
        except BaseException:
            self._client._running.discard(self)
            raise

    def _attempt(self) -> None:
        client = self._client
        request = self._flow.request
        exchange: Exchange
        if client.on_recv is None:
            exchange = Exchange(request, self._done)
        else:
            exchange = IncrementalExchange(request, client._received, self._done)
        if client.on_sent is not None or client.on_informational is not None:
            client._connect_events(exchange)
        self._exchange = client._current = exchange
        self._pool.submit(exchange)

    def _done(self, exchange: Exchange) -> None:
        """An attempt has ended."""
        if self._ended or exchange is not self._exchange:
            return
        try:
            if exchange.error is not None:
                if self._flow.retry(exchange, exchange.error):
                    self._attempt()
                    return
                self._finish(exchange, None, exchange.error)
                return
            status = exchange.head.status  # type: ignore[union-attr]
            if status in FOLLOWED and self._flow.follow(exchange, lambda: HttpResponse(exchange)) is not None:
                self._attempt()
                return
        except HttpClientError as error:
            self._finish(exchange, None, error)
            return
        except Exception as error:  # from the user's own events
            failure = aborted(f"an event of the client failed: {error!r}")
            failure.__cause__ = error
            self._finish(exchange, None, failure)
            return
        response = HttpResponse(exchange)
        response.history = self._flow.history
        response.elapsed = time.monotonic() - self._started
        self._finish(exchange, response, None)

    def _finish(self, exchange: Exchange, response: HttpResponse | None, error: HttpClientError | None) -> None:
        if self._ended:
            return
        self._ended = True
        client = self._client
        exchange.error = exchange.error or error
        manager = TMessageManager.default_manager
        if manager.has_subscribers(TgoHttpResponseMessage):
            manager.send_message(client, TgoHttpResponseMessage.of(client, response, error))
        try:
            if error is None:
                self.future.set_result(response)  # type: ignore[arg-type]
            else:
                self.future.set_exception(error)
        except InvalidStateError:
            pass  # cancelled
        client.call_ended(self, exchange, response)
        # What refers to each other in a circle would wait for the garbage collector, which costs more than the call.
        self._exchange = None
        exchange.on_done = None
        self.future.forget_call()

    def abort(self) -> None:
        """Give the call up, from any thread."""
        exchange = self._exchange
        if self._ended or exchange is None:
            return
        connection = exchange.connection
        if connection is not None:
            connection.cancel(exchange, aborted("the request was given up"))
        else:
            # It still waits for a connection: end it, and let the connection go to the next.
            self._pool.withdraw(exchange, aborted("the request was given up"))
