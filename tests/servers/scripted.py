"""A TCP or TLS server driven by hand: the test says byte for byte what each connection receives, and when.

A *handler* is a function that gets one :class:`Connection`; it runs in a thread of its own, and an error in it (a
failed ``assert`` too) is raised again in the test that owns the server::

    def handler(connection):
        request = connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhel")
        connection.reset()

    with ScriptedServer(handler) as server:
        ...
    assert server.connections[0].received == b"..."

The same as a script, where nothing has to be looked at in between:
``ScriptedServer(script(expect(b"\\r\\n\\r\\n"), send(b"HTTP/1.1 "), wait(event), trickle(b"200 OK\\r\\n\\r\\n"), reset()))``.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from tests.certificates import Identity

    Handler = Callable[["Connection"], object]

#: How long a connection waits for something that has to come, in seconds: long enough to mean "never".
LIMIT = 30.0

_CHUNK = 1 << 16


class PeerClosed(EOFError):
    """The client closed the connection before it had sent what the handler waited for."""


class _Stopped(Exception):  # noqa: N818 - it ends a handler, and isn't an error
    """The test is over, and the handler with it."""


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

    :ivar received: everything that has been read from the client, in clear text; may be looked at from any thread.
    :ivar sent: how many bytes have been sent.
    :ivar address: the client's address and port.
    :ivar server_name: the name the client asked for by SNI; ``None`` without TLS or without SNI.
    :ivar alpn: the protocol that TLS negotiated, or ``None``.
    :ivar handshake_error: why the TLS handshake failed, or ``None``.
    :ivar finished: set when the handler has ended and the socket is closed.
    """

    def __init__(self, server: ScriptedServer, sock: socket.socket, address: tuple[str, int]) -> None:
        self._server = server
        self.socket = sock
        self.address = address
        self.received = bytearray()
        self.sent = 0
        self.server_name: str | None = None
        self.alpn: str | None = None
        self.handshake_error: Exception | None = None
        self.finished = threading.Event()
        self._taken = 0
        self._closed = False

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
        if self._taken == len(self.received) and not self._fill():
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
            self.socket.sendall(data)
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
        self._notify()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
        with contextlib.suppress(OSError):
            self.hold()
        self.close()

    def close(self) -> None:
        """Close the socket as it is: with TLS this truncates the stream, for there is no close_notify."""
        if not self._closed:
            self._closed = True
            self.socket.close()

    def reset(self) -> None:
        """Close the connection by a reset (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    # Inside

    def _fill(self) -> bool:
        with self._checked():
            data = self.socket.recv(_CHUNK)
        self._check()
        self.received += data
        return bool(data)

    def _take(self, end: int) -> bytes:
        data = bytes(self.received[self._taken : end])
        self._taken = end
        return data

    def _check(self) -> None:
        if self._server._stopping:
            raise _Stopped

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        self._check()
        try:
            yield
        except (OSError, ValueError):
            # Stopping shuts the socket down under the call, which then fails in one way or another.
            self._check()
            raise

    def _notify(self) -> None:
        if isinstance(self.socket, ssl.SSLSocket):
            # unwrap() sends close_notify and waits for the client's; without blocking it only sends.
            with contextlib.suppress(OSError, ValueError):
                self.socket.setblocking(False)
                self.socket.unwrap()

    def _interrupt(self) -> None:
        # Below SSLSocket.shutdown, which takes the TLS object away from under the handler's thread.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def _handshake(self) -> bool:
        if not isinstance(self.socket, ssl.SSLSocket):
            return True
        try:
            self.socket.do_handshake()
        except (OSError, ValueError) as error:
            self.handshake_error = error
            return False
        self.alpn = self.socket.selected_alpn_protocol()
        return True


class ScriptedServer:
    """A server on a loopback port of its own; a context manager that joins every thread and raises handlers' errors.

    :param handler: what to do with each connection. A sequence has one handler per connection, in the order of
        their acceptance, and a connection too many is an error.
    :param tls: speak TLS with this context (see :func:`tls_context`).
    :param host: the address to listen on.
    :param listener: a listening socket to use instead; it is closed with the server.
    :param receive_buffer: the size of the kernel's receive buffer, in bytes; small, it makes a client that sends
        feel a handler that doesn't read.
    :param handshakes_fail: failing TLS handshakes are what the test wants, so they aren't errors.
    :ivar connections: what was accepted so far.
    """

    def __init__(
        self,
        handler: Handler | Sequence[Handler],
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        listener: socket.socket | None = None,
        receive_buffer: int | None = None,
        handshakes_fail: bool = False,
    ) -> None:
        self.connections: list[Connection] = []
        self.errors: list[BaseException] = []
        self._handler = handler
        self._tls = tls
        self._handshakes_fail = handshakes_fail
        self._stopping = False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._listener = listener or listen(host)
        self.host, self.port = self._listener.getsockname()[:2]
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if tls:
            tls.sni_callback = self._server_name
        self._spawn(self._accept)

    @property
    def accepted(self) -> int:
        """How many connections were accepted so far."""
        return len(self.connections)

    @property
    def url(self) -> str:
        """The address of the server, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def wait_for_connections(self, count: int) -> list[Connection]:
        """Wait until *count* connections were accepted, and return them all."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.connections) >= count, LIMIT), f"{self.accepted} connections"
            return list(self.connections)

    def wait_until_finished(self) -> None:
        """Wait until the handler of every connection so far has ended."""
        for connection in list(self.connections):
            assert connection.finished.wait(LIMIT), f"the handler for {connection.address} is still running"

    def close(self) -> None:
        """Close the listening socket and every connection, and join every thread."""
        with self._changed:
            self._stopping = True
            connections = list(self.connections)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection._interrupt()
        for thread in self._threads:
            thread.join(LIMIT)
            assert not thread.is_alive(), f"{thread.name} does not end"
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError:
                if not self._stopping:
                    raise
                return
            sock.settimeout(LIMIT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            with self._changed:
                if self._stopping:
                    sock.close()
                    return
                connection = Connection(self, sock, address[:2])
                number = len(self.connections)
                self.connections.append(connection)
                self._changed.notify_all()
            self._spawn(lambda connection=connection, number=number: self._serve(connection, number))

    def _serve(self, connection: Connection, number: int) -> None:
        try:
            if not connection._handshake():
                if not self._handshakes_fail and not self._stopping and connection.handshake_error:
                    raise connection.handshake_error
                return
            if callable(self._handler):
                self._handler(connection)
            else:
                assert number < len(self._handler), f"connection {number + 1}, where {len(self._handler)} were expected"
                self._handler[number](connection)
            if not connection._closed:
                connection.finish()
        finally:
            connection.close()
            connection.finished.set()

    def _spawn(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except _Stopped:
                pass
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test has to see it
                self.errors.append(error)

        thread = threading.Thread(target=run, name=f"scripted server {self.port} #{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _server_name(self, sock: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        for connection in self.connections:
            if connection.socket is sock:
                connection.server_name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if not self.errors:
            return
        if error is None:
            raise self.errors[0] if len(self.errors) == 1 else BaseExceptionGroup("handlers failed", self.errors)
        for failure in self.errors:
            error.add_note(f"and in a handler of the scripted server: {failure!r}")


def listen(host: str = "127.0.0.1", port: int = 0, backlog: int = 128) -> socket.socket:
    """Return a listening socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def tls_context(
    identity: Identity,
    *,
    alpn: Sequence[str] = (),
    client_ca: Path | None = None,
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """Return a context for one :class:`ScriptedServer`.

    :param alpn: the protocols it accepts, the preferred one first.
    :param client_ca: the file of an authority: a client certificate of its is required then.
    :param maximum: the newest version of TLS it speaks.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key, identity.password or None)
    context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(alpn)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


# Scripts


def script(*steps: Handler) -> Handler:
    """Return a handler that does *steps* one after the other."""

    def handler(connection: Connection) -> None:
        for step in steps:
            step(connection)

    return handler


def expect(mark: bytes) -> Handler:
    """Step: receive up to and including *mark*."""
    return lambda connection: connection.receive_until(mark)


def send(data: bytes) -> Handler:
    """Step: send *data*."""
    return lambda connection: connection.send(data)


def trickle(data: bytes) -> Handler:
    """Step: send *data* one byte at a time."""
    return lambda connection: connection.trickle(data)


def wait(event: threading.Event) -> Handler:
    """Step: do nothing until *event* is set."""
    return lambda connection: connection.wait(event)


def hold() -> Handler:
    """Step: never answer."""
    return Connection.hold


def finish() -> Handler:
    """Step: end the stream in order."""
    return Connection.finish


def close() -> Handler:
    """Step: close the socket as it is."""
    return Connection.close


def reset() -> Handler:
    """Step: reset the connection."""
    return Connection.reset


def answer(body: bytes = b"", status: str = "200 OK", fields: Iterable[tuple[str, str]] = ()) -> Handler:
    """Return a handler that answers every request of a connection in the same way, until the client closes."""
    fields = list(fields)

    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.respond(body, status, fields)

    return handler
