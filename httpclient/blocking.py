"""A call that the calling thread carries out: attempt after attempt, until one has the result.

:mod:`.pending` is the same for a call that workers carry out.
"""

from __future__ import annotations

import time

from .errors import HttpClientError
from .exchange import Exchange, IncrementalExchange, StreamExchange
from .failures import EventFailedError, aborted
from .flow import Flow
from .pooling.connections import OriginRetiredError
from .response import HttpResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call_options import RequestOptions
    from .client import TgoHttpClient
    from .pooling.pool import ConnectionPool
    from .request import Request


def carry_out(  # noqa: PLR0917
    client: TgoHttpClient,
    method: str,
    url: str,
    connect_timeout: float | None,
    recv_timeout: float | None,
    options: RequestOptions,
) -> HttpResponse:
    """Make a request and return the response with its body; see :meth:`TgoHttpClient.request`.

    :raises HttpClientError: the request failed.
    """
    started = time.monotonic()
    request = client._preparer.prepare(client, method, url, connect_timeout, recv_timeout, options)
    pool = client._pool or client._open_pool()
    flow: Flow | None = None
    while True:
        if client.on_recv is None and client.on_sent is None and client.on_informational is None:
            exchange = Exchange(request)
        else:
            exchange = client.new_exchange(request)
        if flow is not None:
            exchange.fresh = flow.fresh
            exchange.began = time.monotonic()
        client._current = exchange
        try:
            origin = request.origin
            if origin is None:
                pool.run(exchange)
            else:
                origin.run(exchange)
            response = HttpResponse(exchange, None, started, exchange.ended_at)
            if response._head.leads_on or request.attends:
                flow = flow or Flow(client, request)
                following = flow.follow(exchange, response)
                if following is not None:
                    request = following
                    _pause(client, flow)
                    continue
                if isinstance(exchange, IncrementalExchange):
                    exchange.deliver_withheld()
        except OriginRetiredError:
            request.origin = None
            continue
        except HttpClientError as error:
            flow = flow or Flow(client, request)
            if not exchange.done or exchange.error is not None:
                if flow.retry(exchange, error):
                    _pause(client, flow)
                    continue
                exchange.on_failure(error)
            if isinstance(error, EventFailedError):
                failure = error
                break
            raise
        if flow is not None:
            response.history = flow.history
        client._last = response
        client._last_activity = exchange.ended_at
        return response
    raise failure.__cause__  # type: ignore[misc]  # the user's own error, as it was


def open_stream(client: TgoHttpClient, pool: ConnectionPool, request: Request) -> HttpResponse:
    """Make a request and return the response as soon as its head is there; its body is still to be read.

    :raises HttpClientError: the request failed.
    """
    from .streaming import StreamReader

    started = time.monotonic()
    flow = Flow(client, request)
    while True:
        exchange = StreamExchange(request)
        exchange.fresh = flow.fresh
        exchange.began = time.monotonic()
        client.connect_events(exchange)
        client._current = exchange
        reader = StreamReader(exchange)
        try:
            pool.run(exchange)
        except HttpClientError as error:
            reader.close()
            if flow.retry(exchange, error):
                _pause(client, flow)
                continue
            exchange.on_failure(error)
            if isinstance(error, EventFailedError):
                failure = error
                break
            raise
        response = HttpResponse(exchange, reader)
        if response._head.leads_on or request.attends:
            try:
                following = flow.follow(exchange, response)
            except BaseException:
                response.close()
                raise
            if following is not None:
                response.close()
                request = following
                _pause(client, flow)
                continue
        response.history = flow.history
        # Without the reader: a response that is forgotten half read must not be kept here.
        client._last = HttpResponse(exchange)
        client._last_activity = response.ended = time.monotonic()
        response.started = started
        return response
    raise failure.__cause__  # type: ignore[misc]  # the user's own error, as it was


def _pause(client: TgoHttpClient, flow: Flow) -> None:
    """Wait as long as the flow says before the next attempt.

    :raises RequestAbortedError: the client was closed meanwhile.
    """
    if flow.pause and client.closes_within(flow.pause):
        raise aborted().locate(url=flow.request.uri.to_string())
