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
    from .streams import Stream

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

    def taken(self, stream: Stream, size: int) -> int:
        """The sink of a stream has taken *size* bytes more.

        :return: how wide its window is to be; 0 where it stays as it is.
        """
        window = stream.window or self._initial
        if not stream.window:
            stream.window = window
            stream.window_since = monotonic()
        stream.taken += size
        if stream.taken < window:
            return 0
        now = monotonic()
        seconds = now - stream.window_since
        stream.taken = 0
        stream.window_since = now
        if window >= WIDEST or seconds * ENOUGH < window:
            return 0
        wider = min(2 * window, WIDEST)
        if not stream.sink.auto_consume:
            if stream.waiting > window // 4 or wider - window > self._room:
                return 0
            self._room -= wider - window
        stream.window = wider
        return wider

    def over(self, stream: Stream) -> None:
        """A stream has ended; others may have its room."""
        if stream.window > self._initial and not stream.sink.auto_consume:
            self._room += stream.window - self._initial
