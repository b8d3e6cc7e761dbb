"""What goes wrong with TLS, as exceptions; and OpenSSL's error queue as text.

OpenSSL keeps a queue of errors for each thread. It must be read by the thread that made the failing call, before
anything else calls into OpenSSL there.

No Delphi origin: the original logs, or drops, what OpenSSL says.
"""

from __future__ import annotations

import os
from ctypes import byref, c_char_p, c_int

from .client_api import (
    ERR_GET_LIB,
    ERR_GET_REASON,
    ERR_LIB_SSL,
    ERR_LIB_SYS,
    SSL_AD_REASON_OFFSET,
    ERR_get_error_all,
    ERR_get_error_line_data,
    ERR_reason_error_string,
    SSL_alert_desc_string_long,
)


class TlsError(OSError):
    """Something went wrong with TLS. Root of this package's exceptions.

    :ivar host: the peer's name or address; empty where there is no connection.
    :ivar port: the peer's port, or 0.
    :ivar reason: OpenSSL's own words, or the verification's.
    """

    def __init__(self, message: str, *, host: str = "", port: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.host = host
        self.port = port
        self.reason = reason


class TlsConfigurationError(TlsError, ValueError):
    """What the caller gave cannot be used: a certificate, a key, a password, a CA file, a host name, a cipher list."""


class TlsHandshakeError(TlsError):
    """The handshake failed: no common ground, an alert from the peer, or the peer hung up or doesn't speak TLS."""


class TlsCertificateError(TlsHandshakeError):
    """The peer's certificate was not accepted.

    :ivar verify_code: the ``X509_V_ERR_*`` number; 0 where OpenSSL had no objection.
    :ivar advice: what to do, where that isn't to trust another authority; else empty.
    """

    def __init__(
        self,
        message: str,
        *,
        host: str = "",
        port: int = 0,
        reason: str = "",
        verify_code: int = 0,
        advice: str = "",
    ) -> None:
        super().__init__(message, host=host, port=port, reason=reason)
        self.verify_code = verify_code
        self.advice = advice


class TlsTransportError(TlsError, ConnectionError):
    """The connection below TLS failed; ``errno`` says how."""

    def __init__(self, message: str, *, host: str = "", port: int = 0, reason: str = "", code: int = 0) -> None:
        super().__init__(message, host=host, port=port, reason=reason)
        self.errno = code


class TlsClosedError(TlsError):
    """The connection or context has been closed on this side."""


#: SSL_R_* reasons whose own words say too little.
_HINTS = {
    198: "the server does not seem to speak TLS on this port",  # packet length too long
    258: "the server offers only versions of TLS older than the minimum that is set here",  # unsupported protocol
    267: "the server does not seem to speak TLS on this port",  # wrong version number
    338: "the server is open to an attack on renegotiation (RFC 5746)",  # unsafe legacy renegotiation disabled
    1040: "it may share no cipher or version with this client, or want a client certificate",  # handshake failure
    1070: "the server supports none of the versions of TLS that are allowed here",  # protocol version
    1112: "the server does not know this host name",  # unrecognized name
    1116: "the server requires a client certificate",  # certificate required
    1120: "the server supports none of the protocols offered by ALPN",  # no application protocol
}


def queued_errors() -> list[tuple[int, str]]:
    """Empty the calling thread's OpenSSL error queue; return codes and texts, the first cause first."""
    found: list[tuple[int, str]] = []
    data = c_char_p()
    flags = c_int()
    while True:
        if ERR_get_error_all:
            code = ERR_get_error_all(None, None, None, byref(data), byref(flags))
        else:
            code = ERR_get_error_line_data(None, None, byref(data), byref(flags))
        if not code:
            return found
        text = _text(code)
        detail = (data.value or b"").decode("utf-8", "replace")
        # 1.1.1 gives the number of an alert once more as the detail; that is noise.
        if detail and not detail.startswith("SSL alert number"):
            text = f"{text} ({detail})"
        found.append((code, text))


def _text(code: int) -> str:
    reason = ERR_GET_REASON(code)
    library = ERR_GET_LIB(code)
    if library == ERR_LIB_SYS:
        return os.strerror(reason)
    if library == ERR_LIB_SSL:
        text = ""
        if SSL_AD_REASON_OFFSET <= reason < SSL_AD_REASON_OFFSET + 256:
            # OpenSSL's words for these ("sslv3 alert handshake failure") name a version that has nothing to do with it.
            alert = SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET)
            text = f"the peer sent the alert '{(alert or b'unknown').decode('ascii', 'replace')}'"
        else:
            text = _reason_string(code)
        hint = _HINTS.get(reason)
        return f"{text}: {hint}" if hint else text
    return _reason_string(code)


def _reason_string(code: int) -> str:
    text = ERR_reason_error_string(code)
    return text.decode("ascii", "replace") if text else f"OpenSSL error {code:#010x}"


def queued_reason(default: str = "no reason given") -> str:
    """Empty the calling thread's OpenSSL error queue; return it as one line of text."""
    texts: list[str] = []
    for _, text in queued_errors():
        if text not in texts:
            texts.append(text)
    return "; ".join(texts) or default
