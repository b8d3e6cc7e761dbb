"""Many exchanges on one HTTP/2 connection: sharing, roles, limits in time, and every way it can end."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    Http2ConnectionError,
    Http2StreamError,
    HttpTlsError,
    ReceiveTimeoutError,
    RemoteClosedError,
    RequestAbortedError,
    TgoHttpClient,
)
from tests.servers.http2 import ErrorCodes, Http2Session, SettingCodes, answer

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import Http2Servers
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.nginx import Nginx


def blocking(certificates: Certificates | None = None, **options: Any) -> TgoHttpClient:
    ca_file = str(certificates.ca_file) if certificates else None
    return TgoHttpClient(True, ca_file=ca_file, **options)


def non_blocking(certificates: Certificates | None = None, **options: Any) -> TgoHttpClient:
    ca_file = str(certificates.ca_file) if certificates else None
    return TgoHttpClient(True, False, ca_file=ca_file, **options)


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.usefixtures("no_leaks")
def test_one_connection_serves_many_requests(
    tls: bool, nghttpd: Nghttpd, nghttpd_clear: Nghttpd, certificates: Certificates
) -> None:
    server = nghttpd if tls else nghttpd_clear
    with blocking(certificates) as http:
        for _ in range(5):
            response = http.get(server.url + "/1k")
            assert (response.status_code, response.http_version, len(response.content)) == (200, "2", 1024)
        (origin,) = http._pool._origins.values()  # type: ignore[union-attr]
        assert origin._http2 is not None
        assert origin._http2.uses == 5


@pytest.mark.usefixtures("no_leaks")
def test_threads_share_one_connection(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(echo_path)
    bodies: dict[str, bytes] = {}

    def fetch(number: int) -> None:
        for turn in range(20):
            path = f"/{number}-{turn}"
            bodies[path] = http.get(server.url + path).content

    with blocking() as http:
        threads = [threading.Thread(target=fetch, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bodies == {path: path.encode() * 100 for path in bodies}
    assert len(bodies) == 320
    assert server.accepted == 1


def echo_path(session: Http2Session) -> None:
    while (request := session.receive_request()) is not None:
        session.respond(request.stream_id, (request.value(":path") or "").encode() * 100)


@pytest.mark.usefixtures("no_leaks")
def test_blocking_and_non_blocking_requests_share_one_connection(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(echo_path)
    with TgoHttpClient(True) as http, TgoHttpClient(True, False) as later:
        later._pool = http._open_pool()
        futures = [later.get(f"{server.url}/f{number}") for number in range(200)]
        for number in range(100):
            assert http.get(f"{server.url}/b{number}").content == b"/b%d" % number * 100
        assert [future.result(10).content for future in futures] == [b"/f%d" % number * 100 for number in range(200)]
        later._pool = None
    assert server.accepted == 1


@pytest.mark.usefixtures("no_leaks")
def test_requests_beyond_the_peers_limit_wait(http2_scripted: Http2Servers) -> None:
    open_now: list[int] = []
    most = 0

    def handler(session: Http2Session) -> None:
        nonlocal most
        first = session.receive_head()
        assert first is not None
        session.respond(first.stream_id, b"done")
        for _ in range(10):
            heads = [session.receive_head() for _ in range(2)]
            for head in heads:
                assert head is not None
                open_now.append(head.stream_id)
            most = max(most, len(open_now))
            for head in heads:
                assert head is not None
                open_now.remove(head.stream_id)
                session.respond(head.stream_id, b"done")
        while session.receive_head():
            pass

    server = http2_scripted(handler, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    with non_blocking() as http:
        http.get(server.url).result(10)  # from here on the limit is known
        futures = [http.get(server.url) for _ in range(20)]
        assert {future.result(10).content for future in futures} == {b"done"}
    assert most == 2
    assert server.accepted == 1


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_a_thousand_requests_at_once(nginx: Nginx, certificates: Certificates) -> None:
    url = nginx.url("https", "/1k")
    with TgoHttpClient(None, False, ca_file=str(certificates.ca_file)) as http:
        futures = [http.get(url) for _ in range(1000)]
        wait(futures, 30)
        digests = {hashlib.sha256(future.result(0).content).digest() for future in futures}
        assert len(digests) == 1
        assert {future.result(0).http_version for future in futures} == {"2"}


def test_a_reset_stream_is_an_error_and_harms_no_other(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        first = session.receive_head()
        assert first is not None
        session.reset_stream(first.stream_id, ErrorCodes.INTERNAL_ERROR)
        second = session.receive_head()
        assert second is not None
        session.respond(second.stream_id, b"fine")
        session.receive_head()

    server = http2_scripted(handler)
    with blocking() as http:
        with pytest.raises(Http2StreamError, match="INTERNAL_ERROR") as caught:
            http.get(server.url)
        assert caught.value.error_code == ErrorCodes.INTERNAL_ERROR
        assert server.url in str(caught.value)
        assert http.get(server.url).content == b"fine"
    assert server.accepted == 1


@pytest.mark.parametrize("way", ["blocking", "non-blocking"])
def test_a_refused_stream_is_tried_again(way: str, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        first = session.receive_request()
        assert first is not None
        session.reset_stream(first.stream_id, ErrorCodes.REFUSED_STREAM)
        second = session.receive_request()
        assert second is not None
        assert second.body == b"precious"
        session.respond(second.stream_id, b"accepted")
        session.receive_head()

    server = http2_scripted(handler)
    if way == "blocking":
        with blocking() as http:
            assert http.post(server.url, data=b"precious").content == b"accepted"
    else:
        with non_blocking() as http:
            assert http.post(server.url, data=b"precious").result(10).content == b"accepted"


@pytest.mark.parametrize("way", ["blocking", "non-blocking"])
def test_what_goaway_excludes_goes_to_a_new_connection(way: str, http2_scripted: Http2Servers) -> None:
    connections = 0

    def handler(session: Http2Session) -> None:
        nonlocal connections
        connections += 1
        head = session.receive_head()
        assert head is not None
        if connections == 1:
            session.go_away(0)
        else:
            session.respond(head.stream_id, b"second connection")
        while session.receive_head():
            pass

    server = http2_scripted(handler)
    if way == "blocking":
        with blocking() as http:
            assert http.post(server.url, data=b"x").content == b"second connection"
    else:
        with non_blocking() as http:
            assert http.post(server.url, data=b"x").result(10).content == b"second connection"


def test_goaway_lets_what_the_peer_has_finish(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        session.go_away(head.stream_id)
        session.respond(head.stream_id, b"finished")
        while session.receive_head():
            pass

    server = http2_scripted(handler)
    with blocking() as http:
        assert http.get(server.url).content == b"finished"
        assert http.get(server.url).content == b"finished"
    assert server.accepted == 2


@pytest.mark.usefixtures("no_leaks")
def test_a_broken_connection_ends_every_request_on_it(http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        for _ in range(3):
            session.receive_head()
        session.send_frame(0x0, 0, 0, b"DATA on stream 0 is a connection error")
        while session.receive_head():
            pass

    server = http2_scripted(handler)
    with non_blocking() as http:
        futures = [http.get(f"{server.url}/{number}") for number in range(3)]
        for number, future in enumerate(futures):
            error = future.exception(10)
            assert isinstance(error, Http2ConnectionError)
            assert f"{server.url}/{number}" in str(error)


@pytest.mark.parametrize("way", ["blocking", "non-blocking"])
@pytest.mark.usefixtures("no_leaks")
def test_the_server_closing_mid_response_is_an_error_at_once(way: str, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_head()
        assert head is not None
        session.send_headers(head.stream_id, [(":status", "200")])
        session.send_data(head.stream_id, b"half")

    server = http2_scripted(handler)
    if way == "blocking":
        with blocking(recv_timeout=60) as http, pytest.raises(RemoteClosedError):
            http.get(server.url)
    else:
        with non_blocking(recv_timeout=60) as http:
            assert isinstance(http.get(server.url).exception(10), RemoteClosedError)


@pytest.mark.parametrize("way", ["blocking", "non-blocking"])
@pytest.mark.usefixtures("no_leaks")
def test_silence_ends_one_stream_and_not_the_others(way: str, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        while (head := session.receive_head()) is not None:
            if head.value(":path") != "/silent":
                session.respond(head.stream_id, b"spoken")

    server = http2_scripted(handler)
    if way == "blocking":
        with blocking() as http:
            with pytest.raises(ReceiveTimeoutError):
                http.get(server.url + "/silent", recv_timeout=0.1)
            assert http.get(server.url + "/other").content == b"spoken"
    else:
        with non_blocking() as http:
            silent = http.get(server.url + "/silent", recv_timeout=0.1)
            assert http.get(server.url + "/other").result(10).content == b"spoken"
            assert isinstance(silent.exception(10), ReceiveTimeoutError)
    assert server.accepted == 1


@pytest.mark.usefixtures("no_leaks")
def test_a_slow_reader_holds_up_nobody_else(http2_scripted: Http2Servers) -> None:
    size = 4 << 20

    def handler(session: Http2Session) -> None:
        pending = {}
        while (head := session.receive_head()) is not None:
            if head.value(":path") == "/big":
                session.send_headers(head.stream_id, [(":status", "200")])
                pending[head.stream_id] = True
                window = session.h2.local_flow_control_window(head.stream_id)
                session.send_data(head.stream_id, bytes(min(size, window)))
            else:
                session.respond(head.stream_id, b"quick")

    server = http2_scripted(handler)
    with blocking() as http:
        with http.stream("GET", server.url + "/big") as response:
            assert http.get(server.url + "/small").content == b"quick"
            pieces = response.iter_bytes()
            assert len(next(pieces)) > 0
            assert http.get(server.url + "/small").content == b"quick"
        assert http.get(server.url + "/small").content == b"quick"
    assert server.accepted == 1


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_large_bodies_both_ways(nginx: Nginx, certificates: Certificates) -> None:
    with TgoHttpClient(ca_file=str(certificates.ca_file)) as http:
        body = http.get(nginx.url("https", "/10m")).content
        assert len(body) == 10 * 1024 * 1024
        with http.stream("GET", nginx.url("https", "/10m")) as response:
            streamed = hashlib.sha256()
            for piece in response.iter_bytes():
                streamed.update(piece)
        assert streamed.digest() == hashlib.sha256(body).digest()


def test_an_upload_waits_for_credit(http2_scripted: Http2Servers) -> None:
    data = bytes(range(256)) * 2000

    def handler(session: Http2Session) -> None:
        while (request := session.receive_request()) is not None:
            session.respond(request.stream_id, hashlib.sha256(request.body).hexdigest().encode())

    server = http2_scripted(handler, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    expected = hashlib.sha256(data).hexdigest()
    pieces = [data[start : start + 999] for start in range(0, len(data), 999)]
    with blocking() as http:
        http.get(server.url)  # from here on the small window is known
        assert http.post(server.url, data=data).text == expected
        assert http.post(server.url, data=iter(pieces)).text == expected
    with non_blocking() as http:
        http.get(server.url).result(10)
        assert http.post(server.url, data=data).result(10).text == expected
        assert http.post(server.url, data=iter(pieces)).result(10).text == expected


@pytest.mark.usefixtures("no_leaks")
def test_closing_the_client_ends_what_is_under_way(http2_scripted: Http2Servers) -> None:
    arrived = threading.Event()

    def handler(session: Http2Session) -> None:
        for _ in range(2):
            session.receive_head()
        arrived.set()
        session.receive_head()

    server = http2_scripted(handler)
    errors: list[BaseException] = []

    def fetch() -> None:
        try:
            http.get(server.url, recv_timeout=60)
        except RequestAbortedError as error:
            errors.append(error)

    http = blocking()
    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert arrived.wait(10)
    http.close()
    for thread in threads:
        thread.join(10)
    assert len(errors) == 2

    arrived.clear()
    later = non_blocking()
    futures = [later.get(server.url, recv_timeout=60) for _ in range(2)]
    assert arrived.wait(10)
    later.close()
    assert [type(future.exception(10)) for future in futures] == [RequestAbortedError] * 2


def test_cancelling_a_future_resets_its_stream_only(http2_scripted: Http2Servers) -> None:
    started = threading.Event()
    go_on = threading.Event()

    def handler(session: Http2Session) -> None:
        first, second = session.receive_head(), session.receive_head()
        assert first is not None
        assert second is not None
        started.set()
        session.pump()  # RST_STREAM
        assert go_on.wait(10)
        session.respond(second.stream_id, b"unharmed")
        session.receive_head()

    server = http2_scripted(handler)
    with non_blocking() as http:
        first, second = http.get(server.url), http.get(server.url)
        assert started.wait(10)
        assert first.cancel()
        go_on.set()
        assert second.result(10).content == b"unharmed"
        assert first.cancelled()


def test_a_peer_without_http2_is_refused_where_it_must_be_and_served_where_it_may(
    nginx: Nginx, certificates: Certificates
) -> None:
    url = nginx.url("https1", "/1k")
    with blocking(certificates) as http, pytest.raises(HttpTlsError, match=r"ALPN|protocol"):
        http.get(url)
    with TgoHttpClient(ca_file=str(certificates.ca_file)) as http:
        assert http.get(url).http_version == "1.1"


def test_prior_knowledge_only_where_it_is_asked_for(nginx: Nginx, nghttpd_clear: Nghttpd) -> None:
    with TgoHttpClient() as http:
        assert http.get(nginx.url("http", "/1k")).http_version == "1.1"
    with TgoHttpClient(True) as http:
        assert http.get(nghttpd_clear.url + "/1k").http_version == "2"


def test_the_same_request_means_the_same_over_either_protocol(http2_scripted: Http2Servers) -> None:
    seen = []

    def handler(session: Http2Session) -> None:
        request = session.receive_request()
        assert request is not None
        seen.append(dict(request.fields))
        session.respond(request.stream_id, b"")
        session.receive_head()

    server = http2_scripted(handler)
    with blocking() as http:
        http.user_agent = "Tester/1"
        http.range = "bytes=0-9"
        http.content_type = "text/plain"
        http.cookies = ["a=1", "b=2"]
        http.user_name, http.password = "me", "secret"
        http.request_headers["X-Mixed-Case"] = "kept"
        http.post(server.url + "/path?query=1", data="täxt")
    (fields,) = seen
    assert fields[":path"] == "/path?query=1"
    assert fields[":authority"] == server.url.removeprefix("http://")
    assert "host" not in fields
    assert fields["user-agent"] == "Tester/1"
    assert fields["range"] == "bytes=0-9"
    assert fields["content-type"] == "text/plain"
    assert fields["content-length"] == "5"
    assert fields["cookie"] == "a=1; b=2"
    assert fields["authorization"].startswith("Basic ")
    assert fields["x-mixed-case"] == "kept"


def test_incremental_over_http2(nginx: Nginx, certificates: Certificates) -> None:
    received = bytearray()

    def on_recv(client: TgoHttpClient, data: bytes) -> bool:
        received.extend(data)
        return False

    for is_blocking in (True, False):
        received.clear()
        with TgoHttpClient(True, is_blocking, ca_file=str(certificates.ca_file)) as http:
            http.on_recv = on_recv
            result = http.get(nginx.url("https", "/10m"))
            response = result if is_blocking else result.result(10)
            assert response.content == b""
            assert len(received) == 10 * 1024 * 1024


def test_answers_of_a_simple_server(http2_scripted: Http2Servers) -> None:
    server = http2_scripted(answer(b"body", 404, [("x-a", "1"), ("x-a", "2")]))
    with blocking() as http:
        response = http.get(server.url)
        assert response.status_code == 404
        assert response.headers.get_all("X-A") == ["1", "2"]
        assert response.reason == "Not Found"


def test_an_error_of_the_users_own_event_reaches_the_caller(nginx: Nginx, certificates: Certificates) -> None:
    def on_recv(client: TgoHttpClient, data: bytes) -> None:
        raise LookupError("mine")

    with blocking(certificates) as http:
        http.on_recv = on_recv
        with pytest.raises(LookupError, match="mine"):
            http.get(nginx.url("https", "/1k"))
        http.on_recv = None
        assert http.get(nginx.url("https", "/1k")).ok
