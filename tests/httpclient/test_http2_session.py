"""The session as such: how it begins and ends, what it keeps, and what interrupts do to it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pathlib
import random
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from httpclient.errors import Http2ConnectionError, HttpClientError, RequestAbortedError
from httpclient.http2.native import check
from httpclient.http2.session import Http2Session
from linuxapi.interrupts import CallbackGuard
from tests.httpclient.http2_peer import (
    ACK,
    PING,
    Fields,
    Server,
    Sink,
    data,
    exchange,
    feed,
    frame,
    get,
    headers,
    settings,
    split_frames,
)

OK: Fields = [(b":status", b"200")]


@pytest.fixture
def session() -> Iterator[Http2Session]:
    session = Http2Session()
    yield session
    session.close()


def test_new_session(session: Http2Session) -> None:
    assert session.accepts_streams
    assert session.want_read
    assert session.want_write
    assert not session.finished
    assert not session.goaway_received
    assert session.last_stream_id == (1 << 31) - 1
    assert session.open_streams == 0
    assert session.max_concurrent_streams == 100
    session.data_to_send()
    assert not session.want_write
    assert not session.finished


def test_ping(session: Http2Session) -> None:
    server = Server()
    exchange(session, server)
    session.ping()
    session.ping()
    wire = session.data_to_send()
    assert [kind for kind, _, _, _ in split_frames(wire)] == [PING, PING]
    assert session.pings_answered == 0
    server.receive(wire)
    exchange(session, server)
    assert session.pings_answered == 2
    server.close()


def test_round_trip_time_where_two_pings_are_under_way(
    session: Http2Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("httpclient.http2.streams.monotonic", lambda: now[0])
    feed(session, settings())
    session.data_to_send()
    times = []
    for step in (session.ping, session.ping, None, session.ping, None, None):
        now[0] += 1
        if step is None:
            feed(session, frame(PING, ACK, 0, bytes(8)))
            times.append(session.round_trip_time)
        else:
            step()
            session.data_to_send()
    assert session.pings_answered == 3
    # Sent at 101, 102 and 104; answered at 103, 105 and 106.
    assert times == [2.0, 2.0, 2.0]


def test_pings_are_answered(session: Http2Session) -> None:
    session.data_to_send()
    feed(session, settings() + frame(PING, 0, 0, b"abcdefgh"))
    assert (PING, ACK, 0, b"abcdefgh") in split_frames(session.data_to_send())


def test_close_fails_what_is_under_way_and_may_be_repeated() -> None:
    session = Http2Session()
    first, second = get(session), get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, OK, end=True))
    for _ in range(3):
        session.close()
    assert first.events == [("head", 200, []), ("end", [])]
    assert isinstance(second.error, RequestAbortedError)
    assert len(second.events) == 1
    assert session.finished
    assert not session.accepts_streams
    assert session.data_to_send() == b""
    feed(session, headers(3, OK, end=True))
    session.cancel(3)
    session.consume(3, 10)
    session.resume(3)
    session.ping()
    session.terminate()
    session.connection_lost(HttpClientError("x"))
    with pytest.raises(HttpClientError):
        get(session)


def test_session_is_freed_without_the_garbage_collector() -> None:
    """Nothing refers back to it, so it goes when the last reference does, also when it wasn't closed."""

    class Watched(Http2Session):
        __slots__ = ("__weakref__",)

    for body in (None, b"x"):
        session = Watched()
        get(session, body=body)
        session.data_to_send()
        feed(session, settings() + headers(1, OK))
        reference = weakref.ref(session)
        gc.disable()
        try:
            del session
            assert reference() is None
        finally:
            gc.enable()


def test_memory_does_not_grow() -> None:
    """The library's session is freed, by close() and without (N6)."""

    def resident() -> int:
        return int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    def use(count: int) -> None:
        for i in range(count):
            session = Http2Session()
            for path in ("/a", "/b"):
                get(session, path, fields=[("a", "b" * 1000)], method="POST", body=b"x" * 5000)
            session.data_to_send()
            feed(session, settings() + headers(1, OK) + data(1, b"x" * 1000, end=True) + headers(3, OK))
            session.data_to_send()
            if i % 2:
                session.close()
        gc.collect()

    use(200)
    before = resident()
    use(600)
    assert resident() - before < 6 << 20


def test_requests_leave_nothing_behind(session: Http2Session) -> None:
    server = Server()
    for i in range(50):
        sink = get(session, f"/{i}", method="POST", body=b"body" * i)
        exchange(session, server)
        server.respond(sink.stream_id, [*OK, (b"n", b"%d" % i)], b"x" * 10_000)
        exchange(session, server)
        assert sink.over
    assert session._streams == {}
    assert session._uploads is not None
    assert not session._uploads.busy
    assert session._objections == {}
    assert session._callbacks.events == []
    server.close()


def test_failed_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((HttpClientError, MemoryError)):
        Http2Session(connection_window=-1)
    with pytest.raises(MemoryError):
        check(-901, "test")
    with pytest.raises(HttpClientError, match="Invalid argument"):
        check(-501, "test")


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (0, 11), (5, 100)])
def test_bounds_of_the_buffer(session: Http2Session, start: int, end: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        session.receive(bytearray(10), start, end)
    session.receive(bytearray(10), 5, 5)
    session.receive(bytearray(), 0, 0)


def test_buffer_is_free_afterwards(session: Http2Session) -> None:
    session.data_to_send()
    get(session)
    session.data_to_send()
    buffer = bytearray(settings() + headers(1, OK) + data(1, b"x"))
    session.receive(buffer, 0, len(buffer))
    buffer.extend(b"more")
    buffer.clear()


def test_session_may_change_threads() -> None:
    """One thread at a time, but not always the same."""
    session, server = Http2Session(), Server()
    failures: list[BaseException] = []

    def one_request() -> None:
        try:
            sink = get(session)
            exchange(session, server)
            server.respond(sink.stream_id, OK, b"x" * 50_000)
            exchange(session, server)
            assert sink.body == b"x" * 50_000
        except BaseException as error:
            failures.append(error)

    for _ in range(20):
        thread = threading.Thread(target=one_request)
        thread.start()
        thread.join()
    one_request()
    assert failures == []
    session.close()
    server.close()


def test_sessions_of_many_threads_do_not_meet() -> None:
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            session, server = Http2Session(), Server()
            for i in range(30):
                sink = get(session, f"/{seed}/{i}")
                exchange(session, server)
                server.respond(sink.stream_id, [*OK, (b"seed", b"%d" % seed)], b"%d" % seed * i)
                exchange(session, server)
                assert sink.events[0] == ("head", 200, [(b"seed", b"%d" % seed)])
                assert sink.body == b"%d" % seed * i
            session.close()
            server.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# Interrupts


class Interrupt(BaseException):
    """What the signal handler raises."""


def interrupt(signum: int, frame: FrameType | None) -> None:
    raise Interrupt


@pytest.fixture
def alarms() -> Iterator[None]:
    # This timer is the only one that is fine enough. Whoever else uses it, to end tests that hang, gets it back.
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    previous = signal.signal(signal.SIGALRM, interrupt)
    # An interrupt that strikes a callback of the garbage collector is lost, whoever the callback belongs to.
    gc.disable()
    yield
    gc.enable()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)
    signal.setitimer(signal.ITIMER_REAL, left)


def test_no_interrupt_gets_lost(alarms: None) -> None:
    """A signal handler that raises strikes anywhere: between two lines, in a sink, at the entry of a callback.

    Wherever it does, it is raised to the caller of the session, and either a stream has been told all that arrived, or
    it has failed. A response with a piece missing must not look complete.
    """
    body = bytes(range(256)) * 8
    fields: Fields = [*OK, *[(b"name%d" % i, b"value") for i in range(20)]]
    wire = b"".join(
        headers(1 + 2 * i, fields) + b"".join(data(1 + 2 * i, body[k : k + 64]) for k in range(0, 2048, 64))
        + data(1 + 2 * i, b"", end=True)
        for i in range(30)
    )  # fmt: skip
    caught = at_entry = 0
    kept = []
    guard_call = CallbackGuard.__call__
    deadline = time.monotonic() + 60
    generator = random.Random(1)

    def counting(self: CallbackGuard, unraisable: Any) -> None:
        nonlocal at_entry
        at_entry += 1
        guard_call(self, unraisable)

    CallbackGuard.__call__ = counting  # type: ignore[method-assign]
    try:
        while at_entry < 20 and time.monotonic() < deadline:
            session = Http2Session()
            kept.append(session)  # an interrupt that strikes its finalizer would be lost, and that is nobody's fault
            sinks = [get(session) for _ in range(30)]
            session.data_to_send()
            feed(session, settings())
            buffer = bytearray(wire)
            interrupted = False
            try:
                signal.setitimer(signal.ITIMER_REAL, generator.uniform(1e-6, 2e-3))
                session.receive(buffer, 0, len(buffer))
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupt:
                interrupted = True
                caught += 1
            for sink in sinks:
                ends = [event for event in sink.events if event[0] in {"end", "failure"}]
                assert len(ends) <= 1
                if ends and ends[0][0] == "end":
                    assert sink.events[0] == ("head", 200, fields[1:])
                    assert sink.body == body
                elif not interrupted:
                    pytest.fail("a response is missing though nobody was interrupted")
            session.close()
            assert all(sink.over or interrupted for sink in sinks)
    finally:
        CallbackGuard.__call__ = guard_call  # type: ignore[method-assign]
    assert caught
    assert at_entry, "the case that matters did not come up"


def test_hook_is_put_back(session: Http2Session) -> None:
    before = sys.unraisablehook
    get(session)
    session.data_to_send()
    feed(session, settings() + headers(1, OK, end=True))
    assert sys.unraisablehook is before


def test_hook_of_somebody_else_stays() -> None:
    """Another part of the program may put its own in place in the meantime."""
    before = sys.unraisablehook
    failures: list[BaseException] = []
    seen: list[Any] = []

    def other(unraisable: Any) -> None:
        seen.append(unraisable)

    def replace() -> int:
        sys.unraisablehook = other
        return 7

    try:
        assert CallbackGuard(failures).call(replace) == 7
        assert sys.unraisablehook is other
    finally:
        sys.unraisablehook = before
    assert failures == []


def test_other_unraisable_exceptions_go_where_they_went() -> None:
    class Bad:
        def __del__(self) -> None:
            raise ZeroDivisionError

    before = sys.unraisablehook
    seen: list[Any] = []
    sys.unraisablehook = lambda unraisable: seen.append(unraisable.exc_type)
    try:
        failures: list[BaseException] = []
        guard = CallbackGuard(failures)
        guard.call(lambda: Bad() and None)
        callback = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1 / 0)
        guard.call(callback)
    finally:
        sys.unraisablehook = before
    assert seen == [ZeroDivisionError]
    assert [type(error) for error in failures] == [ZeroDivisionError]


def test_exception_inside_a_callback_ends_the_session_and_is_raised(session: Http2Session) -> None:
    """Out of memory, say: what arrived can't be noted, so nothing that follows can be trusted."""
    first, second = get(session), get(session)
    session.data_to_send()
    feed(session, settings())

    # What a callback does that has run out of memory; there is no way to have that happen at will.
    session._callbacks.failures.append(MemoryError("no room"))
    with pytest.raises(MemoryError):
        feed(session, headers(1, OK, end=True))
    for sink in (first, second):
        assert isinstance(sink.error, Http2ConnectionError)
        assert isinstance(sink.error.__cause__, MemoryError)
    assert not session.accepts_streams


def test_fork() -> None:
    """A child of a thread other than the main one: that thread is its main thread then."""
    results: list[int] = []

    def fork() -> None:
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                session = Http2Session()
                sink = get(session)
                session.data_to_send()
                feed(session, settings() + headers(1, OK, end=True))
                from linuxapi import interrupts

                if sink.over and interrupts._main_thread_ident == threading.get_ident():
                    code = 0
            os._exit(code)
        results.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    assert results == [0]


# Anything at all


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                frame,
                st.integers(0, 12),
                st.integers(0, 255),
                st.sampled_from([0, 1, 2, 3, 5, 7]),
                st.binary(max_size=40),
            ),
            st.sampled_from(
                [
                    settings((3, 5)),
                    headers(1, OK),
                    headers(3, [*OK, (b"content-length", b"3")]),
                    headers(3, [(b"t", b"u")], end=True),
                    data(1, b"abc"),
                    data(3, b"abc", end=True),
                ]
            ),
        ),
        max_size=25,
    ),
    st.booleans(),
)
def test_nonsense_ends_each_stream_at_most_once(wires: list[bytes], settings_first: bool) -> None:
    session = Http2Session()
    sinks = [get(session), get(session, method="HEAD"), get(session, method="POST", body=b"x" * 100_000)]
    session.data_to_send()
    if settings_first:
        feed(session, settings())
    for wire in wires:
        feed(session, wire)
        session.data_to_send()
    session.close()
    for sink in sinks:
        names = [event[0] for event in sink.events]
        assert names[-1] in {"end", "failure"}
        assert sum(name in {"end", "failure"} for name in names) == 1
        assert names.count("head") <= 1
        if names[-1] == "end":
            assert "head" in names


def test_sink_is_a_protocol_of_six_calls() -> None:
    """What a sink needs to have is what the session calls."""
    calls = {name for name in vars(Sink) if name.startswith("on_")}
    assert calls == {"on_informational", "on_head", "on_data", "on_response", "on_end", "on_failure"}
