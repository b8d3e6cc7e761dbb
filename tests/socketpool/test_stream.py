"""A connected socket in clear text: nothing is lost, nothing blocks that shouldn't, and every end is told apart."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from linuxapi import MSG_DONTWAIT, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT
from linuxapi.socketconst import pollfd
from socketpool import Address, ConnectionLostError, MemoryBlock, Stream, TransferTimeoutError
from socketpool.stream import milliseconds, poll_one
from tests.linuxapi.waits import alarms, nothing
from tests.servers.scripted import listen

from .events import LIMIT
from .peers import digest, plain_pair, random_bytes, read_all

SMALL = 4096
#: More than the kernel's buffers take.
LARGE = 32 * 1024 * 1024


@pytest.fixture
def pair() -> Iterator[tuple[Stream, socket.socket]]:
    stream, peer = plain_pair()
    with peer:
        yield stream, peer
    stream.close()


@pytest.fixture
def block() -> MemoryBlock:
    return MemoryBlock(SMALL)


def tcp_pair() -> tuple[Stream, socket.socket]:
    with listen() as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    return Stream(ours.detach(), Address(socket.AF_INET, b"", "the peer")), theirs


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def test_what_one_side_sends_the_other_receives(pair: tuple[Stream, socket.socket], block: MemoryBlock) -> None:
    stream, peer = pair
    assert stream.send(b"hello") is True
    assert peer.recv(100) == b"hello"
    peer.sendall(b"world")
    assert stream.receive(block, LIMIT) == 5
    assert bytes(block.view[:5]) == b"world"
    assert stream.backlog_size == stream.queued == 0
    assert stream.send(b"") is True
    assert (stream.engine, stream.has_buffered_input, stream.truncated) == (None, False, False)


def test_receiving_without_waiting(pair: tuple[Stream, socket.socket], block: MemoryBlock) -> None:
    stream, peer = pair
    assert stream.receive_now(block) == -1
    peer.sendall(b"abc")
    assert stream.receive_now(block, 10) == 3
    assert bytes(block.view[10:13]) == b"abc"
    # Also when the descriptor is in blocking mode because somebody has waited.
    peer.sendall(b"d")
    assert stream.receive(block, LIMIT) == 1
    assert stream.receive_now(block) == -1
    peer.close()
    assert stream.receive_now(block) == 0
    assert stream.receive(block, LIMIT) == 0


def test_receiving_ends_when_the_time_is_up(pair: tuple[Stream, socket.socket], block: MemoryBlock) -> None:
    stream, peer = pair
    for timeout in (0.01, 0.02, 0, -1):
        with pytest.raises(TransferTimeoutError, match=f"nothing was received for {timeout:g} s"):
            stream.receive(block, timeout)
    peer.sendall(b"x")
    assert stream.receive(block, 0) == 1


def test_receiving_without_a_limit(pair: tuple[Stream, socket.socket], block: MemoryBlock) -> None:
    stream, peer = pair
    timer = threading.Timer(0.02, peer.sendall, (b"x",))
    timer.start()
    assert stream.receive(block, float("inf")) == 1
    timer.join()


def test_signals_neither_shorten_nor_lengthen_a_wait_for_good(
    pair: tuple[Stream, socket.socket], block: MemoryBlock
) -> None:
    stream, peer = pair
    with alarms(nothing), pytest.raises(TransferTimeoutError):
        stream.receive(block, 0.1)
    with alarms(nothing):
        assert stream.wait(POLLIN, 0.1) == 0

    def send(number: int) -> None:
        if number == 5:
            peer.sendall(b"x")

    with alarms(send):
        assert stream.receive(block, LIMIT) == 1


def test_a_signal_handler_that_raises_ends_the_wait(pair: tuple[Stream, socket.socket], block: MemoryBlock) -> None:
    stream, peer = pair

    def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), alarms(interrupt):
        stream.receive(block, LIMIT)
    with pytest.raises(KeyboardInterrupt), alarms(interrupt):
        stream.wait(POLLIN, LIMIT)
    peer.sendall(b"still there")
    assert stream.receive(block, LIMIT) == 11


def test_what_the_peer_does_not_take_is_queued_and_none_of_it_is_lost(
    pair: tuple[Stream, socket.socket], block: MemoryBlock
) -> None:
    """A partial send loses nothing: tens of megabytes in pieces of all sizes, compared by hash."""
    stream, peer = pair
    data = random_bytes(LARGE)
    received = bytearray()
    sizes = [1, 100_000, 3_000_000, 262_144, 262_145, 7]
    position = 0
    while position < len(data):
        size = sizes[position % len(sizes)]
        stream.send(data[position : position + size])
        position += size
    assert 0 < stream.backlog_size <= stream.queued <= len(data)
    assert stream.flush() is False

    def read() -> None:
        while len(received) < len(data):
            received.extend(peer.recv(1 << 20))

    reader = threading.Thread(target=read)
    reader.start()
    while not stream.flush():
        assert stream.wait(POLLOUT, LIMIT) & POLLOUT
    reader.join(LIMIT)
    assert stream.backlog_size == 0
    assert digest(received) == digest(data)


def test_later_data_waits_behind_what_is_queued(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    assert stream.send(b"a" * LARGE) is False
    left = stream.backlog_size
    assert stream.send(b"b") is False
    assert stream.backlog_size == left + 1
    received = bytearray()
    while not stream.flush() or len(received) < LARGE + 1:
        received += peer.recv(1 << 20, MSG_DONTWAIT)
    assert received[-2:] == b"ab"
    assert received.count(b"b") == 1


def test_sending_all_waits_for_the_peer(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    with pytest.raises(TransferTimeoutError, match=r"accepted no data for 0\.02 s"):
        stream.send_all(b"x" * LARGE, 0.02)
    received = bytearray()

    def read() -> None:
        while len(received) < LARGE + 3:
            received.extend(peer.recv(1 << 20))

    reader = threading.Thread(target=read)
    reader.start()
    stream.send_all(b"end", LIMIT)
    reader.join(LIMIT)
    assert received[-4:] == b"xend"


def test_sending_that_waits_a_moment_queues_what_was_not_taken_by_then(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    data = random_bytes(LARGE)
    stream.wait_in_sends()
    size = 0
    while stream.send_waiting(data[size : size + 300_000]):
        size += 300_000
    assert 0 < stream.backlog_size <= 300_000
    assert not stream.send_waiting(data[size + 300_000 :])
    assert stream.backlog_size > 300_000  # a large piece, and one behind others, is queued at once
    received = bytearray()
    while not stream.flush():
        received += peer.recv(1 << 20)
    peer.settimeout(LIMIT)
    while len(received) < LARGE:
        received += peer.recv(1 << 20)
    assert received == data


def test_sending_that_waits_ends_when_the_peer_does() -> None:
    stream, peer = tcp_pair()
    stream.wait_in_sends()
    with alarms(nothing), pytest.raises(ConnectionLostError, match="sending"):
        while True:
            if not stream.send_waiting(bytes(300_000)):
                peer.close()
                stream.flush()
    stream.close()


def test_sending_to_a_closed_peer_fails_without_a_signal() -> None:
    stream, peer = plain_pair()
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which would end the process
    try:
        peer.close()
        with pytest.raises(ConnectionLostError, match="Broken pipe while sending"):
            stream.send(b"x")
        with pytest.raises(ConnectionLostError):
            stream.send(b"x" * 1_000_000)
        stream._queue(b"x", 0)
        with pytest.raises(ConnectionLostError):
            stream.flush()
    finally:
        signal.signal(signal.SIGPIPE, before)
        stream.close()


def test_a_reset_is_an_error_and_comes_after_the_data(block: MemoryBlock) -> None:
    stream, peer = tcp_pair()
    stream.send(b"what the peer does not read makes its close a reset")
    peer.sendall(b"data")
    reset(peer)
    assert stream.wait(POLLIN, LIMIT)
    received = b""
    with pytest.raises(ConnectionLostError, match="Connection reset by peer while receiving") as caught:
        while count := stream.receive_now(block):
            received += bytes(block.view[: max(count, 0)])
    assert received in (b"data", b"")  # Linux may drop what was unread, but never hands out half of it
    assert caught.value.errno == 104
    stream.close()


def test_a_blocking_receive_meets_the_reset(block: MemoryBlock) -> None:
    stream, peer = tcp_pair()
    timer = threading.Timer(0.02, reset, (peer,))
    timer.start()
    with pytest.raises(ConnectionLostError, match="Connection reset"):
        stream.receive(block, LIMIT)
    timer.join()
    stream.close()


def test_waiting_tells_for_what(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    assert stream.wait(POLLIN, 0) == 0
    assert stream.wait(POLLIN | POLLOUT, LIMIT) == POLLOUT
    peer.sendall(b"x")
    assert stream.wait(POLLIN, float("inf")) == POLLIN
    peer.close()
    assert stream.wait(POLLIN, LIMIT) & (POLLHUP | POLLERR)


def test_an_idle_connection_is_quiet_until_the_peer_says_something(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    assert stream.is_quiet()
    peer.sendall(b"?")
    assert not stream.is_quiet()
    block = MemoryBlock(10)
    assert stream.receive(block, LIMIT) == 1  # looking has taken nothing away
    assert stream.is_quiet()
    peer.close()
    assert not stream.is_quiet()


def test_shutting_down_wakes_another_thread(pair: tuple[Stream, socket.socket], block: MemoryBlock) -> None:
    stream, _ = pair
    timer = threading.Timer(0.02, stream.shutdown)
    timer.start()
    assert stream.receive(block, LIMIT) == 0
    timer.join()
    with pytest.raises(ConnectionLostError):
        stream.send(b"x")
    os.fstat(stream.fd)


def test_closing_closes_once() -> None:
    stream, peer = plain_pair()
    fd = stream.fd
    with peer:
        stream.say_goodbye()
        stream.close()
        assert stream.fd == -1
        assert peer.recv(1) == b""
        with open(os.devnull, "rb") as other:
            assert other.fileno() == fd  # it is somebody else's now
            stream.close()
            stream.shutdown()
            os.fstat(fd)


def test_a_forgotten_stream_closes_its_descriptor() -> None:
    stream, peer = plain_pair()
    with peer:
        del stream
        assert peer.recv(1) == b""


def test_data_before_the_end_is_read_first(pair: tuple[Stream, socket.socket], block: MemoryBlock) -> None:
    stream, peer = pair
    data = random_bytes(100_000)
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
    received = bytearray()
    read_all(stream, block, received.extend)
    assert received == data


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 0), (-5, 0), (0.001, 1), (0.0001, 1), (1.5, 1500), (float("inf"), 2_000_000_000), (1e300, 2_000_000_000)],
)
def test_seconds_become_milliseconds(seconds: float, expected: int) -> None:
    assert milliseconds(seconds) == expected


def test_poll_reports_what_is_wrong(pair: tuple[Stream, socket.socket]) -> None:
    stream, _ = pair
    fd = os.dup(stream.fd)
    os.close(fd)
    assert poll_one(pollfd(fd, POLLIN, 0), LIMIT) == POLLNVAL
