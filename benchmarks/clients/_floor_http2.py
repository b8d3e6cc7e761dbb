"""The floor for HTTP/2: nghttp2 with the callbacks that a client can't do without (see floor.py)."""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    PyDLL,
    Structure,
    byref,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_int32,
    c_size_t,
    c_ssize_t,
    c_uint8,
    c_uint32,
    c_void_p,
)
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.clients import repeat
from benchmarks.clients.floor import NGHTTP2, PEEK, SSL, Buffer, Records, Tls, connect, libc, libssl, libssl_blocking
from benchmarks.content import KIB, MIB, check_small

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

nghttp2 = PyDLL(NGHTTP2)
mem_send, mem_recv = nghttp2.nghttp2_session_mem_send, nghttp2.nghttp2_session_mem_recv
mem_send.restype = mem_recv.restype = c_ssize_t

# Parameters that nobody looks at are c_bool, for which ctypes makes no object; those at the end are left out.
ON_HEADER = CFUNCTYPE(c_int, c_bool, c_void_p, c_char_p, c_bool, c_char_p)
ON_DATA = CFUNCTYPE(c_int, c_bool, c_bool, c_int32, c_void_p, c_size_t)
ON_CLOSE = CFUNCTYPE(c_int, c_bool, c_int32)
READ = CFUNCTYPE(c_ssize_t, c_bool, c_int32, c_bool, c_size_t, POINTER(c_uint32))
READ_LENGTH = CFUNCTYPE(c_ssize_t, c_bool)
SEND_DATA = CFUNCTYPE(c_int, c_bool, c_bool, c_void_p)
#: Where a frame's stream id is (nghttp2_frame_hd).
STREAM_ID = 8
DATA_FLAG_EOF, DATA_FLAG_NO_COPY = 1, 4
INITIAL_WINDOW_SIZE = 4
WINDOW = MIB
RECORD = 16 * KIB
FRAME_HEAD = 9
#: A DATA frame with its head: sixteen full records of TLS.
FRAME = 16 * RECORD


def version() -> str:
    class Info(Structure):
        _fields_ = (("age", c_int), ("version_num", c_int), ("version_str", c_char_p))

    nghttp2.nghttp2_version.restype = POINTER(Info)
    text: bytes = nghttp2.nghttp2_version(0).contents.version_str
    return text.decode()


class Field(Structure):
    """nghttp2_nv"""

    _fields_ = (
        ("name", c_char_p),
        ("value", c_char_p),
        ("namelen", c_size_t),
        ("valuelen", c_size_t),
        ("flags", c_uint8),
    )


class Session:
    """A connection and its nghttp2 session.

    `ended(fields, body)` is called for each response, from within `receive`. Of a body for which there is `wanted`,
    that is called with each piece instead. What a request's body has put into `payload` follows the next frame's head.
    """

    def __init__(
        self,
        target: Target,
        ended: Callable[[list[tuple[bytes, bytes]], bytes], object],
        wanted: Callable[[bytes], object] | None = None,
    ) -> None:
        self.fd = connect(target)
        self.ssl = Tls(target).open(self.fd, target.host)
        self._authority = f"{target.host}:{target.port}".encode()
        # A long body is received as over HTTP/1.1; others as they come.
        self._records = Records(self.fd, self.ssl) if wanted else None
        self._in, self._out, self._at = Buffer(MIB if wanted else 128 * KIB), bytearray(), c_void_p()
        self.payload = b""
        # Where nghttp2 says its next frame is, which is nearly always the same place.
        self._frame, self._frame_view = c_void_p(), memoryview(b"")
        self._frame_address: int | None = None
        self._frame_reference = byref(self._frame)
        self._wanted = wanted
        self._pieces: list[memoryview] = []
        self._callbacks = self._make_callbacks(ended)
        self.pointer = c_void_p()
        nghttp2.nghttp2_session_client_new(byref(self.pointer), self._set(self._callbacks), None)
        nghttp2.nghttp2_submit_settings(self.pointer, 0, (c_int32 * 2)(INITIAL_WINDOW_SIZE, WINDOW), 1)
        nghttp2.nghttp2_session_set_local_window_size(self.pointer, 0, 0, WINDOW)

    def _make_callbacks(self, ended: Callable[[list[tuple[bytes, bytes]], bytes], object]) -> dict[str, Any]:
        heads: dict[int, list[tuple[bytes, bytes]]] = {}
        bodies: dict[int, bytes] = {}
        fields: list[tuple[bytes, bytes]] = []
        base, view, pieces = self._in.address, self._in.view, self._pieces
        stream: c_int32 | None = None

        def on_header(_session: bool, frame: int, name: bytes, _size: bool, value: bytes) -> int:
            nonlocal fields, stream
            if name == b":status":
                if stream is None:
                    stream = c_int32.from_address(frame + STREAM_ID)  # always the same place
                fields = heads[stream.value] = []
            fields.append((name, value))
            return 0

        def on_data(_session: bool, _flags: bool, stream_id: int, address: int, size: int) -> int:
            start = address - base
            bodies[stream_id] = bodies.get(stream_id, b"") + view[start : start + size].tobytes()
            return 0

        def on_wanted_data(_session: bool, _flags: bool, _stream_id: int, address: int, size: int) -> int:
            start = address - base
            pieces.append(view[start : start + size])
            return 0

        def on_close(_session: bool, stream_id: int) -> int:
            ended(heads.pop(stream_id), bodies.pop(stream_id, b""))
            return 0

        def send_data(_session: bool, _frame: bool, head: int) -> int:
            self._write(c_void_p(head), FRAME_HEAD)
            self._write(self.payload, len(self.payload))
            return 0

        return {
            "send_data": SEND_DATA(send_data),
            "on_header": ON_HEADER(on_header),
            "on_data_chunk_recv": ON_DATA(on_wanted_data if self._wanted else on_data),
            "on_stream_close": ON_CLOSE(on_close),
            "data_source_read_length": READ_LENGTH(lambda _session: FRAME - FRAME_HEAD),
        }

    def _set(self, functions: dict[str, Any]) -> c_void_p:
        callbacks = c_void_p()
        nghttp2.nghttp2_session_callbacks_new(byref(callbacks))
        for name, function in functions.items():
            getattr(nghttp2, f"nghttp2_session_callbacks_set_{name}_callback")(callbacks, function)
        return callbacks

    def fields(self, path: str, method: str = "GET") -> Any:
        """The array of a request, made once for all requests that are alike."""
        pairs = ((b":method", method.encode()), (b":scheme", b"https"), (b":authority", self._authority))
        array = [Field(name, value, len(name), len(value), 0) for name, value in (*pairs, (b":path", path.encode()))]
        return (Field * len(array))(*array)

    def submit(self, fields: Any, provider: Any = None) -> None:
        nghttp2.nghttp2_submit_request(self.pointer, None, fields, len(fields), provider, None)

    def send(self) -> None:
        """All frames that there are, in one write."""
        out, pointer, frame, reference = self._out, self.pointer, self._frame, self._frame_reference
        while (size := mem_send(pointer, reference)) > 0:
            if frame.value != self._frame_address:
                self._frame_address = frame.value
                self._frame_view = memoryview((c_char * RECORD).from_address(frame.value or 0)).cast("B")
            out += self._frame_view[:size]
        if out:
            libssl.SSL_write(self.ssl, bytes(out), len(out))
            out.clear()

    def send_frame(self) -> bool:
        """The next frame, from where it is: for large ones, whose payload is sent meanwhile."""
        size: int = mem_send(self.pointer, self._frame_reference)
        if size > 0:
            self._write(self._frame, size)
        return size > 0

    def _write(self, data: Any, size: int) -> None:
        libssl_blocking.SSL_write(self.ssl, data, size)

    def receive(self) -> None:
        """What has come; at least something, and as much of it as OpenSSL has read ahead."""
        place, at, ssl = self._in, self._at, self.ssl
        if self._records:
            size = self._records.read(place.pointer, place.size)
        else:
            size = libssl_blocking.SSL_read(ssl, place.pointer, place.size)
            while libssl.SSL_has_pending(ssl) and place.size - size >= RECORD:
                at.value = place.address + size
                size += libssl_blocking.SSL_read(ssl, at, place.size - size)
        mem_recv(self.pointer, place.pointer, size)
        if self._pieces and self._wanted:
            self._wanted(b"".join(self._pieces))
            self._pieces.clear()


def one_at_a_time(target: Target) -> Callable[[int], None]:
    bodies: list[bytes] = []
    session = Session(target, lambda _fields, body: bodies.append(body))
    fields, peek, place = session.fields(target.path), libc.recv, Buffer(1).pointer

    def get() -> bytes:
        session.submit(fields)
        assert peek(session.fd, place, 1, PEEK) < 0
        session.send()
        while not bodies:
            session.receive()
        return bodies.pop()

    return repeat(get, target)


def at_once(target: Target) -> Callable[[int], None]:
    expected = target.body
    asked = answered = 0

    def ended(_fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        nonlocal answered
        answered += 1
        if body != expected:
            check_small(body, expected)

    session = Session(target, ended)
    fields = session.fields(target.path)

    def run(count: int) -> None:
        nonlocal asked, answered
        asked = answered = 0
        while answered < count:
            for _ in range(min(count - asked, target.concurrency - (asked - answered))):
                session.submit(fields)
                asked += 1
            session.send()
            session.receive()

    return run


def download(target: Target) -> Callable[[str, Receiver], None]:
    bodies: list[bytes] = []
    receivers: list[Receiver] = []

    def wanted(piece: bytes) -> None:
        receivers[-1](piece)

    session = Session(target, lambda _fields, body: bodies.append(body), wanted)

    def run(url: str, receive: Receiver) -> None:
        receivers.append(receive)
        session.submit(session.fields(urlsplit(url).path))
        while not bodies:
            session.send()
            session.receive()
        bodies.clear()

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    bodies: list[bytes] = []
    session = Session(target, lambda _fields, body: bodies.append(body))

    def run(url: str, source: Source) -> None:
        def read(_session: bool, _stream_id: int, _place: bool, room: int, flags: Any) -> int:
            chunk = session.payload = source.take(room)
            flags[0] = DATA_FLAG_NO_COPY | (DATA_FLAG_EOF if len(chunk) < room else 0)
            return len(chunk)

        class Provider(Structure):
            _fields_ = (("source", c_void_p), ("read", READ))

        provider = Provider(None, READ(read))
        session.submit(session.fields(urlsplit(url).path, "PUT"), byref(provider))
        while not bodies:
            while session.send_frame():
                pass
            session.receive()
        bodies.clear()

    return run


def cold(target: Target, address: bytes) -> str:
    """A program that makes one request: the server speaks HTTP/2 to whoever offers it."""
    fields = (b":method", b"GET"), (b":scheme", b"https"), (b":path", target.path.encode())
    return f"""
import ctypes, sys
from ctypes import CFUNCTYPE, byref, c_bool, c_char_p, c_int, c_int32, c_size_t, c_uint8, c_void_p, string_at
libc, libssl, nghttp2 = ctypes.PyDLL(None), ctypes.PyDLL({SSL!r}), ctypes.PyDLL({NGHTTP2!r})
def made(function, *arguments):
    function.restype = c_void_p
    return c_void_p(function(*arguments))
fd = libc.socket(2, 1, 0)
libc.connect(fd, {address!r}, 16)
context = made(libssl.SSL_CTX_new, made(libssl.TLS_client_method))
libssl.SSL_CTX_load_verify_locations(context, {target.ca_file.encode()!r}, None)
libssl.SSL_CTX_set_verify(context, 1, None)
libssl.SSL_CTX_set_alpn_protos(context, b"\\x02h2", 3)
ssl = made(libssl.SSL_new, context)
libssl.X509_VERIFY_PARAM_set1_ip_asc(made(libssl.SSL_get0_param, ssl), {target.host.encode()!r})
libssl.SSL_set_fd(ssl, fd)
libssl.SSL_set_connect_state(ssl)
class Field(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p), ("value", c_char_p), ("namelen", c_size_t), ("valuelen", c_size_t), ("flags", c_uint8)
    ]
fields, body, over = [], [], []
def on_header(_session, _frame, name, _size, value):
    fields.append((name, value))
    return 0
def on_data(_session, _flags, _stream, address, size):
    body.append(string_at(address, size))
    return 0
def on_close(_session, _stream):
    over.append(True)
    return 0
functions = [
    CFUNCTYPE(c_int, c_bool, c_void_p, c_char_p, c_bool, c_char_p)(on_header),
    CFUNCTYPE(c_int, c_bool, c_bool, c_int32, c_void_p, c_size_t)(on_data),
    CFUNCTYPE(c_int, c_bool, c_int32)(on_close),
]
callbacks, session, frame = c_void_p(), c_void_p(), c_void_p()
nghttp2.nghttp2_session_callbacks_new(byref(callbacks))
nghttp2.nghttp2_session_callbacks_set_on_header_callback(callbacks, functions[0])
nghttp2.nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, functions[1])
nghttp2.nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, functions[2])
nghttp2.nghttp2_session_client_new(byref(session), callbacks, None)
nghttp2.nghttp2_submit_settings(session, 0, None, 0)
pairs = {(*fields, (b":authority", f"{target.host}:{target.port}".encode()))!r}
request = (Field * 4)(*[(name, value, len(name), len(value), 0) for name, value in pairs])
nghttp2.nghttp2_submit_request(session, None, request, 4, None, None)
buffer = ctypes.create_string_buffer(65536)
while not over:
    out = b""
    while (size := nghttp2.nghttp2_session_mem_send(session, byref(frame))) > 0:
        out += string_at(frame, size)
    if out:
        libssl.SSL_write(ssl, out, len(out))
    nghttp2.nghttp2_session_mem_recv(session, buffer, libssl.SSL_read(ssl, buffer, 65536))
sys.stdout.buffer.write(b"".join(body))
"""
