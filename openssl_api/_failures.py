"""Makes exceptions of what OpenSSL says about a connection that failed."""

from __future__ import annotations

import os
from errno import EAGAIN, EINTR

from .client_api import (
    ERR_GET_LIB,
    ERR_GET_REASON,
    ERR_LIB_SSL,
    SSL_AD_HANDSHAKE_FAILURE,
    SSL_AD_REASON_OFFSET,
    SSL_R_UNEXPECTED_EOF_WHILE_READING,
    X509_V_OK,
    SSL_get_verify_result,
)
from .errors import TlsCertificateError, TlsError, TlsHandshakeError, TlsTransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import c_void_p

#: What queued_errors returns.
Errors = list[tuple[int, str]]


def place(host: str, port: int) -> str:
    """Return host and port as they stand in a URL (RFC 3986 section 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_end_of_transport(code: int, errors: Errors) -> bool:
    """Tell whether a read failed because the connection below TLS has ended, without close_notify.

    :param code: ``errno``, or 0 where it means nothing.
    :param errors: what was in the queue.
    """
    # OpenSSL 1.1.1 reports it as a system error without any reason. An errno of EAGAIN or EINTR is one that a signal
    # handler or the garbage collector left behind, since these would not have been reported as an error.
    return any(
        ERR_GET_LIB(error) == ERR_LIB_SSL and ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING
        for error, _ in errors
    ) or (not errors and code in (0, EAGAIN, EINTR))


def are_about_tls(errors: Errors) -> bool:
    """Tell whether there is one from libssl among the errors; a connection that fails always leaves one."""
    return any(ERR_GET_LIB(error) == ERR_LIB_SSL for error, _ in errors)


def handshake_error(ssl: c_void_p, host: str, port: int, code: int, errors: Errors, *, verify: bool) -> TlsError:
    """Return the exception for a handshake that failed.

    :param code: ``errno``, or 0 where it means nothing.
    :param errors: what was in the queue.
    :param verify: whether the server was to be verified. OpenSSL has a verdict in either case.
    """
    verify_code = SSL_get_verify_result(ssl) if verify else X509_V_OK
    if verify_code != X509_V_OK:
        return certificate_error(ssl, host, port, verify_code)
    if is_end_of_transport(code, errors):
        return refusal(host, port, "the peer closed the connection")
    if errors:
        return refusal(host, port, joined(errors))
    return transport_error(host, port, code, "the TLS handshake")


def refusal(host: str, port: int, reason: str) -> TlsHandshakeError:
    """Return the exception for a handshake that led to nothing good."""
    text = f"TLS handshake with {place(host, port)} failed: {reason}"
    return TlsHandshakeError(text, host=host, port=port, reason=reason)


def certificate_error(ssl: c_void_p, host: str, port: int, verify_code: int) -> TlsCertificateError:
    """Return the exception for a server that could not be verified."""
    from ._certificate import describe_failure

    reason, detail = describe_failure(ssl, verify_code)
    text = f"the certificate of {place(host, port)} was not accepted: {detail}"
    return TlsCertificateError(text, host=host, port=port, reason=reason, verify_code=verify_code)


def pin_error(certificate: int, host: str, port: int) -> TlsCertificateError:
    """Return the exception for a server whose certificate (``X509 *``) is none of those that are pinned."""
    reason = "it matches none of the pinned fingerprints"
    from ._pins import describe_fingerprints

    found = describe_fingerprints(certificate)
    text = f"the certificate of {place(host, port)} was not accepted: {reason}; it is {found}"
    advice = "Pin one of these if the server was given a new certificate in order; otherwise, somebody else answers"
    return TlsCertificateError(text, host=host, port=port, reason=reason, advice=advice)


def transport_error(host: str, port: int, code: int, doing: str) -> TlsTransportError:
    """Return the exception for an ``errno`` of the socket below."""
    reason = os.strerror(code)
    text = f"the connection to {place(host, port)} failed during {doing}: {reason}"
    return TlsTransportError(text, host=host, port=port, reason=reason, code=code)


def transfer_error(host: str, port: int, doing: str, reason: str) -> TlsError:
    """Return the exception for data that could not be sent or received."""
    text = f"TLS with {place(host, port)} failed while {doing}: {reason}"
    return TlsError(text, host=host, port=port, reason=reason)


def is_refused_renegotiation(errors: Errors) -> bool:
    """Tell whether a connection of TLS 1.2 or older failed, after its handshake, in the way in which servers take it
    that this side doesn't renegotiate: by the alert that is for handshakes.
    """
    return any(
        ERR_GET_LIB(error) == ERR_LIB_SSL and ERR_GET_REASON(error) == SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE
        for error, _ in errors
    )


def joined(errors: Errors) -> str:
    """Return the texts of errors as one line, each once."""
    return "; ".join(dict.fromkeys(text for _, text in errors))
