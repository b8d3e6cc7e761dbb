"""Probes: bodies of requests, and responses."""

from __future__ import annotations

import functools
import gzip
import struct
import threading
import zlib
from typing import TYPE_CHECKING

import brotli  # type: ignore[import-untyped]
import zstandard

from tests.comparison.jobs import CURL, Ask
from tests.comparison.lab import CAP, Lab, probe, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.comparison.jobs import Got
    from tests.servers.connection import Connection

MIB = 1 << 20
LARGE = 64 * MIB
TEXT = b"".join(b"%d squared is %d\n" % (n, n * n) for n in range(150))


# Bodies of requests


@probe("Request bodies", "a generator: chunked")
def generator(lab: Lab) -> str:
    server, asked = lab.site(lambda request: ("200 OK", [], b""))
    got = lab.ask(Ask(server.url, "POST", body=b"0123456789", kind="generator"))
    if got.error:
        return told(got)
    return "yes" if asked[0].body == b"0123456789" and asked[0].value("Transfer-Encoding") == "chunked" else "no"


@probe("Request bodies", "JSON")
def json_body(lab: Lab) -> str:
    server, asked = lab.site(lambda request: ("200 OK", [], b""))
    got = lab.ask(Ask(server.url, "POST", body=b'{"a": "\xc3\xbc"}', kind="json"))
    if got.error:
        return told(got)
    return f"{asked[0].value('Content-Type')}, {asked[0].body.decode('ascii', 'backslashreplace')}"


def _large(kind: str) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        file = lab.directory / "large"
        with file.open("wb") as made:
            made.truncate(LARGE)
        received = []

        def handler(connection: Connection) -> None:
            head = connection.receive_head()
            assert head
            chunked = head.value("Transfer-Encoding") == "chunked"
            left = LARGE if chunked else int(head.value("Content-Length") or 0)
            if head.value("Expect"):
                connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            size = 0
            while size < left:
                size += len(connection.receive_some())
                connection.received.clear()
                connection._taken = 0
            received.append(size)
            connection.respond()

        server = lab.serve(handler)
        session = lab.session([Ask(server.url + "/", "POST", body=str(file).encode(), kind=kind)])
        file.unlink()
        if not session.got or session.got[0].error or not received:
            return told(session.got[0]) if session.got else "hangs"
        return "bounded memory" if session.growth < LARGE // 2 else "ALL IN MEMORY"

    return run


probe("Request bodies", "a file of 64 MiB")(_large("file"))
probe("Request bodies", "a file of 64 MiB, multipart/form-data")(_large("multipart"))


@probe("Request bodies", "Expect: 100-continue given: waits for 100")
def expect_continue(lab: Lab) -> str:
    early = []

    def handler(connection: Connection) -> None:
        head = connection.receive_head()
        assert head
        connection.socket.settimeout(0.4)
        try:
            early.append(connection.receive(1))
        except TimeoutError:
            pass
        connection.socket.settimeout(CAP)
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.receive(9 if early else 10)
        connection.respond(b"done")

    server = lab.serve(handler)
    got = lab.ask(Ask(server.url, "POST", [("Expect", "100-continue")], b"0123456789"))
    return told(got) if got.error else "no: sent at once" if early else "yes"


@probe("Request bodies", "413 while 64 MiB are being sent, then close: the response returned")
def early_response(lab: Lab) -> str:
    file = lab.directory / "large"
    with file.open("wb") as made:
        made.truncate(LARGE)

    def handler(connection: Connection) -> None:
        connection.receive_head()
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        # The server ends its side, and reads on until the client ends its own.

    server = lab.serve(handler)
    got = lab.ask(Ask(server.url, "POST", [("Expect", "")], str(file).encode(), "file"), patience=CAP)
    file.unlink()
    return "yes" if got.status == 413 else f"no: {told(got)}"


@probe("Request bodies", "a generator, then 307")
def generator_redirected(lab: Lab) -> str:
    server, asked = lab.site(
        lambda request: (
            ("307 Temporary", [("Location", "/there")], b"") if request.target == "/" else ("200 OK", [], b"")
        )
    )
    got = lab.ask(Ask(server.url + "/", "POST", body=b"0123456789", kind="generator"), patience=CAP)
    if len(asked) > 1:
        return "sent again" if asked[1].body == b"0123456789" else "AN EMPTY BODY SENT"
    return told(got)


# Responses


def _coded(coding: str, body: bytes) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        server, _ = lab.site(lambda request: ("200 OK", [("Content-Encoding", coding)], body))
        got = lab.ask(server.url)
        return told(got) if got.error else "yes" if got.body == TEXT else _not_all(got)

    return run


def _not_all(got: Got) -> str:
    return f"SILENT: {got.size} of {len(TEXT)} bytes" if got.body and TEXT.startswith(got.body) else "no: as it came"


def _raw_deflate(data: bytes) -> bytes:
    maker = zlib.compressobj(wbits=-15)
    return maker.compress(data) + maker.flush()


for _point, _coding, _body in (
    ("gzip", "gzip", gzip.compress(TEXT)),
    ("gzip of two members", "gzip", gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:])),
    ("deflate, with zlib's head", "deflate", zlib.compress(TEXT)),
    ("deflate, raw", "deflate", _raw_deflate(TEXT)),
    ("br", "br", brotli.compress(TEXT)),
    ("zstd", "zstd", zstandard.compress(TEXT)),
    ("two codings: deflate, gzip", "deflate, gzip", gzip.compress(zlib.compress(TEXT))),
):
    probe("Responses", _point)(_coded(_coding, _body))


def _damaged(data: bytes) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        server, _ = lab.site(lambda request: ("200 OK", [("Content-Encoding", "gzip")], data))
        got = lab.ask(server.url)
        return told(got) if got.error else f"SILENT: {got.size} of {len(TEXT)} bytes"

    return run


_good = gzip.compress(TEXT)
probe("Responses", "gzip, cut off")(_damaged(_good[: len(_good) // 2]))
probe("Responses", "gzip, checksum wrong")(_damaged(_good[:-8] + bytes(4) + _good[-4:]))


@functools.cache
def _bomb() -> bytes:
    """2 GiB of zeros in gzip: one piece that stands for itself, again and again."""
    size, count = 16 * MIB, 128
    zeros = bytes(size)
    maker = zlib.compressobj(9, wbits=-15)
    piece = maker.compress(zeros) + maker.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(count):
        checksum = zlib.crc32(zeros, checksum)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + piece * count + b"\x03\0" + struct.pack("<II", checksum, size * count)


@probe("Responses", "2 GiB of zeros in 2 MiB of gzip, into memory")
def bomb(lab: Lab) -> str:
    with lab.stage.lock:
        body = _bomb()
        server, _ = lab.site(lambda request: ("200 OK", [("Content-Encoding", "gzip")], body))
        session = lab.session([Ask(server.url)], memory=1600 * MIB)
        got = session.got[0]
    if lab.client == CURL:
        return "written as it comes, memory bounded" if session.growth < 200 * MIB else "unbounded"
    if got.error == "MemoryError" or session.growth > 1500 * MIB:
        return "UNBOUNDED (more than 1,500 MiB)"
    return told(got)


@probe("Responses", "a limit of 1 MiB set, 32 MiB of zeros in gzip")
def decoded_limit(lab: Lab) -> str:
    body = gzip.compress(bytes(32 * MIB))
    server, _ = lab.site(lambda request: ("200 OK", [("Content-Encoding", "gzip")], body))
    got = lab.ask(server.url, decoded=MIB)
    return told(got) if got.error else f"no: {got.size >> 20} MiB"


@probe("Responses", "charset by a byte order mark")
def byte_order_mark(lab: Lab) -> str:
    if lab.client == CURL:
        return "no text: bytes only"
    body = "h\u00fc".encode("utf-16")
    server, _ = lab.site(lambda request: ("200 OK", [("Content-Type", "text/plain")], body))
    got = lab.ask(server.url)
    return told(got) if got.error else "yes" if got.text == "h\u00fc" else "no"


@probe("Responses", "text without a charset is UTF-8")
def no_charset(lab: Lab) -> str:
    if lab.client == CURL:
        return "no text: bytes only"
    server, _ = lab.site(lambda request: ("200 OK", [("Content-Type", "text/plain")], "h\u00fc".encode()))
    got = lab.ask(server.url)
    return told(got) if got.error else "yes" if got.text == "h\u00fc" else "no"


@probe("Responses", "trailers visible")
def trailers(lab: Lab) -> str:
    server = lab.bytes_for(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n"
    )
    got = lab.ask(server.url)
    return told(got) if got.error else "yes" if "X-Sum: 7" in got.extra.get("trailers", "") else "no"


@probe("Responses", "103 Early Hints visible")
def early_hints(lab: Lab) -> str:
    server = lab.bytes_for(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
    )
    got = lab.ask(server.url)
    if got.error:
        return told(got)
    if got.status != 200:
        return "TAKEN FOR THE RESPONSE"
    return "yes" if "103" in got.extra.get("informational", "") else "no: skipped"


def _tells(name: str, point: str, texts: dict[str, str]) -> None:
    @probe("Responses", point)
    def run(lab: Lab) -> str:
        got = lab.ask(lab.stage.nginx.url("https1", "/request"), ca=lab.ca, verbose=True)
        return told(got) if got.error else texts.get(lab.client, "yes") if got.extra.get(name) else "no"


_tells("timings", "how long it took", {"requests": "yes, to the head"})
_tells("phases", "how long each phase took (lookup, connect, TLS, first byte)", {})
_tells("peer", "the server's address", {})
_tells("tls", "TLS version and cipher", {"httpx": "yes (an extension)", "curl": "yes (with --verbose)"})


@probe("Responses", "answer to HEAD with Content-Length, connection used again")
def head_method(lab: Lab) -> str:
    done = threading.Event()

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            if request.method == "HEAD":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                done.set()
            else:
                connection.respond(b"plain")

    server = lab.serve(handler)
    got = lab.session([Ask(server.url, "HEAD"), Ask(server.url)]).got
    return "yes" if got[-1].body == b"plain" and server.accepted == 1 else told(got[-1])
