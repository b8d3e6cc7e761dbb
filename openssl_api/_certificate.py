"""Says why a certificate was not accepted, with what is in it."""

from __future__ import annotations

from ctypes import c_void_p, create_string_buffer

from .api import (
    BIO_free,
    BIO_new,
    BIO_read,
    BIO_s_mem,
    X509_get_issuer_name,
    X509_get_subject_name,
    X509_NAME_print_ex,
    sk_num,
)
from .client_api import (
    X509_V_ERR_CERT_HAS_EXPIRED,
    X509_V_ERR_CERT_NOT_YET_VALID,
    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
    X509_V_ERR_HOSTNAME_MISMATCH,
    X509_V_ERR_IP_ADDRESS_MISMATCH,
    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    XN_FLAG_RFC2253,
    ASN1_TIME_print,
    ERR_clear_error,
    NID_subject_alt_name,
    OPENSSL_sk_value,
    SSL_get_peer_cert_chain,
    X509_cmp_current_time,
    X509_get0_notAfter,
    X509_get0_notBefore,
    X509_get_ext,
    X509_get_ext_by_NID,
    X509_verify_cert_error_string,
    X509V3_EXT_print,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_UNTRUSTED = (
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
)

#: A server may list hundreds of names; an error message need not.
_MAXIMUM_TEXT = 300


def describe_failure(ssl: c_void_p, verify_code: int) -> tuple[str, str]:
    """Return OpenSSL's reason for not accepting the certificate, and that with what the certificate says about it.

    OpenSSL 1.1.1 does not keep the chain of a failed handshake: only the reason is known there.
    """
    if not verify_code:
        return "the server sent none", "the server sent none"
    reason = X509_verify_cert_error_string(verify_code).decode("ascii", "replace")
    detail = reason
    chain = _chain(ssl)
    if chain:
        found = _explain(chain, verify_code)
        if found:
            detail = f"{reason}: {found}"
    if verify_code in _UNTRUSTED:
        detail += (
            "; its authority is not among those trusted here, or the server left out an intermediate certificate "
            "(to trust another authority, pass ca_file)"
        )
    ERR_clear_error()
    return reason, detail


def _chain(ssl: c_void_p) -> list[int]:
    """The certificates that the peer sent, its own first; still the SSL's."""
    stack = SSL_get_peer_cert_chain(ssl)
    if not stack:
        return []
    return [OPENSSL_sk_value(stack, index) for index in range(sk_num(stack))]


def _explain(chain: list[int], verify_code: int) -> str:
    leaf = chain[0]
    if verify_code in (X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH):
        names = alternative_names(leaf)
        return f"it is for {names}" if names else "it names no host at all (subjectAltName is missing)"
    if verify_code == X509_V_ERR_CERT_HAS_EXPIRED:
        for certificate in chain:
            end = X509_get0_notAfter(certificate)
            if X509_cmp_current_time(end) < 0:
                return f"{subject(certificate)} was valid until {_time(end)}"
    if verify_code == X509_V_ERR_CERT_NOT_YET_VALID:
        for certificate in chain:
            start = X509_get0_notBefore(certificate)
            if X509_cmp_current_time(start) > 0:
                return f"{subject(certificate)} is valid from {_time(start)} on"
    if verify_code in _UNTRUSTED:
        return f"{subject(chain[-1])} was issued by {issuer(chain[-1])}"
    return subject(leaf)


def subject(certificate: int) -> str:
    """Whom a certificate (``X509 *``) is for, as RFC 2253 writes names: ``CN=www.example.org,O=Example``."""
    return _printed(lambda bio: X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253))


def issuer(certificate: int) -> str:
    """Who vouches for a certificate (``X509 *``), as RFC 2253 writes names."""
    return _printed(lambda bio: X509_NAME_print_ex(bio, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253))


def alternative_names(certificate: int) -> str:
    """The names and addresses that a certificate (``X509 *``) is for: ``DNS:example.org, IP Address:192.0.2.1``."""
    index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1)
    if index < 0:
        return ""
    return _printed(lambda bio: X509V3_EXT_print(bio, X509_get_ext(certificate, index), 0, 0))


def _time(time: int) -> str:
    return _printed(lambda bio: ASN1_TIME_print(bio, time))


def _printed(write: Callable[[int], object]) -> str:
    """What OpenSSL prints into a BIO, made safe to show: it comes from the peer."""
    bio = BIO_new(BIO_s_mem())
    if not bio:
        return "?"
    try:
        write(bio)
        buffer = create_string_buffer(_MAXIMUM_TEXT + 1)
        count = BIO_read(bio, buffer, _MAXIMUM_TEXT + 1)
    finally:
        BIO_free(bio)
    text = buffer.raw[: max(count, 0)].decode("utf-8", "replace")
    text = "".join(mark if mark.isprintable() else "?" for mark in text)
    return text if len(text) <= _MAXIMUM_TEXT else text[:_MAXIMUM_TEXT] + "..."
