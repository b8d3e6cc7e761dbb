"""Pinned fingerprints: in addition to verification, or instead of it."""

from __future__ import annotations

import base64
import hashlib
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from openssl_api import TlsCertificateError, TlsConfigurationError
from openssl_api._pins import Pins

from .peers import Pair

if TYPE_CHECKING:
    from openssl_api import TlsContext
    from tests.certificates import Certificates, Identity

    from .conftest import Contexts, MakeIdentity, ServerContexts

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
OTHER = "sha256:" + "00" * 32
OTHER_KEY = "sha256//" + base64.b64encode(bytes(32)).decode()


def certificate_pin(identity: Identity) -> str:
    """Return what ``openssl x509 -fingerprint -sha256`` says, made without OpenSSL."""
    der = x509.load_pem_x509_certificate(identity.certificate_pem).public_bytes(Encoding.DER)
    return "sha256:" + hashlib.sha256(der).hexdigest()


def key_pin(identity: Identity) -> str:
    """Return what ``curl --pinnedpubkey`` wants."""
    key = x509.load_pem_x509_certificate(identity.certificate_pem).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def with_colons(pin: str) -> str:
    return "SHA256:" + bytes.fromhex(pin.removeprefix("sha256:")).hex(":").upper()


def resumed(context: TlsContext, server: ssl.SSLContext, maximum: ssl.TLSVersion) -> Pair:
    """Return a pair whose engine has resumed a session."""
    with Pair(server, context).handshake() as pair:
        pair.settle()
    second = Pair(server, context).handshake()
    assert second.engine.session_reused
    assert second.engine.version == {V12: "TLSv1.2", V13: "TLSv1.3"}[maximum]
    return second


@pytest.mark.parametrize("name", ["server", "server_rsa"])
def test_any_of_them_will_do(
    name: str, certificates: Certificates, make_context: Contexts, server_context: ServerContexts
) -> None:
    identity: Identity = getattr(certificates, name)
    by_certificate, by_key = certificate_pin(identity), key_pin(identity)
    bare = by_certificate.removeprefix("sha256:")
    for pins in (
        (by_certificate,),
        (with_colons(by_certificate),),
        (bare,),
        (by_key,),
        (OTHER, OTHER_KEY, by_key),
        (OTHER_KEY, by_certificate),
        by_key,
        f"{OTHER_KEY}; {by_key}",
    ):
        with Pair(server_context(identity), make_context(fingerprints=pins)).handshake() as pair:
            assert pair.engine.peer_certificate()


@pytest.mark.parametrize("verify", [True, False])
def test_none_of_them(
    verify: bool, certificates: Certificates, make_context: Contexts, server_context: ServerContexts
) -> None:
    """The error names what there is, in the forms that can be pinned."""
    options: dict[str, Any] = {"ca_file": certificates.ca_file} if verify else {"verify": False}
    pins = (certificate_pin(certificates.server_rsa), key_pin(certificates.server_rsa))
    context = make_context(fingerprints=pins, **options)
    with Pair(server_context(), context) as pair:
        with pytest.raises(TlsCertificateError) as caught:
            pair.handshake()
        assert not pair.engine.alpn
        with pytest.raises(TlsCertificateError):
            pair.engine.write(b"nothing may be sent")
        with pytest.raises(TlsCertificateError):
            pair.read()
    assert with_colons(certificate_pin(certificates.server)).removeprefix("SHA256:") in str(caught.value)
    assert key_pin(certificates.server) in str(caught.value)
    assert caught.value.advice
    assert caught.value.verify_code == 0


def test_together_with_verification(
    certificates: Certificates, make_context: Contexts, server_context: ServerContexts
) -> None:
    """A pin is no substitute for an authority, unless verification is off."""
    identity = certificates.self_signed
    pins = (certificate_pin(identity),)
    trusting = make_context(fingerprints=pins, ca_file=certificates.ca_file)
    with Pair(server_context(identity), trusting) as pair, pytest.raises(TlsCertificateError) as caught:
        pair.handshake()
    assert caught.value.verify_code
    with Pair(server_context(identity), make_context(fingerprints=pins, verify=False)) as pair:
        pair.handshake()


def test_the_certificates_of_issuers_do_not_count(
    make_context: Contexts, server_context: ServerContexts, certificates: Certificates
) -> None:
    chain = x509.load_pem_x509_certificates(certificates.server.certificate_pem)
    assert len(chain) > 1
    pins = ["sha256:" + hashlib.sha256(issuer.public_bytes(Encoding.DER)).hexdigest() for issuer in chain[1:]]
    context = make_context(fingerprints=pins)
    with Pair(server_context(), context) as pair, pytest.raises(TlsCertificateError, match="pinned"):
        pair.handshake()


@pytest.mark.parametrize("maximum", [V12, V13], ids=["1.2", "1.3"])
def test_on_resumed_sessions(
    maximum: ssl.TLSVersion, certificates: Certificates, make_context: Contexts, server_context: ServerContexts
) -> None:
    server = server_context(maximum=maximum)
    context = make_context(fingerprints=(key_pin(certificates.server),))
    with resumed(context, server, maximum) as pair:
        assert pair.engine.peer_certificate()
    context.pins = Pins(OTHER)
    with Pair(server, context) as pair, pytest.raises(TlsCertificateError, match="pinned"):
        pair.handshake()


def test_a_server_without_a_certificate(make_context: Contexts, server_context: ServerContexts) -> None:
    server = server_context(maximum=V12)
    server.set_ciphers("AECDH:@SECLEVEL=0")
    context = make_context(verify=False, ciphers="AECDH:@SECLEVEL=0", fingerprints=OTHER)
    with Pair(server, context) as pair, pytest.raises(TlsCertificateError, match="sent none"):
        pair.handshake()


@pytest.mark.parametrize(
    "pins",
    [
        "",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 66,
        "sha256:" + "xy" * 32,
        "sha1:" + "00" * 20,
        "00" * 20,
        "sha256//",
        "sha256//AAAA",
        "sha256//" + "A" * 44,
        "md5//" + base64.b64encode(bytes(16)).decode(),
        "sha256//ä",
        bytes(32),
        None,
        [],
        7,
    ],
)
def test_what_is_no_fingerprint(pins: Any) -> None:
    with pytest.raises(TlsConfigurationError, match="fingerprint"):
        Pins(pins if pins == [] else [pins])


def test_the_certificate_outlives_its_connection(
    make_identity: MakeIdentity, server_context: ServerContexts, make_context: Contexts
) -> None:
    identity = make_identity("someone", "localhost")
    with Pair(server_context(identity), make_context(verify=False)).handshake() as pair:
        certificate = pair.engine.certificate
        der = pair.engine.peer_certificate()
    assert certificate is not None
    assert certificate.der() == der == ssl.PEM_cert_to_DER_cert(identity.certificate_pem.decode())
