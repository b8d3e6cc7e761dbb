"""What undoes one content coding each; ``decoding`` puts them together."""

from __future__ import annotations

import sys

from ..errors import DecodingError
from . import _coding_packages as packages
from .decoding import PIECE_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: Bytes that a library gets at once. What it hasn't used yet is copied with every call, so that much and no more: the
#: cost of a great many small members stays proportional to their size.
_STEP = 32 * 1024

#: RFC 9659 section 3: no larger window is used with HTTP, and so no more memory is needed.
_ZSTD_WINDOW_LOG = 23


class Decoder:
    """Undoes one coding."""

    __slots__ = ("_begun",)

    name = ""

    def __init__(self) -> None:
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, and yield what they stand for."""
        if not data:
            return
        self._begun = True
        if len(data) <= _STEP:
            yield from self._decode(data)
        else:
            for start in range(0, len(data), _STEP):
                yield from self._decode(data[start : start + _STEP])

    def _decode(self, data: bytes) -> Iterator[bytes]:
        raise NotImplementedError

    def _complete(self) -> bool:
        raise NotImplementedError

    def finish(self) -> None:
        """Check that nothing is missing."""
        if self._begun and not self._complete():
            raise DecodingError(f"the body is cut off: it ends in the middle of its {self.name} coding")

    def _error(self, error: Exception) -> DecodingError:
        return DecodingError(f"the body doesn't follow its {self.name} coding: {error}")


class _Inflater(Decoder):
    """What gzip and deflate have in common: zlib."""

    __slots__ = ("_error_class", "_new", "_stream")

    def __init__(self) -> None:
        super().__init__()
        import zlib

        self._error_class = zlib.error
        self._new = zlib.decompressobj
        #: The stream under way, or the one that has ended last.
        self._stream: Any = None

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        """Give bytes to the stream, and yield what comes out, to the end of either."""
        stream = self._stream
        while True:
            try:
                piece = stream.decompress(data, PIECE_SIZE)
            except self._error_class as error:
                raise self._error(error) from error
            if piece:
                yield piece
            data = stream.unconsumed_tail
            # A piece of full size may not be all, even if all input has been taken.
            if stream.eof or (not data and len(piece) < PIECE_SIZE):
                return

    def _complete(self) -> bool:
        return self._stream is not None and bool(self._stream.eof)


class _GzipDecoder(_Inflater):
    """Any number of members (RFC 1952 section 2.2), each checked by its length and checksum."""

    __slots__ = ("_between", "_over")

    name = "gzip"

    def __init__(self) -> None:
        super().__init__()
        #: After a member, the first bytes of what follows, until it is clear whether that is another one.
        self._between = b""
        self._over = False

    def _decode(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._stream = self._new(31)  # 15 for the largest window, and 16 for gzip
        while data and not self._over:
            if self._stream.eof:
                data = self._between + data
                # The same rule as gzip(1): another member starts with ID1 and ID2, all else is garbage.
                if data[:2] != b"\x1f\x8b":
                    self._between = data if data == b"\x1f" else b""
                    self._over = not self._between
                    return
                self._between = b""
                self._stream = self._new(31)
            yield from self._inflate(data)
            data = self._stream.unused_data


class _DeflateDecoder(_Inflater):
    """The zlib format (RFC 1950), or a bare deflate stream (RFC 1951)."""

    __slots__ = ("_start",)

    name = "deflate"

    def __init__(self) -> None:
        super().__init__()
        self._start = b""

    def _decode(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            data = self._start + data
            if len(data) < 2:
                self._start = data
                return
            # RFC 1950 section 2.2: method 8, a window of at most 32 KiB, a multiple of 31. A bare stream can't look
            # like that unless it starts with a stored block with something in the bits that nobody uses.
            first, second = data[:2]
            wrapped = first & 0x0F == 8 and first >> 4 <= 7 and (first << 8 | second) % 31 == 0
            self._stream = self._new(15 if wrapped else -15)
        if not self._stream.eof:
            yield from self._inflate(data)


class _BrotliDecoder(Decoder):
    """Brotli (RFC 7932). Nothing may follow."""

    __slots__ = ("_error_class", "_stream")

    name = "br"

    #: The limit that the package gets: it rounds up to whole blocks of its own, and not beyond PIECE_SIZE.
    _LIMIT = PIECE_SIZE // 2

    def __init__(self) -> None:
        super().__init__()
        module = packages.brotli_module()
        if module is None:
            raise _missing("br", "brotli", "brotli 1.2 or newer")
        self._error_class: type[Exception] = module.error
        self._stream = module.Decompressor()

    def _decode(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        while True:
            try:
                piece = stream.process(data, output_buffer_limit=self._LIMIT)
            except self._error_class as error:
                raise self._error(error) from error
            if piece:
                yield piece
            # Who takes more input may have more output nevertheless: it has given all when it gives nothing any more.
            if stream.is_finished() or (not piece and stream.can_accept_more_data()):
                return
            data = b""

    def _complete(self) -> bool:
        return bool(self._stream.is_finished())


class _ZstdDecoder(Decoder):
    """Zstandard (RFC 8878) with the module of Python 3.14, or its backport: any number of frames."""

    __slots__ = ("_error_class", "_new", "_options", "_stream")

    name = "zstd"

    def __init__(self, module: Any) -> None:
        super().__init__()
        self._error_class: type[Exception] = module.ZstdError
        self._new = module.ZstdDecompressor
        self._options = {module.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._stream: Any = None

    def _decode(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        while True:
            if stream is None or stream.eof:
                if not data:
                    return
                stream = self._stream = self._new(options=self._options)
            try:
                piece = stream.decompress(data, PIECE_SIZE)
            except self._error_class as error:
                raise self._error(error) from error
            if piece:
                yield piece
            if stream.eof:
                data = stream.unused_data
            elif stream.needs_input:
                return
            else:
                data = b""

    def _complete(self) -> bool:
        return self._stream is not None and bool(self._stream.eof)


class _ZstandardDecoder(Decoder):
    """Zstandard with the package of that name, which can't limit what it gives: so it gets one block at a time."""

    __slots__ = ("_error_class", "_frames", "_module", "_stream")

    name = "zstd"

    def __init__(self, module: Any) -> None:
        super().__init__()
        from ._zstd_frames import FrameReader

        self._error_class: type[Exception] = module.ZstdError
        self._module = module
        self._frames = FrameReader()
        self._stream: Any = None

    def _decode(self, data: bytes) -> Iterator[bytes]:
        for part, first in self._frames.split(data):
            if first:
                decompressor = self._module.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG)
                self._stream = decompressor.decompressobj()
            try:
                piece = self._stream.decompress(part)
            except self._error_class as error:
                raise self._error(error) from error
            if piece:
                yield piece

    def _complete(self) -> bool:
        return self._frames.between_frames


def _missing(coding: str, extra: str, what: str) -> DecodingError:
    return DecodingError(
        f"the body has the content coding {coding}, which takes {what} to decode, and that isn't installed",
        advice=f"Install scalable-client-sockets[{extra}], or take the body as it came, from iter_raw()",
    )


def _new_zstd_decoder() -> Decoder:
    name = packages.zstd_module_name()
    module = packages.import_module(name) if name else None
    if module is None:
        raise _missing("zstd", "zstd", "zstandard" if sys.version_info < (3, 14) else "a Python built with zstd")
    return _ZstandardDecoder(module) if name == "zstandard" else _ZstdDecoder(module)


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": _GzipDecoder,
    "deflate": _DeflateDecoder,
    "br": _BrotliDecoder,
    "zstd": _new_zstd_decoder,
}


def new_decoder(coding: str) -> Decoder:
    """Return what undoes a coding.

    :raises DecodingError: a package that is needed is missing.
    """
    return _DECODERS[coding]()
