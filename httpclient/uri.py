"""URLs: parsing, resolving and writing (RFC 3986), and what HTTP makes of them (RFC 9110 section 4.2).

What people paste is put into the form that RFC 3986 wants: spaces and letters outside ASCII are percent-encoded, and
internationalised host names become what the name system knows. What could be read in two ways is refused with an
:class:`InvalidUrlError` that says why; so is every control character, which has no business in a URL but to
smuggle something into a request. The host is checked most of all, because it decides who gets the request: see
``_host.py``, also for what becomes of internationalised names.

Delphi: Grijjy.Uri
"""

from __future__ import annotations

from ._host import UNENCODED, canonical_host, decoded, find_control, utf8
from .errors import InvalidUrlError, without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

# RFC 3986 section 3.1.
_SCHEME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-."

# What may stand unencoded in each part (RFC 3986 sections 3.2.1 to 3.5), besides a percent sign that encodes something.
_IN_USER_INFO = UNENCODED + ":"
_IN_PATH = UNENCODED + ":@/"
_IN_QUERY = UNENCODED + ":@/?"

#: Patterns for what has to be encoded, each compiled when a URL first has such a thing in it.
_odd: dict[str, re.Pattern[str]] = {}

_CACHE_LIMIT = 1024
_CACHED_LENGTH = 2048
_cache: dict[str, TgoURI] = {}


def parse(url: str) -> TgoURI:
    """Parse a URL; a URL that was parsed before costs a look-up.

    :return: a parsed URL that may be shared, and therefore can't be changed.
    :raises InvalidUrlError: it isn't a URL.
    """
    uri = _cache.get(url)
    if uri is None:
        uri = TgoURI(url)
        object.__setattr__(uri, "_shared", True)
        # Credentials aren't kept longer than their user keeps them.
        if len(url) <= _CACHED_LENGTH and not uri.username and not uri.password:
            if len(_cache) >= _CACHE_LIMIT:
                _cache.clear()
            _cache[url] = uri
    return uri


class TgoURI:
    """A URL, or a reference to one, in its parts.

    The parts can be assigned; what is assigned is encoded and checked like a part of a parsed URL. Objects from
    :func:`parse` are shared and can't be changed. Reading is safe from any thread.

    :param uri: the text; blanks around it are ignored. Without it, all parts are empty.
    :raises InvalidUrlError: it isn't a URL; the message says what is wrong.

    :ivar scheme: in lower case; empty for a relative reference.
    :ivar username: user name, decoded.
    :ivar password: password, decoded.
    :ivar host: in lower case, internationalised names in their ASCII form, IPv6 addresses in brackets.
    :ivar port: the port, the scheme's default where none is given, -1 where there is no default.
    :ivar path: percent-encoded; at least ``/`` with http and https.
    :ivar query: what follows the question mark, percent-encoded.
    :ivar fragment: what follows the ``#``, percent-encoded.

    Delphi: Grijjy.Uri.TgoURI
    """

    __slots__ = (
        "_authority",
        "_bare_query",
        "_has_authority",
        "_origin",
        "_shared",
        "_target",
        "fragment",
        "host",
        "password",
        "path",
        "port",
        "query",
        "scheme",
        "username",
    )

    scheme: str
    username: str
    password: str
    host: str
    port: int
    path: str
    query: str
    fragment: str
    _authority: str | None
    _origin: str | None
    _target: str | None
    #: There is a "//", which an empty host needs; and a "?" with nothing behind it.
    _has_authority: bool
    _bare_query: bool
    _shared: bool

    def __init__(self, uri: str = "") -> None:
        if not isinstance(uri, str):
            raise InvalidUrlError(f"the URL is not text but {type(uri).__name__}")
        text = uri.strip(" ")
        control = find_control(text)
        if control:
            raise InvalidUrlError(f"the URL has a control character in it, {control!a}", url=text)
        # RFC 3986 Appendix B. A prefix that can't be a scheme belongs to the path.
        rest, _, fragment = text.partition("#")
        rest, question_mark, query = rest.partition("?")
        scheme, colon, hierarchy = rest.partition(":")
        if colon and _is_scheme(scheme):
            rest = hierarchy
        else:
            scheme = ""
        authority = ""
        has_authority = rest.startswith("//")
        if has_authority:
            authority, slash, rest = rest[2:].partition("/")
            rest = slash + rest
        try:
            username, password, host, port = _split_authority(authority)
            path = _encoded(rest, _IN_PATH)
            query = _encoded(query, _IN_QUERY)
            fragment = _encoded(fragment, _IN_QUERY)
        except InvalidUrlError as error:
            raise InvalidUrlError(error.what, url=text, advice=error.advice) from None
        bare_query = bool(question_mark) and not query
        self._fill(scheme.lower(), username, password, host, port, path, query, fragment, has_authority, bare_query)

    def _fill(  # noqa: PLR0917
        self,
        scheme: str,
        username: str,
        password: str,
        host: str,
        port: int,
        path: str,
        query: str,
        fragment: str,
        has_authority: bool,
        bare_query: bool,
    ) -> None:
        put = object.__setattr__
        put(self, "_shared", False)
        put(self, "scheme", scheme)
        put(self, "username", username)
        put(self, "password", password)
        put(self, "host", host)
        put(self, "port", port if port >= 0 else _DEFAULT_PORTS.get(scheme, -1) if has_authority else -1)
        # RFC 9110 section 4.2.3: an empty path of an http URL is "/".
        put(self, "path", path or ("/" if host and scheme in {"http", "https"} else ""))
        put(self, "query", query)
        put(self, "fragment", fragment)
        put(self, "_has_authority", has_authority)
        put(self, "_bare_query", bare_query)
        put(self, "_authority", None)
        put(self, "_origin", None)
        put(self, "_target", None)

    def __setattr__(self, name: str, value: object) -> None:
        if name != "params" and name not in _SETTERS:
            object.__setattr__(self, name, value)
            return
        if self._shared:
            raise AttributeError("this URL is shared and can't be changed; make your own with TgoURI(url)")
        if name == "port":
            if not isinstance(value, int) or not -1 <= value <= 65535:
                raise InvalidUrlError(f"the port {value!a} is not a number from 0 to 65535")
        else:
            if not isinstance(value, str):
                raise InvalidUrlError(f"the {name} of a URL must be text, not {type(value).__name__}")
            control = find_control(value)
            if control and name not in {"username", "password"}:
                raise InvalidUrlError(f"a control character, {control!a}, in the {name} of a URL")
            if name == "params":
                name = "query"
            value = _SETTERS[name](value)
        for computed in ("_authority", "_origin", "_target"):
            object.__setattr__(self, computed, None)
        object.__setattr__(self, name, value)

    @property
    def params(self) -> str:
        """The query as ``name=value`` pairs joined by ``&``: pairs may be separated by ``;`` too, and each gets its
        equals sign. Assigning it sets the query.

        Delphi: Grijjy.Uri.TgoURI.Params
        """
        if not self.query:
            return ""
        pairs = []
        for pair in self.query.replace(";", "&").split("&"):
            name, _, value = pair.partition("=")
            pairs.append(f"{name}={value}")
        return "&".join(pairs)

    @params.setter
    def params(self, value: str) -> None:
        self.query = value

    @property
    def authority(self) -> str:
        """Host, and port where it isn't the scheme's default: what the Host field says (RFC 9112 section 3.2).

        Without credentials, and without the zone of an IPv6 address, which means nothing elsewhere (RFC 6874
        section 4).
        """
        authority = self._authority
        if authority is None:
            host = self.host
            zone = host.find("%25")
            if zone >= 0:
                host = host[:zone] + "]"
            authority = host + self._port_suffix()
            object.__setattr__(self, "_authority", authority)
        return authority

    @property
    def origin(self) -> str:
        """Scheme, host and port: what two URLs share if they belong together (RFC 6454 section 4)."""
        origin = self._origin
        if origin is None:
            origin = f"{self.scheme}://{self.host}{self._port_suffix()}"
            object.__setattr__(self, "_origin", origin)
        return origin

    @property
    def target(self) -> str:
        """Path and query, as a request line has them (RFC 9112 section 3.2.1)."""
        target = self._target
        if target is None:
            path = self.path
            target = path if path.startswith("/") else "/" + path
            if self.query or self._bare_query:
                target = f"{target}?{self.query}"
            object.__setattr__(self, "_target", target)
        return target

    @property
    def connect_host(self) -> str:
        """The host as the name lookup wants it: IPv6 addresses without brackets, and with the zone as it is."""
        host = self.host
        if host.startswith("["):
            return decoded(host[1:-1])
        return host

    def _port_suffix(self) -> str:
        port = self.port
        return "" if port < 0 or port == _DEFAULT_PORTS.get(self.scheme) else f":{port}"

    def to_string(self) -> str:
        """Return the URL as text, credentials included.

        Differs from Delphi: the query stays as it was, where the original writes Params instead and so turns ``?a``
        into ``?a=``; fragment and ports of other schemes than http and https are kept, where it loses them.

        Delphi: Grijjy.Uri.TgoURI.ToString
        """
        text = f"{self.scheme}:" if self.scheme else ""
        if self.host or self._has_authority:
            text += "//"
            if self.username or self.password:
                text += _encoded_name(self.username)
                if self.password:
                    text += ":" + _encoded_name(self.password)
                text += "@"
            text += self.host + self._port_suffix()
            if self.path and not self.path.startswith("/"):
                text += "/"
        elif self.path.startswith("//"):
            # Or the path would be read as host (RFC 3986 section 3.3).
            text += "/."
        text += self.path
        if self.query or self._bare_query:
            text += "?" + self.query
        if self.fragment:
            text += "#" + self.fragment
        return text

    def with_query(self, query: str) -> TgoURI:
        """Return this URL with another query.

        :param query: what follows the question mark; what may not stand there is percent-encoded.
        :raises InvalidUrlError: it has a control character in it.
        """
        control = find_control(query)
        if control:
            raise InvalidUrlError(f"a control character, {control!a}, in the query of a URL")
        result = TgoURI.__new__(TgoURI)
        result._fill(
            self.scheme,
            self.username,
            self.password,
            self.host,
            self.port,
            self.path,
            _encoded(query, _IN_QUERY),
            self.fragment,
            self._has_authority,
            False,
        )
        return result

    def resolve(self, reference: str | TgoURI) -> TgoURI:
        """Return what *reference* means, seen from this URL (RFC 3986 section 5.2).

        :param reference: a URL or a relative reference, as in a Location field.
        :raises InvalidUrlError: it isn't one.
        """
        ref = reference if isinstance(reference, TgoURI) else TgoURI(reference)
        result = TgoURI.__new__(TgoURI)
        query, bare_query = ref.query, ref._bare_query
        if ref.scheme or ref._has_authority:
            origin, path = ref, _without_dot_segments(ref.path)
        else:
            origin = self
            if not ref.path:
                path = self.path
                if not query and not bare_query:
                    query, bare_query = self.query, self._bare_query
            elif ref.path.startswith("/"):
                path = _without_dot_segments(ref.path)
            elif self._has_authority and not self.path:
                path = _without_dot_segments("/" + ref.path)
            else:
                path = _without_dot_segments(self.path[: self.path.rfind("/") + 1] + ref.path)
        result._fill(
            ref.scheme or self.scheme,
            origin.username,
            origin.password,
            origin.host,
            origin.port,
            path,
            query,
            ref.fragment,
            origin._has_authority,
            bare_query,
        )
        return result

    def __eq__(self, other: object) -> bool:
        return self.to_string() == other.to_string() if isinstance(other, TgoURI) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __str__(self) -> str:
        return self.to_string()

    def __reduce__(self) -> tuple[type[TgoURI], tuple[str]]:
        # A copy is its owner's, also that of a shared one.
        return TgoURI, (self.to_string(),)

    def __repr__(self) -> str:
        return f"TgoURI({without_credentials(self.to_string())!r})"


# The errors below don't quote what they complain about: it may be part of a password that has a "/" in it.


def _split_authority(authority: str) -> tuple[str, str, str, int]:
    """Return user name, password, host and port; -1 where no port is given (RFC 3986 section 3.2)."""
    user_info, at, place = authority.rpartition("@")
    if "\\" in authority:
        raise InvalidUrlError("the URL has a backslash in front of its path, which programs read differently")
    username = password = ""
    if at:
        user_info = _encoded(user_info, _IN_USER_INFO)
        username, _, password = user_info.partition(":")
        username, password = decoded(username), decoded(password)
    if place.startswith("["):
        end = place.find("]")
        if end < 0:
            raise InvalidUrlError("the IPv6 address has no closing bracket")
        host, port = place[: end + 1], place[end + 1 :]
        if port and not port.startswith(":"):
            raise InvalidUrlError("something other than a port follows the IPv6 address")
        port = port[1:]
    else:
        host, _, port = place.partition(":")
        if ":" in port:
            raise InvalidUrlError("the URL has more than one colon after its host; an IPv6 address needs brackets")
    number = -1
    if port:
        # Not what int() takes: signs, underscores, blanks and other digits.
        if not (port.isascii() and port.isdigit()) or len(port.lstrip("0")) > 5:
            raise InvalidUrlError("the port is not a number from 0 to 65535")
        number = int(port.lstrip("0") or "0")  # int() has its own opinion about very many zeros
        if number > 65535:
            raise InvalidUrlError("the port is not a number from 0 to 65535")
    return username, password, canonical_host(host), number


def _encode_match(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in utf8(match.group()))


def _encoded(text: str, plain: str) -> str:
    """Percent-encode what may not stand in a part of a URL as it is (RFC 3986 section 2.1).

    :param plain: the characters that may, besides a percent sign that encodes something.
    """
    if not text.strip(plain):
        return text
    odd = _odd.get(plain)
    if odd is None:
        import re

        odd = _odd[plain] = re.compile(f"[^{re.escape(plain)}%]|%(?![0-9A-Fa-f]{{2}})")
    return odd.sub(_encode_match, text)


def _encoded_name(text: str) -> str:
    """Percent-encode a user name or password by itself, where a colon or a percent sign is data."""
    return _encoded(text.replace("%", "%25"), UNENCODED)


def _without_dot_segments(path: str) -> str:
    """Take ``.`` and ``..`` out of a path (RFC 3986 section 5.2.4)."""
    if "." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[:-1]:
        if segment == "..":
            # The first one is what stands in front of the leading slash.
            if len(kept) > 1 or (kept and kept[0]):
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    last = segments[-1]
    if last == "..":
        if len(kept) > 1 or (kept and kept[0]):
            kept.pop()
        last = ""
    elif last == ".":
        last = ""
    kept.append(last)
    result = "/".join(kept)
    return "/" + result if path.startswith("/") and not result.startswith("/") else result


def _is_scheme(text: str) -> bool:
    return text.isascii() and text[:1].isalpha() and not text.strip(_SCHEME)


def _scheme(scheme: str) -> str:
    if scheme and not _is_scheme(scheme):
        raise InvalidUrlError(f"{scheme[:20]!a} is not a scheme")
    return scheme.lower()


#: How assigned parts are put into shape.
_SETTERS: dict[str, Callable[[str], str]] = {
    "scheme": _scheme,
    "username": str,
    "password": str,
    "host": canonical_host,
    "port": str,
    "path": lambda path: _encoded(path, _IN_PATH),
    "query": lambda query: _encoded(query, _IN_QUERY),
    "fragment": lambda fragment: _encoded(fragment, _IN_QUERY),
}
