"""A forked child leaves its parent's connections alone, and can make its own with the same manager."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from openssl_api import TlsContext
from socketpool import MemoryBlock, TgoClientSocketManager, TgoConnectionState, TgoSocketConnection
from tests.servers.scripted import Connection

from .conftest import Peers
from .events import LIMIT, Events
from .peers import echo

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers


@pytest.fixture(autouse=True)
def forking_is_what_is_tested() -> Iterator[None]:
    """From 3.12 on, Python warns of forking with threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def in_child(work: Callable[[], None]) -> None:
    """Do *work* in a forked child, and wait for it; an error there is one here."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Nothing of the test run may go on in the child, whatever happens.
        signal.alarm(20)
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            os.write(write, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    assert os.waitpid(pid, 0)[1] == 0, text


def test_the_parent_is_not_disturbed_and_the_child_makes_its_own(peers: Peers) -> None:
    server = peers.serve(echo)
    connection, events = peers.connect(server)
    connection.send(b"before")
    events.wait_for_data(6)
    other = peers.request(server)
    stream = other.open()
    server.wait_for_connections(2)  # whose sockets count, too
    manager = peers.manager
    before = len(sockets())

    def child() -> None:
        assert before - len(sockets()) == 2
        for each in (connection, other):
            assert each.closed
            assert each.state is TgoConnectionState.DISCONNECTED
            assert each.socket == -1
            assert not each.send(b"from the child")
        assert manager.connections == 0
        assert events.names[-1] != "disconnected"
        # New ones, and the old objects again, by a worker and by the thread itself.
        mine, my_events = peers.connect(server)
        mine.send(b"child")
        my_events.wait_for_data(5)
        again = Events(connection)
        assert connection.connect()
        again.wait_for("connected")
        connection.send(b"again")
        again.wait_for_data(5)
        block = MemoryBlock(100)
        other.open().send(b"hello")
        assert other.stream is not None
        assert other.stream.receive(block, LIMIT) == 5
        other.abort()
        manager.close()

    in_child(child)
    # The child has left neither the epoll set nor the TLS state changed, and said no word to the peer.
    connection.send(b" and after")
    assert events.wait_for_data(16) == b"before and after"
    stream.send(b"detached")
    assert stream.receive(MemoryBlock(100), LIMIT) == 8
    other.abort()
    assert server.accepted == 5


def test_the_end_in_the_parent_reaches_the_peer_although_the_child_lives(peers: Peers) -> None:
    """The child holds no copy of a descriptor, also not of connections on their way."""
    server = peers.serve(echo)
    connection, events = peers.connect(server)
    done_read, done_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os.close(done_write)
        os.read(done_read, 1)
        os._exit(0)
    # Not by disconnecting, which says that this is the end whoever else holds the socket.
    assert connection.detach()
    connection.abort()
    events.wait_for("disconnected")
    server.wait_until_finished()
    os.close(done_read)
    os.close(done_write)
    assert os.waitpid(pid, 0)[1] == 0


def test_forking_while_connections_are_being_made(
    manager: TgoClientSocketManager, scripted: ScriptedServers, silent_port: int
) -> None:
    """By a worker and by a thread, in TCP and in TLS: the child closes its copies of their sockets."""
    handshake = scripted(Connection.hold, aborts=True)
    by_worker, by_thread = (
        [manager.request("127.0.0.1", silent_port), manager.request("127.0.0.1", handshake.port, ssl=True)]
        for _ in range(2)
    )
    connections = by_worker + by_thread
    errors: list[OSError] = []

    def open_it(connection: TgoSocketConnection) -> None:
        try:
            connection.open()
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it, args=(connection,)) for connection in by_thread]
    for connection in by_worker:
        connection.connect()
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + LIMIT
    while any(each.pending_to_string() == "none" for each in connections):
        assert time.monotonic() < deadline
    handshake.wait_for_connections(2)
    time.sleep(0.02)
    before = len(sockets())

    def child() -> None:
        assert before - len(sockets()) == len(connections)
        assert all(each.closed for each in connections)

    in_child(child)
    manager.close()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert [str(error) for error in errors] == ["the socket manager was closed"] * 2


def sockets() -> list[str]:
    """Return the sockets that this process holds."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [each for each in found if each.startswith("socket:")]


def test_a_child_of_a_busy_parent_does_not_hang(manager: TgoClientSocketManager, scripted: ScriptedServers) -> None:
    """Whatever lock another thread holds at the moment of the fork."""
    server = scripted(echo, aborts=True)
    connection = manager.request("127.0.0.1", server.port)
    events = Events(connection)
    connection.connect()
    events.wait_for("connected")
    stop = threading.Event()

    def be_busy() -> None:
        while not stop.is_set():
            connection.send(b"x" * 100)
            other = manager.request("127.0.0.1", server.port)
            other.open()
            other.abort()

    threads = [threading.Thread(target=be_busy) for _ in range(3)]
    for thread in threads:
        thread.start()

    def child() -> None:
        mine = manager.request("localhost", server.port)
        stream = mine.open()
        stream.send(b"ping")
        assert stream.receive(MemoryBlock(100), LIMIT) == 4
        mine.abort()

    try:
        for _ in range(10):
            in_child(child)
    finally:
        stop.set()
        for thread in threads:
            thread.join(LIMIT)


@pytest.mark.parametrize("tls", ["tls"], indirect=True)
def test_a_lock_of_the_tls_context_does_not_stay_locked(peers: Peers, context: TlsContext) -> None:
    server = peers.serve(echo)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with context._lock:
            held.set()
            assert go_on.wait(LIMIT)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(LIMIT)

    def child() -> None:
        mine = peers.request(server)
        mine.open().send(b"ping")
        assert mine.stream is not None
        assert mine.stream.receive(MemoryBlock(100), LIMIT) == 4
        mine.abort()

    try:
        in_child(child)
    finally:
        go_on.set()
        thread.join()
