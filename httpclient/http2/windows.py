"""How wide the window of a response is: as wide as its way is long, if its reader keeps up.

A window must hold what is under way: bandwidth times delay (RFC 9113 section 6.9.1), 12.5 MB for 1 Gbit/s at 100 ms,
and twice that, because nghttp2 gives back half a window at a time. To begin with such a window would let a server fill
the memory of a client that reads slowly. So it grows while three things are true: a whole window takes longer to arrive
than it would at :data:`ENOUGH`, whoever reads the response takes it as it comes, and the windows that have grown don't
hold more than :data:`ROOM` together.
"""

from __future__ import annotations

from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .streams import PartialResponse

#: The widest window, in bytes.
WIDEST = 32 << 20
#: Bytes a second that need no wider window.
ENOUGH = 150_000_000
#: Bytes that all windows of a connection together may be wider than at first, where the sinks don't take what arrives
#: at once. (Where they do, nothing waits here.)
ROOM = 64 << 20


class WindowGrowth:
    """The windows of one connection's streams.

    :param initial: how wide they are at first, in bytes.
    """

    __slots__ = ("_initial", "_room")

    def __init__(self, initial: int) -> None:
        self._initial = initial
        self._room = ROOM

    def taken(self, response: PartialResponse, size: int) -> int:
        """The sink of a response has taken *size* bytes more.

        :return: how wide its window is to be; 0 where it stays as it is.
        """
        window = response.window or self._initial
        if not response.window:
            response.window = window
            response.window_since = monotonic()
        response.taken += size
        if response.taken < window:
            return 0
        now = monotonic()
        seconds = now - response.window_since
        response.taken = 0
        response.window_since = now
        if window >= WIDEST or seconds * ENOUGH < window:
            return 0
        wider = min(2 * window, WIDEST)
        if not response.sink.auto_consume:
            if response.waiting > window // 4 or wider - window > self._room:
                return 0
            self._room -= wider - window
        response.window = wider
        return wider

    def over(self, response: PartialResponse) -> None:
        """A response has ended; others may have its room."""
        if response.window > self._initial and not response.sink.auto_consume:
            self._room += response.window - self._initial
