"""CONNECT, byte by byte."""

from __future__ import annotations

import pytest

from httpclient import ProxyError
from httpclient.authentication.schemes import BasicAuthentication, DigestAuthentication
from httpclient.proxies.connect_tunnel import MAX_ANSWER_SIZE, ConnectTunnel
from httpclient.proxies.login import ProxyLogin

PROXY = "http://proxy.example:3128"
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


def new(login: ProxyLogin | None = None) -> ConnectTunnel:
    return ConnectTunnel("origin.example:443", PROXY, login, "agent/1")


def basic(password: str = "secret") -> ProxyLogin:
    return ProxyLogin(BasicAuthentication("user", password), PROXY)


def feed(tunnel: ConnectTunnel, data: bytes, size: int) -> bytes:
    """Give *data* to a tunnel in pieces; return what it left."""
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        used, output = tunnel.receive(piece)
        assert output == b""
        if tunnel.done or tunnel.again:
            return data[start + used :]
        assert used == len(piece)
        tunnel.pause()
    return b""


def test_the_request() -> None:
    assert new().start([]) == (
        b"CONNECT origin.example:443 HTTP/1.1\r\nHost: origin.example:443\r\nUser-Agent: agent/1\r\n\r\n"
    )
    assert ConnectTunnel("[::1]:80", PROXY).start([]) == b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"
    assert b"\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in new(basic()).start([])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n",
        b"HTTP/1.1 204 \r\n\r\n",
        b"HTTP/1.1 200 OK\nVia: x\n\n",
        # RFC 9110 section 9.3.6: they are to be ignored.
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
    ],
)
def test_done(answer: bytes, size: int) -> None:
    for rest in (b"", b"\0\0early data\r\n\r\n"):
        tunnel = new()
        tunnel.start([])
        assert feed(tunnel, answer + rest, size) == rest
        assert tunnel.done


def refusal(tunnel: ConnectTunnel, answer: bytes, size: int = 1000) -> ProxyError:
    tunnel.start([])
    with pytest.raises(ProxyError) as caught:
        feed(tunnel, answer, size)
        tunnel.receive(b"")
    assert not tunnel.done
    return caught.value


@pytest.mark.parametrize("size", [1, 1000])
def test_refused(size: int) -> None:
    body = b"<html><head><title>No</title></head><body><h1>Not\0 allowed</h1>by policy</body></html>"
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 500\r\n\r\n" + body
    tunnel = new()
    tunnel.start([])
    with pytest.raises(ProxyError) as caught:
        feed(tunnel, answer, size)
    error = caught.value
    assert error.status_code == 403
    assert error.phase == "proxy"
    assert f"the proxy {PROXY} refuses to connect to origin.example:443: 403 Forbidden" in str(error)
    if size == 1000:
        assert str(error).endswith("The proxy says: Not allowed by policy")


def test_a_refusal_is_told_at_the_first_pause() -> None:
    tunnel = new()
    tunnel.start([])
    tunnel.receive(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n")
    tunnel.receive(b"half of it")
    with pytest.raises(ProxyError, match=r"502 Bad Gateway.*The proxy says: half of it"):
        tunnel.pause()


def test_of_a_large_refusal_a_part_is_read() -> None:
    tunnel = new()
    tunnel.start([])
    tunnel.receive(b"HTTP/1.1 500 No\r\n\r\n")
    with pytest.raises(ProxyError, match=r"x{200}\.\.\.$"):
        for _ in range(100):
            tunnel.receive(b"x" * 100)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"", "closed the connection instead of making a tunnel"),
        (b"HTTP/1.1 200 OK\r\nVia", "closed the connection instead of making a tunnel"),
        (b"\x16\x03\x01", "speaks TLS on this port"),
        (b"SSH-2.0-OpenSSH", "doesn't answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nbad field\r\n\r\n", "without a colon"),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "invalid status line"),
        (b"HTTP/2 200\r\n\r\n", "version of HTTP"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "101 Switching"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n", "302 Found"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_ANSWER_SIZE, "more than"),
        (b"HTTP/1.1 100 Go on\r\n\r\n" * 4000, "more than"),
    ],
)
@pytest.mark.parametrize("size", [1, 4096])
def test_answers_that_are_no_tunnel(answer: bytes, what: str, size: int) -> None:
    error = refusal(new(), answer, size)
    assert what in str(error)
    assert PROXY in str(error)


# Credentials


def test_without_credentials() -> None:
    error = refusal(new(), b'HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n')
    assert error.status_code == 407
    assert "Give user name and password in the URL of the proxy" in str(error)


def test_wrong_credentials_are_sent_once() -> None:
    error = refusal(new(basic()), b'HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n')
    assert "Look at user name and password of the proxy" in str(error)
    assert "secret" not in str(error)
    assert "dXNlcjpzZWNyZXQ=" not in str(error)


DIGEST = (
    b'HTTP/1.1 407 Who?\r\nProxy-Authenticate: Digest realm="x", nonce="%d", qop="auth"\r\n'
    b"Content-Length: 9\r\n\r\nwho are"
)


def test_digest_takes_another_connection_and_is_remembered() -> None:
    login = ProxyLogin(DigestAuthentication("user", "secret"), PROXY)
    tunnel = new(login)
    assert b"Proxy-Authorization" not in tunnel.start([])
    feed(tunnel, DIGEST % 1, 5)
    assert tunnel.again
    request = tunnel.start([])
    assert not tunnel.again
    assert b'\r\nProxy-Authorization: Digest username="user"' in request
    assert b'uri="origin.example:443"' in request
    assert b"nc=00000001" in request
    assert feed(tunnel, OK + b"x", 1000) == b"x"
    # The next connection sends it unasked.
    assert b"nc=00000002" in new(login).start([])


def test_a_proxy_that_asks_again_and_again() -> None:
    tunnel = new(ProxyLogin(DigestAuthentication("user", "secret"), PROXY))

    def connect() -> None:
        for number in range(10):
            tunnel.start([])
            feed(tunnel, DIGEST % number, 1000)
            assert tunnel.again
            tries.append(number)

    tries: list[int] = []
    with pytest.raises(ProxyError) as caught:
        connect()
    assert caught.value.status_code == 407
    assert len(tries) in {1, 2}
