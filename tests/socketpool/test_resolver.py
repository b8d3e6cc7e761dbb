"""Host names and literal addresses become socket addresses; a resolver that hangs holds nobody up for long."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linuxapi import AF_INET, AF_INET6, sockaddr_in, sockaddr_in6
from socketpool import Address, NameLookupError, resolver
from socketpool.resolver import Answer, known_addresses, literal_address, look_up

from .events import LIMIT

IPV4 = ["127.0.0.1", "0.0.0.0", "255.255.255.255", "192.0.2.7"]
IPV6 = ["::1", "::", "2001:db8::1", "::ffff:192.0.2.7", "FE80::1"]
NAMES = [
    *("localhost", "example.org", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.x"),
    *("", ".", "a:b", "::1::", "1::2::3", "fe80::1%lo", "1.2.3.\u0664", "-1.2.3.4", "1..2.3", "\0::1"),
]


def ask(host: str, port: int = 80) -> list[Address]:
    return Answer(host, port).wait(LIMIT)


@pytest.mark.parametrize("host", IPV4)
def test_ipv4_literals(host: str) -> None:
    address = literal_address(host, 8080)
    assert address is not None
    assert (address.family, address.text) == (AF_INET, f"{host}:8080")
    assert repr(address) == f"<Address {host}:8080>"
    structure = sockaddr_in.from_buffer_copy(address.sockaddr)
    assert len(address.sockaddr) == ctypes.sizeof(sockaddr_in)
    assert structure.sin_family == AF_INET
    assert structure.sin_port == 8080
    assert address.sockaddr[4:8] == socket.inet_aton(host)


@pytest.mark.parametrize("host", IPV6)
def test_ipv6_literals(host: str) -> None:
    address = literal_address(host, 8080)
    assert address is not None
    assert (address.family, address.text) == (AF_INET6, f"[{host}]:8080")
    structure = sockaddr_in6.from_buffer_copy(address.sockaddr)
    assert len(address.sockaddr) == ctypes.sizeof(sockaddr_in6)
    assert structure.sin6_family == AF_INET6
    assert structure.sin6_port == 8080
    assert bytes(structure.sin6_addr) == ipaddress.IPv6Address(host).packed


@pytest.mark.parametrize("host", NAMES)
def test_everything_else_is_a_name(host: str) -> None:
    assert literal_address(host, 80) is None


@given(st.ip_addresses())
def test_every_literal_is_recognised(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    found = literal_address(str(address), 1)
    assert found is not None
    assert address.packed in found.sockaddr


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "some.localhost"])
def test_localhost_has_both_families(host: str) -> None:
    """The original knew IPv4 only, and the first address only."""
    found = known_addresses(host, 80)
    assert found is not None
    assert [(address.family, address.text) for address in found] == [(AF_INET6, "[::1]:80"), (AF_INET, "127.0.0.1:80")]
    assert bytes(sockaddr_in6.from_buffer_copy(found[0].sockaddr).sin6_addr) == ipaddress.IPv6Address("::1").packed


@pytest.mark.parametrize("host", ["localhost.example", "notlocalhost", "example.org"])
def test_other_names_are_asked_for(host: str) -> None:
    assert known_addresses(host, 80) is None


def test_a_scope_becomes_part_of_the_address() -> None:
    (address,) = ask("fe80::1%lo")
    structure = sockaddr_in6.from_buffer_copy(address.sockaddr)
    assert structure.sin6_scope_id == socket.if_nametoindex("lo")
    assert address.text == f"[fe80::1%{structure.sin6_scope_id}]:80"


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a\0b", "x" * 300])
def test_what_cannot_be_a_name_fails(host: str) -> None:
    with pytest.raises(NameLookupError, match="cannot resolve the host name") as caught:
        ask(host)
    assert caught.value.__cause__ is not None


class FakeResolver:
    """Stands in for the system's resolver, which can't be made to fail or to hang."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked: list[tuple[str, int]] = []
        self.result: Any = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]

    def __call__(self, host: str, port: int, **_: object) -> Any:
        self.asked.append((host, port))
        assert self.go_on.wait(LIMIT)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeResolver]:
    fake = FakeResolver()
    monkeypatch.setattr(socket, "getaddrinfo", fake)
    yield fake
    fake.go_on.set()


def test_the_reason_of_the_resolver_is_passed_on(hanging: FakeResolver) -> None:
    hanging.result = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    hanging.go_on.set()
    with pytest.raises(NameLookupError, match=r"'nowhere\.example': Name or service not known"):
        ask("nowhere.example")


def test_no_address_is_an_error(hanging: FakeResolver) -> None:
    hanging.result = []
    hanging.go_on.set()
    with pytest.raises(NameLookupError, match="it has no address"):
        ask("empty.example")


def test_addresses_of_unknown_families_are_left_out(hanging: FakeResolver) -> None:
    hanging.result.append((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/path"))
    hanging.go_on.set()
    assert [address.text for address in ask("some.example")] == ["192.0.2.1:80"]


def test_waiting_ends_when_the_time_is_up(hanging: FakeResolver) -> None:
    answer = Answer("slow.example", 80)
    assert answer.wait(0.01) == []
    assert answer.wait(-1) == []


def test_waiting_can_be_given_up_from_another_thread(hanging: FakeResolver) -> None:
    answer = Answer("slow.example", 80)
    timer = threading.Timer(0.02, answer.give_up)
    timer.start()
    assert answer.wait(float("inf")) == []
    timer.join()


def test_overlapping_lookups_share_one_thread(hanging: FakeResolver) -> None:
    answers = [Answer("slow.example", 80) for _ in range(50)]
    other_port = Answer("slow.example", 81)
    assert sum(thread.name == "resolve slow.example" for thread in threading.enumerate()) == 2
    hanging.go_on.set()
    assert {answer.wait(LIMIT)[0].text for answer in answers} == {"192.0.2.1:80"}
    assert other_port.wait(LIMIT)
    assert sorted(hanging.asked) == [("slow.example", 80), ("slow.example", 81)]


def test_everybody_gets_an_error_of_his_own(hanging: FakeResolver) -> None:
    answers = [Answer("slow.example", 80) for _ in range(2)]
    hanging.result = socket.gaierror(socket.EAI_AGAIN, "try again")
    hanging.go_on.set()
    errors = []
    for answer in answers:
        with pytest.raises(NameLookupError) as caught:
            answer.wait(LIMIT)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert str(errors[0]) == str(errors[1])


def test_a_later_lookup_asks_again(hanging: FakeResolver) -> None:
    hanging.go_on.set()
    ask("some.example")
    ask("some.example")
    assert len(hanging.asked) == 2


def test_who_comes_too_late_for_the_thread_still_gets_the_answer(hanging: FakeResolver) -> None:
    lookup = look_up("some.example", 80, lambda addresses, error: None)
    hanging.go_on.set()
    for thread in threading.enumerate():
        if thread.name == "resolve some.example":
            thread.join()
    found: list[Address] = []
    lookup.add(lambda addresses, error: found.extend(addresses))
    assert len(found) == 1


def test_a_resolver_that_hangs_does_not_hold_on_to_those_who_have_gone(hanging: FakeResolver) -> None:
    lookup = look_up("slow.example", 80, lambda addresses, error: None)
    for _ in range(10):
        assert Answer("slow.example", 80).wait(0) == []
    assert len(lookup._listeners or ()) == 1


def test_an_unexpected_error_of_the_resolver_reaches_the_caller(hanging: FakeResolver) -> None:
    hanging.result = MemoryError("no memory")
    hanging.go_on.set()
    with pytest.raises(NameLookupError, match="no memory"):
        ask("some.example")
    assert ("some.example", 80) not in resolver._running


def test_no_thread_for_the_resolver_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(NameLookupError, match="can't start new thread"):
        ask("some.example")
    assert ("some.example", 80) not in resolver._running
