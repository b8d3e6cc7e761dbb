"""What follows from a response or a failure: a redirect, an answer to a challenge, another try, or the end.

No I/O and no waiting: the blocking and the non-blocking way ask the same questions here.

Delphi: Grijjy.Http.TgoHttpClient.DoResponse (private there)
"""

from __future__ import annotations

import time

from .constants import REDIRECTS
from .credentials import answer, asking, authentication_for, learn
from .errors import HttpClientError, RedirectError, RemoteClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .authentication.schemes import Authentication
    from .client import TgoHttpClient
    from .exchange import Exchange
    from .head import ResponseHead
    from .request import Request
    from .response import HttpResponse

#: How often a request is repeated where nothing of it can have been processed.
_RETRIES = 3

#: How often where each server that refused it had answered others before: a server that takes a few requests on each
#: connection refuses the rest of many that come at once, again and again.
_RETRIES_IN_TURN = 100

#: How often OnPassword is asked for one request, and how many challenges of the server are answered.
_PASSWORD_TRIES = 3

#: How often a proxy is told who asks, for one request: once for its challenge, once more where its nonce was too old.
_PROXY_TRIES = 2


class Flow:
    """The course of one call, over all attempts that it takes.

    :param client: whose settings and events apply.
    :param request: the first request.

    :ivar request: the request of the next attempt.
    :ivar fresh: the next attempt must not use an idle connection.
    :ivar pause: seconds to wait before the next attempt.
    """

    __slots__ = (
        "_answers", "_client", "_passwords", "_proxy_tries", "_repeats", "_retries", "fresh", "history", "pause",
        "request",
    )  # fmt: skip

    def __init__(self, client: TgoHttpClient, request: Request) -> None:
        self._client = client
        self._answers = 0
        self._passwords = 0
        self._proxy_tries = 0
        self._retries = 0
        #: How often the retry policy has had the request repeated.
        self._repeats = 0
        self.request = request
        self.history: list[HttpResponse] = []
        self.fresh = False
        self.pause = 0.0

    # After a failure

    def retry(self, exchange: Exchange, error: HttpClientError) -> bool:
        """Decide whether a failed attempt is made again. Its body is at its start then.

        RFC 9110 section 9.2.2: again only if nothing was processed, or if doing it twice does no harm; a connection
        that was idle may have been closed by the server just as the request was sent.
        """
        self.pause = 0.0
        connection = exchange.connection
        if connection is not None and not exchange.responded and self._retries < (
            _RETRIES_IN_TURN if error.retry_safe and connection.ended_in_turn else _RETRIES
        ):
            stale = isinstance(error, RemoteClosedError) and connection.uses > 1 and self.request.idempotent
            if (stale or error.retry_safe) and self._rewind():
                self._retries += 1
                self.fresh = stale
                return True
        policy = self.request.retry
        if policy is None or exchange.delivered:
            return False
        return self._repeat_after(policy.delay_after_failure(self.request, error, self._repeats + 1))

    def _repeat_after(self, delay: float | None) -> bool:
        """Have the request repeated after some seconds, if there is time for that."""
        if delay is None:
            return False
        deadline = self.request.deadline
        if (deadline and time.monotonic() + delay >= deadline) or not self._rewind():
            return False
        self._repeats += 1
        self.pause = delay
        self.fresh = False
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

    # After a response

    def follow(self, exchange: Exchange, response: HttpResponse) -> Request | None:
        """Decide whether a response leads to another request; return that request.

        :param response: goes into the history if another follows.
        :raises RedirectError: it leads somewhere it can't be followed to.
        """
        head, request = exchange.head, self.request
        assert head is not None
        self.pause = 0.0
        if head.sets_cookies:
            self._client.receive_cookies(request.uri, head)
        if head.status == 407:
            following = self._answer_proxy(exchange)
        elif head.status == 421:
            following = self._ask_rightly(exchange)
        elif head.status == 417:
            following = self._without_expectation()
        else:
            following = self._following(head, response)
        if following is not None:
            self.history.append(response)
            self.request = following
            self.fresh = False
        return following

    def _following(self, head: ResponseHead, response: HttpResponse) -> Request | None:
        client, request, status = self._client, self.request, head.status
        if status == 401:
            return self._answer(head) or self._ask_password(head)
        authentication = request.authentication
        if authentication is not None and authentication.learns:
            learn(authentication, request, head)
        if status in REDIRECTS:
            location = head.get(b"location") if client.follow_redirects else None
            following = None
            if location is not None:
                from .redirects import redirected

                following = redirected(client, request, response, location, self.history)
            if following is not None and following.body is not None and not self._rewind():
                raise RedirectError(
                    f"the server redirects with status {status}, which asks to send the body again, and the body can "
                    "be read only once", response, url=request.uri.to_string(),
                )  # fmt: skip
            return following
        policy = request.retry
        if policy is not None and self._repeat_after(policy.delay_after_response(request, head, self._repeats + 1)):
            # Digest counts requests, and a server takes a number that it knows for an attack.
            return request if authentication is None else self._authorized(authentication, None)
        return None

    def _answer(self, head: ResponseHead) -> Request | None:
        """Answer a challenge of the server, a bounded number of times (RFC 9110 section 11.6.1)."""
        authentication = self.request.authentication
        if authentication is None or self._answers >= _PASSWORD_TRIES:
            return None
        self._answers += 1
        value = answer(authentication, self.request, head)
        return self._authorized(authentication, value) if value and self._rewind() else None

    def _answer_proxy(self, exchange: Exchange) -> Request | None:
        """Answer a challenge of a proxy that the request was addressed to (RFC 9110 section 11.7.1)."""
        route = exchange.connection.origin.route
        if route is None or not route.forwarding or self._proxy_tries >= _PROXY_TRIES:
            return None
        self._proxy_tries += 1
        return self.request if route.answer(exchange) and self._rewind() else None

    def _ask_rightly(self, exchange: Exchange) -> Request | None:
        """Repeat a request that went over another origin's connection, where the server doesn't want that."""
        origin = exchange.connection.origin.pool.origin(self.request.uri)
        if exchange.connection.origin is origin or not self._rewind():
            return None
        origin.misdirected()
        return self.request

    def _without_expectation(self) -> Request | None:
        """Repeat a request without its ``Expect: 100-continue``, which the server can't meet (RFC 9110 section
        10.1.1).
        """
        request = self.request
        if not request.expects_continue or not self._rewind():
            return None
        fields = [(name, value) for name, value in request.fields if name.lower() != "expect"]
        return request.with_changes(request.method, request.uri, fields, request.body, request.authentication)

    def _ask_password(self, head: ResponseHead) -> Request | None:
        """Let the user correct name and password, a bounded number of times."""
        client, request = self._client, self.request
        if self._passwords >= _PASSWORD_TRIES or client.on_password is None:
            return None
        self._passwords += 1
        if not client.on_password(client) or not self._rewind():
            return None
        self._answers = 0
        authentication = authentication_for(client, request.uri)
        if authentication is None:
            return self._authorized(None, client.authorization)
        return self._authorized(authentication, answer(authentication, request, head, corrected=True))

    def _authorized(self, authentication: Authentication | None, value: str | None) -> Request:
        """Return the request with another Authorization.

        :param value: ``None`` for what *authentication* sends unasked.
        """
        request = self.request
        fields = [(name, old) for name, old in request.fields if name.lower() != "authorization"]
        if value is None and authentication is not None:
            value = authentication.authorize(asking(request.method, request.uri, request.body, fields))
        if value:
            fields.append(("Authorization", value))
        return request.with_changes(request.method, request.uri, fields, request.body, authentication)
