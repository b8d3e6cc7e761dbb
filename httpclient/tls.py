"""What a connection says about its TLS."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openssl_api import TlsEngine


class TlsInfo:
    """What was negotiated for a connection, and with whom. Immutable; any thread may look at it, at any time.

    It holds the session as OpenSSL has it anyway: nothing is copied or decoded before somebody asks.

    :param engine: the TLS connection, with its handshake behind it; it may have ended, and isn't needed afterwards.

    :ivar version: the version of TLS: ``TLSv1.3``.
    :ivar cipher: the cipher suite: ``TLS_AES_256_GCM_SHA384``.
    :ivar alpn: the protocol that the server chose (RFC 7301): ``h2``; empty for none.
    :ivar resumed: an earlier session was resumed; the certificate is that of its first handshake.
    """

    __slots__ = ("_certificate", "alpn", "cipher", "resumed", "version")

    def __init__(self, engine: TlsEngine) -> None:
        session = engine.session
        assert session is not None
        self.version = session.version
        self.cipher = session.cipher
        self.alpn = engine.alpn.decode("ascii", "replace")
        self.resumed = engine.resumed
        self._certificate = session.certificate

    @property
    def certificate(self) -> bytes:
        """The server's own certificate in DER; empty if it has none, which only happens unverified."""
        return b"" if self._certificate is None else self._certificate.der()

    @property
    def certificate_pem(self) -> str:
        """The server's own certificate in PEM (RFC 7468); empty if it has none."""
        der = self.certificate
        if not der:
            return ""
        from binascii import b2a_base64

        text = b2a_base64(der, newline=False).decode("ascii")
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))

    def is_for(self, host: str) -> bool:
        """Tell whether the server's certificate is for another host name, too (RFC 9525)."""
        return self._certificate is not None and self._certificate.is_for(host)

    def __str__(self) -> str:
        """Version, cipher and ALPN protocol: ``TLSv1.3, TLS_AES_256_GCM_SHA384, h2``."""
        return ", ".join(filter(None, (self.version, self.cipher, self.alpn)))

    def __repr__(self) -> str:
        return f"<TlsInfo {self}{', resumed' if self.resumed else ''}>"
