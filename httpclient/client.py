"""The HTTP client.

Delphi: Grijjy.Http.TgoHttpClient
"""

from __future__ import annotations

import os
import threading

from linuxapi.forks import after_fork_in_child

from .blocking import carry_out, open_stream
from .constants import TIMEOUT_CONNECT, TIMEOUT_RECV
from .content.decoding import MAX_DECODED_SIZE
from .errors import ClientClosedError
from .events import ClientEvents
from .failures import aborted
from .http2_options import PING_TIMEOUT, check_http2_options
from .last_response import LastResponse
from .pooling.pool import KEEP_ALIVE_EXPIRY, MAX_CONNECTIONS_PER_ORIGIN, ConnectionPool, check_limits, check_routing
from .prepare import Preparer
from .settings import RequestSettings
from .sockets import borrow_socket_manager, call_elsewhere, return_socket_manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future
    from http.cookiejar import CookieJar
    from typing import Any, Literal, Self, Unpack, overload

    from .authentication.schemes import Authentication
    from .call_options import AuthenticationInput, RequestOptions
    from .client_options import Answers, ClientOptions, Result
    from .duplex import DuplexStream
    from .http1.limits import Http1Limits
    from .http2.statistics import Http2Statistics
    from .http2.trace import Http2Trace
    from .manager import TgoHttpClientManager
    from .pending import PendingCall
    from .response import HttpResponse
    from .retrying import RetryPolicy
    from .statistics import PoolStatistics

else:

    class Answers:
        """Lets ``TgoHttpClient[HttpResponse]`` be written where ``typing.Generic`` hasn't been imported."""

        __slots__ = ()

        def __class_getitem__(cls, result: object) -> type:
            return cls


#: Guards, for all clients, the moments in which one gets its connections and in which it is closed.
_life = threading.Lock()


class TgoHttpClient(RequestSettings, ClientEvents, LastResponse, Answers["Result"]):
    """Makes HTTP requests, over HTTP/1.1, HTTPS and HTTP/2 alike.

    One client serves any number of threads, and any number of requests at once. It keeps connections open for the
    next request; close it when it is no longer needed, or use it in a ``with`` statement.

    The properties that describe a response show the last request that has finished, for the port's sake; the
    response that a request returns is the real result.

    :param http2: ``None`` negotiates HTTP/2 or HTTP/1.1; ``True`` is HTTP/2 only, on ``http`` URLs without asking
        (prior knowledge, RFC 9113 section 3.3); ``False`` is HTTP/1.1 only.
    :param blocking: whether the request methods wait and return the response, or return a Future at once.
    :param manager: share the connections of this manager's clients.
    :param connect_timeout: seconds for lookup, TCP and TLS together, where a call says nothing else.
    :param recv_timeout: seconds of silence after which the server is given up, likewise.
    :param send_timeout: seconds for which the server may take nothing of what is sent to it, likewise; ``None`` for
        *recv_timeout*.
    :param pool_timeout: seconds to wait for a connection where all that are allowed are in use, likewise; ``None`` to
        give up when nobody has got one for *connect_timeout* seconds, however long the queue.
    :param timeout: seconds for a call altogether, redirects and retries included; 0 for no limit.
    :param auth: how to authenticate: an :class:`Authentication`, or name and password.
    :param netrc: look for credentials in a netrc file: a path, or ``True`` for the usual one.
    :param cookie_jar: where cookies are kept: a jar that is made when it is needed by default; any
        ``http.cookiejar.CookieJar``, which may be shared; the path of a file, which is read now and written when the
        client is closed; ``False`` to keep none.
    :param retry: after which failures and responses to repeat requests: a :class:`RetryPolicy`, or how often.
    :param follow_redirects: follow redirects.
    :param max_redirects: how many in a row, before :class:`TooManyRedirectsError`.
    :param max_decoded_size: how many bytes a body may become in memory as its content codings are undone; 0 for no
        limit.
    :param verify: check the server's certificate and name. ``False`` is an invitation to attackers, and
        gives an :class:`InsecureTlsWarning` once in a process, unless *fingerprints* are pinned.
    :param ca_file: a file of trusted CA certificates in PEM format, instead of the system's.
    :param ca_directory: a directory of such files, named by hash.
    :param ca_data: such certificates themselves, PEM or DER.
    :param certificate: the client's certificate, or chain, in PEM format: itself, or the path of a file.
    :param private_key: its key in PEM format, likewise; by default it is looked for in *certificate*.
    :param private_key_password: the password of the key.
    :param minimum_tls_version: the oldest version of TLS to speak: ``"1.2"`` or ``"1.3"``. ``"1.0"`` and ``"1.1"``
        (RFC 8996: not to be used) need *ciphers* that allow them too, such as ``"DEFAULT:@SECLEVEL=0"``.
    :param ciphers: which ciphers to offer, as OpenSSL's cipher list; names that start with ``TLS_`` are those of
        TLS 1.3.
    :param fingerprints: the server's certificate must have one of these, besides being valid (or instead, with
        ``verify=False``): ``sha256:AB:CD:...`` of the certificate, or ``sha256//...`` of its public key, as curl's
        ``--pinnedpubkey``.
    :param session_resumption: resume TLS sessions, which saves time and lets a server recognise the client.
    :param max_connections_per_origin: connections to one scheme, host and port; requests beyond that wait.
    :param max_connections: connections altogether, idle ones included; 0 for no limit. Who waits because of it gets
        the place of the longest idle connection.
    :param max_idle_connections: how many connections may be idle for more than a second; ``None`` for 256, or for
        *max_connections_per_origin* where that is more.
    :param keep_alive_expiry: seconds after which an unused connection is closed; earlier if the server says that it
        will close it (``Keep-Alive: timeout=``).
    :param proxy: the URL of a proxy for everything, or proxies by scheme; see :mod:`.proxies.choice`. ``""`` for none,
        ``None`` for what the environment says.
    :param trust_environment: go by ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``.
    :param unix_socket: the path of a Unix domain socket through which every URL is reached; ``@name`` for an abstract
        one.
    :param proxy_authentication: how to authenticate to HTTP proxies, instead of by user and password in their URLs: a
        pair (user name, password), or an :class:`Authentication`.
    :param http2_ping_interval: seconds of silence on an HTTP/2 connection after which the server is asked whether it
        is still there (PING), also while nothing is under way; 0 never to.
    :param http2_ping_timeout: seconds for its answer, then the connection is given up.
    :param http2_trace: called as ``http2_trace(peer, frame)`` with every HTTP/2 frame; see ``httpclient.http2.trace``.
    :param http2_coalesce: use one HTTP/2 connection for several hosts, where they have the same address and a
        certificate that is for all of them.
    :param http1_limits: how much an HTTP/1.1 server may send besides the body; see :class:`Http1Limits`.
    :raises ValueError: no connection would be allowed, or a proxy or socket can't be used.

    Differs from Delphi: any number of requests at once, failures raise, certificates are verified.
    Delphi: Grijjy.Http.TgoHttpClient
    """

    follow_redirects: bool
    max_redirects: int
    allow_insecure_redirects: bool

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: TgoHttpClient[HttpResponse],
            http2: bool | None = None,
            blocking: Literal[True] = True,
            **options: Unpack[ClientOptions],
        ) -> None: ...

        @overload
        def __init__(
            self: TgoHttpClient[Future[HttpResponse]],
            http2: bool | None = None,
            *,
            blocking: Literal[False],
            **options: Unpack[ClientOptions],
        ) -> None: ...

        @overload
        def __init__(
            self: TgoHttpClient, http2: bool | None = None, blocking: bool = True, **options: Unpack[ClientOptions]
        ) -> None: ...

    def __init__(
        self,
        http2: bool | None = None,
        blocking: bool = True,
        *,
        manager: TgoHttpClientManager | None = None,
        connect_timeout: float = TIMEOUT_CONNECT,
        recv_timeout: float = TIMEOUT_RECV,
        send_timeout: float | None = None,
        pool_timeout: float | None = None,
        timeout: float = 0.0,
        auth: AuthenticationInput | None = None,
        netrc: str | bool = False,
        cookie_jar: CookieJar | str | os.PathLike[str] | Literal[False] | None = None,
        retry: RetryPolicy | int | None = None,
        follow_redirects: bool = True,
        max_redirects: int = 20,
        max_decoded_size: int = MAX_DECODED_SIZE,
        verify: bool = True,
        ca_file: str | os.PathLike[str] | None = None,
        ca_directory: str | os.PathLike[str] | None = None,
        ca_data: bytes | str | None = None,
        certificate: bytes | str | os.PathLike[str] = b"",
        private_key: bytes | str | os.PathLike[str] = b"",
        private_key_password: str = "",
        minimum_tls_version: str = "1.2",
        ciphers: str | None = None,
        fingerprints: str | Iterable[str] = (),
        session_resumption: bool = True,
        max_connections_per_origin: int = MAX_CONNECTIONS_PER_ORIGIN,
        max_connections: int = 0,
        max_idle_connections: int | None = None,
        keep_alive_expiry: float = KEEP_ALIVE_EXPIRY,
        proxy: str | Mapping[str, str] | None = None,
        trust_environment: bool = True,
        unix_socket: str | None = None,
        proxy_authentication: tuple[str, str] | Authentication | None = None,
        http2_ping_interval: float = 0.0,
        http2_ping_timeout: float = PING_TIMEOUT,
        http2_trace: Http2Trace | None = None,
        http2_coalesce: bool = False,
        http1_limits: Http1Limits | None = None,
    ) -> None:
        RequestSettings.__init__(self)
        ClientEvents.__init__(self)
        LastResponse.__init__(self)
        self._limits = check_limits(
            max_connections_per_origin, max_connections, max_idle_connections, keep_alive_expiry
        )
        self._http2 = http2
        self._blocking = blocking
        # The overloads above know which of the two goes with which Result.
        self._call: Callable[..., Result] = carry_out  # type: ignore[assignment]
        if not blocking:
            # Here and not with the first request, which may be made in a thread while another one forks.
            from .pending import begin

            self._call = begin  # type: ignore[assignment]
        self._closed = False
        self._certificate = certificate
        self._private_key = private_key
        self._tls_options: dict[str, object] = {
            "verify": verify, "ca_file": ca_file, "ca_directory": ca_directory, "ca_data": ca_data,
            "password": private_key_password, "minimum_version": minimum_tls_version, "ciphers": ciphers,
            "fingerprints": fingerprints if isinstance(fingerprints, str) else tuple(fingerprints),
            "resumption": session_resumption,
        }  # fmt: skip
        if verify is not True:
            from .tls_options import check_verify

            check_verify(verify, self._tls_options["fingerprints"])
        self._routing: dict[str, Any] = check_routing(
            proxy=proxy, trust_environment=trust_environment, unix_socket=unix_socket,
            proxy_authentication=proxy_authentication,
        )  # fmt: skip
        self._routing["http1_limits"] = http1_limits
        self._routing["http2_options"] = check_http2_options(
            http2_ping_interval, http2_ping_timeout, http2_trace, http2_coalesce
        )
        self._manager = manager
        self._pool: ConnectionPool | None = None
        self._preparer = Preparer()
        self._running: set[PendingCall] = set()
        #: Who is to close the client when its non-blocking requests are over.
        self._keeper: TgoHttpClientManager | None = None
        #: Waited for by those who pause before they try again; made by the first.
        self._ending: threading.Event | None = None
        self.connect_timeout = connect_timeout
        self.recv_timeout = recv_timeout
        self.timeout = timeout
        self.send_timeout = send_timeout
        self.pool_timeout = pool_timeout
        self.auth = auth
        self.netrc = netrc
        self.retry = retry
        #: The jar is this client's own, and has a file.
        self._saves_cookies = False
        if cookie_jar is False:
            self.cookie_jar = None
        elif cookie_jar is not None:
            from .cookies.any_jar import jar_from

            self.cookie_jar = jar = jar_from(cookie_jar)
            self._saves_cookies = jar is not cookie_jar
        #: Follow redirects. Delphi: Grijjy.Http.TgoHttpClient.FollowRedirects
        self.follow_redirects = follow_redirects
        #: How many redirects in a row.
        self.max_redirects = max_redirects
        self.max_decoded_size = max_decoded_size
        #: Follow a redirect from https to http.
        self.allow_insecure_redirects = False

    # Requests

    def get(
        self,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make a GET request; see :meth:`request`. Delphi: Grijjy.Http.TgoHttpClient.Get"""
        return self._call(self, "GET", url, connect_timeout, recv_timeout, options)

    def head(
        self,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make a HEAD request; see :meth:`request`. Delphi: Grijjy.Http.TgoHttpClient.Head"""
        return self._call(self, "HEAD", url, connect_timeout, recv_timeout, options)

    def post(
        self,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make a POST request; see :meth:`request`. Delphi: Grijjy.Http.TgoHttpClient.Post"""
        return self._call(self, "POST", url, connect_timeout, recv_timeout, options)

    def put(
        self,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make a PUT request; see :meth:`request`. Delphi: Grijjy.Http.TgoHttpClient.Put"""
        return self._call(self, "PUT", url, connect_timeout, recv_timeout, options)

    def patch(
        self,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make a PATCH request (RFC 5789); see :meth:`request`."""
        return self._call(self, "PATCH", url, connect_timeout, recv_timeout, options)

    def delete(
        self,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make a DELETE request; see :meth:`request`. Delphi: Grijjy.Http.TgoHttpClient.Delete"""
        return self._call(self, "DELETE", url, connect_timeout, recv_timeout, options)

    def options(
        self,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make an OPTIONS request; see :meth:`request`. Delphi: Grijjy.Http.TgoHttpClient.Options"""
        return self._call(self, "OPTIONS", url, connect_timeout, recv_timeout, options)

    def request(
        self,
        method: str,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> Result:
        """Make a request.

        :param method: any method; HTTP's own are in capitals (RFC 9110 section 9.1).
        :param url: an ``http`` or ``https`` URL.
        :param connect_timeout: seconds for lookup, TCP and TLS together; ``None`` for the client's.
        :param recv_timeout: seconds of silence after which the server is given up; ``None`` for the client's.
        :param headers: header fields that go before the client's own.
        :param params: what to add to the query of the URL: names and values, encoded here, or text that is.
        :param data: the body: bytes, text (sent as UTF-8), a binary file, or an iterable of bytes; or the fields of a
            form, as a mapping or as pairs. Without it, :attr:`request_body` or :attr:`request_data` is sent if set.
        :param json: a value to send as JSON.
        :param files: files to send as ``multipart/form-data``, with *data* as the other fields of the form.
        :param cookies: names and values to send besides those of the jar; they aren't kept.
        :param auth: how to authenticate, for this call: an :class:`Authentication`, or name and password.
        :param timeout: seconds for everything together; ``None`` for the client's, 0 for no limit.
        :param send_timeout: seconds in which the server takes nothing of the body; ``None`` for the client's.
        :param pool_timeout: seconds to wait for a connection; ``None`` for the client's.
        :param retry: after what to repeat the request, as :attr:`retry`, for this call; 0 for nothing.
        :return: the :class:`HttpResponse`; with ``blocking=False``, a ``concurrent.futures.Future`` of it, and a
            :class:`TgoHttpResponseMessage` goes to those who subscribed.
        :raises HttpClientError: the request failed; see ``httpclient.errors`` for the causes. A Future carries it.

        May be called from any thread.
        """
        return self._call(self, method, url, connect_timeout, recv_timeout, options)

    def stream(
        self,
        method: str,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> HttpResponse:
        """Make a request and return as soon as the head of the response is there; read the body from the response.

        Nothing is read ahead: a reader that stops makes the server stop. Always blocking, whatever the client is.
        The response must be closed: use it in a ``with`` statement. Parameters and errors as in :meth:`request`.
        """
        request = self._preparer.prepare(self, method, url, connect_timeout, recv_timeout, options)
        return open_stream(self, self._pool or self._open_pool(), request)

    def download(
        self,
        url: str,
        path: str | os.PathLike[str],
        *,
        resume: bool = False,
        progress: Callable[[int, int | None], object] | None = None,
        **options: Unpack[RequestOptions],
    ) -> HttpResponse:
        """Save what a URL has in a file; see :func:`httpclient.content.download.download`. Always blocking."""
        from .content.download import download

        return download(self, url, path, resume=resume, progress=progress, **options)

    def open_stream(
        self,
        method: str,
        url: str,
        connect_timeout: float | None = None,
        recv_timeout: float | None = None,
        *,
        protocol: str = "",
        **options: Unpack[RequestOptions],
    ) -> DuplexStream:
        """Send the head of a request over HTTP/2, and return what body and response are sent and received with.

        Always blocking, whatever the client is. The stream must be closed: use it in a ``with`` statement.

        :param protocol: makes the method CONNECT an extended one (RFC 8441), as in ``websocket``.
        :raises HttpProtocolError: the server speaks HTTP/1.1, or doesn't offer the extended CONNECT.

        Other parameters and errors as in :meth:`request`, but for those of a body; the receive timeout counts while
        somebody waits.
        """
        from .duplex import DuplexBody, open_duplex

        body = DuplexBody()
        options["data"] = body
        request = self._preparer.prepare(self, method, url, connect_timeout, recv_timeout, options)
        return open_duplex(self, request, body, protocol)

    # Life

    def _open_pool(self) -> ConnectionPool:
        """Return the connections, made with the first request: until then, options may still change."""
        with _life:
            if self._closed:
                raise ClientClosedError("the client is closed")
            pool = self._pool
            if pool is not None:
                return pool
            if self._manager is not None:
                pool = self._manager.pool(self, self._http2, self._all_tls_options(), self._routing)
            else:
                manager = borrow_socket_manager()
                try:
                    pool = ConnectionPool(
                        manager, self._http2, self._all_tls_options(), **self._limits, **self._routing
                    )
                except BaseException:
                    return_socket_manager()
                    raise
            self._pool = pool
            return pool

    def _all_tls_options(self) -> dict[str, object]:
        options = dict(self._tls_options)
        options["certificate"] = self._certificate or None
        options["private_key"] = self._private_key or None
        return options

    def pool_statistics(self) -> PoolStatistics:
        """Return how many connections are open, idle and being opened, and how many requests wait for one."""
        from .statistics import pool_statistics

        return pool_statistics(self._pool)

    def http2_statistics(self) -> list[Http2Statistics]:
        """Return what each open HTTP/2 connection has done so far: streams, frames, bytes, round trip time."""
        from .http2.statistics import pool_http2_statistics

        return pool_http2_statistics(self._pool)

    def close_idle_connections(self) -> None:
        """Close the connections that no request uses; the next request opens another. From any thread."""
        pool = self._pool
        if pool is not None:
            pool.close_idle()

    def close(self) -> None:
        """Close all connections. Requests under way end with :class:`RequestAbortedError`, from any thread.

        Of a client that shares a manager's connections, only its own non-blocking requests end.

        Delphi: Grijjy.Http.TgoHttpClient.Close and Destroy
        """
        with _life:
            if self._closed:
                return
            self._closed = True
            pool, self._pool = self._pool, None
            if self._ending is not None:
                self._ending.set()
        owned = pool if self._manager is None else None
        if owned is not None:
            owned.close()
        self.end_calls()
        if owned is not None:
            return_socket_manager()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.forget(self)
        if self._saves_cookies:
            self.known_jar.save()  # type: ignore[union-attr]

    def closes_within(self, seconds: float) -> bool:
        """Wait; ``True`` as soon as the client is closed."""
        with _life:
            if self._closed:
                return True
            ending = self._ending = self._ending or threading.Event()
        return ending.wait(seconds)

    def end_calls(self) -> None:
        """End the non-blocking requests under way, whose connections are not this client's alone, or gone."""
        for call in list(self._running):
            call.end(aborted())

    @property
    def closed(self) -> bool:
        """:meth:`close` has been called."""
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A client that nobody closed must not cost connections and a thread for good.
        pool = getattr(self, "_pool", None)
        if pool is not None and self._manager is None:
            call_elsewhere(lambda: _close_forgotten(pool))

    def call_ended(self) -> None:
        """A non-blocking call has told of its result."""
        if self._keeper is not None and not self._running:
            self.close()

    def close_when_idle(self, keeper: TgoHttpClientManager) -> None:
        """Close the client as soon as no non-blocking request of it is under way.

        :param keeper: holds the client meanwhile.
        """
        self._keeper = keeper
        if not self._running:
            self.close()

    # Options for TLS

    @property
    def certificate(self) -> bytes | str | os.PathLike[str]:
        """The client's certificate, or chain, in PEM format, or a path; to be set before the first request.

        Delphi: Grijjy.Http.TgoHttpClient.Certificate
        """
        return self._certificate

    @certificate.setter
    def certificate(self, value: bytes | str | os.PathLike[str]) -> None:
        self._set_tls_option("_certificate", value)

    @property
    def private_key(self) -> bytes | str | os.PathLike[str]:
        """The client's private key in PEM format, or a path; to be set before the first request.

        Delphi: Grijjy.Http.TgoHttpClient.PrivateKey
        """
        return self._private_key

    @private_key.setter
    def private_key(self, value: bytes | str | os.PathLike[str]) -> None:
        self._set_tls_option("_private_key", value)

    def _set_tls_option(self, name: str, value: bytes | str | os.PathLike[str]) -> None:
        if self._pool is not None and getattr(self, name) != value:
            raise ValueError("the TLS options of a client can't change after its first request; make a new client")
        setattr(self, name, value)


def _close_forgotten(pool: ConnectionPool) -> None:
    pool.close()
    return_socket_manager()


def _after_fork_in_child() -> None:
    global _life
    _life = threading.Lock()


after_fork_in_child(_after_fork_in_child)
