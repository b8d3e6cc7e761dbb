"""TLS sessions, remembered for resumption (RFC 8446 section 2.2, RFC 5246 section 7.3, RFC 5077).

A resumed handshake needs no certificates and costs about half. A connection is asked for its session when the first
data has come, and once more when it ends, and each new one is remembered: of several tickets that come together, the
last. A later connection to the same place, in the same context, offers it back. (OpenSSL would hand over each ticket
through a callback, which takes longer than all the rest that is done for it.)

There is no lock: every step is one operation on a list or dict, which Python makes atomic, with and without the GIL.
"""

from __future__ import annotations

from functools import lru_cache

from ._peer import PeerCertificate
from .client_api import (
    TLS1_3_VERSION,
    TLS1_VERSION,
    SSL_CIPHER_get_name,
    SSL_SESSION_free,
    SSL_SESSION_get0_cipher,
    SSL_SESSION_get0_peer,
    SSL_SESSION_get_protocol_version,
    SSL_SESSION_is_resumable,
    SSL_SESSION_up_ref,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Host and port.
Place = tuple[str, int]

#: How many places are remembered, and how many sessions for each: connections that are opened together need one each.
_MAXIMUM_PLACES = 256
_MAXIMUM_SESSIONS = 16


@lru_cache(256)
def _cipher_name(cipher: int) -> str:
    """The name of a cipher suite, by its ``SSL_CIPHER``: a constant of the library."""
    return str(SSL_CIPHER_get_name(cipher).decode("ascii"))


class Session:
    """One reference to an ``SSL_SESSION``, given back when the object goes. Any thread may ask it, at any time."""

    __slots__ = ("pointer",)

    def __init__(self, pointer: int) -> None:
        SSL_SESSION_up_ref(pointer)
        self.pointer = pointer

    # The default argument keeps the function at hand when the module is already being taken apart.
    def __del__(self, free: Callable[[int], None] = SSL_SESSION_free) -> None:
        free(self.pointer)

    @property
    def version(self) -> str:
        """The version of TLS: ``TLSv1.3``."""
        number = SSL_SESSION_get_protocol_version(self.pointer)
        return f"TLSv1.{number - TLS1_VERSION}" if number > TLS1_VERSION else "TLSv1"

    @property
    def cipher(self) -> str:
        """The cipher suite: ``TLS_AES_256_GCM_SHA384``; empty before the handshake."""
        cipher = SSL_SESSION_get0_cipher(self.pointer)
        return _cipher_name(cipher) if cipher else ""

    @property
    def certificate(self) -> PeerCertificate | None:
        """The server's certificate, of the handshake that began the session; ``None`` if it has none."""
        pointer = SSL_SESSION_get0_peer(self.pointer)
        return PeerCertificate(pointer) if pointer else None


class SessionCache:
    """The sessions of one context. Thread-safe."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[Place, list[Session]] = {}

    def add(self, place: Place, session: Session) -> None:
        """Remember a session; the oldest go when there are too many."""
        sessions = self._places.setdefault(place, [])
        sessions.append(session)
        if len(sessions) > _MAXIMUM_SESSIONS:
            del sessions[:1]
        while len(self._places) > _MAXIMUM_PLACES:
            try:
                oldest = next(iter(self._places))
            except (RuntimeError, StopIteration):  # another thread changed it meanwhile
                continue
            self._places.pop(oldest, None)

    def take(self, place: Place) -> Session | None:
        """Return the newest session for a place, which is forgotten here if it may be used only once."""
        # Taken out and put in again, so that the places that are in use are the last ones to be thrown out.
        sessions = self._places.pop(place, None)
        if sessions is None:
            return None
        found = None
        try:
            while not SSL_SESSION_is_resumable((session := sessions.pop()).pointer):
                pass
            found = session
        except IndexError:
            pass
        # RFC 8446 appendix C.4: a ticket that is used twice lets an observer link the connections.
        if found is not None and SSL_SESSION_get_protocol_version(found.pointer) < TLS1_3_VERSION:
            sessions.append(found)
        if sessions:
            # Where another thread has added some meanwhile, these are newer.
            kept = self._places.setdefault(place, sessions)
            if kept is not sessions:
                kept[:0] = sessions
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()

    def count(self, place: Place) -> int:
        """How many sessions are remembered for a place."""
        return len(self._places.get(place, ()))
