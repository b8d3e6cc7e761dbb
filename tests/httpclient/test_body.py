"""Request bodies: what callers may give, and what goes on the wire."""

from __future__ import annotations

import array
import collections
import gc
import io
import mmap
import os
import pathlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import BodyError
from httpclient.content.body import Body, FileBody, IteratorBody, PathBody, make_body
from tests.httpclient.ways import BLOCKING, LIMIT, Way, both_ways
from tests.servers.connection import PeerClosed
from tests.servers.files import content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.nginx import Nginx


def read(body: Body, size: int = 7) -> bytes:
    """Read a body to its end, piece by piece."""
    pieces = []
    while piece := body.read(size):
        assert type(piece) is bytes
        pieces.append(piece)
    assert body.read(size) == b""
    return b"".join(pieces)


def generator(*pieces: Any) -> Iterator[Any]:
    yield from pieces


class Again:
    """An iterable that starts anew each time."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a", b"", b"bc"])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b""),
        (b"bytes", b"bytes"),
        ("Grüße", "Grüße".encode()),
        (bytearray(b"array"), b"array"),
        (memoryview(b"memory"), b"memory"),
        (memoryview(b"a-b-c-d")[::2], b"abcd"),
        (memoryview(b"abcdef").cast("B", (2, 3)), b"abcdef"),
        (array.array("H", [0x6161, 0x6262]), b"aabb"),
        ([b"a", "ü", bytearray(b"c"), memoryview(b"d-e")[::2]], b"a\xc3\xbccde"),
        ((b"a" * 20, b"", b"b" * 20), b"a" * 20 + b"b" * 20),
        ([], b""),
    ],
)
def test_what_is_in_memory(data: Any, expected: bytes) -> None:
    body = make_body(data)
    assert body.length == len(expected)
    assert body.repeatable
    for _ in range(2):
        assert read(body) == expected
        body.rewind()
    body.read(3)
    body.rewind()
    assert read(body) == expected


def test_what_is_changed_afterwards_is_sent_as_it_was() -> None:
    data = bytearray(b"before")
    body = make_body(data)
    data[:] = b"after."
    assert read(body) == b"before"


@pytest.mark.parametrize(
    ("data", "repeatable"),
    [
        (generator(b"a", b"", "bc"), False),
        (iter([b"a", b"bc"]), False),
        (map(bytes, [b"a", b"bc"]), False),
        (Again(), True),
        (collections.deque([b"a", b"bc"]), True),
        ({1: b"a", 2: b"bc"}.values(), True),
    ],
)
def test_iterables(data: Any, repeatable: bool) -> None:
    body = make_body(data)
    assert body.length is None
    assert body.repeatable is repeatable
    assert read(body, 1) == b"abc"
    if repeatable:
        body.rewind()
        assert read(body) == b"abc"
    else:
        with pytest.raises(BodyError, match="used up"):
            body.rewind()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"a": "b"}, "not dict"),
        ({}, "not dict"),
        (5, "not int"),
        (True, "not bool"),
        (object(), "not object"),
        (print, "not builtin"),
        ("\ud800", "surrogate"),
        ([b"a", 5], "bytes, not int"),
        ([("a", "b")], "bytes, not tuple"),
        ([None], "bytes, not NoneType"),
        (["\ud800"], "surrogate"),
        (io.StringIO("text"), "text mode"),
        (pathlib.Path("/nonexistent"), "No such file"),
        (pathlib.Path("/"), "directory"),
    ],
)
def test_refused_at_once(data: Any, why: str) -> None:
    with pytest.raises(BodyError, match=why):
        make_body(data)


@pytest.mark.parametrize("piece", [None, 5, ("a",), "\ud800"])
def test_pieces_that_are_no_bytes(piece: Any) -> None:
    body = make_body(generator(b"first", piece))
    assert body.read(10) == b"first"
    with pytest.raises(BodyError, match=r"not|surrogate"):
        body.read(10)


def test_a_source_that_raises() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("cause")

    body = make_body(broken())
    assert body.read(10) == b"a"
    with pytest.raises(BodyError, match="cause") as caught:
        body.read(10)
    assert isinstance(caught.value.__cause__, KeyError)


# Files


def test_files_from_where_they_are(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    for buffering in (0, -1):
        with open(path, "rb", buffering=buffering) as file:
            file.seek(4)
            body = make_body(file)
            assert body.length == 6
            assert body.repeatable
            file.seek(0)  # what somebody else does
            assert read(body, 4) == b"456789"
            body.rewind()
            assert read(body) == b"456789"
            file.seek(50)
            beyond = make_body(file)
            assert beyond.length == 0
            assert read(beyond) == b""


def test_files_in_memory_and_mapped(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for source in (io.BytesIO(b"0123456789"), mapped):
            source.seek(2)
            body = make_body(source)  # type: ignore[arg-type]
            assert isinstance(body, FileBody)
            assert body.length == 8
            assert read(body) == b"23456789"


def test_files_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text")
    with open(path, encoding="ascii") as file, pytest.raises(BodyError, match="text mode"):
        make_body(file)  # type: ignore[arg-type]
    with open(path, "ab") as writer, pytest.raises(BodyError, match="writing only"):
        make_body(writer)
    with open(path, "rb") as closed:
        pass
    with pytest.raises(BodyError, match="closed"):
        make_body(closed)
    with open(path, "rb") as closed_later:
        body = make_body(closed_later)
    with pytest.raises(BodyError, match="closed"):
        body.read(10)


def test_files_that_change_while_they_are_sent(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with open(path, "r+b", buffering=0) as file:
        body = make_body(file)
        assert body.read(4) == b"0123"
        with open(path, "ab") as writer:
            writer.write(b"more")
        assert read(body) == b"456789"
        body.rewind()
        assert body.read(4) == b"0123"
        os.truncate(path, 6)
        assert body.read(100) == b"45"
        with pytest.raises(BodyError, match="ended 4 bytes before"):
            body.read(100)


def test_pipes() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as file:
        with open(writer, "wb") as other:
            other.write(b"piped")
        body = make_body(file)
        assert body.length is None
        assert not body.repeatable
        assert read(body) == b"piped"
        with pytest.raises(BodyError, match="cannot seek"):
            body.rewind()


def test_a_pipe_that_has_nothing_at_the_moment() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(reader, "rb", buffering=0) as file, open(writer, "wb", buffering=0):
        body = make_body(file)
        with pytest.raises(BodyError, match="non-blocking"):
            body.read(10)


def test_devices_have_no_length() -> None:
    with open("/dev/zero", "rb", buffering=0) as file:
        body = make_body(file)
        assert body.length is None
        assert not body.repeatable
        assert body.read(3) == bytes(3)


class Odd:
    """Has a read(), and nothing else that a file has."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = list(pieces)

    def read(self, size: int) -> Any:
        return self.pieces.pop(0) if self.pieces else b""


def test_what_only_reads() -> None:
    body = make_body(Odd(b"a", bytearray(b"b"), memoryview(b"c")))  # type: ignore[arg-type]
    assert body.length is None
    assert read(body) == b"abc"
    for piece in ("text", 5, object()):
        with pytest.raises(BodyError, match=r"text mode|not int|not object"):
            make_body(Odd(piece)).read(10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pieces", "why"),
    [([b"abc"], "ended 2 bytes before"), ([b"abc", b"defgh"], "longer than"), ([], "ended 5 bytes before")],
)
def test_a_length_that_was_announced_is_kept(pieces: list[bytes], why: str) -> None:
    for source in (Odd(*pieces), iter(pieces)):
        body = make_body(source)  # type: ignore[arg-type]
        body.length = 5
        with pytest.raises(BodyError, match=why):
            read(body, 100)


def test_paths(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    body = make_body(path)
    assert isinstance(body, PathBody)
    assert (body.length, body.repeatable) == (10, True)
    for _ in range(2):
        assert read(body, 4) == b"0123456789"
        body.rewind()
    body.read(4)
    body.rewind()
    assert body.read(1) == b"0"
    # The file is closed, or a ResourceWarning would tell.
    del body
    gc.collect()
    empty = tmp_path / "empty"
    empty.touch()
    assert read(make_body(empty)) == b""
    path.unlink()
    with pytest.raises(BodyError, match="No such file"):
        make_body(path)


@pytest.mark.usefixtures("no_leaks")
def test_a_path_is_closed_at_the_end(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    body = make_body(path)
    assert body.read(10) == b"0123456789"
    chunked = make_body(path)
    chunked.length = None  # a Transfer-Encoding of the caller's own
    assert chunked.repeatable
    assert read(chunked) == b"0123456789"


def test_a_named_pipe(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    body = make_body(path)
    assert body.length is None
    body.length = 5  # a Content-Length of the caller's own
    assert not body.repeatable
    thread = threading.Thread(target=path.write_bytes, args=(b"named",))
    thread.start()
    assert read(body) == b"named"
    thread.join(LIMIT)


# On the wire


SITES = ["http", "https1", "https"]


@both_ways
@pytest.mark.parametrize("site", SITES)
def test_all_kinds_arrive(
    way: Way, site: str, nginx: Nginx, certificates: Certificates, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content("100k"))
    large = content("10m")[: 3 << 20]
    reader, writer = os.pipe()
    with open(writer, "wb") as other:
        other.write(b"piped")
    with way.client(certificates, http2=None) as http, open(path, "rb") as file, open(reader, "rb") as pipe:
        for data, expected in (
            ("Grüße", "Grüße".encode()),
            (bytearray(large), large),
            (memoryview(large)[::2], large[::2]),
            (file, content("100k")),
            (path, content("100k")),
            (pipe, b"piped"),
            (io.BytesIO(large), large),
            (generator(*[large[at : at + 100_000] for at in range(0, len(large), 100_000)]), large),
            ([b"a"] * 1000, b"a" * 1000),
            ([], b""),
        ):
            response = way.request(http, "POST", nginx.url(site, "/echo"), data=data)
            assert response.content == expected


@both_ways
def test_framing(way: Way, scripted: ScriptedServers, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    framings = []

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            framings.append((request.value("content-length"), request.value("transfer-encoding"), request.body))
            connection.respond()

    with way.client() as http, open(path, "rb") as file:
        url = scripted(handler).url
        file.seek(3)
        for data in (file, path, [b"a", b"b"], generator(b"a", b"b"), b"", Odd(b"x")):
            way.request(http, "POST", url, data=data)
    assert framings == [
        ("7", None, b"3456789"),
        ("10", None, b"0123456789"),
        ("2", None, b"ab"),
        (None, "chunked", b"ab"),
        ("0", None, b""),
        (None, "chunked", b"x"),
    ]


@both_ways
def test_a_file_that_shrinks_is_not_filled_up(way: Way, scripted: ScriptedServers, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1_000_000))
    ended = threading.Event()

    def handler(connection: Connection) -> None:
        head = connection.receive_head()
        assert head is not None
        with pytest.raises((PeerClosed, ConnectionError)):
            connection.receive_body(head)
        ended.set()

    with way.client() as http, open(path, "rb") as file:
        server = scripted(handler)

        def shrinking(size: int) -> bytes:
            if file.tell() > 200_000:
                os.truncate(path, 300_000)
            return file.read(size)

        source = type("Shrinking", (), {"read": staticmethod(shrinking), "tell": file.tell, "seek": file.seek})()
        assert make_body(source).length == 1_000_000
        error = way.fail(http, "POST", server.url, data=source)
        assert isinstance(error, BodyError)
        assert "before the length" in str(error)
        assert ended.wait(LIMIT)


@pytest.mark.parametrize("kind", ["file", "path", "generator"])
@pytest.mark.parametrize("site", ["http", "https"])
def test_a_large_body_takes_little_memory(
    kind: str, site: str, nginx: Nginx, certificates: Certificates, tmp_path: pathlib.Path
) -> None:
    import resource

    size = 96 << 20
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with BLOCKING.client(certificates, http2=None) as http, open(path, "rb") as file:
        data: Any = {"file": file, "path": path, "generator": generator(*[bytes(1 << 16)] * (size >> 16))}[kind]
        response = http.put(nginx.url(site, f"/uploads/body-{kind}-{site}"), data=data)
        assert response.status_code in (201, 204)
    stored = nginx.uploads / f"body-{kind}-{site}"
    assert stored.stat().st_size == size
    stored.unlink()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


@both_ways
def test_a_redirect_sends_again_what_can_be_read_again(way: Way, nginx: Nginx, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with way.client() as http, open(path, "rb") as file:
        file.seek(5)
        for status, data, expected in (
            (307, file, b"56789"),
            (308, path, b"0123456789"),
            (308, [b"a", b"b"], b"ab"),
        ):
            target = nginx.url("http", f"/redirect/{status}")
            response = way.request(http, "POST", target, data=data)
            assert response.history[0].status_code == status
            assert f"length={len(expected)}\n" in response.text
        error = way.fail(http, "POST", nginx.url("http", "/redirect/307"), data=generator(b"once"))
        assert "only once" in str(error)


def test_classes() -> None:
    assert type(make_body(b"")) is Body
    assert type(make_body(iter(()))) is IteratorBody
