"""Peers for the tests of streams and connections."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

from openssl_api import TlsContext, TlsEngine
from socketpool import Address, MemoryBlock, Stream, TSocketPoolWorker
from socketpool.tls_stream import TlsStream
from tests.servers.scripted import Connection, ScriptedServer

from .events import LIMIT


class Digest(NamedTuple):
    """How many bytes went by, and their SHA-256."""

    size: int
    sha256: str


def digest(data: bytes | bytearray) -> Digest:
    return Digest(len(data), hashlib.sha256(data).hexdigest())


class Sink:
    """A handler for a scripted server that reads everything, once it is let; it keeps the digest only.

    :ivar read: set it to let the server read.
    :ivar done: set when the client has closed its side.
    """

    def __init__(self) -> None:
        self.read = threading.Event()
        self.done = threading.Event()
        self.digest = Digest(0, "")

    def __call__(self, connection: Connection) -> None:
        connection.wait(self.read)
        connection.receive_all()
        self.digest = digest(connection.received)
        self.done.set()

    def wait(self) -> Digest:
        assert self.done.wait(LIMIT)
        return self.digest


def echo(connection: Connection) -> None:
    """Handler: send back whatever comes."""
    while data := connection.receive_some():
        connection.send(data)


def random_bytes(size: int) -> bytes:
    """Return bytes that no wrong order or repetition leaves as they are."""
    return os.urandom(min(size, 1 << 20)) * (size // (1 << 20)) + os.urandom(size % (1 << 20))


def plain_pair() -> tuple[Stream, socket.socket]:
    """Return a stream and the socket at its other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Stream(ours.detach(), Address(socket.AF_UNIX, b"", "the peer")), theirs


def connect_tls(
    server: ScriptedServer, context: TlsContext, host: str = "localhost", send_buffer: int = 0
) -> TlsStream:
    """Return a TLS stream to a server, before its handshake."""
    sock = socket.socket()
    if send_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    sock.connect((server.host, server.port))
    sock.setblocking(False)
    engine = TlsEngine(context, host, server.port, descriptor=sock.fileno())
    return TlsStream(sock.detach(), Address(socket.AF_INET, b"", f"{server.host}:{server.port}"), engine)


def read_all(stream: Stream, block: MemoryBlock, take: Callable[[bytes], object]) -> None:
    """Read until the end of the stream."""
    while count := stream.receive(block, LIMIT):
        take(bytes(block.view[:count]))


def receive_the_end(stream: Stream) -> None:
    """Receive until the stream ends; that what comes in after a shutdown makes the kernel reset it, is an end too."""
    block = MemoryBlock(16384)
    try:
        while stream.receive(block, LIMIT):
            pass
    except ConnectionError:
        pass


def hold_worker(worker: TSocketPoolWorker | None) -> threading.Event:
    """Keep a worker from looking at its sockets, until the event that is returned is set."""
    busy, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        assert go_on.wait(LIMIT)

    assert worker is not None
    worker.call_soon(hold)
    assert busy.wait(LIMIT)
    return go_on
