"""What a client sends and what it makes of the answers: the same, blocking or not."""

from __future__ import annotations

import base64
import gzip
import io
import threading
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    ClientClosedError,
    HttpResponse,
    InvalidRequestError,
    InvalidUrlError,
    TgoHttpClient,
    TgoHttpClientState,
)
from httpclient.content.decoding import accept_encoding
from httpclient.settings import DEFAULT_USER_AGENT
from tests.httpclient.ways import BLOCKING, Way, both_ways
from tests.servers.files import content
from tests.servers.nginx import PASSWORD, USER
from tests.servers.scripted import answer, script, send

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection, Request
    from tests.servers.nginx import Nginx

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "brew"]


class Recorder:
    """A handler that keeps every request, and answers each in the same way."""

    def __init__(
        self, body: bytes = b"ok", status: str = "200 OK", fields: list[tuple[str, str]] | None = None
    ) -> None:
        self.requests: list[Request] = []
        self._answer = body, status, fields or []

    def __call__(self, connection: Connection) -> None:
        while request := connection.receive_request():
            self.requests.append(request)
            body, status, fields = self._answer
            connection.respond(b"" if request.method == "HEAD" else body, status, fields)

    @property
    def last(self) -> Request:
        return self.requests[-1]


# Methods


@both_ways
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("no_leaks")
def test_any_method(way: Way, method: str, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    with way.client() as http:
        response = way.request(http, method, scripted(recorder).url + "/path?query")
    assert (response.status_code, response.method) == (200, method)
    assert (recorder.last.method, recorder.last.target, recorder.last.version) == (method, "/path?query", "HTTP/1.1")
    assert response.content == (b"" if method == "HEAD" else b"ok")


@both_ways
@pytest.mark.parametrize("method", METHODS[:7])
def test_the_methods_of_the_original_and_patch(way: Way, method: str, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    with way.client() as http:
        response = way.result(getattr(http, method.lower())(scripted(recorder).url))
    assert recorder.last.method == response.method == method


@both_ways
def test_time_limits_can_be_given_in_the_order_of_the_original(way: Way, scripted: ScriptedServers) -> None:
    with way.client() as http:
        assert way.result(http.get(scripted(answer(b"x")).url, 5.0, 5.0)).content == b"x"


@both_ways
@pytest.mark.parametrize("site", ["http", "https", "https1"])
@pytest.mark.parametrize("http2", [None, False])
def test_real_servers(
    way: Way, site: str, http2: bool | None, nginx: Nginx, certificates: Certificates
) -> None:
    with way.client(certificates, http2=http2) as http:
        for name in ("1k", "100k", "10m"):
            response = way.get(http, nginx.url(site, f"/{name}"))
            assert response.content == content(name)
        assert response.http_version == ("2" if site == "https" and http2 is None else "1.1")
        assert response.url == nginx.url(site, "/10m")
        assert response.peer == f"127.0.0.1:{nginx.port(site)}"
        assert bool(response.tls_description) == (site != "http")
        assert response.elapsed > 0


# What is sent (H5, H6)


@both_ways
def test_the_fields_of_a_plain_request(way: Way, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    server = scripted(recorder)
    with way.client() as http:
        way.get(http, server.url)
    assert recorder.last.fields == [
        ("Host", f"127.0.0.1:{server.port}"),
        ("User-Agent", DEFAULT_USER_AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", accept_encoding()),
    ]


@both_ways
@pytest.mark.parametrize(
    ("method", "length"),
    [("GET", None), ("HEAD", None), ("OPTIONS", None), ("DELETE", None), ("POST", "0"), ("PUT", "0"), ("PATCH", "0")],
)
def test_the_length_of_no_body(way: Way, method: str, length: str | None, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    with way.client() as http:
        way.request(http, method, scripted(recorder).url)
    assert recorder.last.value("Content-Length") == length


@both_ways
@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"bytes", b"bytes"),
        (b"", b""),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
        ("Grüße, 世界", "Grüße, 世界".encode()),
        (io.BytesIO(b"file"), b"file"),
        ([b"a", b"", b"bc"], b"abc"),
        (("t", b"uple"), b"tuple"),
    ],
)
def test_bodies_with_a_length(way: Way, data: object, sent: bytes, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    if isinstance(data, io.BytesIO):
        data.seek(0)
    with way.client() as http:
        way.request(http, "POST", scripted(recorder).url, data=data)
    assert recorder.last.body == sent
    assert recorder.last.value("Content-Length") == str(len(sent))
    assert recorder.last.value("Transfer-Encoding") is None


@both_ways
def test_a_body_without_a_length_is_sent_chunked(way: Way, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    pieces = [bytes([number]) * (number * 1000) for number in range(100)]
    with way.client() as http:
        way.request(http, "PUT", scripted(recorder).url, data=iter(pieces))
        way.request(http, "PUT", scripted(recorder).url, data=iter([]))
    assert recorder.requests[0].body == b"".join(pieces)
    assert recorder.requests[0].value("Transfer-Encoding") == "chunked"
    assert recorder.requests[0].value("Content-Length") is None
    assert recorder.requests[1].body == b""


@both_ways
@pytest.mark.parametrize("site", ["http", "https1", "https"])
def test_large_uploads_arrive_whole(way: Way, site: str, nginx: Nginx, certificates: Certificates) -> None:
    body = content("10m")
    with way.client(certificates, http2=None) as http:
        for data in (body, io.BytesIO(body), iter([body[:5000], body[5000:]])):
            response = way.request(http, "POST", nginx.url(site, "/echo"), data=data, recv_timeout=20.0)
            assert response.content == body


@both_ways
def test_request_body_and_request_data(way: Way, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    url = scripted(recorder).url
    with way.client() as http:
        http.request_data = b"\x00\xff"
        way.request(http, "POST", url)
        assert recorder.last.body == b"\x00\xff"
        http.request_body = "Grüße"
        way.request(http, "POST", url)
        assert recorder.last.body == "Grüße".encode()
        assert recorder.last.value("Content-Length") == "7"
        way.request(http, "POST", url, data=b"of the call")
        assert recorder.last.body == b"of the call"
        http.request_body, http.request_data = "", b""
        way.request(http, "POST", url)
        assert recorder.last.body == b""


@both_ways
def test_settings_take_effect_with_the_next_request(way: Way, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    url = scripted(recorder).url
    with way.client() as http:

        def sent(name: str, data: bytes | None = None) -> str | None:
            way.get(http, url, data=data)
            return recorder.last.value(name)

        assert sent("User-Agent") == DEFAULT_USER_AGENT
        http.user_agent = "another/1"
        assert sent("User-Agent") == http.user_agent == "another/1"
        http.user_agent = ""
        assert sent("User-Agent") is None
        http.range = "bytes=0-1"
        assert sent("Range") == http.range == "bytes=0-1"
        http.authorization = "Bearer token"
        assert sent("Authorization") == http.authorization == "Bearer token"
        http.user_name = "Aladdin"
        http.password = "open sesame"
        assert (http.user_name, http.password) == ("Aladdin", "open sesame")
        assert sent("Authorization") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        http.content_type = "text/plain"
        assert sent("Content-Type") is None
        assert sent("Content-Type", b"x") == http.content_type == "text/plain"
        http.cookies.append("a=1")
        assert sent("Cookie") == "a=1"
        cookies = http.cookies
        sent("Cookie")
        cookies.append("b=2")
        assert sent("Cookie") == "a=1; b=2"
        http.cookies = []
        assert sent("Cookie") is None
        http.request_headers["X-Own"] = "1"
        assert sent("X-Own") == "1"
        http.request_headers["X-Own"] = "2"
        assert sent("X-Own") == "2"
        http.request_headers["user-agent"] = "of the headers"
        assert sent("User-Agent") == "of the headers"


@both_ways
def test_the_headers_of_a_call_go_first(way: Way, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    url = scripted(recorder).url
    with way.client() as http:
        http.request_headers["X-A"] = "client"
        http.request_headers["X-B"] = "client"
        for headers in ({"x-a": "call", "Accept": "text/html"}, [("x-a", "call"), ("Accept", "text/html")]):
            way.get(http, url, headers=headers)
            assert recorder.last.values("X-A") == ["call"]
            assert recorder.last.values("X-B") == ["client"]
            assert recorder.last.values("Accept") == ["text/html"]
        way.get(http, url, headers=[("X-C", "1"), ("X-C", "2")])
        assert recorder.last.values("X-C") == ["1", "2"]
        way.get(http, url, headers={"Host": "other.example"})
        assert recorder.last.values("Host") == ["other.example"]


@both_ways
def test_credentials_of_a_url_are_sent_and_not_shown(way: Way, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    server = scripted(recorder)
    with way.client() as http:
        http.user_name, http.password = "client", "own"
        way.get(http, f"http://us%40er:p%3Aw@127.0.0.1:{server.port}/x")
    assert recorder.last.value("Authorization") == "Basic " + base64.b64encode(b"us@er:p:w").decode()
    assert recorder.last.value("Host") == f"127.0.0.1:{server.port}"


@both_ways
@pytest.mark.parametrize(
    ("method", "url", "options", "error"),
    [
        ("G T", "http://{}", {}, InvalidRequestError),
        ("GET\r\nX: y", "http://{}", {}, InvalidRequestError),
        ("", "http://{}", {}, InvalidRequestError),
        ("GET", "http://{}/a\r\nX: y", {}, InvalidUrlError),
        ("GET", "http://{}/\x00", {}, InvalidUrlError),
        ("GET", "ftp://{}/", {}, InvalidUrlError),
        ("GET", "//{}/", {}, InvalidUrlError),
        ("GET", "http:///path", {}, InvalidUrlError),
        ("GET", "", {}, InvalidUrlError),
        ("GET", "http://{}", {"headers": {"X": "a\r\nY: b"}}, InvalidRequestError),
        ("GET", "http://{}", {"headers": {"X": "a\nb"}}, InvalidRequestError),
        ("GET", "http://{}", {"headers": {"X": "a\x00b"}}, InvalidRequestError),
        ("GET", "http://{}", {"headers": {"X\r\nY": "a"}}, InvalidRequestError),
        ("GET", "http://{}", {"headers": {"X Y": "a"}}, InvalidRequestError),
        ("GET", "http://{}", {"headers": {"X": None}}, InvalidRequestError),
        ("POST", "http://{}", {"data": b"x", "headers": {"Content-Length": "2"}}, InvalidRequestError),
    ],
)
def test_nothing_dangerous_is_sent(
    way: Way, method: str, url: str, options: dict[str, Any], error: type[Exception], scripted: ScriptedServers
) -> None:
    # H11. At once, also where the result would be a Future: nothing has begun.
    server = scripted(answer())
    with way.client() as http:
        with pytest.raises(error):
            http.request(method, url.format(f"127.0.0.1:{server.port}"), **options)
        for name in ("user_agent", "authorization", "range"):
            setattr(http, name, "a\r\nX: b")
            with pytest.raises(InvalidRequestError):
                http.get(server.url)
            setattr(http, name, "")
    assert server.accepted == 0


# What comes back (H1 to H4, H7)


@both_ways
def test_repeated_fields_are_all_kept(way: Way, nginx: Nginx) -> None:
    with way.client() as http:
        response = way.get(http, nginx.url("http", "/cookies"))
    assert response.headers.get_all("set-cookie") == ["first=1; Path=/", "second=2; Path=/"]


@both_ways
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_responses_that_have_no_body(way: Way, status: str, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.send(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode())

    server = scripted(handler)
    with way.client() as http:
        for _ in range(3):
            response = way.get(http, server.url)
            assert (response.status_code, response.content) == (int(status[:3]), b"")
    assert server.accepted == 1


@both_ways
def test_the_length_in_the_answer_to_head_is_not_waited_for(way: Way, nginx: Nginx) -> None:
    with way.client() as http:
        response = way.request(http, "HEAD", nginx.url("http", "/10m"))
        assert response.headers["content-length"] == str(len(content("10m")))
        assert response.content == b""
        assert http.content_length == len(content("10m"))
        assert way.get(http, nginx.url("http", "/1k")).content == content("1k")


@both_ways
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_body_that_ends_with_the_connection(way: Way, version: bytes, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.send(b"HTTP/" + version + b" 200 OK\r\n\r\n")
        connection.trickle(b"until the end")
        connection.finish()

    server = scripted(handler)
    with way.client() as http:
        for _ in range(2):
            response = way.get(http, server.url)
            assert response.content == b"until the end"
            assert response.http_version == version.decode()
    assert server.accepted == 2


@both_ways
def test_chunks_arrive_in_any_pieces_and_trailers_are_kept(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.trickle(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\ncontent-length: 3\r\n\r\n"
                b"5\r\nhello\r\nA;name=value\r\n, world!!!\r\n0\r\nX-Sum: 15\r\n\r\n"
            )

    server = scripted(handler)
    with way.client() as http:
        # Content-Length beside Transfer-Encoding is ignored, and the connection not used again (RFC 9112 6.3).
        for _ in range(2):
            response = way.get(http, server.url)
            assert response.content == b"hello, world!!!"
            assert response.trailers == [("X-Sum", "15")]
    assert server.accepted == 2


@both_ways
def test_interim_responses_are_skipped(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            connection.respond(b"final")

    server = scripted(handler)
    seen: list[int] = []
    with way.client() as http:
        http.on_informational = lambda client, head: seen.append(head.status)
        for _ in range(2):
            assert way.get(http, server.url).content == b"final"
    assert seen == [100, 103, 100, 103]
    assert server.accepted == 1


@both_ways
def test_the_body_waits_for_100_continue(way: Way, scripted: ScriptedServers) -> None:
    before = []

    def handler(connection: Connection) -> None:
        while head := connection.receive_head():
            before.append(bytes(connection.received))
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.respond(connection.receive_body(head))

    server = scripted(handler)
    with way.client() as http:
        for data in (b"body", iter([b"bo", b"dy"]), b"x" * 500_000):
            response = way.request(http, "PUT", server.url, data=data, headers={"Expect": "100-continue"})
            assert response.content == (data if isinstance(data, bytes) else b"body")
    assert all(received.endswith(b"\r\n\r\n") for received in before)
    assert server.accepted == 1


@both_ways
def test_a_body_that_is_declined_is_not_sent(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(script(lambda c: c.receive_head(), send(b"HTTP/1.1 417 No\r\nContent-Length: 4\r\n\r\nno!!")))
    with way.client() as http:
        response = way.request(http, "PUT", server.url, data=b"secret", headers={"expect": "100-Continue"})
        assert (response.status_code, response.content) == (417, b"no!!")
    server.wait_until_finished()
    assert server.connections[0].received.endswith(b"\r\n\r\n")


@both_ways
def test_a_server_that_ignores_expect_gets_the_body_after_a_while(
    way: Way, scripted: ScriptedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("caller", "connection"):
        monkeypatch.setattr(f"httpclient.http1.{module}.CONTINUE_WAIT", 0.05)
    recorder = Recorder()
    with way.client() as http:
        way.request(http, "PUT", scripted(recorder).url, data=b"body", headers={"Expect": "100-continue"})
    assert recorder.last.body == b"body"


@both_ways
def test_surplus_bytes_never_answer_the_next_request(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
            connection.send(head + b"real" + head + b"fake")

    server = scripted(handler, aborts=True)
    with way.client() as http:
        for _ in range(20):
            assert way.get(http, server.url).content == b"real"
    assert server.accepted == 20


@both_ways
def test_bytes_that_nobody_asked_for_end_an_idle_connection(way: Way, scripted: ScriptedServers) -> None:
    idle, said = threading.Event(), threading.Event()

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        connection.respond(b"real")
        connection.wait(idle)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake")
        said.set()
        connection.hold()

    server = scripted([handler, answer(b"real")], aborts=True)
    with way.client() as http:
        assert way.get(http, server.url).content == b"real"
        idle.set()
        assert said.wait(30)
        assert way.get(http, server.url).content == b"real"


@both_ways
@pytest.mark.parametrize("path", ["/close/1k", "/chunked/1k", "/three/1k"])
def test_connections_that_the_server_ends_are_replaced(way: Way, path: str, nginx: Nginx) -> None:
    with way.client() as http:
        for _ in range(8):
            assert way.get(http, nginx.url("http", path)).content == content("1k")


@both_ways
def test_one_connection_serves_one_request_after_the_other(way: Way, nginx: Nginx, certificates: Certificates) -> None:
    with way.client(certificates) as http:
        for site in ("http", "https1"):
            seen = {way.get(http, nginx.url(site, "/connection")).text.splitlines()[0] for _ in range(10)}
            assert len(seen) == 1


# Redirects and passwords, end to end; the rules are in test_flow.py


@both_ways
def test_redirects(way: Way, nginx: Nginx) -> None:
    with way.client() as http:
        response = way.get(http, nginx.url("http", "/redirect/chain/3"))
        assert response.status_code == 200
        assert [earlier.status_code for earlier in response.history] == [302] * 4
        assert "uri=/request" in response.text
        response = way.get(http, nginx.url("http", "/redirect/relative"))
        assert response.content == content("1k")
        assert response.url == nginx.url("http", "/1k?from=relative#part")
        http.follow_redirects = False
        response = way.get(http, nginx.url("http", "/redirect/301"))
        assert (response.status_code, response.is_redirect, list(response.history)) == (301, True, [])


@both_ways
@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_what_a_redirect_makes_of_post(way: Way, status: int, method: str, nginx: Nginx) -> None:
    with way.client() as http:
        for data in (b"the body", io.BytesIO(b"the body")):
            response = way.request(http, "POST", nginx.url("http", f"/redirect/{status}"), data=data)
            assert f"method={method}\n" in response.text
            assert f"length={'8' if method == 'POST' else ''}\n" in response.text


@both_ways
def test_passwords(way: Way, nginx: Nginx) -> None:
    asked: list[str] = []

    def on_password(client: TgoHttpClient) -> bool:
        asked.append(client.user_name)
        client.user_name = USER
        client.password = PASSWORD if len(asked) == 2 else "wrong"
        return True

    with way.client() as http:
        assert way.get(http, nginx.url("http", "/private/1k")).status_code == 401
        http.on_password = on_password
        response = way.get(http, nginx.url("http", "/private/1k"))
        assert response.content == content("1k")
        assert [earlier.status_code for earlier in response.history] == [401, 401]
        assert way.get(http, nginx.url("http", "/private/1k")).content == content("1k")
    assert asked == ["", USER]


# What the last request left


@both_ways
def test_the_properties_of_the_original(way: Way, scripted: ScriptedServers) -> None:
    fields = [("Content-Type", "text/plain; charset=ISO-8859-1")]
    server = scripted(Recorder("Grüße".encode("latin-1"), fields=fields))
    with way.client() as http:
        assert http.state == TgoHttpClientState.NONE
        assert (http.response_status_code, http.response_content_type, http.content_length) == (0, "", -1)
        assert (http.response_content_charset, len(http.response_headers), http.last_response) == ("", 0, None)
        response = way.get(http, server.url)
        assert http.state.name == "FINISHED"
        assert http.response_status_code == 200
        assert http.response_headers["content-length"] == "5"
        assert http.response_content_type == "text/plain; charset=ISO-8859-1"
        assert http.response_content_charset == "iso-8859-1"
        assert http.content_length == 5
        assert http.last_response is response
        assert 0 <= http.idle_time < 30
        assert http.bytes_to_string(response.content, http.response_content_charset) == "Grüße"
        assert http.bytes_to_string("Grüße".encode()) == "Grüße"
        assert http.follow_redirects is True
        way.fail(http, "GET", "http://127.0.0.1:1/")
        assert http.state.name == "ERROR"


def test_the_state_while_a_request_is_under_way(scripted: ScriptedServers) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def handler(connection: Connection) -> None:
        assert connection.receive_request()
        arrived.set()
        connection.wait(go_on)
        connection.respond(b"")

    server = scripted(handler)
    with TgoHttpClient(blocking=False) as http:
        future = http.get(server.url)
        assert http.state in (TgoHttpClientState.SENDING, TgoHttpClientState.RECEIVING)
        assert arrived.wait(30)
        assert http.state == TgoHttpClientState.RECEIVING
        go_on.set()
        future.result(30)
        assert http.state.name == "FINISHED"


def test_tls_options_are_settled_by_the_first_request(scripted: ScriptedServers) -> None:
    with TgoHttpClient() as http:
        http.certificate = b"a certificate"
        http.private_key = b"its key"
        assert (http.certificate, http.private_key) == (b"a certificate", b"its key")
        http.certificate = http.private_key = b""
        http.get(scripted(answer()).url)
        http.certificate = b""
        with pytest.raises(ValueError, match="TLS options"):
            http.certificate = b"another"


def test_a_client_certificate(nginx: Nginx, certificates: Certificates) -> None:
    identity = certificates.client
    url = nginx.url("client_required", "/connection")
    with BLOCKING.client(certificates) as http:
        assert http.get(url).status_code == 400
    with BLOCKING.client(certificates) as http:
        http.certificate, http.private_key = identity.certificate_pem, identity.key_pem
        assert "CN=client" in http.get(url).text
    encrypted = certificates.client_encrypted
    with BLOCKING.client(
        certificates, certificate=encrypted.certificate_pem, private_key=encrypted.key_pem,
        private_key_password=encrypted.password,
    ) as http:  # fmt: skip
        assert "CN=client" in http.get(url).text


@pytest.mark.parametrize("limit", [0, -1])
def test_a_client_needs_a_connection(limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TgoHttpClient(max_connections_per_origin=limit)


@both_ways
@pytest.mark.parametrize("name", ["timeout", "connect_timeout", "recv_timeout"])
@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_time_limits_that_are_none(way: Way, name: str, seconds: float) -> None:
    with way.client() as http, pytest.raises(InvalidRequestError, match=name):
        way.get(http, "http://127.0.0.1:1/", **{name: seconds})


@both_ways
def test_time_limits_may_be_infinite(way: Way, scripted: ScriptedServers) -> None:
    forever = float("inf")
    with way.client(keep_alive_expiry=forever) as http:
        url = scripted(answer(b"x")).url
        for _ in range(2):
            response = way.get(http, url, connect_timeout=forever, recv_timeout=forever, timeout=forever)
            assert response.content == b"x"


@both_ways
def test_a_closed_client(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(answer())
    http = way.client()
    way.get(http, server.url)
    http.close()
    http.close()
    assert http.closed
    for _ in range(2):
        with pytest.raises(ClientClosedError):
            http.get(server.url)
    with pytest.raises(ClientClosedError):
        http.stream("GET", server.url)
    never = way.client()
    never.close()
    with pytest.raises(ClientClosedError):
        never.get(server.url)


@both_ways
def test_responses_outlive_their_client(way: Way, nginx: Nginx, certificates: Certificates) -> None:
    with way.client(certificates) as http:
        response = way.get(http, nginx.url("https1", "/100k"))
    assert isinstance(response, HttpResponse)
    assert response.content == content("100k")
    assert response.headers["Content-Length"] == str(len(content("100k")))
    assert response.tls_description.startswith("TLSv1.")


@both_ways
def test_names_are_looked_up(way: Way, nginx: Nginx, certificates: Certificates) -> None:
    with way.client(certificates) as http:
        assert way.get(http, nginx.url("name_only", "/1k", "localhost")).content == content("1k")
        assert way.get(http, nginx.url("ip_only", "/1k", "127.0.0.1")).content == content("1k")
        text = way.get(http, nginx.url("https1", "/connection", "localhost")).text
        assert "name=localhost\n" in text
        text = way.get(http, nginx.url("https1", "/connection", "127.0.0.1")).text
        assert "name=\n" in text


@both_ways
def test_a_body_is_there_as_it_came_too(way: Way, nginx: Nginx) -> None:
    with way.client() as http:
        response = way.get(http, nginx.url("http", "/gzip/text.txt"), headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.text.startswith("The quick brown fox")
    assert gzip.decompress(b"".join(response.iter_raw())) == response.content


@both_ways
@pytest.mark.parametrize("site", ["http", "https"])
def test_timings(way: Way, site: str, nginx: Nginx, certificates: Certificates) -> None:
    with way.client(certificates) as http:
        first = way.get(http, nginx.url(site, "/10m")).timings
        second = way.get(http, nginx.url(site, "/1k")).timings
        moved = way.get(http, nginx.url(site, "/redirect/301")).timings
    assert first.connect > 0
    assert (first.tls > 0) == (site == "https") or first.tls < first.connect
    assert min(first.response, first.body) > 0
    parts = first.waiting + first.lookup + first.connect + first.tls + first.response + first.body
    assert parts <= first.total
    assert (second.lookup, second.connect, second.tls) == (0.0, 0.0, 0.0)
    assert moved.total > moved.response + moved.body
    assert "connect=" in repr(first)


@both_ways
def test_dot_segments_are_resolved_before_a_request_is_made(way: Way, scripted: ScriptedServers) -> None:
    recorder = Recorder()
    url = scripted(recorder).url
    with way.client() as http:
        for given in ("/a/../b/./c?x=/../y", "/../../etc/passwd", "/.well-known/a..b", "/a/.."):
            way.get(http, url + given)
    assert [request.target for request in recorder.requests] == [
        "/b/c?x=/../y", "/etc/passwd", "/.well-known/a..b", "/",
    ]  # fmt: skip


@both_ways
def test_an_expectation_that_cannot_be_met_is_dropped(way: Way, scripted: ScriptedServers) -> None:
    requests: list[Request] = []

    def handler(connection: Connection) -> None:
        while request := connection.receive_head():
            expects = request.value("Expect") is not None
            if not expects:
                request = request._replace(body=connection.receive_body(request))
            requests.append(request)
            connection.respond(b"", "417 Expectation Failed" if expects else "200 OK")
            if expects:
                return  # the body may follow, or not

    with way.client() as http:
        response = way.request(http, "POST", scripted(handler).url, data=b"body", headers={"Expect": "100-continue"})
        assert way.get(http, scripted(answer(status="417 X")).url).status_code == 417
    assert response.status_code == 200
    assert [earlier.status_code for earlier in response.history] == [417]
    assert [request.body for request in requests] == [b"", b"body"]
