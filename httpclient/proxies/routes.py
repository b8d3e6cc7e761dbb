"""The way to an origin: direct, through a proxy, or through a Unix domain socket.

A route says how a connection is made, and how a request on it names what it wants. It is chosen once for each origin;
origins that are reached in the same way over the same connections (plain http through an HTTP proxy) have the same
route object.

No Delphi origin.
"""

from __future__ import annotations

from socketpool import ConnectionFailedError, NameLookupError

from ..errors import ProxyError
from ..http1.request import check_field_value
from ..settings import DEFAULT_USER_AGENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from socketpool import Address, TgoSocketConnection

    from ..authentication.schemes import Authentication
    from ..exchange import Exchange
    from ..pooling.origin import Origin
    from ..uri import TgoURI
    from .choice import Proxies, Proxy
    from .login import ProxyLogin

#: What of a client's TLS options goes for proxies too. Not its certificate and what it pins: that is for the origins.
_TLS_OPTIONS = ("verify", "ca_file", "ca_directory", "ca_data", "minimum_version", "ciphers")


def proxy_tls_options(options: Mapping[str, object]) -> dict[str, object]:
    """Return the TLS options for connections with proxies, given those for origins."""
    wanted = {name: options[name] for name in _TLS_OPTIONS if name in options}
    if options.get("fingerprints"):
        wanted["verify"] = True  # they name the certificates of origins
    return wanted


class Route:
    """A way to an origin. Safe to use from any thread.

    :ivar key: what origins that share their connections have in common; empty where they don't.
    :ivar forwarding: requests go to a proxy in clear text, which makes them itself.
    :ivar proxy: the proxy, ``None`` if there is none.
    """

    __slots__ = ("key", "proxy")

    forwarding = False

    def __init__(self, proxy: Proxy | None = None) -> None:
        self.key = ""
        self.proxy = proxy

    def new_connection(self, origin: Origin) -> TgoSocketConnection:
        """Return a connection that will be made on this way, with everything set but TLS with the origin.

        :raises HttpClientError: the client is closed.
        :raises OSError: TLS with the proxy can't be used as the options say.
        """
        raise NotImplementedError

    def failure(self, error: BaseException) -> BaseException:
        """Return what to make of an error met while connecting: the proxy's own are told apart."""
        proxy = self.proxy
        if proxy is None:
            return error
        if isinstance(error, ConnectionFailedError) or (
            isinstance(error, NameLookupError) and error.hostname == proxy.host
        ):
            failure = ProxyError(f"the proxy {proxy.name} can't be reached: {error}")
            failure.errno = error.errno
            failure.__cause__ = error
            return failure
        return error


class UnixRoute(Route):
    """Through a Unix domain socket.

    :param address: the socket's.
    """

    __slots__ = ("_address",)

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address

    def new_connection(self, origin: Origin) -> TgoSocketConnection:
        connection = origin.pool.socket_manager.request(origin.host, origin.port)
        connection.addresses = (self._address,)
        return connection


class TunnelRoute(Route):
    """Through a proxy that passes bytes on: by CONNECT, or SOCKS.

    :param proxy: the proxy.
    :param login: what authenticates this side to an HTTP proxy.
    """

    __slots__ = ("_login",)

    def __init__(self, proxy: Proxy, login: ProxyLogin | None) -> None:
        super().__init__(proxy)
        self._login = login

    def new_connection(self, origin: Origin) -> TgoSocketConnection:
        from socketpool import Detour

        pool, proxy = origin.pool, self.proxy
        assert proxy is not None
        connection = pool.socket_manager.request(origin.host, origin.port)
        tls_context = pool.proxy_tls_context() if proxy.scheme == "https" else None
        if proxy.is_socks:
            from socketpool.resolver import literal_address
            from socketpool.tunnel import packed_addresses

            from .socks5 import Socks5Tunnel

            address = literal_address(origin.host, origin.port)
            literal = b"" if address is None else packed_addresses([address])[0]
            connection.detour = Detour(
                proxy.host,
                proxy.port,
                lambda: Socks5Tunnel(
                    origin.host, origin.port, literal, proxy.name, proxy.user_name, proxy.password
                ),
                look_up_peer=not literal and proxy.scheme == "socks5",
            )  # fmt: skip
            return connection

        from .connect_tunnel import ConnectTunnel

        host = f"[{origin.host.partition('%')[0]}]" if ":" in origin.host else origin.host
        connection.detour = Detour(
            proxy.host,
            proxy.port,
            lambda: ConnectTunnel(f"{host}:{origin.port}", proxy.name, self._login, DEFAULT_USER_AGENT),
            tls_context=tls_context,
        )
        return connection


class ForwardingRoute(Route):
    """To an HTTP proxy that makes requests itself: plain http, in the absolute form (RFC 9112 section 3.2.2).

    :param proxy: the proxy.
    :param login: what authenticates this side to it.
    """

    __slots__ = ("_login",)

    forwarding = True

    def __init__(self, proxy: Proxy, login: ProxyLogin | None) -> None:
        super().__init__(proxy)
        self.key = f"through {proxy.name}"
        self._login = login

    def new_connection(self, origin: Origin) -> TgoSocketConnection:
        pool, proxy = origin.pool, self.proxy
        assert proxy is not None
        connection = pool.socket_manager.request(proxy.host, proxy.port)
        if proxy.scheme == "https":
            connection.ssl = True
            connection.tls_context = pool.proxy_tls_context()
        return connection

    def head(self, exchange: Exchange) -> bytes:
        """Return the head of a request as the proxy gets it.

        :raises HttpClientError: there are no credentials to be had for it.
        """
        request = exchange.request
        head = request.http1_head()
        start = len(request.method) + 1  # of the target, which is ASCII as the method is
        end = head.index(b"\r\n") + 2
        uri = request.uri
        place = f"{uri.scheme}://{uri.authority}"
        credentials = ""
        # A field that the caller gives goes first.
        if self._login is not None and b"\r\nproxy-authorization:" not in head.lower():
            credentials = self._login.authorize(request.method, place + uri.target)
        exchange.proxy_credentials = credentials
        field = f"Proxy-Authorization: {check_field_value(credentials)}\r\n".encode("latin-1") if credentials else b""
        return b"".join((head[:start], place.encode("ascii"), head[start:end], field, head[end:]))

    def answer(self, exchange: Exchange) -> bool:
        """The proxy wants to know who asks (407): tell whether asking again may do."""
        request, head = exchange.request, exchange.head
        if self._login is None or head is None:
            return False
        uri = request.uri
        target = f"{uri.scheme}://{uri.authority}{uri.target}"
        # The next head asks for credentials anew, and gets those that answer the challenge.
        return bool(self._login.respond(request.method, target, head, exchange.proxy_credentials))


class Router:
    """Chooses the routes of one pool.

    :param proxies: the proxies; ``None`` for none.
    :param unix_socket: the address of the socket that everything goes through; ``None`` if it doesn't.
    :param http2: the pool's ``http2`` setting. Where HTTP/2 is insisted on, plain http goes through a tunnel too.
    :param authentication: authenticates to proxies, instead of user and password in their URLs.
    """

    __slots__ = ("_authentication", "_http2", "_logins", "_proxies", "_routes", "_unix")

    def __init__(
        self,
        proxies: Proxies | None,
        unix_socket: Address | None,
        http2: bool | None,
        authentication: tuple[str, str] | Authentication | None,
    ) -> None:
        self._proxies = proxies
        self._unix = None if unix_socket is None else UnixRoute(unix_socket)
        self._http2 = http2
        self._authentication = authentication
        self._routes: dict[tuple[str, str, str, bool], Route] = {}
        self._logins: dict[tuple[str, str, str], ProxyLogin] = {}

    def route(self, uri: TgoURI) -> Route | None:
        """Return the way to the origin of a URL; ``None`` for the direct one. With the lock of the pool held."""
        if self._unix is not None:
            return self._unix
        proxy = None if self._proxies is None else self._proxies.choose(uri)
        if proxy is None:
            return None
        forwards = uri.scheme == "http" and self._http2 is not True and not proxy.is_socks
        key = proxy.name, proxy.user_name, proxy.password, forwards
        route = self._routes.get(key)
        if route is None:
            login = None if proxy.is_socks else self._login(proxy)
            route = ForwardingRoute(proxy, login) if forwards else TunnelRoute(proxy, login)
            self._routes[key] = route
        return route

    def _login(self, proxy: Proxy) -> ProxyLogin | None:
        given = self._authentication
        if given is None and proxy.user_name:
            given = proxy.user_name, proxy.password
        if given is None:
            return None
        # One for both kinds of route: a proxy that has asked for Digest isn't sent Basic again.
        key = proxy.name, proxy.user_name, proxy.password
        login = self._logins.get(key)
        if login is not None:
            return login
        from ..authentication.schemes import make_authentication
        from .login import ProxyLogin

        authentication = make_authentication(given)
        assert authentication is not None
        login = self._logins[key] = ProxyLogin(authentication, proxy.name)
        return login
