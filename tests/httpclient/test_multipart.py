"""Forms with files."""

from __future__ import annotations

import email.parser
import email.policy
import io
import mimetypes
import os
import pathlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient import BodyError
from httpclient.content.body import Body
from httpclient.content.multipart import guess_type, multipart_body
from tests.httpclient.ways import BLOCKING, Way, both_ways
from tests.servers.files import content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.nginx import Nginx


def read(body: Body, size: int = 1 << 16) -> bytes:
    pieces = []
    while piece := body.read(size):
        pieces.append(piece)
        assert len(piece) <= size
    return b"".join(pieces)


def written(fields: Any = None, files: Any = None) -> bytes:
    """Return a form with the boundary ``B``, after checking what is the same for all."""
    body, content_type = multipart_body(fields, files, "B")
    assert content_type == "multipart/form-data; boundary=B"
    data = read(body)
    assert body.length in (None, len(data))
    return data


def part(head: str, data: bytes) -> bytes:
    return b"--B\r\n" + head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + data + b"\r\n"


END = b"--B--\r\n"


def named(name: Any, data: bytes = b"data") -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


def test_fields() -> None:
    assert written() == END
    assert written({}, {}) == END
    assert written({"a": "1", "ä": ["ü", b"\xff", None, 5]}) == (
        part('Content-Disposition: form-data; name="a"', b"1")
        + part('Content-Disposition: form-data; name="ä"', "ü".encode())
        + part('Content-Disposition: form-data; name="ä"', b"\xff")
        + part('Content-Disposition: form-data; name="ä"', b"5")
        + END
    )


@pytest.mark.parametrize(
    ("file", "head", "data"),
    [
        (b"data", 'filename="f"\nContent-Type: application/octet-stream', b"data"),
        ("dätä", 'filename="f"\nContent-Type: application/octet-stream', "dätä".encode()),
        (named("/directory/name.txt"), 'filename="name.txt"\nContent-Type: text/plain', b"data"),
        (named(b"/directory/\xff.png"), b'filename="\xff.png"\nContent-Type: image/png', b"data"),
        (named("<stdin>"), 'filename="f"\nContent-Type: application/octet-stream', b"data"),
        (named(5), 'filename="f"\nContent-Type: application/octet-stream', b"data"),
        (("name.JSON", b"{}"), 'filename="name.JSON"\nContent-Type: application/json', b"{}"),
        (("a/../b", b"x"), 'filename="a/../b"\nContent-Type: application/octet-stream', b"x"),
        (("日本.pdf", b"x"), 'filename="日本.pdf"\nContent-Type: application/pdf', b"x"),
        (("\udcff.pdf", b"x"), b'filename="\xff.pdf"\nContent-Type: application/pdf', b"x"),
        (
            ("n.txt", b"x", "text/x-own; charset=utf-8"),
            'filename="n.txt"\nContent-Type: text/x-own; charset=utf-8',
            b"x",
        ),
        (("n.txt", b"x", ""), 'filename="n.txt"', b"x"),
        (("n.txt", b"x", None), 'filename="n.txt"\nContent-Type: text/plain', b"x"),
        (("", b"x"), 'filename=""\nContent-Type: application/octet-stream', b"x"),
        (("n", [b"x", b"y"]), 'filename="n"\nContent-Type: application/octet-stream', b"xy"),
        (("n", iter([b"x", b"y"])), 'filename="n"\nContent-Type: application/octet-stream', b"xy"),
        (
            ("n", b"x", None, {"X-Own": "ü", "content-type": "text/x-own"}),
            'filename="n"\nX-Own: ü\ncontent-type: text/x-own',
            b"x",
        ),
        (
            ("n", b"x", "a/b", [("X-A", "1"), ("X-A", "2")]),
            'filename="n"\nContent-Type: a/b\nX-A: 1\nX-A: 2',
            b"x",
        ),
    ],
)
def test_files(file: Any, head: str | bytes, data: bytes) -> None:
    if isinstance(head, str):
        head = head.encode()
    head = b'Content-Disposition: form-data; name="f"; ' + head.replace(b"\n", b"\r\n")
    assert written(None, {"f": file}) == b"--B\r\n" + head + b"\r\n\r\n" + data + b"\r\n" + END


def test_without_a_file_name_it_is_a_field() -> None:
    assert written(None, {"f": (None, b"data")}) == part('Content-Disposition: form-data; name="f"', b"data") + END
    assert written(None, {"f": (None, '{"a":1}', "application/json")}) == (
        part('Content-Disposition: form-data; name="f"\nContent-Type: application/json', b'{"a":1}') + END
    )


def test_paths_are_opened_when_they_are_sent(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "name.html"
    path.write_bytes(b"<p>")
    expected = (
        part('Content-Disposition: form-data; name="a"; filename="name.html"\nContent-Type: text/html', b"<p>")
        + part(
            'Content-Disposition: form-data; name="b"; filename="other"\nContent-Type: application/octet-stream', b"<p>"
        )
        + END
    )
    assert written(None, [("a", path), ("b", ("other", path))]) == expected
    # A text is the content, not a path.
    assert str(path).encode() in written(None, {"a": str(path)})
    with pytest.raises(BodyError, match=r"field 'a': .*No such file"):
        multipart_body(None, {"a": tmp_path / "missing"})


def test_the_same_file_twice() -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(5)
    assert written(None, [("a", file), ("b", file)]).count(b"\r\n\r\n56789\r\n") == 2


@pytest.mark.parametrize(
    ("name", "in_name", "in_file_name"),
    [
        ('a"b', "a%22b", "a%22b"),
        ("a\r\nb", "a%0D%0Ab", "a%0D%0Ab"),
        ("a\nb", "a%0D%0Ab", "a%0Ab"),
        ("a\rb", "a%0D%0Ab", "a%0Db"),
        ("a\\b%22;c=d", "a\\b%22;c=d", "a\\b%22;c=d"),
        ("a\tb", "a\tb", "a\tb"),
        ('x"; filename="y', "x%22; filename=%22y", "x%22; filename=%22y"),
    ],
)
def test_names_cannot_get_out_of_their_quotes(name: str, in_name: str, in_file_name: str) -> None:
    disposition = f'Content-Disposition: form-data; name="{in_name}"'
    assert written({name: "x"}) == part(disposition, b"x") + END
    assert written(None, {name: (name, b"x", "")}) == part(f'{disposition}; filename="{in_file_name}"', b"x") + END


@pytest.mark.parametrize(
    ("fields", "files", "why"),
    [
        ({"a\x00": "b"}, None, "control character"),
        ({"a": True}, None, "bool"),
        ("a=b", None, "mapping or pairs"),
        (None, "text", "mapping or pairs"),
        (None, b"bytes", "mapping or pairs"),
        (None, 5, "mapping or pairs"),
        (None, io.BytesIO(b"x"), "name of its field"),
        (None, ["ab"], "no pair"),
        (None, [("a", "b", "c")], "no pair"),
        (None, {"a\x7f": b"x"}, "control character"),
        (None, {"a": ("b\x00", b"x")}, "field 'a': a control character"),
        (None, {"a": ("b", b"x", "text/plain\r\nX: y")}, "field 'a': .*control character"),
        (None, {"a": ("b", b"x", b"text/plain")}, "isn't text"),
        (None, {"a": ("b", b"x", None, {"X": "y\nZ: 1"})}, "control character"),
        (None, {"a": ("b", b"x", None, {"X\r\nZ": "y"})}, "header field name"),
        (None, {"a": ("b", b"x", None, {"X": "\ud800"})}, "surrogate"),
        (None, {"a": ("b", b"x", None, {"content-disposition": "y"})}, "Content-Disposition"),
        (None, {"a": ("b", b"x", None, "X: y")}, "mapping or pairs"),
        (None, {"a": ("b", b"x", None, {}, 5)}, "tuple of 5"),
        (None, {"a": (b"x",)}, "tuple of 1"),
        (None, {"a": [b"x", b"y"]}, "is a list"),
        (None, {"a": (5, b"x")}, "file name is text"),
        (None, {"a": ("\ud800", b"x")}, "surrogate"),
        (None, {"a": None}, "not NoneType"),
        (None, {"a": {"b": "c"}}, "not dict"),
        (None, {"a": ("b", io.StringIO("x"))}, "field 'a': .*text mode"),
        (None, {None: b"x"}, "None"),
    ],
)
def test_refused(fields: Any, files: Any, why: str) -> None:
    with pytest.raises(BodyError, match=why):
        multipart_body(fields, files)


@pytest.mark.parametrize("boundary", ["a b", "a\r\n", "ä", 'a"b', "x" * 71, "a;b"])
def test_boundaries_that_are_none(boundary: str) -> None:
    with pytest.raises(BodyError, match="boundary"):
        multipart_body({"a": "b"}, None, boundary)


def test_boundaries() -> None:
    made = {multipart_body({"a": "b"})[1] for _ in range(20)}
    assert len(made) == 20
    assert multipart_body(None, None, "a:b")[1] == 'multipart/form-data; boundary="a:b"'


def generator() -> Iterator[bytes]:
    yield b"made"


def test_length_and_repeating() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"piped")
    os.close(writer)
    with open(reader, "rb") as pipe:
        cases: list[tuple[Any, bool, bool]] = [
            ({"a": io.BytesIO(b"x" * 5000)}, True, True),
            ({"a": b"x", "b": ("n", [b"x", b"y"])}, True, True),
            ({"a": io.BytesIO(b"x"), "b": ("n", generator())}, False, False),
            ({"a": pipe}, False, False),
        ]
        for files, known, repeatable in cases:
            body, _ = multipart_body({"f": "v"}, files)
            assert body.repeatable is repeatable
            data = read(body, 100)
            assert body.length == (len(data) if known else None)
            if repeatable:
                for stop in (0, 50, 150, len(data) // 2, len(data)):
                    body.rewind()
                    read_so_far = 0
                    while read_so_far < stop:
                        read_so_far += len(body.read(stop - read_so_far))
                    body.rewind()
                    assert read(body, 1000) == data
            else:
                with pytest.raises(BodyError, match=r"used up|cannot seek"):
                    body.rewind()


def test_a_file_that_shrinks(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    with open(path, "rb") as file:
        body, _ = multipart_body(None, {"upload": file})
        os.truncate(path, 500)
        with pytest.raises(BodyError, match="field 'upload': the body ended 500 bytes before"):
            read(body)


def test_a_length_of_the_callers_own_is_kept() -> None:
    body, _ = multipart_body(None, {"a": ("n", generator())})
    body.length = 20
    with pytest.raises(BodyError, match="longer than"):
        read(body)


def test_pieces_are_not_collected() -> None:
    """Somebody may wait for what a generator has made so far."""
    asked = []

    def slow() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield b"%d" % number

    body, _ = multipart_body({"f": "v"}, {"a": ("n", slow())})
    assert body.read(1 << 16).endswith(b"\r\n\r\n0")
    assert asked == [0]
    assert body.read(1 << 16) == b"1"


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)


@given(
    fields=st.lists(st.tuples(TEXT, TEXT), max_size=4), files=st.lists(st.tuples(TEXT, TEXT, st.binary()), max_size=4)
)
def test_another_parser_reads_the_same(fields: list[tuple[str, str]], files: list[tuple[str, str, bytes]]) -> None:
    body, content_type = multipart_body(fields, [(field, (name, data)) for field, name, data in files])
    data = read(body, 50)
    assert len(data) == body.length
    boundary = content_type.partition("boundary=")[2].encode()
    pieces = data.split(b"--" + boundary)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    found = []
    for piece in pieces[1:-1]:
        head, _, rest = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = head.decode().split("\r\n")[0]
        found.append((disposition, rest.removesuffix(b"\r\n")))
    quoted = [(f'name="{_escape(name)}"', value.encode()) for name, value in fields]
    quoted += [(f'name="{_escape(field)}"; filename="{_escape(name)}"', value) for field, name, value in files]
    assert found == [(f"Content-Disposition: form-data; {names}", value) for names, value in quoted]


def _escape(name: str) -> str:
    return name.replace('"', "%22")


def test_pythons_own_parser() -> None:
    body, content_type = multipart_body({"a": "1"}, {"f": ("n.bin", bytes(range(256)), "application/x-own")})
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + read(body)
    )
    first, second = message.iter_parts()
    assert first.get_param("name", header="content-disposition") == "a"
    assert first.get_content() == "1"
    assert second.get_filename() == "n.bin"
    assert second.get_content_type() == "application/x-own"
    assert second.get_payload(decode=True) == bytes(range(256))


# Types


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "text/plain"),
        ("A.PNG", "image/png"),
        ("a.b.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.br", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
        (".png", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_types(name: str, expected: str) -> None:
    assert guess_type(name) == expected


def test_no_file_of_the_system_is_read_for_types() -> None:
    code = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from httpclient.content.multipart import guess_type
guess_type("a.txt")
import mimetypes
print(mimetypes.inited, [name for name in opened if "mime.types" in name])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False []\n"
    assert any("mime.types" in str(name) for name in mimetypes.knownfiles)


# On the wire


@both_ways
@pytest.mark.parametrize("site", ["http", "https"])
def test_a_server_gets_it(
    way: Way, site: str, nginx: Nginx, certificates: Certificates, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(content("10m")[:1_500_000])
    with way.client(certificates, http2=None) as http, open(path, "rb") as file:
        for files in ({"a": file}, {"a": path}, {"a": ("n", generator())}, {"a": path, "b": b"x" * 300_000, "c": file}):
            body, content_type = multipart_body({"f": "v"}, files, "B")  # type: ignore[arg-type]
            expected = read(body) if body.repeatable else part('Content-Disposition: form-data; name="f"', b"v")
            if body.repeatable:
                body.rewind()
            response = way.request(
                http, "POST", nginx.url(site, "/echo"), data=body, headers={"Content-Type": content_type}
            )
            assert response.content.startswith(expected)
            assert response.content.endswith(END)
            assert response.headers["content-type"] == content_type


@both_ways
def test_framing(way: Way, scripted: ScriptedServers) -> None:
    seen = []

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            seen.append((request.value("content-length"), request.value("transfer-encoding"), request.body))
            connection.respond()

    expected = written({"f": "v"}, {"a": b"data"})
    with way.client() as http:
        server = scripted(handler)
        body, _ = multipart_body({"f": "v"}, {"a": b"data"}, "B")
        way.request(http, "POST", server.url, data=body)
        body, _ = multipart_body({"f": "v"}, {"a": ("n", generator())}, "B")
        way.request(http, "POST", server.url, data=body)
    assert seen[0] == (str(len(expected)), None, expected)
    assert seen[1][:2] == (None, "chunked")
    assert b"\r\n\r\nmade\r\n--B--\r\n" in seen[1][2]


def test_a_large_file_takes_little_memory(nginx: Nginx, tmp_path: pathlib.Path) -> None:
    import resource

    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 96 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    body, content_type = multipart_body({"f": "v"}, {"a": path})
    with BLOCKING.client() as http:
        response = http.put(nginx.url("http", "/uploads/multipart"), data=body, headers={"Content-Type": content_type})
    assert response.status_code in (201, 204)
    stored = nginx.uploads / "multipart"
    assert stored.stat().st_size == body.length
    stored.unlink()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
