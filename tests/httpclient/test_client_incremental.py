"""The events of a client: on_recv, on_sent, on_informational, and what happens if they fail."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from httpclient import HttpResponse, RedirectError, RequestAbortedError, TgoHttpClient
from tests.httpclient.ways import BLOCKING, LIMIT, NON_BLOCKING, Way, both_ways
from tests.servers.files import content
from tests.servers.nginx import PASSWORD, USER
from tests.servers.scripted import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpclient import ResponseHead
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.nginx import Nginx


@both_ways
@pytest.mark.parametrize("site", ["http", "https1", "https"])
@pytest.mark.parametrize("keep", [None, True, False])
def test_pieces_in_order(
    way: Way, site: str, keep: bool | None, nginx: Nginx, certificates: Certificates
) -> None:
    pieces: list[bytes] = []
    threads: set[threading.Thread] = set()

    def on_recv(client: TgoHttpClient, data: bytes) -> bool | None:
        assert type(data) is bytes
        pieces.append(data)
        threads.add(threading.current_thread())
        return keep

    with way.client(certificates, http2=None) as http:
        http.on_recv = on_recv
        response = way.get(http, nginx.url(site, "/10m"))
    assert b"".join(pieces) == content("10m")
    assert len(pieces) > 1
    assert response.content == (b"" if keep is False else content("10m"))
    assert (threads == {threading.main_thread()}) is way.blocking


@both_ways
def test_pieces_arrive_before_the_end(way: Way, scripted: ScriptedServers) -> None:
    arrived = threading.Event()

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        connection.wait(arrived)
        connection.send(b"rest")

    server = scripted(handler)
    with way.client() as http:
        http.on_recv = lambda client, data: arrived.set()
        assert way.get(http, server.url).content == b"halfrest"


@both_ways
def test_pieces_can_be_chosen(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")

    server = scripted(handler)
    with way.client() as http:
        http.on_recv = lambda client, data: data != b"b"
        assert way.get(http, server.url).content == b"ac"


# Redirects and challenges: only the body of the response itself is for the user


@both_ways
def test_the_bodies_of_redirects_are_not_delivered(way: Way, nginx: Nginx) -> None:
    pieces: list[bytes] = []
    with way.client() as http:
        http.on_recv = lambda client, data: pieces.append(data)
        response = way.get(http, nginx.url("http", "/redirect/relative"))
        assert b"".join(pieces) == response.content == content("1k")
        assert b"302 Found" in response.history[0].content

        pieces.clear()
        http.follow_redirects = False
        response = way.get(http, nginx.url("http", "/redirect/relative"))
        assert b"".join(pieces) == response.content
        assert b"302 Found" in response.content


@both_ways
def test_a_redirect_that_turns_out_to_be_the_response_is_delivered(way: Way, nginx: Nginx) -> None:
    pieces: list[bytes] = []
    with way.client() as http:
        http.on_recv = lambda client, data: pieces.append(data)
        http.on_redirect = lambda client, location, follow: False
        response = way.get(http, nginx.url("http", "/redirect/302"))
        assert b"302 Found" in b"".join(pieces)
        assert response.content == b"".join(pieces)

        pieces.clear()
        http.on_recv = lambda client, data: bool(pieces.append(data))  # type: ignore[func-returns-value]
        assert way.get(http, nginx.url("http", "/redirect/302")).content == b""
        assert b"302 Found" in b"".join(pieces)

        pieces.clear()
        http.on_password = lambda client: False
        assert way.get(http, nginx.url("http", "/private/1k")).status_code == 401
        assert b"401 Authorization" in b"".join(pieces)


@both_ways
def test_a_challenge_that_is_met_is_not_delivered(way: Way, nginx: Nginx) -> None:
    pieces: list[bytes] = []

    def on_password(client: TgoHttpClient) -> bool:
        client.user_name, client.password = USER, PASSWORD
        return True

    with way.client() as http:
        http.on_recv = lambda client, data: pieces.append(data)
        http.on_password = on_password
        assert way.get(http, nginx.url("http", "/private/1k")).status_code == 200
    assert b"".join(pieces) == content("1k")


# on_sent, on_informational


@both_ways
@pytest.mark.parametrize("size", [0, 5, 1 << 20])
def test_on_sent_gets_everything_that_is_sent(way: Way, size: int, scripted: ScriptedServers) -> None:
    body = content("10m")[:size]
    server = scripted(answer(b"x"))
    sent: list[bytes] = []
    with way.client() as http:
        http.on_sent = lambda client, data: sent.append(data)
        for number in range(3):
            way.request(http, "PUT", server.url, data=body)
            assert b"".join(sent) == bytes(server.connections[0].received), number
        assert sent[0].startswith(b"PUT / HTTP/1.1\r\n")
        http.on_sent = None
        way.request(http, "PUT", server.url, data=body)
    assert server.accepted == 1
    assert len(b"".join(sent)) < len(server.connections[0].received)


@both_ways
def test_on_sent_of_a_chunked_body(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))
    sent: list[bytes] = []
    with way.client() as http:
        http.on_sent = lambda client, data: sent.append(data)
        way.request(http, "PUT", server.url, data=iter([b"ab", b"cd"]))
    assert b"".join(sent) == bytes(server.connections[0].received)
    assert b"".join(sent).endswith(b"\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")


@both_ways
def test_on_informational_gets_the_heads(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        connection.respond(b"x")

    heads: list[tuple[int, bytes | None]] = []

    def on_informational(client: TgoHttpClient, head: ResponseHead) -> None:
        heads.append((head.status, head.get(b"link")))

    server = scripted(handler)
    with way.client() as http:
        http.on_informational = on_informational
        assert way.get(http, server.url).status_code == 200
    assert heads == [(103, b"</style.css>")]


# Events that fail


class Oops(Exception):
    """What a user's event raises."""


def failing(error: BaseException) -> Callable[..., object]:
    def event(*_: object) -> object:
        raise error

    return event


ERRORS = [Oops("mine"), OSError(28, "No space left on device"), TimeoutError("not ours"), ValueError("x")]


def early_hints(connection: Connection) -> None:
    while connection.receive_request():
        connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")


@pytest.mark.parametrize("event", ["on_recv", "on_sent", "on_informational"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.usefixtures("no_leaks")
def test_a_blocking_call_raises_what_its_event_raised(event: str, error: Exception, scripted: ScriptedServers) -> None:
    server = scripted(early_hints, aborts=True)
    cause = error.__cause__
    with BLOCKING.client(max_connections_per_origin=1) as http:
        setattr(http, event, failing(error))
        with pytest.raises(type(error)) as caught:
            http.get(server.url)
        assert caught.value is error
        assert error.__cause__ is cause
        server.wait_until_finished()  # the connection was closed, whatever was still on it
        setattr(http, event, None)
        assert http.get(server.url).content == b"body"


@pytest.mark.parametrize("event", ["on_recv", "on_sent", "on_informational"])
@pytest.mark.parametrize("error", [*ERRORS, SystemExit(3)], ids=lambda error: type(error).__name__)
@pytest.mark.usefixtures("no_leaks")
def test_a_future_ends_with_an_error_that_tells_what_its_event_raised(
    event: str, error: BaseException, scripted: ScriptedServers
) -> None:
    server = scripted(early_hints, aborts=True)
    with NON_BLOCKING.client(max_connections_per_origin=1) as http:
        setattr(http, event, failing(error))
        failure = http.get(server.url).exception(LIMIT)
        assert isinstance(failure, RequestAbortedError)
        assert failure.__cause__ is error
        assert repr(error) in str(failure)
        setattr(http, event, None)
        assert http.get(server.url).result(LIMIT).content == b"body"


@both_ways
@pytest.mark.parametrize("event", ["on_redirect", "on_password"])
def test_deciding_events_that_fail(way: Way, event: str, nginx: Nginx) -> None:
    error = Oops("decision")
    url = nginx.url("http", "/redirect/302" if event == "on_redirect" else "/private/1k")
    with way.client(max_connections_per_origin=1) as http:
        setattr(http, event, failing(error))
        if way.blocking:
            with pytest.raises(Oops) as caught:
                http.get(url)
            assert caught.value is error
        else:
            failure = http.get(url).exception(LIMIT)
            assert isinstance(failure, RequestAbortedError)
            assert failure.__cause__ is error
        setattr(http, event, None)
        assert way.get(http, nginx.url("http", "/1k")).content == content("1k")


@both_ways
def test_an_event_that_fails_on_what_was_kept_back(way: Way, nginx: Nginx) -> None:
    with way.client() as http:
        http.on_redirect = lambda client, location, follow: False
        http.on_recv = failing(Oops("late"))
        if way.blocking:
            with pytest.raises(Oops):
                http.get(nginx.url("http", "/redirect/302"))
        else:
            failure = http.get(nginx.url("http", "/redirect/302")).exception(LIMIT)
            assert isinstance(failure, RequestAbortedError)
            assert isinstance(failure.__cause__, Oops)


def test_our_own_errors_from_an_event_are_the_users_too(scripted: ScriptedServers) -> None:
    # An event may use the package itself. Its failure is not a reason to repeat the request.
    server = scripted(early_hints, aborts=True)
    error = RedirectError("from the event")
    with BLOCKING.client() as http:
        for event in ("on_sent", "on_recv"):
            setattr(http, event, failing(error))
            with pytest.raises(RedirectError) as caught:
                http.get(server.url)
            assert caught.value is error
            setattr(http, event, None)
    assert server.accepted == 2


# Events that use the client


@both_ways
def test_an_event_may_make_a_request(way: Way, nginx: Nginx) -> None:
    inner: list[bytes] = []
    futures: list[Future[HttpResponse]] = []
    with way.client() as http:

        def on_recv(client: TgoHttpClient, data: bytes) -> None:
            client.on_recv = None
            made = client.get(nginx.url("http", "/100k"))
            if way.blocking:
                inner.append(made.content)
            else:
                futures.append(made)

        http.on_recv = on_recv
        assert way.get(http, nginx.url("http", "/1k")).content == content("1k")
        inner.extend(future.result(LIMIT).content for future in futures)
    assert inner == [content("100k")]


@both_ways
@pytest.mark.parametrize("event", ["on_recv", "on_sent"])
@pytest.mark.usefixtures("no_leaks")
def test_an_event_may_close_the_client(way: Way, event: str, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.hold()

    server = scripted(handler, aborts=True)
    http = way.client(recv_timeout=LIMIT)
    setattr(http, event, lambda client, data: client.close())
    error = way.fail(http, "GET", server.url)
    assert isinstance(error, RequestAbortedError)
    assert http.closed
    server.wait_until_finished()
