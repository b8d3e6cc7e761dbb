"""A request, ready to go over either protocol.

No Delphi origin; stands for the original's ``TgoHttpClient.CreateRequest``, which wrote into the client's own fields.
"""

from __future__ import annotations

from .content.decoding import MAX_DECODED_SIZE
from .http1.request import build_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .authentication.schemes import Authentication
    from .content.body import Body
    from .http2.request import HeaderTemplate
    from .pooling.origin import Origin
    from .retrying import RetryPolicy
    from .uri import TgoURI

#: RFC 9110 section 9.2.2: sending these twice does what sending them once does.
IDEMPOTENT_METHODS = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"))


def _says_close(head: bytes) -> bool:
    lower = head.lower()
    return b"\r\nconnection:" in lower and any(
        line.startswith(b"connection:") and b"close" in map(bytes.strip, line[11:].split(b","))
        for line in lower.split(b"\r\n")
    )


class Request:
    """Method, target, fields, body and limits of one request; not changed once it is made.

    :param method: in capitals where it is one of HTTP's own.
    :param uri: the parsed URL.
    :param fields: header fields in order, with ``Host`` and the framing of the body.
    :param body: what to send, or ``None``.
    :param connect_timeout: seconds for lookup, TCP and TLS together.
    :param recv_timeout: seconds of silence after which the peer is given up.
    :param deadline: when everything must be over, in ``time.monotonic()`` seconds; 0 for no limit.
    :param head: what :meth:`http1_head` returns, where that is known.
    :param max_decoded_size: how many bytes the body of the response may become as it is decoded; 0 for no limit.
    :param send_timeout: seconds for which the peer may take nothing of what is sent; ``None`` for *recv_timeout*.
    :param pool_timeout: seconds to wait for a connection; ``None`` for *connect_timeout*, counted from when anybody
        last got one.
    :param authentication: answers challenges of the server.
    :param retry: says after which failures and responses it is repeated.
    :param cookies: what the caller has put into Cookie; the jar adds to it. ``None`` to leave the field alone.

    :ivar built_head: what :meth:`http1_head` has returned; empty before.
    :ivar origin: the connections that it was last made with, which saves looking for them; ``None`` before.
    :ivar http2_head: what :meth:`keep_http2_head` has kept; ``None`` before.
    :ivar closes: no other request follows on the same HTTP/1.1 connection (RFC 9112 section 9.6).
    :ivar attends: each response is to be looked at, whatever its status.
    :ivar expects_continue: the body is only to be sent when the server asks for it (RFC 9110 section 10.1.1).
    """

    __slots__ = (
        "_repeated", "attends", "authentication", "body", "built_head", "closes", "connect_timeout", "cookies",
        "deadline", "expects_continue", "fields", "http2_head", "max_decoded_size", "method", "origin", "pool_timeout",
        "recv_timeout", "retry", "send_timeout", "uri",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917
        self,
        method: str,
        uri: TgoURI,
        fields: list[tuple[str, str]],
        body: Body | None,
        connect_timeout: float,
        recv_timeout: float,
        deadline: float,
        head: bytes = b"",
        max_decoded_size: int = MAX_DECODED_SIZE,
        *,
        send_timeout: float | None = None,
        pool_timeout: float | None = None,
        authentication: Authentication | None = None,
        retry: RetryPolicy | None = None,
        cookies: str | None = "",
    ) -> None:
        self.method = method
        self.uri = uri
        self.fields = fields
        self.body = body
        self.connect_timeout = connect_timeout
        self.recv_timeout = recv_timeout
        self.deadline = deadline
        self.send_timeout = recv_timeout if send_timeout is None else send_timeout
        self.pool_timeout = pool_timeout
        self.max_decoded_size = max_decoded_size
        self.authentication = authentication
        self.retry = retry
        self.cookies = cookies
        self.attends = retry is not None or (authentication is not None and authentication.learns)
        self.built_head = head
        self.origin: Origin | None = None
        self._repeated = False
        self.http2_head: HeaderTemplate | None = None
        self.closes = bool(head) and _says_close(head)
        self.expects_continue = body is not None and ("expect", "100-continue") in [
            (name.lower(), value.lower()) for name, value in fields if len(name) == 6
        ]

    @property
    def idempotent(self) -> bool:
        """Sending it twice does what sending it once does (RFC 9110 section 9.2.2)."""
        return self.method in IDEMPOTENT_METHODS

    @property
    def repeatable(self) -> bool:
        """Its body, if it has one, can be sent again."""
        return self.body is None or self.body.repeatable

    def http1_head(self) -> bytes:
        """The head as HTTP/1.1 sends it, built once.

        :raises InvalidRequestError: the method or a field may not be sent.
        """
        head = self.built_head
        if not head:
            head = self.built_head = build_head(self.method, self.uri.target, self.fields)
            self.closes = _says_close(head)
        return head

    def keep_http2_head(self) -> None:
        """Keep the head as HTTP/2 sends it, from the second time on: most requests are made once, and what a session
        keeps of others is good enough for them.
        """
        if not self._repeated:
            self._repeated = True
        elif self.body is None:
            from .http2.request import HeaderTemplate

            uri = self.uri
            template = HeaderTemplate(self.method, uri.scheme, uri.authority, self.fields)
            template.set_path(uri.target)
            self.http2_head = template

    def with_changes(
        self,
        method: str,
        uri: TgoURI,
        fields: list[tuple[str, str]],
        body: Body | None,
        authentication: Authentication | None,
    ) -> Request:
        """Return a request that follows from this one and has its limits."""
        return Request(
            method,
            uri,
            fields,
            body,
            self.connect_timeout,
            self.recv_timeout,
            self.deadline,
            max_decoded_size=self.max_decoded_size,
            send_timeout=self.send_timeout,
            pool_timeout=self.pool_timeout,
            authentication=authentication,
            retry=self.retry,
            cookies=self.cookies,
        )

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri.origin}>"
