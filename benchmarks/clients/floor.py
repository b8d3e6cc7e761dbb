"""No client: the floor under any that calls C through ctypes.

It makes the C calls that a correct client can't do without, and nothing else: no URL, no parsing, no limit, no error,
no pool, no time-out. It knows its server and trusts it. What a client costs above this is the client's own work; what
lies below can only be had by leaving Python.

What makes a call cheap: no `argtypes` (so ctypes converts nothing), arguments that were made before, and PyDLL, which
keeps the GIL, for what can't block. `errno` is never needed: -1 means "not now" where it is expected at all.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
from collections import defaultdict
from ctypes import CDLL, PyDLL, addressof, c_char, c_char_p, c_void_p, pointer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.clients import Crew, look_up, repeat
from benchmarks.content import KIB, MIB, check_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

CANNOT: dict[str, str] = {}

# The library's own names, and those of other copies of it that the variables of this project's bindings name.
SSL = os.environ.get("OPENSSL_API_LIBSSL", "libssl.so.3")
CRYPTO = os.environ.get("OPENSSL_API_LIBCRYPTO", "libcrypto.so.3")
NGHTTP2 = os.environ.get("NGHTTP2_API_LIBNGHTTP2", "libnghttp2.so.14")

# The same functions twice: keeping the GIL, for what can't block, and releasing it, for what can.
libc, libc_blocking = PyDLL(None), CDLL(None)
libssl, libssl_blocking = PyDLL(SSL), CDLL(SSL)
libcrypto = PyDLL(CRYPTO)

PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT
NOW = socket.MSG_DONTWAIT
NON_BLOCKING = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
EPOLL_CTL_ADD, EPOLLIN = 1, 1
EVENT = struct.Struct("=IQ" if platform.machine() == "x86_64" else "=I4xQ")
EVENTS = 1000
# Connections that are being opened at a time. With TLS few: what a handshake takes for a moment is used again.
OPENING, OPENING_TLS = 250, 20


def versions() -> dict[str, str]:
    from benchmarks.clients._floor_http2 import version

    libssl_blocking.OpenSSL_version.restype = c_char_p
    openssl: str = libssl_blocking.OpenSSL_version(0).decode()
    return {"OpenSSL": openssl, "nghttp2": version(), "Python": platform.python_version()}


class Buffer:
    """Memory that C writes to, and that Python sees."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.memory = bytearray(size)
        self.view = memoryview(self.memory)
        self.address = addressof(c_char.from_buffer(self.memory))
        self.pointer = c_void_p(self.address)

    def body(self, size: int) -> bytes:
        """What follows the head, of a response that is here whole."""
        return self.view[self.memory.index(b"\r\n\r\n") + 4 : size].tobytes()


# --- one request after the other -------------------------------------------------------------------------------------


def one_at_a_time(target: Target) -> Callable[[int], None]:
    if target.http2:
        from benchmarks.clients._floor_http2 import one_at_a_time as over_http2

        return over_http2(target)
    return repeat(_get_tls(target) if target.tls else _get(target), target)


def in_threads(target: Target) -> Callable[[int], None]:
    # Where the kernel goes on with another thread in the middle of send, that one should find the GIL free.
    return Crew(repeat(_get(target, libc_blocking), target) for _ in range(target.concurrency))


def _get(target: Target, now: CDLL = libc) -> Callable[[], bytes]:
    if len(target.body) > KIB:
        return _get_long(target)
    fd, request = connect(target), _request(target)
    buffer, size = Buffer(64 * KIB), len(request)
    send, peek, recv = now.send, now.recv, libc_blocking.recv
    place, room, body = buffer.pointer, buffer.size, buffer.body

    def get() -> bytes:
        # Whatever came before the question is no answer to it.
        assert peek(fd, place, 1, PEEK) < 0
        send(fd, request, size, 0)
        return body(recv(fd, place, room, 0))

    return get


def _get_long(target: Target) -> Callable[[], bytes]:
    """A body that doesn't come at once; how long it is, is known."""
    fd, request = connect(target), _request(target)
    buffer, size, at = Buffer(2 * MIB), len(request), c_void_p()

    def get() -> bytes:
        assert libc.recv(fd, buffer.pointer, 1, PEEK) < 0
        libc.send(fd, request, size, 0)
        count = libc_blocking.recv(fd, buffer.pointer, buffer.size, 0)
        end = buffer.memory.index(b"\r\n\r\n") + 4 + len(target.body)
        while count < end:
            at.value = buffer.address + count
            count += libc_blocking.recv(fd, at, buffer.size - count, 0)
        return buffer.body(count)

    return get


def headers(target: Target) -> Callable[[int], None]:
    fd, request = connect(target), _request(target)
    buffer, size, at = Buffer(2 * MIB), len(request), c_void_p()

    def get(name: str) -> str:
        assert libc.recv(fd, buffer.pointer, 1, PEEK) < 0
        libc.send(fd, request, size, 0)
        at.value, count = buffer.address, 0
        while not buffer.memory.endswith(b"\r\n\r\n", 0, max(0, count - len(target.body))):
            count += libc_blocking.recv(fd, at, buffer.size - count, 0)
            at.value = buffer.address + count
        line = buffer.memory.index(f"\r\n{name}: ".encode()) + len(name) + 4
        return bytes(buffer.view[line : buffer.memory.index(b"\r", line)]).decode()

    return look_up(get, target)


def _get_tls(target: Target) -> Callable[[], bytes]:
    fd, request = connect(target), _request(target)
    ssl = Tls(target).open(fd, target.host)
    buffer, size = Buffer(64 * KIB), len(request)
    peek, write, read = libc.recv, libssl.SSL_write, libssl_blocking.SSL_read
    place, room, body = buffer.pointer, buffer.size, buffer.body

    def get() -> bytes:
        assert peek(fd, place, 1, PEEK) < 0
        write(ssl, request, size)
        return body(read(ssl, place, room))

    return get


# --- many at once ----------------------------------------------------------------------------------------------------


def at_once(target: Target) -> Callable[[int], None]:
    if target.http2:
        from benchmarks.clients._floor_http2 import at_once as over_http2

        return over_http2(target)
    epoll, fds, request = Epoll(), [connect(target) for _ in range(target.concurrency)], _request(target)
    for fd in fds:
        epoll.add(fd)
    buffer, size, expected = Buffer(64 * KIB), len(request), target.body
    send, recv, ready = libc.send, libc.recv, epoll.ready
    place, room, body = buffer.pointer, buffer.size, buffer.body

    def run(count: int) -> None:
        asked = min(count, len(fds))
        for fd in fds[:asked]:
            send(fd, request, size, NOW)
        answered = 0
        while answered < count:
            for _, fd in ready():
                if body(recv(fd, place, room, NOW)) != expected:
                    check_small(buffer.body(room), expected)
                answered += 1
                if asked < count:
                    asked += 1
                    send(fd, request, size, NOW)

    return run


class Epoll:
    """epoll_create1, epoll_ctl, epoll_wait."""

    def __init__(self) -> None:
        self._epoll = libc.epoll_create1(socket.SOCK_CLOEXEC)
        self._events = Buffer(EVENTS * EVENT.size)

    def add(self, fd: int) -> None:
        libc.epoll_ctl(self._epoll, EPOLL_CTL_ADD, fd, EVENT.pack(EPOLLIN, fd))

    def ready(self) -> Any:
        """(events, descriptor) of each that has something to read."""
        count = libc_blocking.epoll_wait(self._epoll, self._events.pointer, EVENTS, -1)
        return EVENT.iter_unpack(self._events.view[: count * EVENT.size])


# --- new connections -------------------------------------------------------------------------------------------------


def new_connections(target: Target) -> Callable[[int], None]:
    address, request, tls, buffer = _address(target.url), _request(target), Tls(target), Buffer(64 * KIB)
    session = None

    def get() -> bytes:
        nonlocal session
        fd = libc.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0)
        libc_blocking.connect(fd, address, len(address))
        ssl = tls.open(fd, target.host)
        if session is not None:
            libssl.SSL_set_session(ssl, session)
            libssl.SSL_SESSION_free(session)
        libssl_blocking.SSL_write(ssl, request, len(request))  # makes the handshake, too
        body = buffer.body(libssl_blocking.SSL_read(ssl, buffer.pointer, buffer.size))
        if target.resume:
            session = made(libssl.SSL_get1_session, ssl)
        libssl.SSL_shutdown(ssl)
        libssl.SSL_free(ssl)
        libc.close(fd)
        return body

    get()
    return repeat(get, target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    return _hold_tls(target) if target.tls else _hold(target)


def _hold(target: Target) -> Callable[[Sequence[str]], None]:
    request, epoll, buffer, addresses = _request(target), Epoll(), Buffer(64 * KIB), _Addresses()

    def run(urls: Sequence[str]) -> None:
        for start in range(0, len(urls), OPENING):
            opening = urls[start : start + OPENING]
            for url in opening:
                fd = libc.socket(socket.AF_INET, NON_BLOCKING, 0)
                # On loopback it is done when connect returns; elsewhere EPOLLOUT would tell when.
                libc.connect(fd, addresses[url], 16)
                epoll.add(fd)
                libc.send(fd, request, len(request), NOW)
            answered = 0
            while answered < len(opening):
                for _, fd in epoll.ready():
                    check_small(buffer.body(libc.recv(fd, buffer.pointer, buffer.size, NOW)), target.body)
                    answered += 1

    return run


def _hold_tls(target: Target) -> Callable[[Sequence[str]], None]:
    request, tls, epoll, buffer, addresses = _request(target), Tls(target), Epoll(), Buffer(64 * KIB), _Addresses()
    held: dict[int, int | None] = {}
    # Each connection brings the next one to its host a session to resume.
    sessions: dict[str, list[c_void_p]] = defaultdict(list)
    ssl = c_void_p()

    def run(urls: Sequence[str]) -> None:
        for start in range(0, len(urls), OPENING_TLS):
            opening = urls[start : start + OPENING_TLS]
            hosts: dict[int, str] = {}
            for url in opening:
                fd = libc.socket(socket.AF_INET, NON_BLOCKING, 0)
                libc.connect(fd, addresses[url], 16)
                epoll.add(fd)
                hosts[fd] = host = urlsplit(url).hostname or ""
                new = tls.open(fd, host)
                if sessions[host]:
                    session = sessions[host].pop()
                    libssl.SSL_set_session(new, session)
                    libssl.SSL_SESSION_free(session)
                libssl.SSL_do_handshake(new)
                held[fd] = new.value
            answered = 0
            asked = set()
            while answered < len(opening):
                for _, fd in epoll.ready():
                    ssl.value = held[fd]
                    if fd not in asked:
                        # Makes the rest of the handshake.
                        if libssl.SSL_write(ssl, request, len(request)) > 0:
                            asked.add(fd)
                            libssl.SSL_free_buffers(ssl)
                    elif (size := libssl.SSL_read(ssl, buffer.pointer, buffer.size)) > 0:
                        check_small(buffer.body(size), target.body)
                        libssl.SSL_free_buffers(ssl)
                        sessions[hosts[fd]].append(made(libssl.SSL_get1_session, ssl))
                        answered += 1

    return run


class _Addresses(dict[str, bytes]):
    def __missing__(self, url: str) -> bytes:
        address = self[url] = _address(url)
        return address


# --- long bodies -----------------------------------------------------------------------------------------------------


def download(target: Target) -> Callable[[str, Receiver], None]:
    if target.http2:
        from benchmarks.clients._floor_http2 import download as over_http2

        return over_http2(target)
    read, send = _reader_and_writer(target, many_records=True)
    buffer = Buffer(MIB)
    memory, view, place, room = buffer.memory, buffer.view, buffer.pointer, buffer.size

    def run(url: str, receive: Receiver) -> None:
        request = _request(target, urlsplit(url).path)
        send(request, len(request))
        count = read(place, room)
        start = memory.index(b"\r\n\r\n") + 4
        left = int(bytes(view[:start]).partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        while True:
            receive(view[start:count].tobytes())
            left -= count - start
            if not left:
                return
            count = read(place, room)
            start = 0

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    if target.http2:
        from benchmarks.clients._floor_http2 import upload as over_http2

        return over_http2(target)
    read, send = _reader_and_writer(target)
    buffer = Buffer(64 * KIB)

    def run(url: str, source: Source) -> None:
        head = f"PUT {urlsplit(url).path} HTTP/1.1\r\nHost: {target.host}\r\nContent-Length: {len(source)}\r\n\r\n"
        send(head.encode("ascii"), len(head))
        for chunk in source:
            send(chunk, len(chunk))
        read(buffer.pointer, buffer.size)

    return run


def _reader_and_writer(
    target: Target, *, many_records: bool = False
) -> tuple[Callable[[c_void_p, int], int], Callable[[bytes, int], int]]:
    """Blocking read(place, room) and write(data, size)."""
    fd = connect(target)
    if target.tls:
        ssl = Tls(target).open(fd, target.host)
        if many_records:
            return Records(fd, ssl).read, lambda data, size: libssl_blocking.SSL_write(ssl, data, size)
        ssl_read, ssl_write = libssl_blocking.SSL_read, libssl_blocking.SSL_write
        return lambda place, room: ssl_read(ssl, place, room), lambda data, size: ssl_write(ssl, data, size)
    recv, send = libc_blocking.recv, libc_blocking.send
    return lambda place, room: recv(fd, place, room, 0), lambda data, size: send(fd, data, size, 0)


class Records:
    """What has come, received at once and decrypted from memory: OpenSSL's own reads are small."""

    #: Between the ciphertext and the plaintext that is put before it: more than OpenSSL keeps.
    AHEAD = 80 * KIB

    def __init__(self, fd: int, ssl: c_void_p) -> None:
        self._fd, self._ssl, self._at, self._ciphertext = fd, ssl, c_void_p(), c_void_p()
        libssl_blocking.SSL_do_handshake(ssl)

    def read(self, place: c_void_p, room: int) -> int:
        ssl, at, ciphertext, read = self._ssl, self._at, self._ciphertext, libssl.SSL_read
        start = place.value or 0
        ciphertext.value, total = start + self.AHEAD, 0
        while not total:
            size = libc_blocking.recv(self._fd, ciphertext, room - self.AHEAD, 0)
            memory = made(libcrypto.BIO_new_mem_buf, ciphertext, size)
            libcrypto.BIO_ctrl(memory, 130, -1, None)  # BIO_C_SET_BUF_MEM_EOF_RETURN: there will be more
            libssl.SSL_set0_rbio(ssl, memory)
            at.value = start
            while (count := read(ssl, at, room - total)) > 0:
                total += count
                at.value = start + total
        return total


# --- a cold process --------------------------------------------------------------------------------------------------


def cold(target: Target) -> str:
    if not target.tls:
        return f"""
import ctypes, sys
libc = ctypes.PyDLL(None)
fd = libc.socket(2, 1, 0)
libc.connect(fd, {_address(target.url)!r}, 16)
libc.send(fd, {_request(target)!r}, {len(_request(target))}, 0)
buffer = ctypes.create_string_buffer(65536)
size = libc.recv(fd, buffer, 65536, 0)
sys.stdout.buffer.write(buffer.raw[:size].partition(b"\\r\\n\\r\\n")[2])
"""
    from benchmarks.clients._floor_http2 import cold as over_http2

    return over_http2(target, _address(target.url))


# --- sockets and TLS -------------------------------------------------------------------------------------------------


def connect(target: Target) -> int:
    """A blocking socket."""
    fd: int = libc.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0)
    assert libc_blocking.connect(fd, _address(target.url), 16) == 0
    libc.setsockopt(fd, socket.IPPROTO_TCP, socket.TCP_NODELAY, pointer(ctypes.c_int(1)), 4)
    return fd


def _address(url: str) -> bytes:
    """struct sockaddr_in"""
    parts = urlsplit(url)
    family = struct.pack("=H", socket.AF_INET)
    return family + struct.pack("!H4s8x", parts.port, socket.inet_aton(parts.hostname or ""))


def _request(target: Target, path: str = "") -> bytes:
    return f"GET {path or target.path} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n\r\n".encode("ascii")


def made(function: Any, *arguments: Any) -> c_void_p:
    """Call what returns a pointer."""
    function.restype = c_void_p
    return c_void_p(function(*arguments))


class Tls:
    """An SSL_CTX that verifies."""

    def __init__(self, target: Target) -> None:
        context = self._context = made(libssl.SSL_CTX_new, made(libssl.TLS_client_method))
        libssl.SSL_CTX_load_verify_locations(context, target.ca_file.encode(), None)
        libssl.SSL_CTX_set_verify(context, 1, None)  # SSL_VERIFY_PEER
        libssl.SSL_CTX_ctrl(context, 33, 0x10, None)  # SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS
        # Not a read for each record's head and another for its content.
        libssl.SSL_CTX_ctrl(context, 41, 1, None)  # SSL_CTRL_SET_READ_AHEAD
        libssl.SSL_CTX_set_default_read_buffer_len(context, 64 * KIB)
        if target.http2:
            libssl.SSL_CTX_set_alpn_protos(context, b"\x02h2", 3)

    def open(self, fd: int, host: str) -> c_void_p:
        """A connection whose first SSL_write or SSL_read makes the handshake."""
        ssl = made(libssl.SSL_new, self._context)
        libssl.X509_VERIFY_PARAM_set1_ip_asc(made(libssl.SSL_get0_param, ssl), host.encode())
        libssl.SSL_set_fd(ssl, fd)
        libssl.SSL_set_connect_state(ssl)
        return ssl
