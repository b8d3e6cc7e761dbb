"""Servers are verified (chain and name), and only the right ones are accepted."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from openssl_api import TlsCertificateError, TlsConfigurationError, TlsContext, TlsEngine, TlsError, _trust
from openssl_api._names import is_ipv4, peer_name
from openssl_api.api import SSL_CTX_get_cert_store, SSL_CTX_set_verify, TSetVerify_cb
from openssl_api.client_api import (
    X509_V_ERR_CERT_HAS_EXPIRED,
    X509_V_ERR_CERT_NOT_YET_VALID,
    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
    X509_V_ERR_HOSTNAME_MISMATCH,
    X509_V_ERR_IP_ADDRESS_MISMATCH,
    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
)

from .peers import Pair

if TYPE_CHECKING:
    import pathlib

    from tests.certificates import Certificates, Identity

    from .conftest import Contexts, MakeIdentity, ServerContexts

GOOD = ["localhost", "LocalHost", "localhost.", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::1%lo"]


@pytest.mark.parametrize("host", GOOD)
def test_good_servers_are_accepted(host: str, context: TlsContext, server_context: ServerContexts) -> None:
    with Pair(server_context(), context, host).handshake() as pair:
        pair.engine.write(b"hello")
        pair.to_server()
        assert pair.server.received() == b"hello"


UNTRUSTED = (
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
)


@pytest.mark.parametrize(
    ("name", "host", "codes", "words"),
    [
        ("unknown_authority", "localhost", UNTRUSTED, ["issued by", "pass ca_file"]),
        ("incomplete_chain", "localhost", UNTRUSTED, ["intermediate"]),
        ("self_signed", "localhost", UNTRUSTED, ["self", "signed"]),
        ("expired", "localhost", (X509_V_ERR_CERT_HAS_EXPIRED,), ["expired", "Jan 31 00:00:00 2020"]),
        ("not_yet_valid", "localhost", (X509_V_ERR_CERT_NOT_YET_VALID,), ["not yet valid", "2090"]),
        ("wrong_host", "localhost", (X509_V_ERR_HOSTNAME_MISMATCH,), ["DNS:wrong.example"]),
        ("ip_only", "localhost", (X509_V_ERR_HOSTNAME_MISMATCH,), ["IP Address:127.0.0.1"]),
        ("name_only", "127.0.0.1", (X509_V_ERR_IP_ADDRESS_MISMATCH,), ["DNS:localhost"]),
        ("server", "127.0.0.2", (X509_V_ERR_IP_ADDRESS_MISMATCH,), ["127.0.0.1"]),
        ("server", "::2", (X509_V_ERR_IP_ADDRESS_MISMATCH,), ["127.0.0.1"]),
        ("server", "localhost.localhost", (X509_V_ERR_HOSTNAME_MISMATCH,), ["DNS:localhost"]),
    ],
)
def test_bad_servers_are_refused(
    name: str,
    host: str,
    codes: tuple[int, ...],
    words: list[str],
    certificates: Certificates,
    context: TlsContext,
    server_context: ServerContexts,
) -> None:
    with Pair(server_context(getattr(certificates, name)), context, host, 8443) as pair:
        with pytest.raises(TlsCertificateError) as caught:
            pair.handshake()
        error = caught.value
        assert error.verify_code in codes
        assert (error.host, error.port) == (host, 8443)
        assert error.reason
        text = str(error)
        assert f"{f'[{host}]' if ':' in host else host}:8443" in text
        assert error.reason in text
        if _chain_is_kept():
            assert all(word in text for word in words), text
        # The server is told, and not one byte of data is let through.
        pair.server.handshake()
        assert pair.server.error is not None
        assert "alert" in str(pair.server.error).lower()
        with pytest.raises(TlsError):
            pair.engine.write(b"secret")
        with pytest.raises(TlsCertificateError):
            pair.read()
        with pytest.raises(TlsCertificateError):
            pair.engine.handshake()
        assert pair.engine.pending_output() == 0


def _chain_is_kept() -> bool:
    from openssl_api._library import VERSION

    return VERSION >= 0x30000000


@pytest.mark.parametrize("name", ["unknown_authority", "self_signed", "expired", "wrong_host", "server"])
def test_verification_can_be_switched_off(
    name: str, certificates: Certificates, make_context: Contexts, server_context: ServerContexts
) -> None:
    context = make_context(verify=False)
    assert not context.verify
    with Pair(server_context(getattr(certificates, name)), context).handshake() as pair:
        pair.engine.write(b"hello")
        pair.to_server()
        assert pair.server.received() == b"hello"


def test_an_authority_does_not_vouch_for_itself_alone(
    make_context: Contexts, certificates: Certificates, server_context: ServerContexts
) -> None:
    """Another authority's certificate as the only trusted one."""
    context = make_context(ca_data=certificates.self_signed.certificate_pem)
    with Pair(server_context(), context) as pair, pytest.raises(TlsCertificateError):
        pair.handshake()
    with Pair(server_context(certificates.self_signed), context) as pair:
        pair.handshake()


def test_a_verdict_overruled_by_a_callback_counts_all_the_same(
    certificates: Certificates, context: TlsContext, server_context: ServerContexts
) -> None:
    accept_all = TSetVerify_cb(lambda ok, store: 1)
    SSL_CTX_set_verify(context.handle, 1, accept_all)
    for _ in range(4):
        with Pair(server_context(certificates.expired), context) as pair, pytest.raises(TlsCertificateError) as caught:
            pair.handshake()
        assert caught.value.verify_code == X509_V_ERR_CERT_HAS_EXPIRED


def test_a_server_without_a_certificate_is_refused(make_context: Contexts, server_context: ServerContexts) -> None:
    """OpenSSL itself takes it for verified."""
    import ssl

    server = server_context(maximum=ssl.TLSVersion.TLSv1_2)
    server.set_ciphers("aNULL:@SECLEVEL=0")
    context = make_context(ciphers="aNULL:@SECLEVEL=0")
    with Pair(server, context) as pair:
        with pytest.raises(TlsCertificateError, match="sent none"):
            pair.handshake()
        with pytest.raises(TlsError):
            pair.engine.write(b"secret")


class TestNames:
    """Which names of a certificate count."""

    def accepted(self, identity: Identity, host: str, server: ServerContexts) -> bool:
        with TlsContext(ca_file=identity.certificate) as context, Pair(server(identity), context, host) as pair:
            try:
                pair.handshake()
            except TlsCertificateError as error:
                code = error.verify_code
            else:
                return True
        assert code in (X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH)
        return False

    def test_wildcards(self, make_identity: MakeIdentity, server_context: ServerContexts) -> None:
        identity = make_identity("wild", "*.example.org")
        assert self.accepted(identity, "www.example.org", server_context)
        assert not self.accepted(identity, "example.org", server_context)
        assert not self.accepted(identity, "a.www.example.org", server_context)

    def test_partial_wildcards_do_not_count(self, make_identity: MakeIdentity, server_context: ServerContexts) -> None:
        identity = make_identity("partial", "w*.example.org")
        assert not self.accepted(identity, "www.example.org", server_context)

    def test_the_common_name_does_not_count(self, make_identity: MakeIdentity, server_context: ServerContexts) -> None:
        """RFC 9525 section 2, RFC 9110 section 4.3.4: the subject is not looked at, SAN or not."""
        assert not self.accepted(make_identity("www.example.org"), "www.example.org", server_context)
        identity = make_identity("www.example.net", "192.0.2.1")
        assert not self.accepted(identity, "www.example.net", server_context)

    def test_the_message_says_that_there_is_no_name(
        self, make_identity: MakeIdentity, server_context: ServerContexts
    ) -> None:
        identity = make_identity("www.example.org")
        with TlsContext(ca_file=identity.certificate) as context, Pair(server_context(identity), context) as pair:
            with pytest.raises(TlsCertificateError) as caught:
                pair.handshake()
            assert "subjectAltName is missing" in str(caught.value) or not _chain_is_kept()

    def test_addresses(self, make_identity: MakeIdentity, server_context: ServerContexts) -> None:
        identity = make_identity("addresses", "192.0.2.1", "2001:db8::1")
        assert self.accepted(identity, "192.0.2.1", server_context)
        assert self.accepted(identity, "2001:DB8:0::1", server_context)
        assert not self.accepted(identity, "192.0.2.2", server_context)
        assert not self.accepted(identity, "2001:db8::2", server_context)

    def test_an_address_as_dns_name_does_not_count(
        self, make_identity: MakeIdentity, server_context: ServerContexts, tmp_path: pathlib.Path
    ) -> None:
        # cryptography and OpenSSL both let one write it, so a careless authority may.
        identity = make_identity("careless", "x192.0.2.1")
        assert not self.accepted(identity, "192.0.2.1", server_context)

    def test_international_names(self, make_identity: MakeIdentity, server_context: ServerContexts) -> None:
        identity = make_identity("idn", "xn--bcher-kva.example")
        assert self.accepted(identity, "bücher.example", server_context)
        assert self.accepted(identity, "xn--bcher-kva.example", server_context)

    @pytest.mark.parametrize(
        "host",
        [
            "",
            ".",
            ".example.org",
            "..",
            "a b",
            "a/b",
            "user@example.org",
            "a\0b",
            "a\nb",
            "a" * 300,
            "1::2::3",
            "ü" * 70,
        ],
    )
    def test_what_is_no_host_is_refused(self, host: str, context: TlsContext) -> None:
        with pytest.raises(TlsConfigurationError) as caught:
            TlsEngine(context, host, 443)
        assert caught.value.host == host
        assert isinstance(caught.value, ValueError)

    def test_kinds_of_host(self) -> None:
        assert peer_name("Example.ORG.") == ("example.org", False)
        assert peer_name("192.0.2.1") == ("192.0.2.1", True)
        assert peer_name("FE80::1%eth0") == ("fe80::1", True)
        assert [is_ipv4(text) for text in ("1.2.3.4", "0.0.0.0", "255.255.255.255")] == [True] * 3
        assert not any(
            map(is_ipv4, ("1.2.3", "1.2.3.256", "1.2.3.4.5", "1.2.3.", "a.b.c.d", "1.2.3.4x", "\u0661.2.3.4"))
        )


class TestServerName:
    """SNI, RFC 6066 section 3."""

    @pytest.mark.parametrize(
        ("host", "sent"),
        [
            ("localhost", "localhost"),
            ("LOCALHOST.", "localhost"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("127.0.0.1", None),
            ("::1", None),
            ("fe80::1%eth0", None),
        ],
    )
    def test_sent_for_names_only(
        self, host: str, sent: str | None, make_context: Contexts, server_context: ServerContexts
    ) -> None:
        with Pair(server_context(), make_context(verify=False), host).handshake() as pair:
            assert pair.server.server_name == sent


class TestSystemStore:
    """The system's authorities, found as every OpenSSL program finds them, and loaded once."""

    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        monkeypatch.setattr(_trust, "_stores", {})

    def test_a_file_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, certificates: Certificates, server_context: ServerContexts
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
        with TlsContext() as context, Pair(server_context(), context) as pair:
            pair.handshake()

    def test_directories_from_the_environment(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: pathlib.Path,
        certificates: Certificates,
        server_context: ServerContexts,
    ) -> None:
        (tmp_path / "ca.pem").write_bytes(certificates.ca_pem)
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
        monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere:{tmp_path}")
        with TlsContext() as context, Pair(server_context(), context) as pair:
            pair.handshake()

    def test_the_real_store_does_not_trust_the_tests(self, server_context: ServerContexts) -> None:
        with TlsContext() as context, Pair(server_context(), context) as pair, pytest.raises(TlsCertificateError):
            pair.handshake()

    def test_loaded_once_and_only_when_needed(self) -> None:
        with TlsContext() as first, TlsContext() as second:
            assert _trust._stores == {}
            own = SSL_CTX_get_cert_store(first.handle)
            first.load_trust()
            second.load_trust()
            store = SSL_CTX_get_cert_store(first.handle)
            assert store != own
            assert SSL_CTX_get_cert_store(second.handle) == store
            assert list(_trust._stores.values()) == [store]

    def test_not_loaded_without_verification_or_with_own_authorities(self, certificates: Certificates) -> None:
        with TlsContext(verify=False) as first, TlsContext(ca_file=certificates.ca_file) as second:
            first.load_trust()
            second.load_trust()
            assert _trust._stores == {}

    @pytest.mark.parametrize("content", [None, b"", b"no certificate"])
    def test_a_useless_file_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, content: bytes | None
    ) -> None:
        path = tmp_path / "bundle.pem"
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with TlsContext() as context:
            engine = TlsEngine(context, "localhost", 443)
            with pytest.raises(TlsConfigurationError, match="SSL_CERT_FILE") as caught:
                engine.handshake()
            assert str(path) in str(caught.value)

    def test_useless_directories_are_an_error(self, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
        """Nothing else is trusted in their place."""
        monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere/certs:{tmp_path}/missing")
        with TlsContext() as context, pytest.raises(TlsConfigurationError, match="SSL_CERT_DIR") as caught:
            context.load_trust()
        for word in ("/nowhere/certs", "ca-certificates", "ca_directory"):
            assert word in str(caught.value)
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        monkeypatch.setattr(_trust, "X509_get_default_cert_file", lambda: b"/nowhere/cert.pem")
        with TlsContext() as context, pytest.raises(TlsConfigurationError, match="no certification authorities"):
            context.load_trust()

    def test_no_authorities_at_all_are_an_error(self, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
        monkeypatch.setattr(_trust, "X509_get_default_cert_file", lambda: b"/nowhere/cert.pem")
        monkeypatch.setattr(_trust, "X509_get_default_cert_dir", lambda: os.fsencode(tmp_path))
        monkeypatch.setattr(_trust, "_KNOWN_FILES", (str(tmp_path / "missing.pem"),))
        monkeypatch.setattr(_trust, "_stores", {})
        with TlsContext() as context, pytest.raises(TlsConfigurationError) as caught:
            context.load_trust()
        for word in ("/nowhere/cert.pem", str(tmp_path), "missing.pem", "ca-certificates", "SSL_CERT_FILE", "ca_file"):
            assert word in str(caught.value)

    def test_an_openssl_that_looks_in_the_wrong_place(
        self, monkeypatch: pytest.MonkeyPatch, certificates: Certificates, server_context: ServerContexts
    ) -> None:
        monkeypatch.setattr(_trust, "X509_get_default_cert_file", lambda: b"/nowhere/cert.pem")
        monkeypatch.setattr(_trust, "X509_get_default_cert_dir", lambda: b"/nowhere/certs")
        monkeypatch.setattr(_trust, "_KNOWN_FILES", ("/nowhere/else", str(certificates.ca_file)))
        with TlsContext() as context, Pair(server_context(), context) as pair:
            pair.handshake()
