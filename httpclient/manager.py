"""The manager of clients: it frees clients that are done, and lets clients share connections.

Delphi: Grijjy.Http.TgoHttpClientManager
"""

from __future__ import annotations

import threading
from _weakrefset import WeakSet

from linuxapi.forks import after_fork_in_child
from socketpool import TgoClientSocketManager

from .errors import ClientClosedError
from .pooling.pool import KEEP_ALIVE_EXPIRY, MAX_CONNECTIONS_PER_ORIGIN, ConnectionPool, check_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .client import TgoHttpClient

_managers: WeakSet[TgoHttpClientManager] = WeakSet()


class TgoHttpClientManager:
    """Frees clients once their requests are over, and holds the connections of clients that are made with it.

    All methods may be called from any thread. A manager is a context manager; leaving it closes it.

    :param workers: worker threads for the connections; 0 for the default.
    :param max_connections_per_origin: connections to one scheme, host and port.
    :param max_connections: connections of all clients with the same options together; 0 for no limit.
    :param max_idle_connections: how many of these may be idle for more than a second; ``None`` for 256, or for
        *max_connections_per_origin* where that is more.
    :param keep_alive_expiry: seconds after which an unused connection is closed.
    :raises ValueError: no connection would be allowed.

    Differs from Delphi: nothing looks through lists every few milliseconds; each client says when it is done.
    Delphi: Grijjy.Http.TgoHttpClientManager
    """

    def __init__(
        self,
        *,
        workers: int = 0,
        max_connections_per_origin: int = MAX_CONNECTIONS_PER_ORIGIN,
        max_connections: int = 0,
        max_idle_connections: int | None = None,
        keep_alive_expiry: float = KEEP_ALIVE_EXPIRY,
    ) -> None:
        self._limits = check_limits(
            max_connections_per_origin, max_connections, max_idle_connections, keep_alive_expiry
        )
        self._workers = workers
        self._lock = threading.Lock()
        self._closed = False
        self._socket_manager: TgoClientSocketManager | None = None
        self._pools: dict[object, ConnectionPool] = {}
        #: Who uses the connections.
        self._clients: WeakSet[TgoHttpClient] = WeakSet()
        #: Clients that close themselves when they are done, held until then.
        self._released: set[TgoHttpClient] = set()
        _managers.add(self)

    def release(self, http_client: TgoHttpClient) -> None:
        """Close a client as soon as its non-blocking requests are over; each ends by its own time limits at the
        latest. The caller needn't keep the client.

        Delphi: Grijjy.Http.TgoHttpClientManager.Release
        """
        with self._lock:
            closed = self._closed
            if not closed:
                self._released.add(http_client)
        if closed:
            http_client.close()
        else:
            http_client.close_when_idle(self)

    def forget(self, http_client: TgoHttpClient) -> None:
        """A released client has been closed."""
        with self._lock:
            self._released.discard(http_client)

    def pool(
        self, client: TgoHttpClient, http2: bool | None, tls_options: dict[str, object], routing: dict[str, Any]
    ) -> ConnectionPool:
        """Return the connections that clients with these options share.

        :param client: who is going to use them.
        :param routing: proxies and the like, as :func:`.pool.check_routing` returns them.
        :raises ClientClosedError: the manager has been closed.
        """
        from .tls_options import options_key

        # The values themselves: what authenticates is equal to itself only, or has equal credentials.
        key = http2, options_key(tls_options), tuple(sorted(routing.items()))
        with self._lock:
            if self._closed:
                raise ClientClosedError("the client manager is closed")
            if self._socket_manager is None:
                self._socket_manager = TgoClientSocketManager(workers=self._workers)
            self._clients.add(client)
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = ConnectionPool(
                    self._socket_manager, http2, tls_options, **self._limits, **routing
                )
            return pool

    def close(self) -> None:
        """Close all released clients and shared connections; requests under way end with an error.

        Delphi: Grijjy.Http.TgoHttpClientManager.Destroy
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            released, self._released = self._released, set()
            pools, self._pools = self._pools, {}
            clients = list(self._clients)
            socket_manager, self._socket_manager = self._socket_manager, None
        for client in released:
            client.close()
        for pool in pools.values():
            pool.close()
        for client in clients:
            client.end_calls()
        if socket_manager is not None:
            socket_manager.close()

    def __enter__(self) -> TgoHttpClientManager:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _after_fork_in_child() -> None:
    for manager in list(_managers):
        manager._lock = threading.Lock()


after_fork_in_child(_after_fork_in_child)

#: The manager that programs use which don't make their own. Delphi: Grijjy.Http.HttpClientManager
HttpClientManager = TgoHttpClientManager()
