"""From a client's settings and a call's arguments to a request.

Delphi: Grijjy.Http.TgoHttpClient.CreateRequest (private there)
"""

from __future__ import annotations

import time

from .body import make_body
from .errors import InvalidUrlError
from .request import Request
from .uri import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .body import Body, BodyInput
    from .settings import RequestSettings
    from .uri import TgoURI

    HeaderInput = Mapping[str, str] | Iterable[tuple[str, str]]

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
    if headers is None:
        return []
    items = headers.items() if hasattr(headers, "items") else headers
    return [(str(name), str(value)) for name, value in items]


def make_fields(
    settings: RequestSettings, method: str, uri: TgoURI, headers: HeaderInput | None, body: Body | None
) -> list[tuple[str, str]]:
    """Return the header fields of a request: the call's, then the client's, then what the settings say.

    A field that is given by one of these is not taken from the next.
    """
    given = _given_fields(headers)
    names = {name.lower() for name, _ in given}
    for name, value in settings.request_headers.items():
        if name.lower() not in names:
            given.append((name, value))
    names.update(name.lower() for name, _ in given)

    fields = []
    if "host" not in names:
        fields.append(("Host", uri.authority))  # RFC 9112 section 3.2: first, and with a port that isn't the default

    def add(name: str, value: str) -> None:
        if value and name.lower() not in names:
            fields.append((name, value))

    add("User-Agent", settings.user_agent)
    add("Accept", "*/*")
    user_name = uri.username or settings.user_name
    if user_name:
        add("Authorization", basic_authorization(user_name, uri.password if uri.username else settings.password))
    else:
        add("Authorization", settings.authorization)
    add("Range", settings.range)
    cookies = settings._cookies
    if cookies:
        add("Cookie", "; ".join(cookies))
    if body is not None:
        add("Content-Type", settings.content_type)
        if "transfer-encoding" not in names and "content-length" not in names:
            if body.length is None:
                fields.append(("Transfer-Encoding", "chunked"))
            else:
                fields.append(("Content-Length", str(body.length)))
    elif method in _METHODS_WITH_BODY:
        add("Content-Length", "0")
    return fields + given


class Preparer:
    """Makes the requests of one client, and keeps what can be kept of those that come again and again.

    :param settings: the client.
    """

    __slots__ = ("_kept", "_kept_version", "_settings")

    #: How many different requests are kept.
    KEPT = 256

    def __init__(self, settings: RequestSettings) -> None:
        self._settings = settings
        self._kept: dict[tuple[str, str], Request] = {}
        self._kept_version = -1

    def prepare(
        self,
        method: str,
        url: str,
        connect_timeout: float,
        recv_timeout: float,
        timeout: float,
        headers: HeaderInput | None = None,
        data: BodyInput | None = None,
    ) -> Request:
        """Return the request for a call.

        :param timeout: seconds for everything together; 0 for no limit.
        :raises InvalidUrlError: the URL can't be used.
        :raises BodyError: the body can't be sent.
        """
        settings = self._settings
        deadline = time.monotonic() + timeout if timeout else 0.0
        if data is None:
            if settings.request_body:
                data = settings.request_body
            elif settings.request_data:
                data = settings.request_data
        if data is not None or headers is not None:
            uri = http_uri(url)
            body = None if data is None else make_body(data)
            fields = make_fields(settings, method, uri, headers, body)
            return Request(method, uri, fields, body, connect_timeout, recv_timeout, deadline)
        version = settings.settings_version
        if version != self._kept_version:
            self._kept = {}
            self._kept_version = version
        kept = self._kept.get((method, url))
        if kept is None:
            uri = http_uri(url)
            kept = Request(
                method, uri, make_fields(settings, method, uri, None, None), None, connect_timeout, recv_timeout, 0.0
            )
            if len(self._kept) >= self.KEPT:
                self._kept.clear()
            self._kept[method, url] = kept
        elif (
            kept.recv_timeout == recv_timeout and kept.connect_timeout == connect_timeout and not deadline
        ):
            return kept  # a request without a body has no state of its own
        return Request(
            method, kept.uri, kept.fields, None, connect_timeout, recv_timeout, deadline, kept.http1_head()
        )
