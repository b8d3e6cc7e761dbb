"""linuxapi.eventfd, with real counters."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

import pytest

from linuxapi import EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE, eventfd, eventfd_read, eventfd_write
from tests.linuxapi.waits import alarms, once_the_gil_is_free

MOST = 2**64 - 2


@pytest.fixture
def blocking() -> Iterator[int]:
    fd = eventfd(0, EFD_CLOEXEC)
    yield fd
    os.close(fd)


@pytest.fixture
def nonblocking() -> Iterator[int]:
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    yield fd
    os.close(fd)


def test_flags(blocking: int, nonblocking: int) -> None:
    plain = eventfd(0, 0)
    try:
        assert os.get_inheritable(plain)
    finally:
        os.close(plain)
    assert not os.get_inheritable(blocking)
    assert os.get_blocking(blocking)
    assert not os.get_blocking(nonblocking)


def test_a_read_takes_everything(nonblocking: int) -> None:
    eventfd_write(nonblocking, 2)
    eventfd_write(nonblocking, MOST - 2)
    assert eventfd_read(nonblocking) == MOST
    with pytest.raises(BlockingIOError, match="eventfd_read"):
        eventfd_read(nonblocking)


def test_initial_value() -> None:
    fd = eventfd(2**32 - 1, EFD_CLOEXEC)
    try:
        assert eventfd_read(fd) == 2**32 - 1
    finally:
        os.close(fd)


def test_semaphore() -> None:
    fd = eventfd(2, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)
    try:
        assert [eventfd_read(fd), eventfd_read(fd)] == [1, 1]
        with pytest.raises(BlockingIOError):
            eventfd_read(fd)
    finally:
        os.close(fd)


def test_full(nonblocking: int) -> None:
    eventfd_write(nonblocking, MOST)
    with pytest.raises(BlockingIOError, match="eventfd_write"):
        eventfd_write(nonblocking, 1)


def test_errors() -> None:
    calls: list[tuple[int, Callable[[], object]]] = [
        (errno.EINVAL, lambda: eventfd(0, 2)),
        (errno.EBADF, lambda: eventfd_read(-1)),
        (errno.EBADF, lambda: eventfd_write(-1, 1)),
    ]
    for expected, call in calls:
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == expected


def test_waiting_lets_other_threads_run(blocking: int) -> None:
    with once_the_gil_is_free(lambda: eventfd_write(blocking, 3)):
        assert eventfd_read(blocking) == 3
    eventfd_write(blocking, MOST)
    with once_the_gil_is_free(lambda: eventfd_read(blocking)):
        eventfd_write(blocking, 4)
    assert eventfd_read(blocking) == 4


def test_a_signal_does_not_end_a_read(blocking: int) -> None:
    def write_at_third(number: int) -> None:
        if number == 3:
            eventfd_write(blocking, 7)

    with alarms(write_at_third) as count:
        assert eventfd_read(blocking) == 7
    assert count[0] >= 3


def test_a_signal_does_not_end_a_write(blocking: int) -> None:
    eventfd_write(blocking, MOST)

    def read_at_third(number: int) -> None:
        if number == 3:
            eventfd_read(blocking)

    with alarms(read_at_third) as count:
        eventfd_write(blocking, 9)
    assert count[0] >= 3
    assert eventfd_read(blocking) == 9
