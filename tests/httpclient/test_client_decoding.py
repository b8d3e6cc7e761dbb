"""Content codings, from the server to the caller: blocking, non-blocking and streamed, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
import threading
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    BodyError,
    DecodingError,
    HttpClientError,
    HttpResponse,
    ResponseHead,
    TgoHttpClient,
    TgoHttpResponseMessage,
    TMessageManager,
)
from httpclient.content.decoding import MAX_DECODED_SIZE, PIECE_SIZE, accept_encoding
from httpclient.exchange import IncrementalExchange
from httpclient.request import Request
from httpclient.uri import parse
from tests.servers import http2
from tests.servers.files import TEXT, content
from tests.servers.scripted import Connection, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.certificates import Certificates
    from tests.conftest import Http2Servers, ScriptedServers
    from tests.servers.nginx import Nginx

    # (body, fields, status): the address of a server that answers so, whatever is asked.
    Serve = Callable[..., str]

brotli: Any = importlib.import_module("brotli")
zstandard: Any = importlib.import_module("zstandard")

GZIP = [("Content-Encoding", "gzip")]
BODY = b"What a body stands for.\n" * 1000
CODED = gzip.compress(BODY)
LIMIT = 30.0

MODES = ("blocking", "non-blocking", "stream")
EACH_MODE = pytest.mark.parametrize("mode", MODES)


def get(client: TgoHttpClient, mode: str, url: str, method: str = "GET", **options: Any) -> HttpResponse:
    """Return a response, whichever way it is asked for; the client is made for blocking requests, or not."""
    if mode == "stream":
        return client.stream(method, url, **options)
    result = client.request(method, url, **options)
    response = result if mode == "blocking" else result.result(LIMIT)
    assert isinstance(response, HttpResponse)
    return response


def client_for(mode: str, **options: Any) -> TgoHttpClient:
    return TgoHttpClient(blocking=mode != "non-blocking", **options)


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve(protocol: str, scripted: ScriptedServers, http2_scripted: Http2Servers) -> Serve:
    def start(body: bytes = b"", fields: Iterable[tuple[str, str]] = (), status: str = "200 OK") -> str:
        if protocol == "HTTP/1.1":
            return scripted(answer(body, status, fields)).url + "/"
        lower = [(name.lower(), value) for name, value in fields]
        return http2_scripted(http2.answer(body, int(status[:3]), lower)).url + "/"

    return start


@pytest.fixture
def any_client(protocol: str) -> Callable[..., TgoHttpClient]:
    """Makes clients that speak the protocol of :func:`serve`."""
    return lambda mode="blocking", **options: client_for(mode, http2=protocol == "HTTP/2", **options)


# A real server


@EACH_MODE
@pytest.mark.parametrize("site", ["http", "h2c", "https", "https1"])
def test_nginx_with_gzip(nginx: Nginx, certificates: Certificates, site: str, mode: str) -> None:
    url = nginx.url(site, "/gzip/text.txt")
    http2 = True if site == "h2c" else None
    with client_for(mode, http2=http2, ca_file=str(certificates.ca_file)) as client:
        for _ in range(3):
            with get(client, mode, url) as response:
                assert response.http_version == ("2" if site in ("h2c", "https") else "1.1")
                # What it was is still to be seen.
                assert response.headers["content-encoding"] == "gzip"
                assert response.content == TEXT.encode()
                assert response.text == TEXT
        with get(client, mode, url) as response:
            raw = list(response.iter_raw())
            assert all(raw)
            assert gzip.decompress(b"".join(raw)).decode() == TEXT
        with get(client, mode, url) as response:
            assert "".join(f"{line}\n" for line in response.iter_lines()) == TEXT
        with get(client, mode, nginx.url(site, "/gzip/10m")) as response:
            assert response.headers["content-encoding"] == "gzip"
            pieces = list(response.iter_bytes())
            assert max(map(len, pieces)) <= PIECE_SIZE
            assert b"".join(pieces) == content("10m")


@EACH_MODE
def test_nginx_without_gzip(nginx: Nginx, mode: str) -> None:
    with client_for(mode) as client, get(client, mode, nginx.url("http", "/text.txt")) as response:
        assert response.headers.get("content-encoding") is None
        assert b"".join(response.iter_raw()) == TEXT.encode()


# What is asked for


def sent(nginx: Nginx, client: TgoHttpClient, **options: Any) -> tuple[str, str]:
    """Return the Accept-Encoding and the Range that the server got."""
    lines = client.get(nginx.url("http", "/request"), **options).text.splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return found["encoding"], found["range"]


def test_what_can_be_decoded_is_asked_for(nginx: Nginx) -> None:
    with TgoHttpClient() as client:
        assert sent(nginx, client) == ("gzip, deflate, br, zstd", "")
        assert accept_encoding() == "gzip, deflate, br, zstd"
        assert sent(nginx, client, headers={"X": "y"})[0] == accept_encoding()
        assert sent(nginx, client, data=b"body")[0] == accept_encoding()


def test_the_caller_may_ask_for_something_else(nginx: Nginx) -> None:
    with TgoHttpClient() as client:
        assert sent(nginx, client, headers={"accept-encoding": "zstd"})[0] == "zstd"
        client.request_headers["ACCEPT-ENCODING"] = "identity"
        assert sent(nginx, client)[0] == "identity"
        assert client.get(nginx.url("http", "/gzip/text.txt")).headers.get("content-encoding") is None
        assert sent(nginx, client, headers={"Accept-Encoding": "gzip"})[0] == "gzip"
        client.request_headers.clear()
        assert sent(nginx, client)[0] == accept_encoding()


def test_ranges_are_of_what_is_not_coded(nginx: Nginx) -> None:
    with TgoHttpClient() as client:
        assert sent(nginx, client, headers={"range": "bytes=0-1"}) == ("identity", "bytes=0-1")
        client.range = "bytes=2-4"
        assert sent(nginx, client) == ("identity", "bytes=2-4")
        response = client.get(nginx.url("http", "/gzip/text.txt"))
        assert (response.status_code, response.content) == (206, TEXT.encode()[2:5])
        client.range = ""
        assert sent(nginx, client) == (accept_encoding(), "")
        client.request_headers["Range"] = "bytes=0-1"
        assert sent(nginx, client) == ("identity", "bytes=0-1")
        assert sent(nginx, client, headers={"Accept-Encoding": "gzip"}) == ("gzip", "bytes=0-1")


# Every coding, every way


@EACH_MODE
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", CODED),
        ("X-GZip", gzip.compress(BODY[:5]) + gzip.compress(BODY[5:]) + b"\0\0"),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY)[2:-4]),
        ("br", brotli.compress(BODY)),
        ("zstd", zstandard.compress(BODY)),
        ("gzip, br", brotli.compress(CODED)),
        ("identity", BODY),
    ],
    ids=["gzip", "members", "deflate", "raw deflate", "br", "zstd", "two", "identity"],
)
def test_codings(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str, coding: str, body: bytes
) -> None:
    url = serve(body, [("Content-Encoding", coding), ("Content-Type", "text/plain; charset=utf-8")])
    with any_client(mode) as client:
        with get(client, mode, url) as response:
            assert response.content == BODY
            assert response.content is response.content
            assert response.text == BODY.decode()
            assert list(response.iter_bytes()) == [BODY]
        with get(client, mode, url) as response:
            assert b"".join(response.iter_bytes()) == BODY
        with get(client, mode, url) as response:
            assert list(response.iter_lines()) == BODY.decode().splitlines()
        with get(client, mode, url) as response:
            assert b"".join(response.iter_raw()) == body
        assert client.response_headers["content-encoding"] == coding


@EACH_MODE
def test_two_fields_are_one_list(serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str) -> None:
    url = serve(brotli.compress(CODED), [("Content-Encoding", "gzip"), ("Content-Encoding", "br")])
    with any_client(mode) as client, get(client, mode, url) as response:
        assert response.content == BODY


def test_json(serve: Serve, any_client: Callable[..., TgoHttpClient]) -> None:
    url = serve(gzip.compress(json.dumps({"answer": 42}).encode()), GZIP)
    with any_client() as client:
        assert client.get(url).json() == {"answer": 42}


@pytest.mark.parametrize("coding", ["aes128gcm", "gzip, unknown", "utf-8"])
@EACH_MODE
def test_an_unknown_coding_is_left_alone(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str, coding: str
) -> None:
    url = serve(CODED, [("Content-Encoding", coding)])
    with any_client(mode) as client:
        with get(client, mode, url) as response:
            assert response.content == CODED
        with get(client, mode, url) as response:
            assert b"".join(response.iter_bytes()) == CODED


@EACH_MODE
def test_a_part_is_left_alone(serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str) -> None:
    fields = [*GZIP, ("Content-Range", f"bytes 10-19/{len(CODED)}")]
    url = serve(CODED[10:20], fields, "206 Partial Content")
    with any_client(mode) as client, get(client, mode, url) as response:
        assert response.content == CODED[10:20]


@EACH_MODE
@pytest.mark.parametrize(
    ("method", "status", "length"),
    [
        ("HEAD", "200 OK", "Content-Length: 123\r\n"),
        ("GET", "204 No Content", ""),
        ("GET", "304 Not Modified", ""),
        ("GET", "200 OK", "Content-Length: 0\r\n"),
        ("GET", "200 OK", "Transfer-Encoding: chunked\r\n"),
    ],
)
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, deflate", ", ".join(["gzip"] * 6)])
def test_no_body_is_none_in_any_coding(
    scripted: ScriptedServers, mode: str, method: str, status: str, length: str, coding: str
) -> None:
    end = "0\r\n\r\n" if "chunked" in length else ""

    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.send(f"HTTP/1.1 {status}\r\nContent-Encoding: {coding}\r\n{length}\r\n{end}".encode())

    url = scripted(handler).url
    with client_for(mode) as client:
        with get(client, mode, url, method) as response:
            assert response.content == b""
            assert response.text == ""
        with get(client, mode, url, method) as response:
            assert b"".join(response.iter_bytes()) == b""
        with get(client, mode, url, method) as response:
            assert list(response.iter_raw()) == []


@EACH_MODE
def test_a_plain_body_is_not_copied(serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str) -> None:
    with any_client(mode) as client, get(client, mode, serve(b"plain")) as response:
        if mode != "stream":
            (piece,) = response.iter_raw()
            assert response.content is piece
        assert response.content == b"plain"


# As it arrives


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
def test_each_byte_alone(scripted: ScriptedServers, mode: str) -> None:
    body = gzip.compress(BODY[:100])

    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        connection.trickle(body)

    pieces: list[bytes] = []
    with client_for(mode) as client:
        client.on_recv = lambda _, data: pieces.append(data)
        assert get(client, mode, scripted(handler).url).content == BODY[:100]
    assert b"".join(pieces) == BODY[:100]


def test_a_stream_gives_what_is_there(scripted: ScriptedServers) -> None:
    taken = threading.Event()
    encoder = zlib.compressobj(wbits=31)

    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data)

    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(chunk(encoder.compress(b"first\n") + encoder.flush(zlib.Z_SYNC_FLUSH)))
        connection.wait(taken)
        connection.send(chunk(encoder.compress(b"second\n") + encoder.flush()) + b"0\r\n\r\n")

    with TgoHttpClient() as client, client.stream("GET", scripted(handler).url) as response:
        lines = response.iter_lines()
        assert next(lines) == "first"
        taken.set()
        assert list(lines) == ["second"]


@EACH_MODE
def test_the_connection_serves_another_request(scripted: ScriptedServers, mode: str) -> None:
    server = scripted(answer(CODED[:-1], fields=GZIP))
    with client_for(mode) as client:
        for _ in range(3):
            with get(client, mode, server.url) as response:
                if mode == "stream":
                    assert b"".join(response.iter_raw()) == CODED[:-1]
                else:
                    with pytest.raises(DecodingError):
                        response.content
    assert server.accepted == 1


# What is wrong


DAMAGED = [
    pytest.param(CODED[:-1], "is cut off", id="cut off"),
    pytest.param(CODED[:100], "is cut off", id="cut in half"),
    pytest.param(CODED[:-8] + b"\0" * 8, "doesn't follow", id="checksum"),
    pytest.param(BODY, "doesn't follow", id="not coded"),
]
EACH_DAMAGE = pytest.mark.parametrize(("body", "message"), DAMAGED)


def check(error: DecodingError, url: str) -> None:
    """It says what, and where."""
    assert isinstance(error, HttpClientError)
    assert error.url == url
    assert error.peer
    assert error.phase == "receive"


@EACH_MODE
@EACH_DAMAGE
def test_a_body_that_cannot_be_decoded(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str, body: bytes, message: str
) -> None:
    url = serve(body, GZIP)
    with any_client(mode) as client:
        with get(client, mode, url) as response, pytest.raises(DecodingError, match=message) as caught:
            response.content
        check(caught.value, url)
        with get(client, mode, url) as response, pytest.raises(DecodingError, match=message) as caught:
            list(response.iter_bytes())
        check(caught.value, url)
        with get(client, mode, url) as response, pytest.raises(DecodingError, match=message):
            list(response.iter_lines())
        with get(client, mode, url) as response:
            assert response.status_code == 200
            assert b"".join(response.iter_raw()) == body


@EACH_MODE
@pytest.mark.parametrize("events", [False, True])
def test_a_response_that_breaks_off_is_no_matter_of_its_coding(
    scripted: ScriptedServers, http2_scripted: Http2Servers, protocol: str, mode: str, events: bool
) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n" + CODED[:50])

    def http2_handler(session: http2.Http2Session) -> None:
        request = session.receive_request()
        assert request
        session.send_headers(request.stream_id, [(":status", "200"), ("content-encoding", "gzip")])
        session.send_data(request.stream_id, CODED[:50])
        session.reset_stream(request.stream_id)
        session.receive_request()

    server = scripted(handler) if protocol == "HTTP/1.1" else http2_scripted(http2_handler)
    with client_for(mode, http2=protocol == "HTTP/2") as client:
        if events:
            client.on_recv = lambda _, data: None
        with pytest.raises(HttpClientError) as caught, get(client, mode, server.url) as response:
            response.content
    assert not isinstance(caught.value, DecodingError)


def test_every_attempt_to_read_it_fails(serve: Serve, any_client: Callable[..., TgoHttpClient]) -> None:
    with any_client() as client:
        response = client.get(serve(CODED[:-1], GZIP))
        for _ in range(2):
            with pytest.raises(DecodingError):
                response.content
            with pytest.raises(DecodingError):
                response.text


def test_a_stream_is_given_up_with_the_error(serve: Serve, any_client: Callable[..., TgoHttpClient]) -> None:
    with any_client() as client, client.stream("GET", serve(BODY, GZIP)) as response:
        with pytest.raises(DecodingError):
            response.content
        with pytest.raises(BodyError):
            response.content


def test_the_connection_of_such_a_stream_is_given_up(scripted: ScriptedServers) -> None:
    gone = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\nnot coded")
        connection.receive_all()
        gone.set()

    for read in (lambda response: response.content, lambda response: list(response.iter_bytes())):
        gone.clear()
        with TgoHttpClient() as client, client.stream("GET", scripted(handler).url) as response:
            with pytest.raises(DecodingError):
                read(response)
            assert gone.wait(LIMIT)


@EACH_MODE
def test_too_many_codings(serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str) -> None:
    url = serve(CODED, [("Content-Encoding", "gzip, gzip, gzip, gzip, gzip, gzip")])
    with any_client(mode) as client:
        with get(client, mode, url) as response, pytest.raises(DecodingError, match="6 content codings") as caught:
            response.content
        check(caught.value, url)
        with get(client, mode, url) as response:
            assert b"".join(response.iter_raw()) == CODED


@EACH_MODE
def test_a_package_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str
) -> None:
    body = brotli.compress(BODY)
    monkeypatch.setitem(sys.modules, "brotli", None)
    monkeypatch.setitem(sys.modules, "brotlicffi", None)
    url = serve(body, [("Content-Encoding", "br")])
    with any_client(mode) as client:
        with get(client, mode, url) as response, pytest.raises(DecodingError, match=r"\[brotli\]") as caught:
            response.content
        check(caught.value, url)
        with get(client, mode, url) as response:
            assert b"".join(response.iter_raw()) == body


@EACH_MODE
def test_the_body_of_a_redirect_is_not_looked_at(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str
) -> None:
    target = serve(CODED, GZIP)
    url = serve(b"not coded at all", [*GZIP, ("Location", target)], "302 Found")
    pieces: list[bytes] = []
    with any_client(mode) as client:
        client.on_recv = lambda _, data: pieces.append(data)
        with get(client, mode, url) as response:
            assert response.content == BODY
            first = next(iter(response.history))
            if mode != "stream":
                assert b"".join(pieces) == BODY
                assert b"".join(first.iter_raw()) == b"not coded at all"
                with pytest.raises(DecodingError):
                    first.content


# The limit


@EACH_MODE
def test_the_limit(serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str) -> None:
    url = serve(CODED, GZIP)
    with any_client(mode, max_decoded_size=len(BODY)) as client:
        with get(client, mode, url) as response:
            assert response.content == BODY
        client.max_decoded_size = len(BODY) - 1
        with get(client, mode, url) as response:
            with pytest.raises(DecodingError, match=rf"larger than {len(BODY) - 1} bytes.*max_decoded_size") as caught:
                response.content
            check(caught.value, url)
        with get(client, mode, url) as response:
            assert b"".join(response.iter_bytes()) == BODY  # piece by piece there is none
        client.max_decoded_size = 0
        with get(client, mode, url) as response:
            assert response.content == BODY


def test_the_limit_is_for_what_is_decoded(serve: Serve, any_client: Callable[..., TgoHttpClient]) -> None:
    with any_client(max_decoded_size=1) as client:
        assert client.get(serve(BODY)).content == BODY


def test_the_default_limit() -> None:
    with TgoHttpClient() as client:
        assert client.max_decoded_size == MAX_DECODED_SIZE == 1 << 30


@EACH_MODE
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "401 Unauthorized"])
def test_the_limit_goes_with_the_request(scripted: ScriptedServers, mode: str, status: str) -> None:
    def handler(connection: Connection) -> None:
        first = True
        while connection.receive_request():
            if first:
                connection.respond(b"", status, [("Location", "/next")])
            else:
                connection.respond(CODED, fields=GZIP)
            first = not first

    with client_for(mode, max_decoded_size=10) as client:
        client.on_password = lambda _: True
        for options in ({}, {"headers": {"X": "y"}}, {"timeout": LIMIT}):
            with get(client, mode, scripted(handler).url, **options) as response:
                assert response.status_code == 200
                with pytest.raises(DecodingError, match="larger than 10 bytes"):
                    response.content


def bomb(size: int) -> bytes:
    encoder = zlib.compressobj(9, wbits=31)
    return b"".join(encoder.compress(bytes(1 << 20)) for _ in range(size >> 20)) + encoder.flush()


def test_a_bomb_in_a_stream_takes_little_memory(serve: Serve, any_client: Callable[..., TgoHttpClient]) -> None:
    size = 64 << 20
    url = serve(bomb(size), GZIP)
    with any_client() as client:
        client.get(url).close()  # what is made once
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            with client.stream("GET", url) as response:
                assert sum(map(len, response.iter_bytes())) == size
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
    assert peak < 16 * PIECE_SIZE


# Events and messages


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
def test_on_recv_gets_what_it_stands_for(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str
) -> None:
    pieces: list[bytes] = []
    with any_client(mode) as client:
        client.on_recv = lambda _, data: pieces.append(data)
        response = get(client, mode, serve(CODED, GZIP))
        assert b"".join(pieces) == BODY
        assert response.content == BODY
        assert response.text == BODY.decode()
        assert b"".join(response.iter_bytes()) == BODY
        with pytest.raises(BodyError, match="on_recv"):
            list(response.iter_raw())
        # Without a coding, both are the same.
        assert b"".join(get(client, mode, serve(BODY)).iter_raw()) == BODY


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
def test_on_recv_keeps_out_what_it_doesnt_want(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str
) -> None:
    body = bytes(3 * PIECE_SIZE + 1)
    sizes: list[int] = []

    def on_recv(_: TgoHttpClient, data: bytes) -> bool:
        sizes.append(len(data))
        return len(sizes) != 2

    with any_client(mode, max_decoded_size=len(body) - PIECE_SIZE) as client:
        client.on_recv = on_recv
        response = get(client, mode, serve(gzip.compress(body), GZIP))
        assert sum(sizes) == len(body)
        assert max(sizes) <= PIECE_SIZE
        assert len(response.content) == len(body) - sizes[1]


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
def test_the_limit_with_on_recv(serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str) -> None:
    url = serve(gzip.compress(bytes(2 * PIECE_SIZE)), GZIP)
    with any_client(mode, max_decoded_size=2 * PIECE_SIZE - 1) as client:
        client.on_recv = lambda _, data: None
        with pytest.raises(DecodingError, match="larger than") as caught:
            get(client, mode, url)
        check(caught.value, url)
        client.on_recv = lambda _, data: False
        assert get(client, mode, url).content == b""


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
@EACH_DAMAGE
def test_on_recv_of_what_cannot_be_decoded(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str, body: bytes, message: str
) -> None:
    pieces: list[bytes] = []
    url = serve(body, GZIP)
    with any_client(mode) as client:
        client.on_recv = lambda _, data: pieces.append(data)
        for _ in range(2):
            pieces.clear()
            with pytest.raises(DecodingError, match=message) as caught:
                get(client, mode, url)
            check(caught.value, url)
            assert BODY.startswith(b"".join(pieces))


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
@pytest.mark.parametrize("end", [len(CODED), -1])
def test_on_recv_until_the_server_closes(scripted: ScriptedServers, mode: str, end: int) -> None:
    # Nothing arrives with the end: that something is missing shows all the same.
    given = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + CODED[:end])
        connection.wait(given)

    def on_recv(_: TgoHttpClient, data: bytes) -> None:
        pieces.append(data)
        given.set()

    pieces: list[bytes] = []
    with client_for(mode) as client:
        client.on_recv = on_recv
        if end > 0:
            assert get(client, mode, scripted(handler).url).content == BODY
        else:
            with pytest.raises(DecodingError, match="cut off"):
                get(client, mode, scripted(handler).url)
    assert b"".join(pieces) == BODY


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
def test_on_recv_of_a_redirect_that_is_not_followed(
    serve: Serve, any_client: Callable[..., TgoHttpClient], mode: str
) -> None:
    pieces: list[bytes] = []
    url = serve(CODED, [*GZIP, ("Location", "/elsewhere")], "302 Found")
    with any_client(mode) as client:
        client.on_recv = lambda _, data: pieces.append(data)
        client.on_redirect = lambda *_: False
        response = get(client, mode, url)
        assert response.status_code == 302
        assert response.content == b"".join(pieces) == BODY
        url = serve(CODED[:-1], [*GZIP, ("Location", "/elsewhere")], "302 Found")
        with pytest.raises(DecodingError) as caught:
            get(client, mode, url)
        check(caught.value, url)


def test_pieces_stay_in_order_whatever_on_recv_does() -> None:
    # Something that it does may bring the exchange to deliver what else has arrived.
    data = bytes(range(256)) * (3 * PIECE_SIZE // 256)
    body = gzip.compress(data)
    pieces: list[bytes] = []

    def on_recv(exchange: IncrementalExchange, piece: bytes) -> bool:
        pieces.append(piece)
        exchange.deliver()
        return False

    request = Request("GET", parse("http://localhost/"), [], None, 1.0, 1.0, 0.0)
    exchange = IncrementalExchange(request, on_recv, lambda _: False)
    exchange.on_head(ResponseHead(200, b"OK", "1.1", [(b"Content-Encoding", b"gzip")]))
    for part in (body[:2000], body[2000:]):
        exchange.on_data(memoryview(part))
    exchange.on_end([])
    exchange.deliver()
    assert len(pieces) > 2
    assert b"".join(pieces) == data


@pytest.mark.parametrize(("end", "failed"), [(len(CODED), False), (-1, True)])
def test_messages(serve: Serve, any_client: Callable[..., TgoHttpClient], end: int, failed: bool) -> None:
    messages: list[TgoHttpResponseMessage] = []
    manager = TMessageManager.default_manager
    number = manager.subscribe_to_message(TgoHttpResponseMessage, lambda _, message: messages.append(message))
    try:
        with any_client("non-blocking") as client:
            response = get(client, "non-blocking", serve(CODED[:end], GZIP))
    finally:
        manager.unsubscribe(TgoHttpResponseMessage, number)
    (message,) = messages
    assert message.http_response is response
    assert message.response_status_code == 200
    assert message.response == (b"" if failed else BODY)
    assert isinstance(message.error, DecodingError) == failed


