"""The connections of one client, or of several that share a manager, by origin.

No Delphi origin: each client of the original held one connection.
"""

from __future__ import annotations

import os
import threading
import time
from _weakref import ref
from _weakrefset import WeakSet
from collections import deque

from linuxapi.forks import after_fork_in_child

from ..errors import ClientClosedError
from ..prepare import FOREVER
from .connections import OriginRetiredError
from .origin import ALPN_PROTOCOLS, Origin
from .places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from openssl_api import TlsContext
    from socketpool import TgoClientSocketManager, Timer, TSocketPoolWorker

    from ..authentication.schemes import Authentication
    from ..errors import HttpClientError
    from ..exchange import Exchange
    from ..http1.limits import Http1Limits
    from ..http2.connection import Http2Connection
    from ..proxies.routes import Router
    from ..uri import TgoURI
    from .connections import HttpConnection

#: Seconds for which a connection must have been idle before a worker watches it: registering it costs system calls
#: that a connection in constant use would pay for every request.
SETTLED = 1.0

#: Seconds after which an idle connection is closed.
KEEP_ALIVE_EXPIRY = 60.0

#: How many connections one origin gets; more requests than that wait.
MAX_CONNECTIONS_PER_ORIGIN = 100

#: How many idle connections a pool keeps, to all origins together: well below what a process may have open as a rule.
MAX_IDLE_CONNECTIONS = 256

#: How many origins a pool remembers before it looks for those that nobody uses any more.
_MANY_ORIGINS = 256

#: Where the environment names proxies; see :mod:`.proxies`.
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

_pools: WeakSet[ConnectionPool] = WeakSet()


def check_limits(
    max_connections_per_origin: int, max_connections: int, max_idle_connections: int | None, keep_alive_expiry: float
) -> dict[str, Any]:
    """Return the limits as :class:`ConnectionPool` takes them.

    :raises ValueError: they would let nobody through, or make no sense.
    """
    if max_connections_per_origin < 1:
        raise ValueError(f"max_connections_per_origin must be at least 1, not {max_connections_per_origin}")
    if max_connections < 0:
        raise ValueError(f"max_connections must be at least 1, or 0 for no limit, not {max_connections}")
    if max_idle_connections is None:
        max_idle_connections = max(MAX_IDLE_CONNECTIONS, max_connections_per_origin)
    if max_idle_connections < 0:
        raise ValueError(f"max_idle_connections must be at least 0, not {max_idle_connections}")
    if not keep_alive_expiry >= 0:
        raise ValueError(f"keep_alive_expiry must be at least 0, not {keep_alive_expiry}")
    return {
        "max_connections_per_origin": max_connections_per_origin, "max_connections": max_connections,
        "max_idle_connections": max_idle_connections, "keep_alive_expiry": keep_alive_expiry,
    }  # fmt: skip


def check_routing(
    *,
    proxy: str | Mapping[str, str] | None = None,
    trust_environment: bool = True,
    unix_socket: str | None = None,
    proxy_authentication: tuple[str, str] | Authentication | None = None,
) -> dict[str, Any]:
    """Return the options that say how connections find their way, as :class:`ConnectionPool` takes them; equal ones
    for equal ways.

    :raises InvalidUrlError: a proxy can't be used.
    :raises InvalidRequestError: the credentials for it can't be sent.
    :raises ValueError: the path of the socket can't be used.
    """
    if proxy_authentication is not None:
        from ..authentication.schemes import make_authentication

        make_authentication(proxy_authentication)
    if proxy:
        from ..proxies.choice import Proxies

        Proxies(proxy)
    if unix_socket is not None:
        from socketpool.unix import unix_address

        unix_address(unix_socket)
    given = proxy if proxy is None or isinstance(proxy, str) else tuple(sorted(proxy.items()))
    return {
        "proxy": given, "trust_environment": trust_environment, "unix_socket": unix_socket,
        "proxy_authentication": proxy_authentication,
    }  # fmt: skip


def _make_router(
    http2: bool | None,
    proxy: str | tuple[tuple[str, str], ...] | None,
    trust_environment: bool,
    unix_socket: str | None,
    authentication: tuple[str, str] | Authentication | None,
) -> Router | None:
    """Return what knows the way to each origin; ``None`` where all are reached directly."""
    if unix_socket is not None:
        from socketpool.unix import unix_address

        from ..proxies.routes import Router

        return Router(None, unix_address(unix_socket), http2, None)
    proxies = None
    if proxy is not None:
        if proxy:
            from ..proxies.choice import Proxies

            proxies = Proxies(proxy if isinstance(proxy, str) else dict(proxy))
    elif trust_environment and any(name in os.environ for name in _PROXY_VARIABLES):
        from ..proxies.choice import environment_proxies

        proxies = environment_proxies(os.environ)
    if proxies is None:
        return None
    from ..proxies.routes import Router

    return Router(proxies, None, http2, authentication)


class ConnectionPool:
    """Connections by origin. All methods may be called from any thread.

    :param socket_manager: whose workers serve the connections.
    :param http2: ``True`` for HTTP/2 only, ``False`` for HTTP/1.1 only, ``None`` to negotiate.
    :param tls_options: what :func:`.tls_options.shared_context` takes.
    :param max_connections_per_origin: connections to one scheme, host and port; at least 1.
    :param max_connections: connections to all origins together; 0 for no limit.
    :param max_idle_connections: how many of them may be idle; the longest idle ones beyond that are closed.
    :param keep_alive_expiry: seconds after which an unused connection is closed.
    :param proxy: the URL of a proxy for everything, or proxies by scheme; ``None`` for what the environment says.
    :param trust_environment: whether that is asked.
    :param unix_socket: the path of a Unix domain socket through which everything is reached.
    :param proxy_authentication: how to authenticate to proxies, instead of by user and password in their URLs.
    :param http2_options: pairs of a name and a value: ``ping_interval``, ``ping_timeout`` and ``settings_timeout``, in
        seconds, and ``trace``; see :mod:`.http2_options` and :mod:`.http2_trace`.
    :param http1_limits: how much an HTTP/1.1 server may send besides the body.

    :ivar watching: a look after connections that have become idle is due.
    """

    __slots__ = (
        "__weakref__", "_closed", "_evicted", "_lock", "_longest_idle", "_opened", "_origins", "_proxy_tls_context",
        "_router", "_sweep_at", "_timer", "_tls_context", "_tls_options", "_watcher", "http2", "http2_options",
        "keep_alive_expiry", "limits", "max_connections_per_origin", "max_idle_connections", "places",
        "socket_manager", "watching",
    )  # fmt: skip

    def __init__(
        self,
        socket_manager: TgoClientSocketManager,
        http2: bool | None,
        tls_options: dict[str, object],
        *,
        max_connections_per_origin: int = MAX_CONNECTIONS_PER_ORIGIN,
        max_connections: int = 0,
        max_idle_connections: int = MAX_IDLE_CONNECTIONS,
        keep_alive_expiry: float = KEEP_ALIVE_EXPIRY,
        proxy: str | tuple[tuple[str, str], ...] | None = None,
        trust_environment: bool = True,
        unix_socket: str | None = None,
        proxy_authentication: tuple[str, str] | Authentication | None = None,
        http2_options: tuple[tuple[str, Any], ...] = (),
        http1_limits: Http1Limits | None = None,
    ) -> None:
        self.http2_options: dict[str, Any] = dict(http2_options)
        self.socket_manager = socket_manager
        self.http2 = http2
        self.max_connections_per_origin = max_connections_per_origin
        self.max_idle_connections = max_idle_connections
        self.places = Places(max_connections)
        #: The idle connections as they were at some time, with since when, the longest idle one first. What has become
        #: idle since has been for less time than any of these. With the lock of the connections.
        self._longest_idle: deque[tuple[float, HttpConnection]] = deque()
        #: Connections that aren't idle any more because somebody closes them. With the lock of the connections.
        self._evicted: list[HttpConnection] = []
        #: How many connections have been opened since somebody looked whether too many are idle, more or less.
        self._opened = 0
        self.keep_alive_expiry = min(keep_alive_expiry, FOREVER)
        self.limits = http1_limits
        self._tls_options = tls_options
        self._tls_context: TlsContext | None = None
        self._proxy_tls_context: TlsContext | None = None
        self._router = _make_router(http2, proxy, trust_environment, unix_socket, proxy_authentication)
        self._lock = threading.Lock()
        self._closed = False
        self._origins: dict[str, Origin] = {}
        self._sweep_at = _MANY_ORIGINS
        self.watching = False
        self._watcher: TSocketPoolWorker | None = None
        self._timer: Timer | None = None
        _pools.add(self)

    def origin(self, uri: TgoURI) -> Origin:
        """Return the connections to the origin of a URL.

        :raises ClientClosedError: the pool has been closed.
        """
        origin = self._origins.get(uri.origin)
        if origin is None:
            with self._lock:
                if self._closed:
                    raise ClientClosedError("the client is closed")
                origin = self._origins.get(uri.origin)
                if origin is None:
                    if len(self._origins) >= self._sweep_at:
                        self._sweep()
                    origin = self._origins[uri.origin] = self._new_origin(uri)
        return origin

    def _new_origin(self, uri: TgoURI) -> Origin:
        """Return the connections for an origin that is new here: its own, or those that it shares with others."""
        route = None if self._router is None else self._router.route(uri)
        if route is None or not route.key:
            return Origin(self, uri, route)
        origin = self._origins.get(route.key)
        if origin is None:
            origin = self._origins[route.key] = Origin(self, uri, route)
        return origin

    def _all_origins(self) -> list[Origin]:
        """Return the connections of all origins; those that several share, once."""
        return list(dict.fromkeys(list(self._origins.values())))

    def _sweep(self) -> None:
        """Drop the origins that nobody uses: who visits a million hosts shouldn't keep a million objects."""
        retired = {origin for origin in self._all_origins() if origin.retire()}
        self._origins = {key: origin for key, origin in self._origins.items() if origin not in retired}
        self._sweep_at = max(_MANY_ORIGINS, 2 * len(self._origins))

    def run(self, exchange: Exchange) -> None:
        """Carry an exchange out in the calling thread; see :meth:`Origin.run`."""
        request = exchange.request
        while True:
            origin = request.origin = self.origin(request.uri)
            try:
                origin.run(exchange)
            except OriginRetiredError:
                with self._lock:  # until the others of that sweep are gone too
                    continue
            return

    def http2_connection(self, exchange: Exchange) -> Http2Connection:
        """Return an HTTP/2 connection for an exchange; see :meth:`Origin.http2_connection`."""
        while True:
            try:
                return self.origin(exchange.request.uri).http2_connection(exchange)
            except OriginRetiredError:
                with self._lock:  # until the others of that sweep are gone too
                    continue

    def submit(self, exchange: Exchange) -> None:
        """Carry an exchange out by a worker; see :meth:`Origin.submit`."""
        request = exchange.request
        origin = request.origin = self.origin(request.uri)
        origin.submit(exchange)

    def submit_again(self, exchange: Exchange) -> None:
        """Like :meth:`submit`, for an origin that was given an exchange in the moment in which it was retired."""
        with self._lock:  # until the others of that sweep are gone too
            pass
        self.submit(exchange)

    def withdraw(self, exchange: Exchange, error: HttpClientError) -> None:
        """Give up a non-blocking exchange that has no connection yet; see :meth:`Origin.withdraw`."""
        origin = self._origins.get(exchange.request.uri.origin)
        if origin is not None:  # or all has ended with the pool
            origin.withdraw(exchange, error)

    @property
    def verifies(self) -> bool:
        """Certificates are checked, all of them in the same way."""
        options = self._tls_options
        return options.get("verify", True) is True and not options.get("fingerprints")

    def tls_context(self) -> TlsContext:
        """Return what every TLS connection of the pool shares, made when the first one needs it.

        :raises ClientClosedError: the pool has been closed.
        :raises openssl_api.TlsError: the options can't be used.
        """
        context = self._tls_context
        if context is None:
            from ..tls_options import shared_context

            with self._lock:
                if self._closed:
                    raise ClientClosedError("the client is closed")
                context = self._tls_context
                if context is None:
                    context = self._tls_context = shared_context(ALPN_PROTOCOLS[self.http2], self._tls_options)
        return context

    def proxy_tls_context(self) -> TlsContext:
        """Return what the connections with https proxies share: as :meth:`tls_context`, with the same trust."""
        from ..proxies.routes import proxy_tls_options

        with self._lock:
            if self._closed:
                raise ClientClosedError("the client is closed")
            context = self._proxy_tls_context
            if context is None:
                from ..tls_options import shared_context

                context = self._proxy_tls_context = shared_context((b"http/1.1",), proxy_tls_options(self._tls_options))
        return context

    # Idle connections

    def _pop_longest_idle(self, idle_since: float = FOREVER) -> HttpConnection | None:
        """Take the longest idle connection out of the idle ones; ``None`` if there is none.

        :param idle_since: none that became idle after that.
        """
        oldest = self._longest_idle
        looked = False
        with self.places.lock:
            while True:
                while oldest:
                    since, connection = oldest[0]
                    if since > idle_since:
                        return None
                    oldest.popleft()
                    # Used meanwhile, or taken in this moment?
                    if connection.idle_since == since and self.take_idle(connection):
                        return connection
                if looked:
                    return None
                looked = True
                found = [(each.idle_since, each) for origin in self._all_origins() for each in origin.idle()]
                oldest.extend(sorted(found, key=_since))

    def make_room(self) -> None:
        """Close idle connections, the longest idle one first, as long as anybody waits for nothing but their places.

        With nothing locked.
        """
        places = self.places
        while True:
            with places.lock:
                if places.first_starved() is None:
                    return
            connection = self._pop_longest_idle()
            if connection is None:
                return  # what becomes idle from now on is given to those who wait
            self.evict(connection)

    def take_idle(self, connection: HttpConnection) -> bool:
        """Take a certain idle connection, for :meth:`evict`. ``False`` if somebody uses it. With the lock of the
        connections held.
        """
        self._evicted.append(connection)
        if connection.origin.take_idle(connection):
            return True
        self._evicted.remove(connection)
        return False

    def evict(self, connection: HttpConnection) -> None:
        """Close a connection that :meth:`take_idle` has taken, unless somebody uses it by now."""
        connection.origin.evict(connection)
        with self.places.lock:
            if connection in self._evicted:
                self._evicted.remove(connection)

    def tell_again(self) -> None:
        """Do again what somebody may not have come to do who was interrupted."""
        with self.places.lock:
            evicted = [connection for connection in self._evicted if connection not in connection.origin.idle()]
        for connection in evicted:
            self.evict(connection)
        for origin in list(self._origins.values()):
            origin.tell_again()
        self.make_room()

    def opens_one(self) -> None:
        """Another connection is being opened, of more than may be idle: see to it that not many of them are. With
        nothing locked.

        Looking takes a moment for each origin, so it isn't done for each connection: there may be a sixteenth more than
        the limit until the worker looks.
        """
        self._opened += 1
        if 16 * self._opened > self.max_idle_connections:
            self._opened = 0
            self.trim_idle()

    def trim_idle(self, idle_since: float = FOREVER) -> None:
        """Close the longest idle connections beyond their limit. With nothing locked.

        :param idle_since: only those that have been idle since before that, in ``time.monotonic()`` seconds.
        """
        if self.places.used <= self.max_idle_connections:
            return
        with self.places.lock:
            idle = sum(origin.count_idle() for origin in self._all_origins())
        for _ in range(idle - self.max_idle_connections):
            connection = self._pop_longest_idle(idle_since)
            if connection is None:
                return
            self.evict(connection)

    def close_idle(self) -> None:
        """Close all connections that nobody uses."""
        for origin in self._all_origins():
            origin.close_idle()

    def http2_connections(self) -> list[Http2Connection]:
        """Return the HTTP/2 connections that are open."""
        return [each for origin in self._all_origins() for each in origin.http2_connections()]

    def statistics(self) -> dict[str, tuple[int, int, int, int]]:
        """Return for each origin how many connections are open, idle and being opened, and how many requests wait."""
        return {
            key: origin.statistics()
            for key, origin in list(self._origins.items())
            if origin.route is None or origin.route.key in {"", key}
        }

    def watch_idle(self) -> None:
        """A connection has become idle that no worker watches: have a look after it soon."""
        if self.watching or self._closed:
            return
        self.watching = True
        try:
            if self._watcher is None:
                self._watcher = self.socket_manager.choose_worker()
            self._watcher.call_soon(self._watch_in, SETTLED)
        except (OSError, RuntimeError):
            self.watching = False

    def _watch_in(self, seconds: float) -> None:
        """Set the one timer, unless it goes off early enough. From here on in the watcher's thread."""
        when = time.monotonic() + seconds
        timer, watcher = self._timer, self._watcher
        if watcher is None or self._closed or (timer is not None and timer.when <= when):
            return
        if timer is not None:
            timer.cancel()
        # Weakly, so that a client nobody holds any more is not kept alive by its own timer.
        reference = ref(self)

        def look() -> None:
            pool = reference()
            if pool is not None:
                pool._watch(watcher)

        self._timer = watcher.call_at(when, look)

    def _watch(self, worker: TSocketPoolWorker) -> None:
        self._timer = None
        # Whoever becomes idle from here on asks for another look.
        self.watching = False
        now = time.monotonic()
        again = 0.0
        for origin in self._all_origins():
            wait = origin.watch(worker, now, SETTLED, self.keep_alive_expiry)
            if wait:
                again = min(again, wait) if again else wait
        # A connection that was in use a moment ago, and will be in a moment, is none too many.
        self.trim_idle(now - SETTLED)
        if again:
            # Not one look for each of a thousand connections: a look is at all of them.
            self._watch_in(max(again, min(SETTLED, self.keep_alive_expiry) / 4))

    def close(self) -> None:
        """End everything: idle connections at once, requests under way and waiting ones with an error."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            origins = self._all_origins()
            self._origins = {}
            self._tls_context = self._proxy_tls_context = None  # others may share it
        for origin in origins:
            origin.close()

    def abandon_after_fork(self) -> None:
        """In a forked child: forget the connections, which are the parent's."""
        self._lock = threading.Lock()
        self.watching = False
        self._watcher = self._timer = None
        self._longest_idle.clear()
        self._evicted.clear()
        self.places.abandon_after_fork()
        for origin in self._origins.values():
            origin.abandon_after_fork()


def _since(entry: tuple[float, HttpConnection]) -> float:
    return entry[0]


def _after_fork_in_child() -> None:
    for pool in list(_pools):
        pool.abandon_after_fork()


after_fork_in_child(_after_fork_in_child)
