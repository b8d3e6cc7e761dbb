"""How connections end: by the peer, in order or not, or by this side, from whichever thread; always told, once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from openssl_api import TlsError
from socketpool import (
    ConnectionLostError,
    ManagerClosedError,
    SocketPoolError,
    TgoConnectionState,
    TgoSocketConnection,
)
from tests.servers.scripted import Connection, expect, script, send, wait

from .conftest import Peers
from .events import LIMIT, Events
from .peers import echo, hold_worker, random_bytes, receive_the_end


def test_the_end_comes_after_the_data(peers: Peers) -> None:
    """The flags for data and for the end are set at the same time; all of the data is delivered first."""
    data = random_bytes(1_000_000)
    go = threading.Event()
    server = peers.serve(script(wait(go), send(data), Connection.finish))
    connection, events = peers.connect(server)
    go_on = hold_worker(connection.worker)
    go.set()
    server.wait_for_connections(1)
    time.sleep(0.02)
    go_on.set()
    events.wait_for("disconnected")
    assert events.received == data
    assert connection.error is None
    assert connection.state is TgoConnectionState.DISCONNECTED
    assert connection.socket == -1


def test_a_reset_is_told_at_once_with_its_reason(peers: Peers) -> None:
    server = peers.serve(script(expect(b"x"), Connection.reset))
    connection, events = peers.connect(server)
    connection.send(b"x")
    events.wait_for("disconnected")
    assert isinstance(connection.error, OSError)
    assert "Connection reset by peer" in str(connection.error)


def test_a_reset_that_comes_with_data_is_not_hidden_by_it(peers: Peers) -> None:
    """The original looked at the flag for the end only where nothing else was set."""
    go = threading.Event()
    server = peers.serve(script(wait(go), send(b"last words"), Connection.reset))
    connection, events = peers.connect(server)
    go_on = hold_worker(connection.worker)
    go.set()
    server.wait_until_finished()
    time.sleep(0.02)
    go_on.set()
    events.wait_for("disconnected")
    assert bytes(events.received) in (b"last words", b"")
    assert isinstance(connection.error, OSError)


def test_a_stream_that_is_cut_short_is_an_error_with_tls(peers: Peers, tls: bool) -> None:
    server = peers.serve(script(send(b"data"), Connection.close))
    connection, events = peers.connect(server)
    events.wait_for("disconnected")
    assert events.received == b"data"
    if tls:
        assert isinstance(connection.error, ConnectionLostError)
        assert "without the TLS close_notify" in str(connection.error)
    else:
        assert connection.error is None


@pytest.mark.parametrize("tls", ["tls"], indirect=True)
def test_broken_tls_closes_the_connection_and_says_so(peers: Peers) -> None:
    """In the original it stayed open and silent."""

    def handler(connection: Connection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # both in one segment
        connection.send(b"good")
        connection.socket.sendall(b"\x17\x03\x03\x00\x20" + b"bad" * 20)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        connection.hold()

    server = peers.serve(handler, aborts=True)
    connection, events = peers.connect(server)
    events.wait_for("disconnected")
    assert events.received == b"good"
    assert isinstance(connection.error, TlsError)
    assert connection.closed
    server.wait_until_finished()


@pytest.mark.parametrize("tls", ["tls"], indirect=True)
def test_a_tls_stream_ends_with_its_close_notify(peers: Peers) -> None:
    """Also where that comes together with data, and the connection below stays open."""
    go_on = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive(2)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.send(b"data")
        assert connection.tls is not None
        connection.tls.end()
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        connection.wait(go_on)

    connection, events = peers.connect(peers.serve(handler, aborts=True))
    connection.send(b"go")
    events.wait_for("disconnected")
    assert events.received == b"data"
    assert connection.error is None
    go_on.set()


def test_an_orderly_end_by_this_side(peers: Peers, tls: bool) -> None:
    server = peers.serve(Connection.hold)
    connection, events = peers.connect(server)
    connection.disconnect()
    connection.disconnect()
    events.wait_for("disconnected")
    assert connection.shutdown
    assert connection.error is None
    server.wait_until_finished()
    assert server.connections[0].close_notify is tls


def test_an_abort_by_this_side_is_not_mistaken_for_a_truncation(peers: Peers, tls: bool) -> None:
    server = peers.serve(Connection.hold)
    connection = peers.request(server)
    connection.open()
    events = Events(connection)
    connection.abort(OSError("reason"))
    assert events.names == ["disconnected"]
    assert str(connection.error) == "reason"
    connection.abort()
    assert events.names == ["disconnected"]
    server.wait_until_finished()
    assert server.connections[0].close_notify is tls


def test_another_thread_ends_an_attached_connection(peers: Peers) -> None:
    server = peers.serve(echo)
    connection, events = peers.connect(server)
    reason = ManagerClosedError("enough")
    connection.end(reason)
    connection.end(OSError("and again"))
    events.wait_for("disconnected")
    assert connection.error is reason
    assert len(events.threads) == 1
    assert threading.get_ident() not in events.threads
    server.wait_until_finished()


def test_another_thread_ends_a_detached_connection(peers: Peers) -> None:
    """Its owner meets the end in the stream, and finds the reason; closing it is up to the owner."""
    server = peers.serve(echo, aborts=True)
    connection = peers.request(server)
    stream = connection.open()
    reason = ManagerClosedError("enough")
    timer = threading.Timer(0.02, connection.end, (reason,))
    timer.start()
    receive_the_end(stream)
    timer.join()
    assert connection.error is reason
    assert not connection.closed
    with pytest.raises(ManagerClosedError) as caught:
        connection.attach()
    assert caught.value is reason
    events = Events(connection)
    connection.abort()
    assert events.names == ["disconnected"]
    assert connection.error is reason


def test_the_end_finds_the_owner_of_the_moment(peers: Peers) -> None:
    """The connection changes hands between the wish and its fulfilment."""
    server = peers.serve(echo, aborts=True)
    for call in (lambda each: each.end(ManagerClosedError()), TgoSocketConnection.disconnect):
        connection, events = peers.connect(server)
        go_on = hold_worker(connection.worker)
        call(connection)
        assert connection.detach()
        go_on.set()
        assert connection.stream is not None
        # The worker doesn't close what isn't its own any more; it wakes the owner.
        receive_the_end(connection.stream)
        assert connection.stream.fd >= 0
        connection.abort()
        assert events.names == ["connected", "disconnected"]


def test_a_failed_send_does_not_end_a_connection_that_has_changed_hands(peers: Peers) -> None:
    go = threading.Event()
    server = peers.serve(script(wait(go), Connection.reset))
    connection, events = peers.connect(server)
    go_on = hold_worker(connection.worker)
    go.set()
    server.wait_until_finished()
    deadline = time.monotonic() + LIMIT
    while connection.send(b"x") and time.monotonic() < deadline:
        time.sleep(0.001)
    assert connection.detach()
    go_on.set()
    assert connection.worker is not None
    done = threading.Event()
    connection.worker.call_soon(done.set)
    assert done.wait(LIMIT)
    assert connection.stream is not None
    assert not connection.closed
    assert events.names == ["connected"]
    connection.abort()


def test_detaching_what_has_ended(peers: Peers) -> None:
    connection, events = peers.connect(peers.serve(Connection.finish))
    events.wait_for("disconnected")
    assert connection.detach() is False
    with pytest.raises(SocketPoolError):
        connection.attach()


@pytest.mark.parametrize("end", [TgoSocketConnection.disconnect, TgoSocketConnection.close, TgoSocketConnection.abort])
def test_ending_races_with_incoming_data(peers: Peers, end: Callable[[TgoSocketConnection], None]) -> None:
    """Another thread ends connections that their worker is reading from; with abort, by taking them first."""

    def flood(connection: Connection) -> None:
        while True:
            connection.send(b"x" * 20_000)

    server = peers.serve(flood, aborts=True)
    for _ in range(15):
        connection, events = peers.connect(server)
        events.wait_for("recv", 2)
        if end is TgoSocketConnection.abort:
            connection.detach()
        end(connection)
        if end is TgoSocketConnection.close:
            seen = len(events.names)
            while not connection.closed:
                time.sleep(0.0005)
            assert len(events.names) == seen
        else:
            events.wait_for("disconnected")
        assert events.errors == []
