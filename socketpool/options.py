"""What is said of a connection before it is made: the peer, and how to speak TLS with it.

Delphi: the options of Grijjy.SocketPool.Linux.TgoSocketConnection
"""

from __future__ import annotations

from .constants import SEND_QUEUE_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openssl_api import TgoOpenSSL, TlsContext, TlsEngine

    from .resolver import Address
    from .tunnel import Detour


_LAST_PORT = 65535


class ConnectionOptions:
    """The peer of a connection, and how to speak TLS with it. Set before connecting.

    :param hostname: a host name or a literal IPv4 or IPv6 address.
    :param port: the TCP port.
    :raises ValueError: there is no such port.
    """

    __slots__ = (
        "_hostname", "_openssl", "_port", "addresses", "alpn", "detour", "on_addresses", "send_queue_limit", "ssl",
        "tls_context",
    )  # fmt: skip

    def __init__(self, hostname: str, port: int) -> None:
        self._hostname = hostname
        self._openssl: TgoOpenSSL | None = None
        if not 0 <= port <= _LAST_PORT:
            raise ValueError(f"{port} is no TCP port")
        self._port = port
        #: Speak TLS, verified unless the context says otherwise.
        #: Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.SSL
        self.ssl = False
        #: Insist on HTTP/2 by ALPN: a peer that doesn't agree fails the connection.
        #: Differs from Delphi: there a refusal was only logged, and the caller waited for the time limit.
        #: Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.ALPN
        self.alpn = False
        #: What to verify, offer and present in TLS; ``None`` for one made from the other options.
        self.tls_context: TlsContext | None = None
        #: Where to connect instead of looking :attr:`hostname` up.
        self.addresses: Sequence[Address] | None = None
        #: Called with the peer's addresses when they are known, before any of them is connected to; the OSError that it
        #: raises is why the connection isn't made. Not called where another host is asked to look the peer up.
        self.on_addresses: Callable[[Sequence[Address]], object] | None = None
        #: Through which host to connect; TLS, where it is asked for, is spoken with the peer through that one.
        self.detour: Detour | None = None
        #: Bytes that may wait for the peer to take them before ``send`` refuses more.
        self.send_queue_limit = SEND_QUEUE_LIMIT

    @property
    def hostname(self) -> str:
        """The peer's name or literal address; TLS verifies this.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Hostname
        """
        return self._hostname

    @hostname.setter
    def hostname(self, value: str) -> None:
        self._hostname = value
        if self._openssl is not None:
            self._openssl.host = value

    @property
    def port(self) -> int:
        """The peer's TCP port. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Port"""
        return self._port

    @port.setter
    def port(self, value: int) -> None:
        if not 0 <= value <= _LAST_PORT:
            raise ValueError(f"{value} is no TCP port")
        self._port = value
        if self._openssl is not None:
            self._openssl.port = value

    @property
    def openssl(self) -> TgoOpenSSL:
        """The certificate options, the name that TLS verifies (``host``), and what became of them: once connected,
        ``alpn()`` and ``engine`` are those of the connection. Its other methods aren't for use here.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.OpenSSL
        """
        if self._openssl is None:
            from openssl_api import TgoOpenSSL

            openssl = TgoOpenSSL(self.tls_context)
            openssl.host = self._hostname
            openssl.port = self._port
            openssl.engine = self._engine()
            self._openssl = openssl
        return self._openssl

    def _engine(self) -> TlsEngine | None:
        """The TLS side of the connection, while it is connected."""
        return None

    @property
    def identity(self) -> tuple[bytes, bytes, str]:
        """The client's certificate, private key and password; each empty where there is none."""
        openssl = self._openssl
        return (b"", b"", "") if openssl is None else (openssl.certificate, openssl.private_key, openssl.password)

    @property
    def certificate(self) -> bytes:
        """The client's certificate, or chain, in PEM format. Set before connecting.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Certificate
        """
        return b"" if self._openssl is None else self._openssl.certificate

    @certificate.setter
    def certificate(self, value: bytes) -> None:
        self.openssl.certificate = value

    @property
    def private_key(self) -> bytes:
        """The client's private key in PEM format; by default it is looked for in :attr:`certificate`.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.PrivateKey
        """
        return b"" if self._openssl is None else self._openssl.private_key

    @private_key.setter
    def private_key(self, value: bytes) -> None:
        self.openssl.private_key = value

    @property
    def password(self) -> str:
        """The password of the private key. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Password"""
        return "" if self._openssl is None else self._openssl.password

    @password.setter
    def password(self, value: str) -> None:
        self.openssl.password = value
