"""Where the names of this package come from. Delphi: units Grijjy.MemoryPool and Grijjy.SocketPool.Linux."""

from __future__ import annotations

from linuxapi._mapping import Ported

PORTED: tuple[Ported, ...] = (
    Ported("Grijjy.MemoryPool.MAX_BLOCKS_QUEUED", "const", "socketpool.MAX_BLOCKS_QUEUED"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool", "class", "socketpool.TgoMemoryPool"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Create", "constructor", "socketpool.TgoMemoryPool.__init__"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Destroy", "destructor", "socketpool.TgoMemoryPool.close"),
    Ported(
        "Grijjy.MemoryPool.TgoMemoryPool.RequestMem",
        "function",
        "socketpool.TgoMemoryPool.request_mem",
        "returns a MemoryBlock, which knows its address, instead of a bare pointer",
    ),
    Ported(
        "Grijjy.MemoryPool.TgoMemoryPool.ReleaseMem",
        "procedure",
        "socketpool.TgoMemoryPool.release_mem",
        "refuses blocks of another size",
    ),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.BlockSize", "property", "socketpool.TgoMemoryPool.block_size"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Count", "property", "socketpool.TgoMemoryPool.count"),
    Ported("Grijjy.MemoryPool.TgoMemoryPool.Size", "property", "socketpool.TgoMemoryPool.size"),
    Ported(
        "Grijjy.SocketPool.Linux.DEFAULT_BLOCK_SIZE",
        "const",
        "socketpool.DEFAULT_BLOCK_SIZE",
        "not used: READ_BLOCK_SIZE is",
    ),
    Ported("Grijjy.SocketPool.Linux.IGNORED", "const", "socketpool.IGNORED", "not used: epoll_create1 takes no size"),
    Ported("Grijjy.SocketPool.Linux.MAX_EVENTS", "const", "socketpool.MAX_EVENTS"),
    Ported(
        "Grijjy.SocketPool.Linux.INTERVAL_CLEANUP",
        "const",
        "socketpool.INTERVAL_CLEANUP",
        "seconds; each connection has timers of its own, so this is how long ending one may take",
    ),
    Ported("Grijjy.SocketPool.Linux.INTERVAL_FREE", "const", "socketpool.INTERVAL_FREE", "seconds"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketOptimization", "type", "socketpool.TgoSocketOptimization"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketOptimization.Speed",
        "enumvalue",
        "socketpool.TgoSocketOptimization.SPEED",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketOptimization.Scale",
        "enumvalue",
        "socketpool.TgoSocketOptimization.SCALE",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketPoolBehavior", "type", "socketpool.TgoSocketPoolBehavior"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketPoolBehavior.CreateAndDestroy",
        "enumvalue",
        "socketpool.TgoSocketPoolBehavior.CREATE_AND_DESTROY",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketPoolBehavior.PoolAndReuse",
        "enumvalue",
        "socketpool.TgoSocketPoolBehavior.POOL_AND_REUSE",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoConnectionState", "type", "socketpool.TgoConnectionState"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoConnectionState.Disconnected",
        "enumvalue",
        "socketpool.TgoConnectionState.DISCONNECTED",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoConnectionState.Disconnecting",
        "enumvalue",
        "socketpool.TgoConnectionState.DISCONNECTING",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoConnectionState.Connected",
        "enumvalue",
        "socketpool.TgoConnectionState.CONNECTED",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketNotifyEvent", "type", "socketpool.TgoSocketNotifyEvent"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketDataEvent",
        "type",
        "socketpool.TgoSocketDataEvent",
        "gets bytes instead of a pointer and a size",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection", "class", "socketpool.TgoSocketConnection"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Create",
        "constructor",
        "socketpool.TgoSocketConnection.__init__",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Destroy", "destructor", "socketpool.TgoSocketConnection.close"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Connect",
        "function",
        "socketpool.TgoSocketConnection.connect",
        "never blocks: the result says whether connecting was begun, events tell how it ended",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Disconnect",
        "procedure",
        "socketpool.TgoSocketConnection.disconnect",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Send",
        "function",
        "socketpool.TgoSocketConnection.send",
        "never blocks; False also when the send queue is full",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.StopCallbacks",
        "procedure",
        "socketpool.TgoSocketConnection.stop_callbacks",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Socket", "property", "socketpool.TgoSocketConnection.socket"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Hostname",
        "property",
        "socketpool.TgoSocketConnection.hostname",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.Port", "property", "socketpool.TgoSocketConnection.port"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.State",
        "property",
        "socketpool.TgoSocketConnection.state",
        "read-only",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Pending",
        "property",
        "socketpool.TgoSocketConnection.pending",
        "read-only",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Shutdown",
        "property",
        "socketpool.TgoSocketConnection.shutdown",
        "read-only",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Closed",
        "property",
        "socketpool.TgoSocketConnection.closed",
        "read-only",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.OpenSSL",
        "property",
        "socketpool.TgoSocketConnection.openssl",
        "one word, as it is a name; made of the connection's options, shows its TLS engine",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.SSL", "property", "socketpool.TgoSocketConnection.ssl"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.ALPN",
        "property",
        "socketpool.TgoSocketConnection.alpn",
        "a peer that doesn't agree fails the connection",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Certificate",
        "property",
        "socketpool.TgoSocketConnection.certificate",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.PrivateKey",
        "property",
        "socketpool.TgoSocketConnection.private_key",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.Password",
        "property",
        "socketpool.TgoSocketConnection.password",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.OnConnected",
        "property",
        "socketpool.TgoSocketConnection.on_connected",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.OnDisconnected",
        "property",
        "socketpool.TgoSocketConnection.on_disconnected",
    ),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.OnRecv", "property", "socketpool.TgoSocketConnection.on_recv"),
    Ported("Grijjy.SocketPool.Linux.TgoSocketConnection.OnSent", "property", "socketpool.TgoSocketConnection.on_sent"),
    Ported("Grijjy.SocketPool.Linux.TSocketPoolWorker", "class", "socketpool.TSocketPoolWorker"),
    Ported(
        "Grijjy.SocketPool.Linux.TSocketPoolWorker.Create",
        "constructor",
        "socketpool.TSocketPoolWorker.__init__",
        "has an epoll set of its own; its thread starts with the first thing to do",
    ),
    Ported("Grijjy.SocketPool.Linux.TSocketPoolWorker.Destroy", "destructor", "socketpool.TSocketPoolWorker.close"),
    Ported("Grijjy.SocketPool.Linux.TgoClientSocketManager", "class", "socketpool.TgoClientSocketManager"),
    Ported(
        "Grijjy.SocketPool.Linux.TgoClientSocketManager.Create",
        "constructor",
        "socketpool.TgoClientSocketManager.__init__",
        "one worker by default",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoClientSocketManager.Destroy",
        "destructor",
        "socketpool.TgoClientSocketManager.close",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoClientSocketManager.Release",
        "procedure",
        "socketpool.TgoClientSocketManager.release",
        "a connection that can't be kept is disconnected",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoClientSocketManager.Request",
        "function",
        "socketpool.TgoClientSocketManager.request",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoClientSocketManager.Handle",
        "property",
        "socketpool.TgoClientSocketManager.handle",
        "that of the first worker",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoClientSocketManager.Optimization",
        "property",
        "socketpool.TgoClientSocketManager.optimization",
    ),
    Ported(
        "Grijjy.SocketPool.Linux.TgoSocketConnection.PendingToString",
        "function",
        "socketpool.TgoSocketConnection.pending_to_string",
    ),
)


def _new(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


#: Names without an origin in the ported units, and why they exist.
NEW: dict[str, str] = {
    **_new("seconds that connecting may take; the original has no limit of its own", "CONNECT_TIMEOUT"),
    **_new("large and few blocks are faster than many of DEFAULT_BLOCK_SIZE", "READ_BLOCK_SIZE"),
    **_new(
        "sending never blocks, so what waits has to be bounded", "SEND_QUEUE_LIMIT TgoSocketConnection.send_queue_limit"
    ),
    **_new("what a pool hands out: memory that Python and C both see", "MemoryBlock"),
    **_new("the waiting blocks, for who pops and appends by himself, at half the cost", "TgoMemoryPool.free"),
    **_new(
        "the bytes of a connection without its events: what a thread uses that waits for itself",
        "Stream TgoSocketConnection.stream",
    ),
    **_new("one of the addresses of a host", "Address"),
    **_new("how long each step of becoming connected took", "ConnectTimes TgoSocketConnection.times"),
    **_new(
        "connects elsewhere than where the host name leads",
        "TgoSocketConnection.addresses TgoSocketConnection.on_addresses unix_address",
    ),
    **_new("connects through a proxy", "TgoSocketConnection.detour TgoSocketConnection.pass_on Detour"),
    **_new(
        "what goes wrong, as exceptions; the original returns False or is silent",
        """
        SocketPoolError NameLookupError ConnectionFailedError ConnectionTimeoutError TransferTimeoutError
        ConnectionLostError ManagerClosedError TgoSocketConnection.error
        """,
    ),
    **_new("a thread connects and uses the connection itself, without a hand-off", "TgoSocketConnection.open"),
    **_new(
        "a connection changes hands between a worker and a thread",
        """
        TgoSocketConnection.attach TgoSocketConnection.detach TgoSocketConnection.attached TgoSocketConnection.worker
        TgoSocketConnection.token
        """,
    ),
    **_new(
        "ends that are no orderly disconnect: at once, and on behalf of somebody else",
        "TgoSocketConnection.abort TgoSocketConnection.end",
    ),
    **_new("OnRecv without a copy of the data", "TgoSocketConnection.on_buffer"),
    **_new("one object for the three events that a protocol needs", "TgoSocketConnection.handler"),
    **_new("sending never blocks, so somebody may want to know when there is room", "TgoSocketConnection.on_writable"),
    **_new("one TLS context for many connections", "TgoSocketConnection.tls_context"),
    **_new(
        "how the parts of this package work together",
        """
        TgoSocketConnection.new_stream TgoSocketConnection.check_alpn TgoSocketConnection.give_back
        TgoSocketConnection.take_back TgoSocketConnection.abandon_after_fork TgoSocketConnection.identity
        TgoClientSocketManager.add TgoClientSocketManager.discard TgoClientSocketManager.tls_context
        TgoClientSocketManager.choose_worker TgoClientSocketManager.only_worker TSocketPoolWorker.abandon_after_fork
        TSocketPoolWorker.read_block TSocketPoolWorker.new_read_block TSocketPoolWorker.thread_id
        TSocketPoolWorker.openings
        """,
    ),
    **_new("protected in the original, as it is in every thread class", "TSocketPoolWorker.execute"),
    **_new(
        "what others ask of a worker; the original's only looks at its epoll set",
        """
        TSocketPoolWorker.call_soon TSocketPoolWorker.call_at Timer TSocketPoolWorker.is_current
        TSocketPoolWorker.register TSocketPoolWorker.modify TSocketPoolWorker.set_handler TSocketPoolWorker.unregister
        """,
    ),
    **_new("each worker has an epoll set of its own", "TSocketPoolWorker.handle"),
    **_new("what was given to the constructor", "TgoClientSocketManager.behavior"),
    **_new("how many there are", "TgoClientSocketManager.connections"),
}
