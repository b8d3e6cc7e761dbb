"""The thread-safe buffer."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient.buffer import TThreadSafeBuffer


def filled(data: bytes) -> TThreadSafeBuffer:
    buffer = TThreadSafeBuffer()
    buffer.write(data)
    return buffer


def test_read_takes_everything() -> None:
    buffer = filled(b"abc")
    buffer.write(bytearray(b"de"))
    buffer.write(memoryview(b"xfgx")[1:3])
    assert buffer.size == len(buffer) == 7
    assert buffer.read() == b"abcdefg"
    assert buffer.size == 0
    assert buffer.read() == b""


def test_read_count() -> None:
    buffer = filled(b"abcde")
    assert buffer.read(2) == b"ab"
    assert buffer.read(0) == b""
    assert buffer.read(2) == b"cd"
    assert buffer.read(99) == b"e"
    assert buffer.read(1) == b""
    with pytest.raises(ValueError, match="negative"):
        buffer.read(-1)


def test_read_into() -> None:
    buffer = filled(b"abcde")
    target = bytearray(b"....")
    assert buffer.read_into(memoryview(target)[1:3]) == 2
    assert target == b".ab."
    assert buffer.read_into(target) == 3
    assert target == b"cde."
    assert buffer.read_into(target) == 0
    target.append(0)  # no view of it is left


def test_read_to() -> None:
    buffer = filled(b"one\r\ntwo\r\nthree")
    assert buffer.read_to(b"\r\n") == b"one\r\n"
    assert buffer.read_to(b"\r\n") == b"two\r\n"
    assert buffer.read_to(b"\r\n") == b""
    assert buffer.size == 5
    buffer.write(b"\r")
    assert buffer.read_to(b"\r\n") == b""
    buffer.write(b"\n")
    assert buffer.read_to(b"\r\n") == b"three\r\n"
    assert buffer.size == 0


def test_read_to_finds_what_is_all_there_is() -> None:
    assert filled(b"\r\n").read_to(b"\r\n") == b"\r\n"


def test_read_to_something_else_searches_from_the_start() -> None:
    buffer = filled(b"a;b\r\n")
    assert buffer.read_to(b"xyz") == b""
    assert buffer.read_to(b";") == b"a;"
    assert buffer.read_to(b"xyz") == b""
    buffer.write(b"xyz")
    assert buffer.read_to(b"xyz") == b"b\r\nxyz"
    with pytest.raises(ValueError, match="nothing"):
        buffer.read_to(b"")


def test_clear() -> None:
    buffer = filled(b"abc")
    assert buffer.read_to(b"x") == b""
    buffer.clear()
    assert buffer.size == 0
    buffer.write(b"x")
    assert buffer.read_to(b"x") == b"x"


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "httpclient.buffer"):
        filled(b"abc").log("received")
    assert caplog.messages == ["received (size=3) b'abc'"]


def test_many_small_reads_move_little() -> None:
    """The original moves all that is left at every read; here it moves at most once what has been read."""
    moved = 0

    class Watched(TThreadSafeBuffer):
        __slots__ = ()

        def _skip(self, count: int) -> None:
            nonlocal moved
            before = len(self._buffer)
            super()._skip(count)
            if len(self._buffer) < before:
                moved += len(self._buffer)

    buffer = Watched()
    total = 1 << 20
    buffer.write(bytes(total))
    for _ in range(total // 16):
        buffer.read(16)
    assert buffer.size == 0
    assert moved <= 2 * total


class Counting(bytearray):
    searched = 0

    def find(self, sub: object, start: object = 0, end: object = None, /) -> int:
        assert isinstance(start, int)
        Counting.searched += len(self) - start
        return super().find(sub, start)  # type: ignore[arg-type]


def test_a_search_goes_on_where_it_ended() -> None:
    buffer = TThreadSafeBuffer()
    buffer._buffer = Counting()
    Counting.searched = 0
    for _ in range(2000):
        buffer.write(b"x")
        assert buffer.read_to(b"\r\n\r\n") == b""
    assert Counting.searched < 10 * 2000
    buffer.write(b"\r\n\r\n")
    assert len(buffer.read_to(b"\r\n\r\n")) == 2004


def test_memory_is_given_back() -> None:
    buffer = filled(bytes(1 << 20))
    buffer.read()
    assert buffer._buffer.__sizeof__() < 1000
    buffer.write(bytes(1 << 20))
    buffer.read((1 << 20) - 10)
    assert buffer._buffer.__sizeof__() < 10000


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.binary(max_size=3000)),
            st.tuples(st.just("read"), st.integers(0, 4000)),
            st.tuples(st.just("read_into"), st.integers(0, 4000)),
            st.tuples(st.just("read_to"), st.sampled_from([b"\x00", b"\x00\x01", b"ab"])),
            st.tuples(st.just("clear"), st.none()),
        ),
        max_size=40,
    )
)
def test_it_does_what_a_simple_one_would(steps: list[tuple[str, object]]) -> None:
    buffer, model = TThreadSafeBuffer(), b""
    for step, argument in steps:
        if step == "write":
            assert isinstance(argument, bytes)
            buffer.write(argument)
            model += argument
        elif step == "read":
            assert isinstance(argument, int)
            assert buffer.read(argument) == model[:argument]
            model = model[argument:]
        elif step == "read_into":
            assert isinstance(argument, int)
            target = bytearray(argument)
            count = buffer.read_into(target)
            assert target[:count] == model[:argument]
            model = model[count:]
        elif step == "read_to":
            assert isinstance(argument, bytes)
            end = model.find(argument)
            expected = model[: end + len(argument)] if end >= 0 else b""
            assert buffer.read_to(argument) == expected
            model = model[len(expected) :]
        else:
            buffer.clear()
            model = b""
        assert buffer.size == len(model)


def test_threads() -> None:
    """What several threads write arrives once, each thread's in its order."""
    buffer = TThreadSafeBuffer()
    writers, records = 4, 2000
    received = bytearray()

    def write(number: int) -> None:
        for record in range(records):
            buffer.write(b"%d:%06d\n" % (number, record))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while received.count(b"\n") < writers * records and time.monotonic() < deadline:
        received += buffer.read_to(b"\n")
        received += buffer.read(17)
        target = bytearray(5)
        count = buffer.read_into(target)
        received += target[:count]
    for thread in threads:
        thread.join()
    lines = received.decode().split()
    assert len(lines) == writers * records
    for number in range(writers):
        own = [line for line in lines if line.startswith(f"{number}:")]
        assert own == [f"{number}:{record:06d}" for record in range(records)]
