"""From a client's settings and a call's arguments to a request.

Delphi: Grijjy.Http.TgoHttpClient.CreateRequest (private there)
"""

from __future__ import annotations

import time

from .body import make_body
from .decoding import accept_encoding
from .errors import InvalidRequestError, InvalidUrlError
from .headers import TgoHttpHeaders
from .request import Request
from .uri import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .body import Body, BodyInput
    from .settings import RequestSettings
    from .uri import TgoURI

    HeaderInput = Mapping[str, str] | Iterable[tuple[str, str]]

#: Seconds that stand for ever: some of what waits can't count to infinity.
FOREVER = 1e9

#: Methods that have a body as a rule, so that its absence is worth a word (RFC 9110 section 8.6).
_METHODS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


def basic_authorization(user_name: str, password: str) -> str:
    """Return the value of Authorization for Basic (RFC 7617, with UTF-8)."""
    from binascii import b2a_base64

    return "Basic " + b2a_base64(f"{user_name}:{password}".encode(), newline=False).decode("ascii")


def http_uri(url: str) -> TgoURI:
    """Parse a URL that a request can be made to.

    :raises InvalidUrlError: it isn't one.
    """
    uri = parse(url)
    if uri.scheme not in ("http", "https"):
        raise InvalidUrlError(f"the scheme is {uri.scheme or 'missing'}, not http or https", url=url)
    if not uri.host:
        raise InvalidUrlError("the URL names no host", url=url)
    return uri


def _given_fields(headers: HeaderInput | None) -> list[tuple[str, str]]:
    return [] if headers is None else TgoHttpHeaders(headers).items()


def _limit(seconds: float, name: str) -> float:
    """Return a time limit that everybody can count.

    :raises InvalidRequestError: it isn't one.
    """
    if not seconds >= 0:  # nor "not a number"
        raise InvalidRequestError(f"{name} must not be negative: {seconds!r}")
    return min(seconds, FOREVER)


def _frame(given: list[tuple[str, str]], method: str, body: Body | None) -> list[tuple[str, str]]:
    """Return the fields that say where the body ends (RFC 9112 section 6), where the given ones don't.

    Given ones are followed, if that is possible: a server that believes other fields than are true would take the
    rest of the body for the next request.

    :raises InvalidRequestError: it isn't.
    """
    lengths = [value for name, value in given if name.lower() == "content-length"]
    codings = [value for name, value in given if name.lower() == "transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise InvalidRequestError("more than one Content-Length or Transfer-Encoding (RFC 9112 6.2)")
    if codings:
        if codings[0].strip().lower() != "chunked":
            raise InvalidRequestError(f"a request body can be sent chunked, and not as {codings[0]!a}")
        if body is None:
            raise InvalidRequestError("a Transfer-Encoding is given, and no body")
        body.length = None
        return []
    if lengths:
        digits = lengths[0].strip()
        if not (digits.isascii() and digits.isdigit()):
            raise InvalidRequestError(f"the Content-Length is not a number: {lengths[0]!a}")
        length = int(digits)
        has = 0 if body is None else body.length
        if has is not None and has != length:
            raise InvalidRequestError(f"the Content-Length says {length} bytes, and the body has {has}")
        if body is not None:
            body.length = length
        return []
    if body is not None:
        if body.length is None:
            return [("Transfer-Encoding", "chunked")]
        return [("Content-Length", str(body.length))]
    return [("Content-Length", "0")] if method in _METHODS_WITH_BODY else []


def make_fields(
    settings: RequestSettings, method: str, uri: TgoURI, headers: HeaderInput | None, body: Body | None
) -> list[tuple[str, str]]:
    """Return the header fields of a request: the call's, then the client's, then what the settings say.

    A field that is given by one of these is not taken from the next.

    :raises InvalidRequestError: what is given contradicts itself.
    """
    given = _given_fields(headers)
    names = {name.lower() for name, _ in given}
    for name, value in settings.request_headers.items():
        if name.lower() not in names:
            given.append((name, value))
    names.update(name.lower() for name, _ in given)

    fields = []
    if "host" in names:
        if sum(name.lower() == "host" for name, _ in given) > 1:
            raise InvalidRequestError("more than one Host (RFC 9112 3.2)")
    else:
        fields.append(("Host", uri.authority))  # RFC 9112 section 3.2: first, and with a port that isn't the default

    def add(name: str, value: str) -> None:
        if value and name.lower() not in names:
            fields.append((name, value))

    add("User-Agent", settings.user_agent)
    add("Accept", "*/*")
    # RFC 9110 sections 8.1 and 14.1.2: ranges are parts of the coded form, which is of no use without the rest.
    add("Accept-Encoding", "identity" if settings.range or "range" in names else accept_encoding())
    user_name = uri.username or settings.user_name
    if user_name:
        add("Authorization", basic_authorization(user_name, uri.password if uri.username else settings.password))
    else:
        add("Authorization", settings.authorization)
    add("Range", settings.range)
    cookies = settings.cookies
    if cookies:
        add("Cookie", "; ".join(cookies))
    if body is not None:
        add("Content-Type", settings.content_type)
    fields += _frame(given, method, body)
    return fields + given


class Preparer:
    """Makes the requests of one client, and keeps what can be kept of those that come again and again."""

    __slots__ = ("_cookies", "_kept", "_version")

    #: How many different requests are kept.
    KEPT = 256

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Request] = {}
        # What the kept ones were made from. The list of cookies is handed out, so it may change without a word.
        self._version = -1
        self._cookies: list[str] = []

    def prepare(  # noqa: PLR0917
        self,
        settings: RequestSettings,
        method: str,
        url: str,
        connect_timeout: float,
        recv_timeout: float,
        timeout: float,
        headers: HeaderInput | None = None,
        data: BodyInput | None = None,
        send_timeout: float | None = None,
        pool_timeout: float | None = None,
    ) -> Request:
        """Return the request for a call.

        :param settings: the client's.
        :param timeout: seconds for everything together; 0 for no limit.
        :raises InvalidUrlError: the URL can't be used.
        :raises InvalidRequestError: the method, a field or a limit can't be used.
        :raises BodyError: the body can't be sent.
        """
        deadline = time.monotonic() + _limit(timeout, "timeout") if timeout else 0.0
        if data is None:
            if settings.request_body:
                data = settings.request_body
            elif settings.request_data:
                data = settings.request_data
        if data is not None or headers is not None:
            uri = http_uri(url)
            body = None if data is None else make_body(data)
            fields = make_fields(settings, method, uri, headers, body)
            return _request(
                settings, method, uri, fields, body, connect_timeout, recv_timeout, deadline, send_timeout, pool_timeout
            )
        version = settings.settings_version
        if version != self._version or settings.cookies != self._cookies:
            self._kept = {}
            self._cookies = list(settings.cookies)
            self._version = version
        kept = self._kept.get((method, url))
        if kept is None:
            uri = http_uri(url)
            fields = make_fields(settings, method, uri, None, None)
            kept = _request(
                settings, method, uri, fields, None, connect_timeout, recv_timeout, 0.0, send_timeout, pool_timeout
            )
            if len(self._kept) >= self.KEPT:
                self._kept.clear()
            self._kept[method, url] = kept
        if (
            kept.recv_timeout == recv_timeout
            and kept.connect_timeout == connect_timeout
            and not deadline
            and kept.send_timeout == (recv_timeout if send_timeout is None else send_timeout)
            and kept.pool_timeout == pool_timeout
        ):
            return kept  # a request without a body has no state of its own
        return _request(
            settings, method, kept.uri, kept.fields, None, connect_timeout, recv_timeout, deadline, send_timeout,
            pool_timeout, kept.http1_head(),
        )  # fmt: skip


def _request(  # noqa: PLR0917
    settings: RequestSettings,
    method: str,
    uri: TgoURI,
    fields: list[tuple[str, str]],
    body: Body | None,
    connect_timeout: float,
    recv_timeout: float,
    deadline: float,
    send_timeout: float | None,
    pool_timeout: float | None,
    head: bytes = b"",
) -> Request:
    connect_timeout = _limit(connect_timeout, "connect_timeout")
    recv_timeout = _limit(recv_timeout, "recv_timeout")
    if send_timeout is not None:
        send_timeout = _limit(send_timeout, "send_timeout")
    if pool_timeout is not None:
        pool_timeout = _limit(pool_timeout, "pool_timeout")
    limit = settings.max_decoded_size
    request = Request(
        method, uri, fields, body, connect_timeout, recv_timeout, deadline, head, limit, send_timeout, pool_timeout
    )
    # At once, so that what may not be sent is refused before a connection is made, and whatever that would speak.
    request.http1_head()
    return request
