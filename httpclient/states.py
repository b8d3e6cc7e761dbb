"""What a client is doing.

Delphi: Grijjy.Http.TgoHttpClientState
"""

from __future__ import annotations

from enum import Enum


class TgoHttpClientState(Enum):
    """What a client is doing. Delphi: Grijjy.Http.TgoHttpClientState"""

    NONE = 0
    ERROR = 1
    SENDING = 2
    RECEIVING = 3
    FINISHED = 4
