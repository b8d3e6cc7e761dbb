"""The Future of a response by itself: who ends it, and who is told."""

from __future__ import annotations

import concurrent.futures
import gc
import logging
import threading
import time
import weakref
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import TgoHttpClient
from httpclient.future import HttpFuture
from tests.httpclient.ways import LIMIT, NON_BLOCKING
from tests.servers.scripted import answer

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers

RESULT: Any = object()


class Plain(HttpFuture):
    """One of nothing."""

    aborted = 0

    def abort(self) -> None:
        self.aborted += 1


def test_callbacks_are_called_once_whoever_adds_them_when() -> None:
    for _ in range(50):
        future = Plain()
        called: list[int] = []
        ready = threading.Barrier(3)

        def note(number: int, _: Future[Any], called: list[int] = called) -> None:
            called.append(number)

        def add(numbers: range, future: Plain = future, note: Any = note, ready: Any = ready) -> None:
            ready.wait(LIMIT)
            for number in numbers:
                future.add_done_callback(partial(note, number))

        threads = [threading.Thread(target=add, args=(range(at, at + 20),)) for at in (0, 20)]
        for thread in threads:
            thread.start()
        ready.wait(LIMIT)
        future.set_result(RESULT)
        for thread in threads:
            thread.join(LIMIT)
        assert sorted(called) == list(range(40))


def test_callbacks_are_called_in_their_order_and_all_of_them(caplog: pytest.LogCaptureFixture) -> None:
    future = Plain()
    called = []

    def fail(_: Future[Any]) -> None:
        called.append("fails")
        raise ValueError("not the others' business")

    future.add_done_callback(lambda _: called.append("first"))
    future.add_done_callback(fail)
    future.add_done_callback(lambda _: called.append("last"))
    with caplog.at_level(logging.CRITICAL, "concurrent.futures"):
        future.set_result(RESULT)
    future.add_done_callback(lambda _: called.append("late"))
    assert called == ["first", "fails", "last", "late"]


def test_one_ends_it() -> None:
    for end in (Plain.claim, lambda future: future.finish(RESULT)):
        future = Plain()
        ready = threading.Barrier(4)
        won: list[bool] = []

        def run(future: Plain = future, end: Any = end, ready: Any = ready, won: list[bool] = won) -> None:
            ready.wait(LIMIT)
            won.append(end(future))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert sorted(won) == [False, False, False, True]
        assert not future.claim()
        assert not future.finish(RESULT)


def test_a_quick_end_leaves_those_who_wait_to_the_slow_one() -> None:
    future = Plain()
    waiting = threading.Thread(target=lambda: concurrent.futures.wait([future], LIMIT))
    waiting.start()
    while not future._waiters:
        time.sleep(0.001)
    assert not future.finish(RESULT)
    assert future.claim()
    future.set_result(RESULT)
    waiting.join(LIMIT)
    assert not waiting.is_alive()
    assert future.result() is RESULT
    futures: list[Future[Any]] = [future]
    assert list(concurrent.futures.as_completed(futures, LIMIT)) == futures


def test_a_cancelled_one_has_no_quick_end() -> None:
    future = Plain()
    assert future.cancel()
    assert future.aborted == 1
    assert not future.finish(RESULT)
    assert future.cancelled()
    ended = Plain()
    assert ended.finish(RESULT)
    assert not ended.cancel()
    assert ended.aborted == 0


def test_a_result_that_is_kept_keeps_neither_client_nor_garbage(scripted: ScriptedServers) -> None:
    http: TgoHttpClient = NON_BLOCKING.client()
    future = http.get(scripted(answer(b"x")).url)
    over = threading.Event()
    future.add_done_callback(lambda _: over.set())
    assert over.wait(LIMIT)
    assert future.result().content == b"x"
    http.close()
    client = weakref.ref(http)
    del http
    deadline = time.monotonic() + LIMIT
    while client() is not None and time.monotonic() < deadline:
        time.sleep(0.01)  # the worker may be about to let go of it
        gc.collect()
    assert client() is None
    assert future.result().content == b"x"
