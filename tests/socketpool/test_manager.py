"""The manager: requesting and releasing connections, its workers, and closing with everything in flight."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

import pytest

from openssl_api import TlsContext
from socketpool import (
    INTERVAL_FREE,
    ManagerClosedError,
    TgoClientSocketManager,
    TgoConnectionState,
    TgoSocketConnection,
    TgoSocketOptimization,
    TgoSocketPoolBehavior,
)
from tests.servers.scripted import Connection, ScriptedServer, expect, script, send, wait

from .conftest import Managers, Peers
from .events import LIMIT, Events
from .peers import echo, hold_worker, receive_the_end
from .threads import sleeps, workers

POOL = TgoSocketPoolBehavior.POOL_AND_REUSE
CONNECTED = TgoConnectionState.CONNECTED


@pytest.fixture
def pool(make_manager: Managers) -> TgoClientSocketManager:
    """A manager that keeps released connections."""
    return make_manager(behavior=POOL)


def use(connection: TgoSocketConnection, message: bytes = b"ping") -> None:
    """Connect if need be, and get an echo."""
    events = Events(connection)
    if connection.state is not CONNECTED:
        connection.connect()
        events.wait_for("connected")
    connection.send(message)
    assert events.wait_for_data(len(message)) == message


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# Settings


def test_the_defaults() -> None:
    manager = TgoClientSocketManager()
    assert manager.optimization is TgoSocketOptimization.SCALE
    assert manager.behavior is TgoSocketPoolBehavior.CREATE_AND_DESTROY
    assert manager.connections == 0
    manager.close()
    with pytest.raises(ManagerClosedError):
        manager.choose_worker()
    with pytest.raises(ManagerClosedError):
        _ = manager.handle
    with pytest.raises(ValueError, match="workers must not be negative"):
        TgoClientSocketManager(workers=-1)


def test_several_workers_share_the_connections(make_manager: Managers, peers: Peers) -> None:
    manager = make_manager(workers=3)
    server = peers.serve(echo)
    listeners = [peers.connect(server, manager) for _ in range(9)]
    assert len(workers()) == 3
    for connection, _ in listeners:
        connection.send(b"hello")
    for _, events in listeners:
        events.wait_for_data(5)
        assert len(events.threads) == 1
    assert len({thread for _, events in listeners for thread in events.threads}) == 3


@pytest.mark.parametrize("optimization", list(TgoSocketOptimization))
def test_both_optimizations_do_the_same(
    make_manager: Managers, peers: Peers, optimization: TgoSocketOptimization
) -> None:
    manager = make_manager(optimization)
    assert manager.optimization is optimization
    server = peers.serve(echo)
    listeners = [peers.connect(server, manager) for _ in range(5)]
    for size in (1, 1000, 300_000):
        for connection, events in listeners:
            expected = bytes(events.received) + bytes([size % 251]) * size
            connection.send(expected[-size:])
            assert events.wait_for_data(len(expected)) == expected


# Released connections


def test_a_released_connection_is_disconnected_by_default(peers: Peers, tls: bool) -> None:
    server = peers.serve(echo)
    connection, events = peers.connect(server)
    peers.manager.release(connection)
    server.wait_until_finished()
    assert server.connections[0].close_notify is tls
    wait_until(lambda: connection.closed)
    assert events.names == ["connected"]
    assert peers.request(server) is not connection


def test_a_kept_connection_is_used_again(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    for _ in range(5):
        use(connection)
        pool.release(connection)
        assert peers.request(server, pool) is connection
        assert connection.state is CONNECTED
        assert connection.on_recv is None
    use(connection, b"and once more")
    assert server.accepted == 1
    assert pool.connections == 1


def test_the_one_released_last_is_used_first(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    connections = [peers.request(server, pool) for _ in range(3)]
    for connection in connections:
        use(connection)
    for connection in connections:
        pool.release(connection)
    assert [peers.request(server, pool) for _ in range(3)] == connections[::-1]
    assert peers.request(server, pool) not in connections


def test_only_the_same_peer_and_the_same_tls_get_it(pool: TgoClientSocketManager, peers: Peers, tls: bool) -> None:
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    use(connection)
    pool.release(connection)
    with TlsContext(verify=False) as careless:
        others = [
            pool.request("127.0.0.1", server.port, ssl=tls, tls_context=connection.tls_context),
            pool.request("localhost", server.port + 1, ssl=tls, tls_context=connection.tls_context),
            pool.request("localhost", server.port, ssl=not tls, tls_context=connection.tls_context),
            pool.request("localhost", server.port, ssl=tls, tls_context=careless),
            pool.request("localhost", server.port, ssl=tls, alpn=True, tls_context=connection.tls_context),
        ]
    assert connection not in others
    assert peers.request(server, pool) is connection


def test_what_presents_a_certificate_or_went_elsewhere_is_not_kept(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    use(connection)
    connection.certificate = b"certificate"
    pool.release(connection)
    assert peers.request(server, pool) is not connection
    connection = peers.request(server, pool)
    use(connection)
    assert connection.stream is not None
    connection.addresses = [connection.stream.address]
    pool.release(connection)
    assert peers.request(server, pool) is not connection
    server.wait_until_finished(2)


def test_a_detached_connection_can_be_released_too(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    connection.open()
    pool.release(connection)
    assert connection.attached
    assert peers.request(server, pool) is connection
    use(connection)


def test_a_connection_that_the_peer_has_closed_is_not_handed_out(pool: TgoClientSocketManager, peers: Peers) -> None:
    """Neither once the worker has noticed, nor before."""
    go = threading.Event()
    server = peers.serve([script(lambda each: each.send(each.receive(4)), wait(go), Connection.finish), echo])
    connection = peers.request(server, pool)
    use(connection)
    pool.release(connection)
    go.set()
    wait_until(lambda: connection.closed)
    assert pool.connections == 0
    other = peers.request(server, pool)
    assert other is not connection
    use(other)


@pytest.mark.parametrize("ending", ["closed", "said something"])
def test_what_the_worker_has_not_noticed_yet_is_noticed_on_request(
    pool: TgoClientSocketManager, peers: Peers, ending: str
) -> None:
    go = threading.Event()
    end = Connection.finish if ending == "closed" else send(b"unasked")
    server = peers.serve([script(lambda each: each.send(each.receive(4)), wait(go), end), echo])
    connection = peers.request(server, pool)
    use(connection)
    pool.release(connection)
    go_on = hold_worker(connection.worker)
    go.set()
    stream = connection.stream
    assert stream is not None
    assert stream.wait(1, LIMIT)
    assert peers.request(server, pool) is not connection
    go_on.set()
    wait_until(lambda: connection.closed)


def test_a_kept_connection_on_which_the_peer_speaks_unasked_is_dropped(
    pool: TgoClientSocketManager, peers: Peers
) -> None:
    go = threading.Event()
    server = peers.serve(
        script(lambda each: each.send(each.receive(4)), wait(go), send(b"unasked"), Connection.hold), aborts=True
    )
    connection = peers.request(server, pool)
    use(connection)
    pool.release(connection)
    go.set()
    wait_until(lambda: connection.closed)
    assert pool.connections == 0


def test_a_kept_connection_expires(pool: TgoClientSocketManager, peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a timer; releasing it again starts the time anew."""
    assert INTERVAL_FREE == 5.0
    monkeypatch.setattr("socketpool.manager.INTERVAL_FREE", 0.15)
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    use(connection)
    for _ in range(5):
        pool.release(connection)
        assert peers.request(server, pool) is connection
        time.sleep(0.05)
    assert not connection.closed
    pool.release(connection)
    wait_until(lambda: connection.closed)
    server.wait_until_finished()
    assert peers.request(server, pool) is not connection


def test_a_connection_in_use_does_not_expire(
    pool: TgoClientSocketManager, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socketpool.manager.INTERVAL_FREE", 0.02)
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    use(connection)
    pool.release(connection)
    assert peers.request(server, pool) is connection
    time.sleep(0.06)
    use(connection)


def test_keeping_does_not_pile_up_timers(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    use(connection)
    for _ in range(60):
        pool.release(connection)
        time.sleep(0.002)
        assert peers.request(server, pool) is connection
    use(connection)
    assert connection.worker is not None
    assert len(connection.worker._timers) < 20


def test_what_cannot_be_kept_is_disconnected(pool: TgoClientSocketManager, peers: Peers) -> None:
    # Never connected, already ended, or with something still to send.
    pool.release(peers.request(peers.serve(echo), pool))
    server = peers.serve(Connection.finish)
    connection, events = peers.connect(server, pool)
    events.wait_for("disconnected")
    pool.release(connection)
    go = threading.Event()
    busy = peers.serve(script(wait(go), lambda each: each.receive(20_000_000), Connection.hold))
    connection, _ = peers.connect(busy, pool)
    connection.send(b"x" * 20_000_000)
    pool.release(connection)
    assert connection.state is TgoConnectionState.DISCONNECTING
    go.set()
    wait_until(lambda: connection.closed)
    wait_until(lambda: len(busy.connections[0].received) == 20_000_000)


def test_releasing_twice_does_not_give_it_to_two(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    connection = peers.request(server, pool)
    use(connection)
    pool.release(connection)
    pool.release(connection)
    first, second = peers.request(server, pool), peers.request(server, pool)
    assert first is not second


def test_releasing_from_an_event(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    connection, events = peers.connect(server, pool, received=lambda each, data: pool.release(each))
    connection.send(b"x")
    events.wait_for("recv")
    wait_until(lambda: pool._free != {})
    assert peers.request(server, pool) is connection
    use(connection)
    assert "disconnected" not in events.names


def test_threads_release_and_request_at_once(pool: TgoClientSocketManager, peers: Peers) -> None:
    server = peers.serve(echo)
    in_use: set[int] = set()
    lock = threading.Lock()
    errors: list[str] = []

    def work(number: int) -> None:
        for index in range(40):
            connection = peers.request(server, pool)
            with lock:
                if id(connection) in in_use:
                    errors.append("given to two")
                in_use.add(id(connection))
            use(connection, b"%d %d" % (number, index))
            with lock:
                in_use.discard(id(connection))
            pool.release(connection)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert server.accepted <= 12


def test_an_idle_pool_uses_no_processor_time(pool: TgoClientSocketManager, peers: Peers) -> None:
    """The original's workers woke ten times a second, and its manager two hundred times."""
    server = peers.serve(echo)
    connections = [peers.request(server, pool) for _ in range(10)]
    for connection in connections:
        use(connection)
    for connection in connections[:5]:
        pool.release(connection)
    time.sleep(0.05)
    (thread,) = workers()
    before = sleeps(thread)
    time.sleep(1.0)
    assert sleeps(thread) - before <= 1


# Closing


def test_closing_with_everything_in_flight(make_manager: Managers, peers: Peers, silent_port: int) -> None:
    """Connected, connecting, sending to a peer that doesn't read, kept, disconnecting, detached, in an open."""
    manager = make_manager(behavior=POOL, workers=2)
    server = peers.serve(echo, aborts=True)
    deaf = peers.serve(lambda each: each.wait(threading.Event()), aborts=True)
    listeners = [peers.connect(server, manager) for _ in range(5)]
    for _ in range(5):
        connection = manager.request("127.0.0.1", silent_port)
        listeners.append((connection, Events(connection)))
        connection.connect()
    for index in range(4):
        connection, events = peers.connect(deaf, manager)
        connection.send(b"x" * 10_000_000)
        listeners.append((connection, events))
        if index % 2:
            connection.disconnect()
    detached = peers.request(server, manager)
    stream = detached.open()
    for connection, _ in [peers.connect(server, manager) for _ in range(3)]:
        manager.release(connection)
    receiving = threading.Thread(target=receive_the_end, args=(stream,))
    receiving.start()
    opening = manager.request("127.0.0.1", silent_port)
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            opening.open()
        except ManagerClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=open_it)
    thread.start()
    wait_until(lambda: opening.pending > 0)
    manager.close()
    assert workers() == []
    assert manager.connections == 0
    for each in (thread, receiving):
        each.join(LIMIT)
        assert not each.is_alive()
    assert len(errors) == 1
    for connection, events in listeners:
        assert events.names.count("disconnected") == 1
        assert isinstance(connection.error, ManagerClosedError)
        assert connection.socket == -1
    assert isinstance(detached.error, ManagerClosedError)
    detached.abort()
    manager.close()


def test_closing_from_an_event(make_manager: Managers, peers: Peers) -> None:
    manager = make_manager()
    server = peers.serve(script(send(b"x"), Connection.hold), aborts=True)
    connection, events = peers.connect(server, manager, received=lambda each, data: manager.close())
    events.wait_for("disconnected")
    assert isinstance(connection.error, ManagerClosedError)
    wait_until(lambda: workers() == [])


def test_closing_says_goodbye(make_manager: Managers, peers: Peers, tls: bool) -> None:
    manager = make_manager()
    server = peers.serve(Connection.hold)
    peers.connect(server, manager)
    server.wait_for_connections(1)
    manager.close()
    server.wait_until_finished()
    assert server.connections[0].close_notify is tls


def test_connecting_races_with_closing(peers: Peers) -> None:
    """Each connection that was begun ends by an event, each that wasn't by an exception."""
    server = peers.serve(echo, aborts=True, handshakes_fail=True)
    for _ in range(5):
        manager = TgoClientSocketManager(workers=2)
        listeners: list[Events] = []

        def connect(manager: TgoClientSocketManager = manager, listeners: list[Events] = listeners) -> None:
            while True:
                try:
                    connection = peers.request(server, manager)
                    events = Events(connection)
                    connection.connect()
                except ManagerClosedError:
                    return
                listeners.append(events)
                time.sleep(0.002)

        threads = [threading.Thread(target=connect) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(listeners) <= 10:
            time.sleep(0.001)
        manager.close()
        for thread in threads:
            thread.join(LIMIT)
        for events in listeners:
            events.wait_for("disconnected")
            assert events.connection.closed


def test_a_manager_can_be_forgotten(peers: Peers) -> None:
    server: ScriptedServer = peers.serve(script(expect(b"x")))
    manager = TgoClientSocketManager()
    connection = peers.request(server, manager)
    connection.open().send(b"x")
    del manager, connection
    gc.collect()
    server.wait_until_finished()
