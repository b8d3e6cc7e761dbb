"""Everything that can go wrong between a client and its server ends in one error that says what, and leaves nothing."""

from __future__ import annotations

import errno
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    BodyError,
    ConnectError,
    Http1Limits,
    HttpCertificateError,
    HttpClientError,
    HttpProtocolError,
    HttpTlsError,
    InvalidRequestError,
    RemoteClosedError,
    TgoHttpClient,
)
from tests.httpclient.ways import LIMIT, NON_BLOCKING, Way, both_ways
from tests.servers.files import content
from tests.servers.leaks import descriptors, threads
from tests.servers.scripted import answer, expect, finish, reset, script, send, tls_context, trickle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from httpclient import HttpResponse
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.nginx import Nginx


def after_request(*steps: Callable[[Connection], object]) -> Callable[[Connection], object]:
    return script(expect(b"\r\n\r\n"), *steps)


def connections(http: TgoHttpClient) -> int:
    """Return how many connections a client has, or is opening."""
    origins = http._pool._origins.values()  # type: ignore[union-attr]
    return sum(len(origin._connections) + len(origin._opening) for origin in origins)


def check(error: HttpClientError, phase: str, url: str) -> None:
    """Check that an error says where it happened, and isn't its own cause."""
    assert error.phase == phase, error
    assert error.url == url
    assert url in str(error)
    seen = set()
    cause: BaseException | None = error
    while cause is not None:
        assert id(cause) not in seen
        seen.add(id(cause))
        cause = cause.__cause__
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# Connecting (C1)


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_a_refused_connection(way: Way, refused_port: int) -> None:
    url = f"http://127.0.0.1:{refused_port}/"
    with way.client() as http:
        error = way.fail(http, "GET", url)
        assert isinstance(error, ConnectError)
        check(error, "connect", url)
        assert "refused" in str(error)
        assert connections(http) == 0


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_a_name_that_cannot_be_looked_up(way: Way) -> None:
    # No name has a comma in it, which the look-up notices without asking anybody.
    url = "http://a,b.invalid/"
    with way.client() as http:
        error = way.fail(http, "GET", url)
    assert isinstance(error, ConnectError)
    check(error, "connect", url)
    assert "cannot resolve" in str(error)


@both_ways
@pytest.mark.parametrize(
    "site", ["wrong_host", "expired", "not_yet_valid", "self_signed", "unknown_authority", "incomplete_chain"]
)
def test_a_certificate_that_is_not_to_be_trusted(
    way: Way, site: str, nginx: Nginx, certificates: Certificates
) -> None:
    url = nginx.url(site, "/1k")
    with way.client(certificates, http2=None) as http:
        error = way.fail(http, "GET", url)
        assert isinstance(error, HttpCertificateError)
        assert error.verify_code
        check(error, "tls", url)
        assert connections(http) == 0
    with way.client(certificates, verify=False) as http:
        assert way.get(http, url).content == content("1k")


@both_ways
def test_a_server_that_speaks_no_tls(way: Way, nginx: Nginx, certificates: Certificates) -> None:
    url = f"https://localhost:{nginx.port('http')}/"
    with way.client(certificates) as http:
        error = way.fail(http, "GET", url)
    assert isinstance(error, HttpTlsError)
    check(error, "tls", url)


@both_ways
def test_a_server_that_speaks_only_tls(way: Way, nginx: Nginx) -> None:
    with way.client() as http:
        assert way.get(http, f"http://localhost:{nginx.port('https1')}/").status_code == 400


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_a_handshake_that_breaks_off(way: Way, scripted: ScriptedServers) -> None:
    for end in ("finish", "reset"):
        step = {"finish": finish, "reset": reset}[end]()
        server = scripted(script(lambda c: c.receive_some(), step), aborts=True)
        url = f"https://127.0.0.1:{server.port}/"
        with way.client(verify=False) as http:
            error = way.fail(http, "GET", url)
            assert isinstance(error, (HttpTlsError, ConnectError))
            assert error.url == url
            assert connections(http) == 0


@both_ways
def test_http2_that_is_not_agreed_to(way: Way, nginx: Nginx, certificates: Certificates) -> None:
    with way.client(certificates, http2=True) as http:
        error = way.fail(http, "GET", nginx.url("https1", "/1k"))
        assert isinstance(error, HttpTlsError)
        assert "ALPN" in str(error)


@both_ways
@pytest.mark.parametrize("options", [{"ca_file": "/no/such/file"}, {"certificate": b"nonsense"}, {"ca_data": b"x"}])
@pytest.mark.usefixtures("no_leaks")
def test_tls_options_that_cannot_be_used(way: Way, options: dict[str, Any], scripted: ScriptedServers) -> None:
    server = scripted(answer(b"clear"))
    with TgoHttpClient(None, way.blocking, **options) as http:
        for _ in range(3):
            error = way.fail(http, "GET", f"https://127.0.0.1:{server.port}/")
            assert isinstance(error, HttpTlsError)
        assert connections(http) == 0
        assert way.get(http, server.url).content == b"clear"
    assert server.accepted == 1


@pytest.mark.usefixtures("no_leaks")
def test_tls_options_that_cannot_be_used_by_a_thousand(refused_port: int) -> None:
    with NON_BLOCKING.client(ca_file="/no/such/file", max_connections_per_origin=1) as http:
        futures = [http.get(f"https://127.0.0.1:{refused_port}/") for _ in range(1000)]
        assert all(isinstance(future.exception(LIMIT), HttpTlsError) for future in futures)


# Broken responses (H1 to H3, H12, H15)


HEAD = b"HTTP/1.1 200 OK\r\n"


@both_ways
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HT",
        HEAD,
        HEAD + b"Content-Length: 5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nfour",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfour",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
@pytest.mark.parametrize("end", ["finish", "reset"])
@pytest.mark.usefixtures("no_leaks")
def test_a_response_that_breaks_off(way: Way, sent: bytes, end: str, scripted: ScriptedServers) -> None:
    # H15: at once, and not when the time for receiving is over, which would be after the test.
    server = scripted(after_request(send(sent), lambda c: getattr(c, end)()), aborts=True)
    with way.client(recv_timeout=600.0) as http:
        error = way.fail(http, "GET", server.url + "/")
        assert isinstance(error, RemoteClosedError)
        check(error, "receive", server.url + "/")
        assert error.peer == f"127.0.0.1:{server.port}"
        assert connections(http) == 0
    assert server.accepted == 1


@both_ways
@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/3.0 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: five\r\n\r\nhello",
        HEAD + b"Content-Length: 5, 6\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: gzip, chunked, gzip\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"A: b\x00c\r\n\r\n",
        HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        HEAD + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
        b"\r\n" * 100,
    ],
)
@pytest.mark.usefixtures("no_leaks")
def test_a_response_that_breaks_the_rules(way: Way, sent: bytes, scripted: ScriptedServers) -> None:
    server = scripted(after_request(send(sent), lambda c: c.hold()), aborts=True)
    with way.client(recv_timeout=600.0, max_connections_per_origin=1) as http:
        for _ in range(2):
            error = way.fail(http, "GET", server.url + "/")
            assert isinstance(error, HttpProtocolError)
            check(error, "receive", server.url + "/")
            assert connections(http) == 0


@both_ways
def test_garbage_byte_by_byte(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(after_request(trickle(b"no HTTP at all\r\n")), aborts=True)
    with way.client() as http:
        assert isinstance(way.fail(http, "GET", server.url), HttpProtocolError)


# Truncated TLS (T7)


@both_ways
@pytest.mark.parametrize(
    ("head", "complete"),
    [(b"Content-Length: 4\r\n\r\n", True), (b"\r\n", False), (b"Content-Length: 5\r\n\r\n", False)],
)
def test_tls_without_close_notify(
    way: Way, head: bytes, complete: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    steps = after_request(send(HEAD + head + b"body"), lambda c: c.socket.shutdown(1), lambda c: c.receive_all())
    server = scripted(steps, tls=tls_context(certificates.server), aborts=True)
    with way.client(certificates) as http:
        if complete:
            assert way.get(http, server.url).content == b"body"
        else:
            assert isinstance(way.fail(http, "GET", server.url), RemoteClosedError)


@both_ways
def test_tls_with_close_notify(way: Way, scripted: ScriptedServers, certificates: Certificates) -> None:
    server = scripted(
        after_request(send(HEAD + b"\r\nbody"), lambda c: c.finish()), tls=tls_context(certificates.server)
    )
    with way.client(certificates) as http:
        assert way.get(http, server.url).content == b"body"


# Uploads


@both_ways
@pytest.mark.parametrize("end", ["finish", "reset"])
@pytest.mark.parametrize("body", [b"x" * 20_000_000, None], ids=["bytes", "iterator"])
@pytest.mark.usefixtures("no_leaks")
def test_an_upload_that_the_server_cuts_off(
    way: Way, end: str, body: bytes | None, scripted: ScriptedServers
) -> None:
    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    server = scripted(after_request(lambda c: c.receive(100_000), lambda c: getattr(c, end)()), aborts=True)
    with way.client(recv_timeout=60.0, max_connections_per_origin=1) as http:
        error = way.fail(http, "PUT", server.url, data=body or forever())
        assert isinstance(error, RemoteClosedError)
        assert error.phase in ("send", "receive")
        assert connections(http) == 0


@both_ways
@pytest.mark.parametrize("body", [b"x" * 20_000_000, None], ids=["bytes", "iterator"])
@pytest.mark.parametrize("framed", [True, False], ids=["length", "close"])
@pytest.mark.usefixtures("no_leaks")
def test_an_upload_that_is_answered_early(
    way: Way, body: bytes | None, framed: bool, scripted: ScriptedServers
) -> None:
    # RFC 9112 9.5: the answer counts, the rest isn't sent, and the connection isn't used again.
    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    def handler(connection: Connection) -> None:
        connection.receive_head()
        connection.receive(100_000)
        connection.send(b"HTTP/1.1 413 Too Large\r\n")
        connection.send(b"Content-Length: 4\r\n\r\nstop" if framed else b"Connection: close\r\n\r\nstop")
        connection.finish()

    server = scripted(handler, aborts=True, receive_buffer=65536)
    with way.client(recv_timeout=60.0, max_connections_per_origin=1) as http:
        for _ in range(2):
            response = way.request(http, "PUT", server.url, data=body or forever())
            assert (response.status_code, response.content) == (413, b"stop")
            assert connections(http) == 0
    assert server.accepted == 2


@both_ways
def test_an_early_success_does_not_stop_an_upload(way: Way, scripted: ScriptedServers) -> None:
    received = []

    def handler(connection: Connection) -> None:
        head = connection.receive_head()
        assert head
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        received.append(connection.receive_body(head))
        connection.send(b"ok")
        connection.hold()

    body = content("10m")
    with way.client() as http:
        assert way.request(http, "PUT", scripted(handler).url, data=body).content == b"ok"
    assert received == [body]


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_a_body_that_cannot_be_read(way: Way, scripted: ScriptedServers) -> None:
    def broken() -> Iterator[bytes]:
        yield b"start"
        raise ZeroDivisionError("in the generator")

    server = scripted(answer(b"x"), aborts=True)
    with way.client(max_connections_per_origin=1) as http:
        error = way.fail(http, "PUT", server.url, data=broken())
        assert isinstance(error, BodyError)
        assert isinstance(error.__cause__, ZeroDivisionError)
        error = way.fail(http, "PUT", server.url, data=iter([1, 2, 3]))
        assert isinstance(error, BodyError)
        assert connections(http) == 0
        assert way.get(http, server.url).content == b"x"


@both_ways
@pytest.mark.parametrize(("length", "word"), [(10, "before"), (3, "longer")])
def test_a_body_that_has_another_length_than_it_was_said_to_have(
    way: Way, length: int, word: str, scripted: ScriptedServers
) -> None:
    server = scripted(answer(b"x"), aborts=True)
    with way.client() as http:
        headers = {"Content-Length": str(length)}
        error = way.fail(http, "PUT", server.url, data=iter([b"ab", b"cd"]), headers=headers)
        assert isinstance(error, BodyError)
        assert word in str(error)
        assert way.get(http, server.url).content == b"x"


@both_ways
def test_a_file_that_shrinks_while_it_is_sent(way: Way, scripted: ScriptedServers, tmp_path: object) -> None:
    path = f"{tmp_path}/file"
    with open(path, "wb") as file:
        file.write(b"x" * 1_000_000)
    server = scripted(answer(b"x"), aborts=True)
    with way.client() as http, open(path, "r+b") as file:
        http.on_sent = lambda client, data: file.truncate(200_000)
        error = way.fail(http, "PUT", server.url, data=file)
        assert isinstance(error, BodyError)


def test_what_may_not_be_sent_uses_no_connection(scripted: ScriptedServers) -> None:
    server = scripted(answer())
    with TgoHttpClient(False) as http:
        http.get(server.url)
        for _ in range(3):
            with pytest.raises(InvalidRequestError):
                http.get(server.url, headers={"X": "\n"})
        http.get(server.url)
    assert server.accepted == 1


# Retries (S8; RFC 9110 9.2.2)


def stale(connection: Connection) -> None:
    """Answer one request, and reset the connection when the next one comes."""
    assert connection.receive_request()
    connection.respond(b"first")
    connection.receive_head()
    connection.reset()


@both_ways
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_request_that_meets_a_stale_connection_is_repeated(
    way: Way, method: str, tls: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    context = tls_context(certificates.server) if tls else None
    server = scripted([stale, answer(b"" if method == "HEAD" else b"second")], tls=context, aborts=True)
    with way.client(certificates) as http:
        way.get(http, server.url)
        data = b"body" if method == "PUT" else None
        response = way.request(http, method, server.url, data=data)
        assert response.content == (b"" if method == "HEAD" else b"second")
    assert server.accepted == 2


@both_ways
@pytest.mark.parametrize("method", ["POST", "PATCH", "own"])
def test_one_that_may_do_harm_twice_is_not(way: Way, method: str, scripted: ScriptedServers) -> None:
    server = scripted(stale, aborts=True)
    with way.client() as http:
        way.get(http, server.url)
        assert isinstance(way.fail(http, method, server.url, data=b"x"), RemoteClosedError)
    assert server.accepted == 1


@both_ways
def test_a_body_that_is_gone_is_not_repeated(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(stale, aborts=True)
    with way.client() as http:
        way.get(http, server.url)
        assert isinstance(way.fail(http, "PUT", server.url, data=iter([b"x"])), RemoteClosedError)
    assert server.accepted == 1


@both_ways
def test_a_new_connection_that_breaks_is_not_tried_again(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(after_request(reset()), aborts=True)
    with way.client() as http:
        assert isinstance(way.fail(http, "GET", server.url), RemoteClosedError)
    assert server.accepted == 1


@both_ways
def test_an_answer_that_has_begun_is_not_asked_for_again(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.respond(b"first")
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 2")
        connection.finish()

    server = scripted(handler)
    with way.client() as http:
        way.get(http, server.url)
        assert isinstance(way.fail(http, "GET", server.url), RemoteClosedError)
    assert server.accepted == 1


@both_ways
def test_the_second_try_uses_a_new_connection(way: Way, scripted: ScriptedServers) -> None:
    # Several idle connections, and all of them stale: one retry is enough.
    ready = threading.Barrier(3, timeout=LIMIT)

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        ready.wait()
        connection.respond(b"first")
        if connection.receive_head():
            connection.reset()

    server = scripted([handler, handler, handler, answer(b"second")], aborts=True)
    with way.client(max_connections_per_origin=3) as http:
        threads = [threading.Thread(target=way.get, args=(http, server.url)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert way.get(http, server.url).content == b"second"
    assert server.accepted == 4


# Thousands of failures leave nothing


FAILURES: list[Callable[[Connection], object]] = [
    reset(),
    after_request(reset()),
    after_request(send(b"garbage\r\n")),
    after_request(send(HEAD + b"Content-Length: 5\r\n\r\nfour")),
    after_request(send(HEAD + b"Content-Length: 5\r\n\r\nfour"), reset()),
    after_request(send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nx")),
    lambda connection: connection.close(),
]


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_thousands_of_failures_and_then_success(way: Way, scripted: ScriptedServers, refused_port: int) -> None:
    count = 2000
    successes = threading.Event()
    number = iter(range(10 * count))

    def handler(connection: Connection) -> None:
        if successes.is_set():
            answer(b"success")(connection)
        else:
            FAILURES[next(number) % len(FAILURES)](connection)

    server = scripted(handler, aborts=True)
    refused = f"http://127.0.0.1:{refused_port}/"
    with way.client(max_connections_per_origin=2) as http:
        # What is there from the first request on.
        way.fail(http, "GET", refused)
        before = len(descriptors()), len(threads())
        if way.blocking:
            for index in range(count // 2):
                way.fail(http, "GET", refused if index % 10 == 0 else server.url)
        else:
            futures: list[Future[HttpResponse]] = [
                http.get(refused if index % 10 == 0 else server.url) for index in range(count)
            ]
            assert all(isinstance(future.exception(LIMIT), HttpClientError) for future in futures)
        assert connections(http) == 0
        server.wait_until_finished()
        successes.set()
        for _ in range(10):
            assert way.get(http, server.url).content == b"success"
        assert len(http._running) == 0
        # The scripted server has its own threads and descriptors, so these only mustn't have grown by as many.
        assert len(descriptors()) - before[0] < 20
        assert len(threads()) - before[1] < 20


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_thousands_of_failures_of_events_and_bodies(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x" * 1000), aborts=True)

    def failing(client: TgoHttpClient, data: bytes) -> None:
        raise RuntimeError("event")

    def body() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError("body")

    with way.client(max_connections_per_origin=1) as http:
        for _ in range(150):
            http.on_recv = failing
            with pytest.raises((RuntimeError, HttpClientError)):
                way.get(http, server.url)
            http.on_recv = None
            with pytest.raises(BodyError):
                way.request(http, "PUT", server.url, data=body())
            assert way.get(http, server.url).status_code == 200
        assert connections(http) == 1


def test_errors_know_their_errno(scripted: ScriptedServers) -> None:
    server = scripted(after_request(reset()), aborts=True)
    with TgoHttpClient(False) as http, pytest.raises(RemoteClosedError) as caught:
        http.get(server.url)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ECONNRESET


@both_ways
def test_limits_of_a_head_can_be_raised(way: Way, scripted: ScriptedServers) -> None:
    fields = [(f"X-{number}", "value") for number in range(300)]
    url = scripted(answer(b"x", fields=fields)).url
    with way.client() as http:
        assert "http1_limits" in str(way.fail(http, "GET", url))
    with way.client(http1_limits=Http1Limits(header_count=400)) as http:
        assert len(way.get(http, url).headers) > 300
