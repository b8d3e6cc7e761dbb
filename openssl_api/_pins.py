"""Pinned fingerprints: which certificates or public keys a server may have, whoever vouches for them.

Two forms, as users know them: the SHA-256 fingerprint of the certificate, as browsers and ``openssl x509 -fingerprint
-sha256`` show it, and that of its public key, as curl's ``--pinnedpubkey`` takes it and RFC 7469 section 2.4 defines
it. The latter survives a new certificate for the same key.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from ctypes import addressof, byref, c_uint, c_void_p, create_string_buffer

from .api import EVP_sha256
from .client_api import EVP_MAX_MD_SIZE, EVP_Digest, X509_digest, X509_get_X509_PUBKEY, i2d_X509_PUBKEY
from .errors import TlsConfigurationError, TlsError, queued_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SIZE = 32

_FORMS = "'sha256:' and 64 hexadecimal digits for a certificate, 'sha256//' and base64 for a public key"


class Pins:
    """The fingerprints of which a server must match one. Immutable.

    :param fingerprints: each ``sha256:AB:CD:...`` (colons are optional) or ``sha256//...``; text with several of them,
        separated by ``;`` as curl does, will do too.
    :raises TlsConfigurationError: one is no fingerprint, or there are none.
    """

    __slots__ = ("_certificates", "_keys")

    def __init__(self, fingerprints: str | Iterable[str]) -> None:
        certificates: set[bytes] = set()
        keys: set[bytes] = set()
        for text in fingerprints.split(";") if isinstance(fingerprints, str) else fingerprints:
            digest, is_key = _parse(text)
            (keys if is_key else certificates).add(digest)
        if not certificates and not keys:
            raise TlsConfigurationError("no fingerprints are pinned: without any, no server could be right")
        self._certificates = frozenset(certificates)
        self._keys = frozenset(keys)

    def match(self, certificate: int) -> bool:
        """Tell whether a certificate (``X509 *``) is one of those that are pinned."""
        return (bool(self._certificates) and certificate_digest(certificate) in self._certificates) or (
            bool(self._keys) and key_digest(certificate) in self._keys
        )


def _parse(text: object) -> tuple[bytes, bool]:
    """Return the digest that a text stands for, and whether it is that of a public key."""
    if isinstance(text, str):
        given = text.strip()
        digest = b""
        is_key = given.startswith("sha256//")
        try:
            if is_key:
                encoded = given.removeprefix("sha256//").encode("ascii")
                digest = a2b_base64(encoded)
                if b2a_base64(digest, newline=False) != encoded:  # a2b_base64 passes over what is no base64
                    digest = b""
            else:
                digest = bytes.fromhex(given.lower().removeprefix("sha256:").replace(":", ""))
        except (ValueError, Base64Error):
            pass
        if len(digest) == _SIZE:
            return digest, is_key
    raise TlsConfigurationError(f"{text!r} is no fingerprint: these are {_FORMS}")


def describe_fingerprints(certificate: int) -> str:
    """Return both fingerprints of a certificate (``X509 *``), in the forms in which they can be pinned."""
    key = b2a_base64(key_digest(certificate), newline=False).decode("ascii")
    return f"sha256:{certificate_digest(certificate).hex(':').upper()}, its public key sha256//{key}"


def certificate_digest(certificate: int) -> bytes:
    """Return the SHA-256 digest of a certificate (``X509 *``) in DER."""
    digest = create_string_buffer(_SIZE)
    if not X509_digest(certificate, EVP_sha256(), digest, None):
        raise TlsError(f"OpenSSL could not make a fingerprint: {queued_reason()}")
    return digest.raw


def key_digest(certificate: int) -> bytes:
    """Return the SHA-256 digest of a certificate's SubjectPublicKeyInfo in DER (RFC 7469 section 2.4)."""
    key = X509_get_X509_PUBKEY(certificate)
    size = i2d_X509_PUBKEY(key, None)
    if size > 0:
        encoded = create_string_buffer(size)
        # i2d_X509_PUBKEY moves the position behind what it has written.
        position = c_void_p(addressof(encoded))
        i2d_X509_PUBKEY(key, byref(position))
        digest = create_string_buffer(EVP_MAX_MD_SIZE)
        length = c_uint()
        if EVP_Digest(encoded, size, digest, byref(length), EVP_sha256(), None):
            return digest.raw[: length.value]
    raise TlsError(f"OpenSSL could not make a fingerprint: {queued_reason()}")
