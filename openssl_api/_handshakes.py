"""What OpenSSL calls back during a handshake: to have the server's certificate verified, and for the key log.

An exception cannot pass through C: what strikes a callback is kept, and raised by whoever made the call into OpenSSL.
"""

from __future__ import annotations

from linuxapi.interrupts import CallbackGuard

from .client_api import (
    X509_V_OK,
    SSL_get_ex_data_X509_STORE_CTX_idx,
    TCertVerifyCallback,
    TKeylogCallback,
    X509_STORE_CTX_get_error,
    X509_STORE_CTX_get_ex_data,
    X509_STORE_CTX_set_error,
    X509_verify_cert,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._sessions import Session
    from .context import TlsContext


class Handshake(CallbackGuard):
    """One handshake: its calls into OpenSSL are made by :meth:`call`.

    :param host: the server's name or address in its one form.
    :param context: what the connection shares with others.
    :param session: the session that is offered, if any.

    :ivar failures: what has struck the callbacks.
    :ivar verified: the server's certificate has been verified, and is for the host.
    """

    __slots__ = ("_context", "_host", "failures", "session", "verified")

    def __init__(self, host: str, context: TlsContext, session: Session | None) -> None:
        self.failures: list[BaseException] = []
        self._failures = self.failures  # the base's own; its constructor has no more to do
        self._host = host
        self._context = context
        self.session = session
        self.verified = False

    def verify(self, store_context: int) -> int:
        """Verify the server's certificate; return what ``X509_verify_cert`` returns for it.

        :param store_context: the ``X509_STORE_CTX *`` that OpenSSL has prepared for that.
        """
        context = self._context
        known = context.verified
        if known is None and context.has_verified:
            from ._verified import VerifiedCertificates

            known = context.verified = VerifiedCertificates()
        if known is not None and known.has(self._host, store_context):
            self.verified = True
            X509_STORE_CTX_set_error(store_context, X509_V_OK)
            return 1
        result = int(X509_verify_cert(store_context))
        # Also where somebody's own callback has overruled it.
        self.verified = result == 1 and X509_STORE_CTX_get_error(store_context) == X509_V_OK
        # A program that makes one connection needs nothing to be remembered.
        context.has_verified = True
        if known is not None and self.verified:
            known.add(self._host, store_context)
        return result


#: SSL -> its handshake, while that is under way. OpenSSL's callbacks get nothing but the SSL.
handshakes: dict[int, Handshake] = {}


def _verify(store_context: int, _: int | None) -> int:
    handshake = None
    try:
        handshake = handshakes.get(X509_STORE_CTX_get_ex_data(store_context, SSL_get_ex_data_X509_STORE_CTX_idx()))
        if handshake is None:
            return int(X509_verify_cert(store_context))  # somebody else's SSL of the same context
        return handshake.verify(store_context)
    except BaseException as error:
        if handshake is not None:
            handshake.failures.append(error)
        return 0


#: One for all contexts, and for as long as the process lives.
verify_callback = TCertVerifyCallback(_verify)


def keylog_callback(keylog: Callable[[bytes], object]) -> Any:
    """Return what OpenSSL calls with each line of key material; it must live as long as the context."""

    def on_line(ssl: int, line: bytes) -> None:
        try:
            keylog(line)
        except BaseException as error:
            handshake = handshakes.get(ssl)
            if handshake is not None:
                handshake.failures.append(error)

    return TKeylogCallback(on_line)
