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

A script does where nothing has to be looked at in between::

    ScriptedServer(script(expect(b"\\r\\n\\r\\n"), send(b"HTTP/1.1 "), wait(event), trickle(b"200 OK\\r\\n"), reset()))
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Self

from ._tls import tls_context
from .connection import LIMIT, Connection, PeerClosed, Request, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    Handler = Callable[[Connection], object]

__all__ = [
    "Connection",
    "PeerClosed",
    "Request",
    "ScriptedServer",
    "answer",
    "close",
    "expect",
    "finish",
    "hold",
    "listen",
    "reset",
    "script",
    "send",
    "tls_context",
    "trickle",
    "wait",
]


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
    :param aborts: connections that the client resets, or closes before the handler is done with it, are what the test
        wants: they end the handler, and aren't errors.
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
        aborts: bool = False,
    ) -> None:
        self.connections: list[Connection] = []
        self.errors: list[BaseException] = []
        self._handler = handler
        self._tls = tls
        self._handshakes_fail = handshakes_fail
        self._expected: tuple[type[Exception], ...] = (Stopped,)
        if aborts:
            self._expected += (PeerClosed, ConnectionError, ssl.SSLError)
        self._stopping = threading.Event()
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

    def wait_until_finished(self, count: int = 1) -> None:
        """Wait until *count* connections were accepted and the handlers of all connections have ended."""
        for connection in self.wait_for_connections(count):
            assert connection.finished.wait(LIMIT), f"the handler for {connection.address} is still running"

    def close(self) -> None:
        """Close the listening socket and every connection, and join every thread."""
        with self._changed:
            self._stopping.set()
            connections = list(self.connections)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection.interrupt()
        for thread in self._threads:
            thread.join(LIMIT)
            assert not thread.is_alive(), f"{thread.name} does not end"
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError:
                if not self._stopping.is_set():
                    raise
                return
            sock.settimeout(LIMIT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                if self._stopping.is_set():
                    sock.close()
                    return
                connection = Connection(sock, address[:2], self._tls, self._stopping)
                number = len(self.connections)
                self.connections.append(connection)
                self._changed.notify_all()
            self._spawn(self._serve, connection, number)

    def _serve(self, connection: Connection, number: int) -> None:
        try:
            if not connection.handshake():
                if not self._handshakes_fail and not self._stopping.is_set() and connection.handshake_error:
                    raise connection.handshake_error
                return
            if callable(self._handler):
                self._handler(connection)
            else:
                assert number < len(self._handler), f"connection {number + 1}, where {len(self._handler)} were expected"
                self._handler[number](connection)
            if not connection.closed:
                connection.finish()
        finally:
            connection.close()
            connection.finished.set()

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            try:
                work(*arguments)
            except self._expected:
                pass
            except BaseException as error:
                # Whatever it is: the test has to see it.
                self.errors.append(error)

        thread = threading.Thread(target=run, name=f"scripted server {self.port} #{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _server_name(self, tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        for connection in self.connections:
            if connection.tls and connection.tls.tls is tls:
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
