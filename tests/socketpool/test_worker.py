"""The worker does what it is asked for, in order, in one thread; it wakes for nothing else, and ends when told to."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linuxapi import EPOLLIN, EPOLLOUT
from socketpool import TgoClientSocketManager, TgoSocketOptimization, Timer, TSocketPoolWorker
from socketpool.stream import read_blocks

from .events import LIMIT
from .threads import sleeps, workers

Unraisable = list[Any]


@pytest.fixture
def worker(manager: TgoClientSocketManager) -> TSocketPoolWorker:
    return manager.choose_worker()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Unraisable:
    caught: Unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", caught.append)
    return caught


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def run(worker: TSocketPoolWorker, call: Callable[[], object]) -> Any:
    """Make a call in the worker's thread and return its result."""
    done = threading.Event()
    result: list[object] = []

    def make() -> None:
        result.append(call())
        done.set()

    worker.call_soon(make)
    assert done.wait(LIMIT)
    return result[0]


def test_no_thread_is_started_before_there_is_something_to_do(manager: TgoClientSocketManager) -> None:
    worker = manager.choose_worker()
    assert workers() == []
    assert worker.handle == manager.handle >= 0
    assert not os.get_inheritable(worker.handle)
    run(worker, lambda: None)
    (thread,) = workers()
    assert thread.daemon


def test_calls_are_made_in_order_in_the_thread_of_the_worker(worker: TSocketPoolWorker) -> None:
    made: list[int] = []
    for number in range(1000):
        worker.call_soon(made.append, number)
    (thread,) = workers()
    assert run(worker, threading.current_thread) is thread
    assert made == list(range(1000))
    assert run(worker, lambda: worker.is_current) is True
    assert worker.is_current is False


def test_no_call_is_lost_however_many_threads_ask(worker: TSocketPoolWorker) -> None:
    made: dict[int, list[int]] = {number: [] for number in range(8)}

    def ask(number: int) -> None:
        for index in range(2000):
            worker.call_soon(made[number].append, index)

    threads = [threading.Thread(target=ask, args=(number,)) for number in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(worker, lambda: None)
    assert all(calls == list(range(2000)) for calls in made.values())


def test_a_sleeping_worker_is_woken_each_time(worker: TSocketPoolWorker) -> None:
    for _ in range(500):
        run(worker, lambda: None)


def test_timers_go_off_in_the_order_of_their_times(worker: TSocketPoolWorker) -> None:
    made: list[str] = []
    done = threading.Event()

    def set_timers() -> Timer:
        now = time.monotonic()
        worker.call_at(now + 0.03, lambda: made.append("third"))
        worker.call_at(now - 5, lambda: made.append("first"))
        worker.call_at(now + 0.02, lambda: made.append("second"))
        cancelled = worker.call_at(now + 0.01, lambda: made.append("never"))
        cancelled.cancel()
        worker.call_at(now + 0.04, done.set)
        worker.call_at(float("inf"), lambda: made.append("never"))
        return cancelled

    cancelled = run(worker, set_timers)
    assert done.wait(LIMIT)
    assert made == ["first", "second", "third"]
    assert cancelled.when < time.monotonic()


def test_a_call_that_raises_is_reported_and_changes_nothing(
    worker: TSocketPoolWorker, unraisable: Unraisable, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    done = threading.Event()

    def fail(*_: object) -> None:
        raise ValueError("from a call")

    def leave(*_: object) -> None:
        raise SystemExit("from a handler")

    worker.call_soon(fail)
    run(worker, lambda: None)
    token = worker.register(ours.fileno(), EPOLLIN, leave)
    theirs.sendall(b"x")
    run(worker, lambda: worker.call_at(0, fail))
    worker.call_soon(lambda: worker.call_at(time.monotonic() + 0.01, done.set))
    assert done.wait(LIMIT)
    worker.unregister(token, ours.fileno())
    run(worker, lambda: None)
    kinds = [caught.exc_type for caught in unraisable]
    assert kinds[0] is ValueError
    assert {ValueError, SystemExit} == set(kinds)
    assert str(unraisable[0].exc_value) == "from a call"
    assert unraisable[0].exc_traceback is not None
    assert unraisable[0].err_msg == "Exception ignored in a socket event"
    assert unraisable[0].object is fail


def test_a_hook_that_raises_itself_does_not_end_the_worker(
    worker: TSocketPoolWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(sys, "unraisablehook", hook)
    worker.call_soon(lambda: 1 // 0)
    assert run(worker, lambda: 5) == 5


def test_a_descriptor_is_watched_until_it_is_unregistered(
    worker: TSocketPoolWorker, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    seen: list[tuple[int, int, bytes]] = []
    changed = threading.Condition()

    def readable(flags: int, token: int) -> None:
        with changed:
            seen.append((flags, token, ours.recv(100)))
            changed.notify()

    token = worker.register(ours.fileno(), EPOLLIN, readable)
    theirs.sendall(b"one")
    with changed:
        assert changed.wait_for(lambda: seen, LIMIT)
    assert seen == [(EPOLLIN, token, b"one")]
    worker.unregister(token, ours.fileno())
    theirs.sendall(b"two")
    run(worker, lambda: None)
    assert len(seen) == 1
    # Twice is no harm; and the same descriptor gets another token.
    worker.unregister(token, ours.fileno())
    again = worker.register(ours.fileno(), 0, readable)
    assert again != token
    worker.modify(again, ours.fileno(), EPOLLIN)
    with changed:
        assert changed.wait_for(lambda: len(seen) == 2, LIMIT)
    worker.set_handler(again, lambda flags, token: seen.append((flags, token, b"another handler")))
    worker.modify(again, ours.fileno(), EPOLLOUT)
    run(worker, lambda: None)
    worker.unregister(again, ours.fileno())
    assert seen[2][2] == b"another handler"


def test_no_event_of_the_same_batch_reaches_what_has_been_unregistered(worker: TSocketPoolWorker) -> None:
    """Both are ready at once; whoever comes first unregisters the other."""
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []
    tokens: list[int] = []
    done = threading.Event()

    def handler(index: int) -> Callable[[int, int], None]:
        def handle(flags: int, token: int) -> None:
            called.append(index)
            for number in range(2):
                worker.unregister(tokens[number], pairs[number][0].fileno())
            worker.call_soon(done.set)

        return handle

    def begin() -> None:
        for _, theirs in pairs:
            theirs.sendall(b"x")
        tokens.extend(worker.register(pairs[index][0].fileno(), EPOLLIN, handler(index)) for index in range(2))

    run(worker, begin)
    assert done.wait(LIMIT)
    assert len(called) == 1
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_errors_of_the_system_are_raised(worker: TSocketPoolWorker, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    with pytest.raises(OSError, match="epoll_ctl: Bad file descriptor"):
        worker.register(-1, EPOLLIN, lambda flags, token: None)
    token = worker.register(ours.fileno(), EPOLLIN, lambda flags, token: None)
    with pytest.raises(FileExistsError):
        worker.register(ours.fileno(), EPOLLIN, lambda flags, token: None)
    worker.unregister(token, ours.fileno())
    with pytest.raises(FileNotFoundError):
        worker.modify(token, ours.fileno(), EPOLLIN)


def test_an_idle_worker_sleeps(worker: TSocketPoolWorker, pair: tuple[socket.socket, socket.socket]) -> None:
    """The original's workers woke every 100 ms to look at a flag; this one wakes when there is something to do."""
    ours, _ = pair
    token = worker.register(ours.fileno(), EPOLLIN, lambda flags, token: None)
    run(worker, lambda: worker.call_at(time.monotonic() + 3600, lambda: None))
    (thread,) = workers()
    before = sleeps(thread)
    time.sleep(0.6)
    # Once after the call above.
    assert sleeps(thread) - before <= 1
    worker.unregister(token, ours.fileno())


# The end


def test_closing_makes_the_calls_that_were_asked_for(worker: TSocketPoolWorker) -> None:
    made: list[int] = []
    worker.call_soon(time.sleep, 0.02)
    for number in range(100):
        worker.call_soon(made.append, number)
    worker.close()
    assert made == list(range(100))
    assert workers() == []
    with pytest.raises(RuntimeError, match="the socket pool worker is closed"):
        worker.call_soon(made.append, 0)
    with pytest.raises(RuntimeError, match="closed"):
        worker.register(0, EPOLLIN, lambda flags, token: None)
    worker.close()


def test_a_worker_that_never_ran_can_be_closed(manager: TgoClientSocketManager) -> None:
    worker = manager.choose_worker()
    handle = worker.handle
    worker.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)
    with pytest.raises(RuntimeError, match="closed"):
        worker.call_soon(print)
    worker.close()


def test_a_worker_can_be_closed_from_its_own_thread(worker: TSocketPoolWorker) -> None:
    made: list[str] = []

    def close() -> None:
        worker.close()
        made.append("closed")

    worker.call_soon(close)
    (thread,) = workers()
    thread.join(LIMIT)
    assert made == ["closed"]
    worker.close()


def test_each_call_is_either_made_or_refused(make_manager: Callable[[], TgoClientSocketManager]) -> None:
    """Others go on asking while the worker is being closed."""
    for _ in range(20):
        worker = make_manager().choose_worker()
        made: list[int] = []
        numbers = itertools.count()

        def ask(
            worker: TSocketPoolWorker = worker, made: list[int] = made, numbers: Iterator[int] = numbers
        ) -> list[int]:
            accepted: list[int] = []
            while True:
                number = next(numbers)
                try:
                    worker.call_soon(made.append, number)
                except RuntimeError:
                    return accepted
                accepted.append(number)
                time.sleep(0)

        with ThreadPoolExecutor(4) as pool:
            results = [pool.submit(ask) for _ in range(4)]
            while not made:
                time.sleep(0.0001)
            worker.close()
            accepted = [number for result in results for number in result.result(LIMIT)]
        assert sorted(made) == sorted(accepted)


def test_a_call_that_comes_after_the_last_look_is_refused(
    worker: TSocketPoolWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has found the worker open, and gets to queue his call only when it has closed."""
    made: list[str] = []
    run(worker, lambda: None)
    queue = worker._calls

    class Late(type(queue)):  # type: ignore[misc]
        def append(self, item: object) -> None:
            worker._calls = queue
            worker.close()
            queue.append(item)  # type: ignore[arg-type]

    worker._calls = Late()
    with pytest.raises(RuntimeError, match="closed"):
        worker.call_soon(made.append, "late")
    assert made == []


def test_a_call_that_is_asked_for_at_the_last_moment_is_still_made(
    worker: TSocketPoolWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could know that this was the end."""
    made: list[str] = []
    stop = TSocketPoolWorker._stop

    def stop_after_another_call(self: TSocketPoolWorker) -> None:
        self.call_soon(made.append, "made")
        stop(self)

    monkeypatch.setattr(TSocketPoolWorker, "_stop", stop_after_another_call)
    run(worker, lambda: None)
    worker.close()
    assert made == ["made"]


def test_a_thread_that_cannot_be_started_is_no_call_made_later(
    worker: TSocketPoolWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            worker.call_soon(made.append, "refused")
    worker.call_soon(made.append, "taken")
    run(worker, lambda: None)
    assert made == ["taken"]


# Memory


@pytest.mark.parametrize("optimization", list(TgoSocketOptimization))
def test_speed_keeps_the_read_block_and_scale_gives_it_back(
    make_manager: Callable[..., TgoClientSocketManager], optimization: TgoSocketOptimization
) -> None:
    manager = make_manager(optimization)
    assert manager.optimization is optimization
    worker = manager.choose_worker()
    read_blocks.release_mem(read_blocks.request_mem())
    before = read_blocks.count
    assert run(worker, lambda: worker.new_read_block() is worker.read_block)
    # Two calls later it has slept in between.
    run(worker, lambda: None)
    time.sleep(0.01)
    run(worker, lambda: None)
    held = before - read_blocks.count
    assert held == (1 if optimization is TgoSocketOptimization.SPEED else 0)
    manager.close()
    assert read_blocks.count == before


@pytest.mark.usefixtures("no_leaks")
def test_a_start_that_a_signal_handler_breaks_off_leaves_no_thread(
    worker: TSocketPoolWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def started_and_interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", started_and_interrupted)
        with pytest.raises(KeyboardInterrupt):
            worker.call_soon(int)
    assert run(worker, threading.get_ident) != threading.get_ident()
    deadline = time.monotonic() + LIMIT
    while len(workers()) > 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(workers()) == 1
    worker.close()
