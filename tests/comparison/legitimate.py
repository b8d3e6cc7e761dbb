"""Probes: what is allowed, but rare; where a client that is too strict would stand in the way."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING

from tests.comparison.jobs import Ask
from tests.comparison.lab import CAP, Lab, probe, told
from tests.servers.sockets import dual_port, silent_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.connection import Connection

HEAD = b"HTTP/1.1 200 OK\r\n"


def _answered(
    data: bytes, expected: bytes = b"hello", method: str = "GET", *, closes: bool = False
) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        got = lab.ask(Ask(lab.bytes_for(data, closes=closes).url, method), patience=CAP)
        if got.error:
            return f"no: {told(got)}"
        return "yes" if got.body == expected else f"no: {got.size} bytes"

    return run


_LENGTH = b"Content-Length: 5\r\n\r\nhello"
for _point, _run in (
    ("150 header fields", _answered(HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + _LENGTH)),
    ("4,300 short fields, 60 KB", _answered(HEAD + b"X-A: 1234567\r\n" * 4300 + _LENGTH)),
    ("one field of 60 KB", _answered(HEAD + b"X-A: " + b"a" * 60000 + b"\r\n" + _LENGTH)),
    ("a head of 90 KB", _answered(HEAD + (b"X-A: " + b"a" * 990 + b"\r\n") * 90 + _LENGTH)),
    ("lines that end in LF alone", _answered((HEAD + _LENGTH).replace(b"\r\n", b"\n"))),
    ("no reason phrase, no space", _answered(b"HTTP/1.1 200\r\n" + _LENGTH)),
    ("HTTP/1.0, body until the end", _answered(b"HTTP/1.0 200 OK\r\n\r\nhello", closes=True)),
    ("a status of 299", _answered(b"HTTP/1.1 299 Fine\r\n" + _LENGTH)),
    ("204 without a length", _answered(b"HTTP/1.1 204 No Content\r\n\r\n", b"")),
    ("Content-Encoding: gzip, and no body",
     _answered(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", b"")),
    ("HEAD, Content-Encoding: gzip",
     _answered(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 40\r\n\r\n", b"", "HEAD")),
    ("Content-Encoding: x-gzip",
     _answered(HEAD + b"Content-Encoding: x-gzip\r\n\r\n" + gzip.compress(b"hello"), closes=True)),
    ("Content-Encoding: none (unknown), left as it is", _answered(HEAD + b"Content-Encoding: none\r\n" + _LENGTH)),
    ("100 Continue that nobody asked for", _answered(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + _LENGTH)),
    ("chunk extensions", _answered(HEAD + b'Transfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\n\r\n')),
    ("Transfer-Encoding: Chunked", _answered(HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")),
):  # fmt: skip
    probe("Allowed, but rare", _point)(_run)


def _target(make: Callable[[str], str]) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        server, asked = lab.site(lambda request: ("200 OK", [], b""))
        got = lab.ask(make(server.url))
        if not asked:
            return f"no: {told(got)}"
        return f"`{asked[0].raw.split(b' ', 1)[1].split(b' HTTP')[0].decode('ascii', 'backslashreplace')}`"

    return run


for _point, _make in (
    ("http://host?a=1", lambda url: url + "?a=1"),
    ("HTTP://host/", lambda url: url.replace("http", "HTTP") + "/"),
    ("/a/../b/./c", lambda url: url + "/a/../b/./c"),
    ("/%7euser/%2f%41", lambda url: url + "/%7euser/%2f%41"),
    ("/a b", lambda url: url + "/a b"),
    ("/ü?ü", lambda url: url + "/ü?ü"),
    ("/100%", lambda url: url + "/100%"),
    ("/?a=[1]|{2}", lambda url: url + "/?a=[1]|{2}"),
    ("/a#b", lambda url: url + "/a#b"),
):
    probe("Request targets", _point)(_target(_make))


def _followed(location: str) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        server, asked = lab.site(
            lambda request: (
                ("302 Found", [("Location", location.replace("HOST", server.url.removeprefix("http://")))], b"")
                if len(asked) == 1
                else ("200 OK", [], b"")
            )
        )
        got = lab.ask(server.url + "/a/b?c", patience=CAP)
        return f"`{asked[1].target}`" if len(asked) > 1 else told(got)

    return run


for _location in ("//HOST/d", "d", "?d", "../../../d", "/d e", "", "HTTP://HOST/d"):
    probe("Redirects", f"at /a/b?c, Location: {_location}".rstrip() + ("(empty)" if not _location else ""))(
        _followed(_location)
    )


@probe("Request bodies", "Expect: 100-continue given, no 100 comes: sent all the same")
def no_continue(lab: Lab) -> str:
    def handler(connection: Connection) -> None:
        head = connection.receive_head()
        assert head
        connection.receive(10)
        connection.respond(b"done")

    server = lab.serve(handler)
    got = lab.ask(Ask(server.url, "POST", [("Expect", "100-continue")], b"0123456789"), patience=CAP)
    return told(got) if got.error else "yes"


@probe("Request bodies", "Expect: 100-continue given, 417 comes: sent without")
def expectation_failed(lab: Lab) -> str:
    def handler(connection: Connection) -> None:
        while head := connection.receive_head():
            if head.value("Expect"):
                connection.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            connection.receive(10)
            connection.respond(b"done")

    server = lab.serve(handler)
    got = lab.ask(Ask(server.url, "POST", [("Expect", "100-continue")], b"0123456789"), patience=CAP)
    return "yes" if got.status == 200 else told(got)


@probe("Request bodies", "401 for 64 MiB, then a reset: the response returned")
def response_and_reset(lab: Lab) -> str:
    file = lab.directory / "large"
    with file.open("wb") as made:
        made.truncate(64 << 20)

    def handler(connection: Connection) -> None:
        connection.receive_head()
        connection.send(b"HTTP/1.1 401 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nwho")
        # With what the client has sent unread, closing is a reset.
        threading.Event().wait(0.3)
        connection.close()

    server = lab.serve(handler)
    got = lab.ask(Ask(server.url, "POST", [("Expect", "")], str(file).encode(), "file"), patience=CAP)
    file.unlink()
    return "yes" if got.status == 401 else f"no: {told(got)}"


@probe("Addresses", "IPv6 silent, IPv4 answers: connected (RFC 8305)")
def silent_ipv6(lab: Lab) -> str:
    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.respond(b"plain")

    with dual_port(handler, "silent") as ports:
        got = lab.ask(f"http://localhost:{ports.port}/", patience=CAP)
    return "yes" if got.status == 200 else told(got)


@probe("Addresses", "a port that is silent, with a limit of 1 s set")
def silent(lab: Lab) -> str:
    with silent_port() as port:
        return told(lab.ask(f"http://127.0.0.1:{port}/", total=1.0, patience=CAP))


@probe("Proxies", "SOCKS 4")
def socks4(lab: Lab) -> str:
    def handler(connection: Connection) -> None:
        connection.receive(8)
        connection.receive_until(b"\0")
        connection.send(b"\0\x5a" + bytes(6))
        connection.receive_request()
        connection.respond(b"plain")

    server = lab.serve(handler)
    got = lab.ask("http://127.0.0.1:9/", proxy=server.url.replace("http", "socks4"), patience=CAP)
    return "yes" if got.status == 200 else f"no: {told(got)}"


@probe("Proxies", "a proxy that answers CONNECT with 403 and a page: the status told")
def proxy_refuses(lab: Lab) -> str:
    server, _ = lab.site(lambda request: ("403 Forbidden", [], b"a page"))
    got = lab.ask("https://127.0.0.1:9/", proxy=server.url, patience=CAP)
    return "yes" if "403" in got.extra.get("message", "") else told(got)
