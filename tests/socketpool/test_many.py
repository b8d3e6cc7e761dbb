"""Many connections at once, and many threads that do everything at random: nothing is lost, mixed up or left behind."""

from __future__ import annotations

import random
import resource
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from socketpool import (
    MemoryBlock,
    TgoClientSocketManager,
    TgoConnectionState,
    TgoSocketConnection,
    TgoSocketPoolBehavior,
)
from socketpool.constants import MAX_OPENINGS
from tests.servers.scripted import Connection, listen

from .conftest import Managers, Peers
from .events import LIMIT, Events
from .peers import receive_the_end
from .threads import workers


class EchoServer:
    """Sends back whatever comes, on any number of connections, in one thread."""

    def __init__(self) -> None:
        self.listener = listen(backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        connections: dict[int, socket.socket] = {}
        with select.epoll() as epoll, self.listener, self._woken:
            epoll.register(self.listener, select.EPOLLIN)
            epoll.register(self._woken, select.EPOLLIN)
            while True:
                for fd, _ in epoll.poll():
                    if fd == self._woken.fileno():
                        for connection in connections.values():
                            connection.close()
                        return
                    if fd == self.listener.fileno():
                        connection, _ = self.listener.accept()
                        connections[connection.fileno()] = connection
                        epoll.register(connection, select.EPOLLIN)
                        self.accepted += 1
                        continue
                    data = connections[fd].recv(65536)
                    if data:
                        connections[fd].sendall(data)
                    else:
                        connections.pop(fd).close()

    def close(self) -> None:
        self._wake.close()
        self._thread.join()


@pytest.fixture
def echo_server() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Allows this process more open files than usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("number_of_workers", [1, 3])
def test_a_thousand_connections(make_manager: Managers, echo_server: EchoServer, number_of_workers: int) -> None:
    """Each gets its own answers, by as many threads as there are workers."""
    manager = make_manager(workers=number_of_workers)
    number = 1000
    answers: list[bytes] = [b""] * number
    left = threading.Semaphore(0)
    ended = threading.Semaphore(0)

    def connection_for(index: int) -> TgoSocketConnection:
        connection = manager.request("127.0.0.1", echo_server.port)
        message = b"message for %d;" % index

        def received(data: bytes) -> None:
            answers[index] += data
            if len(answers[index]) == 3 * len(message):
                left.release()
            else:
                connection.send(message)

        connection.on_connected = lambda: connection.send(message)
        connection.on_recv = received
        connection.on_disconnected = ended.release
        connection.connect(use_nagle=False)
        return connection

    connections = [connection_for(index) for index in range(number)]
    for _ in range(number):
        assert left.acquire(timeout=LIMIT)
    assert answers == [b"message for %d;" % index * 3 for index in range(number)]
    assert manager.connections == number
    assert len(workers()) == number_of_workers
    for connection in connections[::2]:
        connection.disconnect()
    for _ in range(number // 2):
        assert ended.acquire(timeout=LIMIT)
    assert manager.connections == number // 2
    manager.close()
    for _ in range(number // 2):
        assert ended.acquire(timeout=LIMIT)
    assert not ended.acquire(timeout=0.01)
    assert workers() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "many.test"])
def test_few_connections_are_begun_at_a_time(
    manager: TgoClientSocketManager, echo_server: EchoServer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of many are through before the last take any memory."""
    number = 200
    connected = 0
    seen: list[int] = []
    done = threading.Event()
    signal, signalled = socket.socketpair()
    signal.send(b"x")  # which nobody reads, so that the worker tells of it whenever it looks at its sockets

    def on_connected() -> None:
        nonlocal connected
        connected += 1

    def looked(flags: int, token: int) -> None:
        seen.append(connected)
        if connected == number:
            worker.unregister(token, signalled.fileno())
            done.set()

    def begin() -> None:
        worker.register(signalled.fileno(), select.EPOLLIN, looked)
        for _ in range(number):
            connection = manager.request(host, echo_server.port)
            connection.on_connected = on_connected
            connection.connect()

    def getaddrinfo(*_: object, **__: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", echo_server.port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    worker = manager.choose_worker()
    with signal, signalled:
        worker.call_soon(begin)
        assert done.wait(LIMIT)
    assert seen[0] == 0
    # On the same machine, a connection is there as soon as it is begun, or with the next look at the latest.
    assert max(after - before for before, after in pairwise(seen)) <= 2 * MAX_OPENINGS


def answer_in_order(connection: Connection) -> None:
    """Handler: echo, and now and then an end of the server's choice."""
    seed = random.Random(connection.address[1])
    while data := connection.receive_some():
        connection.send(data)
        if seed.random() < 0.02:
            seed.choice([Connection.reset, Connection.close, Connection.finish])(connection)
            return


def test_everything_at_random(peers: Peers, make_manager: Managers) -> None:
    """Threads connect, send, detach, attach, disconnect, end and release, against a server that leaves when it likes.

    Every connection ends exactly once, whatever it has received is what was sent, in order, and nothing stays open.
    """
    server = peers.serve(answer_in_order, aborts=True, handshakes_fail=True)
    manager = make_manager(behavior=TgoSocketPoolBehavior.POOL_AND_REUSE, workers=2)
    problems: list[str] = []
    done = Counter[str]()
    deadline = time.monotonic() + 1.5

    def work(seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < deadline:
            connection = peers.request(server, manager)
            if connection.state is TgoConnectionState.CONNECTED:
                done["reused"] += 1
                events = Events(connection)
            elif rng.random() < 0.3:
                problems.extend(use_in_thread(connection, rng))
                done["opened"] += 1
                continue
            else:
                events = Events(connection)
                connection.connect(use_nagle=False)
                if rng.random() < 0.9:
                    events.wait_until(lambda events=events: bool(events.names))  # type: ignore[misc]
            sent = bytearray()
            for _ in range(rng.randrange(8)):
                data = rng.randbytes(rng.choice([1, 100, 20_000]))
                if connection.send(data):
                    sent += data
                if rng.random() < 0.1 and connection.detach():
                    done["detached"] += 1
                    try:
                        connection.attach(manager.choose_worker())
                    except OSError:
                        connection.abort()  # it was ended meanwhile, and nobody but the owner closes it
            finish(connection, events, sent, rng)

    def finish(connection: TgoSocketConnection, events: Events, sent: bytearray, rng: random.Random) -> None:
        choice = rng.choice(["release", "disconnect", "end", "close", "wait"])
        done[choice] += 1
        if choice in ("release", "wait"):
            wait_for_answer(events, sent)
        if choice == "disconnect":
            connection.disconnect()
        elif choice == "end":
            connection.end(OSError("no more"))
        elif choice == "close":
            connection.close()
        elif choice == "release":
            manager.release(connection)
        else:
            connection.disconnect()
        if choice in ("disconnect", "end", "wait") and "disconnected" not in events.names:
            events.wait_for("disconnected")
        if events.errors:
            problems.extend(events.errors)
        if events.names.count("disconnected") > 1:
            problems.append("ended twice")
        if not sent.startswith(events.received):
            problems.append("received what was not sent")

    def wait_for_answer(events: Events, sent: bytearray) -> None:
        limit = time.monotonic() + LIMIT
        while len(events.received) < len(sent) and "disconnected" not in events.names:
            if time.monotonic() > limit:
                problems.append("no answer")
                return
            time.sleep(0.0005)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert {"release", "disconnect", "end", "close", "wait", "opened", "reused", "detached"} <= set(done)
    manager.close()
    assert manager.connections == 0


def use_in_thread(connection: TgoSocketConnection, rng: random.Random) -> list[str]:
    """Open a connection, use it with blocking calls, and end it in one of the ways that its owner has."""
    block = MemoryBlock(65536)
    try:
        stream = connection.open(use_nagle=False)
        data = rng.randbytes(5000)
        stream.send(data)
        received = b""
        while len(received) < len(data):
            count = stream.receive(block, LIMIT)
            if count == 0:
                break
            received += bytes(block.view[:count])
        if not data.startswith(received):
            return ["received what was not sent"]
    except OSError:
        pass
    if rng.random() < 0.5:
        connection.abort()
    else:
        connection.disconnect()
    return []


def test_other_threads_end_what_is_being_used(peers: Peers, make_manager: Managers) -> None:
    """Blocking owners whose connections are taken away under their hands, by one end or by closing the manager."""
    server = peers.serve(lambda each: each.hold(), aborts=True, handshakes_fail=True)
    for _ in range(5):
        manager: TgoClientSocketManager = make_manager()
        connections = [peers.request(server, manager) for _ in range(8)]

        def use(connection: TgoSocketConnection) -> None:
            try:
                receive_the_end(connection.open())
            except OSError:
                pass
            connection.abort()

        threads = [threading.Thread(target=use, args=(connection,)) for connection in connections]
        for thread in threads:
            thread.start()
        for connection in connections[:4]:
            connection.end(OSError("one"))
        manager.close()
        for thread in threads:
            thread.join(LIMIT)
            assert not thread.is_alive()
        assert all(connection.stream is None for connection in connections)
