"""The race for an address (RFC 8305): one attempt after the other, the first that succeeds is kept, the rest closed."""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from math import inf

import pytest

from socketpool import Address, ConnectionFailedError
from socketpool.race import ATTEMPT_DELAY, ConnectRace, interleave
from socketpool.resolver import ipv4_address, ipv6_address, known_addresses, literal_address
from tests.servers.scripted import Connection, ScriptedServer, script
from tests.servers.sockets import dual_port, refused_port, silent_port

from .events import LIMIT


@pytest.fixture
def races() -> Iterator[list[ConnectRace]]:
    made: list[ConnectRace] = []
    yield made
    for race in made:
        race.close()


def run(race: ConnectRace) -> tuple[int, list[str]]:
    """Drive a race to its end; return the winner, and the addresses in the order in which they were tried."""
    deadline = time.monotonic() + LIMIT
    tried: list[str] = []
    while True:
        now = time.monotonic()
        assert now < deadline
        fd = race.start_due(now)
        tried += [address.text for address in race.attempts.values() if address.text not in tried]
        if fd >= 0:
            return fd, tried
        poll = _poll(race.attempts)
        for ready, _ in poll.poll(1000 * max(0.0, min(race.next_start, deadline) - now)):
            code = race.outcome(ready)
            if code == 0:
                return ready, tried
            race.drop(ready, code)


def _poll(attempts: dict[int, Address]) -> select.poll:
    poll = select.poll()
    for fd in attempts:
        poll.register(fd, select.POLLOUT)
    return poll


def test_families_alternate() -> None:
    six = [ipv6_address(bytes(16), port, "::") for port in range(3)]
    four = [ipv4_address(bytes(4), port, "0.0.0.0") for port in range(2)]
    assert interleave(six + four) == [six[0], four[0], six[1], four[1], six[2]]
    assert interleave(four + six) == [four[0], six[0], four[1], six[1], six[2]]
    assert interleave(six) == six
    assert interleave(six[:1] + four[:1]) == [six[0], four[0]]
    assert interleave(four[:1] + six[:1]) == [four[0], six[0]]
    assert interleave([]) == []


def test_the_first_address_wins_if_it_answers(races: list[ConnectRace]) -> None:
    with dual_port(Connection.hold, Connection.hold) as port:
        race = ConnectRace(known_addresses("localhost", port.port) or [], True)
        races.append(race)
        fd, tried = run(race)
        assert tried == [f"[::1]:{port.port}"]
        assert race.take(fd).text == tried[0]
        assert race.attempts == {}
        os.close(fd)


def test_a_refused_address_makes_room_for_the_next_at_once(races: list[ConnectRace]) -> None:
    with dual_port(Connection.hold, "refused") as port:
        race = ConnectRace(known_addresses("localhost", port.port) or [], True)
        races.append(race)
        fd, tried = run(race)
        assert tried[-1] == f"127.0.0.1:{port.port}"
        assert race.take(fd).text == tried[-1]
        os.close(fd)


def test_a_dead_first_address_delays_but_does_not_prevent(races: list[ConnectRace]) -> None:
    with dual_port(Connection.hold, "silent") as port:
        race = ConnectRace(known_addresses("localhost", port.port) or [], True)
        races.append(race)
        now = time.monotonic()
        assert race.start_due(now) == -1
        (silent,) = race.attempts
        # RFC 8305 section 5: the second one starts after the attempt delay, not before.
        assert race.next_start == now + ATTEMPT_DELAY
        assert race.start_due(race.next_start - 0.001) == -1
        assert list(race.attempts) == [silent]
        fd = race.start_due(race.next_start)
        assert len(race.attempts) == 2
        assert race.next_start == inf
        assert race.describe() == f"[::1]:{port.port}, 127.0.0.1:{port.port}"
        if fd < 0:
            fd, _ = run(race)
        assert race.take(fd).text == f"127.0.0.1:{port.port}"
        # The one that is still trying is closed.
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(silent)
        os.close(fd)


def test_the_error_says_what_each_attempt_met() -> None:
    with dual_port("refused", "refused") as port:
        race = ConnectRace(known_addresses("localhost", port.port) or [], True)
        with pytest.raises(ConnectionFailedError) as caught:
            run(race)
        assert str(caught.value) == (
            f"cannot connect to [::1]:{port.port}: Connection refused; 127.0.0.1:{port.port}: Connection refused"
        )
        assert race.attempts == {}


def test_what_cannot_even_be_tried_fails_too() -> None:
    broadcast = literal_address("255.255.255.255", 9)
    unknown = Address(999, b"", "somewhere")
    assert broadcast is not None
    with pytest.raises(ConnectionFailedError, match=r"255\.255\.255\.255:9: .*; somewhere: Address family not"):
        run(ConnectRace([broadcast, unknown], False))
    with pytest.raises(ConnectionFailedError):
        run(ConnectRace([], False))


def test_an_address_that_cannot_be_tried_makes_room_at_once(races: list[ConnectRace]) -> None:
    with ScriptedServer(Connection.hold) as server:
        address = literal_address("127.0.0.1", server.port)
        assert address is not None
        race = ConnectRace([Address(999, b"", "somewhere"), address], False)
        races.append(race)
        fd, tried = run(race)
        assert tried == [address.text]
        race.take(fd)
        os.close(fd)


@pytest.mark.parametrize("use_nagle", [True, False])
def test_nagle_is_left_on_or_switched_off(races: list[ConnectRace], use_nagle: bool) -> None:
    with ScriptedServer(script()) as server:
        race = ConnectRace(known_addresses("127.0.0.1", server.port) or [], use_nagle)
        races.append(race)
        fd, _ = run(race)
        race.take(fd)
        with socket.socket(fileno=fd) as sock:
            assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is not use_nagle
            assert not os.get_inheritable(fd)


def test_a_unix_socket_is_an_address_too(tmp_path: os.PathLike[str], races: list[ConnectRace]) -> None:
    path = os.path.join(tmp_path, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sockaddr = socket.AF_UNIX.to_bytes(2, sys.byteorder) + os.fsencode(path) + b"\0"
        race = ConnectRace([Address(socket.AF_UNIX, sockaddr, path)], False)
        races.append(race)
        fd, _ = run(race)
        race.take(fd)
        os.close(fd)


def test_interrupting_wakes_whoever_waits(races: list[ConnectRace]) -> None:
    with silent_port() as port:
        race = ConnectRace(known_addresses("127.0.0.1", port) or [], True)
        races.append(race)
        assert race.start_due(0) == -1
        assert _poll(race.attempts).poll(0) == []
        race.interrupt()
        ((fd, _),) = _poll(race.attempts).poll(1000 * LIMIT)
        assert race.outcome(fd) != 0
        os.fstat(fd)


def test_giving_up_closes_everything() -> None:
    with silent_port() as port, refused_port() as refused:
        addresses = [*(known_addresses("127.0.0.1", refused) or []), *(known_addresses("127.0.0.1", port) or [])]
        race = ConnectRace(addresses, True)
        race.start_due(0)
        race.close()
        assert race.attempts == {}
        with pytest.raises(ConnectionFailedError):
            race.start_due(inf)
