"""The enumerations and event types of the unit, and its constants.

Delphi: Grijjy.SocketPool.Linux
"""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

#: Size in bytes of the blocks that the original reads with; see :data:`READ_BLOCK_SIZE` for ours.
#: Delphi: Grijjy.SocketPool.Linux.DEFAULT_BLOCK_SIZE
DEFAULT_BLOCK_SIZE = 4096

#: Size in bytes of the blocks that workers and blocking callers read with: large and few, because a read costs
#: a system call and a trip through Python whatever its size.
READ_BLOCK_SIZE = 256 * 1024

#: The argument of ``epoll_create``, which the kernel ignores but wants positive.
#: Delphi: Grijjy.SocketPool.Linux.IGNORED
IGNORED = 1

#: How many events a worker takes from the kernel at once.
#: Delphi: Grijjy.SocketPool.Linux.MAX_EVENTS
MAX_EVENTS = 100

#: How many calls that other threads have asked for a worker makes before it looks at its sockets again.
MAX_CALLS = 250

#: Seconds after which the original looks for released connections to free. Here each has a timer of its own,
#: and this is how long a connection that is being closed may take to send what it still has queued.
#: Delphi: Grijjy.SocketPool.Linux.INTERVAL_CLEANUP
INTERVAL_CLEANUP = 10.0

#: Seconds that a released connection stays open to be used again.
#: Delphi: Grijjy.SocketPool.Linux.INTERVAL_FREE
INTERVAL_FREE = 5.0

#: Seconds that looking up, connecting and the TLS handshake may take together, where nothing else is said.
CONNECT_TIMEOUT = 20.0

#: Bytes that may wait in one connection's send queue before :meth:`TgoSocketConnection.send` refuses more.
SEND_QUEUE_LIMIT = 16 * 1024 * 1024


class TgoSocketOptimization(Enum):
    """What a manager's workers save: time or memory.

    Delphi: Grijjy.SocketPool.Linux.TgoSocketOptimization
    """

    #: Each worker keeps its read block for good.
    SPEED = 0
    #: Read blocks come from a shared pool for as long as a batch of events takes; an idle worker holds none.
    SCALE = 1


class TgoSocketPoolBehavior(Enum):
    """What becomes of a connection that is released to its manager.

    Delphi: Grijjy.SocketPool.Linux.TgoSocketPoolBehavior
    """

    #: It is disconnected.
    CREATE_AND_DESTROY = 0
    #: It stays connected for :data:`INTERVAL_FREE` seconds, and a request for the same peer gets it.
    POOL_AND_REUSE = 1


class TgoConnectionState(Enum):
    """How far a connection is.

    Delphi: Grijjy.SocketPool.Linux.TgoConnectionState
    """

    #: Not connected, or not yet.
    DISCONNECTED = 0
    #: This side has asked for the end; what is queued is still being sent.
    DISCONNECTING = 1
    #: Connected, with TLS too where TLS is on.
    CONNECTED = 2


if TYPE_CHECKING:
    #: Delphi: Grijjy.SocketPool.Linux.TgoSocketNotifyEvent
    TgoSocketNotifyEvent: TypeAlias = Callable[[], object]
    #: Delphi: Grijjy.SocketPool.Linux.TgoSocketDataEvent
    TgoSocketDataEvent: TypeAlias = Callable[[bytes], object]
else:
    #: The type of the events without data. Delphi: Grijjy.SocketPool.Linux.TgoSocketNotifyEvent
    TgoSocketNotifyEvent = "Callable[[], object]"
    #: The type of the events with data. Delphi: Grijjy.SocketPool.Linux.TgoSocketDataEvent
    TgoSocketDataEvent = "Callable[[bytes], object]"
