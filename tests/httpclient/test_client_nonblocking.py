"""What is special about non-blocking requests: Futures, messages, and many at once."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    BodyError,
    ConnectError,
    HttpResponse,
    RedirectError,
    RequestAbortedError,
    TgoHttpClient,
    TgoHttpHeaders,
    TgoHttpResponseMessage,
    TMessageManager,
)
from tests.httpclient.ways import LIMIT, NON_BLOCKING
from tests.servers.files import content
from tests.servers.scripted import answer, hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.nginx import Nginx


class Inbox:
    """Keeps the messages about responses."""

    def __init__(self) -> None:
        self.messages: list[tuple[object, TgoHttpResponseMessage]] = []
        self._changed = threading.Condition()

    def __call__(self, sender: object, message: TgoHttpResponseMessage) -> None:
        with self._changed:
            self.messages.append((sender, message))
            self._changed.notify_all()

    def wait(self, count: int) -> list[TgoHttpResponseMessage]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages) >= count, LIMIT)
            return [message for _, message in self.messages]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """The messages about responses that are sent during the test."""
    inbox = Inbox()
    manager = TMessageManager.default_manager
    number = manager.subscribe_to_message(TgoHttpResponseMessage, inbox)
    yield inbox
    manager.unsubscribe(TgoHttpResponseMessage, number)


def echo_target(connection: Connection) -> None:
    while request := connection.receive_request():
        connection.respond(request.target.encode())


# Futures


def test_a_future_of_the_response(scripted: ScriptedServers) -> None:
    with NON_BLOCKING.client() as http:
        future = http.get(scripted(answer(b"x")).url)
        assert isinstance(future, Future)
        assert future.result(LIMIT).content == b"x"
        assert future.done()
        assert not future.cancel()
        assert not future.cancelled()
        assert future.exception() is None


def test_a_future_of_the_failure(refused_port: int) -> None:
    with NON_BLOCKING.client() as http:
        future = http.get(f"http://127.0.0.1:{refused_port}/")
        assert isinstance(future.exception(LIMIT), ConnectError)
        with pytest.raises(ConnectError, match=str(refused_port)):
            future.result()


def test_the_ways_of_waiting_for_many(scripted: ScriptedServers, refused_port: int) -> None:
    server = scripted(echo_target)
    with NON_BLOCKING.client() as http:
        futures = [http.get(f"{server.url}/{number}") for number in range(20)]
        futures.append(http.get(f"http://127.0.0.1:{refused_port}/"))
        done, rest = concurrent.futures.wait(futures, LIMIT)
        assert (len(done), len(rest)) == (21, 0)
        more = [http.get(f"{server.url}/{number}") for number in range(20)]
        assert {f.result().text for f in concurrent.futures.as_completed(more, LIMIT)} == {f"/{n}" for n in range(20)}


def test_callbacks_see_the_result_and_the_client_agrees(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x", "201 Created"))
    seen: list[tuple[int, int]] = []
    called = threading.Event()
    with NON_BLOCKING.client() as http:

        def callback(future: Future[HttpResponse]) -> None:
            seen.append((future.result().status_code, http.response_status_code))
            called.set()

        http.get(server.url).add_done_callback(callback)
        assert called.wait(LIMIT)
    assert seen == [(201, 201)]


def test_a_callback_may_make_the_next_request(scripted: ScriptedServers) -> None:
    server = scripted(echo_target)
    over = threading.Event()
    seen: list[str] = []
    with NON_BLOCKING.client(max_connections_per_origin=1) as http:

        def following(future: Future[HttpResponse]) -> None:
            seen.append(future.result().text)
            if len(seen) == 50:
                over.set()
            else:
                http.get(f"{server.url}/{len(seen)}").add_done_callback(following)

        http.get(f"{server.url}/0").add_done_callback(following)
        assert over.wait(LIMIT)
    assert seen == [f"/{number}" for number in range(50)]
    assert server.accepted == 1


def test_asyncio_waits_for_it(scripted: ScriptedServers, refused_port: int) -> None:
    server = scripted(echo_target)

    async def main(http: TgoHttpClient) -> list[object]:
        futures = [asyncio.wrap_future(http.get(f"{server.url}/{number}")) for number in range(50)]
        futures.append(asyncio.wrap_future(http.get(f"http://127.0.0.1:{refused_port}/")))
        return [
            result if isinstance(result, BaseException) else result.text
            for result in await asyncio.gather(*futures, return_exceptions=True)
        ]

    with NON_BLOCKING.client() as http:
        *texts, error = asyncio.run(main(http))
    assert texts == [f"/{number}" for number in range(50)]
    assert isinstance(error, ConnectError)


def test_asyncio_cancels_it(scripted: ScriptedServers, inbox: Inbox) -> None:
    server = scripted(hold(), aborts=True)

    async def main(http: TgoHttpClient) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(http.get(server.url)), 0.05)

    with NON_BLOCKING.client(recv_timeout=60.0) as http:
        asyncio.run(main(http))
        (message,) = inbox.wait(1)
        assert isinstance(message.error, RequestAbortedError)
    server.wait_until_finished()


# Cancelling


def test_cancelling_a_request_under_way_ends_its_connection(scripted: ScriptedServers, inbox: Inbox) -> None:
    arrived = threading.Event()

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        arrived.set()
        connection.hold()

    server = scripted(handler, aborts=True)
    with NON_BLOCKING.client(recv_timeout=60.0) as http:
        future = http.get(server.url)
        assert arrived.wait(LIMIT)
        assert future.cancel()
        assert future.cancel()
        assert future.cancelled()
        with pytest.raises(CancelledError):
            future.result(LIMIT)
        inbox.wait(1)
        server.wait_until_finished()
        done, _ = concurrent.futures.wait([future], LIMIT)
        assert done == {future}
        origin = next(iter(http._pool._origins.values()))  # type: ignore[union-attr]
        assert not origin._connections
    assert len(inbox.messages) == 1


def test_cancelling_one_that_waits_lets_the_others_through(scripted: ScriptedServers, inbox: Inbox) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            if request.target == "/first":
                arrived.set()
                connection.wait(go_on)
            connection.respond(request.target.encode())

    server = scripted(handler)
    with NON_BLOCKING.client(max_connections_per_origin=1) as http:
        first = http.get(server.url + "/first")
        assert arrived.wait(LIMIT)
        waiting = [http.get(f"{server.url}/{number}") for number in range(6)]
        for future in waiting[::2]:
            assert future.cancel()
        inbox.wait(3)
        go_on.set()
        assert first.result(LIMIT).text == "/first"
        assert [future.result(LIMIT).text for future in waiting[1::2]] == ["/1", "/3", "/5"]
    assert server.accepted == 1
    assert [message.error is None for message in inbox.wait(7)].count(True) == 4


@pytest.mark.usefixtures("no_leaks")
def test_cancelling_while_connecting(silent_port: int, inbox: Inbox) -> None:
    with NON_BLOCKING.client(connect_timeout=60.0) as http:
        future = http.get(f"http://127.0.0.1:{silent_port}/")
        assert future.cancel()
        (message,) = inbox.wait(1)
        assert isinstance(message.error, RequestAbortedError)
    assert len(inbox.messages) == 1


@pytest.mark.usefixtures("no_leaks")
def test_cancelling_at_any_moment_leaves_the_rest_working(scripted: ScriptedServers, inbox: Inbox) -> None:
    server = scripted(echo_target, aborts=True)
    with NON_BLOCKING.client(max_connections_per_origin=4) as http:
        futures = []
        for number in range(300):
            future = http.get(f"{server.url}/{number}")
            futures.append(future)
            if number % 3 == 0:
                future.cancel()
            elif number % 7 == 0:
                concurrent.futures.wait([futures[-5]], LIMIT)
        inbox.wait(300)
        for number, future in enumerate(futures):
            if not future.cancelled():
                assert future.result(LIMIT).text == f"/{number}"
        assert http.get(server.url + "/last").result(LIMIT).text == "/last"
    assert len(inbox.messages) == 301


# Messages


def test_exactly_one_message_for_each_request(scripted: ScriptedServers, inbox: Inbox, refused_port: int) -> None:
    fields = [("Content-Type", "text/plain; charset=latin-1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    server = scripted(answer(b"body", fields=fields))
    with NON_BLOCKING.client() as http:
        response = http.get(server.url).result(LIMIT)
        (message,) = inbox.wait(1)
        assert inbox.messages[0][0] is http
        assert message.http_client is http
        assert (message.response_status_code, message.response, message.error) == (200, b"body", None)
        assert message.response_content_type == "text/plain; charset=latin-1"
        assert message.response_content_charset == "latin-1"
        assert message.response_headers.get_all("set-cookie") == ["a=1", "b=2"]
        assert message.http_response is response

        error = http.get(f"http://127.0.0.1:{refused_port}/").exception(LIMIT)
        message = inbox.wait(2)[1]
        assert message.error is error
        assert isinstance(error, ConnectError)
        assert (message.response_status_code, message.response, message.http_response) == (0, b"", None)
        assert message.response_headers == TgoHttpHeaders()
    assert len(inbox.messages) == 2


def test_a_blocking_request_sends_no_message(scripted: ScriptedServers, inbox: Inbox) -> None:
    with TgoHttpClient(False) as http:
        http.get(scripted(answer()).url)
    assert inbox.messages == []


def test_redirects_and_retries_send_one_message(nginx: Nginx, inbox: Inbox) -> None:
    with NON_BLOCKING.client(max_redirects=3) as http:
        assert http.get(nginx.url("http", "/redirect/chain/2")).result(LIMIT).status_code == 200
        assert isinstance(http.get(nginx.url("http", "/redirect/loop")).exception(LIMIT), RedirectError)
    assert [message.error is None for message in inbox.wait(2)] == [True, False]


def test_a_listener_that_fails_harms_nobody(
    scripted: ScriptedServers, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", reported.append)

    def listener(sender: object, message: TgoHttpResponseMessage) -> None:
        raise ValueError("listener")

    manager = TMessageManager.default_manager
    manager.subscribe_to_message(TgoHttpResponseMessage, listener)
    try:
        with NON_BLOCKING.client() as http:
            assert http.get(scripted(answer(b"x")).url).result(LIMIT).content == b"x"
    finally:
        manager.unsubscribe(TgoHttpResponseMessage, listener)
    assert len(inbox.messages) == 1
    assert [type(report.exc_value) for report in reported] == [ValueError]


# Many


@pytest.mark.parametrize("connections", [1000, 100, 3])
@pytest.mark.usefixtures("no_leaks")
def test_a_thousand_at_once(connections: int, nginx: Nginx) -> None:
    with NON_BLOCKING.client(max_connections_per_origin=min(connections, 900)) as http:
        futures = [http.get(nginx.url("http", f"/path?{number}")) for number in range(1000)]
        for number, future in enumerate(futures):
            assert future.result(LIMIT).text == f"/path?{number}"


def test_many_over_tls_and_both_protocols(nginx: Nginx, certificates: Certificates) -> None:
    with NON_BLOCKING.client(certificates, http2=None, max_connections_per_origin=20) as http:
        futures = [
            (number, http.get(nginx.url(site, f"/path?{number}")))
            for number in range(300)
            for site in ("http", "https", "https1")
        ]
        for number, future in futures:
            assert future.result(LIMIT).text == f"/path?{number}"


def test_threads_submit_to_one_client(nginx: Nginx) -> None:
    wrong: list[object] = []
    with NON_BLOCKING.client(max_connections_per_origin=10) as http:

        def work(thread: int) -> None:
            futures = [(n, http.get(nginx.url("http", f"/path?{thread}-{n}"))) for n in range(30)]
            wrong.extend(n for n, future in futures if future.result(LIMIT).text != f"/path?{thread}-{n}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_large_bodies_both_ways_at_once(nginx: Nginx, certificates: Certificates) -> None:
    body = content("10m")[: 1 << 20]
    with NON_BLOCKING.client(certificates) as http:
        futures = [
            http.post(nginx.url(site, "/echo"), data=data, recv_timeout=30.0)
            for site in ("http", "https1") * 4
            for data in (body, iter([body[:70_000], body[70_000:]]))
        ]
        assert all(future.result(LIMIT).content == body for future in futures)


def test_a_body_that_fails_ends_its_request_only(scripted: ScriptedServers) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 200_000
        raise OSError("disk")

    server = scripted(echo_target, aborts=True)
    with NON_BLOCKING.client() as http:
        error = http.put(server.url, data=broken()).exception(LIMIT)
        assert isinstance(error, BodyError)
        assert isinstance(error.__cause__, OSError)
        assert http.get(server.url + "/next").result(LIMIT).text == "/next"
