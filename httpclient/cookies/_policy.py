"""Which cookies are taken from whom and go back to whom: RFC 6265 as a policy for ``http.cookiejar``.

The policy of the standard library follows Netscape and RFC 2965: hosts without a dot become ``.local``, cookies
without a Domain go to subdomains, paths are rewritten, a Domain may be a public suffix.
"""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy

from ..errors import InvalidUrlError
from ..uri import TgoURI
from ._public_suffix import public_suffix
from ._set_cookie import MAX_SIZE, has_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from http.cookiejar import Cookie
    from typing import Any

#: Octets of a path; the one that is made of a URL may be any size.
MAX_PATH_SIZE = 4096


def is_address(host: str) -> bool:
    """Say whether a host is an address and not a name: addresses match themselves alone (RFC 6265 section 5.1.3).

    No name ends in a number (RFC 3696 section 2), but IPv4 addresses do.

    :param host: as in a :class:`TgoURI`.
    """
    if host.startswith("["):
        return True
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isascii() and last.isdigit()


def domain_match(host: str, domain: str) -> bool:
    """Say whether a host is in a domain (RFC 6265 section 5.1.3). Both are in lower case, and without a leading dot."""
    return host == domain or (bool(domain) and host.endswith("." + domain) and not is_address(host))


def path_match(path: str, cookie_path: str) -> bool:
    """Say whether a path of a URL is within that of a cookie (RFC 6265 section 5.1.4)."""
    if not path.startswith(cookie_path):
        return False
    return len(path) == len(cookie_path) or cookie_path.endswith("/") or path[len(cookie_path)] == "/"


def default_path(path: str) -> str:
    """Return the path of a cookie that names none, from that of the URL (RFC 6265 section 5.1.4)."""
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def domains_of(host: str) -> Iterator[str]:
    """Give the domains of all cookies that may go to a host: as they are stored, with and without a dot in front."""
    yield host
    yield "." + host
    if not is_address(host):
        dot = host.find(".")
        while dot >= 0:
            yield host[dot + 1 :]
            yield host[dot:]
            dot = host.find(".", dot + 1)


class CookieRequest:
    """What ``http.cookiejar`` wants to know of a request, and where it puts the cookies for it.

    :ivar name: the host, without port.
    :ivar path: the path of the URL.
    :ivar cookie: the value of Cookie, once a jar has seen the request.
    """

    __slots__ = ("_uri", "cookie", "host", "name", "origin_req_host", "path", "type", "unverifiable")

    def __init__(self, uri: TgoURI) -> None:
        self._uri = uri
        # Never with a dot in front, which would make it a domain: TgoURI refuses that, and names of any length.
        self.name = self.origin_req_host = uri.host
        self.path = uri.path or "/"
        self.type = uri.scheme
        self.host = uri.authority
        self.unverifiable = False
        self.cookie = ""

    @staticmethod
    def of(request: Any) -> CookieRequest:
        """Return the same for the request of another library, as it is given to a ``CookieJar``."""
        if isinstance(request, CookieRequest):
            return request
        try:
            return CookieRequest(TgoURI(request.get_full_url()))
        except InvalidUrlError:
            return CookieRequest(TgoURI())  # to nobody, so there are no cookies

    def get_full_url(self) -> str:
        """Return the URL, without credentials: these would be taken for a part of the host."""
        return self._uri.origin + self._uri.target

    def has_header(self, name: str) -> bool:
        """Say whether the request has a field."""
        return name.lower() == "cookie" and self.cookie != ""

    def get_header(self, name: str, default: str | None = None) -> str | None:
        """Return a field of the request."""
        return self.cookie if self.has_header(name) else default

    def header_items(self) -> list[tuple[str, str]]:
        """Return the fields of the request."""
        return [("Cookie", self.cookie)] if self.cookie else []

    def add_unredirected_header(self, name: str, value: str) -> None:
        """Keep the cookies; Cookie2 is history (RFC 6265 section 9.4)."""
        if name.lower() == "cookie":
            self.cookie = value


class CookieResponse:
    """What ``http.cookiejar`` wants to know of a response.

    :param values: of its Set-Cookie fields.
    """

    __slots__ = ("_values",)

    def __init__(self, values: list[str]) -> None:
        self._values = values

    def info(self) -> CookieResponse:
        """Return the header."""
        return self

    def get_all(self, name: str, default: list[str] | None = None) -> list[str] | None:
        """Return the values of a field."""
        return self._values if name.lower() == "set-cookie" and self._values else default


class Rfc6265Policy(DefaultCookiePolicy):
    """The rules of RFC 6265, and of its draft successor (RFC 6265bis) where that protects from attacks.

    Made for :class:`httpclient.cookies.jar.HttpCookieJar`, which does what a policy can't do alone.

    :param blocked_domains: domains whose cookies are neither taken nor sent, as in ``DefaultCookiePolicy``: a name
        stands for itself, one with a dot in front for all below it.
    :param allowed_domains: the only domains whose cookies are taken and sent; ``None`` for all.
    :param secure_protocols: the schemes of URLs that count as secure.
    """

    secure_protocols: Sequence[str]
    _now: int

    def __init__(
        self,
        blocked_domains: Iterable[str] | None = None,
        allowed_domains: Iterable[str] | None = None,
        secure_protocols: Sequence[str] = ("https", "wss"),
    ) -> None:
        super().__init__(
            None if blocked_domains is None else tuple(blocked_domains),
            None if allowed_domains is None else tuple(allowed_domains),
            netscape=True,
            rfc2965=False,
            rfc2109_as_netscape=True,
            hide_cookie2=True,
            secure_protocols=tuple(secure_protocols),
        )

    def is_secure(self, request: CookieRequest) -> bool:
        """Say whether a request is protected on its way."""
        return request.type in self.secure_protocols

    # Taking cookies

    def set_ok(self, cookie: Cookie, request: Any) -> bool:
        """Say whether a cookie of a response is taken."""
        request = CookieRequest.of(request)
        # RFC 6265bis section 5.7: who can't read a secure cookie may not write one either.
        return super().set_ok(cookie, request) and (not cookie.secure or self.is_secure(request))

    def set_ok_name(self, cookie: Cookie, request: Any) -> bool:
        """Say whether name and value will do, and the name keeps its promises."""
        name, value = cookie.name, cookie.value or ""
        if not name or len(name) + len(value) > MAX_SIZE or has_control(name) or has_control(value):
            return False
        # RFC 6265bis section 5.7: "__Secure-" and "__Host-", in any case.
        prefix = name[:9].lower()
        if prefix.startswith("__host-"):
            return cookie.secure and not cookie.domain_specified and cookie.path_specified and cookie.path == "/"
        return prefix != "__secure-" or cookie.secure

    def set_ok_path(self, cookie: Cookie, request: Any) -> bool:
        """Any path will do (RFC 6265 section 5.3), as it protects nothing (section 8.6), if it isn't too long."""
        return len(cookie.path) <= MAX_PATH_SIZE

    def set_ok_domain(self, cookie: Cookie, request: Any) -> bool:
        """Say whether the host may set cookies for this domain (RFC 6265 section 5.3 steps 5 and 6)."""
        host = CookieRequest.of(request).name
        if not host or self.is_blocked(cookie.domain) or self.is_not_allowed(cookie.domain):
            return False
        if not cookie.domain_specified:
            return cookie.domain == host
        domain = cookie.domain.removeprefix(".")
        if not domain_match(host, domain):
            return False
        # Nor above a public suffix: "*.kobe.jp" is one, so "kobe.jp" isn't, but what is set for it goes to all of them.
        return domain == host or len(domain) > len(public_suffix(host))

    def set_ok_port(self, cookie: Cookie, request: Any) -> bool:
        """Cookies know no ports (RFC 6265 section 8.5)."""
        return True

    # Sending cookies (RFC 6265 section 5.4 step 1)

    def domain_return_ok(self, domain: str, request: Any) -> bool:
        """Say whether cookies that are stored for *domain* may go to the host."""
        host = CookieRequest.of(request).name
        return (
            domain_match(host, domain.removeprefix("."))
            and not self.is_blocked(domain)
            and not self.is_not_allowed(domain)
        )

    def path_return_ok(self, path: str, request: Any) -> bool:
        """Say whether cookies of *path* may go to the URL."""
        return path_match(CookieRequest.of(request).path, path)

    def return_ok(self, cookie: Cookie, request: Any) -> bool:
        """Say whether a cookie, of a domain and path for which it is, may be sent."""
        # All in one place: this is asked for every cookie of every request.
        request = CookieRequest.of(request)
        if cookie.secure and not self.is_secure(request):
            return False
        if cookie.expires is not None and cookie.expires <= self._now:
            return False
        # One without a Domain is for its host alone (RFC 6265 section 5.4 step 1, "host-only-flag").
        domain = cookie.domain
        return cookie.domain_specified or domain == request.name or domain.startswith(".")
