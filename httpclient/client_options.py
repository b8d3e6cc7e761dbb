"""The keyword arguments of a client, and what its methods return, as type checkers see them.

Nothing imports this when a program runs: ``typing`` would cost more than a request. For options that are kept in a
dictionary: ``options: ClientOptions = {"recv_timeout": 5}``, then ``TgoHttpClient(**options)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from http.cookiejar import CookieJar

    from typing_extensions import TypeVar

    from .authentication.schemes import Authentication
    from .call_options import AuthenticationInput
    from .http1.limits import Http1Limits
    from .http2.trace import Http2Trace
    from .manager import TgoHttpClientManager
    from .retrying import RetryPolicy

    #: What a request returns: an ``HttpResponse``, or with ``blocking=False`` a Future of one. Where an annotation says
    #: ``TgoHttpClient`` and no more, a client may be of either kind.
    Result = TypeVar("Result", default=Any)

    class Answers(Generic[Result]):
        """The base of a client: what its requests return."""


class ClientOptions(TypedDict, total=False):
    """See :class:`TgoHttpClient` for what they mean."""

    manager: TgoHttpClientManager | None
    connect_timeout: float
    recv_timeout: float
    send_timeout: float | None
    pool_timeout: float | None
    timeout: float
    auth: AuthenticationInput | None
    netrc: str | bool
    cookie_jar: CookieJar | str | os.PathLike[str] | Literal[False] | None
    retry: RetryPolicy | int | None
    follow_redirects: bool
    max_redirects: int
    max_decoded_size: int
    verify: bool
    ca_file: str | os.PathLike[str] | None
    ca_directory: str | os.PathLike[str] | None
    ca_data: bytes | str | None
    certificate: bytes | str | os.PathLike[str]
    private_key: bytes | str | os.PathLike[str]
    private_key_password: str
    minimum_tls_version: str
    ciphers: str | None
    fingerprints: str | Iterable[str]
    session_resumption: bool
    max_connections_per_origin: int
    max_connections: int
    max_idle_connections: int | None
    keep_alive_expiry: float
    proxy: str | Mapping[str, str] | None
    trust_environment: bool
    unix_socket: str | None
    proxy_authentication: tuple[str, str] | Authentication | None
    http2_ping_interval: float
    http2_ping_timeout: float
    http2_trace: Http2Trace | None
    http2_coalesce: bool
    http1_limits: Http1Limits | None
