"""Probes: messages that are wrong, or made to be, limits, and when a request is made again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tests.comparison.jobs import Ask
from tests.comparison.lab import CAP, Lab, probe, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.comparison.lab import Answer
    from tests.servers.connection import Connection, Request

HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 5\r\n\r\nhello"
FORGED = HEAD + b"Content-Length: 6\r\n\r\nforged"


# Framing


def _framing(data: bytes, closes: bool) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        got = lab.ask(lab.bytes_for(data, closes=closes).url, patience=CAP)
        if got.error or not got.status:
            return told(got)
        body = got.body.decode("ascii", "backslashreplace").replace("\r", "\\r").replace("\n", "\\n")
        fields = "".join(f", {name}: {value!r}" for name, value in got.headers if name.lower().startswith("x-"))
        return f"{got.status}, `{body[:40]}`{fields}"

    return run


for _point, _head, _body, _closes in (
    ("Content-Length and Transfer-Encoding", b"Content-Length: 3\r\nTransfer-Encoding: chunked",
     b"5\r\nhello\r\n0\r\n\r\n", False),
    ("two different Content-Lengths", b"Content-Length: 3\r\nContent-Length: 5", b"hello", False),
    ("two equal Content-Lengths", b"Content-Length: 5\r\nContent-Length: 5", b"hello", False),
    ("Content-Length: -1", b"Content-Length: -1", b"hello", True),
    ("Content-Length: +5", b"Content-Length: +5", b"hello", True),
    ("Content-Length: 0x5", b"Content-Length: 0x5", b"hello", True),
    ("chunk size: x5", b"Transfer-Encoding: chunked", b"x5\r\nhello\r\n0\r\n\r\n", True),
    ("chunk size: 0x5", b"Transfer-Encoding: chunked", b"0x5\r\nhello\r\n0\r\n\r\n", True),
    ("chunk size: -5", b"Transfer-Encoding: chunked", b"-5\r\nhello\r\n0\r\n\r\n", True),
    ("chunk size of 2^64+5", b"Transfer-Encoding: chunked", b"10000000000000005\r\nhello\r\n0\r\n\r\n", True),
    ("a chunk longer than its size", b"Transfer-Encoding: chunked", b"3\r\nhello\r\n0\r\n\r\n", True),
    ("Transfer-Encoding: xchunked", b"Transfer-Encoding: xchunked", b"5\r\nhello\r\n0\r\n\r\n", True),
    ("body cut off, by length", b"Content-Length: 9", b"hello", True),
    ("body cut off, chunked", b"Transfer-Encoding: chunked", b"5\r\nhello\r\n", True),
    ("head cut off", b"X-A: 1", None, True),
    ("white space before a colon", b"X-A : 1\r\nContent-Length: 5", b"hello", False),
    ("white space before the first field", b" X-A: 1\r\nContent-Length: 5", b"hello", False),
    ("a bare CR in a value", b"X-A: 1\rX-B: 2\r\nContent-Length: 5", b"hello", False),
    ("NUL in a value", b"X-A: 1\0002\r\nContent-Length: 5", b"hello", False),
    ("a folded line (obs-fold)", b"X-A: 1\r\n 2\r\nContent-Length: 5", b"hello", False),
    ("a field line without a colon", b"X-A\r\nContent-Length: 5", b"hello", False),
):  # fmt: skip
    _data = HEAD + _head + (b"\r\n\r\n" + _body if _body is not None else b"\r\n")
    probe("Framing", _point)(_framing(_data, _closes))


@probe("Framing", "surplus after a response: taken for the next one?")
def surplus(lab: Lab) -> str:
    server = lab.bytes_for(OK + FORGED)
    got = lab.session([Ask(server.url), Ask(server.url)], patience=CAP).got
    return "YES: FORGED" if got[-1].body == b"forged" else "no" if got[-1].body == b"plain" else told(got[-1])


@probe("Framing", "a response that nobody asked for, on an idle connection: taken for the next one?")
def unasked(lab: Lab) -> str:
    def handler(connection: Connection) -> None:
        number = 0
        while connection.receive_request():
            connection.respond(b"hello" if not number else b"plain")
            if not number:
                time.sleep(0.1)
                connection.send(FORGED)
            number += 1

    server = lab.serve(handler)
    got = lab.session([Ask(server.url), Ask(server.url, pause=0.6)]).got
    return "YES: FORGED" if got[-1].body == b"forged" else "no" if got[-1].status == 200 else told(got[-1])


@probe("Framing", "surplus after an answer to HEAD: taken for the next one?")
def surplus_head(lab: Lab) -> str:
    server = lab.bytes_for(HEAD + b"Content-Length: 60\r\n\r\n" + FORGED)
    got = lab.session([Ask(server.url, "HEAD"), Ask(server.url)], patience=CAP).got
    return "YES: FORGED" if got[-1].body == b"forged" else "no" if got[-1].body == b"plain" else told(got[-1])


# Injection


def _injection(make: Callable[[str], Ask]) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        received = []

        def handler(connection: Connection) -> None:
            received.append(connection.receive_until(b"\r\n\r\n"))
            connection.respond(b"plain")

        server = lab.serve(handler)
        got = lab.ask(make(server.url), patience=CAP)
        if not received:
            return f"refused ({got.error})" if got.error else told(got)
        if b"\r\nInjected:" in received[0]:
            return "INJECTED"
        start = received[0].split(b"\r\n")[0].decode("ascii", "backslashreplace")
        return "INJECTED (line feed)" if b"\nInjected:" in received[0] else f"made harmless: `{start}`"

    return run


_LINE = "\r\nInjected: 1"
for _point, _make in (
    ("CR LF in a field value", lambda url: Ask(url, headers=[("X-A", "1" + _LINE)])),
    ("LF in a field value", lambda url: Ask(url, headers=[("X-A", "1\nInjected: 1")])),
    ("CR LF in a field name", lambda url: Ask(url, headers=[("X-A: 1" + _LINE + "\r\nX-B", "1")])),
    ("CR LF in a method", lambda url: Ask(url + "/", f"GET / HTTP/1.1{_LINE}\r\nX-B: ")),
    ("CR LF in a URL's path", lambda url: Ask(f"{url}/ HTTP/1.1{_LINE}\r\nX-B: ")),
    ("CR LF in a URL's query", lambda url: Ask(f"{url}/?a HTTP/1.1{_LINE}\r\nX-B: ")),
    ("CR LF in a URL's host", lambda url: Ask(url.replace("127.0.0.1", f"127.0.0.1{_LINE}"))),
):  # fmt: skip
    probe("Injection", _point)(_injection(_make))


# Limits


def _endless(head: bytes, piece: bytes) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        stop = threading.Event()

        def handler(connection: Connection) -> None:
            connection.receive_head()
            connection.send(head)
            # Not more than a client can bear that keeps it all.
            while connection.sent < 200 << 20 and not stop.is_set():
                connection.send(piece)
            connection.hold()

        server = lab.serve(handler)
        got = lab.ask(server.url, patience=CAP)
        stop.set()
        return "TAKEN FOR THE RESPONSE" if got.status == 103 else told(got)

    return run


for _point, _head, _piece in (
    ("a head without end: many fields", HEAD, b"X-A: 1\r\n" * 4096),
    ("a head without end: one field", HEAD + b"X-A: ", b"a" * 32768),
    ("a status line without end", b"HTTP/1.1 200 ", b"a" * 32768),
    ("1xx without end", b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1024),
    ("a chunk extension without end", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=", b"a" * 32768),
    ("a chunk size without end: zeros", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 32768),
    ("trailers without end", HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: 1\r\n" * 4096),
):
    probe("Limits", _point)(_endless(_head, _piece))


def _drip(head: bytes) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        stop = threading.Event()

        def handler(connection: Connection) -> None:
            connection.receive_head()
            connection.send(head)
            while not stop.wait(0.25):
                connection.send(b"a")

        server = lab.serve(handler)
        got = lab.ask(server.url, total=1.0, patience=CAP)
        stop.set()
        return told(got)

    return run


probe("Limits", "a head, four bytes a second, with a limit of 1 s set")(_drip(HEAD + b"X-A: "))
probe("Limits", "a body, four bytes a second, with a limit of 1 s set")(_drip(HEAD + b"Content-Length: 9999\r\n\r\n"))


# Made again


def _stale(method: str) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        asked: list[Request] = []

        def handler(connection: Connection) -> None:
            # The first connection ends, without a word, when it is to be used again.
            first = server.connections[0] is connection
            while request := connection.receive_request():
                asked.append(request)
                if first and len(asked) > 1:
                    connection.reset()
                    return
                connection.respond(b"plain")

        server = lab.serve(handler)
        body = b"a=b" if method == "POST" else b""
        got = lab.session([Ask(server.url), Ask(server.url, method, body=body)], patience=CAP).got[-1]
        return told(got) if got.error else "made again" if len(asked) == 3 else told(got)

    return run


probe("Made again", "GET, kept connection reset under it")(_stale("GET"))
probe("Made again", "POST, kept connection reset under it (RFC 9110 9.2.2: not by itself)")(_stale("POST"))


@probe("Made again", "kept connection closed before the request: noticed")
def stale_closed(lab: Lab) -> str:
    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.respond(b"plain")
        connection.close()

    server = lab.serve(handler)
    got = lab.session([Ask(server.url), Ask(server.url, "POST", body=b"a=b", pause=0.4)]).got[-1]
    return "yes" if got.status == 200 else told(got)


@probe("Made again", "503 with Retry-After: 1, and retries asked for")
def retry_after(lab: Lab) -> str:
    times: list[float] = []

    def respond(_: object) -> Answer:
        times.append(time.monotonic())
        return ("200 OK", [], b"") if len(times) > 1 else ("503 Busy", [("Retry-After", "1")], b"")

    server, _ = lab.site(respond)
    got = lab.ask(server.url, retries=2)
    if got.status != 200:
        return "not offered: of connections only" if lab.client == "httpx" else told(got)
    return "yes, after 1 s" if times[1] - times[0] > 0.95 else "yes, too early"
