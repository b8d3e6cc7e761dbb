"""linuxapi.eventfd, with real counters."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator

import pytest

from linuxapi import EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE, eventfd, eventfd_read, eventfd_write
from tests.linuxapi.signals import alarms

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
    for expected, call in [
        (errno.EINVAL, lambda: eventfd(0, 2)),
        (errno.EBADF, lambda: eventfd_read(-1)),
        (errno.EBADF, lambda: eventfd_write(-1, 1)),
    ]:
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == expected


def test_waiting_lets_other_threads_run(blocking: int) -> None:
    thread = threading.Thread(target=eventfd_write, args=(blocking, 3))
    thread.start()
    assert eventfd_read(blocking) == 3
    thread.join()


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
