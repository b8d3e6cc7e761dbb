"""Which certificates have been verified, so that the next connection to the same server need not do it again.

Verifying a certificate (RFC 5280 section 6) takes a sixth of a full handshake, and comes to the same result each time:
for the same certificate, host and authorities, until it or one of its issuers expires. The server still has to prove in
each handshake that it has the certificate's key; that is what the handshake itself is for.
"""

from __future__ import annotations

import time
from ctypes import byref, c_int

from ._pins import certificate_digest
from .api import sk_num
from .client_api import (
    ASN1_TIME_diff,
    OPENSSL_sk_value,
    X509_get0_notAfter,
    X509_STORE_CTX_get0_cert,
    X509_STORE_CTX_get0_chain,
)

#: Seconds after which a certificate is verified anew all the same: authorities are seldom changed in a running process,
#: but they may be.
_LONGEST = 600.0

#: How many certificates are remembered.
_MAXIMUM = 256


class VerifiedCertificates:
    """Those of one context. Thread-safe: each step is one operation on a dict."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        #: Host and digest of the certificate -> when it was verified, and until when that holds, in ``time.time()``
        #: seconds. A clock that is set back ends it, too.
        self._known: dict[tuple[str, bytes], tuple[float, float]] = {}

    def has(self, host: str, store_context: int) -> bool:
        """Tell whether the certificate of a server has been found good a moment ago.

        :param host: whom it must be for, in the one form that *store_context* has, too.
        :param store_context: the ``X509_STORE_CTX *`` for it, as OpenSSL has prepared it.
        """
        since, until = self._known.get((host, _digest(store_context)), (0.0, 0.0))
        return since <= time.time() < until

    def add(self, host: str, store_context: int) -> None:
        """Note that the certificate has been verified, and is good."""
        if len(self._known) >= _MAXIMUM:
            self._known = {}
        now = time.time()
        self._known[host, _digest(store_context)] = now, now + _seconds_left(store_context)


def _digest(store_context: int) -> bytes:
    return certificate_digest(X509_STORE_CTX_get0_cert(store_context))


def _seconds_left(store_context: int) -> float:
    """Return for how long all certificates of a verified chain are valid, and no longer than is to be remembered."""
    chain = X509_STORE_CTX_get0_chain(store_context)
    left = _LONGEST
    days, seconds = c_int(), c_int()
    for index in range(sk_num(chain)):
        end = X509_get0_notAfter(OPENSSL_sk_value(chain, index))
        if not ASN1_TIME_diff(byref(days), byref(seconds), None, end):
            return 0.0
        left = min(left, days.value * 86400.0 + seconds.value)
    return left
