"""A non-blocking call: it goes through as many attempts as it takes, and ends in exactly one result.

Attempts end in a worker's thread, and so does a call, as a rule. It may be given up from any thread, and is ended by
whoever closes its client; whoever comes first to end it does.
"""

from __future__ import annotations

from concurrent.futures import InvalidStateError
from time import monotonic

from .errors import HttpClientError
from .exchange import Exchange, IncrementalExchange
from .failures import EventFailedError, aborted
from .flow import Flow
from .future import HttpFuture
from .messaging import TgoHttpResponseMessage, TMessageManager
from .response import HttpResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future

    from .call_options import RequestOptions
    from .client import TgoHttpClient
    from .pooling.pool import ConnectionPool
    from .request import Request

#: Whether anybody wants messages of a class.
_listened = TMessageManager.default_manager.has_subscribers


def begin(  # noqa: PLR0917
    client: TgoHttpClient,
    method: str,
    url: str,
    connect_timeout: float | None,
    recv_timeout: float | None,
    options: RequestOptions,
) -> Future[HttpResponse]:
    """Begin a request and return the Future of its response; see :meth:`TgoHttpClient.request`."""
    request = client._preparer.prepare(client, method, url, connect_timeout, recv_timeout, options)
    call = PendingCall(client, client._pool or client._open_pool())
    client._running.add(call)
    try:
        call.attempt(client, request)
    except BaseException:
        call.forget(client)
        raise
    if client._closed:  # in this moment, so that it may not have known of this call
        call.end(aborted())
    return call


class PendingCall(HttpFuture):
    """A call, which is the Future of its own result; a message goes to those who subscribed.

    :param client: whose call it is.
    :param pool: the connections to use.
    """

    __slots__ = ("_client", "_exchange", "_flow", "_given_up", "_pool", "_started")

    def __init__(self, client: TgoHttpClient, pool: ConnectionPool) -> None:
        HttpFuture.__init__(self)
        #: ``None`` when the call has ended: a result that somebody keeps must not keep the client.
        self._client: TgoHttpClient | None = client
        self._pool = pool
        #: Made when something follows from an attempt; most calls are over with the first.
        self._flow: Flow | None = None
        self._started = monotonic()
        self._exchange: Exchange | None = None
        self._given_up = False

    def attempt(self, client: TgoHttpClient, request: Request) -> None:
        """Make an attempt, the first or the next one."""
        if client.on_recv is None and client.on_sent is None and client.on_informational is None:
            exchange = Exchange(request, self)
        else:
            exchange = client.new_exchange(request, self)
        flow = self._flow
        if flow is not None:
            exchange.fresh = flow.fresh
            exchange.began = monotonic()
        self._exchange = client._current = exchange
        origin = request.origin
        if origin is None:
            self._pool.submit(exchange)
        else:
            origin.submit(exchange)
        if self._given_up:  # while there was no exchange to give up
            self._withdraw(exchange)

    def attempt_ended(self, exchange: Exchange) -> None:
        """An attempt is over. In a worker's thread."""
        client = self._client
        if client is None or exchange is not self._exchange:
            return
        try:
            head = exchange.head
            if head is None or head.leads_on or exchange.error is not None or exchange.request.attends:
                if self._goes_on(client, exchange):
                    self._next_attempt(client)
                    return
                if exchange.error is not None:
                    self._finish(None, exchange.error)
                    return
        except HttpClientError as error:
            self._finish(None, error)
            return
        except BaseException as error:  # from the user's own events; there is nobody else to take it
            self._finish(None, EventFailedError(error))
            return
        client._last = response = HttpResponse(exchange, None, self._started, exchange.ended_at)
        client._last_activity = exchange.ended_at
        if self._flow is not None:
            response.history = self._flow.history
        if not _listened(TgoHttpResponseMessage) and self.finish(response):
            if self._done_callbacks:
                self._invoke_callbacks()
            self.forget(client)
        else:
            self._finish(response, None)

    def _next_attempt(self, client: TgoHttpClient) -> None:
        """Make another attempt, after the pause that the flow asks for. In a worker's thread."""
        flow = self._flow
        if flow is None:
            return  # somebody has ended the call
        if not flow.pause:
            self.attempt(client, flow.request)
            return
        worker = self._pool.socket_manager.choose_worker()
        when = monotonic() + flow.pause
        worker.call_soon(lambda: worker.call_at(when, self._attempt_late))

    def _attempt_late(self) -> None:
        client, flow = self._client, self._flow
        if client is None or flow is None:
            return
        try:
            if self._given_up:
                raise aborted("the request was given up")
            self.attempt(client, flow.request)
        except HttpClientError as error:
            self._finish(None, error)
        except BaseException as error:
            self._finish(None, EventFailedError(error))

    def _goes_on(self, client: TgoHttpClient, exchange: Exchange) -> bool:
        """Whether another attempt follows."""
        if self._given_up:
            return False
        flow = self._flow
        if flow is None:
            flow = self._flow = Flow(client, exchange.request)
        if exchange.error is not None:
            return flow.retry(exchange, exchange.error)
        if flow.follow(exchange, HttpResponse(exchange)) is not None:
            return True
        if isinstance(exchange, IncrementalExchange):
            exchange.deliver_withheld()
        return False

    def _finish(self, response: HttpResponse | None, error: HttpClientError | None) -> None:
        client, exchange = self._client, self._exchange
        if client is None or not self.claim():
            return
        if error is not None:
            if isinstance(error.__cause__, EventFailedError):
                error = error.__cause__
            if exchange is not None:
                exchange.error = error
                exchange.done = True
            client._last_activity = monotonic()
        try:
            if _listened(TgoHttpResponseMessage):
                TMessageManager.default_manager.send_message(client, TgoHttpResponseMessage.of(client, response, error))
        finally:
            try:
                if error is None:
                    self.set_result(response)  # type: ignore[arg-type]
                else:
                    self.set_exception(error)
            except InvalidStateError:
                # Cancelled; those who wait for several futures are told only now.
                self.set_running_or_notify_cancel()
            self.forget(client)

    def forget(self, client: TgoHttpClient) -> None:
        """The call is over. Let go of what refers to each other in a circle: it would wait for the garbage collector,
        which costs more than the call.
        """
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.call = None
        self._client = self._flow = None
        client._running.discard(self)
        if client._keeper is not None:
            client.call_ended()

    def abort(self) -> None:
        """Give the call up, from any thread; it ends in its worker's."""
        self._given_up = True
        exchange = self._exchange
        if exchange is not None and not self.claimed:
            self._withdraw(exchange)

    def end(self, error: HttpClientError) -> None:
        """End the call at once, in the calling thread, whatever becomes of its exchange."""
        self.abort()
        exchange = self._exchange
        if exchange is not None:
            error.locate(url=exchange.request.uri.to_string())
        self._finish(None, error)

    def _withdraw(self, exchange: Exchange) -> None:
        error = aborted("the request was given up")
        connection = exchange.connection
        if connection is not None:
            connection.cancel(exchange, error)
        else:
            # It still waits for a connection: end it, and let the connection go to the next.
            self._pool.withdraw(exchange, error)
