"""Scalable client sockets: epoll workers, connections with or without TLS, and the events that they call.

Delphi: units Grijjy.SocketPool.Linux and Grijjy.MemoryPool.
"""

from __future__ import annotations

from .connection import TgoSocketConnection
from .errors import (
    ConnectionFailedError,
    ConnectionLostError,
    ConnectionTimeoutError,
    ManagerClosedError,
    NameLookupError,
    SocketPoolError,
    TransferTimeoutError,
)
from .manager import TgoClientSocketManager
from .memorypool import MAX_BLOCKS_QUEUED, MemoryBlock, TgoMemoryPool
from .resolver import Address
from .states import (
    CONNECT_TIMEOUT,
    DEFAULT_BLOCK_SIZE,
    IGNORED,
    INTERVAL_CLEANUP,
    INTERVAL_FREE,
    MAX_EVENTS,
    READ_BLOCK_SIZE,
    SEND_QUEUE_LIMIT,
    TgoConnectionState,
    TgoSocketDataEvent,
    TgoSocketNotifyEvent,
    TgoSocketOptimization,
    TgoSocketPoolBehavior,
)
from .stream import Stream
from .times import ConnectTimes
from .tunnel import Detour
from .unix import unix_address
from .worker import Timer, TSocketPoolWorker

__all__ = [
    "CONNECT_TIMEOUT",
    "DEFAULT_BLOCK_SIZE",
    "IGNORED",
    "INTERVAL_CLEANUP",
    "INTERVAL_FREE",
    "MAX_BLOCKS_QUEUED",
    "MAX_EVENTS",
    "READ_BLOCK_SIZE",
    "SEND_QUEUE_LIMIT",
    "Address",
    "ConnectTimes",
    "ConnectionFailedError",
    "ConnectionLostError",
    "ConnectionTimeoutError",
    "Detour",
    "ManagerClosedError",
    "MemoryBlock",
    "NameLookupError",
    "SocketPoolError",
    "Stream",
    "TSocketPoolWorker",
    "TgoClientSocketManager",
    "TgoConnectionState",
    "TgoMemoryPool",
    "TgoSocketConnection",
    "TgoSocketDataEvent",
    "TgoSocketNotifyEvent",
    "TgoSocketOptimization",
    "TgoSocketPoolBehavior",
    "Timer",
    "TransferTimeoutError",
    "unix_address",
]
