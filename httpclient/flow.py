"""What follows from a response or a failure: a redirect, a second try with a password, a retry, or the end.

No I/O and no waiting: the blocking and the non-blocking way ask the same questions here.

Delphi: Grijjy.Http.TgoHttpClient.DoResponse (private there)
"""

from __future__ import annotations

import re

from .errors import (
    HttpClientError,
    InvalidUrlError,
    RedirectError,
    RemoteClosedError,
    TooManyRedirectsError,
)
from .prepare import basic_authorization, http_uri

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import TgoHttpClient
    from .exchange import Exchange
    from .request import Request
    from .response import HttpResponse
    from .uri import TgoURI

#: How often a request is repeated where nothing of it can have been processed.
_RETRIES = 3

#: How often OnPassword is asked for one request.
_PASSWORD_TRIES = 3

#: How often a proxy is told who asks, for one request: once for its challenge, once more where its nonce was too old.
_PROXY_TRIES = 2

#: The statuses that can lead to another request.
FOLLOWED = frozenset((301, 302, 303, 307, 308, 401, 407))

#: Not for another origin than the one that they were given for (RFC 9110 section 15.4, last but one paragraph).
_CREDENTIALS = frozenset(("authorization", "cookie", "proxy-authorization"))

#: Fields that describe a body, dropped with it (RFC 9110 section 15.4).
_BODY_FIELDS = frozenset(("content-length", "content-type", "content-encoding", "content-language",
                          "content-location", "transfer-encoding", "digest", "last-modified"))  # fmt: skip


class Flow:
    """The course of one call, over all attempts that it takes.

    :param client: whose settings and events apply.
    :param request: the first request.
    """

    __slots__ = ("_client", "_passwords", "_proxy_tries", "_retries", "fresh", "history", "request")

    def __init__(self, client: TgoHttpClient, request: Request) -> None:
        self._client = client
        self._passwords = 0
        self._proxy_tries = 0
        self._retries = 0
        self.request = request
        self.history: list[HttpResponse] = []
        #: The next attempt must not use an idle connection.
        self.fresh = False

    def retry(self, exchange: Exchange, error: HttpClientError) -> bool:
        """Decide whether a failed attempt is made again. Its body is at its start then.

        RFC 9110 section 9.2.2: again only if nothing was processed, or if doing it twice does no harm; a connection
        that was idle may have been closed by the server just as the request was sent.
        """
        connection = exchange.connection
        if connection is None or exchange.responded or self._retries >= _RETRIES:
            return False
        stale = isinstance(error, RemoteClosedError) and connection.uses > 1 and self.request.idempotent
        if not (stale or error.retry_safe):
            return False
        if not self._rewind():
            return False
        self._retries += 1
        self.fresh = stale
        return True

    def _rewind(self) -> bool:
        """Set the body of the request to its start, if it has one. ``False`` if that can't be done."""
        body = self.request.body
        if body is None:
            return True
        try:
            if body.repeatable:
                body.rewind()
                return True
        except Exception:  # the source is the user's, and may be closed by now
            pass
        return False

    def follow(self, exchange: Exchange, response: HttpResponse) -> Request | None:
        """Decide whether a response leads to another request; return that request.

        :param response: goes into the history if another follows.
        :raises RedirectError: it leads somewhere it can't be followed to.
        """
        head = exchange.head
        assert head is not None
        status = head.status
        if status in (301, 302, 303, 307, 308) and self._client.follow_redirects:
            location = head.get(b"location")
            if location is not None:
                following = self._redirect(status, _location(location), response)
                if following is not None:
                    self.history.append(response)
                    self.request = following
                return following
        elif status == 401 and self._client.on_password is not None:
            again = self._ask_password()
            if again is not None:
                self.history.append(response)
                self.request = again
            return again
        elif status == 407 and self._proxy_tries < _PROXY_TRIES:
            self._proxy_tries += 1
            route = exchange.connection.origin.route
            if route is not None and route.forwarding and route.answer(exchange) and self._rewind():
                self.history.append(response)
                return self.request
        return None

    def _redirect(self, status: int, location: str, response: HttpResponse) -> Request | None:
        client, request = self._client, self.request
        if client.on_redirect is not None:
            answer = client.on_redirect(client, location, True)
            if answer is False:
                return None
            if isinstance(answer, str):
                location = answer
        try:
            target = request.uri.resolve(location)
            if not target.fragment:
                target.fragment = request.uri.fragment  # RFC 9110 section 10.2.2
            uri = http_uri(target.to_string())
        except InvalidUrlError as error:
            raise RedirectError(
                f"the server redirects to a place that is no HTTP URL: {error.what}", response,
                url=request.uri.to_string(),
            ) from error  # fmt: skip
        if len(self.history) >= client.max_redirects:
            raise TooManyRedirectsError(
                f"gave up after {client.max_redirects} redirects", response, url=request.uri.to_string()
            )
        if request.uri.scheme == "https" and uri.scheme == "http" and not client.allow_insecure_redirects:
            raise RedirectError(
                f"the server redirects from https to http, to {uri.origin}", response,
                url=request.uri.to_string(),
                advice="Set allow_insecure_redirects if that is what you want",
            )  # fmt: skip
        return self._redirected(status, uri, response)

    def _redirected(self, status: int, uri: TgoURI, response: HttpResponse) -> Request:
        request = self.request
        method, body = request.method, request.body
        # RFC 9110 sections 15.4.2 to 15.4.4: 303 means "see there, with GET"; for 301 and 302, POST becomes GET, as
        # all clients have always done. 307 and 308 repeat the request as it was.
        if (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST"):
            method, body = "GET", None
        dropped = {"host"}
        if body is None:
            dropped |= _BODY_FIELDS
        elif not self._rewind():
            raise RedirectError(
                f"the server redirects with status {status}, which asks to send the body again, and the body can be "
                "read only once", response, url=request.uri.to_string(),
            )  # fmt: skip
        if uri.origin != request.uri.origin:
            dropped |= _CREDENTIALS
        fields = [(name, value) for name, value in request.fields if name.lower() not in dropped]
        fields.insert(0, ("Host", uri.authority))
        if uri.username and not any(name.lower() == "authorization" for name, _ in fields):
            fields.append(("Authorization", basic_authorization(uri.username, uri.password)))
        return request.with_changes(method, uri, fields, body)

    def _ask_password(self) -> Request | None:
        """Let the user correct name and password, a bounded number of times."""
        client, request = self._client, self.request
        if self._passwords >= _PASSWORD_TRIES or client.on_password is None:
            return None
        self._passwords += 1
        if not client.on_password(client):
            return None
        if not self._rewind():
            return None
        value = client.authorization
        if client.user_name:
            value = basic_authorization(client.user_name, client.password)
        fields = [(name, old) for name, old in request.fields if name.lower() != "authorization"]
        if value:
            fields.append(("Authorization", value))
        return request.with_changes(request.method, request.uri, fields, request.body)


def _location(value: bytes) -> str:
    """Return the value of Location as text: what isn't ASCII, and shouldn't be there, is percent-encoded as it is."""
    return re.sub(rb"[^\x00-\x7f]", lambda match: b"%%%02X" % match.group()[0], value).decode("ascii")
