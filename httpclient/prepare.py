"""From a client's settings and a call's arguments to a request.

Delphi: Grijjy.Http.TgoHttpClient.CreateRequest (private there)
"""

from __future__ import annotations

import time

from .call_options import OPTIONS
from .content.decoding import accept_encoding
from .credentials import as_authentication, asking, authentication_for
from .errors import BodyError, InvalidRequestError, InvalidUrlError
from .headers import pairs_of
from .http1.request import field_lines, join_head
from .request import Request
from .settings import as_retry_policy
from .uri import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .authentication.schemes import Authentication
    from .call_options import RequestOptions
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


def _frame(method: str, body: Body | None) -> list[tuple[str, str]]:
    """Return the fields that say where the body ends (RFC 9112 section 6)."""
    if body is not None:
        if body.length is None:
            return [("Transfer-Encoding", "chunked")]
        return [("Content-Length", str(body.length))]
    return [("Content-Length", "0")] if method in _METHODS_WITH_BODY else []


def _check_framing(given: list[tuple[str, str]], body: Body | None) -> None:
    """Follow the fields given that say where the body ends, if that is possible.

    A server that believes other fields than are true would take the rest of the body for the next request.

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
        return
    digits = lengths[0].strip()
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidRequestError(f"the Content-Length is not a number: {lengths[0]!a}")
    length = int(digits)
    has = 0 if body is None else body.length
    if has is not None and has != length:
        raise InvalidRequestError(f"the Content-Length says {length} bytes, and the body has {has}")
    if body is not None:
        body.length = length


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


class _Template:
    """What requests to one origin have in common that give fields of the same names, as long as the settings stay as
    they are. A field that the call gives is not taken from the client's ``request_headers``, and one of these not from
    what the other settings say.

    :param settings: the client's.
    :param uri: the URL of one of the requests.
    :param given: the names of the fields that the call gives.
    :raises InvalidRequestError: a field or a limit can't be used.

    :ivar before: the fields that go before those of the call.
    :ivar lines_before: the same as lines, in one text.
    :ivar after: the fields that go behind them.
    :ivar lines_after: the same as lines, in one text; empty where there are none.
    :ivar authorized: Authorization is among the fields given by the call or the client.
    :ivar typed: so is Content-Type.
    :ivar framed: so is a field that says where the body ends.
    :ivar cookies: what is sent in Cookie besides what the jar has; ``None`` where the field is given.
    :ivar authentication: who authenticates the requests.
    """

    __slots__ = (
        "after", "authentication", "authorized", "before", "connect", "cookies", "framed", "lines_after",
        "lines_before", "max_decoded_size", "pool", "receive", "retry", "send", "timeout", "typed",
    )  # fmt: skip

    def __init__(self, settings: RequestSettings, uri: TgoURI, given: tuple[str, ...]) -> None:
        names = [name.lower() for name in given]
        self.after = [field for field in settings.request_headers.items() if field[0].lower() not in names]
        names += [name.lower() for name, _ in self.after]
        if names.count("host") > 1:
            raise InvalidRequestError("more than one Host (RFC 9112 3.2)")
        own = [
            ("Host", uri.authority),  # RFC 9112 section 3.2: first, its port unless it is the default
            ("User-Agent", settings.user_agent),
            ("Accept", "*/*"),
            # RFC 9110 sections 8.1 and 14.1.2: ranges are parts of the coded form, which is of no use without the rest.
            ("Accept-Encoding", "identity" if settings.range or "range" in names else accept_encoding()),
            ("Range", settings.range),
        ]
        self.cookies: str | None = None
        if "cookie" not in names:
            self.cookies = _own_cookies(settings, None)
            own.append(("Cookie", cookie_value(settings, uri, self.cookies)))
        self.authorized = "authorization" in names
        self.authentication: Authentication | None = None
        if not self.authorized:
            self.authentication = authentication_for(settings, uri)
            if self.authentication is None:
                own.append(("Authorization", settings.authorization))
        self.typed = "content-type" in names
        self.framed = "content-length" in names or "transfer-encoding" in names
        self.before = [(name, value) for name, value in own if value and name.lower() not in names]
        self.lines_before = ["\r\n".join(field_lines(self.before))]
        self.lines_after = ["\r\n".join(field_lines(self.after))] if self.after else []
        self.connect = _seconds("connect_timeout", settings.connect_timeout)
        self.receive = _seconds("recv_timeout", settings.recv_timeout)
        self.send = None if settings.send_timeout is None else _seconds("send_timeout", settings.send_timeout)
        self.pool = None if settings.pool_timeout is None else _seconds("pool_timeout", settings.pool_timeout)
        self.timeout = settings.timeout
        self.max_decoded_size = settings.max_decoded_size
        self.retry = settings.retry


def _request(  # noqa: PLR0917
    settings: RequestSettings,
    template: _Template,
    method: str,
    uri: TgoURI,
    given: list[tuple[str, str]],
    connect_timeout: float | None,
    recv_timeout: float | None,
    options: RequestOptions,
) -> Request:
    """Return the request of a call, checked for what may not be sent: before a connection is made, and whatever that
    would speak.

    :param template: what it has in common with others.
    :param given: the header fields that the call gives.
    """
    get: Any = options.get
    params = get("params")
    if params is not None:
        from httpclient.content.forms import with_params

        uri = with_params(uri, params)
    body, content_type = _make_body(settings, options)
    cookies, authentication = template.cookies, template.authentication
    before = template.before
    given_cookies = get("cookies")
    if given_cookies and cookies is not None:
        cookies = _own_cookies(settings, given_cookies)
        before = [field for field in before if field[0] != "Cookie"]
        before.append(("Cookie", cookie_value(settings, uri, cookies)))
    given_authentication = as_authentication(get("auth"))
    if given_authentication is not None and not template.authorized and not uri.username:
        authentication = given_authentication
        before = [field for field in before if field[0] != "Authorization"]
    fields = given
    if template.framed:
        _check_framing(given + template.after, body)
    else:
        fields = _frame(method, body) + given
    if content_type and not template.typed:
        fields = [("Content-Type", content_type), *fields]
    lines = template.lines_before if before is template.before else field_lines(before)
    lines = lines + field_lines(fields) + template.lines_after
    fields = before + fields + template.after
    if authentication is not None:
        authorization = authentication.authorize(asking(method, uri, body, fields))
        if authorization:
            fields.append(("Authorization", authorization))
            lines += field_lines(fields[-1:])
    timeout = get("timeout")
    if timeout is None:
        timeout = template.timeout
    receive = template.receive if recv_timeout is None else _seconds("recv_timeout", recv_timeout)
    send, pool, retry = get("send_timeout"), get("pool_timeout"), get("retry")
    if send is None:
        send = receive if template.send is None else template.send
    return Request(
        method,
        uri,
        fields,
        body,
        template.connect if connect_timeout is None else _seconds("connect_timeout", connect_timeout),
        receive,
        time.monotonic() + _seconds("timeout", timeout) if timeout else 0.0,
        join_head(method, uri.target, lines),
        template.max_decoded_size,
        send_timeout=_seconds("send_timeout", send),
        pool_timeout=template.pool if pool is None else _seconds("pool_timeout", pool),
        authentication=authentication,
        retry=template.retry if retry is None else as_retry_policy(retry),
        cookies=cookies,
    )


def _make_body(settings: RequestSettings, options: RequestOptions) -> tuple[Body | None, str]:
    """Return the body of a call, if it has one, and its Content-Type.

    :raises BodyError: it can't be sent.
    """
    data, files, json = options.get("data"), options.get("files"), options.get("json")
    if json is not None:
        if data is not None or files is not None:
            raise BodyError("a request has one body: give json or data and files")
        from httpclient.content.forms import json_body  # for each request: a relative import takes longer

        return json_body(json)
    if files is not None:
        from .content.multipart import multipart_body

        return multipart_body(data, files)  # type: ignore[arg-type]
    if data is None:
        data = settings.request_body or settings.request_data or None
        if data is None:
            return None, ""
    elif is_form(data):
        from httpclient.content.forms import form_body

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

    __slots__ = (
        "_cookies", "_fields_version", "_jar_until", "_jar_version", "_keeps", "_kept", "_knows", "_templates",
        "_version",
    )  # fmt: skip

    #: How many different requests are kept, and how many templates for others.
    KEPT = 256

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, float | None, float | None], Request] = {}
        #: By origin, or URL, and the names of the fields given.
        self._templates: dict[tuple[str, ...], _Template] = {}
        # What these were made from. The list of cookies is handed out, so it may change without a word.
        self._version = self._fields_version = -1
        self._cookies: list[str] = []
        self._jar_version = -1
        self._jar_until = 0.0
        #: It is known when the cookies for a URL change.
        self._knows = False
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
            unknown = ", ".join([name for name in options if name not in OPTIONS])
            if unknown:
                raise TypeError(f"a request has no such option: {unknown}; there are {', '.join(sorted(OPTIONS))}")
            return self._make(settings, method, url, connect_timeout, recv_timeout, options)
        key = method, url, connect_timeout, recv_timeout
        all_kept = self._kept  # another thread may put another dictionary in its place while this one makes a request
        kept = all_kept.get(key)
        if kept is None or (kept.authentication is not None and not kept.authentication.constant):
            kept = self._make(settings, method, url, connect_timeout, recv_timeout, options)
            if kept.authentication is None or kept.authentication.constant:
                if len(all_kept) >= self.KEPT:
                    all_kept.clear()
                all_kept[key] = kept
        return kept  # a request without a body has no state of its own

    def _make(  # noqa: PLR0917
        self,
        settings: RequestSettings,
        method: str,
        url: str,
        connect_timeout: float | None,
        recv_timeout: float | None,
        options: RequestOptions,
    ) -> Request:
        uri = http_uri(url)
        headers = options.get("headers")
        given = [] if headers is None else pairs_of(headers)
        # Cookies and passwords may be for some of the URLs of an origin.
        where = uri.origin if settings._jar is None and not uri.username else url
        key = where, *[name for name, _ in given]
        templates = self._templates  # as above
        template = templates.get(key)
        if template is None:
            template = _Template(settings, uri, key[1:])
            if self._knows:
                if len(templates) >= self.KEPT:
                    templates.clear()
                templates[key] = template
        return _request(settings, template, method, uri, given, connect_timeout, recv_timeout, options)

    def _catch_up(self, settings: RequestSettings) -> None:
        """Drop what was made from other settings, or of other cookies."""
        version, fields_version = settings._settings_version, settings._request_headers.version
        jar: Any = settings.known_jar
        same_jar = jar is None or (self._knows and jar.version == self._jar_version and time.time() < self._jar_until)
        same_settings = version == self._version and fields_version == self._fields_version
        if same_jar and same_settings and settings.cookies == self._cookies:
            return
        self._kept, self._templates = {}, {}
        self._cookies = list(settings.cookies)
        # Another jar than ours doesn't tell when it changes.
        self._knows = jar is None or hasattr(jar, "version")
        self._keeps = self._knows and not (settings.request_body or settings.request_data or settings.timeout)
        if jar is not None and self._knows:
            self._jar_until, self._jar_version = jar.changes_at(), jar.version
        self._version, self._fields_version = version, fields_version


def _seconds(name: str, given: float | None, default: float = 0.0) -> float:
    """Return a time limit as one that everybody can count.

    :raises InvalidRequestError: it is no time limit.
    """
    seconds = default if given is None else given
    if not seconds >= 0:  # nor "not a number"
        raise InvalidRequestError(f"{name} must not be negative: {seconds!r}")
    return seconds if seconds < FOREVER else FOREVER
