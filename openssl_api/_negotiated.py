"""What the handshake of a connection led to: whether that is acceptable, and what there is to know about it."""

from __future__ import annotations

from ctypes import ArgumentError, c_void_p
from functools import lru_cache

from linuxapi.binding import bind_untyped

from ._failures import certificate_error, pin_error, place, refusal
from ._library import libssl
from ._peer import PeerCertificate, selected_protocol
from ._sessions import Session
from .client_api import (
    X509_V_OK,
    SSL_get_verify_result,
    SSL_get_version,
    SSL_SESSION_get0_peer,
    SSL_SESSION_is_resumable,
)
from .errors import TlsClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .context import TlsContext
    from .errors import TlsError

#: Stands in for a handle that must not be used (yet, or any more). ctypes refuses it with ArgumentError, where a null
#: pointer would crash OpenSSL; so nothing needs to be checked before a call.
NONE: Any = object()

# As in the engine: the handle is a c_void_p object.
_SSL_get_session = bind_untyped(libssl, "SSL_get_session", c_void_p)
_SSL_session_reused = bind_untyped(libssl, "SSL_session_reused")


@lru_cache(16)
def _version_text(name: bytes) -> str:
    """One text for all connections that speak the same version of TLS."""
    return name.decode("ascii")


class Negotiated:
    """The part of an engine that knows with whom, and with what, it is connected.

    :param context: what the connection shares with others.
    :param host: the server's name or address.
    :param port: its port.
    :param offered: the protocols that are offered by ALPN.
    """

    __slots__ = ("_context", "_handle", "_offered", "_place", "alpn", "host", "port", "resumed", "session")

    def __init__(self, context: TlsContext, host: str, port: int, offered: tuple[bytes, ...]) -> None:
        self._handle = NONE  # the SSL
        self._context = context
        self._offered = offered
        #: Where sessions are remembered for; ``None`` where they aren't.
        self._place: tuple[str, int] | None = None
        #: The newest session; ``None`` before the end of the handshake. Any thread may ask it, also after the end.
        self.session: Session | None = None
        #: That session was resumed: no certificates were exchanged.
        self.resumed = False
        #: The protocol that the server chose by ALPN; empty if none.
        self.alpn = b""
        self.host = host
        self.port = port

    def _check_peer(self, ssl: c_void_p, offered: Session | None) -> TlsError | None:
        """Look at what the handshake led to; return what is wrong with it.

        :param offered: the session that was to be resumed, if any.
        """
        context = self._context
        self.resumed = _SSL_session_reused(ssl) != 0
        pointer = _SSL_get_session(ssl)
        session = offered if offered is not None and offered.pointer == pointer else Session(pointer)
        if context.verify or context.pins is not None:
            # OpenSSL has verified the server. But it takes a server without any certificate for a good one, if the
            # context's cipher list allows for such.
            verify_code = SSL_get_verify_result(ssl) if context.verify else X509_V_OK
            if verify_code != X509_V_OK or not SSL_SESSION_get0_peer(session.pointer):
                return certificate_error(ssl, self.host, self.port, verify_code)
            if context.pins is not None:
                peer = session.certificate
                assert peer is not None
                if not context.pins.match(peer.pointer):
                    return pin_error(peer.pointer, self.host, self.port)
        if self._offered:
            self.alpn = selected_protocol(ssl)
            # RFC 7301 section 3.2: the server chooses from what it was offered. OpenSSL doesn't look.
            if self.alpn and self.alpn not in self._offered:
                return refusal(
                    self.host, self.port, f"the server chose {self.alpn!r} by ALPN, which it was not offered"
                )
        if session is offered:
            self.session = session
        else:
            self._keep_session(session)
        return None

    def _keep_session(self, session: Session) -> None:
        """Note the newest session, and have it resumed by other connections, if it can be."""
        self.session = session
        if self._place is not None and SSL_SESSION_is_resumable(session.pointer):
            self._context.sessions.add(self._place, session)

    def _look_for_session(self, ssl: c_void_p) -> None:
        """With TLS 1.3, sessions come after the handshake: note the first one that is found."""
        pointer = _SSL_get_session(ssl)
        session = self.session
        if session is not None and session.pointer != pointer:
            self._keep_session(Session(pointer))
            self._place = None

    def _open_handle(self) -> c_void_p:
        ssl = self._handle
        if ssl is NONE:
            raise self._closed_error()
        return ssl  # type: ignore[no-any-return]

    def _closed_error(self) -> TlsClosedError:
        text = f"the TLS connection to {place(self.host, self.port)} has been closed"
        return TlsClosedError(text, host=self.host, port=self.port)

    @property
    def version(self) -> str:
        """The version in use: ``TLSv1.3``."""
        try:
            return _version_text(SSL_get_version(self._handle))
        except ArgumentError:
            raise self._closed_error() from None

    @property
    def cipher(self) -> str:
        """The cipher suite in use: ``TLS_AES_256_GCM_SHA384``; empty before the handshake."""
        self._open_handle()
        return "" if self.session is None else self.session.cipher

    @property
    def session_reused(self) -> bool:
        """An earlier session was resumed: no certificates were exchanged."""
        self._open_handle()
        return self.resumed

    @property
    def certificate(self) -> PeerCertificate | None:
        """The server's certificate, for any thread and also after the end; ``None`` before the handshake."""
        return None if self.session is None else self.session.certificate

    def peer_certificate(self) -> bytes:
        """The server's certificate, DER; empty before the handshake."""
        self._open_handle()
        certificate = self.certificate
        return b"" if certificate is None else certificate.der()
