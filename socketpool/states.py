"""The enumerations and event types of the unit; loaded when somebody asks for one, because ``enum`` takes its time.

Delphi: Grijjy.SocketPool.Linux
"""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias


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
