"""linuxapi.timerfd, with real timers."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from linuxapi import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    TFD_CLOEXEC,
    TFD_NONBLOCK,
    TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
    itimerspec,
    timerfd_create,
    timerfd_gettime,
    timerfd_settime,
    timespec,
)


@pytest.fixture
def timer() -> Iterator[int]:
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)
    yield fd
    os.close(fd)


def expiries(fd: int) -> int:
    return int.from_bytes(os.read(fd, 8), sys.byteorder)


def once(seconds: int, nanoseconds: int = 0) -> itimerspec:
    return itimerspec(timespec(), timespec(seconds, nanoseconds))


def test_flags() -> None:
    plain = timerfd_create(CLOCK_REALTIME, 0)
    flagged = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)
    try:
        assert os.get_inheritable(plain)
        assert os.get_blocking(plain)
        assert not os.get_inheritable(flagged)
        assert not os.get_blocking(flagged)
        with pytest.raises(BlockingIOError):
            os.read(flagged, 8)
    finally:
        os.close(plain)
        os.close(flagged)


def test_expires_once(timer: int) -> None:
    timerfd_settime(timer, 0, once(0, 1))
    assert expiries(timer) == 1
    left = once(9)
    timerfd_gettime(timer, left)
    assert (left.it_value.tv_sec, left.it_value.tv_nsec) == (0, 0)


def test_expires_again_and_again(timer: int) -> None:
    timerfd_settime(timer, 0, itimerspec(timespec(0, 1000), timespec(0, 1)))
    total = 0
    while total < 3:
        total += expiries(timer)


def test_absolute_time_in_the_past_expires_at_once(timer: int) -> None:
    timerfd_settime(timer, TFD_TIMER_ABSTIME, once(0, 1))
    assert expiries(timer) == 1


def test_setting_is_told_and_replaced(timer: int) -> None:
    timerfd_settime(timer, 0, itimerspec(timespec(7, 5), timespec(1000, 0)))
    now = itimerspec()
    timerfd_gettime(timer, now)
    assert 0 < now.it_value.tv_sec <= 1000
    assert (now.it_interval.tv_sec, now.it_interval.tv_nsec) == (7, 5)
    old = itimerspec()
    timerfd_settime(timer, 0, itimerspec(), old)
    assert 0 < old.it_value.tv_sec <= 1000
    assert (old.it_interval.tv_sec, old.it_interval.tv_nsec) == (7, 5)
    timerfd_gettime(timer, now)
    assert bytes(now) == bytes(itimerspec())


def test_cancel_on_set_is_taken_for_the_wall_clock() -> None:
    fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC)
    try:
        timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, once(1))
        assert expiries(fd) == 1
    finally:
        os.close(fd)


def test_errors(timer: int) -> None:
    reader, writer = os.pipe()
    try:
        calls: list[tuple[int, Callable[[], object]]] = [
            (errno.EINVAL, lambda: timerfd_create(12345, 0)),
            (errno.EINVAL, lambda: timerfd_create(CLOCK_MONOTONIC, 1)),
            (errno.EINVAL, lambda: timerfd_settime(timer, 0, once(0, 1_000_000_000))),
            (errno.EINVAL, lambda: timerfd_settime(reader, 0, once(1))),
            (errno.EBADF, lambda: timerfd_settime(-1, 0, once(1))),
            (errno.EINVAL, lambda: timerfd_gettime(reader, itimerspec())),
            (errno.EBADF, lambda: timerfd_gettime(-1, itimerspec())),
        ]
        for expected, call in calls:
            with pytest.raises(OSError, match="timerfd_") as caught:
                call()
            assert caught.value.errno == expected
    finally:
        os.close(reader)
        os.close(writer)
