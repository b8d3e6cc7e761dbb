"""SOCKS version 5: asking a proxy to connect to a host (RFC 1928), with user name and password (RFC 1929).

No I/O: see :class:`socketpool.tunnel.Tunnel` for who calls this, and how.

No Delphi origin.
"""

from __future__ import annotations

from ..errors import ProxyError

_VERSION = 5
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4

_NO_AUTHENTICATION = 0
_PASSWORD = 2
_NONE_ACCEPTABLE = 0xFF

#: RFC 1928 section 6.
_REPLIES = {
    1: "general failure",
    2: "its rules don't allow it",
    3: "the network can't be reached",
    4: "the host can't be reached",
    5: "the connection was refused",
    6: "the time to live has expired",
    7: "it doesn't support the command",
    8: "it doesn't support this type of address",
}
#: Those that another address of the host may not meet.
_OF_THE_ADDRESS = frozenset((1, 3, 4, 5, 6, 8))


class Socks5Tunnel:
    """A tunnel through a SOCKS proxy. For one attempt to connect.

    :param host: where it is to lead: a name in ASCII, sent as it is, unless there are addresses instead.
    :param port: its port.
    :param literal: the address that *host* spells out, four or sixteen bytes; empty for a name.
    :param proxy: the proxy's name, for messages.
    :param user_name: empty for none.
    :param password: the password, up to 255 bytes as the user name.

    :ivar done: what follows belongs to the host.
    :ivar again: this address of the host didn't do; the next one needs another connection.
    """

    __slots__ = (
        "_addresses", "_buffer", "_expect", "_host", "_password", "_port", "_proxy", "_tried", "_user_name", "again",
        "done",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917
        self, host: str, port: int, literal: bytes, proxy: str, user_name: str = "", password: str = ""
    ) -> None:
        self._host = host
        self._port = port
        self._proxy = proxy
        self._user_name = user_name.encode("utf-8")
        self._password = password.encode("utf-8")
        self._addresses = [literal] if literal else []
        self._tried = 0
        self._buffer = b""
        self._expect = self._method_chosen
        self.done = False
        self.again = False

    def start(self, addresses: list[bytes]) -> bytes:
        """Return the offer of ways to authenticate (RFC 1928 section 3)."""
        self._addresses = self._addresses or addresses
        self._buffer = b""
        self._expect = self._method_chosen
        self.again = False
        methods = (_NO_AUTHENTICATION, _PASSWORD) if self._user_name else (_NO_AUTHENTICATION,)
        return bytes((_VERSION, len(methods), *methods))

    def receive(self, data: bytes) -> tuple[int, bytes]:
        """Take in a part of what the proxy says.

        :return: how many bytes of it are the proxy's, and what to send.
        :raises ProxyError: it refuses, has closed the connection, or doesn't speak SOCKS.
        """
        if not data:
            raise ProxyError(f"the proxy {self._proxy} closed the connection instead of making a tunnel")
        used = 0
        output = b""
        # No message is longer than 262 bytes, so what is kept of one is never more.
        while used < len(data) and not (self.done or self.again):
            self._buffer += data[used : used + 1]
            used += 1
            answer = self._expect(self._buffer)
            if answer is not None:
                self._buffer = b""
                output += answer
        return used, output

    def pause(self) -> None:
        """Nothing more is there for the moment."""

    # Each returns what to send once its message is complete, and None until then.

    def _method_chosen(self, message: bytes) -> bytes | None:
        """RFC 1928 section 3: version and method."""
        self._check_version(message, _VERSION)
        if len(message) < 2:
            return None
        method = message[1]
        if method == _NO_AUTHENTICATION:
            return self._request()
        if method == _PASSWORD and self._user_name:
            self._expect = self._authenticated
            # RFC 1929 section 2
            return b"".join(
                (b"\x01", bytes((len(self._user_name),)), self._user_name,
                 bytes((len(self._password),)), self._password)
            )  # fmt: skip
        if method == _NONE_ACCEPTABLE:
            raise ProxyError(
                f"the proxy {self._proxy} wants to know who asks, in a way that isn't supported"
                if self._user_name
                else f"the proxy {self._proxy} wants to know who asks",
                advice="" if self._user_name else "Give user name and password in the URL of the proxy",
            )
        raise self._broken(f"it chose the way {method} to authenticate, which it was not offered")

    def _authenticated(self, message: bytes) -> bytes | None:
        """RFC 1929 section 2: version of the negotiation, and status."""
        self._check_version(message, 1)
        if len(message) < 2:
            return None
        if message[1]:
            raise ProxyError(
                f"the proxy {self._proxy} doesn't accept user name and password",
                advice="Look at user name and password of the proxy",
            )
        return self._request()

    def _request(self) -> bytes:
        """RFC 1928 section 4."""
        self._expect = self._replied
        if self._addresses:
            address = self._addresses[self._tried]
            where = bytes((_IPV4 if len(address) == 4 else _IPV6,)) + address
        else:
            name = self._host.encode("ascii")
            if len(name) > 255:
                raise ProxyError(f"SOCKS allows 255 bytes of host name, and this one has {len(name)}")
            where = bytes((_NAME, len(name))) + name
        return bytes((_VERSION, _CONNECT, 0)) + where + self._port.to_bytes(2, "big")

    def _replied(self, message: bytes) -> bytes | None:
        """RFC 1928 section 6: version, reply, a byte without meaning, address and port."""
        self._check_version(message, _VERSION)
        if len(message) < 2:
            return None
        reply = message[1]
        if reply:
            # Not all proxies send the rest, and there is nothing in it.
            if reply in _OF_THE_ADDRESS and self._tried + 1 < len(self._addresses):
                self._tried += 1
                self.again = True
                return b""
            why = _REPLIES.get(reply, f"reply {reply}, which means nothing to SOCKS")
            raise ProxyError(f"the proxy {self._proxy} could not connect to {self._host}:{self._port}: {why}")
        if len(message) < 5:
            return None
        kind = message[3]
        if kind not in {_IPV4, _NAME, _IPV6}:
            raise self._broken(f"it answers with an address of the type {kind}")
        size = {_IPV4: 4, _IPV6: 16, _NAME: 1 + message[4]}[kind]
        if len(message) < 4 + size + 2:
            return None
        self.done = True
        return b""

    def _check_version(self, message: bytes, version: int) -> None:
        if message[0] != version:
            advice = "It may be a proxy for HTTP" if message[:1] in {b"H", b"<"} else ""
            raise self._broken(f"a message starts with {message[:1]!r}", advice)

    def _broken(self, why: str, advice: str = "") -> ProxyError:
        return ProxyError(f"the proxy {self._proxy} doesn't speak SOCKS 5: {why}", advice=advice)
