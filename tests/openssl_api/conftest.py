"""Fixtures for the tests of TLS: contexts on both sides, and certificates for special cases."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from openssl_api import TlsContext
from openssl_api.errors import queued_errors
from tests.certificates import Identity
from tests.servers import _tls

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator
    from typing import Any

    from tests.certificates import Certificates

    ServerContexts = Callable[..., ssl.SSLContext]
    Contexts = Callable[..., TlsContext]
    MakeIdentity = Callable[..., Identity]


@pytest.fixture(autouse=True)
def no_error_is_left_in_the_queue() -> Iterator[None]:
    """Nothing leaves errors in the thread's queue, where they could be taken for those of the next call."""
    yield
    left = queued_errors()
    assert left == []


@pytest.fixture
def server_context(certificates: Certificates) -> ServerContexts:
    """Makes contexts for servers: ``server_context(identity, alpn=, client_ca=, maximum=)``."""

    def make(identity: Identity | None = None, **options: Any) -> ssl.SSLContext:
        return _tls.tls_context(identity or certificates.server, **options)

    return make


@pytest.fixture
def make_context(certificates: Certificates) -> Iterator[Contexts]:
    """Makes contexts for clients, which trust the tests' authority unless told otherwise."""
    made: list[TlsContext] = []

    def make(**options: Any) -> TlsContext:
        if not {"ca_file", "ca_directory", "ca_data", "verify"} & set(options):
            options["ca_file"] = certificates.ca_file
        made.append(TlsContext(**options))
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture
def context(make_context: Contexts) -> TlsContext:
    """A context that trusts the tests' authority."""
    return make_context()


@pytest.fixture
def make_identity(tmp_path: pathlib.Path) -> MakeIdentity:
    """Makes self-signed certificates: ``make_identity(common_name, "DNS-or-IP", ...)``."""

    def make(common_name: str, *names: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        if names:
            general_names = [_general_name(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(general_names), critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        identity = Identity(tmp_path / f"{common_name}.pem", tmp_path / f"{common_name}.key")
        identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        identity.key.write_bytes(key_pem(key))
        return identity

    return make


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def key_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: str = "", *, pkcs8: bool = True) -> bytes:
    """Return a private key as PEM: PKCS#8 (``PRIVATE KEY``) or the older form (``RSA PRIVATE KEY``)."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password.encode())
    form = serialization.PrivateFormat.PKCS8 if pkcs8 else serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """An RSA key of 2048 bits."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> ec.EllipticCurvePrivateKey:
    """A key that is not RSA."""
    return ec.generate_private_key(ec.SECP256R1())
