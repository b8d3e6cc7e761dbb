"""Responses that are read at the pace of their reader."""

from __future__ import annotations

import gc
import json
import threading
from typing import TYPE_CHECKING

import pytest

from httpclient import (
    BodyError,
    HttpClientError,
    PoolTimeoutError,
    ReceiveTimeoutError,
    RemoteClosedError,
    RequestAbortedError,
    TgoHttpClient,
    TooManyRedirectsError,
)
from socketpool import READ_BLOCK_SIZE
from tests.httpclient.ways import BLOCKING, LIMIT, NON_BLOCKING
from tests.servers.files import LARGE_SIZE, content
from tests.servers.scripted import answer

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.nginx import Nginx


def connections(http: TgoHttpClient) -> int:
    """Return how many connections a client has."""
    return sum(len(origin._connections) for origin in http._pool._origins.values())  # type: ignore[union-attr,misc]


@pytest.mark.parametrize("site", ["http", "https1", "https"])
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.usefixtures("nginx", "certificates", "no_leaks")
def test_pieces_make_the_body(site: str, blocking: bool, nginx: Nginx, certificates: Certificates) -> None:
    with TgoHttpClient(None, blocking, ca_file=str(certificates.ca_file)) as http:
        for _ in range(2):
            with http.stream("GET", nginx.url(site, "/10m")) as response:
                assert response.status_code == 200
                assert b"".join(response.iter_bytes()) == content("10m")
        assert connections(http) == 1


def test_the_head_is_there_before_the_body(scripted: ScriptedServers) -> None:
    go_on = threading.Event()

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Head: yes\r\n\r\n")
        connection.wait(go_on)
        connection.send(b"4\r\nbody\r\n0\r\nX-Trailer: end\r\n\r\n")

    with BLOCKING.client() as http, http.stream("GET", scripted(handler).url) as response:
        assert response.headers["x-head"] == "yes"
        assert response.trailers == []
        go_on.set()
        assert response.content == b"body"
        assert response.trailers == [("X-Trailer", "end")]


@pytest.mark.parametrize("site", ["http", "https1"])
def test_a_reader_that_stops_makes_the_server_stop(
    site: str, scripted: ScriptedServers, nginx: Nginx, certificates: Certificates
) -> None:
    with BLOCKING.client(certificates) as http, http.stream("GET", nginx.url(site, "/256m")) as response:
        pieces = response.iter_bytes()
        assert len(next(pieces)) <= READ_BLOCK_SIZE
        with http.stream("GET", nginx.url(site, "/1k")) as other:
            assert other.content == content("1k")
        exchange = response._exchange
        assert len(exchange._arrived) <= 1  # type: ignore[attr-defined]


def test_a_large_body_takes_little_memory(nginx: Nginx) -> None:
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with BLOCKING.client() as http, http.stream("GET", nginx.url("http", "/256m")) as response:
        assert sum(map(len, response.iter_bytes())) == LARGE_SIZE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


# Ways to read


def test_content_text_json_and_lines(scripted: ScriptedServers) -> None:
    data = {"name": "Grüße", "values": [1, 2]}
    text = json.dumps(data, ensure_ascii=False, indent=1)
    fields = [("Content-Type", "application/json; charset=utf-8")]
    with BLOCKING.client() as http:
        url = scripted(answer(text.encode(), fields=fields)).url
        with http.stream("GET", url) as response:
            assert response.content == text.encode()
            assert response.content == b"".join(response.iter_bytes())
            assert (response.text, response.json()) == (text, data)
        with http.stream("GET", url) as response:
            assert list(response.iter_lines()) == text.split("\n")


def test_a_body_can_be_read_once(scripted: ScriptedServers) -> None:
    with BLOCKING.client() as http:
        url = scripted(answer(b"body")).url
        with http.stream("GET", url) as response:
            assert list(response.iter_bytes()) == [b"body"]
            with pytest.raises(BodyError):
                list(response.iter_bytes())
            with pytest.raises(BodyError):
                response.content
        with http.stream("GET", url) as response:
            pass
        with pytest.raises(BodyError):
            response.content
        with http.stream("GET", url) as response:
            assert response.content == b"body"
        assert response.content == b"body"


def test_responses_without_a_body(nginx: Nginx) -> None:
    with BLOCKING.client() as http:
        for method, path in (("HEAD", "/10m"), ("GET", "/status/204"), ("GET", "/empty")):
            with http.stream(method, nginx.url("http", path)) as response:
                assert list(response.iter_bytes()) == []
        assert connections(http) == 1


@pytest.mark.parametrize("site", ["http", "https"])
def test_what_is_sent_and_followed(site: str, nginx: Nginx, certificates: Certificates) -> None:
    with BLOCKING.client(certificates, http2=None) as http:
        with http.stream("POST", nginx.url(site, "/redirect/307"), data=[b"a", b"b"]) as response:
            assert response.history[0].status_code == 307
            assert "method=POST\n" in response.text
            assert "length=2\n" in response.text
        with pytest.raises(TooManyRedirectsError):
            http.stream("GET", nginx.url(site, "/redirect/loop"))
        assert http.get(nginx.url(site, "/1k")).content == content("1k")


# Giving up


@pytest.mark.parametrize("site", ["http", "https1", "https"])
@pytest.mark.usefixtures("nginx", "certificates", "no_leaks")
def test_closing_early_frees_the_connection(site: str, nginx: Nginx, certificates: Certificates) -> None:
    with BLOCKING.client(certificates, http2=None, max_connections_per_origin=1, connect_timeout=5.0) as http:
        for _ in range(5):
            with http.stream("GET", nginx.url(site, "/256m")) as response:
                next(response.iter_bytes())
            with http.stream("GET", nginx.url(site, "/256m")):
                pass
            for _ in http.stream("GET", nginx.url(site, "/10m")).iter_bytes():
                break
            gc.collect()
        assert http.get(nginx.url(site, "/1k")).content == content("1k")


def test_a_forgotten_response_gives_its_connection_back(nginx: Nginx) -> None:
    with BLOCKING.client(max_connections_per_origin=1, connect_timeout=LIMIT) as http:
        for _ in range(3):
            http.stream("GET", nginx.url("http", "/256m"))
        # Nobody closed them; whoever waits for the only connection gets it all the same.
        assert http.get(nginx.url("http", "/1k")).content == content("1k")


def test_an_open_response_keeps_its_connection(nginx: Nginx) -> None:
    with BLOCKING.client(max_connections_per_origin=1, connect_timeout=0.05) as http:
        with http.stream("GET", nginx.url("http", "/256m")) as response:
            with pytest.raises(PoolTimeoutError):
                http.get(nginx.url("http", "/1k"))
            assert response.status_code == 200
        assert http.get(nginx.url("http", "/1k")).content == content("1k")


def test_a_non_blocking_request_waits_for_a_stream(nginx: Nginx) -> None:
    with NON_BLOCKING.client(max_connections_per_origin=1) as http:
        with http.stream("GET", nginx.url("http", "/256m")):
            future = http.get(nginx.url("http", "/1k"))
        assert future.result(LIMIT).content == content("1k")
        with http.stream("GET", nginx.url("http", "/10m")) as response:
            future = http.get(nginx.url("http", "/1k"))
            assert response.content == content("10m")
        assert future.result(LIMIT).content == content("1k")


# Failures


def broken(end: str) -> object:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        getattr(connection, end)()

    return handler


@pytest.mark.parametrize(
    ("end", "error"), [("finish", RemoteClosedError), ("reset", RemoteClosedError), ("hold", ReceiveTimeoutError)]
)
@pytest.mark.usefixtures("no_leaks")
def test_a_body_that_breaks_off(end: str, error: type[HttpClientError], scripted: ScriptedServers) -> None:
    server = scripted(broken(end), aborts=True)
    with BLOCKING.client(recv_timeout=0.2, max_connections_per_origin=1) as http:
        for _ in range(3):
            received: list[bytes] = []
            with http.stream("GET", server.url) as response:
                with pytest.raises(error) as caught:
                    received.extend(response.iter_bytes())
                assert caught.value.__cause__ is not caught.value
                with pytest.raises(HttpClientError):
                    response.content
            if end != "reset":
                assert received == [b"half"]
        assert connections(http) == 0


@pytest.mark.usefixtures("no_leaks")
def test_closing_the_client_wakes_a_reader(scripted: ScriptedServers) -> None:
    reading = threading.Event()
    errors: list[BaseException] = []
    http = BLOCKING.client(recv_timeout=LIMIT)
    server = scripted(broken("hold"), aborts=True)

    def read() -> None:
        with http.stream("GET", server.url) as response:
            try:
                for _ in response.iter_bytes():
                    reading.set()
            except HttpClientError as error:
                errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(LIMIT)
    http.close()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [RequestAbortedError]


def test_a_response_of_a_client_that_is_gone(scripted: ScriptedServers) -> None:
    server = scripted(broken("hold"), aborts=True)
    with BLOCKING.client() as http:
        response = http.stream("GET", server.url)
    with pytest.raises(HttpClientError):
        b"".join(response.iter_bytes())
    response.close()


def test_an_upload_whose_answer_is_streamed(scripted: ScriptedServers) -> None:
    # The server answers while it is being sent to, as it reads.
    def handler(connection: Connection) -> None:
        head = connection.receive_head()
        assert head
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        left = int(head.value("Content-Length") or 0)
        while left:
            piece = connection.receive_some()
            left -= len(piece)
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")

    body = content("10m")
    with BLOCKING.client() as http, http.stream("POST", scripted(handler).url, data=body) as response:
        assert b"".join(response.iter_bytes()) == body


def test_clients_that_nobody_closed_leave_nothing(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))

    def use() -> None:
        http = TgoHttpClient(False)
        http.get(server.url)
        http.on_recv = lambda client, data: http  # a circle, for the garbage collector

    for _ in range(20):
        use()
    gc.collect()
    server.wait_until_finished(20)  # its connections were closed by the other side
