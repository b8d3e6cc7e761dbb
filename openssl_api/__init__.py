"""TLS for clients on OpenSSL 1.1.1 and 3.x: memory in, memory out. No sockets, no threads."""

from __future__ import annotations

from .client_api import TLS1_2_VERSION, TLS1_3_VERSION
from .context import TlsContext
from .engine import TlsEngine
from .errors import (
    TlsCertificateError,
    TlsClosedError,
    TlsConfigurationError,
    TlsError,
    TlsHandshakeError,
    TlsTransportError,
)

__all__ = [
    "TLS1_2_VERSION",
    "TLS1_3_VERSION",
    "TlsCertificateError",
    "TlsClosedError",
    "TlsConfigurationError",
    "TlsContext",
    "TlsEngine",
    "TlsError",
    "TlsHandshakeError",
    "TlsTransportError",
]
