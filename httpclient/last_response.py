"""What the last request of a client left: the properties in which the original leaves its result.

Delphi: the properties of Grijjy.Http.TgoHttpClient that describe a response
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .exchange import Exchange
    from .headers import TgoHttpHeaders
    from .response import HttpResponse
    from .states import TgoHttpClientState


class LastResponse:
    """The last request of a client. With several at once, the one that has finished last."""

    def __init__(self) -> None:
        self._current: Exchange | None = None
        self._last: HttpResponse | None = None
        self._last_activity = time.monotonic()

    @property
    def state(self) -> TgoHttpClientState:
        """How far the last request is. Delphi: Grijjy.Http.TgoHttpClient.State"""
        from .states import TgoHttpClientState

        exchange = self._current
        if exchange is None:
            return TgoHttpClientState.NONE
        if exchange.error is not None:
            return TgoHttpClientState.ERROR
        if exchange.done:
            return TgoHttpClientState.FINISHED
        return TgoHttpClientState.SENDING if exchange.connection is None else TgoHttpClientState.RECEIVING

    @property
    def idle_time(self) -> float:
        """Seconds since something was last received.

        Differs from Delphi: seconds, not milliseconds.
        Delphi: Grijjy.Http.TgoHttpClient.IdleTime
        """
        exchange = self._current
        latest = self._last_activity
        if exchange is not None:
            latest = max(latest, exchange.last_activity)
        return max(0.0, time.monotonic() - latest)

    @property
    def last_response(self) -> HttpResponse | None:
        """The response of the request that finished last, or the head of that of a stream; ``None`` before the
        first.
        """
        return self._last

    @property
    def response_headers(self) -> TgoHttpHeaders:
        """Delphi: Grijjy.Http.TgoHttpClient.ResponseHeaders"""
        if self._last is None:
            from .headers import TgoHttpHeaders

            return TgoHttpHeaders()
        return self._last.headers

    @property
    def response_status_code(self) -> int:
        """0 before the first response. Delphi: Grijjy.Http.TgoHttpClient.ResponseStatusCode"""
        return 0 if self._last is None else self._last.status_code

    @property
    def response_content_type(self) -> str:
        """Delphi: Grijjy.Http.TgoHttpClient.ResponseContentType"""
        return self.response_headers.value("content-type")

    @property
    def response_content_charset(self) -> str:
        """Delphi: Grijjy.Http.TgoHttpClient.ResponseContentCharset"""
        return "" if self._last is None else self._last.charset

    @property
    def content_length(self) -> int:
        """What the last response's Content-Length says; -1 where there is none.

        Delphi: Grijjy.Http.TgoHttpClient.ContentLength
        """
        value = self.response_headers.value("content-length")
        return int(value) if value.isascii() and value.isdigit() else -1

    def bytes_to_string(self, data: bytes, charset: str = "") -> str:
        """Decode bytes in a charset; any that Python knows, UTF-8 where none is given.

        Differs from Delphi: there everything but UTF-8 was ANSI.
        Delphi: Grijjy.Http.TgoHttpClient.BytesToString
        """
        from .content.charset import decode_text

        return decode_text(data, charset)
