"""Scalable client sockets: epoll workers, connections with or without TLS, and the events that they call.

Delphi: units Grijjy.SocketPool.Linux and Grijjy.MemoryPool.
"""

from __future__ import annotations

from .connection import TgoSocketConnection
from .constants import (
    CONNECT_TIMEOUT,
    DEFAULT_BLOCK_SIZE,
    IGNORED,
    INTERVAL_CLEANUP,
    INTERVAL_FREE,
    MAX_EVENTS,
    READ_BLOCK_SIZE,
    SEND_QUEUE_LIMIT,
)
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
from .stream import Stream
from .worker import Timer, TSocketPoolWorker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .states import (
        TgoConnectionState,
        TgoSocketDataEvent,
        TgoSocketNotifyEvent,
        TgoSocketOptimization,
        TgoSocketPoolBehavior,
    )
    from .times import ConnectTimes
    from .tunnel import Detour
    from .unix import unix_address

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


def __getattr__(name: str) -> object:
    """Hand out what most programs don't use, imported when it is first asked for (PEP 562)."""
    from linuxapi.binding import import_later

    from ._later import LATER

    value = globals()[name] = import_later(__name__, LATER, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
