"""What a context can be given, and what it says to what it cannot use."""

from __future__ import annotations

import gc
import ssl
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from openssl_api import (
    TLS1_2_VERSION,
    TLS1_3_VERSION,
    TlsClosedError,
    TlsConfigurationError,
    TlsContext,
    TlsError,
)
from openssl_api.api import SSL_OP_NO_COMPRESSION, SetSSLCTXOptions
from openssl_api.client_api import SSL_OP_NO_RENEGOTIATION, TLS1_1_VERSION, TLS1_VERSION

from .conftest import key_pem
from .peers import Pair

if TYPE_CHECKING:
    import pathlib

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from tests.certificates import Certificates

    from .conftest import Contexts, ServerContexts


class TestAuthorities:
    def test_file(self, certificates: Certificates, server_context: ServerContexts) -> None:
        for path in (certificates.ca_file, str(certificates.ca_file)):
            with TlsContext(ca_file=path) as context, Pair(server_context(), context) as pair:
                pair.handshake()

    def test_directory(
        self, tmp_path: pathlib.Path, certificates: Certificates, server_context: ServerContexts
    ) -> None:
        import subprocess

        (tmp_path / "ca.pem").write_bytes(certificates.ca_pem)
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
        with TlsContext(ca_directory=tmp_path) as context, Pair(server_context(), context) as pair:
            pair.handshake()

    def test_data(self, certificates: Certificates, server_context: ServerContexts) -> None:
        pem = certificates.ca_pem
        other = certificates.self_signed.certificate_pem
        der = ssl.PEM_cert_to_DER_cert(pem.decode())
        other_der = ssl.PEM_cert_to_DER_cert(other.decode())
        texts = (pem, pem.decode(), b"a comment\n" + other + b"\nanother\n" + pem, der, other_der + der, pem + pem)
        for data in texts:
            with TlsContext(ca_data=data) as context, Pair(server_context(), context) as pair:
                pair.handshake()

    def test_several(self, certificates: Certificates, server_context: ServerContexts) -> None:
        """A file and data are both trusted."""
        other = certificates.self_signed
        with TlsContext(ca_file=certificates.ca_file, ca_data=other.certificate_pem) as context:
            for identity in (certificates.server, other):
                with Pair(server_context(identity), context) as pair:
                    pair.handshake()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"ca_file": "/nowhere/ca.pem"}, ["/nowhere/ca.pem", "No such file"]),
            ({"ca_directory": "/nowhere/certs"}, ["/nowhere/certs", "does not exist"]),
            ({"ca_data": b""}, ["CA data", "no certificate"]),
            ({"ca_data": ""}, ["CA data", "no certificate"]),
            ({"ca_data": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, ["CA data"]),
            ({"ca_data": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, ["no certificate"]),
            ({"ca_data": b"\x30\x03abc"}, ["CA data"]),
        ],
    )
    def test_useless_ones(self, options: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(TlsConfigurationError) as caught:
            TlsContext(**options)
        assert all(word in str(caught.value) for word in words), caught.value

    def test_damage_behind_a_good_certificate(self, certificates: Certificates) -> None:
        with pytest.raises(TlsConfigurationError):
            TlsContext(ca_data=certificates.ca_pem + b"-----BEGIN CERTIFICATE-----\nAA")
        with pytest.raises(TlsConfigurationError):
            TlsContext(ca_data=ssl.PEM_cert_to_DER_cert(certificates.ca_pem.decode()) + b"x")

    def test_a_file_without_certificates(self, tmp_path: pathlib.Path) -> None:
        (tmp_path / "empty.pem").write_bytes(b"")
        with pytest.raises(TlsConfigurationError, match=r"empty\.pem"):
            TlsContext(ca_file=tmp_path / "empty.pem")


class TestIdentity:
    def test_paths_and_bytes(
        self, certificates: Certificates, make_context: Contexts, server_context: ServerContexts
    ) -> None:
        identity = certificates.client
        both = identity.certificate_pem + identity.key_pem
        server = server_context(client_ca=certificates.ca_file)
        for options in (
            {"certificate": identity.certificate, "private_key": identity.key},
            {"certificate": str(identity.certificate), "private_key": str(identity.key)},
            {"certificate": identity.certificate_pem, "private_key": identity.key_pem},
            {"certificate": both},
            {"certificate": both.decode()},
            {"certificate": str(identity.certificate), "private_key": identity.key_pem.decode()},
        ):
            with Pair(server, make_context(**options)).handshake() as pair:
                assert pair.server.connected

    @pytest.mark.parametrize("pkcs8", [True, False])
    def test_passwords(
        self, pkcs8: bool, make_context: Contexts, certificates: Certificates, tmp_path: pathlib.Path
    ) -> None:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        identity = certificates.client
        key: Any = load_pem_private_key(identity.key_pem, None)
        encrypted = key_pem(key, "pässword", pkcs8=pkcs8)
        assert b"ENCRYPTED" in encrypted
        make_context(certificate=identity.certificate, private_key=encrypted, password="pässword")
        # None of these may ask on the terminal, which would wait for ever.
        with pytest.raises(TlsConfigurationError, match="it is encrypted, and no password was given"):
            make_context(certificate=identity.certificate, private_key=encrypted)
        with pytest.raises(TlsConfigurationError, match="the password does not open it"):
            make_context(certificate=identity.certificate, private_key=encrypted, password="wrong")
        for password in ("x" * 1024, "a\0b"):
            with pytest.raises(TlsConfigurationError, match="shorter than 1024 bytes and contain no NUL"):
                make_context(certificate=identity.certificate, private_key=encrypted, password=password)
        make_context(certificate=identity.certificate, private_key=identity.key, password="not needed")

    def test_what_does_not_belong_together(
        self, certificates: Certificates, make_context: Contexts, ec_key: EllipticCurvePrivateKey
    ) -> None:
        identity = certificates.client
        for key in (key_pem(ec_key), certificates.server_rsa.key_pem):
            with pytest.raises(TlsConfigurationError, match="does not match the public key"):
                make_context(certificate=identity.certificate, private_key=key)

    @pytest.mark.parametrize(
        ("certificate", "private_key", "message"),
        [
            (b"", b"", "the certificate cannot be used: there is no certificate in it"),
            (b"garbage", None, "the certificate cannot be used"),
            ("/nowhere/client.pem", None, "the certificate cannot be read"),
            (None, b"key", "without its certificate"),
        ],
    )
    def test_useless_ones(
        self, certificate: bytes | str | None, private_key: bytes | None, message: str, make_context: Contexts
    ) -> None:
        with pytest.raises(TlsConfigurationError, match=message):
            make_context(certificate=certificate, private_key=private_key)

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            (b"", "no private key in it"),
            (b"garbage", "no private key in it"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "the private key cannot be used: "),
        ],
    )
    def test_useless_keys(self, key: bytes, message: str, certificates: Certificates, make_context: Contexts) -> None:
        with pytest.raises(TlsConfigurationError, match=message):
            make_context(certificate=certificates.client.certificate, private_key=key)


class TestOptions:
    def test_versions(self, make_context: Contexts, server_context: ServerContexts) -> None:
        with Pair(server_context(), make_context(minimum_version=TLS1_3_VERSION)).handshake() as pair:
            assert pair.engine.version == "TLSv1.3"
        server = server_context(maximum=ssl.TLSVersion.TLSv1_2)
        with Pair(server, make_context(minimum_version=TLS1_2_VERSION)).handshake() as pair:
            assert pair.engine.version == "TLSv1.2"
        with pytest.raises(TlsConfigurationError, match="0x0999"):
            make_context(minimum_version=0x0999)

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_old_versions_are_refused(self, context: TlsContext, server_context: ServerContexts) -> None:
        server = server_context()
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = ssl.TLSVersion.TLSv1_1
        server.set_ciphers("ALL:@SECLEVEL=0")
        with Pair(server, context) as pair, pytest.raises(TlsError, match="protocol version"):
            pair.handshake()
            pair.engine.handshake()

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_old_versions_need_ciphers_that_allow_them(
        self, make_context: Contexts, server_context: ServerContexts
    ) -> None:
        server = server_context()
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = ssl.TLSVersion.TLSv1
        server.set_ciphers("ALL:@SECLEVEL=0")
        for version, name in ((TLS1_VERSION, "TLS 1.0"), (TLS1_1_VERSION, "TLS 1.1")):
            with pytest.raises(TlsConfigurationError, match=rf"{name} cannot be used at .*:@SECLEVEL="):
                make_context(minimum_version=version, ciphers="DEFAULT:@SECLEVEL=5")
        context = make_context(minimum_version=TLS1_VERSION, ciphers="DEFAULT:@SECLEVEL=0")
        with Pair(server, context).handshake() as pair:
            assert pair.engine.version == "TLSv1"

    def test_ciphers(self, make_context: Contexts, server_context: ServerContexts) -> None:
        context = make_context(ciphers="TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
        with Pair(server_context(), context).handshake() as pair:
            assert pair.engine.cipher == "TLS_CHACHA20_POLY1305_SHA256"
        with Pair(server_context(maximum=ssl.TLSVersion.TLSv1_2), context).handshake() as pair:
            assert pair.engine.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"
        make_context(ciphers="DEFAULT:!AES128")
        for ciphers in ("nonsense", "", "TLS_NONSENSE", "ÄES"):
            with pytest.raises(TlsConfigurationError, match="cipher list"):
                make_context(ciphers=ciphers)

    @pytest.mark.parametrize("alpn", [(b"",), (b"x" * 256,), ("h2",)])
    def test_alpn_names(self, alpn: tuple[Any, ...], make_context: Contexts) -> None:
        with pytest.raises(TlsConfigurationError, match="ALPN"):
            make_context(alpn=alpn)

    def test_renegotiation_and_compression_are_off(self, context: TlsContext) -> None:
        options = SetSSLCTXOptions(context.handle, 0)
        assert options & SSL_OP_NO_COMPRESSION
        assert options & SSL_OP_NO_RENEGOTIATION

    def test_defaults_are_safe(self) -> None:
        with TlsContext() as context:
            assert context.verify
            assert context.alpn == ()
        assert TLS1_VERSION < TLS1_2_VERSION


class TestLife:
    def test_closing(self, make_context: Contexts) -> None:
        context = make_context()
        assert context.handle
        context.close()
        context.close()
        with pytest.raises(TlsClosedError):
            _ = context.handle
        with pytest.raises(TlsClosedError):
            context.new_connection()

    def test_freed_with_the_last_reference(self, certificates: Certificates) -> None:
        context = TlsContext(ca_file=certificates.ca_file, keylog=lambda line: None)
        reference = weakref.ref(context)
        del context
        gc.collect()
        assert reference() is None

    def test_wrong_arguments(self) -> None:
        with pytest.raises(TypeError):
            TlsContext(nonsense=True)  # type: ignore[call-arg]
        gc.collect()
