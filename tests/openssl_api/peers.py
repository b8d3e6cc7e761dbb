"""Peers for engines: Python's ``ssl`` as server in the same thread, and engines on real sockets."""

from __future__ import annotations

import ctypes
import select
import socket
import ssl
from typing import TYPE_CHECKING, Self

from openssl_api import TgoOpenSSL, TlsContext, TlsEngine

if TYPE_CHECKING:
    from types import TracebackType

#: Room for whatever a test moves at once.
BUFFER_SIZE = 1 << 20
#: How long to wait for a real peer, in seconds: "for ever".
LIMIT = 30.0


class Block:
    """Memory with a known address."""

    def __init__(self, size: int = BUFFER_SIZE) -> None:
        self.size = size
        self._memory = ctypes.create_string_buffer(size)
        self.address = ctypes.addressof(self._memory)

    def fill(self, data: bytes) -> int:
        """Copy *data* to the start; return its size."""
        ctypes.memmove(self.address, data, len(data))
        return len(data)

    def content(self, size: int) -> bytes:
        """Return the first *size* bytes."""
        return ctypes.string_at(self.address, size)


class MemoryServer:
    """The server's end, by Python's ``ssl``, in memory.

    :ivar error: why the handshake failed.
    :ivar server_name: what the client asked for by SNI.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.server_name: str | None = None
        self.error: ssl.SSLError | None = None
        self.connected = False
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        context.sni_callback = self._on_name
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def _on_name(self, tls: object, name: str | None, context: object) -> None:
        self.server_name = name

    def handshake(self) -> None:
        """Go on with the handshake."""
        if self.connected or self.error:
            return
        try:
            self.tls.do_handshake()
            self.connected = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.error = error

    def received(self) -> bytes:
        """Return everything that has arrived."""
        data = b""
        try:
            while piece := self.tls.read(1 << 16):
                data += piece
        except ssl.SSLWantReadError:
            pass
        return data


class Pair:
    """An engine and a server, joined by memory or, for the direction to the engine, by a socket.

    :param drain_size: the most that is taken from the engine at once.
    """

    def __init__(
        self,
        server: ssl.SSLContext,
        context: TlsContext,
        host: str = "localhost",
        port: int = 443,
        *,
        through_socket: bool = False,
        alpn: tuple[bytes, ...] | None = None,
        drain_size: int = BUFFER_SIZE,
    ) -> None:
        self.server = MemoryServer(server)
        self.block = Block()
        self.flights: list[bytes] = []
        self._drain_size = drain_size
        self._near: socket.socket | None = None
        self._far: socket.socket | None = None
        descriptor = -1
        if through_socket:
            self._near, self._far = socket.socketpair()
            self._near.setblocking(False)
            descriptor = self._near.fileno()
        try:
            self.engine = TlsEngine(context, host, port, descriptor=descriptor, alpn=alpn)
        except BaseException:
            self.close_sockets()
            raise

    def close_sockets(self) -> None:
        for end in (self._near, self._far):
            if end:
                end.close()

    def close(self) -> None:
        self.engine.close()
        self.close_sockets()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def handshake(self) -> Self:
        """Do the handshake until both sides are done with it; the client's error is raised, the server's is kept."""
        for _ in range(100):
            try:
                done = self.engine.handshake()
            finally:
                self.to_server()
            self.server.handshake()
            self.to_client()
            if done and (self.server.connected or self.server.error):
                return self
        raise AssertionError("the handshake does not end")

    def to_server(self) -> bytes:
        """Move the engine's output to the server; return it."""
        moved = b""
        while count := self.engine.drain_into(self.block.address, self._drain_size):
            moved += self.block.content(count)
        if moved:
            self.flights.append(moved)
            self.server.incoming.write(moved)
        return moved

    def to_client(self) -> bytes:
        """Move the server's output to the engine; return it."""
        moved = self.server.outgoing.read()
        self.feed(moved)
        return moved

    def feed(self, data: bytes) -> None:
        """Give the engine bytes that the server has, or has not, sent."""
        if self._far and data:
            self._far.sendall(data)
        elif data:
            self.engine.feed(self.block.address, self.block.fill(data))

    def eof(self) -> None:
        """End the connection below TLS."""
        if self._far:
            self._far.shutdown(socket.SHUT_WR)
        else:
            self.engine.feed_eof()

    def read(self) -> bytes | None:
        """Let the engine read once: data, ``b""`` at the end, ``None`` if there is nothing yet."""
        count = self.engine.read_into(self.block.address, self.block.size)
        return None if count < 0 else self.block.content(count)

    def read_all(self) -> bytes:
        """Let the engine read all that is there."""
        data = b""
        while piece := self.read():
            data += piece
        return data

    def settle(self) -> None:
        """Let the engine take the session tickets that come after the handshake."""
        self.to_client()
        assert self.read() is None


class Client:
    """An engine on a TCP connection, driven from the calling thread.

    :param blocking: let OpenSSL wait for data, instead of ``select``.
    """

    def __init__(
        self, context: TlsContext, port: int, host: str = "127.0.0.1", *, blocking: bool = False, address: str = ""
    ) -> None:
        self.block = Block()
        self.blocking = blocking
        self.socket = socket.create_connection((address or "127.0.0.1", port), LIMIT)
        self.socket.setblocking(False)
        try:
            self.engine = TlsEngine(context, host, port, descriptor=self.socket.fileno())
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.engine.close()
        self.socket.close()

    def wait(self) -> None:
        assert select.select([self.socket], [], [], LIMIT)[0], "the peer sends nothing"

    def flush(self) -> None:
        while count := self.engine.drain_into(self.block.address, self.block.size):
            self.socket.setblocking(True)
            self.socket.sendall(self.block.content(count))
            self.socket.setblocking(False)

    def handshake(self) -> Self:
        while True:
            try:
                done = self.engine.handshake()
            finally:
                self.flush()
            if done:
                return self
            self.wait()

    def write(self, data: bytes) -> None:
        self.engine.write(data)
        self.flush()

    def read(self) -> bytes:
        """Return data, or ``b""`` at the end."""
        while True:
            if self.blocking:
                self.socket.setblocking(True)
                count = self.engine.read_into_blocking(self.block.address, self.block.size)
            else:
                count = self.engine.read_into(self.block.address, self.block.size)
            self.flush()
            if count >= 0:
                return self.block.content(count)
            if not self.blocking:
                self.wait()

    def receive(self, size: int) -> bytes:
        """Return exactly *size* bytes."""
        data = b""
        while len(data) < size:
            piece = self.read()
            assert piece, f"the stream ended after {len(data)} of {size} bytes"
            data += piece
        return data


class Handler:
    """A :class:`TgoOpenSSL` with its events recorded, and a server, joined by memory."""

    def __init__(self, server: ssl.SSLContext, handler: TgoOpenSSL, host: str = "localhost") -> None:
        self.server = MemoryServer(server)
        self.handler = handler
        self.connected = 0
        self.received = b""
        self.sent: list[bytes] = []
        handler.host = host
        handler.port = 443
        handler.on_connected = self._on_connected
        handler.on_read = self._on_read
        handler.on_write = self._on_write

    def _on_connected(self) -> None:
        self.connected += 1

    def _on_read(self, data: bytes) -> None:
        self.received += data

    def _on_write(self, data: bytes) -> None:
        self.sent.append(data)
        self.server.incoming.write(data)

    def exchange(self) -> None:
        """Let the server answer, and the handler read the answer, until both have nothing more to say."""
        for _ in range(100):
            self.server.handshake()
            data = self.server.outgoing.read()
            if not data:
                return
            self.handler.read(data)
        raise AssertionError("they don't come to an end")
