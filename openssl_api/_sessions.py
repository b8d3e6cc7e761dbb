"""TLS sessions, remembered for resumption (RFC 8446 section 2.2, RFC 5246 section 7.3, RFC 5077).

A resumed handshake needs no certificates and costs about half. OpenSSL hands over each session that a server offers
through a callback; a later connection to the same place, in the same context, offers one back.

There is no lock: a lock would be taken inside OpenSSL's callback, and could then be held by the very thread that a
signal handler interrupted. Instead every step is one operation on a list or dict, which Python makes atomic, with and
without the GIL.
"""

from __future__ import annotations

from ctypes import c_void_p

from .client_api import (
    TLS1_3_VERSION,
    SSL_SESSION_free,
    SSL_SESSION_get_protocol_version,
    SSL_SESSION_is_resumable,
    SSL_SESSION_up_ref,
    TNewSessionCallback,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Host and port.
Place = tuple[str, int]

#: How many places are remembered, and how many sessions for each: servers send two at a time, and connections that
#: are opened together need one each.
_MAXIMUM_PLACES = 256
_MAXIMUM_SESSIONS = 16


class Session:
    """One reference to an ``SSL_SESSION``, given back when the object goes."""

    __slots__ = ("pointer",)

    def __init__(self, pointer: int) -> None:
        SSL_SESSION_up_ref(pointer)
        self.pointer = pointer

    # The default argument keeps the function at hand when the module is already being taken apart.
    def __del__(self, free: Callable[[int], None] = SSL_SESSION_free) -> None:
        free(self.pointer)


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
            _pop(sessions, 0)
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
        session = _pop(sessions, -1)
        while session is not None and not SSL_SESSION_is_resumable(session.pointer):
            session = _pop(sessions, -1)
        # RFC 8446 appendix C.4: a ticket that is used twice lets an observer link the connections.
        if session is not None and SSL_SESSION_get_protocol_version(session.pointer) < TLS1_3_VERSION:
            sessions.append(session)
        if sessions:
            # Where another thread has added some meanwhile, these are newer.
            kept = self._places.setdefault(place, sessions)
            if kept is not sessions:
                kept[:0] = sessions
        return session

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()

    def count(self, place: Place) -> int:
        """How many sessions are remembered for a place."""
        return len(self._places.get(place, ()))


def _pop(sessions: list[Session], index: int) -> Session | None:
    try:
        return sessions.pop(index)
    except IndexError:
        return None


#: SSL -> where its sessions go. OpenSSL's callback gets nothing but the SSL.
owners: dict[int, tuple[SessionCache, Place]] = {}

#: What was raised inside a callback (a signal handler's KeyboardInterrupt, say), by SSL: an exception cannot pass
#: through C, so whoever made the call into OpenSSL raises it afterwards.
raised: dict[int, BaseException] = {}


def _remember(ssl: int, pointer: int) -> int:
    try:
        owner = owners.get(ssl)
        if owner is not None:
            cache, place = owner
            cache.add(place, Session(pointer))
    except BaseException as error:
        raised[ssl] = error
    # Always 0, "not kept", with a reference of our own taken: whatever interrupts this function, and wherever, the
    # worst is a reference too many.
    return 0


#: One for all contexts, and for as long as the process lives: OpenSSL may call it while any SSL exists.
new_session_callback = TNewSessionCallback(_remember)


def address(handle: c_void_p) -> int:
    """The pointer in a ``c_void_p`` object."""
    return handle.value or 0
