"""What is sent and received, and how it is checked.

Every client's every body is checked. Small bodies are compared whole. Long ones are compared whole in the warm-up; in
the measured part their length is counted and each chunk's first bytes are compared with what belongs at its place,
because comparing everything there would cost as much as some clients do.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB = 1024
MIB = 1024 * KIB

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_random = random.Random(20)

SMALL = bytes(_random.choices(_LETTERS, k=KIB))
SESSION_REST = SMALL[1:]
SESSION_FULL = b"." + SESSION_REST
SESSION_RESUMED = b"r" + SESSION_REST

# The long download, the one of a quick run, and the one for warming up.
BULK_SIZE = 256 * MIB
BULK_QUICK_SIZE = 32 * MIB
BULK_SHORT_SIZE = 8 * MIB

# The sizes of bodies, and of header fields, by which the growth of a request's cost is measured.
GROWING_SIZES = (KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB)
# A header field with its line's end; they are numbered from 1.
FIELD_SIZE = 64

# The long content repeats this. Its length is prime, so that a lost, doubled or moved buffer can't go unnoticed.
_PERIOD = 1_000_003
# Any piece up to this long, wherever it begins, is one slice of the pattern.
LONGEST_PIECE = MIB
_pattern = (_random.randbytes(_PERIOD) * 3)[: _PERIOD + LONGEST_PIECE]


class ContentError(AssertionError):
    """A body isn't what it should be."""


def piece(start: int, size: int) -> bytes:
    """The long content from `start` on; `size` is at most LONGEST_PIECE."""
    start %= _PERIOD
    return _pattern[start : start + size]


def field(number: int) -> tuple[str, str]:
    """The name and value of a header field; the line is FIELD_SIZE long."""
    name = f"X-Field-{number:05}"
    start = number % 512
    return name, SMALL[start : start + FIELD_SIZE - len(name) - len(": \r\n")].decode("ascii")


def write_file(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, LONGEST_PIECE):
            file.write(piece(start, min(LONGEST_PIECE, size - start)))


def check_small(body: bytes, expected: bytes = SMALL) -> None:
    if body != expected:
        raise ContentError(f"{expected[:16]!r}... ({len(expected)} bytes) expected, got {body[:16]!r}... ({len(body)})")


class Receiver:
    """Takes a long body chunk by chunk (`receiver(chunk)`) and checks it."""

    __slots__ = ("received", "thorough")

    def __init__(self, *, thorough: bool) -> None:
        self.received = 0
        self.thorough = thorough

    def __call__(self, chunk: bytes | bytearray | memoryview) -> None:
        start = self.received
        self.received = start + len(chunk)
        if self.thorough:
            self._compare(chunk, start)
        elif chunk[:16] != piece(start, 16)[: len(chunk)]:
            raise ContentError(f"other content than expected at byte {start}")

    def _compare(self, chunk: bytes | bytearray | memoryview, start: int) -> None:
        for at in range(0, len(chunk), LONGEST_PIECE):
            part = chunk[at : at + LONGEST_PIECE]
            if part != piece(start + at, len(part)):
                raise ContentError(f"other content than expected in {len(part)} bytes from {start + at} on")

    def finish(self, size: int) -> None:
        if self.received != size:
            raise ContentError(f"{self.received} bytes arrived instead of {size}")


class Source:
    """A long body to send, usable once: an iterable of chunks with a length, or `take` for who asks piece by piece."""

    __slots__ = ("_sent", "size")

    CHUNK = 256 * KIB

    def __init__(self, size: int) -> None:
        self.size = size
        self._sent = 0

    def __len__(self) -> int:
        return self.size

    def take(self, size: int = CHUNK) -> bytes:
        start = self._sent
        chunk = piece(start, min(size, LONGEST_PIECE, self.size - start))
        self._sent = start + len(chunk)
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.take, b"")


def check_file(path: Path, size: int) -> None:
    """Compare a stored upload with what was sent."""
    receiver = Receiver(thorough=True)
    with path.open("rb") as file:
        while chunk := file.read(LONGEST_PIECE):
            receiver(chunk)
    receiver.finish(size)
