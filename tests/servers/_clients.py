"""Clients that are not this project's, for looking at the servers: the standard library, and the ``h2`` package."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from .nginx import SITES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.certificates import Certificates

    from .nginx import Nginx

TIMEOUT = 20.0


class Response(NamedTuple):
    """A response; the names of the fields are in lower case."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def value(self, name: str) -> str:
        """Return the values of a field, joined by commas."""
        return ", ".join(value for field, value in self.fields if field == name)

    @property
    def lines(self) -> dict[str, str]:
        """The body where it is lines of ``name=value``."""
        return dict(line.split("=", 1) for line in self.body.decode().splitlines())


def trusting(certificates: Certificates, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """Return a client's TLS context that trusts the authority of the run, and verifies."""
    context = ssl.create_default_context(cafile=certificates.ca_file)
    # Some versions of Python 3.11 set it, and then a truncated stream looks like one that has ended.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


@contextlib.contextmanager
def connect(
    port: int, context: ssl.SSLContext | None = None, name: str = "localhost", host: str = "127.0.0.1"
) -> Iterator[socket.socket]:
    """A connected socket, with TLS where there is a context for it; a truncated TLS stream is an error."""
    with socket.create_connection((host, port), TIMEOUT) as raw:
        if context is None:
            yield raw
        else:
            with context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False) as wrapped:
                yield wrapped


@contextlib.contextmanager
def http_client(nginx: Nginx, site: str, context: ssl.SSLContext | None) -> Iterator[http.client.HTTPConnection]:
    """A connection of the standard library to one site."""
    client: http.client.HTTPConnection
    if SITES[site].identity:
        client = http.client.HTTPSConnection("localhost", nginx.port(site), timeout=TIMEOUT, context=context)
    else:
        client = http.client.HTTPConnection("localhost", nginx.port(site), timeout=TIMEOUT)
    with contextlib.closing(client):
        yield client


def ask(
    client: http.client.HTTPConnection,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    fields: Mapping[str, str] | None = None,
) -> Response:
    """One request over a connection of the standard library."""
    client.request(method, path, body, dict(fields or {}))
    response = client.getresponse()
    return Response(response.status, [(name.lower(), value) for name, value in response.getheaders()], response.read())


class H2Client:
    """The h2 package with a socket: enough to look at a server; a context manager."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._stack = contextlib.ExitStack()
        self.socket = self._stack.enter_context(connect(port, context))
        self.h2 = H2Connection(H2Configuration(header_encoding="latin-1"))
        self.h2.initiate_connection()
        self.events: list[Event] = []
        self._scheme = "https" if context else "http"

    def request(self, path: str = "/", method: str = "GET", body: bytes = b"") -> int:
        """Send a request and return its stream."""
        stream_id = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", self._scheme), (":authority", "localhost"), (":path", path)]
        self.h2.send_headers(stream_id, fields, end_stream=not body)
        while body:
            window = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if window == 0:
                assert self.pump()
                continue
            part, body = body[:window], body[window:]
            self.h2.send_data(stream_id, part, end_stream=not body)
            self.flush()
        self.flush()
        return stream_id

    def flush(self) -> None:
        """Send what there is to send."""
        self.socket.sendall(self.h2.data_to_send())

    def pump(self) -> bool:
        """Read once, giving back windows; ``False`` at the end of the stream."""
        data = self.socket.recv(1 << 16)
        for event in self.h2.receive_data(data) if data else []:
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.events.append(event)
        if data:
            self.flush()
        return bool(data)

    def wait_for(self, kind: type[Event], stream_id: int | None = None) -> Event:
        """Return the first event of a kind, and of a stream."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and stream_id in (None, getattr(event, "stream_id", None)):
                    return event
            assert self.pump(), f"the server closed, after {self.events}"

    def response(self, stream_id: int) -> Response:
        """Return the response of a stream, trailers among its fields."""
        while True:
            mine = [event for event in self.events if getattr(event, "stream_id", None) == stream_id]
            if mine and isinstance(mine[-1], StreamEnded):
                break
            assert not any(isinstance(event, StreamReset) for event in mine), mine
            assert self.pump(), f"the server closed, after {self.events}"
        fields = [
            (str(name), str(value))
            for event in mine
            if isinstance(event, ResponseReceived | TrailersReceived)
            for name, value in event.headers
        ]
        body = b"".join(event.data for event in mine if isinstance(event, DataReceived))
        assert not any(isinstance(event, InformationalResponseReceived) for event in mine)
        return Response(int(fields[0][1]), fields, body)

    def __enter__(self) -> Self:
        self.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
