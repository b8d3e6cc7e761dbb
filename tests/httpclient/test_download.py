"""Responses into files, and downloads that are continued."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    BodyError,
    ConnectError,
    HttpClientError,
    HttpProtocolError,
    HttpStatusError,
    InvalidRequestError,
    RemoteClosedError,
    TgoHttpHeaders,
)
from httpclient.content.download import download, save_response, strong_validator
from tests.httpclient.ways import BLOCKING, LIMIT, NON_BLOCKING, Way, both_ways
from tests.servers.files import LARGE_SIZE, TEXT, content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from httpclient import HttpResponse
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection, Request
    from tests.servers.nginx import Nginx

DATA = content("100k")
TAG = '"strong"'
DATES = [("Date", "Mon, 02 Jan 2023 00:00:00 GMT"), ("Last-Modified", "Sun, 01 Jan 2023 00:00:00 GMT")]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "file"


def left(path: pathlib.Path) -> set[str]:
    """Return the names of what is beside a file, without those of the file."""
    return {each.name.removeprefix(path.name) for each in path.parent.iterdir()}


class Files:
    """A server of one file, that can be told to do it badly.

    :param data: the file.
    :ivar requests: what was asked for, and ``None`` for each Range and If-Range that wasn't sent.
    """

    def __init__(self, data: bytes = DATA, fields: Iterable[tuple[str, str]] = (("ETag", TAG),)) -> None:
        self.data = data
        self.fields = list(fields)
        self.requests: list[tuple[str | None, str | None]] = []
        #: After so many bytes of a body, the connection ends.
        self.cut: int | None = None
        #: What answers a request with Range instead.
        self.on_range: Callable[[Connection, Request], object] | None = None

    def __call__(self, connection: Connection) -> None:
        while request := connection.receive_request():
            assert request.value("accept-encoding") == "identity"
            wanted, validator = request.value("range"), request.value("if-range")
            self.requests.append((wanted, validator))
            own = dict(self.fields)
            matches = validator in (own.get("ETag"), own.get("Last-Modified"))
            if wanted is not None and self.on_range is not None:
                self.on_range(connection, request)
            elif wanted is not None and matches:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(self.data):
                    fields = [("Content-Range", f"bytes */{len(self.data)}")]
                    connection.respond(b"", "416 Range Not Satisfiable", fields)
                    continue
                fields = [("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"), *self.fields]
                self.respond(connection, self.data[start:], "206 Partial Content", fields)
            else:
                self.respond(connection, self.data, "200 OK", self.fields)
            if connection.closed:
                return

    def respond(self, connection: Connection, body: bytes, status: str, fields: list[tuple[str, str]]) -> None:
        if self.cut is None:
            connection.respond(body, status, fields)
            return
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in fields)]
        connection.send("\r\n".join([*lines, "", ""]).encode() + body[: self.cut])
        connection.finish()


def begin(files: Files, url: str, path: pathlib.Path, cut: int = 40_000) -> None:
    """Have a download fail after *cut* bytes."""
    files.cut = cut
    with BLOCKING.client() as http, pytest.raises(RemoteClosedError):
        download(http, url, path)
    files.cut = None
    files.requests.clear()
    assert not path.exists()


# Against a real server


@pytest.mark.parametrize("site", ["http", "https1", "https"])
@pytest.mark.parametrize("way", [BLOCKING, NON_BLOCKING])
@pytest.mark.usefixtures("nginx", "certificates", "no_leaks")
def test_whole(site: str, way: Way, nginx: Nginx, certificates: Certificates, path: pathlib.Path) -> None:
    path.write_bytes(b"what was there before")
    seen: list[tuple[int, int | None]] = []
    with way.client(certificates, http2=None) as http:
        response = download(
            http, nginx.url(site, "/10m"), path, progress=lambda received, total: seen.append((received, total))
        )
    assert response.status_code == 200
    assert path.read_bytes() == content("10m")
    assert left(path) == {""}
    size = len(content("10m"))
    assert seen[0] == (0, size)
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {size}


@pytest.mark.parametrize("site", ["http", "https"])
@pytest.mark.usefixtures("nginx", "certificates", "no_leaks")
def test_continued(site: str, nginx: Nginx, certificates: Certificates, path: pathlib.Path) -> None:
    class Enough(Exception):
        pass

    def stop(received: int, total: int | None) -> None:
        if received > 1_000_000:
            raise Enough

    seen: list[tuple[int, int | None]] = []
    url = nginx.url(site, "/10m")
    with BLOCKING.client(certificates, http2=None) as http:
        with pytest.raises(Enough):
            download(http, url, path, resume=True, progress=stop)
        assert left(path) == {".part", ".part.json"}
        there = path.with_name("file.part").stat().st_size
        assert 1_000_000 < there < len(content("10m"))
        response = download(
            http, url, path, resume=True, progress=lambda received, total: seen.append((received, total))
        )
    assert response.status_code == 206
    assert seen[0] == (there, len(content("10m")))
    assert path.read_bytes() == content("10m")
    assert left(path) == {""}


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_what_is_complete_needs_nothing_more(nginx: Nginx, path: pathlib.Path) -> None:
    url = nginx.url("http", "/100k")

    def stop(received: int, total: int | None) -> None:
        if received == total:
            raise KeyboardInterrupt

    with BLOCKING.client() as http:
        with pytest.raises(KeyboardInterrupt):
            download(http, url, path, progress=stop)
        assert not path.exists()
        assert download(http, url, path, resume=True).status_code == 416
    assert path.read_bytes() == DATA
    assert left(path) == {""}


def test_changed_meanwhile(nginx: Nginx, path: pathlib.Path) -> None:
    served = nginx.directory / "files" / "changing"
    served.write_bytes(b"a" * 3_000_000)

    def stop(received: int, total: int | None) -> None:
        if received:
            raise EOFError

    url = nginx.url("http", "/changing")
    with BLOCKING.client() as http:
        with pytest.raises(EOFError):
            download(http, url, path, progress=stop)
        served.write_bytes(b"b" * 2_000_000)
        assert download(http, url, path, resume=True).status_code == 200
    assert path.read_bytes() == b"b" * 2_000_000
    served.unlink()


def test_little_memory(nginx: Nginx, path: pathlib.Path) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with BLOCKING.client() as http:
        download(http, nginx.url("http", "/256m"), path)
    assert path.stat().st_size == LARGE_SIZE
    path.unlink()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_redirects_chunks_and_nothing_at_all(nginx: Nginx, path: pathlib.Path) -> None:
    with BLOCKING.client() as http:
        assert download(http, nginx.url("http", "/redirect/relative"), path).history
        assert path.read_bytes() == content("1k")
        download(http, nginx.url("http", "/chunked/100k"), path)
        assert path.read_bytes() == DATA
        download(http, nginx.url("http", "/empty"), path)
        assert path.read_bytes() == b""
        assert download(http, nginx.url("http", "/status/204"), path).status_code == 204
        assert path.read_bytes() == b""
        assert download(http, nginx.url("http", "/gzip/text.txt"), path).headers.get("content-encoding") is None
        assert path.read_text() == TEXT
    assert left(path) == {""}


@pytest.mark.parametrize("status", [400, 404, 500, 304])
def test_statuses_without_a_file(status: int, nginx: Nginx, path: pathlib.Path) -> None:
    path.write_bytes(b"before")
    with BLOCKING.client() as http, pytest.raises(HttpStatusError) as caught:
        download(http, nginx.url("http", f"/status/{status}"), path)
    assert str(status) in str(caught.value)
    assert caught.value.response.status_code == status
    assert status < 400 or b"<html>" in caught.value.response.content
    assert path.read_bytes() == b"before"
    assert left(path) == {""}


# Against an odd one


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ([("ETag", TAG)], TAG),
        ([("ETag", TAG), *DATES], TAG),
        (DATES, DATES[1][1]),
    ],
)
def test_what_is_asked_to_continue(
    fields: list[tuple[str, str]], validator: str, scripted: ScriptedServers, path: pathlib.Path
) -> None:
    files = Files(fields=fields)
    url = scripted(files).url + "/?token=secret"
    begin(files, url, path)
    assert left(path) == {".part", ".part.json"}
    assert path.with_name("file.part").read_bytes() == DATA[:40_000]
    assert "secret" not in path.with_name("file.part.json").read_text()
    with BLOCKING.client() as http:
        # It may fail again.
        files.cut = 10_000
        with pytest.raises(RemoteClosedError):
            download(http, url, path, resume=True)
        files.cut = None
        assert download(http, url, path, resume=True).status_code == 206
    assert files.requests == [("bytes=40000-", validator), ("bytes=50000-", validator)]
    assert path.read_bytes() == DATA
    assert left(path) == {""}


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("ETag", 'W/"weak"')],
        # With an entity tag of any kind, the date isn't used.
        [("ETag", 'W/"weak"'), *DATES],
        [("ETag", "unquoted")],
        [("ETag", '"a"'), ("ETag", '"b"')],
        DATES[:1],
        DATES[1:],
        [("Date", DATES[1][1]), ("Last-Modified", DATES[1][1])],
        [("Date", "yesterday"), DATES[1]],
        [DATES[0], ("Last-Modified", "0")],
        [DATES[0], ("Last-Modified", "Sun, 01 Jan 2023 00:00:00 -9999999999")],
    ],
)
def test_without_a_strong_validator_nothing_is_kept(
    fields: list[tuple[str, str]], scripted: ScriptedServers, path: pathlib.Path
) -> None:
    assert strong_validator(TgoHttpHeaders(fields)) == ""
    files = Files(fields=fields)
    url = scripted(files).url
    begin(files, url, path)
    assert left(path) == set()
    with BLOCKING.client() as http:
        assert download(http, url, path, resume=True).status_code == 200
    assert files.requests == [(None, None)]
    assert path.read_bytes() == DATA


def test_without_resume_it_starts_over(scripted: ScriptedServers, path: pathlib.Path) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    with BLOCKING.client() as http:
        assert download(http, url, path).status_code == 200
    assert files.requests == [(None, None)]
    assert path.read_bytes() == DATA


def test_another_url_starts_over(scripted: ScriptedServers, path: pathlib.Path) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    with BLOCKING.client() as http:
        download(http, url + "/?other", path, resume=True)
    assert files.requests == [(None, None)]
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    "known",
    [
        *("", "{", "[]", "5", '{"url": 5}', '{"url": "x", "validator": "y", "total": null}', "\xff", "[" * 60_000),
        # As the validator, and the rest as it was.
        *(5, "\r\n"),
    ],
)
def test_what_was_remembered_is_damaged(known: str | int, scripted: ScriptedServers, path: pathlib.Path) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    state = path.with_name("file.part.json")
    if known in (5, "\r\n"):
        known = json.dumps(json.loads(state.read_text()) | {"validator": known})
    assert isinstance(known, str)
    state.write_bytes(known.encode("latin-1"))
    with BLOCKING.client() as http:
        download(http, url, path, resume=True)
    assert files.requests == [(None, None)]
    assert path.read_bytes() == DATA
    assert left(path) == {""}


def part(content_range: str | None, data: bytes, *fields: tuple[str, str]) -> Callable[[Connection, Request], object]:
    given = [("Content-Range", content_range)] if content_range is not None else []
    return lambda connection, request: connection.respond(data, "206 Partial Content", [*given, *fields])


SIZE = len(DATA)
REST = DATA[40_000:]


@pytest.mark.parametrize(
    "on_range",
    [
        part(None, REST),
        part("", REST),
        part("bytes", REST),
        part(f"bytes 0-{SIZE - 1}/{SIZE}", DATA),
        part(f"bytes 39999-{SIZE - 1}/{SIZE}", DATA[39_999:]),
        part(f"bytes 40001-{SIZE - 1}/{SIZE}", DATA[40_001:]),
        part(f"bytes 40000-{SIZE}/{SIZE}", REST + b"x"),
        part("bytes 40000-39999/40000", b""),
        part(f"bytes 40000-{SIZE - 1}/{SIZE + 1}", REST),
        part(f"bytes 40000-{SIZE - 2}/{SIZE - 1}", REST[:-1]),
        part(f"bytes 40000-{SIZE - 1}/{SIZE}", REST[:-1]),
        part(f"bytes 40000-{SIZE - 1}/{SIZE}", REST + b"x"),
        part(f"items 40000-{SIZE - 1}/{SIZE}", REST),
        part(f"bytes=40000-{SIZE - 1}/{SIZE}", REST),
        part(f"bytes 40000-{SIZE - 1}", REST),
        part(f"bytes -40000-{SIZE - 1}/{SIZE}", REST),
        part(f"bytes 40000-{SIZE - 1}/{'9' * 5000}", REST),
        part(f"bytes */{SIZE}", REST),
        part(f"bytes 40000-{SIZE - 1}/{SIZE}", REST, ("ETag", '"other"')),
        part(f"bytes 40000-{SIZE - 1}/{SIZE}", REST, ("Content-Encoding", "gzip")),
        part(None, b"--b\r\n\r\n\r\n--b--", ("Content-Type", "multipart/byteranges; boundary=b")),
        lambda connection, request: connection.respond(b"", "416 Range Not Satisfiable"),
        lambda connection, request: connection.respond(b"", "416 No", [("Content-Range", f"bytes */{SIZE}")]),
        lambda connection, request: connection.respond(b"", "416 No", [("Content-Range", "bytes */*")]),
        lambda connection, request: connection.respond(b"", "416 No", [("Content-Range", "bytes 0-39999/40000")]),
    ],
)
def test_parts_that_do_not_fit_are_not_used(
    on_range: Callable[[Connection, Request], object], scripted: ScriptedServers, path: pathlib.Path
) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    files.on_range = on_range
    with BLOCKING.client() as http:
        assert download(http, url, path, resume=True).status_code == 200
    assert files.requests == [("bytes=40000-", TAG), (None, None)]
    assert path.read_bytes() == DATA
    assert left(path) == {""}


def test_a_part_of_an_unknown_total(scripted: ScriptedServers, path: pathlib.Path) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    files.on_range = part(f"bytes 40000-{SIZE - 1}/*", REST)
    with BLOCKING.client() as http:
        assert download(http, url, path, resume=True).status_code == 206
    assert path.read_bytes() == DATA


def test_the_server_ignores_ranges(scripted: ScriptedServers, path: pathlib.Path) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    other = content("1k")
    files.on_range = lambda connection, request: connection.respond(other, "200 OK")
    with BLOCKING.client() as http:
        assert download(http, url, path, resume=True).status_code == 200
    assert path.read_bytes() == other
    assert left(path) == {""}


def test_less_than_the_rest(scripted: ScriptedServers, path: pathlib.Path) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    files.on_range = part(f"bytes 40000-49999/{SIZE}", DATA[40_000:50_000])
    with BLOCKING.client() as http:
        with pytest.raises(HttpProtocolError, match="50000 bytes of 102400") as caught:
            download(http, url, path, resume=True)
        assert "resume=True" in str(caught.value)
        assert left(path) == {".part", ".part.json"}
        files.on_range = None
        download(http, url, path, resume=True)
    assert path.read_bytes() == DATA


def test_more_than_the_rest(scripted: ScriptedServers, path: pathlib.Path) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)

    def chunked(connection: Connection, request: Request) -> None:
        head = f"HTTP/1.1 206 Partial\r\nContent-Range: bytes 40000-{SIZE - 1}/{SIZE}\r\nTransfer-Encoding: chunked"
        connection.send(f"{head}\r\n\r\n{len(REST) + 5:x}\r\n".encode() + REST + b"wrong\r\n0\r\n\r\n")

    files.on_range = chunked
    with BLOCKING.client() as http:
        with pytest.raises(HttpProtocolError, match="more than the 102400 bytes"):
            download(http, url, path, resume=True)
        assert path.with_name("file.part").read_bytes() == DATA[:40_000]
        files.on_range = None
        download(http, url, path, resume=True)
    assert path.read_bytes() == DATA


def test_a_part_that_nobody_asked_for(scripted: ScriptedServers, path: pathlib.Path) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.respond(b"x", "206 Partial Content", [("Content-Range", "bytes 0-0/1")])

    with BLOCKING.client() as http, pytest.raises(HttpProtocolError, match="where it was asked for the whole"):
        download(http, scripted(handler).url, path)
    assert left(path) == set()


def test_a_coding_that_was_not_asked_for(scripted: ScriptedServers, path: pathlib.Path) -> None:
    packed = gzip.compress(DATA)
    files = Files(packed, [("ETag", TAG), ("Content-Encoding", "gzip")])
    url = scripted(files).url
    seen = []
    with BLOCKING.client() as http:
        download(http, url, path, progress=lambda received, total: seen.append((received, total)))
        assert path.read_bytes() == DATA
        assert seen[-1] == (SIZE, None)
        path.unlink()
    # Decoded bytes can't be continued.
    begin(files, url, path)
    assert left(path) == set()


def test_the_connection_fails(refused_port: int, path: pathlib.Path, scripted: ScriptedServers) -> None:
    files = Files()
    url = scripted(files).url
    begin(files, url, path)
    with BLOCKING.client() as http:
        with pytest.raises(ConnectError):
            download(http, f"http://127.0.0.1:{refused_port}/", path.with_name("other"), resume=True)
        assert left(path) == {".part", ".part.json"}
        # And an answer that isn't the file doesn't harm what is there.
        files.on_range = lambda connection, request: connection.respond(b"sorry", "503 Service Unavailable")
        with pytest.raises(HttpStatusError) as caught:
            download(http, url, path, resume=True)
        assert caught.value.response.content == b"sorry"
        assert path.with_name("file.part").read_bytes() == DATA[:40_000]


@pytest.mark.parametrize("name", ["Range", "if-range", "ACCEPT-ENCODING"])
def test_fields_that_a_download_makes_itself(name: str, path: pathlib.Path) -> None:
    with BLOCKING.client() as http:
        for headers in ({name: "x"}, [(name, "x")], TgoHttpHeaders({name: "x"})):
            with pytest.raises(InvalidRequestError, match="itself"):
                download(http, "http://127.0.0.1/", path, headers=headers)
    assert left(path) == set()


def test_other_options_reach_the_request(nginx: Nginx, path: pathlib.Path) -> None:
    with BLOCKING.client() as http:
        download(http, nginx.url("http", "/request"), path, headers={"X": "own"}, timeout=LIMIT)
    assert "x=own\n" in path.read_text()


# The file


def test_places_where_no_file_can_be(tmp_path: pathlib.Path, nginx: Nginx) -> None:
    url = nginx.url("http", "/1k")
    with BLOCKING.client() as http:
        with pytest.raises(IsADirectoryError):
            download(http, url, tmp_path)
        with pytest.raises(FileNotFoundError):
            download(http, url, tmp_path / "missing" / "file")
        response = http.get(url)
        with pytest.raises(IsADirectoryError):
            save_response(response, tmp_path)
        with pytest.raises(FileNotFoundError):
            save_response(response, tmp_path / "missing" / "file")
        # It would be replaced by a file, for everybody.
        with pytest.raises(OSError, match="not a regular file"):
            save_response(response, "/dev/null")
        with pytest.raises(OSError, match="not a regular file"):
            download(http, url, "/dev/null")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_the_partial_file_is_not_followed(path: pathlib.Path, nginx: Nginx) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    path.with_name("file.part").symlink_to(victim)
    with BLOCKING.client() as http, pytest.raises(OSError):
        download(http, nginx.url("http", "/1k"), path)
    assert victim.read_bytes() == b"precious"


def test_one_download_to_a_file_at_a_time(scripted: ScriptedServers, path: pathlib.Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    files = Files()
    url = scripted(files).url

    def progress(received: int, total: int | None) -> None:
        begun.set()
        assert go_on.wait(LIMIT)

    def first() -> None:
        with BLOCKING.client() as http:
            download(http, url, path, progress=progress)

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert begun.wait(LIMIT)
        with BLOCKING.client() as http, pytest.raises(BodyError, match="under way"):
            download(http, url, path, resume=True)
    finally:
        go_on.set()
        thread.join(LIMIT)
    assert path.read_bytes() == DATA
    assert left(path) == {""}


def test_the_lock_is_that_of_the_file_of_that_name(
    scripted: ScriptedServers, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another download finishes between opening and locking: its file isn't written to."""
    url = scripted(Files()).url
    real_open = os.open
    times: list[int] = []

    def open_late(name: Any, *arguments: Any, **options: Any) -> int:
        descriptor = real_open(name, *arguments, **options)
        if str(name).endswith(".part") and not times:
            times.append(1)
            path.with_name("file.part").write_bytes(b"of the other one")
            os.replace(name, path.with_name("finished"))
        return descriptor

    monkeypatch.setattr(os, "open", open_late)
    with BLOCKING.client() as http:
        download(http, url, path)
    assert times == [1]
    assert path.with_name("finished").read_bytes() == b"of the other one"
    assert path.read_bytes() == DATA


def test_modes_follow_the_umask(nginx: Nginx, path: pathlib.Path) -> None:
    before = os.umask(0o027)
    try:
        with BLOCKING.client() as http:
            download(http, nginx.url("http", "/1k"), path)
            save_response(http.get(nginx.url("http", "/1k")), path.with_name("saved"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name("saved").stat().st_mode & 0o777 == 0o640


# Saving a response


@both_ways
def test_saving(way: Way, nginx: Nginx, path: pathlib.Path) -> None:
    path.write_bytes(b"before")
    with way.client() as http:
        response = way.get(http, nginx.url("http", "/gzip/text.txt"))
        assert save_response(response, path) == len(TEXT)
        assert path.read_text() == TEXT
        with http.stream("GET", nginx.url("http", "/10m")) as stream:
            assert save_response(stream, os.fspath(path)) == len(content("10m"))
        assert path.read_bytes() == content("10m")
    assert left(path) == {""}


def test_saving_that_fails(scripted: ScriptedServers, path: pathlib.Path) -> None:
    path.write_bytes(b"before")
    files = Files()
    files.cut = 50_000

    def stream(http: Any) -> HttpResponse:
        response: HttpResponse = http.stream("GET", scripted(files).url, headers={"Accept-Encoding": "identity"})
        return response

    with BLOCKING.client() as http:
        with stream(http) as response, pytest.raises(HttpClientError):
            save_response(response, path)
        with pytest.raises(BodyError):
            save_response(response, path)
    assert path.read_bytes() == b"before"
    assert left(path) == {""}
