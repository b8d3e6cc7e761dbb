"""An HTTP client: HTTP/1.1, HTTPS and HTTP/2; blocking, non-blocking and incremental.

Delphi: units Grijjy.Http and Grijjy.Uri.
"""

from __future__ import annotations

from .client import TgoHttpClient
from .constants import (
    BUFFER_SIZE,
    CRLF,
    DEFAULT_HTTP_PORT,
    DEFAULT_HTTPS_PORT,
    INTERVAL_CLEANUP,
    S_CHARSET,
    S_CHUNKED,
    S_CONTENT_LENGTH,
    S_CONTENT_TYPE,
    S_TRANSFER_ENCODING,
    TIMEOUT_CONNECT,
    TIMEOUT_RECV,
)
from .errors import (
    BodyError,
    ClientClosedError,
    ConnectError,
    ConnectTimeoutError,
    DeadlineError,
    DecodingError,
    Http2ConnectionError,
    Http2StreamError,
    HttpCertificateError,
    HttpClientError,
    HttpProtocolError,
    HttpStatusError,
    HttpTimeoutError,
    HttpTlsError,
    InsecureTlsWarning,
    InvalidRequestError,
    InvalidUrlError,
    PoolTimeoutError,
    ProxyError,
    ReceiveTimeoutError,
    RedirectError,
    RefusedStreamError,
    RemoteClosedError,
    RequestAbortedError,
    SendTimeoutError,
    TooManyRedirectsError,
)
from .events import TOnPassword, TOnRecv, TOnRedirect, TOnSent
from .head import ResponseHead
from .headers import ISO8859String, TgoHttpHeader, TgoHttpHeaders
from .response import HttpResponse
from .uri import TgoURI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .authentication.schemes import (
        Authentication,
        AuthenticationRequest,
        BasicAuthentication,
        BearerAuthentication,
        Challenge,
        DigestAuthentication,
    )
    from .buffer import TThreadSafeBuffer
    from .client_options import ClientOptions
    from .content.body import BodyWithTrailers
    from .cookies.jar import HttpCookieJar
    from .duplex import DuplexStream
    from .http1.limits import Http1Limits
    from .manager import HttpClientManager, TgoHttpClientManager
    from .messaging import TgoHttpResponseMessage, TMessage, TMessageManager
    from .retrying import RetryPolicy
    from .states import TgoHttpClientState
    from .timings import Timings
    from .tls import TlsInfo

__all__ = [
    "BUFFER_SIZE",
    "CRLF",
    "DEFAULT_HTTPS_PORT",
    "DEFAULT_HTTP_PORT",
    "INTERVAL_CLEANUP",
    "S_CHARSET",
    "S_CHUNKED",
    "S_CONTENT_LENGTH",
    "S_CONTENT_TYPE",
    "S_TRANSFER_ENCODING",
    "TIMEOUT_CONNECT",
    "TIMEOUT_RECV",
    "Authentication",
    "AuthenticationRequest",
    "BasicAuthentication",
    "BearerAuthentication",
    "BodyError",
    "BodyWithTrailers",
    "Challenge",
    "ClientClosedError",
    "ClientOptions",
    "ConnectError",
    "ConnectTimeoutError",
    "DeadlineError",
    "DecodingError",
    "DigestAuthentication",
    "DuplexStream",
    "Http1Limits",
    "Http2ConnectionError",
    "Http2StreamError",
    "HttpCertificateError",
    "HttpClientError",
    "HttpClientManager",
    "HttpCookieJar",
    "HttpProtocolError",
    "HttpResponse",
    "HttpStatusError",
    "HttpTimeoutError",
    "HttpTlsError",
    "ISO8859String",
    "InsecureTlsWarning",
    "InvalidRequestError",
    "InvalidUrlError",
    "PoolTimeoutError",
    "ProxyError",
    "ReceiveTimeoutError",
    "RedirectError",
    "RefusedStreamError",
    "RemoteClosedError",
    "RequestAbortedError",
    "ResponseHead",
    "RetryPolicy",
    "SendTimeoutError",
    "TMessage",
    "TMessageManager",
    "TOnPassword",
    "TOnRecv",
    "TOnRedirect",
    "TOnSent",
    "TThreadSafeBuffer",
    "TgoHttpClient",
    "TgoHttpClientManager",
    "TgoHttpClientState",
    "TgoHttpHeader",
    "TgoHttpHeaders",
    "TgoHttpResponseMessage",
    "TgoURI",
    "Timings",
    "TlsInfo",
    "TooManyRedirectsError",
]


def __getattr__(name: str) -> object:
    """Hand out what most programs don't use, imported when it is first asked for (PEP 562)."""
    if name not in __all__:  # nor is a module that is about to be imported
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from linuxapi.binding import import_later

    from ._later import LATER

    value = globals()[name] = import_later(__name__, LATER, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
