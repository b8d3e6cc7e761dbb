"""Digest access authentication: from a challenge to the value of Authorization (RFC 7616; RFC 2069 without qop).

Nothing is remembered here, and nothing is random: see ``authentication.DigestAuthentication`` for both. Text from the
server is Latin-1, as in all header fields, so that the bytes that are hashed and sent back are those that came.
"""

from __future__ import annotations

from ..errors import InvalidRequestError
from ._challenges import parse_challenges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._challenges import Challenge

#: RFC 7616 section 6.1: the names of the algorithms, those that hashlib has for them, and which is stronger.
_ALGORITHMS = {"md5": ("md5", 1), "sha-256": ("sha256", 2), "sha-512-256": ("sha512_256", 3)}

#: The longest value that is taken from a challenge. All are sent back with each request.
_MAX_VALUE = 4096


def utf8(text: str, what: str) -> bytes:
    """Return a part of somebody's credentials as it is hashed and sent: UTF-8 in Normalization Form C, which is what
    RFC 7616 section 4 and RFC 7617 section 2.1 say where they say anything.

    :param what: what it is, for the message; the text itself is not shown.
    :raises InvalidRequestError: control characters, which no user name or password can have (RFC 7617 section 2, RFC
        9110 section 5.6.4), or half of a surrogate pair.
    :raises TypeError: it isn't text.
    """
    if not isinstance(text, str):
        raise TypeError(f"the {what} must be text, not {type(text).__name__}")
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", text)
    if any(character < " " or character == "\x7f" for character in text):
        raise InvalidRequestError(f"a control character in the {what}, which can't be sent (RFC 7617 2)")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequestError(f"half of a surrogate pair in the {what}") from None


def user_name_bytes(user: str) -> bytes:
    """Return a user name as it is hashed and sent.

    :raises InvalidRequestError: it can't be sent; a colon would end it (RFC 7617 section 2, RFC 7616 section 4).
    """
    data = utf8(user, "user name")
    if b":" in data:
        raise InvalidRequestError("a colon in the user name: the password would begin there (RFC 7617 2)")
    return data


class Offer:
    """A Digest challenge that can be answered.

    :ivar algorithm: as the server wrote it; empty where it named none, which means MD5.
    :ivar qop: ``auth``, ``auth-int`` or, for servers that know RFC 2069 only, empty.
    :ivar stale: the user name and password are right, and only the nonce is too old.
    :ivar domain: the URIs that the same credentials are for; empty for the whole server.
    """

    __slots__ = (
        "algorithm", "charset", "domain", "hash_name", "nonce", "opaque", "qop", "realm", "session", "stale",
        "strength", "userhash",
    )  # fmt: skip

    algorithm: str
    charset: bool
    domain: list[str]
    hash_name: str
    nonce: str
    opaque: str | None
    qop: str
    realm: str
    session: bool
    stale: bool
    strength: int
    userhash: bool

    def __init__(self, params: dict[str, str], hash_name: str, strength: int, qop: str, session: bool) -> None:
        self.algorithm = params.get("algorithm", "")
        self.charset = params.get("charset", "").lower() == "utf-8"
        self.domain = params.get("domain", "").split()
        self.hash_name = hash_name
        self.nonce = params["nonce"]
        self.opaque = params.get("opaque")
        self.qop = qop
        self.realm = params["realm"]
        self.session = session
        self.stale = params.get("stale", "").lower() == "true"
        self.strength = strength
        self.userhash = params.get("userhash", "").lower() == "true"

    def same_as(self, other: Offer) -> bool:
        """Say whether both are one challenge, which another request has met too: then they share the nonce count."""
        return (self.nonce, self.algorithm, self.qop, self.opaque, self.userhash) == (
            other.nonce, other.algorithm, other.qop, other.opaque, other.userhash
        )  # fmt: skip


def strongest_offer(challenges: Iterable[Challenge], body_known: bool) -> Offer | None:
    """Return the strongest Digest challenge that can be answered, the first of several of the same strength.

    :param body_known: the body of the request is in memory, so that it can be hashed.
    """
    best: Offer | None = None
    for challenge in challenges:
        if challenge.scheme == "digest":
            offer = _offer(challenge.params, body_known)
            if offer is not None and (best is None or offer.strength > best.strength):
                best = offer
    return best


def _offer(params: dict[str, str], body_known: bool) -> Offer | None:
    """Return what a challenge offers; ``None`` where it can't be answered."""
    if "realm" not in params or not params.get("nonce"):
        return None
    if any(len(value) > _MAX_VALUE for value in params.values()):
        return None
    name = params.get("algorithm", "md5").lower()
    session = name.endswith("-sess")
    known = _ALGORITHMS.get(name.removesuffix("-sess"))
    if known is None:
        return None
    hash_name, strength = known
    try:
        _new_hash(hash_name)
    except ValueError:  # the rules of this machine forbid it, as FIPS 140 does with MD5
        return None
    qops = params.get("qop", "").lower().replace(",", " ").split()
    if not qops:
        # RFC 7616 section 3.3 demands qop, and RFC 2069 had none. Nor had it a cnonce, which a session key needs.
        return None if session else Offer(params, hash_name, strength, "", session)
    for qop in ("auth", "auth-int"):
        if qop in qops and (qop == "auth" or body_known):
            return Offer(params, hash_name, strength, qop, session)
    return None


def _new_hash(name: str, data: bytes = b"") -> str:
    import hashlib

    return hashlib.new(name, data).hexdigest()


def _quoted(text: str) -> str:
    """Return *text* as a quoted-string (RFC 9110 section 5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class DigestKey:
    """An answered challenge: what is hashed with each request under its nonce. Not changed once it is made, so that any
    number of threads can use it.

    :param offer: the challenge.
    :param user: the user name, as :func:`user_name_bytes` returns it.
    :param password: the password, as :func:`utf8` returns it.
    :param cnonce: a nonce of the client's own, for algorithms with a session key.
    """

    __slots__ = ("_cnonce", "_common", "_secret", "offer")

    def __init__(self, offer: Offer, user: bytes, password: bytes, cnonce: str) -> None:
        self.offer = offer
        realm = offer.realm.encode("latin-1")
        # RFC 7616 section 3.4.2: A1.
        secret = _new_hash(offer.hash_name, b":".join((user, realm, password)))
        if offer.session:
            # The cnonce of the first request belongs to the key; it stays the same so that servers that take that of
            # the request at hand find the same key.
            secret = _new_hash(offer.hash_name, f"{secret}:{offer.nonce}:{cnonce}".encode("latin-1"))
        self._secret = secret
        self._cnonce = cnonce if offer.session else ""
        self._common = _user_parameter(offer, user, realm)

    def with_nonce(self, nonce: str) -> DigestKey | None:
        """Return the key for the nonce that the server wants next (RFC 7616 section 3.5); ``None`` where servers don't
        agree on what that is: with a session key.
        """
        offer = self.offer
        if offer.session or not nonce or len(nonce) > _MAX_VALUE:
            return None
        following = Offer.__new__(Offer)
        for name in Offer.__slots__:
            setattr(following, name, getattr(offer, name))
        following.nonce = nonce
        key = DigestKey.__new__(DigestKey)
        key.offer = following
        key._secret, key._cnonce, key._common = self._secret, self._cnonce, self._common
        return key

    def authorization(self, method: str, target: str, body: bytes, count: int, cnonce: str) -> str:
        """Return the value of Authorization for one request (RFC 7616 section 3.4), each byte a character.

        :param target: the request target, exactly as it is sent.
        :param body: the body, which counts with ``auth-int`` only.
        :param count: how many requests were made with this nonce, this one included.
        :param cnonce: a nonce of the client's own; where there is a session key, that one's is taken.
        """
        offer = self.offer
        cnonce = self._cnonce or cnonce
        hash_name = offer.hash_name
        request = f"{method}:{target}"
        if offer.qop == "auth-int":
            request += ":" + _new_hash(hash_name, body)
        request_hash = _new_hash(hash_name, request.encode("latin-1"))
        middle = f"{offer.nonce}:{count:08x}:{cnonce}:{offer.qop}" if offer.qop else offer.nonce
        response = _new_hash(hash_name, f"{self._secret}:{middle}:{request_hash}".encode("latin-1"))
        # RFC 7616 section 3.4 says which have quotes and which must not; the order is that of its examples.
        parts = [self._common, f"uri={_quoted(target)}"]
        if offer.algorithm:
            parts.append(f"algorithm={offer.algorithm}")
        parts.append(f"nonce={_quoted(offer.nonce)}")
        if offer.qop:
            parts.append(f"nc={count:08x}, cnonce={_quoted(cnonce)}, qop={offer.qop}")
        parts.append(f'response="{response}"')
        if offer.opaque is not None:
            parts.append(f"opaque={_quoted(offer.opaque)}")
        if offer.userhash:
            parts.append("userhash=true")
        return ", ".join(parts)


def _user_parameter(offer: Offer, user: bytes, realm: bytes) -> str:
    """Return the start of the value: the scheme, the user name in the form that the server understands, the realm."""
    if offer.userhash:
        # RFC 7616 section 3.4.4
        name = f'username="{_new_hash(offer.hash_name, user + b":" + realm)}"'
    elif offer.charset and not user.isascii():
        # RFC 7616 section 3.4, for servers that know it; others take the bytes of UTF-8 as they are, if anything.
        from urllib.parse import quote

        name = f"username*=UTF-8''{quote(user, safe='')}"
    else:
        name = f"username={_quoted(user.decode('latin-1'))}"
    return f"Digest {name}, realm={_quoted(offer.realm)}"


def read_sent(value: str) -> tuple[str, str, int] | None:
    """Return realm, nonce and nonce count of an Authorization field that was sent; ``None`` where it isn't Digest.

    The count is 0 where there is none.
    """
    for challenge in parse_challenges([value.encode("latin-1", "replace")]):
        if challenge.scheme == "digest":
            params = challenge.params
            try:
                count = int(params.get("nc", "0"), 16)
            except ValueError:
                count = 0
            return params.get("realm", ""), params.get("nonce", ""), count
    return None
