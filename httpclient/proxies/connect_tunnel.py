"""CONNECT: asking an HTTP proxy for a tunnel to a host (RFC 9110 section 9.3.6).

No I/O: see :class:`socketpool.tunnel.Tunnel` for who calls this, and how.

No Delphi origin.
"""

from __future__ import annotations

import re

from ..errors import HttpProtocolError, ProxyError
from ..head import Http1ResponseHead
from ..http1._head import canonical_head, check_start
from ..http1.request import build_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .login import ProxyLogin

#: Bytes that the answer of a proxy may have, with everything that it says before (1xx).
MAX_ANSWER_SIZE = 64 * 1024

#: How much of the text that comes with a refusal is read.
_BODY_LOOKED_AT = 1024
_BODY_SHOWN = 200

#: How often credentials are sent after a refusal: once for the challenge, once more where its nonce had been too old.
_TRIES = 2

_find_end = re.compile(rb"\n\r?\n").search


class ConnectTunnel:
    """A tunnel through an HTTP proxy. For one attempt to connect.

    :param authority: host and port that it is to lead to; IPv6 addresses in brackets (RFC 9112 section 3.2.3).
    :param proxy: the proxy's name, for messages.
    :param login: what authenticates this side; ``None`` if nothing does.
    :param user_agent: what this side calls itself; empty to say nothing.

    :ivar done: what follows belongs to the host.
    :ivar again: the proxy wants to know who asks, which needs another connection.
    """

    __slots__ = (
        "_authority", "_buffer", "_login", "_next", "_proxy", "_refusal", "_sent", "_size", "_tries", "_user_agent",
        "again", "done",
    )  # fmt: skip

    def __init__(self, authority: str, proxy: str, login: ProxyLogin | None = None, user_agent: str = "") -> None:
        self._authority = authority
        self._proxy = proxy
        self._login = login
        self._user_agent = user_agent
        self._buffer = bytearray()
        self._size = 0
        self._refusal: Http1ResponseHead | None = None
        #: The credentials that were refused last, those to try next, and how often there were such.
        self._sent = ""
        self._next = ""
        self._tries = 0
        self.done = False
        self.again = False

    def start(self, addresses: list[bytes]) -> bytes:
        """Return the request (RFC 9112 section 3.2.3)."""
        self._buffer.clear()
        self._size = 0
        self._refusal = None
        self.again = False
        fields = [("Host", self._authority)]
        if self._user_agent:
            fields.append(("User-Agent", self._user_agent))
        if self._login is not None:
            self._sent = self._next or self._login.authorize("CONNECT", self._authority)
            if self._sent:
                fields.append(("Proxy-Authorization", self._sent))
        return build_head("CONNECT", self._authority, fields)

    def receive(self, data: bytes) -> tuple[int, bytes]:
        """Take in a part of the answer.

        :return: how many bytes of it are the proxy's, and nothing to send.
        :raises ProxyError: it refuses, or has closed the connection.
        :raises HttpProtocolError: it doesn't answer in HTTP, or not in bounds.
        """
        if not data:
            self.pause()
            raise ProxyError(f"the proxy {self._proxy} closed the connection instead of making a tunnel")
        buffer = self._buffer
        if self._refusal is not None:
            buffer += data
            if len(buffer) >= _BODY_LOOKED_AT:
                self.pause()
            return len(data), b""
        before = len(buffer)
        buffer += data
        self._size += len(data)
        try:
            if before < 5:
                check_start(bytes(buffer[:5]))
            start = max(0, before - 2)
            while (end := _find_end(buffer, start)) is not None:
                block = canonical_head(bytes(buffer[: end.end()]))
                head = Http1ResponseHead(int(block[9:12]), block)
                del buffer[: end.end()]
                if not 100 <= head.status < 200 or head.status == 101:
                    return self._answered(head, len(data)), b""
                start = 0
                check_start(bytes(buffer[:5]))
        except HttpProtocolError as error:
            raise ProxyError(f"the proxy {self._proxy}: {error.what}", advice=error.advice) from error
        if self._size > MAX_ANSWER_SIZE:
            raise ProxyError(f"the proxy {self._proxy} answers with more than {MAX_ANSWER_SIZE} bytes of header fields")
        return len(data), b""

    def _answered(self, head: Http1ResponseHead, received: int) -> int:
        """The final head is there; what is in the buffer came behind it. Return how many bytes were the proxy's."""
        buffer = self._buffer
        if 200 <= head.status < 300:
            # RFC 9110 section 9.3.6: no body follows, whatever the fields say.
            self.done = True
            return received - len(buffer)
        if head.status == 407 and self._login is not None and self._tries < _TRIES:
            self._tries += 1
            self._next = self._login.respond("CONNECT", self._authority, head, self._sent)
            if self._next:
                # RFC 9110 section 11.7.1. On a new connection: many proxies close this one.
                self.again = True
                return received
        self._refusal = head
        if len(buffer) >= _BODY_LOOKED_AT:
            self.pause()
        return received

    def pause(self) -> None:
        """Nothing more is there for the moment: if the proxy has refused, that is all that will be read of it.

        :raises ProxyError: it has.
        """
        head = self._refusal
        if head is None:
            return
        reason = "".join(c if c.isprintable() else "?" for c in head.reason.decode("latin-1"))
        what = f"the proxy {self._proxy} refuses to connect to {self._authority}: {head.status} {reason}".rstrip()
        if head.status in {401, 407}:  # RFC 9110 has 407 for this, and some proxies use both
            advice = (
                "Give user name and password in the URL of the proxy"
                if self._login is None
                else "Look at user name and password of the proxy"
            )
        else:
            text = _readable(bytes(self._buffer[:_BODY_LOOKED_AT]))
            advice = f"The proxy says: {text}" if text else ""
        raise ProxyError(what, status_code=head.status, advice=advice)


def _readable(body: bytes) -> str:
    """Return the words of a text, or of a page in HTML, as a message may show them."""
    text = body.decode("utf-8", "replace")
    text = re.sub(r"(?is)<(style|script|head|!--).*?(</\1>|-->|$)", " ", text) if "<" in text else text
    text = re.sub(r"<[^<>]*>?", " ", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _BODY_SHOWN else text[:_BODY_SHOWN] + "..."
