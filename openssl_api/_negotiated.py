"""What the handshake of a connection led to: whether that is acceptable, and what there is to know about it."""

from __future__ import annotations

from ctypes import ArgumentError
from functools import lru_cache

from ._failures import certificate_error, pin_error, place, refusal
from ._peer import PeerCertificate, selected_protocol
from .api import SSL_get_peer_certificate
from .client_api import (
    X509_V_OK,
    SSL_CIPHER_get_name,
    SSL_get_current_cipher,
    SSL_get_verify_result,
    SSL_get_version,
    SSL_session_reused,
)
from .errors import TlsClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import c_void_p
    from typing import Any

    from .context import TlsContext
    from .errors import TlsError

#: Stands in for a handle that must not be used (yet, or any more). ctypes refuses it with ArgumentError, where a null
#: pointer would crash OpenSSL; so nothing needs to be checked before a call.
NONE: Any = object()


@lru_cache(16)
def _version_text(name: bytes) -> str:
    """One text for all connections that speak the same version of TLS."""
    return name.decode("ascii")


@lru_cache(256)
def _cipher_name(cipher: int) -> str:
    """The name of a cipher suite, by its ``SSL_CIPHER``: a constant of the library."""
    return str(SSL_CIPHER_get_name(cipher).decode("ascii"))


class Negotiated:
    """The part of an engine that knows with whom, and with what, it is connected.

    :param context: what the connection shares with others.
    :param host: the server's name or address.
    :param port: its port.
    :param offered: the protocols that are offered by ALPN.
    """

    __slots__ = ("_context", "_handle", "_offered", "_peer", "alpn", "host", "port")

    def __init__(self, context: TlsContext, host: str, port: int, offered: tuple[bytes, ...]) -> None:
        self._handle = NONE  # the SSL
        self._context = context
        self._offered = offered
        self._peer: PeerCertificate | None = None
        #: The protocol that the server chose by ALPN; empty if none.
        self.alpn = b""
        self.host = host
        self.port = port

    def _check_peer(self, ssl: c_void_p) -> TlsError | None:
        """Look at what the handshake led to; return what is wrong with it."""
        context = self._context
        # Of a resumed session, it is the certificate of the handshake that began it.
        certificate = SSL_get_peer_certificate(ssl)
        peer = self._peer = PeerCertificate(certificate) if certificate else None
        if context.verify or context.pins is not None:
            # OpenSSL has verified the server. But it takes a server without any certificate for a good one, if the
            # context's cipher list allows for such.
            verify_code = SSL_get_verify_result(ssl) if context.verify else X509_V_OK
            if verify_code != X509_V_OK or peer is None:
                return certificate_error(ssl, self.host, self.port, verify_code)
            if context.pins is not None and not context.pins.match(peer.pointer):
                return pin_error(peer.pointer, self.host, self.port)
        self.alpn = selected_protocol(ssl)
        # RFC 7301 section 3.2: the server chooses from what it was offered. OpenSSL doesn't look.
        if self.alpn and self.alpn not in self._offered:
            return refusal(self.host, self.port, f"the server chose {self.alpn!r} by ALPN, which it was not offered")
        return None

    def _open_handle(self) -> c_void_p:
        ssl = self._handle
        if ssl is NONE:
            raise self._closed_error()
        return ssl  # type: ignore[no-any-return]

    def _closed_error(self) -> TlsClosedError:
        text = f"the TLS connection to {place(self.host, self.port)} has been closed"
        return TlsClosedError(text, host=self.host, port=self.port)

    @property
    def version(self) -> str:
        """The version in use: ``TLSv1.3``."""
        try:
            return _version_text(SSL_get_version(self._handle))
        except ArgumentError:
            raise self._closed_error() from None

    @property
    def cipher(self) -> str:
        """The cipher suite in use: ``TLS_AES_256_GCM_SHA384``; empty before the handshake."""
        try:
            cipher = SSL_get_current_cipher(self._handle)
        except ArgumentError:
            raise self._closed_error() from None
        return _cipher_name(cipher) if cipher else ""

    @property
    def session_reused(self) -> bool:
        """An earlier session was resumed: no certificates were exchanged."""
        try:
            return bool(SSL_session_reused(self._handle))
        except ArgumentError:
            raise self._closed_error() from None

    @property
    def certificate(self) -> PeerCertificate | None:
        """The server's certificate, for any thread and also after the end; ``None`` before the handshake."""
        return self._peer

    def peer_certificate(self) -> bytes:
        """The server's certificate, DER; empty before the handshake."""
        self._open_handle()
        return b"" if self._peer is None else self._peer.der()
