"""What one peer says is never taken for an answer that it isn't, and what the caller keeps secret stays so.

Each test has the exact bytes. RFC 9112 section 9.3: a connection whose state isn't certain isn't used again.
"""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    HttpProtocolError,
    HttpStatusError,
    InvalidRequestError,
    InvalidUrlError,
    RemoteClosedError,
    TgoHttpClient,
)
from httpclient.trace import install
from tests.httpclient.ways import LIMIT, NON_BLOCKING, Way, both_ways
from tests.servers.scripted import answer, expect, finish, script, send, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection

OK = b"HTTP/1.1 200 OK\r\n"
REAL = OK + b"Content-Length: 4\r\n\r\nreal"
FAKE = OK + b"Content-Length: 4\r\n\r\nfake"


# Bytes that were there before the request


class Sayer:
    """A server that answers the first request, then says what nobody asked for when it is told to."""

    def __init__(self, unasked: bytes = FAKE, *, part: int = 0) -> None:
        self.say = threading.Event()
        self.said = threading.Event()
        self._unasked = unasked
        self._part = part

    def __call__(self, connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(REAL)
        connection.wait(self.say)
        if self._part:
            # The first bytes of a TLS record now, and the rest when the client has asked.
            assert connection.tls is not None
            connection.tls.tls.write(self._unasked)
            record = connection.tls._outgoing.read()
            connection.socket.sendall(record[: self._part])
            self.said.set()
            connection.receive_some()
            connection.socket.sendall(record[self._part :])
        else:
            connection.send(self._unasked)
            self.said.set()
        connection.hold()

    def speak(self) -> None:
        self.say.set()
        assert self.said.wait(LIMIT)


@both_ways
@pytest.mark.parametrize("part", [0, 1, 4, 5, 20])
def test_tls_records_before_the_request(
    way: Way, part: int, scripted: ScriptedServers, certificates: Certificates
) -> None:
    """Also a record that is there in part, whose rest would arrive when an answer is due."""
    sayer = Sayer(part=part)
    server = scripted([sayer, answer(b"real")], tls=tls_context(certificates.server), aborts=True)
    with way.client(certificates) as http:
        assert way.get(http, server.url).content == b"real"
        sayer.speak()
        assert way.get(http, server.url).content == b"real"
    assert server.accepted == 2


@both_ways
@pytest.mark.parametrize("unasked", [FAKE, b"\r\n", b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 408 x\r\n\r\n"])
def test_what_was_said_while_the_body_was_made(way: Way, unasked: bytes, scripted: ScriptedServers) -> None:
    """The connection was fine when it was chosen; the body's source takes its time, and nothing has been sent yet."""
    sayer = Sayer(unasked)
    server = scripted([sayer, answer(b"real")], aborts=True)

    class Slow:
        def __iter__(self) -> Iterator[bytes]:
            sayer.speak()
            yield b"body"

    with way.client() as http:
        assert way.get(http, server.url).content == b"real"
        # It can be read again, so the request is made again, on another connection.
        assert way.request(http, "POST", server.url, data=Slow()).content == b"real"
    assert server.accepted == 2
    assert server.connections[1].received.endswith(b"\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
    assert b"POST" not in server.connections[0].received


@both_ways
def test_what_was_said_while_a_body_was_made_that_is_gone(way: Way, scripted: ScriptedServers) -> None:
    sayer = Sayer()
    server = scripted([sayer], aborts=True)

    def slow() -> Iterator[bytes]:
        sayer.speak()
        yield b"body"

    with way.client() as http:
        assert way.get(http, server.url).content == b"real"
        error = way.fail(http, "POST", server.url, data=slow())
    assert isinstance(error, RemoteClosedError)
    assert "before the request was sent" in str(error)


def test_what_was_said_before_the_connection_went_to_who_waits(scripted: ScriptedServers) -> None:
    """The next request waits for the connection, and gets it in the moment in which the first one is over."""
    sayer = Sayer()
    server = scripted([sayer, answer(b"real")], aborts=True)
    pieces: list[bytes] = []

    def on_recv(client: TgoHttpClient, data: bytes) -> None:
        pieces.append(data)
        if len(pieces) == 1:
            sayer.speak()

    with NON_BLOCKING.client(max_connections_per_origin=1) as http:
        http.on_recv = on_recv
        first, second = http.get(server.url + "/1"), http.get(server.url + "/2")
        assert first.result(LIMIT).content == b"real"
        assert second.result(LIMIT).content == b"real"
    assert pieces == [b"real", b"real"]
    assert server.accepted == 2


@both_ways
def test_a_new_connection_may_speak_first(way: Way, scripted: ScriptedServers) -> None:
    """Nobody else's answer can be in it, and servers that are full say so before they have read anything."""
    server = scripted(script(send(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n"), expect(b"\r\n\r\n"), finish()))
    with way.client() as http:
        assert way.get(http, server.url).status_code == 503


# Bytes after the response


@both_ways
@pytest.mark.parametrize(
    ("method", "response", "body"),
    [
        ("GET", REAL + FAKE, b"real"),
        ("GET", REAL + b"\r\n", b"real"),
        ("GET", REAL + b"x", b"real"),
        ("HEAD", OK + b"Content-Length: 4\r\n\r\nfake", b""),
        ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfake\r\n0\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 x\r\nContent-Length: 4\r\n\r\nfake", b""),
        ("GET", b"HTTP/1.1 204 x\r\n\r\nfake", b""),
        ("GET", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nreal\r\n0\r\n\r\n0\r\n\r\n", b"real"),
        ("GET", OK + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nreal\r\n0\r\n\r\n", b"real"),
        ("GET", b"HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nreal\r\n0\r\n\r\n", b"real"),
        ("GET", b"HTTP/1.0 200 x\r\nContent-Length: 4\r\n\r\nreal", b"real"),
        ("GET", OK + b"Connection: x, Close\r\nContent-Length: 4\r\n\r\nreal", b"real"),
        ("GET", b"HTTP/1.1 204 x\r\nContent-Length: 4\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nfake", b""),
        ("CONNECT", OK + b"Content-Length: 4\r\n\r\nfake", b""),
    ],
)
def test_a_connection_in_doubt_is_not_used_again(
    way: Way, method: str, response: bytes, body: bytes, scripted: ScriptedServers
) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(response)
        assert connection.receive_all() == b""

    server = scripted([handler, answer(b"other")], aborts=True)
    with way.client() as http:
        assert way.request(http, method, server.url).content == body
        assert way.get(http, server.url).content == b"other"


@both_ways
@pytest.mark.parametrize(
    ("method", "response"),
    [
        ("HEAD", OK + b"Content-Length: 4\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 x\r\nContent-Length: 4\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.0 200 x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
        ("GET", OK + b"Content-Length: 0, 0\r\n\r\n"),
        ("GET", OK + b"Transfer-Encoding: chunked\r\n\r\n0;x=y\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"),
    ],
)
def test_a_connection_without_doubt_is(way: Way, method: str, response: bytes, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(response)
        assert connection.receive_request()
        connection.send(REAL)
        connection.hold()

    server = scripted([handler])
    with way.client() as http:
        first = way.request(http, method, server.url)
        assert first.content == b""
        # What stands in a trailer section stays there, whatever it is (RFC 9110 section 6.5.1).
        assert first.headers.get("connection") in {None, "keep-alive"}
        assert way.get(http, server.url).content == b"real"


@both_ways
@pytest.mark.parametrize("value", ["close", "Close", "x, close", " CLOSE ,x"])
def test_a_request_that_asks_for_the_end_is_the_last(way: Way, value: str, scripted: ScriptedServers) -> None:
    """RFC 9112 section 9.6, whatever the server answers."""

    def handler(connection: Connection) -> None:
        request = connection.receive_request()
        assert request
        assert request.value("Connection") == value.strip()
        connection.send(REAL)
        assert connection.receive_all() == b""

    server = scripted([handler, handler, answer(b"other")])
    with way.client() as http:
        assert way.get(http, server.url, headers={"Connection": value}).content == b"real"
        http.request_headers["connection"] = value
        assert way.get(http, server.url).content == b"real"
        http.request_headers["connection"] = "disclose, closed"
        assert way.get(http, server.url).content == b"other"


@both_ways
@pytest.mark.parametrize("fields", ["", "Connection: close\r\n"])
@pytest.mark.parametrize("status", ["200", "413"])
def test_an_answer_before_the_end_of_the_body(way: Way, status: str, fields: str, scripted: ScriptedServers) -> None:
    """The rest of the body isn't sent, or sent in vain; either way nothing else follows on that connection."""
    answered = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_until(b"5\r\nfirst\r\n")
        connection.send(f"HTTP/1.1 {status} x\r\n{fields}Content-Length: 4\r\n\r\nreal".encode())
        answered.set()
        rest = connection.receive_all()
        assert b"GET" not in rest

    def body() -> Iterator[bytes]:
        yield b"first"
        assert answered.wait(LIMIT)
        yield b"second"
        yield b"third"

    server = scripted([handler, answer(b"other")], aborts=True)
    with way.client() as http:
        response = way.request(http, "POST", server.url, data=body())
        assert (response.status_code, response.content) == (int(status), b"real")
        assert way.get(http, server.url).content == b"other"


# What the caller keeps secret

SECRET = "s3cr3t"


@both_ways
@pytest.mark.parametrize(
    "field",
    [
        b"Set-Cookie: id=s3cr3t\x00",
        b"Set-Cookie: id=s3cr3t\x01",
        b"Set-Cookie : id=s3cr3t",
        b"Set-Cookie: id=s3cr3t\rx",
        b"Set Cookie: id=s3cr3t",
        b"Set-Cookie: id=s3cr3t\nx: y",
    ],
)
@pytest.mark.parametrize("where", ["head", "trailers"])
def test_a_cookie_that_is_no_field_is_not_shown(way: Way, where: str, field: bytes, scripted: ScriptedServers) -> None:
    head = OK + field + b"\r\n\r\n"
    if where == "trailers":
        head = OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + field + b"\r\n\r\n"
    server = scripted(script(expect(b"\r\n\r\n"), send(head)), aborts=True)
    with way.client() as http:
        error = way.fail(http, "GET", server.url)
    assert isinstance(error, HttpProtocolError)
    assert "Set" in str(error)
    assert SECRET not in f"{error} {error!r} {error.args}"


@both_ways
def test_messages_are_printable(way: Way, scripted: ScriptedServers) -> None:
    """Bytes of obs-text may be commands of a terminal (0x9B is one), and a message ends up on one."""
    server = scripted(answer(b"", status="404 \x9b2J\x9bgone"))
    with way.client() as http:
        response = way.get(http, server.url)
    assert response.reason == "\x9b2J\x9bgone"
    with pytest.raises(HttpStatusError) as caught:
        response.raise_for_status()
    assert "gone" in str(caught.value)
    assert str(caught.value).isprintable()


@both_ways
@pytest.mark.parametrize("status", ["100", "102", "103", "199"])
def test_interim_responses_without_end(way: Way, status: str, scripted: ScriptedServers) -> None:
    """A server can't keep a client reading: the seventeenth is one too many, whatever comes after it."""
    seen: list[int] = []

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        while True:
            connection.send(f"HTTP/1.1 {status} x\r\n\r\n".encode())

    server = scripted(handler, aborts=True)
    with way.client() as http:
        http.on_informational = lambda client, head: seen.append(head.status)
        error = way.fail(http, "GET", server.url)
    assert isinstance(error, HttpProtocolError)
    assert "16 informational" in str(error)
    assert seen == [int(status)] * 16


@both_ways
@pytest.mark.parametrize("together", [True, False])
def test_surplus_in_a_tls_record_of_its_own(
    way: Way, together: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    """Read ahead by OpenSSL, where no look at the socket shows it; or with the response in one record."""

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        assert connection.tls
        for data in (REAL + FAKE,) if together else (REAL, FAKE):
            connection.tls.tls.write(data)
        connection.socket.sendall(connection.tls._outgoing.read())
        connection.hold()

    server = scripted(handler, tls=tls_context(certificates.server), aborts=True)
    with way.client(certificates) as http:
        for _ in range(5):
            assert way.get(http, server.url).content == b"real"
    assert server.accepted == 5


@both_ways
def test_secrets_are_in_no_trace_and_no_representation(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"", fields=[("Set-Cookie", f"id={SECRET}"), ("WWW-Authenticate", "Basic")]))
    output = io.StringIO()
    stop = install(output)
    try:
        with way.client() as http:
            http.user_name, http.password = "user", SECRET
            http.cookies = [f"id={SECRET}"]
            http.request_headers["Proxy-Authorization"] = f"Bearer {SECRET}"
            url = server.url.replace("//", f"//user:{SECRET}@")
            response = way.get(http, url, headers={"Authorization": f"Bearer {SECRET}"})
            shown = [response, response.request, response.headers, http.request_headers, http, response.request.uri]
            shown += list(response.headers.headers)
            with pytest.raises(InvalidRequestError) as caught:
                http.get(url, headers={"Authorization": f"Bearer {SECRET}\x00"})
            shown += [caught.value, str(caught.value)]
            with pytest.raises(InvalidRequestError) as caught:
                http.get(url, headers={f"Authorization: Bearer {SECRET}": ""})
            shown += [caught.value, str(caught.value)]
            http.cookies = [f"id={SECRET}\r\n"]
            with pytest.raises(InvalidRequestError) as caught:
                http.get(url)
            shown += [caught.value, str(caught.value)]
    finally:
        stop()
    assert SECRET in server.connections[0].received.decode()
    assert "GET" in output.getvalue()
    assert SECRET not in output.getvalue()
    assert SECRET not in repr(shown)
    assert response.headers["set-cookie"] == f"id={SECRET}"


# What may not be sent

INJECTIONS = ["a\r\nX: y", "a\nX: y", "a\rX: y", "a\x00", "a\x0b", "a\x7f", "\r\n\r\nGET /x HTTP/1.1\r\n\r\n"]


def _set_header(http: TgoHttpClient, text: str) -> dict[str, Any]:
    http.request_headers["X-A"] = text
    return {}


def _set_header_name(http: TgoHttpClient, text: str) -> dict[str, Any]:
    http.request_headers[text] = "x"
    return {}


def _setter(name: str) -> Callable[[TgoHttpClient, str], dict[str, Any]]:
    def set_it(http: TgoHttpClient, text: str) -> dict[str, Any]:
        setattr(http, name, [text] if name == "cookies" else text)
        return {}

    return set_it


INPUTS: dict[str, Callable[[TgoHttpClient, str], dict[str, Any]]] = {
    "headers": lambda http, text: {"headers": {"X-A": text}},
    "headers, a pair": lambda http, text: {"headers": [("X-A", text)]},
    "headers, bytes": lambda http, text: {"headers": {"X-A": text.encode()}},
    "headers, the name": lambda http, text: {"headers": {text: "x"}},
    "Host": lambda http, text: {"headers": {"Host": text}},
    "Content-Length": lambda http, text: {"headers": {"Content-Length": text}, "data": b"x"},
    "Transfer-Encoding": lambda http, text: {"headers": {"Transfer-Encoding": text}, "data": b"x"},
    "Connection": lambda http, text: {"headers": {"Connection": text}},
    "Expect": lambda http, text: {"headers": {"Expect": text}, "data": b"x"},
    "method": lambda http, text: {"method": text},
    "url, the path": lambda http, text: {"path": "/" + text},
    "url, the query": lambda http, text: {"path": "/?" + text},
    "url, the host": lambda http, text: {"host": text},
    "request_headers": _set_header,
    "request_headers, the name": _set_header_name,
    **{name: _setter(name) for name in ("user_agent", "range", "authorization", "content_type", "cookies")},
}


@pytest.mark.parametrize("http2", [None, True, False])
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_are_refused_before_there_is_a_connection(
    name: str, text: str, http2: bool | None, scripted: ScriptedServers
) -> None:
    server = scripted(answer())
    with TgoHttpClient(http2) as http:
        options = INPUTS[name](http, text)
        method = options.pop("method", "GET")
        host = options.pop("host", f"127.0.0.1:{server.port}")
        url = f"http://{host}{options.pop('path', '/')}"
        if name == "content_type":
            options["data"] = b"x"
        with pytest.raises((InvalidRequestError, InvalidUrlError)):
            http.request(method, url, **options)
    assert server.accepted == 0


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("part", ["user_name", "password", "auth"])
def test_user_names_and_passwords_have_no_controls(part: str, text: str, scripted: ScriptedServers) -> None:
    """RFC 7617 section 2, although Base64 would make one token of them."""
    server = scripted(answer())
    with TgoHttpClient(False) as http:
        http.user_name = "user"
        with pytest.raises(InvalidRequestError) as caught:
            if part == "auth":
                http.get(server.url, auth=("user", text))
            else:
                setattr(http, part, text)
                http.get(server.url)
    assert server.accepted == 0
    assert "X: y" not in str(caught.value)


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("part", ["params", "form", "cookies", "cookie names", "a file's name", "a file's type"])
def test_what_is_coded_brings_nothing_along(part: str, text: str, scripted: ScriptedServers) -> None:
    """Parameters, forms and files are coded, cookies refused or dropped: there is one request in any case."""
    inputs: dict[str, dict[str, Any]] = {
        "params": {"params": {"a": text, text: "b"}},
        "form": {"data": {"a": text, text: "b"}},
        "cookies": {"cookies": {"a": text}},
        "cookie names": {"cookies": {text: "a"}},
        "a file's name": {"files": {"a": (text, b"x"), text: ("b", b"x")}},
        "a file's type": {"files": {"a": ("b", b"x", text)}},
    }
    options = inputs[part]
    server = scripted(answer())
    with TgoHttpClient(False) as http:
        try:
            http.post(server.url, **options)
        except (InvalidRequestError, ValueError):
            assert server.accepted == 0
            return
    received = bytes(server.connections[0].received)
    head = received.partition(b"\r\n\r\n")[0]
    assert b"X: y" not in head.replace(b"\r\n", b"\n").split(b"\n")
    assert received.count(b"HTTP/1.1\r\n") == 1
    assert not any(byte < 32 and byte not in b"\r\n" for byte in head)
    assert head.count(b"\n") == head.count(b"\r\n") == head.count(b"\r")


@both_ways
@pytest.mark.parametrize("text", INJECTIONS[:4])
def test_a_location_brings_nothing_along(way: Way, text: str, scripted: ScriptedServers) -> None:
    """A CR or LF ends the line or is refused, and what else may not stand in a URL is percent-encoded or refused."""
    server = scripted(script(expect(b"\r\n\r\n"), send(b"HTTP/1.1 302 x\r\nContent-Length: 0\r\nLocation: /" + text.encode() + b"\r\n\r\n"), expect(b"\r\n\r\n"), send(REAL)), aborts=True)  # fmt: skip  # noqa: E501
    with way.client(recv_timeout=5.0) as http:
        try:
            way.get(http, server.url)
        except (HttpProtocolError, InvalidUrlError, RemoteClosedError):
            pass
    for connection in server.connections:
        assert b"X: y" not in connection.received
