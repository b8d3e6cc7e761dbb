"""Where the blocks of a Zstandard stream begin and end (RFC 8878 section 3.1), without decoding them.

A block becomes at most 128 KiB (section 3.1.1.2.4), whatever its own size. So who gives a decoder one block at a time
has bounded what comes out.
"""

from __future__ import annotations

from ..errors import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Section 3.1.1, in the order of the bytes.
_MAGIC = b"\x28\xb5\x2f\xfd"

#: Section 3.1.2: the three bytes after the first, which is 0x50 to 0x5F.
_SKIPPABLE = b"\x2a\x4d\x18"

#: Section 3.1.1.1.1: lengths of the dictionary's number and of the content size, by their flags.
_DICTIONARY_LENGTHS = (0, 1, 2, 4)
_CONTENT_SIZE_LENGTHS = (0, 2, 4, 8)

# What comes next.
_START, _HEADER, _BLOCK, _CONTENT, _CHECKSUM, _SKIPPED_SIZE, _SKIPPED = range(7)


class FrameReader:
    """Follows frames and blocks through the bytes of a stream, as they arrive."""

    __slots__ = ("_checksum", "_held", "_last", "_left", "_state")

    def __init__(self) -> None:
        self._state = _START
        #: A header, as far as it is there.
        self._held = b""
        #: Bytes that are missing from the header, the block, or what else is under way.
        self._left = 5
        self._last = False
        self._checksum = False

    @property
    def between_frames(self) -> bool:
        """No frame is under way."""
        return self._state == _START and not self._held

    def split(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield parts of the stream that reach into one block each, and whether each starts a frame.

        :raises DecodingError: something else than a frame follows the one before.
        """
        at = 0
        end = len(data)
        while at < end:
            stop = min(end, at + self._left)
            part = data[at:stop]
            self._left -= stop - at
            at = stop
            state = self._state
            if state == _CONTENT:
                # What is under way is a block, or something without an effect of its own.
                yield part, False
                if not self._left:
                    self._next_block()
            elif state in (_CHECKSUM, _SKIPPED):
                if state == _CHECKSUM:
                    yield part, False
                if not self._left:
                    self._expect(_START, 5)
            else:
                self._held += part
                if not self._left:
                    yield from self._header()

    def _expect(self, state: int, size: int) -> None:
        self._state = state
        self._left = size

    def _next_block(self) -> None:
        if not self._last:
            self._expect(_BLOCK, 3)
        elif self._checksum:
            self._expect(_CHECKSUM, 4)
        else:
            self._expect(_START, 5)

    def _header(self) -> Iterator[tuple[bytes, bool]]:
        """Take the header that is complete now, or as far as it says how long it is."""
        held, state = self._held, self._state
        if state == _START:
            if held[:4] == _MAGIC:
                # Section 3.1.1.1: the descriptor tells what else the header has.
                descriptor = held[4]
                single = bool(descriptor & 0x20)
                self._checksum = bool(descriptor & 0x04)
                flag = descriptor >> 6
                length = _CONTENT_SIZE_LENGTHS[flag] or int(single)
                length += _DICTIONARY_LENGTHS[descriptor & 3] + (not single)
                self._expect(_HEADER, length)
            elif held[1:4] == _SKIPPABLE and held[0] >> 4 == 5:
                self._held = held[4:]
                self._expect(_SKIPPED_SIZE, 3)
            else:
                raise DecodingError("the body doesn't follow its zstd coding: there is something that is no frame")
            return
        self._held = b""
        if state == _SKIPPED_SIZE:
            size = int.from_bytes(held, "little")
            self._expect(*((_SKIPPED, size) if size else (_START, 5)))
        elif state == _HEADER:
            self._expect(_BLOCK, 3)
            yield held, True
        else:
            # Section 3.1.1.2: the last one or not, the type, and the size; a repeated byte is there once.
            block = int.from_bytes(held, "little")
            self._last = bool(block & 1)
            kind = block >> 1 & 3
            size = 1 if kind == 1 else block >> 3
            if size:
                self._expect(_CONTENT, size)
            else:
                self._next_block()
            yield held, False
