"""The events: one at a time, in order, in the worker's thread, exactly one end, and none where none is wanted."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from linuxapi import EPOLLIN, POLLIN
from socketpool import MemoryBlock, TgoConnectionState, TgoSocketConnection
from tests.servers.scripted import Connection, expect, script, send, wait

from .conftest import Managers, Peers
from .events import LIMIT, Events
from .peers import echo, hold_worker
from .threads import workers


def test_a_dialogue(peers: Peers) -> None:
    server = peers.serve(echo)
    connection, events = peers.connect(server, connected=lambda connection: connection.send(b"hello"))
    assert events.wait_for_data(5) == b"hello"
    events.wait_for("sent")
    connection.disconnect()
    events.wait_for("disconnected")
    assert events.names[0] == "connected"
    assert sorted(events.names[1:3]) == ["recv", "sent"]
    assert events.names[3:] == ["disconnected"]
    assert events.sent == [b"hello"]
    assert connection.error is None
    # All of them in the thread of the one worker.
    (worker,) = workers()
    assert events.threads == {worker.ident}


def test_every_sent_event_has_its_data_and_comes_in_order(peers: Peers) -> None:
    """The original called this one without its lock; here it obeys the rule of the others."""
    server = peers.serve(echo)
    connection, events = peers.connect(server)
    data = [bytes([number % 256]) * (number * 37 % 5000 + 1) for number in range(300)]
    total = sum(map(len, data))
    for each in data:
        assert connection.send(each)
    events.wait_until(lambda: len(events.received) == total and len(events.sent) == len(data))
    assert events.sent == data
    assert events.received == b"".join(data)


def test_sending_from_the_sent_event_does_not_recurse(peers: Peers) -> None:
    server = peers.serve(echo)
    depths: list[int] = []
    left = iter(range(500))

    def sent(connection: TgoSocketConnection, _: bytes) -> None:
        depth, frame = 0, sys._getframe()
        while frame.f_back is not None:
            depth, frame = depth + 1, frame.f_back
        depths.append(depth)
        if next(left, None) is not None:
            connection.send(b"again")

    connection, events = peers.connect(server, sent=sent)
    connection.send(b"first")
    events.wait_for("sent", 501)
    assert max(depths) == min(depths)


def test_a_connection_that_keeps_sending_from_its_event_lets_the_others_have_their_turn(peers: Peers) -> None:
    drain = peers.serve(lambda connection: connection.receive_all(), aborts=True)
    server = peers.serve(echo)
    stop = threading.Event()

    def sent(connection: TgoSocketConnection, _: bytes) -> None:
        if not stop.is_set():
            connection.send(b"x" * 1000)

    busy, busy_events = peers.connect(drain, sent=sent)
    other, events = peers.connect(server)
    busy.send(b"x")
    busy_events.wait_for("sent", 100)
    for size in range(1, 20):
        other.send(b"y")
        events.wait_for_data(size)
    stop.set()


def test_the_same_bytes_without_a_copy(peers: Peers) -> None:
    server = peers.serve(echo)
    connection = peers.request(server)
    received = bytearray()
    done = threading.Event()

    def on_buffer(block: MemoryBlock, count: int) -> None:
        assert 0 < count <= block.size
        received.extend(block.view[:count])
        if len(received) == 100_000:
            done.set()

    connection.on_connected = lambda: connection.send(bytes(range(250)) * 400)
    connection.on_buffer = on_buffer
    connection.on_recv = lambda data: pytest.fail("both were called")
    connection.connect()
    assert done.wait(LIMIT)
    assert received == bytes(range(250)) * 400


def test_an_event_that_raises_is_reported_and_changes_nothing(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", caught.append)

    def fail(*_: object) -> None:
        raise ValueError("in an event")

    server = peers.serve(script(send(b"greeting" * 5000), echo))
    connection, events = peers.connect(server, connected=fail, received=fail, sent=fail, disconnected=fail)
    events.wait_for_data(40_000)
    connection.send(b"one")
    connection.send(b"two")
    events.wait_for("sent", 2)
    events.wait_for_data(40_006)
    connection.disconnect()
    events.wait_for("disconnected")
    while connection.state is not TgoConnectionState.DISCONNECTED:
        time.sleep(0.001)
    assert [str(each.exc_value) for each in caught] == ["in an event"] * len(events.names)


@pytest.mark.parametrize("end", [Connection.finish, Connection.close, Connection.reset])
def test_exactly_one_end_however_many_ask_for_it(peers: Peers, end: Callable[[Connection], None]) -> None:
    """The peer, two other threads, and the event itself, all at once."""
    go = threading.Event()
    server = peers.serve(script(wait(go), end), aborts=True)
    for _ in range(5):
        go.clear()
        connection, events = peers.connect(server, disconnected=TgoSocketConnection.disconnect)
        barrier = threading.Barrier(3)

        def ask(call: Callable[[], None], barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            call()

        def fail(connection: TgoSocketConnection = connection) -> None:
            connection.end(OSError("ended"))

        threads = [threading.Thread(target=ask, args=(call,)) for call in (connection.disconnect, fail, go.set)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events.wait_for("disconnected")
        connection.disconnect()
        connection.end(OSError())
        connection.abort()
        assert events.names == ["connected", "disconnected"]
    time.sleep(0.01)
    assert events.names.count("disconnected") == 1


def test_the_state_tells_who_ended_it(peers: Peers) -> None:
    states: list[TgoConnectionState] = []
    server = peers.serve([Connection.finish, echo])
    for _ in range(2):
        connection, events = peers.connect(server, disconnected=lambda connection: states.append(connection.state))
        if states:
            connection.disconnect()
        events.wait_for("disconnected")
    assert states == [TgoConnectionState.CONNECTED, TgoConnectionState.DISCONNECTING]


# In events everything is allowed


def test_disconnecting_in_the_event_that_tells_of_the_connection(peers: Peers) -> None:
    server = peers.serve(echo)
    _, events = peers.connect(server, connected=TgoSocketConnection.disconnect)
    events.wait_for("disconnected")
    assert events.names == ["connected", "disconnected"]


def test_aborting_in_each_event(peers: Peers) -> None:
    """Also while TLS still holds data that was read ahead."""
    server = peers.serve(script(send(b"x" * 60_000), echo), aborts=True)

    def abort(connection: TgoSocketConnection, *_: bytes) -> None:
        connection.abort()

    for name in ("connected", "received", "sent"):
        connection = peers.request(server)
        events = Events(connection, **{name: abort})
        connection.connect()
        if name == "sent":
            events.wait_for("connected")
            connection.send(b"x")
        events.wait_for("disconnected")
        assert connection.error is None
        assert connection.closed


def test_stopping_the_events_in_an_event(peers: Peers) -> None:
    def stop(connection: TgoSocketConnection, _: bytes) -> None:
        connection.stop_callbacks()

    server = peers.serve(script(send(b"hello"), echo))
    connection, events = peers.connect(server, received=stop)
    events.wait_for("recv")
    connection.stop_callbacks()  # waits for the event
    connection.send(b"more")
    connection.disconnect()
    while not connection.closed:
        time.sleep(0.001)
    assert events.names == ["connected", "recv"]


def test_detaching_in_an_event(peers: Peers) -> None:
    """From then on the connection belongs to whoever detached it, and no event is called."""
    server = peers.serve(script(send(b"x" * 50_000), expect(b"go"), send(b"y" * 50_000), Connection.finish))
    detached = threading.Event()

    def received(connection: TgoSocketConnection, _: bytes) -> None:
        assert connection.detach()
        detached.set()

    connection, events = peers.connect(server, received=received)
    assert detached.wait(LIMIT)
    assert not connection.attached
    stream = connection.stream
    assert stream is not None
    first = len(events.received)
    connection.send(b"go")
    block = MemoryBlock(65536)
    rest = bytearray()
    while count := stream.receive(block, LIMIT):
        rest += block.view[:count]
    assert bytes(events.received) + rest == b"x" * 50_000 + b"y" * 50_000
    assert events.names == ["connected", "recv"]
    assert first == len(events.received)
    connection.abort()
    events.wait_for("disconnected")


# No event any more


def test_stopping_waits_for_the_event_that_is_running(peers: Peers) -> None:
    server = peers.serve(echo)
    running, go_on = threading.Event(), threading.Event()
    finished: list[bool] = []

    def received(_: TgoSocketConnection, data: bytes) -> None:
        running.set()
        assert go_on.wait(LIMIT)
        finished.append(True)

    connection, events = peers.connect(server, received=received)
    connection.send(b"x")
    assert running.wait(LIMIT)
    timer = threading.Timer(0.05, go_on.set)
    timer.start()
    connection.stop_callbacks()
    assert finished == [True]
    timer.join()
    connection.send(b"y")
    connection.disconnect()
    while not connection.closed:
        time.sleep(0.001)
    assert "disconnected" not in events.names
    assert events.received == b"x"


def test_no_event_comes_after_closing(peers: Peers) -> None:
    """The original freed connections that its workers still held pointers to."""
    server = peers.serve(script(lambda connection: connection.send(b"data" * 1000), Connection.hold), aborts=True)
    for _ in range(30):
        connection = peers.request(server)
        called: list[str] = []
        connection.on_connected = lambda called=called: called.append("connected")
        connection.on_recv = lambda data, called=called: called.append("recv")
        connection.on_disconnected = lambda called=called: called.append("disconnected")
        connection.connect()
        connection.close()
        before = list(called)
        while not connection.closed:
            time.sleep(0.0005)
        assert called == before
        assert "disconnected" not in called


def test_no_event_of_the_same_batch_reaches_a_connection_that_has_ended(peers: Peers) -> None:
    """Two connections are ready at once; the event of whichever comes first ends the other."""
    go = threading.Event()
    server = peers.serve(script(wait(go), send(b"x"), Connection.hold), aborts=True)
    pair: list[tuple[TgoSocketConnection, Events]] = []

    def received(connection: TgoSocketConnection, _: bytes) -> None:
        for other, _events in pair:
            if other is not connection:
                other.abort()

    pair += [peers.connect(server, received=received) for _ in range(2)]
    # The worker doesn't look at its sockets until both have something.
    go_on = hold_worker(peers.manager.choose_worker())
    go.set()
    server_side = server.wait_for_connections(2)
    while sum(each.sent for each in server_side) < 2:
        time.sleep(0.001)
    time.sleep(0.02)
    go_on.set()
    pair[0][1].wait_until(lambda: any("recv" in events.names for _, events in pair))
    for _, events in pair:
        events.wait_for("disconnected" if "recv" not in events.names else "recv")
    names = sorted(tuple(events.names) for _, events in pair)
    assert names == [("connected", "disconnected"), ("connected", "recv")]


# Changing hands


def test_a_connection_changes_hands_again_and_again(peers: Peers) -> None:
    server = peers.serve(echo)
    connection, events = peers.connect(server)
    block = MemoryBlock(16384)
    for round_number in range(20):
        connection.send(b"attached")
        events.wait_for_data(8 * (round_number + 1))
        assert connection.detach()
        stream = connection.stream
        assert stream is not None
        stream.send(b"detached")
        assert stream.receive(block, LIMIT) == 8
        assert bytes(block.view[:8]) == b"detached"
        if round_number % 2:
            assert connection.detach()  # twice is no harm
        connection.attach()
        assert connection.attached


def test_sent_events_that_were_due_do_not_follow_to_the_next_owner(peers: Peers) -> None:
    """They are dropped; those of later data come as ever."""
    server = peers.serve(echo)
    connection, events = peers.connect(server)
    go_on = hold_worker(connection.worker)
    connection.send(b"before")
    assert connection.pending == 1
    assert connection.detach()
    assert connection.pending == 0
    go_on.set()
    connection.attach()
    connection.send(b"after")
    events.wait_for("sent")
    events.wait_for_data(11)
    assert events.sent == [b"after"]


def test_what_was_read_ahead_or_not_sent_goes_with_the_connection(peers: Peers) -> None:
    data = b"d" * 60_000
    read = threading.Event()
    take = script(wait(read), lambda connection: connection.receive(20_000_000))
    server = peers.serve(script(expect(b"go"), send(data), take))
    connection = peers.request(server)
    stream = connection.open()
    events = Events(connection)
    stream.send(b"go")
    small = MemoryBlock(100)
    count = stream.receive(small, LIMIT)
    stream.send(b"x" * 20_000_000)
    assert stream.backlog_size > 0
    connection.attach()
    with pytest.raises(OSError, match="only a connected, detached connection"):
        connection.attach()
    events.wait_for_data(len(data) - count)
    read.set()
    server.wait_for_connections(1)
    connection.disconnect()
    events.wait_for("disconnected")
    server.wait_until_finished()
    assert len(server.connections[0].received) == 20_000_002


def test_moving_between_workers(peers: Peers, make_manager: Managers) -> None:
    manager = make_manager(workers=3)
    server = peers.serve(echo)
    connection, events = peers.connect(server, manager)
    total = 0
    for _ in range(30):
        connection.send(b"some data")
        total += 9
        assert connection.detach()
        worker = manager.choose_worker()
        connection.attach(worker)
        assert connection.worker is worker
        events.wait_for_data(total)
    assert len(events.threads) == 3
    assert events.received == b"some data" * 30


def test_a_late_event_of_one_worker_does_not_touch_a_connection_of_another(
    peers: Peers, make_manager: Managers
) -> None:
    """The connection changes hands while its first worker is just about to call its event."""
    manager = make_manager(workers=2)
    go = threading.Event()
    server = peers.serve(script(wait(go), send(b"x"), Connection.hold), aborts=True)
    connection, events = peers.connect(server, manager)
    first, late = connection.worker, connection.token
    (second,) = {manager.choose_worker() for _ in range(2)} - {first}
    go_on = hold_worker(second)
    assert connection.detach()
    connection.attach(second)
    go.set()
    assert connection.stream is not None
    assert connection.stream.wait(POLLIN, LIMIT)
    connection._on_event(EPOLLIN, late)  # as the first worker would
    assert events.names == ["connected"]
    go_on.set()
    assert events.wait_for_data(1) == b"x"
    assert threading.get_ident() not in events.threads


def test_changing_workers_under_load(peers: Peers, make_manager: Managers) -> None:
    manager = make_manager(workers=2)
    server = peers.serve(echo)
    connection, events = peers.connect(server, manager)
    workers_of_it = {manager.choose_worker() for _ in range(2)}
    for count in range(1, 201):
        connection.send(b"x")
        connection.detach()
        connection.attach(next(each for each in workers_of_it if each is not connection.worker))
        events.wait_for_data(count)
    assert events.errors == []
