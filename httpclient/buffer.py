"""A first-in, first-out buffer of bytes that threads can share.

Delphi: Grijjy.Http.TThreadSafeBuffer
"""

from __future__ import annotations

import threading

from .constants import BUFFER_SIZE

#: What has been read is only thrown away once there is this much of it and it is most of the buffer, so that many
#: small reads cost what they read and not what is left.
_COMPACT = 4096


class TThreadSafeBuffer:
    """Bytes that are written at one end and read at the other. All members may be used from any thread.

    :param capacity: bytes that are expected; the buffer grows as needed.

    Differs from Delphi: reading doesn't move what is left, and searching goes on where the last search ended.
    Delphi: Grijjy.Http.TThreadSafeBuffer
    """

    __slots__ = ("_buffer", "_capacity", "_lock", "_searched", "_searched_for", "_start")

    def __init__(self, capacity: int = BUFFER_SIZE) -> None:
        self._lock = threading.Lock()
        self._capacity = capacity
        self._buffer = bytearray()
        #: Where the unread bytes start.
        self._start = 0
        #: Before this place, what the last search in vain looked for doesn't start.
        self._searched = 0
        self._searched_for = b""

    @property
    def size(self) -> int:
        """How many bytes can be read. Delphi: Grijjy.Http.TThreadSafeBuffer.Size"""
        with self._lock:
            return len(self._buffer) - self._start

    def write(self, buffer: bytes | bytearray | memoryview) -> None:
        """Append bytes. Delphi: Grijjy.Http.TThreadSafeBuffer.Write"""
        with self._lock:
            self._buffer += buffer

    def read(self, count: int | None = None) -> bytes:
        """Take bytes out, the oldest first.

        :param count: at most so many; all without it.
        :return: the bytes; none if there are none.
        :raises ValueError: *count* is negative.

        Delphi: Grijjy.Http.TThreadSafeBuffer.Read
        """
        if count is not None and count < 0:
            raise ValueError("the count of bytes to read must not be negative")
        with self._lock:
            size = len(self._buffer) - self._start
            return self._take(size if count is None or count > size else count)

    def read_into(self, buffer: bytearray | memoryview) -> int:
        """Take bytes out and put them into *buffer*, as many as there are and fit.

        :return: how many.

        Delphi: Grijjy.Http.TThreadSafeBuffer.Read, the overload with a pointer
        """
        with memoryview(buffer) as view, view.cast("B") as target, self._lock:
            count = min(len(target), len(self._buffer) - self._start)
            with memoryview(self._buffer) as source:
                target[:count] = source[self._start : self._start + count]
            self._skip(count)
            return count

    def read_to(self, sub_str: bytes) -> bytes:
        """Take bytes out up to and with the first *sub_str*.

        :return: the bytes; none while *sub_str* hasn't been written.
        :raises ValueError: *sub_str* is empty.

        Differs from Delphi: found also where it is all there is. Delphi: Grijjy.Http.TThreadSafeBuffer.ReadTo
        """
        if not sub_str:
            raise ValueError("nothing to read up to")
        with self._lock:
            start = self._start
            if sub_str == self._searched_for:
                start = max(start, self._searched)
            found = self._buffer.find(sub_str, start)
            if found < 0:
                self._searched_for = bytes(sub_str)
                # Its beginning may be there already.
                self._searched = max(start, len(self._buffer) - len(sub_str) + 1)
                return b""
            return self._take(found + len(sub_str) - self._start)

    def clear(self) -> None:
        """Throw everything away. Delphi: Grijjy.Http.TThreadSafeBuffer.Clear"""
        with self._lock:
            self._skip(len(self._buffer) - self._start)

    def log(self, text: str) -> None:
        """Write the size and the first bytes of what can be read to the log of this module, at level DEBUG.

        :param text: what to put in front.

        Delphi: Grijjy.Http.TThreadSafeBuffer.Log
        """
        import logging

        with self._lock:
            size = len(self._buffer) - self._start
            first = bytes(self._buffer[self._start : self._start + 64])
        logging.getLogger(__name__).debug("%s (size=%d) %r", text, size, first)

    def _take(self, count: int) -> bytes:
        with memoryview(self._buffer) as view:
            data = bytes(view[self._start : self._start + count])
        self._skip(count)
        return data

    def _skip(self, count: int) -> None:
        start = self._start + count
        if start == len(self._buffer):
            # A buffer that was large once doesn't stay large; one of the usual size keeps its memory out of the heap.
            self._buffer = bytearray()
            start = 0
        elif start >= _COMPACT and start * 2 >= len(self._buffer):
            # Moves no more than has been read since the last time.
            del self._buffer[:start]
            start = 0
        self._searched = max(0, self._searched - (self._start + count - start))
        self._start = start

    def __len__(self) -> int:
        return self.size
