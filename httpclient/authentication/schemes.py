"""Authentication of requests: Basic, Bearer and Digest, and what one needs to write another (RFC 9110 section 11).

A client asks an :class:`Authentication` twice: before a request, what to send unasked, and after a refusal, what to
answer to the challenges. It does so for the origin that a request was made to, and not for where a redirect leads.

No I/O. No Delphi origin: the original has a user name and a password, and knows Basic.
"""

from __future__ import annotations

import os
import threading

from linuxapi.forks import after_fork_in_child

from ..content.body import Body
from ..errors import InvalidRequestError, InvalidUrlError
from ..uri import parse
from ._challenges import Challenge, parse_challenges, parse_parameters
from ._digest import DigestKey, read_sent, strongest_offer, user_name_bytes, utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._digest import Offer

__all__ = [
    "Authentication",
    "AuthenticationRequest",
    "BasicAuthentication",
    "BearerAuthentication",
    "Challenge",
    "DigestAuthentication",
    "make_authentication",
    "parse_challenges",
]

#: Origins, and protection spaces of each, for which nonces are remembered; the oldest are forgotten.
MAX_ORIGINS = 256
MAX_SPACES = 8
#: How many URIs of a challenge's domain are read.
_MAX_DOMAIN = 64

#: Origins of which it is remembered that they asked for Digest. Beyond that, all count as such.
_MAX_DIGEST_ORIGINS = 4096

#: The largest nonce count: eight hexadecimal digits (RFC 7616 section 3.4).
_MAX_COUNT = 0xFFFFFFFF

#: Guards what the objects below remember. One for all: it is held for a few instructions.
_lock = threading.Lock()
#: Counts the forks that led to this process. Nonces of the parent are its own: it goes on counting them.
_generation = 0


class AuthenticationRequest:
    """What an :class:`Authentication` may know of a request.

    :param method: the method.
    :param target: the request target, exactly as the request line has it: ``/path?query``; to a proxy also
        ``host:port`` (CONNECT) or a whole URL.
    :param origin: scheme, host and port of who asks: the server, or the proxy.
    :param body: the body, or ``None``.
    :param fields: the header fields as far as they are known.
    :param proxy: it is a proxy that asks (RFC 9110 section 11.7).
    """

    __slots__ = ("_body", "fields", "method", "origin", "proxy", "target")

    def __init__(
        self,
        method: str,
        target: str,
        origin: str,
        body: Body | None = None,
        *,
        fields: Sequence[tuple[str, str]] = (),
        proxy: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.origin = origin
        self.fields = fields
        self.proxy = proxy
        self._body = body

    @property
    def asker(self) -> str:
        """Who asks: what credentials, and what is remembered about them, are for."""
        return f"proxy {self.origin}" if self.proxy else self.origin

    @property
    def body(self) -> bytes | None:
        """The bytes of the body, none where there is no body; ``None`` where it isn't in memory."""
        body = self._body
        if body is None:
            return b""
        return body.data if type(body) is Body else None

    def __repr__(self) -> str:
        return f"<AuthenticationRequest {self.method} {self.origin}>"


class Authentication:
    """How to authenticate requests: the base class of those below, and of your own.

    Its methods may be called by any number of threads at once.

    :cvar constant: :meth:`authorize` returns the same for all requests, so that it needn't be asked again as long as
        this is so.
    :cvar learns: :meth:`learn` wants to be called.
    """

    __slots__ = ()

    constant = False
    learns = False

    def authorize(self, request: AuthenticationRequest) -> str:
        """Return the value of Authorization to send unasked; empty for none.

        :raises HttpClientError: the request can't be made.
        """
        return ""

    def respond(self, request: AuthenticationRequest, challenges: list[Challenge], sent: str) -> str | None:
        """Return the value of Authorization to try next after a refusal (401, or 407 from a proxy).

        :param challenges: what the server asked for.
        :param sent: the value that was refused; empty where none was sent.
        :return: ``None`` to give up. What was refused must not be answered with the same credentials again.
        """
        return None

    def learn(self, request: AuthenticationRequest, values: Iterable[bytes], sent: str) -> None:
        """Take note of Authentication-Info, or Proxy-Authentication-Info (RFC 9110 sections 11.6.3 and 11.7.3).

        :param values: the values of all fields of that name.
        :param sent: the value of Authorization that was accepted.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class BasicAuthentication(Authentication):
    """Basic authentication, sent unasked (RFC 7617, with UTF-8).

    :param user: the user name.
    :param password: the password. Whoever sees the request can read it: use https.
    :raises InvalidRequestError: a colon in the user name, or control characters, which can't be sent.
    :raises TypeError: they aren't text.
    """

    __slots__ = ("_value",)

    constant = True

    def __init__(self, user: str, password: str) -> None:
        from binascii import b2a_base64

        data = user_name_bytes(user) + b":" + utf8(password, "password")
        self._value = "Basic " + b2a_base64(data, newline=False).decode("ascii")

    def authorize(self, request: AuthenticationRequest) -> str:
        return self._value

    def respond(self, request: AuthenticationRequest, challenges: list[Challenge], sent: str) -> str | None:
        return _same_again("basic", self._value, challenges, sent)


class BearerAuthentication(Authentication):
    """A bearer token, sent unasked (RFC 6750 section 2.1).

    :param token: the token. Whoever sees the request can use it: use https.
    :raises InvalidRequestError: it has characters that no token has.
    :raises TypeError: it isn't text.
    """

    __slots__ = ("_value",)

    constant = True

    def __init__(self, token: str) -> None:
        import re

        if not isinstance(token, str):
            raise TypeError(f"a bearer token must be text, not {type(token).__name__}")
        if not re.fullmatch(r"[A-Za-z0-9\-._~+/]++=*+", token):
            raise InvalidRequestError(
                "a bearer token has ASCII letters, digits, any of -._~+/ and equals signs at its end (RFC 6750 2.1); "
                "this one has something else, or nothing",
                advice="Look for a line break at its end, quotes around it, or a Bearer in front",
            )
        self._value = "Bearer " + token

    def authorize(self, request: AuthenticationRequest) -> str:
        return self._value

    def respond(self, request: AuthenticationRequest, challenges: list[Challenge], sent: str) -> str | None:
        return _same_again("bearer", self._value, challenges, sent)


def _same_again(scheme: str, value: str, challenges: list[Challenge], sent: str) -> str | None:
    """Return *value* if it is asked for and was not what was refused."""
    return value if sent != value and any(challenge.scheme == scheme for challenge in challenges) else None


class _Space:
    """A protection space (RFC 7616 section 3.3): where a nonce can be used, and how often it was.

    :ivar paths: the paths that it covers, with what is below them; ``None`` for all.
    :ivar ahead: the nonce was announced, so that its first use isn't the answer to a challenge.
    """

    __slots__ = ("ahead", "count", "key", "paths")

    def __init__(self, key: DigestKey, paths: list[str] | None, ahead: bool) -> None:
        self.key = key
        self.paths = paths
        self.ahead = ahead
        self.count = 0

    def covers(self, path: str) -> int:
        """Return how many characters of a path say that it belongs here; -1 if it doesn't."""
        if self.paths is None:
            return 0
        best = -1
        for start in self.paths:
            # RFC 7616 section 3.3 speaks of prefixes; /private is one of /private2 as well, which is hardly meant.
            if path == start or path.startswith(start if start.endswith("/") else start + "/"):
                best = max(best, len(start))
        return best


class DigestAuthentication(Authentication):
    """Digest authentication (RFC 7616; RFC 2069 with servers that know no more).

    The first request to a server is refused, with a nonce; those after it use that nonce unasked. MD5, SHA-256 and
    SHA-512-256, with and without session keys; the strongest that a server offers is taken. The body is protected
    (``auth-int``) where the server insists on that and the body is in memory.

    It is as good as the connection: on plain http somebody in between can ask for Basic instead, which this class
    doesn't answer, or for MD5. Use https.

    :param user: the user name.
    :param password: the password, which is never sent.
    :raises InvalidRequestError: a colon in the user name, or control characters.
    :raises TypeError: they aren't text.
    """

    __slots__ = ("_generation", "_password", "_spaces", "_user")

    learns = True

    def __init__(self, user: str, password: str) -> None:
        self._user = user_name_bytes(user)
        self._password = utf8(password, "password")
        self._generation = _generation
        #: By who asked, the newest space first.
        self._spaces: dict[str, list[_Space]] = {}

    def authorize(self, request: AuthenticationRequest) -> str:
        body = request.body
        with _lock:
            space = self._space_of(request)
            if space is None or space.count >= _MAX_COUNT or (body is None and space.key.offer.qop == "auth-int"):
                return ""
            space.count = count = space.count + 1
        return space.key.authorization(request.method, request.target, body or b"", count, _cnonce())

    def respond(self, request: AuthenticationRequest, challenges: list[Challenge], sent: str) -> str | None:
        body = request.body
        offer = strongest_offer(challenges, body is not None)
        if offer is None or self._is_refused(request, offer, sent):
            return None
        cnonce = _cnonce()
        space = _Space(DigestKey(offer, self._user, self._password, cnonce), _paths(request, offer), False)
        with _lock:
            space = self._remember(request.asker, space)
            space.count = count = space.count + 1
        return space.key.authorization(request.method, request.target, body or b"", count, cnonce)

    def learn(self, request: AuthenticationRequest, values: Iterable[bytes], sent: str) -> None:
        nonce = parse_parameters(values).get("nextnonce", "")
        used = read_sent(sent) if nonce else None
        if used is None or used[1] == nonce:
            return
        with _lock:
            self._forget_after_fork()
            spaces = self._spaces.get(request.asker, [])
            for index, space in enumerate(spaces):
                if space.key.offer.nonce == used[1]:
                    key = space.key.with_nonce(nonce)
                    if key is None:
                        del spaces[index]
                    else:
                        spaces[index] = _Space(key, space.paths, True)
                    return

    def _is_refused(self, request: AuthenticationRequest, offer: Offer, sent: str) -> bool:
        """Say whether user name and password are wrong, as far as one can know; then the nonce is of no use, either.

        A nonce that was used unasked may have been too old. Not every server says "stale" then.
        """
        used = read_sent(sent)
        if used is None or used[0] != offer.realm:
            return False
        nonce, count = used[1:]
        if nonce != offer.nonce and (offer.stale or count > 1):
            return False
        with _lock:
            self._forget_after_fork()
            spaces = self._spaces.get(request.asker, [])
            for index, space in enumerate(spaces):
                if space.key.offer.nonce == nonce:
                    del spaces[index]
                    # Without qop there is no count to be seen.
                    return nonce == offer.nonce or not (space.ahead or (count == 0 and space.count > 1))
        return True

    # With the lock held

    def _forget_after_fork(self) -> None:
        if self._generation != _generation:
            self._generation = _generation
            self._spaces = {}

    def _space_of(self, request: AuthenticationRequest) -> _Space | None:
        self._forget_after_fork()
        found, longest = None, -1
        spaces = self._spaces.get(request.asker)
        if spaces:
            path = request.target.partition("?")[0]
            for space in spaces:
                length = space.covers(path)
                if length > longest:
                    found, longest = space, length
        return found

    def _remember(self, asker: str, space: _Space) -> _Space:
        """Return the space to use: one that another thread has made of the same challenge, or this one."""
        self._forget_after_fork()
        offer = space.key.offer
        spaces = self._spaces.get(asker)
        if spaces is None:
            if len(self._spaces) >= MAX_ORIGINS:
                del self._spaces[next(iter(self._spaces))]
            spaces = self._spaces[asker] = []
        for index, known in enumerate(spaces):
            if known.key.offer.realm == offer.realm:
                if known.key.offer.same_as(offer):
                    return known
                del spaces[index]
                break
        spaces.insert(0, space)
        del spaces[MAX_SPACES:]
        return space


def _cnonce() -> str:
    return os.urandom(16).hex()


def _paths(request: AuthenticationRequest, offer: Offer) -> list[str] | None:
    """Return the paths of a protection space (RFC 7616 section 3.3); ``None`` for the whole server, or a proxy.

    URIs of other servers are left out: they may ask for themselves.
    """
    if request.proxy or not offer.domain:
        return None
    paths = []
    base = parse(request.origin + "/")
    for reference in offer.domain[:_MAX_DOMAIN]:
        try:
            uri = base.resolve(reference)
        except InvalidUrlError:
            continue
        if uri.origin == base.origin:
            paths.append(uri.path)
    return paths


class _PasswordAuthentication(Authentication):
    """Basic unasked, and Digest where a server asks for it; from then on never Basic with that server."""

    __slots__ = ("_basic", "_digest", "_digest_origins", "_everywhere")

    learns = True

    def __init__(self, user: str, password: str) -> None:
        self._basic = BasicAuthentication(user, password)
        self._digest = DigestAuthentication(user, password)
        self._digest_origins: frozenset[str] = frozenset()
        self._everywhere = False

    @property
    def constant(self) -> bool:  # type: ignore[override]
        """As long as no server has asked for Digest."""
        return not (self._everywhere or self._digest_origins)

    def authorize(self, request: AuthenticationRequest) -> str:
        if self._everywhere or request.asker in self._digest_origins:
            return self._digest.authorize(request)
        return self._basic.authorize(request)

    def respond(self, request: AuthenticationRequest, challenges: list[Challenge], sent: str) -> str | None:
        if any(challenge.scheme == "digest" for challenge in challenges):
            with _lock:
                if len(self._digest_origins) < _MAX_DIGEST_ORIGINS:
                    self._digest_origins |= {request.asker}
                elif request.asker not in self._digest_origins:
                    self._everywhere = True
            return self._digest.respond(request, challenges, sent)
        if self._everywhere or request.asker in self._digest_origins:
            return None
        return self._basic.respond(request, challenges, sent)

    def learn(self, request: AuthenticationRequest, values: Iterable[bytes], sent: str) -> None:
        self._digest.learn(request, values, sent)


def make_authentication(given: tuple[str, str] | Authentication | None) -> Authentication | None:
    """Return what a caller's ``auth`` means.

    :param given: an :class:`Authentication`, or user name and password: they are sent as Basic unasked, and as Digest
        to a server that asks for Digest, never as Basic again then; or ``None``.
    :raises InvalidRequestError: user name or password can't be sent.
    :raises TypeError: it is something else.
    """
    if given is None or isinstance(given, Authentication):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return _PasswordAuthentication(*given)
    raise TypeError(
        "authentication is a pair (user name, password), an Authentication or None, not "
        f"{'a tuple of another length' if isinstance(given, tuple) else type(given).__name__}"
    )


def _after_fork_in_child() -> None:
    global _lock, _generation
    _lock = threading.Lock()
    _generation += 1


after_fork_in_child(_after_fork_in_child)
