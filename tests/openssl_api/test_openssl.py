"""The handler with events, and the helpers, of the unit Grijjy.OpenSSL."""

from __future__ import annotations

import hashlib
import hmac
import os
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from openssl_api import (
    DEFAULT_BLOCK_SIZE,
    TgoOpenSSL,
    TgoSSLHelper,
    TlsCertificateError,
    TlsClosedError,
    TlsConfigurationError,
    TlsContext,
    TlsError,
    TlsHandshakeError,
    openssl,
)
from openssl_api.api import SSL_CTX_free, SSL_CTX_new, SSLv23_method

from .conftest import key_pem
from .peers import Handler, Pair

if TYPE_CHECKING:
    import pathlib

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from tests.certificates import Certificates

    from .conftest import ServerContexts

V12 = ssl.TLSVersion.TLSv1_2


@pytest.fixture
def connected(context: TlsContext, server_context: ServerContexts) -> Handler:
    """A handler after the handshake."""
    peer = Handler(server_context(), TgoOpenSSL(context))
    assert peer.handler.connect()
    peer.exchange()
    assert peer.connected == 1
    return peer


class TestHandler:
    def test_connecting(self, context: TlsContext, server_context: ServerContexts) -> None:
        peer = Handler(server_context(), TgoOpenSSL(context))
        assert peer.handler.connect() is True
        # The first message is out before connect returns, and data isn't taken yet.
        assert len(peer.sent) == 1
        assert peer.handler.write(b"too early") is False
        assert peer.connected == 0
        peer.exchange()
        assert peer.connected == 1
        assert peer.server.server_name == "localhost"
        assert peer.handler.alpn() is False
        assert peer.handler.engine is not None
        assert peer.handler.engine.version == "TLSv1.3"

    @pytest.mark.parametrize(("offered", "agreed"), [(True, True), (False, False)])
    @pytest.mark.parametrize("protocols", [["h2", "http/1.1"], ["http/1.1"]])
    def test_alpn(
        self,
        offered: bool,
        agreed: bool,
        protocols: list[str],
        context: TlsContext,
        server_context: ServerContexts,
    ) -> None:
        peer = Handler(server_context(alpn=protocols), TgoOpenSSL(context))
        assert peer.handler.alpn() is False
        peer.handler.connect(offered)
        peer.exchange()
        assert peer.handler.alpn() is (agreed and "h2" in protocols)

    def test_data(self, connected: Handler) -> None:
        data = os.urandom(200_000)
        connected.sent.clear()
        assert connected.handler.write(data) is True
        assert connected.server.received() == data
        for start in range(0, len(data), 30_000):
            connected.server.tls.write(data[start : start + 30_000])
        connected.handler.read(connected.server.outgoing.read())
        assert connected.received == data

    def test_kinds_of_input(self, connected: Handler) -> None:
        for kind in (bytes, bytearray, memoryview):
            connected.server.tls.write(b"data")
            connected.handler.read(kind(connected.server.outgoing.read()))
        assert connected.received == b"data" * 3
        connected.handler.read()
        connected.handler.write(b"")
        assert connected.received == b"data" * 3

    def test_byte_by_byte(self, context: TlsContext, server_context: ServerContexts) -> None:
        peer = Handler(server_context(), TgoOpenSSL(context))
        peer.handler.connect()
        for _ in range(3):
            peer.server.handshake()
            if peer.server.connected and not peer.received:
                peer.server.tls.write(b"data")
            for byte in peer.server.outgoing.read():
                peer.handler.read(bytes((byte,)))
        assert (peer.connected, peer.received) == (1, b"data")

    def test_everything_is_sent(self, certificates: Certificates, server_context: ServerContexts) -> None:
        """The original passes on 4096 bytes of a handshake message and forgets the rest."""
        identity = certificates.client_big_chain
        handler = TgoOpenSSL(ca_file=certificates.ca_file)
        handler.certificate = identity.certificate_pem
        handler.private_key = identity.key_pem
        with handler:
            peer = Handler(server_context(client_ca=certificates.ca_file), handler)
            handler.connect()
            peer.exchange()
            assert peer.server.connected
            assert peer.connected == 1
            assert sum(map(len, peer.sent)) > 4 * DEFAULT_BLOCK_SIZE

    def test_without_events(self, context: TlsContext, server_context: ServerContexts) -> None:
        """What nobody takes waits."""
        handler = TgoOpenSSL(context)
        peer = Handler(server_context(), handler)
        handler.on_write = handler.on_read = handler.on_connected = None
        handler.connect()
        assert peer.sent == []
        handler.on_write = peer._on_write
        handler.read()
        peer.exchange()
        assert peer.server.connected
        peer.server.tls.write(b"data")
        handler.read(peer.server.outgoing.read())
        handler.release()

    def test_resumption(self, context: TlsContext, server_context: ServerContexts) -> None:
        server = server_context()
        reused = []
        handler = TgoOpenSSL(context)
        for _ in range(3):
            peer = Handler(server, handler)
            handler.connect()
            peer.exchange()
            assert handler.engine is not None
            reused.append(handler.engine.session_reused)
            handler.release()
        assert reused == [False, True, True]


class TestContexts:
    def test_the_servers_certificate_is_verified_by_default(self, server_context: ServerContexts) -> None:
        for handler in (TgoOpenSSL(), TgoOpenSSL(verify=True)):
            peer = Handler(server_context(), handler)
            handler.connect()
            with pytest.raises(TlsCertificateError):
                peer.exchange()
            assert peer.connected == 0
            handler.close()

    def test_options(self, certificates: Certificates, server_context: ServerContexts) -> None:
        for handler in (
            TgoOpenSSL(verify=False),
            TgoOpenSSL(ca_file=certificates.ca_file),
            TgoOpenSSL(ca_data=certificates.ca_pem),
        ):
            with handler:
                peer = Handler(server_context(), handler)
                handler.connect()
                peer.exchange()
                assert peer.connected == 1

    def test_shared_where_nothing_special_is_asked_for(self) -> None:
        first, second, special = TgoOpenSSL(), TgoOpenSSL(), TgoOpenSSL(verify=False)
        assert first._choose_context() is second._choose_context()
        assert special._choose_context() is not first._choose_context()
        assert special._choose_context() is special._choose_context()
        special.close()

    def test_a_certificate_that_is_set_later(self, certificates: Certificates, server_context: ServerContexts) -> None:
        identity = certificates.client_encrypted
        server = server_context(client_ca=certificates.ca_file, maximum=V12)
        with TgoOpenSSL(ca_file=certificates.ca_file) as handler:
            peer = Handler(server, handler)
            handler.connect()
            with pytest.raises(TlsHandshakeError, match="client certificate"):
                for _ in range(2):
                    peer.exchange()
                    handler.read(peer.server.outgoing.read())
            handler.release()
            handler.certificate = identity.certificate_pem
            handler.private_key = identity.key_pem
            with pytest.raises(TlsConfigurationError, match="no password"):
                handler.connect()
            handler.password = identity.password
            peer = Handler(server, handler)
            handler.connect()
            peer.exchange()
            assert peer.server.connected

    def test_certificate_and_key_together(self, certificates: Certificates, server_context: ServerContexts) -> None:
        identity = certificates.client
        with TgoOpenSSL(ca_file=certificates.ca_file) as handler:
            handler.certificate = identity.key_pem + identity.certificate_pem
            peer = Handler(server_context(client_ca=certificates.ca_file), handler)
            handler.connect()
            peer.exchange()
            assert peer.server.connected

    def test_a_context_has_its_own_certificate(self, context: TlsContext, certificates: Certificates) -> None:
        handler = TgoOpenSSL(context)
        handler.host = "localhost"
        handler.certificate = certificates.client.certificate_pem
        with pytest.raises(TlsConfigurationError, match="belongs into the context"):
            handler.connect()


class TestFailures:
    def test_a_failed_handshake_is_raised_at_once(
        self, certificates: Certificates, context: TlsContext, server_context: ServerContexts
    ) -> None:
        peer = Handler(server_context(certificates.wrong_host), TgoOpenSSL(context))
        peer.handler.connect()
        with pytest.raises(TlsCertificateError, match="localhost:443"):
            peer.exchange()
        # The alert went out all the same.
        peer.server.handshake()
        assert peer.server.error is not None
        assert peer.connected == 0
        assert peer.handler.write(b"secret") is False
        with pytest.raises(TlsCertificateError):
            peer.handler.read()

    def test_a_server_that_speaks_no_tls(self, context: TlsContext, server_context: ServerContexts) -> None:
        peer = Handler(server_context(), TgoOpenSSL(context))
        peer.handler.connect()
        with pytest.raises(TlsHandshakeError, match="does not seem to speak TLS"):
            peer.handler.read(b"220 smtp.example.org ESMTP\r\n")

    def test_damage(self, connected: Handler) -> None:
        connected.server.tls.write(b"good")
        good = connected.server.outgoing.read()
        connected.server.tls.write(b"bad")
        bad = bytearray(connected.server.outgoing.read())
        bad[-1] ^= 1
        with pytest.raises(TlsError, match="bad record mac"):
            connected.handler.read(good + bad)
        assert connected.received == b"good"
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
            connected.server.tls.read(1)

    def test_no_host(self, context: TlsContext) -> None:
        handler = TgoOpenSSL(context)
        with pytest.raises(TlsConfigurationError):
            handler.connect()
        assert handler.engine is None

    def test_use_without_a_connection(self, context: TlsContext) -> None:
        handler = TgoOpenSSL(context)
        for use in (handler.read, handler.read_eof, lambda: handler.write(b"x")):
            with pytest.raises(TlsClosedError):
                use()
        handler.release()
        handler.close()
        assert not handler.alpn()
        assert not handler.truncated
        assert handler.engine is None

    def test_connecting_twice(self, connected: Handler) -> None:
        with pytest.raises(TlsError, match="release it first"):
            connected.handler.connect()

    def test_an_exception_in_an_event(self, connected: Handler) -> None:
        def fail(data: bytes) -> None:
            raise LookupError("mine")

        connected.handler.on_read = fail
        connected.server.tls.write(b"data")
        with pytest.raises(LookupError, match="mine"):
            connected.handler.read(connected.server.outgoing.read())
        connected.handler.on_write = fail
        with pytest.raises(LookupError, match="mine"):
            connected.handler.write(b"data")
        with pytest.raises(LookupError, match="mine"):
            connected.handler.release()
        assert connected.handler.engine is None


class TestEnd:
    def test_release_says_goodbye(self, connected: Handler) -> None:
        connected.handler.release()
        assert connected.server.tls.read(1) == b""
        assert connected.handler.engine is None
        connected.handler.release()
        with pytest.raises(TlsClosedError):
            connected.handler.write(b"x")

    def test_the_server_says_goodbye(self, connected: Handler) -> None:
        connected.server.tls.write(b"last words")
        with pytest.raises(ssl.SSLWantReadError):
            connected.server.tls.unwrap()
        assert not connected.handler.ended
        connected.handler.read(connected.server.outgoing.read())
        assert connected.received == b"last words"
        assert connected.handler.ended
        connected.handler.read_eof()
        assert connected.handler.ended
        assert not connected.handler.truncated

    def test_truncation(self, connected: Handler) -> None:
        connected.server.tls.write(b"last words")
        connected.handler.read(connected.server.outgoing.read())
        assert not connected.handler.ended
        connected.handler.read_eof()
        assert connected.handler.ended
        assert connected.handler.truncated

    def test_the_connection_ends_in_the_handshake(self, context: TlsContext, server_context: ServerContexts) -> None:
        peer = Handler(server_context(), TgoOpenSSL(context))
        peer.handler.connect()
        with pytest.raises(TlsHandshakeError, match="closed the connection"):
            peer.handler.read_eof()

    def test_releasing_in_an_event(self, context: TlsContext, server_context: ServerContexts) -> None:
        server = server_context()
        for event in ("on_connected", "on_read", "on_write"):
            handler = TgoOpenSSL(context)
            peer = Handler(server, handler)
            handler.connect()
            if event != "on_connected":
                peer.exchange()
            setattr(handler, event, lambda *data: handler.release())  # noqa: B023
            if event == "on_write":
                with pytest.raises(TlsClosedError, match="released while"):
                    handler.write(b"x" * 100_000)
            else:
                peer.server.handshake()
                if event == "on_read":
                    peer.server.tls.write(b"x" * 100_000)
                handler.read(peer.server.outgoing.read())
                peer.server.handshake()
            assert handler.engine is None

    def test_answering_in_an_event(self, connected: Handler) -> None:
        """The usual thing: on_read writes."""
        connected.handler.on_read = connected.handler.write
        connected.server.tls.write(b"ping" * 10_000)
        connected.handler.read(connected.server.outgoing.read())
        assert connected.server.received() == b"ping" * 10_000

    def test_renewed(self, connected: Handler, server_context: ServerContexts) -> None:
        connected.handler.release()
        connected.handler.connect()
        assert not connected.handler.ended


class TestSetCertificate:
    def connects(self, context: TlsContext, server: ssl.SSLContext) -> bool:
        with Pair(server, context).handshake() as pair:
            return bool(pair.server.tls.getpeercert()) if pair.server.connected else False

    def test_bytes_and_files(
        self, certificates: Certificates, context: TlsContext, server_context: ServerContexts
    ) -> None:
        server = server_context(client_ca=certificates.ca_file)
        assert not self.connects(context, server)
        identity = certificates.client
        TgoSSLHelper.set_certificate(context, identity.certificate_pem, identity.key_pem)
        assert self.connects(context, server)
        identity = certificates.client_encrypted
        TgoSSLHelper.set_certificate(context, identity.certificate, str(identity.key), identity.password)
        assert self.connects(context, server)

    def test_a_raw_context(self, certificates: Certificates) -> None:
        raw = SSL_CTX_new(SSLv23_method())
        try:
            identity = certificates.server_rsa
            TgoSSLHelper.set_certificate(raw, identity.certificate_pem, identity.key_pem)
            with pytest.raises(TlsConfigurationError, match="does not match"):
                TgoSSLHelper.set_certificate(raw, identity.certificate_pem, certificates.client.key_pem)
        finally:
            SSL_CTX_free(raw)

    def test_the_chain_of_an_earlier_certificate_is_forgotten(
        self, certificates: Certificates, context: TlsContext, server_context: ServerContexts
    ) -> None:
        big, small = certificates.client_big_chain, certificates.client
        TgoSSLHelper.set_certificate(context, big.certificate, big.key)
        TgoSSLHelper.set_certificate(context, small.certificate, small.key)
        with Pair(server_context(client_ca=certificates.ca_file), context).handshake() as pair:
            assert pair.server.connected
            assert max(map(len, pair.flights)) < 8192

    def test_missing_files(self, context: TlsContext, certificates: Certificates, tmp_path: pathlib.Path) -> None:
        with pytest.raises(TlsConfigurationError, match="the certificate cannot be read"):
            TgoSSLHelper.set_certificate(context, tmp_path / "none", certificates.client.key)
        with pytest.raises(TlsConfigurationError, match="the private key cannot be read"):
            TgoSSLHelper.set_certificate(context, certificates.client.certificate, tmp_path / "none")


class TestSignatures:
    @pytest.mark.parametrize("data", [b"", b"data", b"x" * 1_000_000])
    @pytest.mark.parametrize("pkcs8", [True, False])
    def test_verified_by_another_implementation(self, data: bytes, pkcs8: bool, rsa_key: RSAPrivateKey) -> None:
        signature = TgoSSLHelper.sign_rsa_sha256(data, key_pem(rsa_key, pkcs8=pkcs8))
        assert len(signature) == 256
        rsa_key.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        with pytest.raises(InvalidSignature):
            rsa_key.public_key().verify(signature, data + b"x", padding.PKCS1v15(), hashes.SHA256())
        # RFC 8017 section 8.2: the same data gives the same signature.
        assert signature == rsa_key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def test_encrypted_keys(self, rsa_key: RSAPrivateKey) -> None:
        pem = key_pem(rsa_key, "secret")
        assert TgoSSLHelper.sign_rsa_sha256(b"data", pem, "secret") == rsa_key.sign(
            b"data", padding.PKCS1v15(), hashes.SHA256()
        )
        with pytest.raises(TlsConfigurationError, match="no password was given"):
            TgoSSLHelper.sign_rsa_sha256(b"data", pem)

    def test_keys_that_cannot_be_used(self, ec_key: EllipticCurvePrivateKey) -> None:
        with pytest.raises(TlsConfigurationError, match="not an RSA key"):
            TgoSSLHelper.sign_rsa_sha256(b"data", key_pem(ec_key))
        with pytest.raises(TlsConfigurationError, match="no private key"):
            TgoSSLHelper.sign_rsa_sha256(b"data", b"garbage")


@pytest.mark.parametrize("key", [b"", b"key", b"k" * 64, b"k" * 65, b"nul\0inside"])
@pytest.mark.parametrize("data", [b"", b"data", b"x" * 100_000, b"nul\0inside"])
def test_message_authentication(key: bytes, data: bytes) -> None:
    assert TgoSSLHelper.hmac_sha256(key, data) == hmac.new(key, data, hashlib.sha256).hexdigest()
    assert TgoSSLHelper.hmac_sha1(key, data) == hmac.new(key, data, hashlib.sha1).digest()


def test_a_published_vector() -> None:
    """RFC 4231 section 4.3."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert TgoSSLHelper.hmac_sha256(b"Jefe", b"what do ya want for nothing?") == expected


def test_loading_and_unloading() -> None:
    TgoSSLHelper.load_ssl()
    TgoSSLHelper.unload_ssl()
    TgoSSLHelper.unload_ssl()
    assert TgoSSLHelper.hmac_sha1(b"key", b"data")


def test_the_blocks_that_are_used_are_larger() -> None:
    assert DEFAULT_BLOCK_SIZE == 4096
    assert openssl._BUFFER_SIZE > 16384 + 256 + 5
