"""From a client's settings and a call's arguments to a request.

Delphi: Grijjy.Http.TgoHttpClient.CreateRequest (private there)
"""

from __future__ import annotations

import time

from .call_options import OPTIONS
from .content.decoding import accept_encoding
from .credentials import as_authentication, asking, authentication_for
from .errors import BodyError, InvalidRequestError, InvalidUrlError
from .headers import TgoHttpHeaders
from .request import Request
from .settings import as_retry_policy
from .uri import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .call_options import HeaderInput, RequestOptions
    from .content.body import Body, BodyInput
    from .settings import RequestSettings
    from .uri import TgoURI

#: :func:`.body.make_body`, once there is a body: an import statement takes a microsecond every time.
_make: Callable[[BodyInput], Body] | None = None

#: Seconds that stand for ever: some of what waits can't count to infinity.
FOREVER = 1e9

#: Methods that have a body as a rule, so that its absence is worth a word (RFC 9110 section 8.6).
_METHODS_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


def http_uri(url: str) -> TgoURI:
    """Parse a URL that a request can be made to.

    :raises InvalidUrlError: it isn't one.
    """
    uri = parse(url)
    if uri.scheme not in ("http", "https"):
        raise InvalidUrlError(f"the scheme is {uri.scheme or 'missing'}, not http or https", url=url)
    if not uri.host:
        raise InvalidUrlError("the URL names no host", url=url)
    # RFC 3986 section 6.2.2.3. "/." may be the beginning of a name, too; then nothing changes.
    return uri.resolve(uri) if "/." in uri.path else uri


def _given_fields(headers: HeaderInput | None) -> list[tuple[str, str]]:
    return [] if headers is None else TgoHttpHeaders(headers).items()


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


def cookie_value(settings: RequestSettings, uri: TgoURI, own: str) -> str:
    """Return the value of Cookie: what the caller has put there, and what the jar has for the URL."""
    jar = settings.known_jar
    if jar is None:
        return own
    from .cookies.any_jar import cookie_header

    kept = cookie_header(jar, uri)
    return f"{own}; {kept}" if own and kept else own or kept


def _own_cookies(settings: RequestSettings, given: Mapping[str, str] | None) -> str:
    """Return the cookies that don't come from the jar: the client's raw ones, and those of the call."""
    cookies = settings.cookies
    if given:
        cookies = cookies + [f"{name}={value}" for name, value in given.items()]
    return "; ".join(cookies)


class _Draft:
    """A request in the making.

    :param settings: the client's.
    :param options: the call's.
    """

    __slots__ = ("authentication", "body", "content_type", "cookies", "fields", "method", "names", "settings", "uri")

    def __init__(self, settings: RequestSettings, method: str, url: str, options: RequestOptions) -> None:
        if not options.keys() <= OPTIONS:
            unknown = ", ".join(sorted(options.keys() - OPTIONS))
            raise TypeError(f"a request has no such option: {unknown}; there are {', '.join(sorted(OPTIONS))}")
        self.settings = settings
        self.method = method
        self.uri = http_uri(url)
        params = options.get("params")
        if params is not None:
            from .content.forms import with_params

            self.uri = with_params(self.uri, params)
        self.body, self.content_type = _make_body(settings, options)
        self.cookies: str | None = _own_cookies(settings, options.get("cookies"))
        self.authentication = as_authentication(options.get("auth"))
        self._make_fields(options.get("headers"))

    def _make_fields(self, headers: HeaderInput | None) -> None:
        """Make the header fields: the call's, then the client's, then what the settings say.

        A field that is given by one of these is not taken from the next.

        :raises InvalidRequestError: what is given contradicts itself.
        """
        settings, uri, body = self.settings, self.uri, self.body
        given = _given_fields(headers)
        names = {name.lower() for name, _ in given}
        for name, value in settings.request_headers.items():
            if name.lower() not in names:
                given.append((name, value))
        names.update(name.lower() for name, _ in given)

        fields: list[tuple[str, str]] = []
        if "host" in names:
            if sum(name.lower() == "host" for name, _ in given) > 1:
                raise InvalidRequestError("more than one Host (RFC 9112 3.2)")
        else:
            fields.append(("Host", uri.authority))  # RFC 9112 section 3.2: first, its port unless it is the default

        own = [
            ("User-Agent", settings.user_agent),
            ("Accept", "*/*"),
            # RFC 9110 sections 8.1 and 14.1.2: ranges are parts of the coded form, which is of no use without the rest.
            ("Accept-Encoding", "identity" if settings.range or "range" in names else accept_encoding()),
            ("Range", settings.range),
        ]
        if "cookie" in names:
            self.cookies = None
        else:
            own.append(("Cookie", cookie_value(settings, uri, self.cookies or "")))
        if body is not None:
            own.append(("Content-Type", self.content_type))
        if "authorization" not in names:
            if self.authentication is None or uri.username:
                self.authentication = authentication_for(settings, uri)
            if self.authentication is None:
                own.append(("Authorization", settings.authorization))
        else:
            self.authentication = None
        fields += [(name, value) for name, value in own if value and name.lower() not in names]
        fields += _frame(given, self.method, body)
        self.fields = fields + given

    def authorize(self) -> str:
        """Return what to send in Authorization unasked."""
        if self.authentication is None:
            return ""
        return self.authentication.authorize(asking(self.method, self.uri, self.body, self.fields))


def _make_body(settings: RequestSettings, options: RequestOptions) -> tuple[Body | None, str]:
    """Return the body of a call, if it has one, and its Content-Type.

    :raises BodyError: it can't be sent.
    """
    data, files, json = options.get("data"), options.get("files"), options.get("json")
    if json is not None:
        if data is not None or files is not None:
            raise BodyError("a request has one body: give json or data and files")
        from .content.forms import json_body

        return json_body(json)
    if files is not None:
        from .content.multipart import multipart_body

        return multipart_body(data, files)  # type: ignore[arg-type]
    if data is None:
        data = settings.request_body or settings.request_data or None
        if data is None:
            return None, ""
    elif is_form(data):
        from .content.forms import form_body

        return form_body(data)  # type: ignore[arg-type]
    global _make
    if _make is None:
        from .content.body import make_body

        _make = make_body
    return _make(data), settings.content_type  # type: ignore[arg-type]


def is_form(data: object) -> bool:
    """Tell whether data are the fields of a form, and not bytes in one form or another."""
    if isinstance(data, (list, tuple)):
        return bool(data) and isinstance(data[0], (list, tuple))
    return hasattr(data, "items")


class Preparer:
    """Makes the requests of one client, and keeps what can be kept of those that come again and again."""

    __slots__ = ("_cookies", "_fields_version", "_jar_until", "_jar_version", "_keeps", "_kept", "_version")

    #: How many different requests are kept.
    KEPT = 256

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, float | None, float | None], Request] = {}
        # What the kept ones were made from. The list of cookies is handed out, so it may change without a word.
        self._version = self._fields_version = -1
        self._cookies: list[str] = []
        self._jar_version = -1
        self._jar_until = 0.0
        #: The settings allow to keep requests.
        self._keeps = False

    def prepare(  # noqa: PLR0917
        self,
        settings: RequestSettings,
        method: str,
        url: str,
        connect_timeout: float | None,
        recv_timeout: float | None,
        options: RequestOptions,
    ) -> Request:
        """Return the request for a call.

        :param settings: the client's.
        :param connect_timeout: seconds; ``None`` for the client's.
        :param recv_timeout: seconds; ``None`` for the client's.
        :param options: what else the call says; not changed.
        :raises InvalidUrlError: the URL can't be used.
        :raises InvalidRequestError: the method, a field or a limit can't be used.
        :raises BodyError: the body can't be sent.
        """
        if (
            settings._settings_version != self._version
            or settings._request_headers.version != self._fields_version
            or settings._cookies != self._cookies
            or settings._jar is not None
        ):
            self._catch_up(settings)
        if options or not self._keeps:
            return _request(settings, _Draft(settings, method, url, options), connect_timeout, recv_timeout, options)
        key = method, url, connect_timeout, recv_timeout
        kept = self._kept.get(key)
        if kept is None or (kept.authentication is not None and not kept.authentication.constant):
            draft = _Draft(settings, method, url, options)
            kept = _request(settings, draft, connect_timeout, recv_timeout, options)
            if draft.authentication is None or draft.authentication.constant:
                if len(self._kept) >= self.KEPT:
                    self._kept.clear()
                self._kept[key] = kept
        return kept  # a request without a body has no state of its own

    def _catch_up(self, settings: RequestSettings) -> None:
        """Drop what was made from other settings, or of other cookies."""
        version, fields_version = settings._settings_version, settings._request_headers.version
        jar: Any = settings.known_jar
        same_jar = jar is None or (self._keeps and jar.version == self._jar_version and time.time() < self._jar_until)
        same_settings = version == self._version and fields_version == self._fields_version
        if same_jar and same_settings and settings.cookies == self._cookies:
            return
        self._kept = {}
        self._cookies = list(settings.cookies)
        self._keeps = not (settings.request_body or settings.request_data or settings.timeout)
        if jar is not None:
            # Another jar than ours doesn't tell when it changes.
            self._keeps = self._keeps and hasattr(jar, "version")
            if self._keeps:
                self._jar_until, self._jar_version = jar.changes_at(), jar.version
        self._version, self._fields_version = version, fields_version


def _request(
    settings: RequestSettings,
    draft: _Draft,
    connect_timeout: float | None,
    recv_timeout: float | None,
    options: RequestOptions,
) -> Request:
    """Return the request of a draft, with its limits."""
    timeout = _seconds("timeout", options.get("timeout"), settings.timeout)
    connect = _seconds("connect_timeout", connect_timeout, settings.connect_timeout)
    receive = _seconds("recv_timeout", recv_timeout, settings.recv_timeout)
    send = options.get("send_timeout")
    if send is None:
        send = settings.send_timeout
    pool = options.get("pool_timeout")
    if pool is None:
        pool = settings.pool_timeout
    retry = options.get("retry")
    fields = draft.fields
    authorization = draft.authorize()
    if authorization:
        fields.append(("Authorization", authorization))
    request = Request(
        draft.method,
        draft.uri,
        fields,
        draft.body,
        connect,
        receive,
        time.monotonic() + timeout if timeout else 0.0,
        max_decoded_size=settings.max_decoded_size,
        send_timeout=_seconds("send_timeout", send, receive),
        pool_timeout=None if pool is None else _seconds("pool_timeout", pool),
        authentication=draft.authentication,
        retry=settings.retry if retry is None else as_retry_policy(retry),
        cookies=draft.cookies,
    )
    # At once, so that what may not be sent is refused before a connection is made, and whatever that would speak.
    request.http1_head()
    return request


def _seconds(name: str, given: float | None, default: float = 0.0) -> float:
    """Return a time limit as one that everybody can count.

    :raises InvalidRequestError: it is no time limit.
    """
    seconds = default if given is None else given
    if not seconds >= 0:  # nor "not a number"
        raise InvalidRequestError(f"{name} must not be negative: {seconds!r}")
    return seconds if seconds < FOREVER else FOREVER
