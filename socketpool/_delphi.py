"""Where the names of this package come from. Delphi: units Grijjy.SocketPool.Linux and Grijjy.MemoryPool."""

# ruff: noqa: E501 - one declaration, one line

from __future__ import annotations

from linuxapi._mapping import Ported


def _new(why: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


PORTED: tuple[Ported, ...] = (
    Ported("Grijjy.MemoryPool.MAX_BLOCKS_QUEUED", "const", "socketpool.MAX_BLOCKS_QUEUED"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool", "class", "socketpool.TgoMemoryPool"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Create", "constructor", "socketpool.TgoMemoryPool.__init__"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Destroy", "destructor", "socketpool.TgoMemoryPool.close"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.RequestMem", "function", "socketpool.TgoMemoryPool.request_mem"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.ReleaseMem", "procedure", "socketpool.TgoMemoryPool.release_mem"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.BlockSize", "property", "socketpool.TgoMemoryPool.block_size"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Count", "property", "socketpool.TgoMemoryPool.count"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Size", "property", "socketpool.TgoMemoryPool.size"),
    Ported("Grijjy.SocketPool.Linux.DEFAULT_BLOCK_SIZE", "const", "socketpool.DEFAULT_BLOCK_SIZE"),
    Ported("Grijjy.SocketPool.Linux.IGNORED", "const", "socketpool.IGNORED"),
    Ported("Grijjy.SocketPool.Linux.MAX_EVENTS", "const", "socketpool.MAX_EVENTS"),
    Ported("Grijjy.SocketPool.Linux.INTERVAL_CLEANUP", "const", "socketpool.INTERVAL_CLEANUP"),
    Ported("Grijjy.SocketPool.Linux.INTERVAL_FREE", "const", "socketpool.INTERVAL_FREE"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketOptimization", "type", "socketpool.TgoSocketOptimization"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketOptimization.Speed", "enumvalue", "socketpool.TgoSocketOptimization.SPEED"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketOptimization.Scale", "enumvalue", "socketpool.TgoSocketOptimization.SCALE"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketPoolBehavior", "type", "socketpool.TgoSocketPoolBehavior"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketPoolBehavior.CreateAndDestroy", "enumvalue", "socketpool.TgoSocketPoolBehavior.CREATE_AND_DESTROY"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketPoolBehavior.PoolAndReuse", "enumvalue", "socketpool.TgoSocketPoolBehavior.POOL_AND_REUSE"),
    Ported("Grijjy.SocketPool.Linux.TgoConnectionState", "type", "socketpool.TgoConnectionState"),
    Ported("Grijjy.SocketPool.Linux.TgoConnectionState.Disconnected", "enumvalue", "socketpool.TgoConnectionState.DISCONNECTED"),
    Ported("Grijjy.SocketPool.Linux.TgoConnectionState.Disconnecting", "enumvalue", "socketpool.TgoConnectionState.DISCONNECTING"),
    Ported("Grijjy.SocketPool.Linux.TgoConnectionState.Connected", "enumvalue", "socketpool.TgoConnectionState.CONNECTED"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketNotifyEvent", "type", "socketpool.TgoSocketNotifyEvent"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketDataEvent", "type", "socketpool.TgoSocketDataEvent"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection", "class", "socketpool.TgoSocketConnection"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Create", "constructor", "socketpool.TgoSocketConnection.__init__"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Destroy", "destructor", "socketpool.TgoSocketConnection.close"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Connect", "function", "socketpool.TgoSocketConnection.connect"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Disconnect", "procedure", "socketpool.TgoSocketConnection.disconnect"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Send", "function", "socketpool.TgoSocketConnection.send"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.StopCallbacks", "procedure", "socketpool.TgoSocketConnection.stop_callbacks"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Socket", "property", "socketpool.TgoSocketConnection.socket"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Hostname", "property", "socketpool.TgoSocketConnection.hostname"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Port", "property", "socketpool.TgoSocketConnection.port"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.State", "property", "socketpool.TgoSocketConnection.state"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Pending", "property", "socketpool.TgoSocketConnection.pending"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Shutdown", "property", "socketpool.TgoSocketConnection.shutdown"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Closed", "property", "socketpool.TgoSocketConnection.closed"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.OpenSSL", "property", "socketpool.TgoSocketConnection.openssl", "OpenSSL is one word to Python, as in pyOpenSSL and in the package openssl_api"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.SSL", "property", "socketpool.TgoSocketConnection.ssl"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.ALPN", "property", "socketpool.TgoSocketConnection.alpn"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Certificate", "property", "socketpool.TgoSocketConnection.certificate"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.PrivateKey", "property", "socketpool.TgoSocketConnection.private_key"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Password", "property", "socketpool.TgoSocketConnection.password"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.OnConnected", "property", "socketpool.TgoSocketConnection.on_connected"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.OnDisconnected", "property", "socketpool.TgoSocketConnection.on_disconnected"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.OnRecv", "property", "socketpool.TgoSocketConnection.on_recv"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.OnSent", "property", "socketpool.TgoSocketConnection.on_sent"),
    Ported("Grijjy.SocketPool.Linux.TSocketPoolWorker", "class", "socketpool.TSocketPoolWorker"),
    Ported("Grijjy.SocketPool.Linux.TSocketPoolWorker.Create", "constructor", "socketpool.TSocketPoolWorker.__init__"),
    Ported("Grijjy.SocketPool.Linux.TSocketPoolWorker.Destroy", "destructor", "socketpool.TSocketPoolWorker.close"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager", "class", "socketpool.TgoClientSocketManager"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager.Create", "constructor", "socketpool.TgoClientSocketManager.__init__"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager.Destroy", "destructor", "socketpool.TgoClientSocketManager.close"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager.Release", "procedure", "socketpool.TgoClientSocketManager.release"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager.Request", "function", "socketpool.TgoClientSocketManager.request"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager.Handle", "property", "socketpool.TgoClientSocketManager.handle"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager.Optimization", "property", "socketpool.TgoClientSocketManager.optimization"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.PendingToString", "function", "socketpool.TgoSocketConnection.pending_to_string"),
)

#: Names without an origin in the ported units, and why they exist.
NEW: dict[str, str] = {
    **_new(
        "a failure is an exception that says why",
        """
        ConnectionFailedError ConnectionLostError ConnectionTimeoutError ManagerClosedError NameLookupError
        SocketPoolError TransferTimeoutError TgoSocketConnection.error
        """,
    ),
    **_new("a limit that the original doesn't have", "CONNECT_TIMEOUT SEND_QUEUE_LIMIT TgoSocketConnection.send_queue_limit"),
    **_new("blocks are larger and fewer than the original's", "READ_BLOCK_SIZE TSocketPoolWorker.read_block"),
    **_new("what a memory pool hands out: memory that Python and C share", "MemoryBlock"),
    **_new("all addresses of a host are tried", "Address TgoSocketConnection.addresses"),
    **_new(
        "a connection that the calling thread drives itself",
        """
        Stream TgoSocketConnection.stream TgoSocketConnection.open TgoSocketConnection.attach
        TgoSocketConnection.attached TgoSocketConnection.detach
        """,
    ),
    **_new("events without a copy, and without a queue", "TgoSocketConnection.on_buffer TgoSocketConnection.on_writable"),
    **_new("ending a connection at once, or from another thread", "TgoSocketConnection.abort TgoSocketConnection.end"),
    **_new(
        "what TLS verifies and shares",
        """
        TgoSocketConnection.tls_context TgoSocketConnection.tls_host TgoSocketConnection.check_alpn
        TgoClientSocketManager.new_engine
        """,
    ),
    **_new(
        "one epoll set for each worker, and calls in its thread",
        """
        Timer TSocketPoolWorker.call_at TSocketPoolWorker.call_soon TSocketPoolWorker.handle
        TSocketPoolWorker.is_current TSocketPoolWorker.modify TSocketPoolWorker.register TSocketPoolWorker.set_handler
        TSocketPoolWorker.unregister TSocketPoolWorker.execute TgoSocketConnection.worker
        TgoClientSocketManager.choose_worker
        """,
    ),
    **_new(
        "how the parts of this package work together",
        """
        TgoSocketConnection.give_back TgoSocketConnection.take_back TgoSocketConnection.new_stream
        TgoClientSocketManager.add TgoClientSocketManager.discard
        """,
    ),
    **_new("what was asked for, and what there is", "TgoClientSocketManager.behavior TgoClientSocketManager.connections"),
    **_new(
        "a forked child lets go of what is the parent's",
        "TSocketPoolWorker.abandon_after_fork TgoSocketConnection.abandon_after_fork",
    ),
}
