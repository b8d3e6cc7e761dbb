"""TLS for clients on OpenSSL 1.1.1 and 3.x: memory in, memory out. No sockets, no threads.

:class:`TlsContext` and :class:`TlsEngine` are what the socket layer uses, :class:`TgoOpenSSL` is the original's handler
with events. The C functions are in :mod:`openssl_api.api` (what the Delphi unit declares) and
:mod:`openssl_api.client_api` (what a verifying client needs beyond).

Delphi: units Grijjy.OpenSSL.API and Grijjy.OpenSSL.
"""

from __future__ import annotations

from . import api, client_api
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .openssl import DEFAULT_BLOCK_SIZE, TgoOpenSSL, TgoOpenSSLData, TgoOpenSSLNotify, TgoSSLHelper

__all__ = [
    "DEFAULT_BLOCK_SIZE",
    "TLS1_2_VERSION",
    "TLS1_3_VERSION",
    "TgoOpenSSL",
    "TgoOpenSSLData",
    "TgoOpenSSLNotify",
    "TgoSSLHelper",
    "TlsCertificateError",
    "TlsClosedError",
    "TlsConfigurationError",
    "TlsContext",
    "TlsEngine",
    "TlsError",
    "TlsHandshakeError",
    "TlsTransportError",
    "api",
    "client_api",
]


def __getattr__(name: str) -> object:
    """Hand out what most programs don't use, imported when it is first asked for (PEP 562)."""
    from linuxapi.binding import import_later

    from ._later import LATER

    value = globals()[name] = import_later(__name__, LATER, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
