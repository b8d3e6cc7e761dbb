"""One connection of a server that is driven by hand, as its handler sees it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ._tls import TlsStream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

#: How long a connection waits for something that has to come, in seconds: long enough to mean "never".
LIMIT = 30.0

_CHUNK = 1 << 16


class PeerClosed(EOFError):
    """The client closed the connection before it had sent what the handler waited for."""


class Stopped(Exception):
    """The test is over, and the handler with it: not an error."""


class Request(NamedTuple):
    """An HTTP/1.1 request as it arrived.

    :ivar fields: the header fields in order, names as sent.
    :ivar raw: the head, byte for byte.
    """

    method: str
    target: str
    version: str
    fields: list[tuple[str, str]]
    body: bytes
    raw: bytes

    def values(self, name: str) -> list[str]:
        """Return the values of every field of that name, in order."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """Return the value of the only field of that name, or ``None``; more than one is an error."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class Connection:
    """One accepted connection, as its handler sees it. For the handler's thread, except where it says otherwise.

    :ivar socket: the TCP socket; with TLS, what is sent here goes past it.
    :ivar received: everything that has been read from the client, in clear text; may be looked at from any thread.
    :ivar tls: the TLS stream over the socket, or ``None``.
    :ivar closed: whether the socket is closed.
    :ivar sent: how many bytes have been sent.
    :ivar address: the client's address and port.
    :ivar server_name: the name the client asked for by SNI; ``None`` without TLS or without SNI.
    :ivar alpn: the protocol that TLS negotiated, or ``None``.
    :ivar handshake_error: why the TLS handshake failed, or ``None``.
    :ivar finished: set when the handler has ended and the socket is closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: tuple[str, int],
        tls: ssl.SSLContext | None,
        stopping: threading.Event,
    ) -> None:
        self._stopping = stopping
        self.socket = sock
        self.tls = TlsStream(sock, tls) if tls else None
        self._stream: TlsStream | socket.socket = self.tls or sock
        self.address = address
        self.received = bytearray()
        self.sent = 0
        self.server_name: str | None = None
        self.alpn: str | None = None
        self.handshake_error: Exception | None = None
        self.finished = threading.Event()
        self._taken = 0
        self.closed = False

    @property
    def close_notify(self) -> bool:
        """Whether the client has ended its TLS stream in order."""
        return bool(self.tls and self.tls.close_notify)

    # Receiving

    def receive_some(self) -> bytes:
        """Return what is there, waiting for at least one byte; ``b""`` at the end of the stream."""
        if self._taken == len(self.received):
            self._fill()
        return self._take(len(self.received))

    def receive(self, size: int) -> bytes:
        """Return exactly *size* bytes."""
        while len(self.received) - self._taken < size:
            if not self._fill():
                raise PeerClosed(f"wanted {size} bytes, got {bytes(self.received[self._taken :])!r}")
        return self._take(self._taken + size)

    def receive_until(self, mark: bytes) -> bytes:
        """Return everything up to and including *mark*."""
        start = self._taken
        while (found := self.received.find(mark, start)) < 0:
            start = max(self._taken, len(self.received) - len(mark) + 1)
            if not self._fill():
                raise PeerClosed(f"wanted {mark!r}, got {bytes(self.received[self._taken :])!r}")
        return self._take(found + len(mark))

    def receive_all(self) -> bytes:
        """Return everything until the client closes its side."""
        while self._fill():
            pass
        return self._take(len(self.received))

    def receive_head(self) -> Request | None:
        """Return the next HTTP/1.1 request without its body; ``None`` if the client closes instead."""
        if self._taken == len(self.received):
            try:
                if not self._fill():
                    return None
            except ConnectionError:
                # Closing with unread data is a reset, and with TLS 1.3 there is some: the session tickets.
                return None
        raw = self.receive_until(b"\r\n\r\n")
        first, *lines = raw[:-4].decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        fields = [(name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines)]
        return Request(method, target, version, fields, b"", raw)

    def receive_body(self, head: Request) -> bytes:
        """Return the body that belongs to *head*, chunked or by its length."""
        if "chunked" not in (head.value("Transfer-Encoding") or ""):
            return self.receive(int(head.value("Content-Length") or 0))
        body = b""
        while size := int(self.receive_until(b"\r\n").partition(b";")[0], 16):
            body += self.receive(size)
            assert self.receive(2) == b"\r\n"
        while self.receive_until(b"\r\n") != b"\r\n":
            pass
        return body

    def receive_request(self) -> Request | None:
        """Return the next HTTP/1.1 request; ``None`` if the client closes instead."""
        head = self.receive_head()
        return head and head._replace(body=self.receive_body(head))

    # Sending

    def send(self, data: bytes) -> None:
        """Send all of *data*; waits while the client doesn't read."""
        with self._checked():
            self._stream.sendall(data)
            self.sent += len(data)

    def trickle(self, data: bytes, pause: float = 0.0005) -> None:
        """Send *data* one byte at a time, *pause* seconds apart."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            time.sleep(pause)

    def respond(self, body: bytes = b"", status: str = "200 OK", fields: Iterable[tuple[str, str]] = ()) -> None:
        """Send a plain HTTP/1.1 response with a ``Content-Length``."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in fields)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    # Waiting

    def wait(self, event: threading.Event) -> None:
        """Do nothing until *event* is set."""
        deadline = time.monotonic() + LIMIT
        while not event.wait(0.02):
            self._check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the event was not set within {LIMIT} s")

    def hold(self) -> None:
        """Never answer: read until the client closes or the test is over."""
        with contextlib.suppress(ConnectionError):
            self.socket.settimeout(None)
            self.receive_all()

    # Closing

    def finish(self) -> None:
        """End the stream in order (close_notify with TLS, then FIN) and read until the client closes as well.

        Unlike :meth:`close`, it never makes the kernel send a reset, which could overtake what was sent before.
        """
        if self.tls:
            with contextlib.suppress(OSError):
                self.received += self.tls.end()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            self.hold()
        self.close()

    def close(self) -> None:
        """Close the socket as it is: with TLS this truncates the stream, for there is no close_notify."""
        if not self.closed:
            self.closed = True
            self.socket.close()

    def reset(self) -> None:
        """Close the connection by a reset (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    # For the server

    def interrupt(self) -> None:
        """Wake the handler wherever it waits for the client; for any thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def handshake(self) -> bool:
        """Do the TLS handshake, if there is one to do, and return whether there may be data now."""
        if self.tls:
            try:
                self.tls.handshake()
            except OSError as error:
                self.handshake_error = error
                return False
            self.alpn = self.tls.tls.selected_alpn_protocol()
        return True

    # Inside

    def _fill(self) -> bool:
        with self._checked():
            data = self._stream.recv(_CHUNK)
        self._check()
        self.received += data
        return bool(data)

    def _take(self, end: int) -> bytes:
        data = bytes(self.received[self._taken : end])
        self._taken = end
        return data

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        self._check()
        try:
            yield
        except (OSError, ValueError):
            # Stopping shuts the socket down under the call, which then fails in one way or another.
            self._check()
            raise
