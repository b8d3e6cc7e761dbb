"""The events of a client: functions of the user's that are called while a request runs.

Delphi: the events of Grijjy.Http.TgoHttpClient
"""

from __future__ import annotations

from .constants import REDIRECTS
from .exchange import Exchange, IncrementalExchange
from .failures import EventFailedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .client import TgoHttpClient
    from .head import ResponseHead
    from .pending import PendingCall
    from .request import Request

    #: Delphi: Grijjy.Http.TOnRedirect
    TOnRedirect = Callable[[TgoHttpClient, str, bool], object]
    #: Delphi: Grijjy.Http.TOnPassword
    TOnPassword = Callable[[TgoHttpClient], bool]
    #: Delphi: Grijjy.Http.TOnRecv
    TOnRecv = Callable[[TgoHttpClient, bytes], object]
    #: Delphi: Grijjy.Http.TOnSent
    TOnSent = Callable[[TgoHttpClient, bytes], object]
else:
    #: ``on_redirect(client, location, follow)``: return ``None`` to follow, ``False`` not to, or another location.
    #: Delphi: Grijjy.Http.TOnRedirect
    TOnRedirect = "Callable[[TgoHttpClient, str, bool], object]"
    #: ``on_password(client)``: correct the credentials and return whether to try again. Delphi: Grijjy.Http.TOnPassword
    TOnPassword = "Callable[[TgoHttpClient], bool]"
    #: ``on_recv(client, data)``: return ``False`` to keep the data out of the response. Delphi: Grijjy.Http.TOnRecv
    TOnRecv = "Callable[[TgoHttpClient, bytes], object]"
    #: ``on_sent(client, data)``. Delphi: Grijjy.Http.TOnSent
    TOnSent = "Callable[[TgoHttpClient, bytes], object]"


class ClientEvents:
    """The events of a client, and how they get what they are called with.

    What an event raises ends the request: a blocking call raises it as it was, a Future has it as the cause of its
    error.
    """

    on_redirect: TOnRedirect | None
    on_password: TOnPassword | None
    on_recv: TOnRecv | None
    on_sent: TOnSent | None
    on_informational: Callable[[TgoHttpClient, ResponseHead], object] | None
    follow_redirects: bool

    def __init__(self) -> None:
        #: Called before a redirect is followed. Delphi: Grijjy.Http.TgoHttpClient.OnRedirect
        self.on_redirect = None
        #: Called when the server answers 401; at most three times for a request.
        #: Delphi: Grijjy.Http.TgoHttpClient.OnPassword
        self.on_password = None
        #: Called with each piece of a body as it arrives: in the calling thread, or in a worker's for a non-blocking
        #: request. Return ``False`` to keep the piece out of the response.
        #: Differs from Delphi: content codings are undone; the original gives what the socket gave it.
        #: Delphi: Grijjy.Http.TgoHttpClient.OnRecv
        self.on_recv = None
        #: Called with what has been sent. Delphi: Grijjy.Http.TgoHttpClient.OnSent
        self.on_sent = None
        #: Called with the head of each interim response (1xx) but 101.
        self.on_informational = None

    def new_exchange(self, request: Request, call: PendingCall | None = None) -> Exchange:
        """Return an attempt at a request, which calls the events that are set now."""
        exchange: Exchange
        if self.on_recv is None:
            exchange = Exchange(request, call)
        else:
            exchange = IncrementalExchange(request, self._received, self._withholds, call)
        self.connect_events(exchange)
        return exchange

    def connect_events(self, exchange: Exchange) -> None:
        """Have an attempt call the events that are not about its body."""
        if self.on_sent is not None:
            exchange.on_sent = lambda data: self.on_sent and self._fire(exchange, self.on_sent, data)
        if self.on_informational is not None:
            exchange.informational = lambda head: (
                self.on_informational and self._fire(exchange, self.on_informational, head)
            )

    def _fire(self, exchange: Exchange, event: Callable[[Any, Any], object], argument: object) -> object:
        """Call an event. What it raises must not be taken for a failure of the connection; see EventFailedError."""
        try:
            return event(self, argument)
        except Exception as error:
            raise EventFailedError(error) from error
        except BaseException as error:
            if exchange.call is None:
                raise  # KeyboardInterrupt, in the caller's own thread
            raise EventFailedError(error) from error  # in a worker's thread nobody else would take it

    def _received(self, exchange: IncrementalExchange, piece: bytes) -> object:
        on_recv = self.on_recv
        return None if on_recv is None else self._fire(exchange, on_recv, piece)

    def _withholds(self, exchange: Exchange) -> bool:
        """Whether another attempt may follow: then it isn't known yet if the body is the one that was asked for."""
        head, request = exchange.head, exchange.request
        assert head is not None
        if head.status == 401:
            return self.on_password is not None or request.authentication is not None
        if head.status in (407, 417, 421):
            return True
        if head.status in REDIRECTS:
            return self.follow_redirects and head.get(b"location") is not None
        return request.retry is not None and head.status in request.retry.statuses
