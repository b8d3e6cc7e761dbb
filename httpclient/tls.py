"""What a connection says about its TLS."""

from __future__ import annotations

from sys import intern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openssl_api import TlsEngine
    from socketpool import Stream


class TlsInfo:
    """What was negotiated for a connection, and with whom. Immutable; any thread may look at it, at any time.

    It is made once for a connection, and holds the server's certificate as OpenSSL has it anyway: nothing is copied or
    decoded before somebody asks.

    :param engine: the TLS connection, with its handshake behind it; it isn't needed afterwards.

    :ivar version: the version of TLS: ``TLSv1.3``.
    :ivar cipher: the cipher suite: ``TLS_AES_256_GCM_SHA384``.
    :ivar alpn: the protocol that the server chose (RFC 7301): ``h2``; empty for none.
    :ivar resumed: an earlier session was resumed; the certificate is that of its first handshake.
    """

    __slots__ = ("_certificate", "alpn", "cipher", "resumed", "version")

    def __init__(self, engine: TlsEngine) -> None:
        self.version = engine.version
        self.cipher = engine.cipher
        self.alpn = intern(engine.alpn.decode("ascii", "replace"))
        self.resumed = engine.session_reused
        self._certificate = engine.certificate

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


def tls_info(stream: Stream | None) -> TlsInfo | None:
    """Return what there is to know about the TLS of a connected stream; ``None`` for clear text."""
    engine = None if stream is None else stream.engine
    return None if engine is None else TlsInfo(engine)
