"""SOCKS 5, byte by byte."""

from __future__ import annotations

import pytest

from httpclient import ProxyError
from httpclient.proxies.socks5 import Socks5Tunnel

PROXY = "socks5://proxy.example:1080"
IPV6 = bytes(range(16))
GRANTED = b"\5\0\0\1\x7f\0\0\1\x12\x34"


def new(host: str = "origin.example", literal: bytes = b"", user: str = "", password: str = "") -> Socks5Tunnel:
    return Socks5Tunnel(host, 443, literal, PROXY, user, password)


def converse(tunnel: Socks5Tunnel, data: bytes, size: int) -> tuple[bytes, bytes]:
    """Give *data* to a tunnel in pieces; return what it sent, and what it left."""
    sent = b""
    for start in range(0, len(data), size):
        used, output = tunnel.receive(data[start : start + size])
        tunnel.pause()
        sent += output
        if tunnel.done or tunnel.again:
            return sent, data[start + used :]
    return sent, b""


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    "granted",
    [GRANTED, b"\5\0\0\4" + IPV6 + b"\0\x50", b"\5\0\0\3\7example\0\x50", b"\5\0\0\3\0\0\x50", b"\5\0\7\1" + bytes(6)],
)
def test_without_password(granted: bytes, size: int) -> None:
    tunnel = new()
    assert tunnel.start([]) == b"\5\1\0"
    for rest in (b"", b"\5\1early"):
        tunnel = new()
        tunnel.start([])
        sent, left = converse(tunnel, b"\5\0" + granted + rest, size)
        assert sent == b"\5\1\0\3\x0eorigin.example\x01\xbb"
        assert left == rest
        assert tunnel.done


@pytest.mark.parametrize("size", [1, 1000])
def test_password(size: int) -> None:
    tunnel = new(user="üser", password="p:w")
    assert tunnel.start([]) == b"\5\2\0\2"
    sent, _ = converse(tunnel, b"\5\2" + b"\1\0" + GRANTED, size)
    assert sent == b"\1\5\xc3\xbcser\3p:w" + b"\5\1\0\3\x0eorigin.example\x01\xbb"
    assert tunnel.done


def test_a_password_that_is_not_asked_for_is_not_sent() -> None:
    tunnel = new(user="user", password="secret")
    tunnel.start([])
    sent, _ = converse(tunnel, b"\5\0" + GRANTED, 1000)
    assert b"secret" not in sent
    assert tunnel.done


def test_addresses() -> None:
    for literal, kind in ((b"\x7f\0\0\1", b"\1"), (IPV6, b"\4")):
        tunnel = new("a literal", literal)
        tunnel.start([])
        assert converse(tunnel, b"\5\0", 1000)[0] == b"\5\1\0" + kind + literal + b"\x01\xbb"
    tunnel = new()
    tunnel.start([IPV6])
    assert converse(tunnel, b"\5\0", 1000)[0] == b"\5\1\0\4" + IPV6 + b"\x01\xbb"


def test_the_next_address_is_tried() -> None:
    tunnel = new()
    for address, last in ((IPV6, False), (b"\x7f\0\0\1", False), (b"\x7f\0\0\2", True)):
        tunnel.start([IPV6, b"\x7f\0\0\1", b"\x7f\0\0\2"])
        assert not tunnel.again
        assert address in tunnel.receive(b"\5\0")[1]
        if last:
            assert converse(tunnel, GRANTED, 1) == (b"", b"")
        else:
            tunnel.receive(b"\5\5\0\1" + bytes(6))
            assert tunnel.again
    assert tunnel.done


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        (1, "general failure"),
        (2, "rules don't allow it"),
        (3, "network can't be reached"),
        (4, "host can't be reached"),
        (5, "connection was refused"),
        (6, "time to live"),
        (7, "doesn't support the command"),
        (8, "doesn't support this type of address"),
        (9, "reply 9"),
        (255, "reply 255"),
    ],
)
def test_replies(reply: int, what: str) -> None:
    tunnel = new()
    tunnel.start([])
    with pytest.raises(ProxyError) as caught:
        converse(tunnel, b"\5\0" + bytes((5, reply)), 1)
    assert f"the proxy {PROXY} could not connect to origin.example:443: " in str(caught.value)
    assert what in str(caught.value)
    assert caught.value.phase == "proxy"


@pytest.mark.parametrize(
    ("user", "answer", "what"),
    [
        ("", b"", "closed the connection"),
        ("", b"\5\0\5", "closed the connection"),
        ("", b"\5\xff", "Give user name and password"),
        ("user", b"\5\xff", "in a way that isn't supported"),
        ("", b"\5\2", "was not offered"),
        ("user", b"\5\1", "was not offered"),
        ("user", b"\5\2\1\1", "doesn't accept user name and password"),
        ("user", b"\5\2\5\0", "doesn't speak SOCKS 5"),
        ("", b"\4\0", "doesn't speak SOCKS 5"),
        ("", b"HTTP/1.1 400 Bad\r\n", "may be a proxy for HTTP"),
        ("", b"\5\0HTTP", "doesn't speak SOCKS 5"),
        ("", b"\5\0\5\0\0\2\0", "address of the type 2"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_refusals(user: str, answer: bytes, what: str, size: int) -> None:
    tunnel = new(user=user, password="secret")
    tunnel.start([])
    with pytest.raises(ProxyError) as caught:
        converse(tunnel, answer, size)
        tunnel.receive(b"")
    assert what in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not tunnel.done


def test_a_name_that_is_too_long() -> None:
    tunnel = new("x" * 256)
    tunnel.start([])
    with pytest.raises(ProxyError, match="256"):
        tunnel.receive(b"\5\0")
