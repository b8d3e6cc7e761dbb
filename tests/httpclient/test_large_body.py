"""A large body is put together in the memory that it is returned in, and nobody gets memory by announcing much."""

from __future__ import annotations

import gzip
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from httpclient import RemoteClosedError
from httpclient.content import _large_body
from httpclient.content._large_body import LargeBody
from httpclient.exchange import LARGE
from socketpool.constants import READ_BLOCK_SIZE
from tests.servers.scripted import Connection, answer, expect, script, send

from .ways import Way, both_ways

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers

BODY = random.Random(1).randbytes(LARGE * 5 + 12345)


def test_a_body_is_what_was_put_in() -> None:
    for cuts in ([], [1], [LARGE], [1, 2, 1000, LARGE, len(BODY) - 1]):
        body = LargeBody(len(BODY))
        edges = [0, *cuts, len(BODY)]
        results = [body.add(memoryview(BODY)[start:end]) for start, end in pairwise(edges)]
        assert results[:-1] == [None] * len(cuts)
        assert results[-1] == BODY
        assert hash(results[-1]) == hash(BODY)


def test_a_very_large_body_is_what_was_put_in() -> None:
    """It lies in huge pages, where the system has any."""
    whole = BODY * 3
    for size in (4 << 20, (4 << 20) + 1, len(whole)):
        body = LargeBody(size)
        results = [body.add(memoryview(whole)[at : min(at + LARGE, size)]) for at in range(0, size, LARGE)]
        assert results[-1] == whole[:size]


def test_no_more_is_taken_than_there_is_room_for() -> None:
    body = LargeBody(10)
    assert body.add(b"1234567") is None
    with pytest.raises(ValueError, match="different structures"):
        body.add(b"89012")
    assert body.add(b"890") == b"1234567890"


SIZES = [len(BODY), LARGE, LARGE - 1, len(BODY), 0, len(BODY)]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes for which memory was had."""
    sizes = []

    class Watched(LargeBody):
        def __init__(self, size: int) -> None:
            sizes.append(size)
            super().__init__(size)

    monkeypatch.setattr(_large_body, "LargeBody", Watched)
    return sizes


@both_ways
def test_large_bodies_arrive(way: Way, scripted: ScriptedServers, made: list[int]) -> None:
    def handler(connection: Connection) -> None:
        for size in SIZES:
            connection.receive_request()
            connection.respond(BODY[:size])

    with scripted(handler) as server, way.client() as http:
        for size in SIZES:
            response = way.get(http, server.url)
            assert response.content == BODY[:size]
            assert b"".join(response.iter_raw()) == BODY[:size]
    assert made.count(len(BODY)) == 3
    assert set(made) <= {len(BODY), LARGE}


@both_ways
def test_coded_bodies_stay_in_pieces(way: Way, scripted: ScriptedServers) -> None:
    """A decoder that is given all at once would hold on to what it hasn't decoded yet."""
    coded = gzip.compress(BODY, 1)
    talk = script(answer(coded, fields=[("Content-Encoding", "gzip")]))
    with scripted(talk) as server, way.client() as http:
        response = way.get(http, server.url)
        assert max(map(len, response.iter_raw())) <= READ_BLOCK_SIZE
        assert response.content == BODY


@both_ways
@pytest.mark.parametrize("length", [10**8, 10**15], ids=["100 MB", "1 PB"])
@pytest.mark.parametrize("part", [0, 100, LARGE], ids=["nothing", "a little", "a part"])
def test_memory_is_not_had_by_announcing(
    way: Way, length: int, part: int, scripted: ScriptedServers, made: list[int]
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
    with scripted(script(expect(b"\r\n\r\n"), send(head + BODY[:part]))) as server, way.client() as http:
        error = way.fail(http, "GET", server.url)
    assert isinstance(error, RemoteClosedError)
    assert made == []


@both_ways
def test_an_end_in_the_middle_of_a_large_body(way: Way, scripted: ScriptedServers) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(BODY) + 1)
    with scripted(script(expect(b"\r\n\r\n"), send(head + BODY))) as server, way.client() as http:
        assert "1 bytes before the end" in str(way.fail(http, "GET", server.url))


@both_ways
def test_without_room_for_all_of_it_the_pieces_are_kept(
    way: Way, scripted: ScriptedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(size: int) -> LargeBody:
        raise MemoryError(size)

    monkeypatch.setattr(_large_body, "LargeBody", no_room)
    with scripted(script(answer(BODY))) as server, way.client() as http:
        assert way.get(http, server.url).content == BODY
