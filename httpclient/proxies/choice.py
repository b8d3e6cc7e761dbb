"""Which proxy a URL is reached through: what the program says, or what the environment says.

A proxy is given as a URL, ``http://user:password@proxy.example:3128``; without a scheme, ``http`` is meant:

==============  ===============================================================  ============
scheme          how the proxy is spoken to                                       default port
==============  ===============================================================  ============
``http``        HTTP/1.1 in clear text                                           80
``https``       HTTP/1.1 over TLS                                                443
``socks5``      SOCKS version 5 (RFC 1928); this side looks host names up        1080
``socks5h``     the same; the proxy looks them up                                1080
==============  ===============================================================  ============

User and password, percent-encoded where need be, are for the proxy alone.

*A program* gives one proxy for everything, or a mapping, in which the first of these that is there decides:
``"https://host"`` (scheme and host of the URL), ``"https"`` or ``"https://"``, ``"all"`` or ``"all://"``. An empty
value means to connect directly. ``"no"`` lists exceptions, as ``no_proxy`` does. What a program gives replaces what the
environment says, exceptions included; ``""`` is for no proxy at all.

*The environment* says ``http_proxy`` for http URLs, ``https_proxy`` for https URLs, ``all_proxy`` where neither is set,
and ``no_proxy`` for the exceptions. Each may be written in capitals as well; if both are there, the small letters win,
even if they are set to nothing. But HTTP_PROXY is not looked at where there is a REQUEST_METHOD: in a CGI program a
stranger sets it, with a request field called "Proxy".

*Exceptions* are separated by commas or blanks, upper and lower case are the same, and each is one of

* ``*``: everything;
* ``example.org``, ``.example.org`` or ``*.example.org``: that host and all below it, as with curl;
* ``192.0.2.1``, ``2001:db8::1`` or ``[2001:db8::1]``: that address, however it is written;
* ``192.0.2.0/24``, ``2001:db8::/32``: the addresses of that network. Host names are not looked up for this;
* any of these but a network with ``:port`` behind it (addresses of IPv6 in brackets): for that port only.

Nothing is an exception that isn't listed, ``localhost`` neither: as with curl.

No Delphi origin.
"""

from __future__ import annotations

from functools import partial

from ..errors import InvalidUrlError
from ..uri import TgoURI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

#: RFC 1929 section 2: what user name and password may have, in bytes.
_SOCKS_LIMIT = 255


class Proxy:
    """A proxy, in its parts.

    :param url: where it is.
    :param source: who says so, for the message of an error.
    :raises InvalidUrlError: it isn't the URL of a proxy that can be used.

    :ivar scheme: ``http``, ``https``, ``socks5`` or ``socks5h``.
    :ivar host: a name or a literal address, without brackets.
    :ivar user_name: empty where there are no credentials.
    :ivar name: the URL without credentials: for messages, and for comparing.
    """

    __slots__ = ("host", "name", "password", "port", "scheme", "user_name")

    def __init__(self, url: str, source: str = "the proxy") -> None:
        text = url.strip()
        if "://" not in text:
            text = f"http://{text}"
        scheme = text.partition("://")[0].lower()
        if scheme not in _DEFAULT_PORTS:
            advice = "Use http, https, socks5 or socks5h"
            if scheme.startswith("socks"):
                raise InvalidUrlError(f"{source} speaks {scheme}, which isn't supported", url=text, advice=advice)
            raise InvalidUrlError(f"{source} has an unknown scheme, {scheme!a}", url=text, advice=advice)
        try:
            uri = TgoURI(text)
        except InvalidUrlError as error:
            raise InvalidUrlError(f"{source} can't be used: {error.what}", url=text) from None
        if not uri.host:
            raise InvalidUrlError(f"{source} names no host", url=text)
        if uri.path not in {"", "/"} or uri.query or uri.fragment:
            raise InvalidUrlError(f"{source} has more behind the host than a port", url=text)
        port = uri.port if uri.port >= 0 else _DEFAULT_PORTS[scheme]
        if port == 0:
            raise InvalidUrlError(f"{source} has port 0", url=text)
        self.scheme = scheme
        self.host = uri.connect_host
        self.port = port
        self.user_name = uri.username
        self.password = uri.password
        self.name = f"{scheme}://{uri.host}:{port}"
        if self.is_socks and max(len(uri.username.encode()), len(uri.password.encode())) > _SOCKS_LIMIT:
            raise InvalidUrlError(f"{source}: SOCKS allows {_SOCKS_LIMIT} bytes of user name and password", url=text)

    @property
    def is_socks(self) -> bool:
        """It speaks SOCKS, not HTTP."""
        return self.scheme.startswith("socks")

    def __repr__(self) -> str:
        return f"<Proxy {self.name}>"


class Proxies:
    """The proxies of one client. Not changed once it is made, and so safe to use from any thread.

    :param given: a proxy for everything, or proxies by scheme; see the module's text.
    :param sources: for messages: what each key of *given* is called.
    :raises InvalidUrlError: a proxy that the program gives can't be used.
    """

    __slots__ = ("_by_key", "_exceptions")

    def __init__(self, given: str | Mapping[str, str], sources: Mapping[str, str] | None = None) -> None:
        by_key = {"all": given} if isinstance(given, str) else dict(given)
        self._exceptions = Exceptions(by_key.pop("no", ""))
        self._by_key: dict[str, Proxy | Callable[[], Proxy] | None] = {}
        for key, url in by_key.items():
            source = f"the proxy for {key!a}" if sources is None else sources[key]
            proxy: Proxy | Callable[[], Proxy] | None = None
            if url and sources is None:
                proxy = Proxy(url, source if len(by_key) > 1 else "the proxy")
            elif url:
                # What the environment has wrong matters where it is used.
                proxy = partial(Proxy, url, source)
            self._by_key[key.lower().removesuffix("://")] = proxy

    def choose(self, uri: TgoURI) -> Proxy | None:
        """Return the proxy for a URL; ``None`` for none.

        :raises InvalidUrlError: the environment names one that can't be used; the message names the variable.
        """
        by_key = self._by_key
        for key in (f"{uri.scheme}://{uri.host}", uri.scheme, "all"):
            if key in by_key:
                proxy = by_key[key]
                if proxy is None or self._exceptions.match(uri.connect_host, uri.port):
                    return None
                return proxy if isinstance(proxy, Proxy) else proxy()
        return None


def environment_proxies(environment: Mapping[str, str]) -> Proxies | None:
    """Return the proxies that the environment names; ``None`` if it names none.

    :param environment: as ``os.environ``.
    """
    given: dict[str, str] = {}
    sources = {}
    for key in ("http", "https", "all", "no"):
        name = f"{key}_proxy"
        if name not in environment:
            name = name.upper()
            if name not in environment or (key == "http" and "REQUEST_METHOD" in environment):
                continue
        given[key] = environment[name].strip()
        sources[key] = f"the proxy in the environment variable {name}"
    if not any(url for key, url in given.items() if key != "no"):
        return None
    return Proxies(given, sources)


class Exceptions:
    """The hosts that are reached directly.

    :param text: the list, as ``no_proxy`` has it. What can't be understood in it matches nothing.
    """

    __slots__ = ("_addresses", "_all", "_names", "_networks")

    def __init__(self, text: str) -> None:
        self._all = False
        #: Names and the port for which each is meant; -1 for all.
        self._names: list[tuple[str, int]] = []
        self._addresses: list[tuple[object, int]] = []
        self._networks: list[object] = []
        for entry in text.lower().replace(",", " ").split():
            self._add(entry)

    def _add(self, entry: str) -> None:
        if entry == "*":
            self._all = True
            return
        host, port = _split_port(entry)
        if "/" in host:
            network = _network(host)
            if network is not None:
                self._networks.append(network)
            return
        address = _address(host)
        if address is not None:
            self._addresses.append((address, port))
            return
        name = host.removeprefix("*").removeprefix(".").removesuffix(".")
        if name:
            self._names.append((_ascii(name), port))

    def match(self, host: str, port: int) -> bool:
        """Tell whether a host is an exception.

        :param host: a name in lower case and ASCII, or a literal address without brackets.
        """
        if self._all:
            return True
        if not (self._names or self._addresses or self._networks):
            return False
        address = _address(host)
        if address is not None:
            return any(address == each and only in {-1, port} for each, only in self._addresses) or any(
                address in network  # type: ignore[operator]
                for network in self._networks
            )
        host = host.removesuffix(".")
        return any(only in {-1, port} and (host == name or host.endswith("." + name)) for name, only in self._names)


def _split_port(entry: str) -> tuple[str, int]:
    """Take an exception apart: host and port, -1 where there is none."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    else:
        host, port = entry, ""
    return host, int(port) if port.isascii() and port.isdigit() else -1


def _ascii(name: str) -> str:
    """Return a name as the URLs of its hosts have it."""
    if name.isascii():
        return name
    try:
        return TgoURI(f"http://{name}").host
    except InvalidUrlError:
        return name


def _address(host: str) -> object:
    """Return the address that *host* spells out; ``None`` where it is a name."""
    if ":" not in host and not host[-1:].isdigit():
        return None
    from ipaddress import ip_address

    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> object:
    from ipaddress import ip_network

    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
