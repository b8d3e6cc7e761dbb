"""What can go wrong with a request: one flat tree of exceptions, split by cause.

Every class is also a subclass of the built-in exception that fits, so ``except OSError`` catches what the network or
the peer did, ``except TimeoutError`` every limit in time, and ``except ValueError`` what the caller or the sent data
got wrong. Errors of the packages below (``socketpool``, ``openssl_api``, ``nghttp2_api``) are chained as
``__cause__``.

The text of an error is put together when it is asked for, so a layer that knows more than the one that raised (the
parser doesn't know the URL) adds it with :meth:`HttpClientError.locate`. Credentials in a URL never get into an error.
All of them can be pickled and copied.

No Delphi origin. Differs from Delphi: the original answers ``False`` without a reason.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

#: The phases of a request in which it can fail.
PHASE_PREPARE = "prepare"
PHASE_POOL = "pool"
PHASE_CONNECT = "connect"
PHASE_PROXY = "proxy"
PHASE_TLS = "tls"
PHASE_SEND = "send"
PHASE_RECEIVE = "receive"

#: Longest URL that a message shows; the attribute ``url`` has it all.
_URL_SHOWN = 300

#: RFC 9113 section 7: the error codes of HTTP/2.
_HTTP2_ERROR_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


def http2_error_name(code: int) -> str:
    """Return the name of an HTTP/2 error code (RFC 9113 section 7), or the number in hexadecimal.

    >>> http2_error_name(7)
    'REFUSED_STREAM'
    """
    return _HTTP2_ERROR_NAMES[code] if 0 <= code < len(_HTTP2_ERROR_NAMES) else f"{code:#x}"


def without_credentials(url: str, *, strict: bool = False) -> str:
    """Return *url* without user name and password, and with control characters escaped: fit for a message or a log.

    :param url: a URL, valid or not.
    :param strict: *url* didn't parse, so a ``/``, ``?`` or ``#`` may be part of a password that should have been
        percent-encoded: everything up to the last ``@`` goes.
    """
    start = url.find("//")
    start = start + 2 if start >= 0 else 0
    if strict:
        at = url.rfind("@")
    else:
        end = len(url)
        for delimiter in "/?#":
            found = url.find(delimiter, start, end)
            if found >= 0:
                end = found
        at = url.rfind("@", start, end)
    if at >= start:
        url = url[:start] + url[at + 1 :]
    return _printable(url)


def _printable(text: str) -> str:
    """Return text with what a terminal could take for a command escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def compose_message(what: str, *, url: str = "", phase: str = "", peer: str = "", advice: str = "") -> str:
    """Put the text of an error together: what happened, where, and what to do.

    :param what: what happened.
    :param url: to which URL; credentials are taken out.
    :param phase: in which phase of the request.
    :param peer: the address of the peer, ``203.0.113.7:443``.
    :param advice: what the reader can do about it.

    >>> compose_message("no answer", url="http://u:p@host/", phase="receive", peer="192.0.2.1:80")
    'no answer (url http://host/, phase receive, peer 192.0.2.1:80)'
    """
    where = []
    if url:
        url = without_credentials(url)
        where.append(f"url {url if len(url) <= _URL_SHOWN else url[:_URL_SHOWN] + '...'}")
    if phase:
        where.append(f"phase {phase}")
    if peer:
        where.append(f"peer {peer}")
    text = f"{what} ({', '.join(where)})" if where else what
    return f"{text}. {advice}" if advice else text


class HttpClientError(Exception):
    """Root of everything that this package raises on its own account.

    :param what: what happened, in words.
    :param url: the URL of the request; credentials are removed.
    :param phase: one of the ``PHASE_`` constants.
    :param peer: the address and port of the peer.
    :param advice: what to do about it; each class has its own default.
    :param retry_safe: the peer has processed nothing of the request, so that sending it again cannot do it twice;
        each class has its own default.
    """

    phase: str = ""
    peer: str = ""
    advice: str = ""
    retry_safe: bool = False

    def __init__(
        self,
        what: str = "",
        *,
        url: str = "",
        phase: str = "",
        peer: str = "",
        advice: str = "",
        retry_safe: bool | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self._url = without_credentials(url) if url else ""
        if phase:
            self.phase = phase
        if peer:
            self.peer = peer
        if advice:
            self.advice = advice
        if retry_safe is not None:
            self.retry_safe = retry_safe

    @property
    def url(self) -> str:
        """The URL of the request, without credentials; empty while unknown."""
        return self._url

    @url.setter
    def url(self, value: str) -> None:
        self._url = without_credentials(value)

    def locate(self, *, url: str = "", phase: str = "", peer: str = "") -> Self:
        """Add where it happened, as far as that isn't known yet.

        :return: the error itself, to be raised.
        """
        if url and not self._url:
            self._url = without_credentials(url)
        if phase and not self.phase:
            self.phase = phase
        if peer and not self.peer:
            self.peer = peer
        return self

    def __str__(self) -> str:
        return compose_message(
            self.what or type(self).__name__, url=self._url, phase=self.phase, peer=self.peer, advice=self.advice
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors differ, so an error is rebuilt from its state and not by calling its class.
        return _rebuild, (type(self), self.args, dict(self.__dict__), getattr(self, "errno", None))


def _rebuild(
    error_class: type[HttpClientError], args: tuple[Any, ...], state: dict[str, Any], errno: int | None
) -> HttpClientError:
    """Make an error again out of what :meth:`HttpClientError.__reduce__` took apart."""
    error = error_class.__new__(error_class)
    error.args = args
    error.__dict__.update(state)
    if errno is not None and isinstance(error, OSError):
        error.errno = errno
    return error


# Before anything is sent


class InvalidUrlError(HttpClientError, ValueError):
    """A URL that isn't one, or that HTTP can't use; the message names what is wrong with it."""

    phase = PHASE_PREPARE

    def __init__(self, what: str = "", *, url: str = "", advice: str = "") -> None:
        super().__init__(what, url=without_credentials(url, strict=True), advice=advice)


class InvalidRequestError(HttpClientError, ValueError):
    """A method, header field or body that may not go on the wire (RFC 9110 sections 5.1, 5.5 and 9.1)."""

    phase = PHASE_PREPARE


class BodyError(HttpClientError, ValueError):
    """A body that can't be sent or read: wrong length, already consumed, or impossible to repeat."""


class ClientClosedError(HttpClientError, RuntimeError):
    """A request was made on a client that is closed."""

    phase = PHASE_PREPARE
    advice = "Make a new client"
    retry_safe = True


# Getting a connection


class ConnectError(HttpClientError, OSError):
    """Name lookup or TCP connect failed: no address, refused, unreachable. ``errno`` is set where there is one."""

    phase = PHASE_CONNECT
    retry_safe = True


class ProxyError(HttpClientError, OSError):
    """A proxy could not be reached, or did not connect to the host: the message names the proxy and says why.

    :ivar status_code: what an HTTP proxy answered; 0 where it didn't answer in HTTP.
    """

    phase = PHASE_PROXY
    retry_safe = True

    def __init__(
        self, what: str = "", *, status_code: int = 0, url: str = "", peer: str = "", advice: str = ""
    ) -> None:
        super().__init__(what, url=url, peer=peer, advice=advice)
        self.status_code = status_code


class HttpTlsError(HttpClientError, OSError):
    """TLS failed: no common version or cipher, an alert from the peer, or a record that doesn't verify.

    ``retry_safe`` unless raised for another phase than the handshake: requests are only sent after it.
    """

    phase = PHASE_TLS

    def __init__(
        self,
        what: str = "",
        *,
        url: str = "",
        phase: str = "",
        peer: str = "",
        advice: str = "",
        retry_safe: bool | None = None,
    ) -> None:
        if retry_safe is None:
            retry_safe = phase in {"", PHASE_TLS}
        super().__init__(what, url=url, phase=phase, peer=peer, advice=advice, retry_safe=retry_safe)


class HttpCertificateError(HttpTlsError):
    """The peer's certificate was not accepted: unknown issuer, expired, or made for another name.

    :ivar verify_code: OpenSSL's ``X509_V_ERR_`` number; 0 where it is unknown.
    """

    advice = "Trust its issuer with a CA file, or turn verification off for this host if you must"

    def __init__(
        self, what: str = "", *, verify_code: int = 0, url: str = "", peer: str = "", advice: str = ""
    ) -> None:
        super().__init__(what, url=url, peer=peer, advice=advice)
        self.verify_code = verify_code


class InsecureTlsWarning(UserWarning):
    """A client was made that doesn't verify servers: anybody may answer in their place. Given once in a process."""


# Limits in time


class HttpTimeoutError(HttpClientError, TimeoutError):
    """A limit in time was reached; ``phase`` says which part of the request it cut off."""


class PoolTimeoutError(HttpTimeoutError):
    """No connection became free in time."""

    phase = PHASE_POOL
    advice = "Allow more connections, or finish or close responses that are still being read"
    retry_safe = True


class ConnectTimeoutError(HttpTimeoutError):
    """Name lookup, TCP connect and TLS handshake together took longer than the connect timeout."""

    phase = PHASE_CONNECT
    advice = "Raise connect_timeout if the host is only slow"
    retry_safe = True


class SendTimeoutError(HttpTimeoutError):
    """The peer took no more bytes of the request for longer than the receive timeout."""

    phase = PHASE_SEND
    advice = "Raise recv_timeout if the host is only slow"


class ReceiveTimeoutError(HttpTimeoutError):
    """The peer sent nothing for longer than the receive timeout."""

    phase = PHASE_RECEIVE
    advice = "Raise recv_timeout if the host is only slow"


class DeadlineError(HttpTimeoutError):
    """The overall deadline of the request has passed; ``phase`` says what it was doing."""


# What the peer did


class HttpProtocolError(HttpClientError, OSError):
    """The peer broke the rules of HTTP, or a limit that protects against hostile peers was passed."""

    phase = PHASE_RECEIVE


class _Http2CodeError(HttpProtocolError):
    """An HTTP/2 error that carries a code; private, so that the public tree stays flat."""

    #: Named in the message where the raiser gives none.
    _scope = ""
    _default_code = 1

    def __init__(
        self,
        what: str = "",
        error_code: int | None = None,
        *,
        url: str = "",
        phase: str = "",
        peer: str = "",
        advice: str = "",
        retry_safe: bool | None = None,
    ) -> None:
        code = self._default_code if error_code is None else error_code
        what = what or f"the HTTP/2 {self._scope} ended with {http2_error_name(code)}"
        super().__init__(what, url=url, phase=phase, peer=peer, advice=advice, retry_safe=retry_safe)
        #: RFC 9113 section 7.
        self.error_code = code


class Http2StreamError(_Http2CodeError):
    """One HTTP/2 stream ended by RST_STREAM or by an error in it; the connection lives on.

    :ivar error_code: RFC 9113 section 7.
    """

    _scope = "stream"


class RefusedStreamError(Http2StreamError):
    """The peer refused the stream before processing anything of it: REFUSED_STREAM, or beyond GOAWAY's last stream
    (RFC 9113 sections 8.7 and 6.8)."""

    _default_code = 7
    retry_safe = True


class Http2ConnectionError(_Http2CodeError):
    """An HTTP/2 connection failed as a whole, and every stream on it: GOAWAY with an error, or an error in framing.

    :ivar error_code: RFC 9113 section 7.
    """

    _scope = "connection"


class RemoteClosedError(HttpClientError, ConnectionError):
    """The peer closed or reset the connection before the response was complete.

    ``retry_safe`` is set by who knows: a reused connection that ended before the first byte of an idempotent
    request's response may be tried again (RFC 9110 section 9.2.2), which is not the same as nothing processed.
    """

    phase = PHASE_RECEIVE


class DecodingError(HttpClientError, ValueError):
    """A content coding or charset that isn't known, that the body doesn't follow, or that grows beyond its limit."""

    phase = PHASE_RECEIVE


class RequestAbortedError(HttpClientError, ConnectionAbortedError):
    """The request was given up from this side: the client, the response or the future was closed or cancelled."""


# What the response said


class HttpStatusError(HttpClientError, OSError):
    """A status of 400 and above, where the caller asked for that to be an error.

    :param response: the response; it stays readable.
    """

    phase = PHASE_RECEIVE

    def __init__(self, response: Any, what: str = "", *, url: str = "", peer: str = "", advice: str = "") -> None:
        if not what:
            status, reason = getattr(response, "status_code", ""), getattr(response, "reason", "")
            what = f"the server answered {status} {_printable(str(reason))}".rstrip()
        super().__init__(what, url=url or str(getattr(response, "url", "") or ""), peer=peer, advice=advice)
        self.response = response


class RedirectError(HttpClientError, OSError):
    """A redirect that can't be followed: no usable Location, or a body that can't be sent again.

    :ivar response: the response that redirects; ``None`` where there is none to show.
    """

    phase = PHASE_RECEIVE

    def __init__(
        self, what: str = "", response: Any = None, *, url: str = "", peer: str = "", advice: str = ""
    ) -> None:
        super().__init__(what, url=url, peer=peer, advice=advice)
        self.response = response


class TooManyRedirectsError(RedirectError):
    """The limit of redirects was reached; most often the server redirects in a circle."""

    advice = "Look at the Location of each response, or raise the limit of redirects"
