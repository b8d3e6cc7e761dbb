"""The public names that most programs don't use: their modules are imported when they are first asked for."""

from __future__ import annotations

#: The module of each.
LATER = {
    "ConnectTimes": "times",
    "Detour": "tunnel",
    "TgoConnectionState": "states",
    "TgoSocketDataEvent": "states",
    "TgoSocketNotifyEvent": "states",
    "TgoSocketOptimization": "states",
    "TgoSocketPoolBehavior": "states",
    "unix_address": "unix",
}
