"""Content codings: every way to cut a body in pieces, and every way in which it can be wrong."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpclient import DecodingError
from httpclient.content import _coding_packages, decoding
from httpclient.content._zstd_frames import FrameReader
from httpclient.content.decoding import (
    MAX_CODINGS,
    PIECE_SIZE,
    ContentDecoder,
    accept_encoding,
    content_codings,
    decode_body,
    decode_pieces,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent.parent
MIB = 1 << 20

# By their names, because not all have type hints.
brotli: Any = importlib.import_module("brotli")
zstandard: Any = importlib.import_module("zstandard")
ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"

TEXT = b"The quick brown fox jumps over the lazy dog. " * 4 + bytes(range(64))


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


def zstd(data: bytes, **options: Any) -> bytes:
    return bytes(zstandard.ZstdCompressor(**options).compress(data))


def zstd_stream(data: bytes, **options: Any) -> bytes:
    """Compress without saying the size in advance."""
    encoder = zstandard.ZstdCompressor(**options).compressobj()
    return bytes(encoder.compress(data) + encoder.flush())


def window(log: int) -> dict[str, Any]:
    return {"compression_params": zstandard.ZstdCompressionParameters(window_log=log)}


def skippable(data: bytes = b"not content", number: int = 0) -> bytes:
    return bytes([0x50 + number]) + b"\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


class Way(NamedTuple):
    """A coding, how to make it, and which package undoes it where there are several."""

    coding: str
    encode: Callable[[bytes], bytes]
    package: str = ""
    #: How zlib makes it.
    wbits: int = 0

    @contextlib.contextmanager
    def chosen(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            if self.package == "brotlicffi":
                patch.setitem(sys.modules, "brotli", None)
            elif self.coding == "zstd":
                patch.setattr(_coding_packages, "zstd_module_name", lambda: self.package)
            yield

    def decode(self, *pieces: bytes) -> bytes:
        with self.chosen():
            return b"".join(decode_pieces((self.coding,), pieces))


WAYS = {
    "gzip": Way("gzip", gzip.compress, wbits=31),
    "deflate": Way("deflate", zlib.compress, wbits=15),
    "raw deflate": Way("deflate", raw_deflate, wbits=-15),
    "brotli": Way("br", brotli.compress, "brotli"),
    "brotlicffi": Way("br", brotli.compress, "brotlicffi"),
    "zstd": Way("zstd", zstd, ZSTD),
    "zstandard": Way("zstd", zstd, "zstandard"),
}
EACH = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
GZIP = WAYS["gzip"]
EACH_DEFLATE = pytest.mark.parametrize("way", [WAYS["deflate"], WAYS["raw deflate"]], ids=["deflate", "raw deflate"])
EACH_ZSTD = pytest.mark.parametrize("way", [WAYS["zstd"], WAYS["zstandard"]], ids=["zstd", "zstandard"])


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut into pieces of these sizes, over and over."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    return pieces


# Whatever the pieces are


@EACH
def test_every_split(way: Way) -> None:
    body = way.encode(TEXT)
    assert way.decode(body) == TEXT
    assert way.decode(*(body[at : at + 1] for at in range(len(body)))) == TEXT
    for at in range(len(body) + 1):
        assert way.decode(body[:at], body[at:]) == TEXT


@EACH
@given(
    data=st.binary(max_size=3000) | st.integers(0, 400_000).map(bytes),
    sizes=st.lists(st.integers(1, 5000), min_size=1),
)
@settings(max_examples=60, deadline=None)
def test_decoding_undoes_encoding(way: Way, data: bytes, sizes: list[int]) -> None:
    assert way.decode(*cut(way.encode(data), sizes)) == data


@given(
    data=st.binary(max_size=3000),
    ways=st.lists(st.sampled_from(["gzip", "deflate", "raw deflate", "brotli"]), min_size=1, max_size=MAX_CODINGS),
    sizes=st.lists(st.integers(1, 500), min_size=1),
)
@settings(max_examples=60, deadline=None)
def test_decoding_undoes_several(data: bytes, ways: list[str], sizes: list[int]) -> None:
    body = data
    for name in ways:
        body = WAYS[name].encode(body)
    codings = tuple(WAYS[name].coding for name in ways)
    assert b"".join(decode_pieces(codings, cut(body, sizes))) == data


@EACH
@pytest.mark.parametrize("size", [PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, 3 * PIECE_SIZE])
def test_around_the_size_of_a_piece(way: Way, size: int) -> None:
    data = b"\0" * size
    body = way.encode(data)
    assert way.decode(body) == data
    assert way.decode(*(body[at : at + 1] for at in range(len(body)))) == data


@pytest.mark.parametrize("beyond", range(0, 300, 7))
def test_what_zlib_has_left_when_a_piece_is_full(beyond: int) -> None:
    # All input can be taken and some of its output not have been given yet, at the end too.
    for name in ("gzip", "deflate", "raw deflate"):
        way = WAYS[name]
        data = bytes(PIECE_SIZE + beyond)
        assert way.decode(way.encode(data)) == data


@EACH
def test_what_has_arrived_is_given(way: Way) -> None:
    # Not held back until more arrives: a server may send line by line, and wait.
    if way.coding == "br":
        encoder = brotli.Compressor()
        start = encoder.process(TEXT) + encoder.flush()
    elif way.coding == "zstd":
        encoder = zstandard.ZstdCompressor().compressobj()
        start = encoder.compress(TEXT) + encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    else:
        encoder = zlib.compressobj(wbits=way.wbits)
        start = encoder.compress(TEXT) + encoder.flush(zlib.Z_SYNC_FLUSH)
    with way.chosen():
        decoder = ContentDecoder((way.coding,))
        assert b"".join(decoder.decode(start)) == TEXT
        with pytest.raises(DecodingError, match="cut off"):
            decoder.finish()


@EACH
def test_an_empty_body_is_empty(way: Way) -> None:
    assert way.decode() == b""
    assert way.decode(b"", b"") == b""
    assert way.decode(way.encode(b"")) == b""


# What is wrong


@EACH
def test_truncated_everywhere(way: Way) -> None:
    body = way.encode(TEXT)
    for end in range(1, len(body)):
        with pytest.raises(DecodingError):
            way.decode(body[:end])


@EACH
def test_the_error_of_a_body_that_is_cut_off(way: Way) -> None:
    with pytest.raises(DecodingError, match=f"it ends in the middle of its {way.coding} coding"):
        way.decode(way.encode(TEXT)[:-1])


@EACH
def test_what_is_there_comes_before_the_error(way: Way) -> None:
    data = b"x" * MIB
    given = []
    with way.chosen(), pytest.raises(DecodingError):
        for piece in decode_pieces((way.coding,), [way.encode(data)[:-1]]):
            given.append(piece)
    assert data.startswith(b"".join(given))


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd", "zstandard"])
def test_damaged_everywhere(name: str) -> None:
    # These carry a checksum: a damaged body is an error, or the damage is in a field that says nothing (a time).
    way = WAYS[name]
    body = zstd(TEXT, write_checksum=True) if way.coding == "zstd" else way.encode(TEXT)
    failed = 0
    for at in range(len(body)):
        for bit in (1, 0x80):
            damaged = bytearray(body)
            damaged[at] ^= bit
            try:
                assert way.decode(bytes(damaged)) == TEXT, at
            except DecodingError:
                failed += 1
    assert failed > len(body)


@EACH
@given(data=st.binary(min_size=1, max_size=200), valid=st.booleans())
@settings(max_examples=200, deadline=None)
def test_nothing_but_decoding_errors(way: Way, data: bytes, valid: bool) -> None:
    body = way.encode(TEXT)[:-5] + data if valid else data
    with contextlib.suppress(DecodingError):
        way.decode(body)


@EACH
def test_what_was_never_encoded(way: Way) -> None:
    with pytest.raises(DecodingError, match=f"doesn't follow its {way.coding} coding") as caught:
        way.decode(b"<html><body>not encoded</body></html>")
    assert isinstance(caught.value, ValueError)


# gzip


def test_members() -> None:
    body = gzip.compress(b"first ") + gzip.compress(b"") + gzip.compress(b"second")
    assert GZIP.decode(body) == b"first second"
    assert GZIP.decode(*(body[at : at + 1] for at in range(len(body)))) == b"first second"
    for at in range(len(body)):
        assert GZIP.decode(body[:at], body[at:]) == b"first second"


def test_many_members() -> None:
    assert GZIP.decode(gzip.compress(b"x") * 5000) == b"x" * 5000


def test_a_member_with_every_header_field() -> None:
    extra, name, comment = b"\x04\x00AB\x00\x00", b"name\0", b"comment\0"
    header = b"\x1f\x8b\x08\x1e" + b"\0" * 6 + extra + name + comment
    header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    member = header + gzip.compress(TEXT)[10:]
    for at in range(len(member)):
        assert GZIP.decode(member[:at], member[at:]) == TEXT


@pytest.mark.parametrize("garbage", [b"\0" * 512, b"\r\n", b"\x1f", b"\x1fx", b"x" + gzip.compress(b"no"), b"\x1f" * 9])
def test_garbage_after_the_last_member_is_ignored(garbage: bytes) -> None:
    for start in (gzip.compress(b"content"), gzip.compress(b"con") + gzip.compress(b"tent")):
        body = start + garbage
        assert GZIP.decode(body) == b"content"
        assert GZIP.decode(*(body[at : at + 1] for at in range(len(body)))) == b"content"
        for at in range(len(body)):
            assert GZIP.decode(body[:at], body[at:]) == b"content"


def test_another_member_has_to_be_whole_and_right() -> None:
    body = gzip.compress(b"content")
    second = gzip.compress(b"more")
    for end in range(2, len(second)):
        with pytest.raises(DecodingError, match="cut off"):
            GZIP.decode(body + second[:end])
    with pytest.raises(DecodingError, match="doesn't follow"):
        GZIP.decode(body + second[:-8] + b"\0" * 8)


def test_the_checksum_counts() -> None:
    body = gzip.compress(b"content")
    with pytest.raises(DecodingError, match="incorrect data check"):
        GZIP.decode(body[:-8] + b"\0" * 4 + body[-4:])
    with pytest.raises(DecodingError, match="incorrect length check"):
        GZIP.decode(body[:-4] + b"\0" * 4)


# deflate


@EACH_DEFLATE
def test_what_follows_deflate_is_ignored(way: Way) -> None:
    body = way.encode(TEXT) + b"\0\0garbage"
    for at in range(len(body)):
        assert way.decode(body[:at], body[at:]) == TEXT


def test_the_checksum_of_the_zlib_format_counts() -> None:
    with pytest.raises(DecodingError, match="incorrect data check"):
        WAYS["deflate"].decode(zlib.compress(TEXT)[:-4] + b"\0" * 4)


def test_a_bare_stream_that_starts_like_a_zlib_header() -> None:
    # A stored block: the five bits after its type mean nothing (RFC 1951 section 3.2.4).
    block = b"\x78" + (3).to_bytes(2, "little") + (3 ^ 0xFFFF).to_bytes(2, "little") + b"abc"
    assert WAYS["deflate"].decode(block + raw_deflate(TEXT)) == b"abc" + TEXT


@EACH_DEFLATE
def test_what_is_ignored_is_not_kept(way: Way) -> None:
    garbage = bytes(MIB)

    def read() -> None:
        for piece in decode_pieces((way.coding,), [way.encode(b""), *[garbage] * 16]):
            assert not piece

    assert peak_of(read) < MIB


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("window", range(9, 16))
def test_every_zlib_header(level: int, window: int) -> None:
    for wbits in (window, -window):
        encoder = zlib.compressobj(level, wbits=wbits)
        assert WAYS["deflate"].decode(encoder.compress(TEXT) + encoder.flush()) == TEXT


def test_a_dictionary_that_nobody_has() -> None:
    encoder = zlib.compressobj(zdict=b"brown fox")
    with pytest.raises(DecodingError, match="doesn't follow"):
        WAYS["deflate"].decode(encoder.compress(TEXT) + encoder.flush())


# br and zstd


@pytest.mark.parametrize("name", ["brotli", "brotlicffi", "zstd", "zstandard"])
def test_nothing_else_may_follow(name: str) -> None:
    way = WAYS[name]
    body = way.encode(TEXT) + b"garbage"
    for at in range(len(body)):
        with pytest.raises(DecodingError):
            way.decode(body[:at], body[at:])


@EACH_ZSTD
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(zstd(TEXT), id="single segment"),
        pytest.param(zstd_stream(TEXT), id="size not known"),
        pytest.param(zstd(TEXT, write_checksum=True), id="checksum"),
        pytest.param(zstd_stream(TEXT, write_checksum=True), id="checksum, size not known"),
        pytest.param(zstd(TEXT, write_content_size=False), id="size not written"),
        pytest.param(zstd(TEXT[:100]) + zstd_stream(b"") + zstd(b"") + zstd(TEXT[100:]), id="frames"),
        pytest.param(skippable() + zstd(TEXT) + skippable(b"", 15) + skippable(number=7), id="skippable frames"),
        pytest.param(zstd(TEXT) + skippable(b""), id="an empty frame last"),
    ],
)
def test_frames(way: Way, body: bytes) -> None:
    assert way.decode(body) == TEXT
    assert way.decode(*(body[at : at + 1] for at in range(len(body)))) == TEXT
    for at in range(len(body)):
        assert way.decode(body[:at], body[at:]) == TEXT


def frame(*blocks: tuple[int, int, bytes]) -> bytes:
    """Return a frame with a window of 1 MiB, made of blocks: type, size and what they hold."""
    body = b"\x28\xb5\x2f\xfd\x00\x50"
    for number, (kind, size, content) in enumerate(blocks, 1):
        body += (size << 3 | kind << 1 | (number == len(blocks))).to_bytes(3, "little") + content
    return body


RAW, REPEATED, RESERVED = 0, 1, 3


@EACH_ZSTD
def test_blocks(way: Way) -> None:
    body = frame((RAW, 3, b"abc"), (REPEATED, 1000, b"x"), (RAW, 0, b""), (REPEATED, 1 << 17, b"y"), (RAW, 2, b"de"))
    for at in range(len(body) + 1):
        assert way.decode(body[:at], body[at:]) == b"abc" + b"x" * 1000 + b"y" * (1 << 17) + b"de"


@EACH_ZSTD
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(frame((REPEATED, (1 << 21) - 1, b"x")), id="repeated too often"),
        pytest.param(frame((RAW, (1 << 17) + 1, b"x" * ((1 << 17) + 1))), id="block too large"),
        pytest.param(frame((RESERVED, 1, b"x")), id="reserved type"),
        pytest.param(b"\x28\xb5\x2f\xfd\x08\x50\x01\0\0", id="reserved bit"),
        pytest.param(zstd_stream(TEXT, **window(24)), id="window"),
        pytest.param(b"\x27\xb5\x2f\xfd\x00\x50", id="version 0.7"),
    ],
)
def test_frames_that_are_refused(way: Way, body: bytes) -> None:
    with pytest.raises(DecodingError, match="doesn't follow its zstd coding"):
        way.decode(body)


@EACH_ZSTD
def test_the_largest_window(way: Way) -> None:
    # RFC 9659 section 3
    assert way.decode(zstd_stream(TEXT, **window(23))) == TEXT


@EACH_ZSTD
def test_every_size_of_header_fields(way: Way) -> None:
    for size in (0, 1, 255, 256, 65791, 65792, 300_000):
        data = b"a" * size
        assert way.decode(zstd(data)) == data


@given(sizes=st.lists(st.integers(1, 40), min_size=1), dictionary=st.sampled_from([0, 1, 2, 3]))
@settings(max_examples=50, deadline=None)
def test_the_parts_of_a_frame_are_the_whole(sizes: list[int], dictionary: int) -> None:
    number = bytes((0, 1, 2, 4)[dictionary])
    body = zstd(TEXT, write_checksum=True)
    body = body[:4] + bytes([body[4] | dictionary]) + number + body[5:] + skippable() + zstd_stream(TEXT)
    reader = FrameReader()
    parts: list[bytes] = []
    for piece in cut(body, sizes):
        for part, first in reader.split(piece):
            if first:
                parts.append(b"")
            parts[-1] += part
    assert reader.between_frames
    assert b"".join(parts) == body.replace(skippable(), b"")
    assert len(parts) == 2


# Bombs


BOMB = 64 * MIB


def bomb(way: Way, size: int = BOMB) -> bytes:
    """Return a body that becomes *size* zeros, made piece by piece."""
    piece = bytes(MIB)
    encoder: Any
    if way.coding == "br":
        encoder = brotli.Compressor(quality=5, lgwin=22)
        return b"".join(encoder.process(piece) for _ in range(size // MIB)) + bytes(encoder.finish())
    encoder = zlib.compressobj(9, wbits=way.wbits) if way.wbits else zstandard.ZstdCompressor().compressobj()
    return b"".join(encoder.compress(piece) for _ in range(size // MIB)) + bytes(encoder.flush())


def peak_of(work: Callable[[], object]) -> int:
    """Return how many bytes of Python's were in use at once while *work* ran."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@EACH
def test_a_bomb_comes_in_pieces(way: Way) -> None:
    body = bomb(way)
    sizes: list[int] = []

    def read() -> None:
        for piece in decode_pieces((way.coding,), [body]):
            sizes.append(len(piece))

    with way.chosen():
        peak = peak_of(read)
    assert sum(sizes) == BOMB
    assert max(sizes) <= PIECE_SIZE
    assert peak < 6 * PIECE_SIZE


def test_a_bomb_in_a_bomb_comes_in_pieces() -> None:
    body = bomb(GZIP)
    for _ in range(2):
        body = gzip.compress(body, 9)
    assert len(body) < 1000
    sizes: list[int] = []

    def read() -> None:
        for piece in decode_pieces(("gzip", "gzip", "gzip"), [body]):
            sizes.append(len(piece))

    assert peak_of(read) < 10 * PIECE_SIZE
    assert sum(sizes) == BOMB
    assert max(sizes) <= PIECE_SIZE


MEASURED = """
import importlib, resource, sys
from httpclient.content import _coding_packages, decoding
package, coding, path, size = sys.argv[1:]
if package:
    importlib.import_module(package)
    if package == "brotlicffi":
        sys.modules["brotli"] = None
    elif coding == "zstd":
        _coding_packages.zstd_module_name = lambda: package
with open(path, "rb") as file:
    body = file.read()
decoding.ContentDecoder((coding,))
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20),) * 2)
total = sum(map(len, decoding.decode_pieces((coding,), [body])))
assert total == int(size), total
"""


@EACH
def test_a_bomb_in_all_memory_that_a_process_has(way: Way, tmp_path: Path) -> None:
    # tracemalloc doesn't see what the libraries take for themselves; the kernel does. 32 MiB for 256.
    path = tmp_path / "bomb"
    path.write_bytes(bomb(way, 256 * MIB))
    command = [sys.executable, "-c", MEASURED, way.package, way.coding, str(path), str(256 * MIB)]
    subprocess.run(command, cwd=ROOT, check=True)


@EACH
def test_the_limit_for_a_whole_body(way: Way) -> None:
    body = bomb(way)
    with way.chosen():
        assert decode_body((way.coding,), [body], BOMB) == bytes(BOMB)
        assert len(decode_body((way.coding,), [body], 0)) == BOMB
        with pytest.raises(DecodingError, match=f"larger than {BOMB - 1} bytes.*max_decoded_size"):
            decode_body((way.coding,), [body], BOMB - 1)

        def fail() -> None:
            with pytest.raises(DecodingError):
                decode_body((way.coding,), [body], MIB)

        assert peak_of(fail) < MIB + 6 * PIECE_SIZE


def test_a_limit_in_the_middle_of_small_pieces() -> None:
    body = gzip.compress(b"x" * 100)
    assert decode_body(("gzip",), [body], 100) == b"x" * 100
    with pytest.raises(DecodingError):
        decode_body(("gzip",), [body], 99)


# The field


@pytest.mark.parametrize(
    ("values", "codings"),
    [
        ([], ()),
        ([b""], ()),
        ([b"identity"], ()),
        ([b"Identity, IDENTITY"], ()),
        ([b"gzip"], ("gzip",)),
        ([b"GZip"], ("gzip",)),
        ([b"x-gzip"], ("gzip",)),
        ([b" gzip\t,, br ,"], ("gzip", "br")),
        ([b"deflate, identity", b"zstd"], ("deflate", "zstd")),
        ([b"gzip"] * MAX_CODINGS, ("gzip",) * MAX_CODINGS),
        # Not known: all or nothing, for nobody could tell what has been done.
        ([b"compress"], ()),
        ([b"gzip, aes128gcm"], ()),
        ([b"utf-8"], ()),
        ([b"none"], ()),
        ([b"gzip;q=1"], ()),
        ([b"gz\xefp"], ()),
        ([b", ".join([b"unknown"] * 100)], ()),
    ],
)
def test_content_codings(values: list[bytes], codings: tuple[str, ...]) -> None:
    assert content_codings(values) == codings


def test_too_many_codings() -> None:
    codings = content_codings([b"gzip, deflate", b"gzip, br, identity, gzip", b"x-gzip"])
    with pytest.raises(DecodingError, match=f"6 content codings; {MAX_CODINGS} are the most"):
        ContentDecoder(codings)
    assert decode_body(codings, []) == b""


def test_codings_are_undone_last_one_first() -> None:
    body = brotli.compress(zlib.compress(gzip.compress(TEXT)))
    assert b"".join(decode_pieces(("gzip", "deflate", "br"), cut(body, [7]))) == TEXT
    with pytest.raises(DecodingError):
        b"".join(decode_pieces(("br", "deflate", "gzip"), [body]))


@pytest.mark.parametrize("inner_cut", [0, 1])
@pytest.mark.parametrize("outer_cut", [0, 1])
def test_each_of_several_codings_has_to_be_whole(inner_cut: int, outer_cut: int) -> None:
    inner = gzip.compress(TEXT)
    outer = zlib.compress(inner[: len(inner) - inner_cut])
    pieces = [outer[: len(outer) - outer_cut]]
    if inner_cut or outer_cut:
        name = "deflate" if outer_cut else "gzip"
        with pytest.raises(DecodingError, match=f"middle of its {name} coding"):
            b"".join(decode_pieces(("gzip", "deflate"), pieces))
    else:
        assert b"".join(decode_pieces(("gzip", "deflate"), pieces)) == TEXT


# What is installed


@pytest.fixture
def ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was found to be installed."""
    monkeypatch.setattr(decoding, "_accepted", "")


@pytest.mark.usefixtures("ask_again")
def test_accept_encoding() -> None:
    assert accept_encoding() == "gzip, deflate, br, zstd"
    assert accept_encoding() is accept_encoding()
    assert content_codings([accept_encoding().encode()]) == ("gzip", "deflate", "br", "zstd")


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


BROTLI = ("brotli", "brotlicffi")
ZSTANDARD = ("zstandard", "backports.zstd", "compression.zstd", "_zstd")


@pytest.mark.usefixtures("ask_again")
@pytest.mark.parametrize(
    ("missing", "accepted"),
    [
        (BROTLI[:1], "gzip, deflate, br, zstd"),
        (BROTLI[1:], "gzip, deflate, br, zstd"),
        (ZSTANDARD[:1], "gzip, deflate, br, zstd"),
        (ZSTANDARD[1:], "gzip, deflate, br, zstd"),
        (BROTLI, "gzip, deflate, zstd"),
        (ZSTANDARD, "gzip, deflate, br"),
        (BROTLI + ZSTANDARD, "gzip, deflate"),
    ],
)
def test_only_what_can_be_decoded_is_accepted(
    monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], accepted: str
) -> None:
    without(monkeypatch, *missing)
    assert accept_encoding() == accepted
    for way in WAYS.values():
        if way.coding in accepted:
            assert decode_body((way.coding,), [way.encode(TEXT)]) == TEXT


@pytest.mark.parametrize(
    ("coding", "names", "message"),
    [
        ("br", BROTLI, r"coding br, which takes brotli 1.2 .*\[brotli\].*iter_raw\(\)"),
        ("zstd", ZSTANDARD, r"coding zstd, which takes .*\[zstd\].*iter_raw\(\)"),
    ],
)
def test_a_missing_package(
    monkeypatch: pytest.MonkeyPatch, coding: str, names: tuple[str, ...], message: str
) -> None:
    without(monkeypatch, *names)
    with pytest.raises(DecodingError, match=message):
        decode_body((coding,), [b"x"])
    assert decode_body((coding,), []) == b""


@pytest.mark.usefixtures("ask_again")
def test_a_brotli_that_knows_no_limit_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    old: Any = ModuleType("brotli")  # what 1.1 looks like from here
    old.Decompressor = type("Decompressor", (), {"process": None, "is_finished": None})
    monkeypatch.setitem(sys.modules, "brotli", old)
    assert decode_body(("br",), [brotli.compress(TEXT)]) == TEXT
    without(monkeypatch, "brotlicffi")
    assert "br" not in accept_encoding()
    with pytest.raises(DecodingError, match=r"brotli 1\.2 or newer"):
        decode_body(("br",), [brotli.compress(TEXT)])


BARE = """
import sys
sys.path[:0] = [{root!r}]
from httpclient.content import decoding
loaded = {{"zlib", "brotli", "brotlicffi", "backports.zstd", "compression.zstd", "zstandard"}} & set(sys.modules)
assert not loaded, loaded
print(decoding.accept_encoding())
loaded = {{"backports.zstd", "compression.zstd", "zstandard"}} & set(sys.modules)
assert not loaded, loaded
"""


@pytest.mark.parametrize("packages", [True, False])
def test_nothing_is_imported_before_it_is_needed(packages: bool) -> None:
    # Without the site module there are no packages.
    options = ["-I"] if packages else ["-I", "-S"]
    command = [sys.executable, *options, "-c", BARE.format(root=str(ROOT))]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if packages:
        assert output == "gzip, deflate, br, zstd\n"
    else:
        assert output == ("gzip, deflate, zstd\n" if sys.version_info >= (3, 14) else "gzip, deflate\n")
