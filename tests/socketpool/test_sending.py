"""Sending never blocks and loses nothing: what the peer doesn't take waits in a bounded queue; nobody else waits."""

from __future__ import annotations

import threading
import time

import pytest

from socketpool import ConnectionLostError, MemoryBlock, TgoConnectionState, TgoSocketConnection
from tests.servers.scripted import Connection, script, send, wait

from .conftest import Peers
from .events import LIMIT, Events
from .peers import Sink, digest, echo, hold_worker, random_bytes

LARGE = 32 * 1024 * 1024


def fill(connection: TgoSocketConnection, piece: bytes = b"x" * 100_000) -> int:
    """Send until something has to wait; return how many bytes were taken."""
    taken = 0
    while connection.pending_to_string() == "none":
        assert connection.send(piece)
        taken += len(piece)
    return taken


def test_a_peer_that_does_not_read_loses_nothing(peers: Peers) -> None:
    """The original's blocking send stopped a worker here, and with it every connection on it."""
    sink = Sink()
    server = peers.serve(sink)
    other_server = peers.serve(echo)
    connection, events = peers.connect(server)
    connection.send_queue_limit = LARGE
    data = random_bytes(LARGE)
    position, size = 0, 1
    while position < len(data):
        assert connection.send(data[position : position + size])
        position += size
        size = size * 3 % 1_000_003
    assert connection.pending > 0
    assert "sending " in connection.pending_to_string()
    # The same worker serves others as if nothing were.
    other, other_events = peers.connect(other_server)
    for count in range(1, 50):
        other.send(b"ping")
        other_events.wait_for_data(4 * count)
    assert "sent" not in events.names or sum(map(len, events.sent)) < len(data)
    sink.read.set()
    events.wait_until(lambda: sum(map(len, events.sent)) == len(data))
    assert b"".join(events.sent) == data
    assert connection.pending == 0
    connection.disconnect()
    assert sink.wait() == digest(data)
    events.wait_for("disconnected")
    assert connection.error is None


def test_the_queue_is_bounded(peers: Peers) -> None:
    sink = Sink()
    connection, events = peers.connect(peers.serve(sink))
    connection.send_queue_limit = 1_000_000
    taken = 0
    while connection.send(b"x" * 100_000):
        taken += 100_000
    assert connection.stream is not None
    # The last one that was taken may stand out.
    assert 1_000_000 <= connection.stream.backlog_size <= 1_110_000
    assert connection.send(b"one more") is False
    assert connection.state is TgoConnectionState.CONNECTED
    sink.read.set()
    events.wait_until(lambda: sum(map(len, events.sent)) == taken)
    assert connection.send(b"room again") is True
    connection.disconnect()
    assert sink.wait() == digest(b"x" * taken + b"room again")


def test_one_event_tells_when_all_of_the_queue_is_sent(peers: Peers) -> None:
    sink = Sink()
    connection, _ = peers.connect(peers.serve(sink))
    writable = threading.Semaphore(0)
    connection.on_writable = writable.release
    connection.send(b"fits in")
    fill(connection)
    assert not writable.acquire(timeout=0.01)
    sink.read.set()
    assert writable.acquire(timeout=LIMIT)
    assert connection.pending_to_string() == "none"
    assert not writable.acquire(timeout=0.01)


def test_sent_events_come_when_the_data_has_left(peers: Peers) -> None:
    """Also for what is sent while the queue is being emptied by somebody else."""
    sink = Sink()
    connection, events = peers.connect(peers.serve(sink))
    taken = fill(connection)
    queued = len(events.sent)
    sent = []
    for number in range(200):
        data = bytes([number]) * 50_000
        if number == 100:
            sink.read.set()
        while not connection.send(data):
            time.sleep(0.001)
        sent.append(data)
    events.wait_until(lambda: sum(map(len, events.sent)) == taken + sum(map(len, sent)))
    assert queued < len(events.sent)
    assert events.sent[-200:] == sent
    connection.disconnect()
    assert sink.wait().size == taken + 10_000_000


def test_a_sent_event_does_not_come_before_the_data_has_left(peers: Peers) -> None:
    """Also where much has been queued, and sent, before."""
    first = b"1" * 24_000_000
    second = b"2" * 12_000_000
    go, rest = threading.Event(), threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive(len(first))
        connection.wait(go)
        connection.receive(2_000_000)
        connection.wait(rest)
        connection.receive_all()

    connection, events = peers.connect(peers.serve(handler))
    assert connection.send(first)
    events.wait_for("sent")
    assert connection.send(second)
    assert connection.stream is not None
    backlog = connection.stream.backlog_size
    go.set()
    deadline = time.monotonic() + LIMIT
    while connection.stream.backlog_size > backlog - 500_000 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert connection.stream.backlog_size > 0
    assert events.sent == [first]
    rest.set()
    events.wait_for("sent", 2)
    connection.disconnect()


def test_many_threads_send_at_once(peers: Peers) -> None:
    """Each message arrives in one piece."""
    sink = Sink()
    server = peers.serve(sink)
    sink.read.set()
    connection, events = peers.connect(server)
    connection.send_queue_limit = LARGE

    def send_some(number: int) -> None:
        for index in range(100):
            assert connection.send(bytes([number]) * (1000 + index))

    threads = [threading.Thread(target=send_some, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events.wait_for("sent", 800)
    connection.disconnect()
    sink.wait()
    (peer,) = server.connections
    position = 0
    seen = [0] * 8
    received = bytes(peer.received)
    while position < len(received):
        number = received[position]
        size = 1000 + seen[number]
        assert received[position : position + size] == bytes([number]) * size
        seen[number] += 1
        position += size
    assert seen == [100] * 8


def test_other_kinds_of_bytes(peers: Peers) -> None:
    connection, events = peers.connect(peers.serve(echo))
    buffer = bytearray(b"array")
    assert connection.send(buffer)  # type: ignore[arg-type]
    buffer[:] = b"later"
    assert connection.send(memoryview(b"view"))  # type: ignore[arg-type]
    assert connection.send(b"")
    assert events.wait_for_data(9) == b"arrayview"
    events.wait_for("sent", 3)
    assert events.sent == [b"array", b"view", b""]


def test_reading_goes_on_while_sending_waits(peers: Peers) -> None:
    """Two sides that both send first would otherwise wait for each other for ever."""
    data = random_bytes(8_000_000)

    def handler(connection: Connection) -> None:
        connection.send(data)
        connection.receive(len(data))

    server = peers.serve(handler)
    connection, events = peers.connect(server)
    connection.send(data)
    events.wait_for_data(len(data))
    events.wait_for("sent")
    server.wait_until_finished()
    assert server.connections[0].received == data == events.received


# The end with something still to send


def test_disconnecting_sends_what_is_queued_first(peers: Peers) -> None:
    sink = Sink()
    connection, events = peers.connect(peers.serve(sink))
    taken = fill(connection)
    connection.disconnect()
    assert connection.state is TgoConnectionState.DISCONNECTING
    assert connection.pending_to_string().endswith("disconnecting")
    assert connection.send(b"too late") is False
    sink.read.set()
    assert sink.wait() == digest(b"x" * taken)
    events.wait_for("disconnected")
    assert connection.error is None
    assert sum(map(len, events.sent)) == taken


def test_disconnecting_does_not_cut_off_what_is_on_its_way(peers: Peers) -> None:
    """Input that nobody has read makes the kernel reset the connection when it is closed, and drop what it still has.

    So the end waits until the peer has everything: here it answers all the time and is never listened to.
    """
    data = random_bytes(10_000_000)
    go = threading.Event()

    def handler(connection: Connection) -> None:
        connection.wait(go)
        received = 0
        while received < len(data):
            received += len(connection.receive_some())
            connection.send(b"so far so good\n")
        connection.receive_all()

    server = peers.serve(handler, receive_buffer=8192)
    # Attached, and detached with data that was never read.
    connection, _ = peers.connect(server)
    connection.send(data)
    connection.disconnect()
    detached = peers.request(server)
    detached.open().send(data)
    events = Events(detached)
    detached.disconnect()
    go.set()
    events.wait_for("disconnected")
    server.wait_until_finished(2)
    for peer in server.connections:
        assert digest(peer.received) == digest(data)
        assert peer.close_notify is (detached.ssl)
    assert detached.error is None


def test_a_detached_connection_with_nothing_on_its_way_ends_at_once(peers: Peers) -> None:
    server = peers.serve(echo)
    connection = peers.request(server)
    stream = connection.open()
    stream.send(b"ping")
    assert stream.receive(MemoryBlock(100), LIMIT) == 4
    events = Events(connection)
    connection.disconnect()
    events.wait_for("disconnected")
    assert connection.closed
    server.wait_until_finished()
    assert server.connections[0].close_notify is connection.ssl


def test_a_peer_that_never_takes_the_rest_is_cut_off(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socketpool.connection.INTERVAL_CLEANUP", 0.05)
    sink = Sink()
    server = peers.serve(sink, aborts=True)
    connection, events = peers.connect(server)
    fill(connection)
    connection.disconnect()
    events.wait_for("disconnected")
    assert isinstance(connection.error, ConnectionLostError)
    assert "did not take the rest of the data" in str(connection.error)


def test_aborting_drops_what_is_queued(peers: Peers) -> None:
    sink = Sink()
    connection, events = peers.connect(peers.serve(sink, aborts=True))
    fill(connection)
    connection.abort()
    events.wait_for("disconnected")
    assert connection.closed
    assert connection.error is None
    sink.read.set()


def test_a_peer_that_closes_before_it_has_everything_is_an_error(peers: Peers) -> None:
    go = threading.Event()
    server = peers.serve(script(wait(go), Connection.close), aborts=True)
    connection, events = peers.connect(server)
    fill(connection)
    go.set()
    events.wait_for("disconnected")
    assert isinstance(connection.error, OSError)


@pytest.mark.parametrize("queued", [True, False])
def test_what_the_peer_said_before_it_refused_the_rest_is_received(peers: Peers, queued: bool) -> None:
    """A server that answers early and closes: the answer counts, although sending fails."""

    def handler(connection: Connection) -> None:
        connection.receive(1)
        connection.send(b"413 too much")
        connection.wait(go)

    go = threading.Event()
    server = peers.serve(handler, aborts=True)
    connection, events = peers.connect(server)
    connection.send(b"x")
    (peer,) = server.wait_for_connections(1)
    go_on = hold_worker(connection.worker)
    while not peer.sent:
        time.sleep(0.001)
    if queued:
        fill(connection)
    # The worker has the answer, the reset, and that sending fails before it all at once.
    go.set()
    peer.reset()
    deadline = time.monotonic() + LIMIT
    while not queued and connection.send(b"y" * 1000) and time.monotonic() < deadline:
        time.sleep(0.001)
    go_on.set()
    events.wait_for("disconnected")
    assert events.received == b"413 too much"
    assert isinstance(connection.error, OSError)


def test_sending_fails_once_the_connection_has_ended(peers: Peers) -> None:
    connection, events = peers.connect(peers.serve(script(send(b"bye"), Connection.finish)))
    events.wait_for("disconnected")
    assert connection.send(b"x") is False
    assert connection.pending == 0


def test_a_detached_connection_sends_from_its_own_thread(peers: Peers) -> None:
    server = peers.serve(script(lambda connection: connection.receive(5), Connection.reset), aborts=True)
    connection = peers.request(server)
    stream = connection.open()
    events = Events(connection)
    assert connection.send(b"hello")
    server.wait_until_finished()
    assert stream.wait(1, LIMIT)
    deadline = time.monotonic() + LIMIT
    while connection.send(b"into the void") and time.monotonic() < deadline:
        time.sleep(0.001)
    assert isinstance(connection.error, ConnectionLostError)
    assert events.names == []
    connection.abort()
    assert events.names == ["disconnected"]
