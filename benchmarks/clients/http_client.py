"""The standard library's http.client."""

from __future__ import annotations

import platform
import ssl
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.clients import Crew, repeat
from benchmarks.content import KIB, check_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

CANNOT = {
    "http2": "http.client has no HTTP/2",
}
_BUFFER = 512 * KIB


def versions() -> dict[str, str]:
    return {"Python": platform.python_version(), "ssl": ssl.OPENSSL_VERSION}


def one_at_a_time(target: Target) -> Callable[[int], None]:
    return repeat(_getter(_connections(target)(target.url), target.path), target)


def in_threads(target: Target) -> Callable[[int], None]:
    # There is no client to share: each thread has its connection.
    return Crew(one_at_a_time(target) for _ in range(target.concurrency))


def at_once(target: Target) -> Callable[[int], None]:
    # One thread: ask on all connections, then read from all of them. Cheaper than a thread for each.
    connect = _connections(target)
    connections = [connect(target.url) for _ in range(target.concurrency)]
    path, expected = target.path, target.body

    def run(count: int) -> None:
        for start in range(0, count, len(connections)):
            asked = connections[: count - start]
            for connection in asked:
                connection.request("GET", path)
            for connection in asked:
                check_small(connection.getresponse().read(), expected)

    return run


def new_connections(target: Target) -> Callable[[int], None]:
    context = ssl.create_default_context(cafile=target.ca_file)
    session: ssl.SSLSession | None = None

    def get() -> bytes:
        nonlocal session
        # What HTTPSConnection.connect does, which can't be told a session.
        connection = HTTPConnection(target.host, target.port)
        connection.connect()
        connection.sock = tls = context.wrap_socket(connection.sock, server_hostname=target.host, session=session)
        connection.request("GET", target.path)
        body = connection.getresponse().read()
        if target.resume:
            session = tls.session
        connection.close()
        return body

    get()
    return repeat(get, target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    connect = _connections(target)
    held: list[HTTPConnection] = []

    def run(urls: Sequence[str]) -> None:
        for url in urls:
            connection = connect(url)
            check_small(_getter(connection, target.path)(), target.body)
            held.append(connection)

    return run


def download(target: Target) -> Callable[[str, Receiver], None]:
    connection = _connections(target)(target.url)
    buffer = memoryview(bytearray(_BUFFER))

    def run(url: str, receive: Receiver) -> None:
        connection.request("GET", urlsplit(url).path)
        response = connection.getresponse()
        while size := response.readinto(buffer):
            receive(buffer[:size])

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    connection = _connections(target)(target.url)

    def run(url: str, source: Source) -> None:
        connection.request("PUT", urlsplit(url).path, body=source, headers={"Content-Length": str(len(source))})
        connection.getresponse().read()

    return run


def cold(target: Target) -> str:
    if target.tls:
        connect = f"""
import ssl
context = ssl.create_default_context(cafile={target.ca_file!r})
connection = http.client.HTTPSConnection({target.host!r}, {target.port}, context=context)"""
    else:
        connect = f"connection = http.client.HTTPConnection({target.host!r}, {target.port})"
    return f"""
import http.client, sys
{connect}
connection.request("GET", {target.path!r})
sys.stdout.buffer.write(connection.getresponse().read())
"""


def _connections(target: Target) -> Callable[[str], HTTPConnection]:
    context = ssl.create_default_context(cafile=target.ca_file) if target.tls else None

    def connect(url: str) -> HTTPConnection:
        parts = urlsplit(url)
        if context is not None:
            return HTTPSConnection(parts.hostname or "", parts.port, context=context)
        return HTTPConnection(parts.hostname or "", parts.port)

    return connect


def _getter(connection: HTTPConnection, path: str) -> Callable[[], bytes]:
    def get() -> bytes:
        connection.request("GET", path)
        return connection.getresponse().read()

    return get
