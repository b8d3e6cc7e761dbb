"""Redirects: where a response leads, and the request that goes there (RFC 9110 section 15.4). No I/O.

Delphi: Grijjy.Http.TgoHttpClient.DoResponse (private there), as far as it follows
"""

from __future__ import annotations

from .credentials import asking, authentication_for
from .errors import InvalidUrlError, RedirectError, TooManyRedirectsError
from .prepare import cookie_value, http_uri

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import TgoHttpClient
    from .request import Request
    from .response import HttpResponse
    from .uri import TgoURI

#: Not for another origin than the one that they were given for (RFC 9110 section 15.4, last but one paragraph).
_CREDENTIALS = frozenset(("authorization", "cookie", "proxy-authorization"))

#: Fields that describe a body, dropped with it (RFC 9110 section 15.4).
_BODY_FIELDS = frozenset(("content-length", "content-type", "content-encoding", "content-language",
                          "content-location", "transfer-encoding", "digest", "last-modified"))  # fmt: skip


def redirected(
    client: TgoHttpClient, request: Request, response: HttpResponse, location: bytes, history: list[HttpResponse]
) -> Request | None:
    """Return the request that a redirect asks for; ``None`` where the client doesn't want to follow it.

    Its body isn't at its start.

    :param response: the response that redirects.
    :param location: its Location.
    :param history: the responses before it.
    :raises RedirectError: it leads somewhere it can't be followed to.
    """
    uri = _target(client, request, response, location)
    if uri is None:
        return None
    if len(history) >= client.max_redirects:
        raise TooManyRedirectsError(
            f"gave up after {client.max_redirects} redirects{_circle(uri, history)}",
            response, url=request.uri.to_string(),
        )  # fmt: skip
    if request.uri.scheme == "https" and uri.scheme == "http" and not client.allow_insecure_redirects:
        raise RedirectError(
            f"the server redirects from https to http, to {uri.origin}",
            response, url=request.uri.to_string(), advice="Set allow_insecure_redirects if that is what you want",
        )  # fmt: skip
    method, body = request.method, request.body
    status = response.status_code
    # RFC 9110 sections 15.4.2 to 15.4.4: 303 means "see there, with GET"; for 301 and 302, POST becomes GET, as
    # all clients have always done. 307 and 308 repeat the request as it was.
    if (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
    return _request_to(client, request, uri, method, drop_body=body is None)


def _target(client: TgoHttpClient, request: Request, response: HttpResponse, location: bytes) -> TgoURI | None:
    place = _text(location)
    if client.on_redirect is not None:
        answer = client.on_redirect(client, place, True)
        if answer is False:
            return None
        if isinstance(answer, str):
            place = answer
    try:
        target = request.uri.resolve(place)
        if not target.fragment:
            target.fragment = request.uri.fragment  # RFC 9110 section 10.2.2
        return http_uri(target.to_string())
    except InvalidUrlError as error:
        raise RedirectError(
            f"the server redirects to a place that is no HTTP URL: {error.what}",
            response, url=request.uri.to_string(),
        ) from error  # fmt: skip


def _circle(uri: TgoURI, history: list[HttpResponse]) -> str:
    """Say whether the redirects lead back to where they have been before."""
    place = uri.to_string()
    return ", which go round in a circle" if any(response.url == place for response in history) else ""


def _request_to(client: TgoHttpClient, request: Request, uri: TgoURI, method: str, *, drop_body: bool) -> Request:
    elsewhere = uri.origin != request.uri.origin
    dropped = {"host"}
    if drop_body:
        dropped |= _BODY_FIELDS
    if elsewhere:
        dropped |= _CREDENTIALS
    elif request.cookies is not None:
        dropped.add("cookie")  # made anew below: the response may have set some
    authentication = request.authentication
    if elsewhere or uri.username:
        authentication = authentication_for(client, uri, elsewhere=elsewhere)
    if authentication is not None:
        dropped.add("authorization")
    fields = [(name, value) for name, value in request.fields if name.lower() not in dropped]
    fields.insert(0, ("Host", uri.authority))
    body = None if drop_body else request.body
    following = request.with_changes(method, uri, fields, body, authentication)
    if request.cookies is not None:
        following.cookies = "" if elsewhere else request.cookies
        cookies = cookie_value(client, uri, following.cookies)
        if cookies:
            fields.append(("Cookie", cookies))
    if authentication is not None:
        authorization = authentication.authorize(asking(method, uri, body, fields))
        if authorization:
            fields.append(("Authorization", authorization))
    return following


def _text(location: bytes) -> str:
    """Return a Location as text: what isn't ASCII, and shouldn't be there, is percent-encoded as it is."""
    return "".join([chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in location])
