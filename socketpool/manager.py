"""The manager: workers, and the connections that they serve.

Delphi: Grijjy.SocketPool.Linux.TgoClientSocketManager
"""

from __future__ import annotations

import atexit
import threading
from _weakrefset import WeakSet
from itertools import count

from linuxapi.forks import after_fork_in_child

from .connection import TgoSocketConnection
from .constants import INTERVAL_FREE
from .errors import ManagerClosedError
from .resolver import reset_after_fork as reset_resolver
from .worker import TSocketPoolWorker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openssl_api import TlsContext

    from .states import TgoSocketOptimization, TgoSocketPoolBehavior

    #: What connections must have in common to stand in for each other.
    _Peer = tuple[str, int, bool, bool, TlsContext | None]

_managers: WeakSet[TgoClientSocketManager] = WeakSet()


class TgoClientSocketManager:
    """Makes connections and owns the workers that serve them.

    Threads and descriptors of the workers are made when they are first needed. All methods may be called from any
    thread. A manager is a context manager; leaving it closes it.

    :param optimization: SPEED or SCALE, see :class:`TgoSocketOptimization`; ``None`` for SCALE.
    :param behavior: what :meth:`release` does, see :class:`TgoSocketPoolBehavior`; ``None`` for CREATE_AND_DESTROY.
    :param workers: how many worker threads; 0 for the default of one, which is fastest while Python runs one
        thread at a time.

    Differs from Delphi: there the default is a worker per processor and never fewer than two.
    Delphi: Grijjy.SocketPool.Linux.TgoClientSocketManager
    """

    #: What :meth:`choose_worker` returns every time; ``None`` where it must be asked.
    only_worker: TSocketPoolWorker | None = None

    def __init__(
        self,
        optimization: TgoSocketOptimization | None = None,
        behavior: TgoSocketPoolBehavior | None = None,
        workers: int = 0,
    ) -> None:
        if workers < 0:
            raise ValueError(f"workers must not be negative: {workers}")
        #: Each worker keeps its read block for good.
        self.keeps_blocks = optimization is not None and optimization.name == "SPEED"
        self._reuses = behavior is not None and behavior.name == "POOL_AND_REUSE"
        self._number_of_workers = workers or 1
        self._lock = threading.Lock()
        self._closed = False
        self._workers: list[TSocketPoolWorker] = []
        self._next = count()
        self._connections: set[TgoSocketConnection] = set()
        #: Released connections that wait for the next request, those released last at the end.
        self._free: dict[_Peer, list[TgoSocketConnection]] = {}
        #: TLS contexts by the certificate that they present, its key and password.
        self._contexts: dict[tuple[bytes, bytes, str], TlsContext] = {}
        _managers.add(self)

    @property
    def optimization(self) -> TgoSocketOptimization:
        """What the workers save. Delphi: Grijjy.SocketPool.Linux.TgoClientSocketManager.Optimization"""
        from .states import TgoSocketOptimization

        return TgoSocketOptimization.SPEED if self.keeps_blocks else TgoSocketOptimization.SCALE

    @property
    def behavior(self) -> TgoSocketPoolBehavior:
        """What becomes of released connections."""
        from .states import TgoSocketPoolBehavior

        return TgoSocketPoolBehavior.POOL_AND_REUSE if self._reuses else TgoSocketPoolBehavior.CREATE_AND_DESTROY

    @property
    def handle(self) -> int:
        """The epoll descriptor of the first worker.

        Differs from Delphi: each worker has an epoll set of its own.
        Delphi: Grijjy.SocketPool.Linux.TgoClientSocketManager.Handle
        """
        self.choose_worker()
        return self._workers[0].handle

    def request(
        self,
        hostname: str,
        port: int,
        *,
        ssl: bool = False,
        alpn: bool = False,
        tls_context: TlsContext | None = None,
    ) -> TgoSocketConnection:
        """Return a connection to a peer: a new one to :meth:`~TgoSocketConnection.connect`, or, where released ones
        are kept, one that is still connected (its ``state`` says so). That one is attached to a worker.

        :param hostname: a host name or a literal IPv4 or IPv6 address.
        :param port: the TCP port.
        :param ssl: speak TLS. A kept connection is only used for the same answer to this and the next two.
        :param alpn: insist on HTTP/2.
        :param tls_context: what to verify, offer and present in TLS.
        :raises ManagerClosedError: the manager has been closed.
        :raises ValueError: there is no such port.

        Delphi: Grijjy.SocketPool.Linux.TgoClientSocketManager.Request
        """
        while self._free:
            with self._lock:
                free = self._free.get((hostname, port, ssl, alpn, tls_context))
                if not free:
                    break
                connection = free.pop()
            taken = connection.take_back()
            if taken:
                return connection
            if taken is None:
                self._list(connection)
                break
        if self._closed:
            raise ManagerClosedError("the socket manager is closed")
        connection = TgoSocketConnection(self, hostname, port)
        connection.ssl = ssl
        connection.alpn = alpn
        connection.tls_context = tls_context
        return connection

    def release(self, connection: TgoSocketConnection) -> None:
        """Give a connection back. Its events are not called any more; it is disconnected, or kept for a while.

        Only its owner may give it back, and must not use it any more. One that presents a certificate, or was
        connected to other addresses than its host name has or through another host, isn't kept.

        Delphi: Grijjy.SocketPool.Linux.TgoClientSocketManager.Release
        """
        special = connection.certificate or connection.addresses or connection.detour
        if not self._reuses or special or not connection.give_back(INTERVAL_FREE):
            connection.close()
            return
        self._list(connection)

    def _list(self, connection: TgoSocketConnection) -> None:
        """Offer a connection that was given back to the next request."""
        with self._lock:
            closed = self._closed
            if not closed:
                self._free.setdefault(_peer(connection), []).append(connection)
        if closed or connection.closed:
            # Ended between being given back and being listed: nobody else takes it out.
            self.discard(connection)
            connection.close()

    def choose_worker(self) -> TSocketPoolWorker:
        """Return the worker that serves the next connection.

        :raises ManagerClosedError: the manager has been closed.
        """
        workers = self._workers
        if len(workers) < self._number_of_workers:
            with self._lock:
                if self._closed:
                    raise ManagerClosedError("the socket manager is closed")
                while len(workers) < self._number_of_workers:
                    workers.append(TSocketPoolWorker(self))
                if len(workers) == 1:
                    self.only_worker = workers[0]
        elif self._closed:
            raise ManagerClosedError("the socket manager is closed")
        return workers[next(self._next) % len(workers)] if len(workers) > 1 else workers[0]

    def add(self, connection: TgoSocketConnection) -> None:
        """Remember a connection in use, so that closing the manager ends it."""
        with self._lock:
            if self._closed:
                raise ManagerClosedError("the socket manager is closed")
            self._connections.add(connection)

    def discard(self, connection: TgoSocketConnection) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._connections.discard(connection)
            if self._free:
                key = _peer(connection)
                free = self._free.get(key)
                if free is not None:
                    if connection in free:
                        free.remove(connection)
                    if not free:
                        del self._free[key]

    def tls_context(self, identity: tuple[bytes, bytes, str]) -> TlsContext:
        """Return what the connections share that present the same certificate, and have no context of their own.

        :param identity: certificate, private key and password, each empty where there is none.
        :raises openssl_api.TlsConfigurationError: they can't be used.
        """
        # Shared, because making one takes longer than a handshake, and sessions are only resumed within one.
        context = self._contexts.get(identity)
        if context is None:
            from openssl_api import TlsContext

            certificate, private_key, password = identity
            context = TlsContext(certificate=certificate or None, private_key=private_key or None, password=password)
            context = self._contexts.setdefault(identity, context)
        return context

    @property
    def connections(self) -> int:
        """How many connections are in use, being made, or kept."""
        return len(self._connections)

    def close(self) -> None:
        """End all connections and threads, and wait for them. Connections end with :class:`ManagerClosedError`.

        Delphi: Grijjy.SocketPool.Linux.TgoClientSocketManager.Destroy
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.only_worker = None
            connections, self._connections = self._connections, set()
            workers = list(self._workers)
            self._free.clear()
        for connection in connections:
            connection.end(ManagerClosedError("the socket manager was closed"))
        for worker in workers:
            worker.close()

    def __enter__(self) -> TgoClientSocketManager:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _abandon_after_fork(self) -> None:
        self._lock = threading.Lock()
        for worker in self._workers:
            worker.abandon_after_fork()
        self._workers = []
        self.only_worker = None
        connections, self._connections = self._connections, set()
        self._free = {}
        for connection in connections:
            connection.abandon_after_fork()


def _peer(connection: TgoSocketConnection) -> _Peer:
    return connection.hostname, connection.port, connection.ssl, connection.alpn, connection.tls_context


def _after_fork_in_child() -> None:
    reset_resolver()
    for manager in list(_managers):
        manager._abandon_after_fork()


def _stop_workers() -> None:
    # Connections are left as they are: telling their users now, in threads that are about to be stopped wherever they
    # are, would only make noise. The system closes the sockets.
    for manager in list(_managers):
        for worker in manager._workers:
            worker.close()


after_fork_in_child(_after_fork_in_child)
# Workers are daemon threads, so that a forgotten manager doesn't keep the interpreter alive; but they must not run
# while it is being taken apart.
atexit.register(_stop_workers)
