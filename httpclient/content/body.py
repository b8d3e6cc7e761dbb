"""Request bodies: bytes that are there, and bytes that come from a file or an iterator while they are sent.

HTTP/1.1 and HTTP/2 both pull: :meth:`Body.read` is asked for the next piece when there is room for it, so no more
than one piece of a large body is in memory. A body gives as many bytes as its length says, or an error: what is
missing would be taken out of the next request, and what is too much would be taken for it.

What can be told in advance is refused before anything is sent: text-mode and closed files, dictionaries, pieces of a
list that aren't bytes.
"""

from __future__ import annotations

import io

from ..errors import BodyError
from ..http1.request import check_trailers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike
    from typing import IO, Any, TypeAlias

    #: What callers may give as a body.
    BodyInput: TypeAlias = "Body | bytes | bytearray | memoryview | str | IO[bytes] | PathLike[str] | Iterable[bytes]"

    #: What they may give as trailer fields: the fields, or what returns them when the body is at its end.
    TrailerInput = Iterable[tuple[str, str]] | Callable[[], Iterable[tuple[str, str]]]


class Body:
    """A body that is in memory.

    :param data: the bytes.

    :ivar length: how many bytes there are in total; ``None`` where that isn't known in advance. May be set before
        the first byte is read.
    :ivar repeatable: :meth:`rewind` works, so the request can be sent again.
    :ivar in_memory: nothing has to be waited for to :meth:`read` it.
    """

    __slots__ = ("_position", "data", "length")

    repeatable = True
    in_memory = True

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


class SourceBody(Body):
    """A body that is read from somewhere while it is sent; subclasses say from where."""

    __slots__ = ()

    in_memory = False

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
                if len(piece) > left or (len(piece) == left and self._has_more()):
                    raise BodyError(f"the body is longer than the {length} bytes that it was to be sent with")
            return piece
        except BodyError:
            raise
        except Exception as error:
            raise BodyError(f"reading the request body raised {error!r}") from error

    def _pull(self, size: int) -> bytes:
        """Return the next bytes, at most *size* of them where that is in the source's hand; ``b""`` at the end."""
        raise NotImplementedError

    def _has_more(self) -> bool:
        """Say whether the source goes on, where it can tell."""
        return False


class FileBody(SourceBody):
    """A body read from a binary file, from its current position to where its end is now.

    What the file grows by while it is sent isn't sent; a file that shrinks is an error. It is read from where it was,
    even if somebody has moved its position meanwhile.

    :param file: an object with ``read(size)``; its length is found out where it can seek.
    :raises BodyError: it is closed, opened in text mode, or only for writing.
    """

    __slots__ = ("_file", "_start")

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        if isinstance(file, io.TextIOBase):
            raise BodyError("the body's file was opened in text mode; open it with mode 'rb'")
        if getattr(file, "closed", False) is True:
            raise BodyError("the body's file is closed")
        readable = getattr(file, "readable", None)
        if callable(readable) and readable() is False:
            raise BodyError("the body's file was opened for writing only; open it with mode 'rb'")
        self._file = file
        self._start: int | None = None
        self.length = None
        try:
            start = file.tell()
            file.seek(0, io.SEEK_END)
            length = file.tell() - start
            file.seek(start)
        except (AttributeError, OSError, TypeError, ValueError):
            return
        if length <= 0 and not start and not _is_empty(file):
            return
        self._start = start
        self.length = max(0, length)

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        return self._start is not None

    def _pull(self, size: int) -> bytes:
        if self._start is not None and not self._position:
            self._file.seek(self._start)
        piece = self._file.read(size)
        if piece is None:
            raise BodyError("the body's file is in non-blocking mode and has nothing to read at the moment")
        if isinstance(piece, str):
            raise BodyError("the body's file was opened in text mode; open it with mode 'rb'")
        return _bytes_of(piece)

    def rewind(self) -> None:
        if self._start is None:
            raise BodyError("the body's file cannot seek, so the request cannot be sent again")
        self._file.seek(self._start)
        self._position = 0


class PathBody(SourceBody):
    """A body read from the file at a path, which is opened when its first byte is asked for, and closed at its end.

    :raises BodyError: there is no file to be read.
    """

    __slots__ = ("_again", "_file", "_over", "_path")

    def __init__(self, path: PathLike[str]) -> None:
        super().__init__()
        self._path = path
        self._file: IO[bytes] | None = None
        self._over = False
        self.length = None
        try:
            from stat import S_ISFIFO

            if not S_ISFIFO(_mode(path)):  # which would be open to its writer, and then not
                with open(path, "rb", buffering=0) as file:
                    self.length = FileBody(file).length
            self._again = self.length is not None
        except OSError as error:
            raise BodyError(f"the body's file cannot be opened: {error}") from error

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        return self._again

    def _pull(self, size: int) -> bytes:
        file = self._file
        if self._over:
            return b""
        if file is None:
            file = self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115  # closed at its end
        piece: bytes = file.read(size)
        if not piece or self._position + len(piece) == self.length:
            self._over = True
            self.close()
        return piece

    def close(self) -> None:
        """Close the file, if it is open."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def rewind(self) -> None:
        self.close()
        self._over = False
        self._position = 0

    def __del__(self) -> None:
        # A request that failed half-way, or a redirect that drops the body.
        if getattr(self, "_file", None) is not None:
            self.close()


class IteratorBody(SourceBody):
    """A body that an iterator makes as it goes; its length is unknown and it can be sent once.

    A list or tuple of bytes can be sent again, and so can any other object that makes a new iterator each time.

    :raises BodyError: something in the list isn't bytes.
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
            piece = next(self._iterator, self)  # no piece is this object itself
            if piece is self:
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


def _is_empty(file: IO[bytes]) -> bool:
    """Say whether a file that ends where it begins has nothing in it: a device or a pipe says so, too."""
    try:
        from stat import S_ISREG

        return S_ISREG(_mode(file.fileno()))
    except (AttributeError, OSError, TypeError, ValueError):
        return True  # not a file of the system's


def _mode(file: int | PathLike[str]) -> int:
    from os import stat

    return stat(file).st_mode


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BodyError("the request body has half of a surrogate pair in it, which UTF-8 has no bytes for") from None


class BodyWithTrailers(Body):
    """A body with fields after its end (RFC 9110 section 6.5): a digest, say, of what was sent.

    To be given as ``data``. HTTP/1.1 sends it in chunks, whatever its length.

    :param data: the body, in any form that a request takes.
    :param trailers: the fields as (name, value), or a function that returns them, called at the end of the body.
    :raises BodyError: *data* can't be sent.
    """

    __slots__ = ("_body", "_trailers")

    in_memory = False

    def __init__(self, data: BodyInput, trailers: TrailerInput) -> None:
        super().__init__()
        self._body = make_body(data)
        self._trailers = trailers
        self.length = None

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        return self._body.repeatable

    def read(self, size: int) -> bytes:
        return self._body.read(size)

    def rewind(self) -> None:
        self._body.rewind()

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """The fields to send now that the body has been read.

        :raises InvalidRequestError: one of them may not be sent.
        """
        trailers = self._trailers
        return check_trailers(list(trailers() if callable(trailers) else trailers))


def _bytes_of(piece: object) -> bytes:
    """Return one piece of a body as bytes."""
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str):
        return _encoded(piece)
    try:
        return bytes(memoryview(piece))  # type: ignore[arg-type]
    except TypeError:
        raise BodyError(f"the pieces of a request body are bytes, not {type(piece).__name__}") from None


def make_body(data: BodyInput) -> Body:
    """Return the body for what a caller gave.

    :param data: bytes, or anything with a buffer, of which a copy is made; text, which is sent as UTF-8; a binary
        file, read from its position; a path (an ``os.PathLike``, a text is not one), whose file is opened when it is
        sent; or an iterable of bytes. A :class:`Body` is returned as it is.
    :raises BodyError: it is none of these.
    """
    if isinstance(data, bytes):
        return Body(data)
    if isinstance(data, str):
        return Body(_encoded(data))
    if isinstance(data, (bytearray, memoryview)):
        return Body(bytes(data))
    source: Any = data
    if isinstance(source, Body):
        return source
    if hasattr(source, "read"):
        return FileBody(source)
    if hasattr(source, "__fspath__"):
        return PathBody(source)
    try:
        return Body(bytes(memoryview(source)))
    except TypeError:
        pass
    if hasattr(source, "__iter__") and not hasattr(source, "keys"):
        return IteratorBody(source)
    raise BodyError(
        f"a request body is bytes, str, a binary file, a path or an iterable of bytes, not {type(source).__name__}"
    )
