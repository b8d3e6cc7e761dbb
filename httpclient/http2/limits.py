"""What a server may make a client do for nothing, and how much of it."""

from __future__ import annotations

from time import monotonic

#: RFC 9113 section 6.5.2: what a field counts for beside its name and value.
_FIELD_OVERHEAD = 32

#: A field that is one byte on the wire can be as large as HPACK's table, which nobody has made larger than this.
_INDEXED_FIELD_SIZE = 4096


def header_list_exceeds(fields: list[tuple[bytes, bytes]], wire_size: int, limit: int) -> bool:
    """Say whether a header list is larger than *limit*, counted as RFC 9113 section 6.5.2 says.

    :param wire_size: bytes of the compressed block. Huffman coding makes 8 bits of at least 5 (RFC 7541 appendix B), so
        a field has at most 8/5 times what it has on the wire, or it comes from the table. That is enough to let nearly
        every list pass without being looked at.
    """
    if len(fields) * _INDEXED_FIELD_SIZE + 2 * wire_size <= limit:
        return False
    return sum([len(name) + len(value) for name, value in fields]) + _FIELD_OVERHEAD * len(fields) > limit


class FrameAllowance:
    """How many more frames the peer may send that serve no response: PING, SETTINGS, empty DATA and the like.

    A bucket that time fills, and everything that gives a reason for such frames: body bytes that arrived (a server may
    send a PING now and then to measure the connection) and DATA frames that were sent (they cause WINDOW_UPDATE).

    :param burst: how many at once.
    :param rate: how many a second in the long run.
    """

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._left: float = burst
        self._since = monotonic()

    def add(self, frames: float) -> None:
        """Allow that many more, for something useful that has happened."""
        self._left = min(self._left + frames, self._burst)

    def spend(self) -> bool:
        """Count one frame; ``False`` says that it is one too many."""
        self._left -= 1
        if self._left >= 0:
            return True
        # The clock is looked at when the bucket is empty, and not for each frame.
        now = monotonic()
        self._left = min(self._left + (now - self._since) * self._rate, self._burst)
        self._since = now
        return self._left >= 0
