"""Certificates and keys from PEM (RFC 7468) and DER, and into a context. Everything is freed on every path.

What :class:`~openssl_api.context.TlsContext` and :class:`~openssl_api.openssl.TgoSSLHelper` share.
"""

from __future__ import annotations

from ctypes import byref, c_char_p, c_void_p, cast

from .api import (
    BIO_free,
    BIO_new_mem_buf,
    EVP_PKEY_free,
    PEM_read_bio_PrivateKey,
    PEM_read_bio_X509,
    SSL_CTX_check_private_key,
    SSL_CTX_ctrl,
    SSL_CTX_use_certificate,
    SSL_CTX_use_PrivateKey,
    TPemPasswordCallback,
    X509_free,
)
from .client_api import (
    ERR_GET_LIB,
    ERR_GET_REASON,
    ERR_LIB_PEM,
    PEM_R_NO_START_LINE,
    SSL_CTRL_CHAIN,
    SSL_CTRL_CHAIN_CERT,
    ERR_clear_error,
    d2i_X509,
)
from .errors import TlsConfigurationError, queued_errors, queued_reason

#: OpenSSL's PEM_BUFSIZE: a longer password would silently be cut to it.
_MAXIMUM_PASSWORD = 1024

# NULL: OpenSSL's own password callback, which takes the password from the user data, and asks on the terminal where
# there is none. That must never happen in a library, so there always is one, if only the empty one.
_OWN_CALLBACK = TPemPasswordCallback()


def read_certificates(data: bytes, what: str) -> list[int]:
    """Return all certificates in *data*, PEM or (concatenated) DER, as ``X509 *`` that the caller must free.

    :param what: what *data* is, for the message of an error.
    :raises TlsConfigurationError: there is none, or one is damaged.
    """
    certificates: list[int] = []
    ERR_clear_error()
    try:
        read = _read_pem if b"-----BEGIN" in data else _read_der
        problem = read(data, certificates)
        if problem:
            raise TlsConfigurationError(f"{what} cannot be used: {problem}", reason=problem)
    except BaseException:
        free_certificates(certificates)
        raise
    return certificates


def free_certificates(certificates: list[int]) -> None:
    """Free what :func:`read_certificates` returned."""
    while certificates:
        X509_free(certificates.pop())


def _read_pem(data: bytes, certificates: list[int]) -> str:
    bio = BIO_new_mem_buf(data, len(data))
    if not bio:
        return queued_reason()
    try:
        while certificate := PEM_read_bio_X509(bio, None, _OWN_CALLBACK, b""):
            certificates.append(certificate)
    finally:
        BIO_free(bio)
    errors = queued_errors()
    if any((ERR_GET_LIB(code), ERR_GET_REASON(code)) == (ERR_LIB_PEM, PEM_R_NO_START_LINE) for code, _ in errors):
        return "" if certificates else "there is no certificate in it"
    return "; ".join(text for _, text in errors) or "no reason given"


def _read_der(data: bytes, certificates: list[int]) -> str:
    start = cast(c_char_p(data), c_void_p).value or 0
    end = start + len(data)
    position = c_void_p(start)
    while (here := position.value or 0) < end:
        # d2i_X509 moves the position behind what it has read.
        certificate = d2i_X509(None, byref(position), end - here)
        if not certificate:
            return queued_reason()
        certificates.append(certificate)
    return "" if certificates else "there is no certificate in it"


def read_private_key(data: bytes, password: str, what: str = "the private key") -> int:
    """Return the private key in *data* (PEM, any kind of key) as ``EVP_PKEY *``, which the caller must free.

    :raises TlsConfigurationError: there is none, it is damaged, or the password is wrong or missing.
    """
    secret = password.encode("utf-8")
    if len(secret) >= _MAXIMUM_PASSWORD or b"\0" in secret:
        raise TlsConfigurationError(
            f"the password of {what} must be shorter than {_MAXIMUM_PASSWORD} bytes and contain no NUL"
        )
    ERR_clear_error()
    bio = BIO_new_mem_buf(data, len(data))
    if not bio:
        raise TlsConfigurationError(f"{what} cannot be used: {queued_reason()}")
    try:
        key = PEM_read_bio_PrivateKey(bio, None, _OWN_CALLBACK, secret)
    finally:
        BIO_free(bio)
    if key:
        # OpenSSL tries one decoder after the other; those that gave up may have left errors.
        ERR_clear_error()
        return int(key)
    reason = queued_reason()
    if b"ENCRYPTED" in data:
        problem = "the password does not open it" if password else "it is encrypted, and no password was given"
        raise TlsConfigurationError(f"{what} cannot be used: {problem} ({reason})", reason=reason)
    if b"PRIVATE KEY-----" not in data:
        reason = "there is no private key in it (PEM is expected)"
    raise TlsConfigurationError(f"{what} cannot be used: {reason}", reason=reason)


def use_certificate(context: int, certificate: bytes, private_key: bytes, password: str) -> None:
    """Give a context a certificate, the chain that belongs to it, and its private key.

    :param context: the ``SSL_CTX *``.
    :param certificate: PEM: the certificate, then the certificates of its issuers; these are sent along.
    :param private_key: PEM: the key of the first certificate.
    :param password: opens an encrypted key.
    :raises TlsConfigurationError: one cannot be read, or they don't belong together.
    """
    certificates = read_certificates(certificate, "the certificate")
    try:
        key = read_private_key(private_key, password)
        try:
            _use(context, certificates, key)
        finally:
            EVP_PKEY_free(key)
    finally:
        free_certificates(certificates)


def _use(context: int, certificates: list[int], key: int) -> None:
    if SSL_CTX_use_certificate(context, certificates[0]) != 1:
        reason = queued_reason()
        raise TlsConfigurationError(f"the certificate cannot be used: {reason}", reason=reason)
    SSL_CTX_ctrl(context, SSL_CTRL_CHAIN, 0, None)  # forget the chain of an earlier certificate
    for issuer in certificates[1:]:
        # larg 1 is SSL_CTX_add1_chain_cert: the context takes a reference of its own.
        if SSL_CTX_ctrl(context, SSL_CTRL_CHAIN_CERT, 1, issuer) != 1:
            reason = queued_reason()
            raise TlsConfigurationError(f"the certificate chain cannot be used: {reason}", reason=reason)
    if SSL_CTX_use_PrivateKey(context, key) != 1 or SSL_CTX_check_private_key(context) != 1:
        reason = queued_reason()
        raise TlsConfigurationError(
            f"the private key does not match the public key of the (first) certificate: {reason}", reason=reason
        )
