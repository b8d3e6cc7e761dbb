"""Certificates made for one run: a private authority, and servers and clients that it vouches for, or that it doesn't.

Everything is made by the ``openssl`` command, each certificate on first use and in a few milliseconds, so that the
tests, the demo and the benchmarks share one implementation that needs nothing but a Python and OpenSSL itself.
"""

from __future__ import annotations

import subprocess
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: The password of every encrypted key.
PASSWORD = "correct horse"

#: What ordinary server certificates are valid for: the ways to name this machine to itself.
LOCAL_NAMES = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")

#: How many intermediates stand in a big chain, and how large each is made: more than one TLS record altogether.
BIG_CHAIN_LENGTH = 6
BIG_CHAIN_PADDING = 4000

_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
_RSA_KEY = ("-newkey", "rsa:2048")
_AUTHORITY = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
_SERVER = (
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature,keyEncipherment",
    "extendedKeyUsage=serverAuth",
)
_CLIENT = ("basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth")


class Identity(NamedTuple):
    """A certificate, what proves it, and its key, as PEM files.

    :ivar certificate: the certificate itself, then the intermediates up to the authority, which isn't included.
    :ivar key: the private key.
    :ivar password: opens the key; empty where the key isn't encrypted.
    """

    certificate: Path
    key: Path
    password: str = ""

    @property
    def certificate_pem(self) -> bytes:
        """The certificate and its intermediates as PEM."""
        return self.certificate.read_bytes()

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM."""
        return self.key.read_bytes()


class Certificates:
    """The authority and its certificates, as files in one directory.

    The directory belongs to the caller, who also removes it. Not thread-safe: ask for the identities from one thread.

    :param directory: an existing directory to write into.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @cached_property
    def _root(self) -> Identity:
        return self._make("root", _AUTHORITY)

    @cached_property
    def _intermediate(self) -> Identity:
        return self._make("intermediate", _AUTHORITY, issuer=self._root)

    @cached_property
    def _big_intermediate(self) -> Identity:
        # A comment is the one extension that may be as long as one likes and means nothing to a verifier.
        padded = (*_AUTHORITY, f"nsComment={'x' * BIG_CHAIN_PADDING}")
        issuer = self._root
        for number in range(BIG_CHAIN_LENGTH):
            issuer = self._make(f"big-intermediate-{number}", padded, issuer=issuer)
        return issuer

    @property
    def ca_file(self) -> Path:
        """The authority's own certificate: what a client has to trust."""
        return self._root.certificate

    @property
    def ca_pem(self) -> bytes:
        """The authority's own certificate as PEM."""
        return self._root.certificate_pem

    @cached_property
    def server(self) -> Identity:
        """A good server certificate for localhost, 127.0.0.1 and ::1, with its intermediate; EC P-256."""
        return self._make("server", _SERVER, names=LOCAL_NAMES, issuer=self._intermediate)

    @cached_property
    def server_rsa(self) -> Identity:
        """The same with an RSA key of 2048 bits."""
        return self._make("server-rsa", _SERVER, names=LOCAL_NAMES, issuer=self._intermediate, key=_RSA_KEY)

    @cached_property
    def ip_only(self) -> Identity:
        """Valid for the addresses 127.0.0.1 and ::1, and for no name."""
        return self._make("ip-only", _SERVER, names=LOCAL_NAMES[1:], issuer=self._intermediate)

    @cached_property
    def name_only(self) -> Identity:
        """Valid for the name localhost, and for no address."""
        return self._make("name-only", _SERVER, names=LOCAL_NAMES[:1], issuer=self._intermediate)

    @cached_property
    def two_hosts(self) -> Identity:
        """Valid for a.localhost and b.localhost."""
        return self._make("two-hosts", _SERVER, names=("DNS:a.localhost", "DNS:b.localhost"), issuer=self._intermediate)

    @cached_property
    def wrong_host(self) -> Identity:
        """Good, but for another host: wrong.example."""
        return self._make("wrong-host", _SERVER, names=["DNS:wrong.example"], issuer=self._intermediate)

    @cached_property
    def expired(self) -> Identity:
        """Good until the end of January 2020."""
        validity = ("20200101000000Z", "20200131000000Z")
        return self._make("expired", _SERVER, names=LOCAL_NAMES, issuer=self._intermediate, validity=validity)

    @cached_property
    def not_yet_valid(self) -> Identity:
        """Good from the year 2090 on."""
        validity = ("20900101000000Z", "20910101000000Z")
        return self._make("not-yet-valid", _SERVER, names=LOCAL_NAMES, issuer=self._intermediate, validity=validity)

    @cached_property
    def self_signed(self) -> Identity:
        """Vouched for by nobody but itself."""
        return self._make("self-signed", _SERVER, names=LOCAL_NAMES)

    @cached_property
    def unknown_authority(self) -> Identity:
        """Issued by an authority that is not :attr:`ca_file`."""
        other = self._make("other-root", _AUTHORITY)
        return self._make("unknown-authority", _SERVER, names=LOCAL_NAMES, issuer=other)

    @cached_property
    def incomplete_chain(self) -> Identity:
        """The good server certificate, sent without the intermediate that connects it to the authority."""
        certificate = self.directory / "incomplete-chain.pem"
        certificate.write_bytes(_first_certificate(self.server.certificate_pem))
        return Identity(certificate, self.server.key)

    @cached_property
    def big_chain(self) -> Identity:
        """A good server certificate whose chain is larger than a TLS record (16 KiB)."""
        return self._make("big-chain", _SERVER, names=LOCAL_NAMES, issuer=self._big_intermediate)

    @cached_property
    def client(self) -> Identity:
        """A client certificate with its intermediate."""
        return self._make("client", _CLIENT, issuer=self._intermediate)

    @cached_property
    def client_encrypted(self) -> Identity:
        """The client certificate again, its key encrypted with :data:`PASSWORD`."""
        key = self.directory / "client-encrypted.key"
        _openssl("pkey", "-in", self.client.key, "-aes-256-cbc", "-passout", f"pass:{PASSWORD}", "-out", key)
        return Identity(self.client.certificate, key, PASSWORD)

    @cached_property
    def client_big_chain(self) -> Identity:
        """A client certificate whose chain is larger than a TLS record, so the client's handshake is large as well."""
        return self._make("client-big-chain", _CLIENT, issuer=self._big_intermediate)

    def _make(
        self,
        name: str,
        extensions: Sequence[str],
        *,
        names: Sequence[str] = (),
        issuer: Identity | None = None,
        key: Sequence[str] = _EC_KEY,
        validity: tuple[str, str] | None = None,
    ) -> Identity:
        made = Identity(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        config = self.directory / f"{name}.cnf"
        subject_names = [f"subjectAltName={','.join(names)}"] if names else []
        config.write_text(
            # An own configuration, because the system's may add extensions of its own.
            "[req]\ndistinguished_name=subject\nprompt=no\nx509_extensions=extensions\n"
            f"[subject]\nO=scalable-client-sockets\nCN={name}\n"
            "[extensions]\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
            + "\n".join([*extensions, *subject_names])
            + "\n[ca]\ndefault_ca=authority\n[authority]\npolicy=policy\ndefault_md=sha256\nrand_serial=yes\n"
            f"new_certs_dir={self.directory}\ndatabase={self.directory / name}.index\n"
            "[policy]\norganizationName=optional\ncommonName=supplied\n"
        )
        create: list[str | Path] = ["req", *key, "-noenc", "-config", config, "-keyout", made.key]
        signer: list[str | Path] = ["-CA", issuer.certificate, "-CAkey", issuer.key] if issuer else []
        if validity is None:
            _openssl(*create, "-x509", *signer, "-days", "30", "-out", made.certificate)
        elif issuer:
            # Until OpenSSL 3.4, only the "ca" command can set the first and the last moment of validity.
            request = self.directory / f"{name}.csr"
            (self.directory / f"{name}.index").write_bytes(b"")
            _openssl(*create, "-new", "-out", request)
            _openssl(
                *("ca", "-batch", "-notext", "-config", config, "-extensions", "extensions", "-in", request),
                *("-cert", issuer.certificate, "-keyfile", issuer.key, "-out", made.certificate),
                *("-startdate", validity[0], "-enddate", validity[1]),
            )
        if issuer and issuer != self._root:
            with made.certificate.open("ab") as chain:
                chain.write(issuer.certificate_pem)
        return made


def _first_certificate(chain: bytes) -> bytes:
    end = b"-----END CERTIFICATE-----\n"
    return chain[: chain.index(end) + len(end)]


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        command = " ".join(map(str, arguments))
        raise RuntimeError(f"openssl {command} failed:\n{done.stderr.decode(errors='replace')}")
