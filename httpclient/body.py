"""Request bodies: bytes that are there, and bytes that come from a file or an iterator while they are sent.

HTTP/1.1 and HTTP/2 both pull: :meth:`Body.read` is asked for the next piece when there is room for it, so no more
than one piece of a large body is in memory. A body gives as many bytes as its length says, or an error: what is
missing would be taken out of the next request, and what is too much would be taken for it.
"""

from __future__ import annotations

import os

from .errors import BodyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    #: What callers may give as a body.
    BodyInput = bytes | bytearray | memoryview | str | IO[bytes] | Iterable[bytes]


class Body:
    """A body that is in memory.

    :param data: the bytes.

    :ivar length: how many bytes there are in total; ``None`` where that isn't known in advance. May be set before
        the first byte is read.
    :ivar repeatable: :meth:`rewind` works, so the request can be sent again.
    """

    __slots__ = ("_position", "data", "length")

    repeatable = True

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.length: int | None = len(data)
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most *size*; ``b""`` at the end.

        :raises BodyError: the source failed (that is the cause), or doesn't have as many bytes as :attr:`length` says.
        """
        start = self._position
        piece = self.data[start : start + size]
        self._position = start + len(piece)
        return piece

    def rewind(self) -> None:
        """Start again from the first byte.

        :raises BodyError: the source can be read only once.
        """
        self._position = 0


class _SourceBody(Body):
    """A body that is read from somewhere while it is sent."""

    __slots__ = ()

    def read(self, size: int) -> bytes:
        length = self.length
        if length is not None:
            left = length - self._position
            if left <= 0:
                return b""
            size = min(size, left)
        try:
            piece = self._pull(size)
            self._position += len(piece)
            if length is not None:
                if not piece:
                    raise BodyError(f"the body ended {left} bytes before the length that it was to be sent with")
                if len(piece) == left and self._has_more():
                    raise BodyError(f"the body is longer than the {length} bytes that it was to be sent with")
            return piece
        except BodyError:
            raise
        except Exception as error:
            raise BodyError(f"reading the request body raised {error!r}") from error

    def _pull(self, size: int) -> bytes:
        raise NotImplementedError

    def _has_more(self) -> bool:
        return False


class FileBody(_SourceBody):
    """A body read from a binary file, from its current position to where its end is now.

    :param file: an object with ``read(size)``; its length is found out where it can seek.
    """

    __slots__ = ("_file", "_start")

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._start: int | None = None
        self.length = None
        try:
            start = file.tell()
            length = file.seek(0, os.SEEK_END) - start
            file.seek(start)
        except (AttributeError, OSError, ValueError):
            return
        self._start = start
        self.length = max(0, length)

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        return self._start is not None

    def _pull(self, size: int) -> bytes:
        piece = self._file.read(size)
        if isinstance(piece, str):
            raise BodyError("the body's file was opened in text mode; open it with mode 'rb'")
        return bytes(piece or b"")

    def rewind(self) -> None:
        if self._start is None:
            raise BodyError("the body's file cannot seek, so the request cannot be sent again")
        self._file.seek(self._start)
        self._position = 0


class IteratorBody(_SourceBody):
    """A body that an iterator makes as it goes; its length is unknown and it can be sent once.

    A list or tuple of bytes can be sent again, and so can any other object that makes a new iterator each time.
    """

    __slots__ = ("_iterator", "_offset", "_rest", "_source")

    def __init__(self, source: Iterable[bytes]) -> None:
        super().__init__()
        self._source = source
        self._iterator: Iterator[bytes] = iter(source)
        self._rest = b""
        self._offset = 0
        self.length = None
        if isinstance(source, (list, tuple)):
            self.length = sum(len(_bytes_of(piece)) for piece in source)

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        return self._iterator is not self._source

    def _pull(self, size: int) -> bytes:
        if not self._has_more():
            return b""
        start = self._offset
        self._offset = start + size
        # Mostly it is asked for more than there is, and then nothing is copied.
        return self._rest[start : start + size]

    def _has_more(self) -> bool:
        while self._offset >= len(self._rest):
            piece = next(self._iterator, None)
            if piece is None:
                return False
            self._rest = _bytes_of(piece)
            self._offset = 0
        return True

    def rewind(self) -> None:
        if self._iterator is self._source:
            raise BodyError("the body is an iterator that has been used up, so the request cannot be sent again")
        self._iterator = iter(self._source)
        self._rest = b""
        self._offset = 0
        self._position = 0


def _bytes_of(piece: object) -> bytes:
    """Return one piece of an iterable body as bytes."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    raise BodyError(f"the pieces of an iterable request body are bytes, not {type(piece).__name__}")


def make_body(data: BodyInput) -> Body:
    """Return the body for what a caller gave: bytes, text (sent as UTF-8), a binary file, or an iterable of bytes.

    :raises BodyError: it is none of these.
    """
    if isinstance(data, bytes):
        return Body(data)
    if isinstance(data, str):
        return Body(data.encode())
    if isinstance(data, (bytearray, memoryview)):
        return Body(bytes(data))
    if hasattr(data, "read"):
        return FileBody(data)  # type: ignore[arg-type]
    if hasattr(data, "__iter__") and not isinstance(data, dict):
        return IteratorBody(data)
    raise BodyError(
        f"a request body is bytes, str, a binary file or an iterable of bytes, not {type(data).__name__}"
    )
