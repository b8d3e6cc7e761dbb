"""linuxapi.syssocket against Python's own sockets, on loopback."""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
import socket as python_socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import linuxapi.syssocket
from linuxapi import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    F_DUPFD_CLOEXEC,
    F_GETFD,
    F_GETFL,
    F_SETFD,
    F_SETFL,
    FD_CLOEXEC,
    IPPROTO_TCP,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_PEEK,
    MSG_TRUNC,
    O_NONBLOCK,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLRDHUP,
    SHUT_RDWR,
    SHUT_WR,
    SO_ERROR,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_RCVTIMEO,
    SO_TYPE,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    close,
    connect,
    fcntl,
    getpeername,
    getsockname,
    getsockopt,
    in6_addr,
    in_addr,
    inet_ntop,
    inet_pton,
    linger,
    poll,
    pollfd,
    recv,
    send,
    setsockopt,
    shutdown,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    sockaddr_un,
    socket,
    socklen_t,
    timeval,
)
from tests.linuxapi.waits import alarms, nothing, once_the_gil_is_free

Pair = tuple[int, python_socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A connected socket of ours, non-blocking, and the other end."""
    ours, theirs = python_socket.socketpair()
    ours.setblocking(False)
    fd = ours.detach()
    with theirs:
        yield fd, theirs
    close(fd)


@pytest.fixture
def blocking_pair(pair: Pair) -> Pair:
    fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) & ~O_NONBLOCK)
    return pair


@pytest.fixture
def listener() -> Iterator[python_socket.socket]:
    with python_socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def ipv4(host: str, port: int) -> sockaddr_in:
    address = sockaddr_in(AF_INET, port)
    assert inet_pton(AF_INET, host, address.sin_addr)
    return address


def unix(name: bytes) -> tuple[sockaddr_un, int]:
    """Return the address of that name, and how many bytes of it count."""
    address = sockaddr_un(AF_UNIX)
    address.sun_path[: len(name)] = list(name)
    return address, 2 + len(name)


def int_option(fd: int, level: int, name: int) -> int:
    value, length = ctypes.c_int(), socklen_t(4)
    getsockopt(fd, level, name, ctypes.byref(value), length)
    assert length.value == 4
    return value.value


def error_of(call: Callable[[], object]) -> int | None:
    with pytest.raises(OSError) as caught:
        call()
    return caught.value.errno


# Addresses


def test_a_connection_over_ipv4(listener: python_socket.socket) -> None:
    port = listener.getsockname()[1]
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
    try:
        address = ipv4("127.0.0.1", port)
        connect(fd, address, ctypes.sizeof(address))
        accepted, peer = listener.accept()
        with accepted:
            own, length = sockaddr_in(), socklen_t(ctypes.sizeof(sockaddr_in))
            getsockname(fd, own, length)
            assert (length.value, own.sin_family, own.sin_addr.s_addr, own.sin_port) == (
                16,
                AF_INET,
                0x7F000001,
                peer[1],
            )
            other, length = sockaddr_storage(), socklen_t(ctypes.sizeof(sockaddr_storage))
            getpeername(fd, other, length)
            assert (length.value, other.ss_family) == (16, AF_INET)
            assert sockaddr_in.from_buffer(other).sin_port == port
            assert send(fd, b"over IPv4", 9, MSG_NOSIGNAL) == 9
            assert accepted.recv(100) == b"over IPv4"
    finally:
        close(fd)


def test_a_connection_over_ipv6() -> None:
    with python_socket.create_server(("::1", 0), family=python_socket.AF_INET6) as server:
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)
        try:
            address = sockaddr_in6(AF_INET6, server.getsockname()[1])
            assert inet_pton(AF_INET6, "::1", address.sin6_addr)
            connect(fd, address, ctypes.sizeof(address))
            accepted, peer = server.accept()
            with accepted:
                own, length = sockaddr_in6(), socklen_t(ctypes.sizeof(sockaddr_in6))
                getsockname(fd, own, length)
                assert (length.value, own.sin6_family, own.sin6_port) == (28, AF_INET6, peer[1])
                assert bytes(own.sin6_addr.s6_addr) == bytes(15) + b"\x01"
                assert (own.sin6_flowinfo, own.sin6_scope_id) == (0, 0)
        finally:
            close(fd)


@pytest.mark.parametrize("abstract", [False, True])
def test_a_connection_over_a_unix_socket(tmp_path: pathlib.Path, abstract: bool) -> None:
    name = f"\0linuxapi-test-{os.getpid()}".encode() if abstract else os.fsencode(tmp_path / "socket")
    with python_socket.socket(python_socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
        try:
            connect(fd, *unix(name))
            accepted, _ = server.accept()
            accepted.close()
        finally:
            close(fd)


def test_network_order_is_in_the_fields() -> None:
    assert bytes(ipv4("1.2.3.4", 0x1234))[2:8] == b"\x12\x34\x01\x02\x03\x04"


@pytest.mark.parametrize(
    ("family", "text", "packed"),
    [
        (AF_INET, "192.0.2.1", b"\xc0\0\x02\x01"),
        (AF_INET6, "2001:db8::1", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"),
        (AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", b"\xff" * 16),
    ],
)
def test_addresses_as_text(family: int, text: str, packed: bytes) -> None:
    address = in_addr() if family == AF_INET else in6_addr()
    assert inet_pton(family, text, address)
    assert bytes(address) == packed
    assert inet_ntop(family, address) == python_socket.inet_ntop(family, packed)


@pytest.mark.parametrize("text", ["", "127.1", "::1", "127.0.0.1\0", "127.0.0.1 ", "\uff1127.0.0.1", "localhost"])
def test_what_is_no_ipv4_address(text: str) -> None:
    assert not inet_pton(AF_INET, text, in_addr())


def test_no_address_is_written_into_too_little_room() -> None:
    with pytest.raises(ValueError, match="in6_addr"):
        inet_pton(AF_INET6, "::1", in_addr())
    with pytest.raises(ValueError, match="in6_addr"):
        inet_ntop(AF_INET6, in_addr())
    assert error_of(lambda: inet_pton(AF_UNIX, "x", in6_addr())) == errno.EAFNOSUPPORT
    assert error_of(lambda: inet_ntop(AF_UNIX, in6_addr())) == errno.EAFNOSUPPORT


def test_the_kernel_is_never_told_of_more_room_than_there_is(pair: Pair) -> None:
    with pytest.raises(ValueError, match="sockaddr_in has 16 bytes"):
        connect(pair[0], sockaddr_in(), 17)
    for call in (getsockname, getpeername):
        with pytest.raises(ValueError, match="sockaddr_in has 16 bytes"):
            call(pair[0], sockaddr_in(), socklen_t(128))
    with pytest.raises(ValueError, match="there are 2"):
        poll((pollfd * 2)(), 3, 0)
    with pytest.raises(ValueError, match="there are 1"):
        poll(pollfd(), 2, 0)


# Descriptors and options


def test_flags_of_a_new_socket() -> None:
    plain = socket(AF_INET, SOCK_DGRAM, 0)
    flagged = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP)
    try:
        assert (fcntl(plain, F_GETFD), fcntl(flagged, F_GETFD)) == (0, FD_CLOEXEC)
        assert (fcntl(plain, F_GETFL) & O_NONBLOCK, fcntl(flagged, F_GETFL) & O_NONBLOCK) == (0, O_NONBLOCK)
        assert (int_option(plain, SOL_SOCKET, SO_TYPE), int_option(flagged, SOL_SOCKET, SO_TYPE)) == (
            SOCK_DGRAM,
            SOCK_STREAM,
        )
    finally:
        close(plain)
        close(flagged)


def test_fcntl_sets_what_it_is_told(pair: Pair) -> None:
    fd = pair[0]
    assert fcntl(fd, F_SETFL, 0) == 0
    assert os.get_blocking(fd)
    fcntl(fd, F_SETFL, O_NONBLOCK)
    assert not os.get_blocking(fd)
    fcntl(fd, F_SETFD, 0)
    assert os.get_inheritable(fd)
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 100)
    try:
        assert copy >= 100
        assert not os.get_inheritable(copy)
    finally:
        close(copy)


def test_options() -> None:
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
    try:
        for level, name in [(SOL_SOCKET, SO_KEEPALIVE), (IPPROTO_TCP, TCP_NODELAY)]:
            assert int_option(fd, level, name) == 0
            setsockopt(fd, level, name, ctypes.byref(ctypes.c_int(1)), 4)
            assert int_option(fd, level, name) == 1
        setsockopt(fd, SOL_SOCKET, SO_LINGER, ctypes.byref(linger(1, 5)), ctypes.sizeof(linger))
        value, length = linger(), socklen_t(ctypes.sizeof(linger))
        getsockopt(fd, SOL_SOCKET, SO_LINGER, ctypes.byref(value), length)
        assert (value.l_onoff, value.l_linger) == (1, 5)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, ctypes.byref(timeval(3, 250_000)), ctypes.sizeof(timeval))
        wait, length = timeval(), socklen_t(ctypes.sizeof(timeval))
        getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, ctypes.byref(wait), length)
        assert wait.tv_sec == 3
    finally:
        close(fd)


def test_close_closes_once() -> None:
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
    close(fd)
    assert error_of(lambda: close(fd)) == errno.EBADF


# Connecting


def test_connection_refused() -> None:
    with python_socket.socket() as unused:
        # Bound, but not listening: nobody else can take the port meanwhile.
        unused.bind(("127.0.0.1", 0))
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
        try:
            with pytest.raises(ConnectionRefusedError, match="connect: "):
                connect(fd, ipv4("127.0.0.1", unused.getsockname()[1]), 16)
        finally:
            close(fd)


def test_connecting_without_waiting(listener: python_socket.socket) -> None:
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
    try:
        with pytest.raises(BlockingIOError) as caught:
            connect(fd, ipv4("127.0.0.1", listener.getsockname()[1]), 16)
        assert caught.value.errno == errno.EINPROGRESS
        item = pollfd(fd, POLLOUT)
        assert poll(item, 1, -1) == 1
        assert item.revents == POLLOUT
        assert int_option(fd, SOL_SOCKET, SO_ERROR) == 0
        listener.accept()[0].close()
    finally:
        close(fd)


def test_a_signal_does_not_end_connecting_over_tcp(listener: python_socket.socket) -> None:
    # With its queue full, Linux leaves a listener's connection requests unanswered until somebody accepts.
    listener.listen(0)
    with python_socket.create_connection(listener.getsockname()):
        accepted = []

        def accept_at_third(number: int) -> None:
            if number == 3:
                accepted.append(listener.accept()[0])

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
        try:
            # Slow enough for the second try of the request, one second after the first.
            with alarms(accept_at_third, 0.05) as count:
                connect(fd, ipv4("127.0.0.1", listener.getsockname()[1]), 16)
            assert count[0] >= 3
            accepted.append(listener.accept()[0])
            assert send(fd, b"x", 1, MSG_NOSIGNAL) == 1
            assert accepted[1].recv(1) == b"x"
        finally:
            close(fd)
            for connection in accepted:
                connection.close()


def test_a_refusal_is_told_after_signals_too(listener: python_socket.socket) -> None:
    listener.listen(0)
    with python_socket.create_connection(listener.getsockname()):
        address = ipv4("127.0.0.1", listener.getsockname()[1])

        def close_at_third(number: int) -> None:
            if number == 3:
                listener.close()

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
        try:
            with alarms(close_at_third, 0.05), pytest.raises(ConnectionRefusedError):
                connect(fd, address, 16)
        finally:
            close(fd)


def test_a_signal_does_not_end_connecting_over_a_unix_socket(tmp_path: pathlib.Path) -> None:
    path = os.fsencode(tmp_path / "socket")
    with python_socket.socket(python_socket.AF_UNIX) as server, python_socket.socket(python_socket.AF_UNIX) as filler:
        server.bind(path)
        server.listen(0)
        filler.connect(path)
        accepted = []

        def accept_at_third(number: int) -> None:
            if number == 3:
                accepted.append(server.accept()[0])

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
        try:
            with alarms(accept_at_third) as count:
                connect(fd, *unix(path))
            assert count[0] >= 3
            accepted.append(server.accept()[0])
            assert send(fd, b"x", 1, MSG_NOSIGNAL) == 1
            assert accepted[1].recv(1) == b"x"
        finally:
            close(fd)
            for connection in accepted:
                connection.close()


# Sending and receiving


def test_bytes_go_both_ways(pair: Pair) -> None:
    fd, other = pair
    assert send(fd, b"hello there", 5, MSG_NOSIGNAL) == 5
    assert other.recv(100) == b"hello"
    other.sendall(b"good day")
    buffer = ctypes.create_string_buffer(b"." * 8, 8)
    assert recv(fd, buffer, 4, MSG_PEEK) == 4
    assert buffer.raw == b"good...."
    assert recv(fd, ctypes.byref(buffer, 1), 7, 0) == 7
    assert buffer.raw == b"ggood da"
    assert recv(fd, ctypes.addressof(buffer), 8, MSG_TRUNC) == 1
    backing = bytearray(b"from a bytearray")
    assert send(fd, (ctypes.c_char * len(backing)).from_buffer(backing), len(backing), 0) == 16
    assert other.recv(100) == backing


def test_the_end_of_the_stream(pair: Pair) -> None:
    fd, other = pair
    shutdown(fd, SHUT_WR)
    assert other.recv(1) == b""
    assert error_of(lambda: send(fd, b"x", 1, MSG_NOSIGNAL)) == errno.EPIPE
    other.close()
    assert recv(fd, ctypes.create_string_buffer(1), 1, 0) == 0
    shutdown(fd, SHUT_RDWR)


def test_a_closed_connection_raises_broken_pipe_without_a_signal(pair: Pair) -> None:
    fd, other = pair
    other.close()
    with pytest.raises(BrokenPipeError, match="send: "):
        send(fd, b"x", 1, MSG_NOSIGNAL)


@pytest.mark.parametrize("flags", [0, MSG_DONTWAIT])
def test_nothing_there_and_no_room(pair: Pair, flags: int) -> None:
    fd, _ = pair
    if flags:
        fcntl(fd, F_SETFL, 0)
    with pytest.raises(BlockingIOError, match="recv: "):
        recv(fd, ctypes.create_string_buffer(1), 1, flags)
    block = bytes(65536)
    with pytest.raises(BlockingIOError, match="send: "):
        while True:
            send(fd, block, len(block), flags | MSG_NOSIGNAL)


def test_bytes_are_never_written_to(pair: Pair) -> None:
    pair[1].sendall(b"x")
    with pytest.raises(TypeError, match="bytes"):
        recv(pair[0], b"unchanged", 9, 0)


def test_waiting_lets_other_threads_run(blocking_pair: Pair) -> None:
    fd, other = blocking_pair
    with once_the_gil_is_free(lambda: other.sendall(b"x")):
        assert recv(fd, ctypes.create_string_buffer(1), 1, 0) == 1
    with once_the_gil_is_free(lambda: other.sendall(b"x")):
        assert poll(pollfd(fd, POLLIN), 1, -1) == 1
    block = bytes(65536)
    with pytest.raises(BlockingIOError):
        while True:
            send(fd, block, len(block), MSG_DONTWAIT | MSG_NOSIGNAL)

    def make_room() -> None:
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            while other.recv(1 << 20):
                pass

    with once_the_gil_is_free(make_room):
        assert send(fd, b"x", 1, MSG_NOSIGNAL) == 1


def test_connecting_lets_other_threads_run(tmp_path: pathlib.Path) -> None:
    path = os.fsencode(tmp_path / "socket")
    with python_socket.socket(python_socket.AF_UNIX) as server, python_socket.socket(python_socket.AF_UNIX) as filler:
        server.bind(path)
        server.listen(0)
        filler.connect(path)
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)

        def accept() -> None:
            server.accept()[0].close()

        try:
            with once_the_gil_is_free(accept):
                connect(fd, *unix(path))
        finally:
            close(fd)


def test_a_signal_does_not_end_receiving(blocking_pair: Pair) -> None:
    fd, other = blocking_pair

    def send_at_third(number: int) -> None:
        if number == 3:
            other.sendall(b"late")

    buffer = ctypes.create_string_buffer(4)
    with alarms(send_at_third) as count:
        assert recv(fd, buffer, 4, 0) == 4
    assert count[0] >= 3
    assert buffer.raw == b"late"


def test_a_signal_does_not_end_sending(blocking_pair: Pair) -> None:
    fd, other = blocking_pair
    block = bytes(65536)
    with pytest.raises(BlockingIOError):
        while True:
            send(fd, block, len(block), MSG_DONTWAIT | MSG_NOSIGNAL)

    def read_at_third(number: int) -> None:
        if number == 3:
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                while other.recv(1 << 20):
                    pass

    with alarms(read_at_third) as count:
        assert send(fd, b"at last", 7, MSG_NOSIGNAL) == 7
    assert count[0] >= 3
    assert other.recv(100) == b"at last"


# Polling


def test_poll_tells_what_happened(pair: Pair) -> None:
    fd, other = pair
    items = (pollfd * 3)(pollfd(fd, POLLIN | POLLOUT | POLLRDHUP), pollfd(-1, POLLIN), pollfd(fd, POLLIN))
    assert poll(items, 3, -1) == 1
    assert [item.revents for item in items] == [POLLOUT, 0, 0]
    other.sendall(b"x")
    assert poll(items, 3, 0) == 2
    assert [item.revents for item in items] == [POLLIN | POLLOUT, 0, POLLIN]
    other.close()
    assert poll(items, 2, 0) == 1
    assert items[0].revents == POLLIN | POLLOUT | POLLHUP | POLLRDHUP
    assert poll(items, 0, 0) == 0


def test_poll_reports_an_error_and_a_closed_descriptor() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    item = pollfd(writer, POLLOUT)
    assert poll(item, 1, -1) == 1
    assert item.revents & POLLERR
    os.close(writer)
    assert poll(item, 1, -1) == 1
    assert item.revents == POLLNVAL


def test_a_signal_does_not_end_polling(pair: Pair) -> None:
    fd, other = pair

    def send_at_third(number: int) -> None:
        if number == 3:
            other.sendall(b"x")

    item = pollfd(fd, POLLIN)
    with alarms(send_at_third) as count:
        assert poll(item, 1, -1) == 1
    assert count[0] >= 3


def test_after_a_signal_only_the_rest_of_the_time_is_polled(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    function = linuxapi.syssocket._poll
    timeouts = []

    def noting(*arguments: Any) -> int:
        timeouts.append(arguments[2])
        result: int = function(*arguments)
        return result

    monkeypatch.setattr(linuxapi.syssocket, "_poll", noting)
    with alarms(nothing):
        assert poll(pollfd(pair[0], POLLIN), 1, 60) == 0
    assert timeouts[0] == 60
    assert len(timeouts) > 1
    assert timeouts == sorted(timeouts, reverse=True)
    assert 0 < timeouts[-1] < 60


def test_polling_for_too_long_is_refused(pair: Pair) -> None:
    with pytest.raises(OverflowError):
        poll(pollfd(pair[0], POLLIN), 1, 2**31)


# Errors of the rest


def test_errno_of_calls_on_no_descriptor_and_no_socket() -> None:
    reader, writer = os.pipe()
    buffer = ctypes.create_string_buffer(4)
    length = socklen_t(4)
    address = sockaddr_in(AF_INET)
    calls: list[Callable[[int], object]] = [
        lambda fd: connect(fd, address, 16),
        lambda fd: send(fd, b"x", 1, 0),
        lambda fd: recv(fd, buffer, 1, 0),
        lambda fd: shutdown(fd, SHUT_WR),
        lambda fd: getsockopt(fd, SOL_SOCKET, SO_ERROR, buffer, length),
        lambda fd: setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, buffer, 4),
        lambda fd: getsockname(fd, address, length),
        lambda fd: getpeername(fd, address, length),
    ]
    try:
        for call in calls:
            assert error_of(lambda call=call: call(-1)) == errno.EBADF  # type: ignore[misc]
            assert error_of(lambda call=call: call(reader)) == errno.ENOTSOCK  # type: ignore[misc]
    finally:
        os.close(reader)
        os.close(writer)
    assert error_of(lambda: fcntl(-1, F_GETFL)) == errno.EBADF
    assert error_of(lambda: socket(-1, SOCK_STREAM, 0)) == errno.EAFNOSUPPORT
    assert error_of(lambda: linuxapi.close(-1)) == errno.EBADF
