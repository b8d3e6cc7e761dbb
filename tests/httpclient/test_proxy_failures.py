"""Proxies that don't do what they should, in every way of calling. Nothing is left behind by any of them."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from httpclient import (
    ConnectError,
    ConnectTimeoutError,
    DeadlineError,
    HttpClientError,
    HttpTlsError,
    InvalidUrlError,
    ProxyError,
    RequestAbortedError,
    TgoHttpClient,
)
from httpclient.authentication.schemes import Authentication, AuthenticationRequest, DigestAuthentication
from tests.servers.scripted import Connection, Request, close, expect, finish, hold, reset, script, send, trickle

from .ways import Way, both_ways

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpclient import HttpResponse
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.nginx import Nginx
    from tests.servers.proxies import Microsocks, Stunnel, Tinyproxy

pytestmark = pytest.mark.usefixtures(
    "nginx", "nghttpd", "nghttpd_clear", "stunnel", "tinyproxy", "tinyproxy_password", "microsocks", "no_leaks"
)

SHORT = 0.15
SOON = 10.0
OK = b"HTTP/1.1 200 OK\r\n\r\n"
GRANTED = b"\5\0\0\1\x7f\0\0\1\x12\x34"


def pass_on(connection: Connection, port: int) -> None:
    """Be a tunnel to a port of this machine from here on."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as beyond:
        here = connection.socket
        while True:
            ready, _, _ = select.select([here, beyond], [], [], 30)
            assert ready
            for one, other in ((here, beyond), (beyond, here)):
                if one in ready:
                    with contextlib.suppress(ConnectionError):
                        data = one.recv(1 << 16)
                        if data:
                            other.sendall(data)
                            continue
                    return


# What reaching a proxy can meet


@both_ways
@pytest.mark.parametrize("url", ["http://a.example/", "https://a.example/"])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_nobody_there(way: Way, url: str, scheme: str, refused_port: int) -> None:
    name = f"{scheme}://127.0.0.1:{refused_port}"
    with way.client(proxy=name.replace("//", "//user:secret@")) as client:
        error = way.fail(client, "GET", url)
    assert isinstance(error, ProxyError)
    assert error.phase == "proxy"
    assert error.url == url
    assert f"the proxy {name} can't be reached: " in str(error)
    assert "Connection refused" in str(error)
    assert "secret" not in str(error)


@both_ways
@pytest.mark.parametrize("url", ["http://localhost/", "https://localhost/"])
def test_no_such_proxy(way: Way, url: str) -> None:
    with way.client(proxy="http://no-such-proxy.invalid:3128") as client:
        error = way.fail(client, "GET", url)
    assert isinstance(error, ProxyError)
    assert "no-such-proxy.invalid" in str(error)


@both_ways
def test_who_looks_up_the_name_says_that_it_is_unknown(way: Way, microsocks: Microsocks) -> None:
    with way.client(proxy=f"socks5://127.0.0.1:{microsocks.port}") as client:
        error = way.fail(client, "GET", "http://no-such-host.invalid/")
        assert isinstance(error, ConnectError)
        assert "no-such-host.invalid" in str(error)
    with way.client(proxy=f"socks5h://127.0.0.1:{microsocks.port}") as client:
        error = way.fail(client, "GET", "http://no-such-host.invalid/")
        assert isinstance(error, ProxyError)
        assert "could not connect to no-such-host.invalid:80" in str(error)


@both_ways
@pytest.mark.parametrize("kind", ["tcp", "tls", "connect", "socks", "inner tls", "a bit"])
def test_silence(
    way: Way, kind: str, silent_port: int, scripted: ScriptedServers, nginx: Nginx
) -> None:
    scheme, handler = {
        "tcp": ("http", hold()),
        "tls": ("https", hold()),
        "connect": ("http", hold()),
        "socks": ("socks5h", script(expect(b"\5\1\0"), send(b"\5\0"), hold())),
        "inner tls": ("http", script(expect(b"\r\n\r\n"), send(OK), hold())),
        "a bit": ("http", script(expect(b"\r\n\r\n"), send(b"HTTP/1.1 200 OK\r\nX: "), hold())),
    }[kind]
    server = scripted(handler, aborts=True)
    port = silent_port if kind == "tcp" else server.port
    with way.client(proxy=f"{scheme}://127.0.0.1:{port}") as client:
        error = way.fail(client, "GET", "https://a.example/", connect_timeout=SHORT)
        assert isinstance(error, ConnectTimeoutError)
        assert f"127.0.0.1:{port}" in str(error)
        error = way.fail(client, "GET", "https://a.example/", timeout=SHORT)
        assert isinstance(error, DeadlineError)


@both_ways
def test_bytes_that_come_one_by_one_don_t_make_time_stop(way: Way, scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.trickle(b"X: y\r\n", 0.01)

    server = scripted(handler, aborts=True)
    with way.client(proxy=f"http://127.0.0.1:{server.port}") as client:
        assert isinstance(way.fail(client, "GET", "https://a.example/", connect_timeout=SHORT), ConnectTimeoutError)


@pytest.mark.parametrize("what", ["connect", "inner tls", "socks", "tls"])
@both_ways
def test_closing_the_client_meanwhile(way: Way, what: str, scripted: ScriptedServers) -> None:
    reached = threading.Event()

    def handler(connection: Connection) -> None:
        if what == "socks":
            connection.receive_until(b"\5\1\0")
        elif what != "tls":
            connection.receive_until(b"\r\n\r\n")
        if what == "inner tls":
            connection.send(OK)
            connection.receive_some()
        reached.set()
        connection.hold()

    server = scripted(handler, aborts=True)
    scheme = {"socks": "socks5h", "tls": "https"}.get(what, "http")
    caught: list[BaseException] = []
    with way.client(proxy=f"{scheme}://127.0.0.1:{server.port}") as client:

        def call() -> None:
            try:
                way.get(client, "https://a.example/")
            except HttpClientError as error:
                caught.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        assert reached.wait(SOON)
        client.close()
        thread.join(SOON)
    assert [type(error) for error in caught] == [RequestAbortedError]


# What a proxy can answer


@both_ways
@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ([finish()], "closed the connection instead of making a tunnel"),
        ([close()], "closed the connection instead of making a tunnel"),
        ([reset()], "closed the connection instead of making a tunnel"),
        ([send(b"HTTP/1.1 200 OK\r\nX"), close()], "closed the connection instead of making a tunnel"),
        ([send(b"\0\1\2\3garbage"), hold()], "doesn't answer in HTTP"),
        ([trickle(b"HTTP/1.1 502 No route\r\n\r\n"), hold()], "502 No route"),
        ([send(b"HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\nby policy"), hold()], "The proxy says: by policy"),
        ([send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000), hold()], "more than 65536 bytes"),
        ([send(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n\r\n"), hold()], "Give user name"),
    ],
)
def test_answers_to_connect(way: Way, steps: list[Callable[[Connection], object]], what: str,
                            scripted: ScriptedServers) -> None:  # fmt: skip
    server = scripted(script(expect(b"\r\n\r\n"), *steps), aborts=True)
    with way.client(proxy=f"http://127.0.0.1:{server.port}") as client:
        error = way.fail(client, "GET", "https://a.example/path")
        assert isinstance(error, ProxyError)
        assert what in str(error)
        assert f"http://127.0.0.1:{server.port}" in str(error)
        assert error.url == "https://a.example/path"


@both_ways
@pytest.mark.parametrize("size", [1, 1000])
def test_tunnels_split_at_every_byte(
    way: Way, size: int, scripted: ScriptedServers, nginx: Nginx, nghttpd_clear: Nghttpd, certificates: Certificates
) -> None:
    def say(connection: Connection, data: bytes) -> None:
        (connection.trickle if size == 1 else connection.send)(data)

    def connect(connection: Connection) -> None:
        request = connection.receive_head()
        assert request is not None
        assert request.method == "CONNECT"
        assert request.value("Host") == request.target
        say(connection, b"HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\n\r\n")
        pass_on(connection, int(request.target.rpartition(":")[2]))

    def socks(connection: Connection) -> None:
        connection.receive(3)
        say(connection, b"\5\0")
        head = connection.receive(5)
        port = int.from_bytes(connection.receive(head[4] + 2)[-2:], "big")
        say(connection, GRANTED)
        pass_on(connection, port)

    for scheme, handler in (("http", connect), ("socks5h", socks)):
        server = scripted(handler, aborts=True)
        with way.client(certificates, http2=None, proxy=f"{scheme}://127.0.0.1:{server.port}") as client:
            assert len(way.get(client, nginx.url("https", "/100k")).content) == 100 * 1024
        with way.client(http2=True, proxy=f"{scheme}://127.0.0.1:{server.port}") as client:
            url = f"http://localhost:{nghttpd_clear.port}/100k"
            assert len(way.get(client, url).content) == 100 * 1024


@both_ways
@pytest.mark.parametrize("tls", [False, True])
def test_what_the_origin_sends_at_once_is_not_lost(
    way: Way, tls: bool, scripted: ScriptedServers, certificates: Certificates, nghttpd_clear: Nghttpd
) -> None:
    # An HTTP/2 server begins with its settings, which may come with the answer of the proxy.
    def handler(connection: Connection) -> None:
        connection.receive_head()
        with contextlib.closing(socket.create_connection(("127.0.0.1", nghttpd_clear.port))) as beyond:
            connection.send(OK + beyond.recv(1 << 16))
            while data := connection.receive_some():
                beyond.sendall(data)
                if not select.select([connection.socket], [], [], 0.05)[0]:
                    break
            while select.select([beyond], [], [], 0.5)[0] and (data := beyond.recv(1 << 16)):
                connection.send(data)
        connection.hold()

    from tests.servers.scripted import tls_context

    server = scripted(handler, tls=tls_context(certificates.server) if tls else None, aborts=True)
    scheme = "https" if tls else "http"
    with way.client(certificates, http2=True, proxy=f"{scheme}://127.0.0.1:{server.port}") as client:
        assert way.get(client, f"http://localhost:{nghttpd_clear.port}/1k").content


@both_ways
@pytest.mark.parametrize("steps", [[close()], [reset()], [send(b"garbage instead of TLS"), finish()]])
def test_the_tunnel_breaks_in_the_handshake(
    way: Way, steps: list[Callable[[Connection], object]], scripted: ScriptedServers
) -> None:
    server = scripted(script(expect(b"\r\n\r\n"), send(OK), expect(b"\x16\x03"), *steps), aborts=True)
    with way.client(proxy=f"http://127.0.0.1:{server.port}") as client:
        error = way.fail(client, "GET", "https://a.example/")
        assert isinstance(error, (HttpTlsError, ConnectError))
        assert not isinstance(error, ProxyError)


@both_ways
def test_a_proxy_that_speaks_no_tls(way: Way, scripted: ScriptedServers, certificates: Certificates) -> None:
    server = scripted(script(expect(b"\x16\x03"), send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), hold()), aborts=True)
    with way.client(certificates, proxy=f"https://localhost:{server.port}") as client:
        for url in ("http://localhost:1/", "https://localhost:1/"):
            assert isinstance(way.fail(client, "GET", url), HttpTlsError)


@both_ways
def test_a_proxy_with_a_certificate_for_somebody_else(way: Way, stunnel: Stunnel, nginx: Nginx) -> None:
    with way.client(proxy=f"https://localhost:{stunnel.port}") as client:
        for site in ("http", "https"):
            error = way.fail(client, "GET", nginx.url(site))
            assert f"the certificate of localhost:{stunnel.port} was not accepted" in str(error)


@both_ways
def test_tinyproxy_without_password(way: Way, tinyproxy_password: Tinyproxy, nginx: Nginx) -> None:
    for user in ("", "user:wrong@"):
        with way.client(proxy=f"http://{user}127.0.0.1:{tinyproxy_password.port}") as client:
            error = way.fail(client, "GET", nginx.url("https"))
            assert isinstance(error, ProxyError)
            assert error.status_code == (401 if user else 407)  # which tinyproxy says for wrong ones
            assert ("Look at user name" if user else "Give user name") in str(error)
            assert "wrong" not in str(error)
            response = way.get(client, nginx.url("http"))
            assert response.status_code == error.status_code
            assert not response.history


@both_ways
def test_the_origin_can_t_be_reached(way: Way, tinyproxy: Tinyproxy, microsocks: Microsocks, refused_port: int) -> None:
    with way.client(proxy=f"http://127.0.0.1:{tinyproxy.port}") as client:
        error = way.fail(client, "GET", f"https://127.0.0.1:{refused_port}/")
        assert isinstance(error, ProxyError)
        assert error.status_code >= 500
        assert way.get(client, f"http://127.0.0.1:{refused_port}/").status_code >= 500
    for host in ("127.0.0.1", "localhost"):
        with way.client(proxy=f"socks5://127.0.0.1:{microsocks.port}") as client:
            error = way.fail(client, "GET", f"https://{host}:{refused_port}/")
            assert isinstance(error, ProxyError)
            assert "could not connect" in str(error)


# Digest


class DigestProxy:
    """Answers 407 with a new nonce to whoever doesn't come with the last one; carries nothing out itself."""

    def __init__(self, beyond: int) -> None:
        self.beyond = beyond
        self.heads: list[Request] = []

    def __call__(self, connection: Connection) -> None:
        while request := connection.receive_request():
            self.heads.append(request)
            given = request.value("Proxy-Authorization") or ""
            if 'nonce="n1"' not in given:
                challenge = ("Proxy-Authenticate", 'Digest realm="proxy", nonce="n1", qop="auth", algorithm=SHA-256')
                connection.respond(b"who are you?", "407 Who?", [challenge])
                if request.method == "CONNECT":
                    return
            elif request.method == "CONNECT":
                connection.send(OK)
                pass_on(connection, self.beyond)
                return
            else:
                connection.respond(b"hello " + request.body)


@both_ways
def test_digest(way: Way, scripted: ScriptedServers, nginx: Nginx, certificates: Certificates) -> None:
    proxy = DigestProxy(nginx.port("https1"))
    server = scripted(proxy, aborts=True)
    url = f"http://user:secret@127.0.0.1:{server.port}"
    for options in ({"proxy": url},
                    {"proxy": url.replace("user:secret@", ""),
                     "proxy_authentication": DigestAuthentication("user", "secret")}):  # fmt: skip
        proxy.heads.clear()
        with way.client(certificates, **options) as client:
            response = way.request(client, "POST", "http://a.example/1?x", data=b"body")
            assert response.text == "hello body"
            assert [each.status_code for each in response.history] == [407]
            response = way.get(client, "http://b.example/2")
            assert (response.text, len(response.history)) == ("hello ", 0)
            assert way.get(client, nginx.url("https1", "/path")).text == "/path"
        last = [head.value("Proxy-Authorization") or "" for head in proxy.heads][1:]
        assert 'uri="http://a.example/1?x"' in last[0]
        assert 'uri="http://b.example/2"' in last[1]
        assert f'uri="localhost:{nginx.port("https1")}"' in last[2]
        assert len(last) == 3
        assert all("secret" not in value for value in last)


@both_ways
def test_digest_for_a_tunnel_takes_a_second_connection(
    way: Way, scripted: ScriptedServers, nginx: Nginx, certificates: Certificates
) -> None:
    proxy = DigestProxy(nginx.port("https1"))
    server = scripted(proxy, aborts=True)
    authentication = DigestAuthentication("user", "secret")
    with way.client(
        certificates, proxy=f"http://127.0.0.1:{server.port}", proxy_authentication=authentication
    ) as client:
        assert way.get(client, nginx.url("https1", "/path")).text == "/path"
    assert [head.method for head in proxy.heads] == ["CONNECT", "CONNECT"]
    assert server.accepted == 2


@both_ways
def test_a_proxy_that_is_never_content(way: Way, scripted: ScriptedServers) -> None:
    asked = []

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            asked.append(request)
            challenge = f'Digest realm="proxy", nonce="{len(asked)}", qop="auth", stale=true'
            connection.respond(b"who?", "407 Who?", [("Proxy-Authenticate", challenge)])

    server = scripted(handler, aborts=True)
    authentication = DigestAuthentication("user", "secret")
    with way.client(proxy=f"http://127.0.0.1:{server.port}", proxy_authentication=authentication) as client:
        error = way.fail(client, "GET", "https://a.example/")
        assert isinstance(error, ProxyError)
        assert error.status_code == 407
        assert len(asked) <= 3
        asked.clear()
        assert way.get(client, "http://a.example/").status_code == 407
        assert len(asked) <= 3


def test_an_answer_of_the_proxy_is_kept_from_on_recv(scripted: ScriptedServers) -> None:
    server = scripted(DigestProxy(0))
    got: list[bytes] = []
    for blocking in (True, False):
        way = Way(blocking)
        got.clear()
        with way.client(
            proxy=f"http://127.0.0.1:{server.port}", proxy_authentication=DigestAuthentication("user", "secret")
        ) as client:
            client.on_recv = lambda _, data: got.append(data)
            assert way.get(client, "http://a.example/").status_code == 200
        assert b"".join(got) == b"hello "


def test_streams(scripted: ScriptedServers) -> None:
    server = scripted(DigestProxy(0))

    def read(response: HttpResponse) -> bytes:
        with response:
            return b"".join(response.iter_bytes())

    with TgoHttpClient(
        proxy=f"http://127.0.0.1:{server.port}", proxy_authentication=DigestAuthentication("user", "secret")
    ) as client:
        assert read(client.stream("GET", "http://a.example/")) == b"hello "
        assert read(client.stream("POST", "http://b.example/", data=b"x")) == b"hello x"


# Options


def test_options_that_can_t_be_used() -> None:
    for proxy in ("socks4://user:secret@proxy.example", {"https": "nonsense://proxy.example"}):
        with pytest.raises(InvalidUrlError) as caught:
            TgoHttpClient(proxy=proxy)
        assert "secret" not in str(caught.value)
    with pytest.raises(HttpClientError):
        TgoHttpClient(proxy="http://proxy.example", proxy_authentication=("us:er", "secret"))


@both_ways
def test_a_proxy_of_the_environment_that_can_t_be_used(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks4://user:secret@proxy.example")
    with way.client() as client, pytest.raises(InvalidUrlError, match="https_proxy") as caught:
        way.get(client, "https://a.example/")
    assert "secret" not in str(caught.value)


@both_ways
def test_places_are_given_back(
    way: Way, tinyproxy_password: Tinyproxy, nginx: Nginx, certificates: Certificates
) -> None:
    with way.client(
        certificates, proxy=f"http://127.0.0.1:{tinyproxy_password.port}", max_connections_per_origin=1
    ) as client:
        for _ in range(3):
            assert isinstance(way.fail(client, "GET", nginx.url("https1")), ProxyError)
            assert way.get(client, nginx.url("http")).status_code == 407
    with way.client(
        certificates, proxy=f"http://user:password@127.0.0.1:{tinyproxy_password.port}", max_connections_per_origin=1
    ) as client:
        for _ in range(3):
            for site in ("http", "https1", "few"):
                assert way.get(client, nginx.url(site, "/path")).status_code == 200


class BrokenAuthentication(Authentication):
    """Raises, or says what can't be sent."""

    def authorize(self, request: AuthenticationRequest) -> str:
        if request.method == "POST":
            return "two\r\nlines"
        raise ZeroDivisionError("the user's own")


@both_ways
@pytest.mark.parametrize("url", ["http://a.example/", "https://a.example/"])
def test_an_authentication_that_fails(way: Way, url: str, scripted: ScriptedServers) -> None:
    server = scripted(script(expect(b"\r\n\r\n"), hold()), aborts=True)
    with way.client(proxy=f"http://127.0.0.1:{server.port}", proxy_authentication=BrokenAuthentication()) as client:
        for method in ("GET", "POST"):
            if url.startswith("http:") or method == "GET":
                error = way.fail(client, method, url)
                assert error.url == url
                assert not isinstance(error, TimeoutError)
