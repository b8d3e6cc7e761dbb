"""Timers that are descriptors (Delphi: unit Linuxapi.Timerfd; C: ``sys/timerfd.h``, man 2 timerfd_create).

Names and parameters are C's; ``-1`` becomes :class:`OSError`. A timer that has expired is readable, and a read of 8
bytes gives how often it did, as a number in the machine's byte order. Safe for threads. None of these calls blocks,
so they keep the GIL.
"""

from __future__ import annotations

import ctypes
import os

from ._libc import failure, libc_errno
from .binding import bind

TYPE_CHECKING = False

CLOCK_REALTIME = 0
CLOCK_MONOTONIC = 1
CLOCK_BOOTTIME = 7
CLOCK_REALTIME_ALARM = 8
CLOCK_BOOTTIME_ALARM = 9

#: Flag of :func:`timerfd_create`: a read before expiry fails with EAGAIN. Delphi: Linuxapi.Timerfd.TFD_NONBLOCK
TFD_NONBLOCK = os.O_NONBLOCK
#: Flag of :func:`timerfd_create`: a program started by this process doesn't inherit the descriptor.
TFD_CLOEXEC = os.O_CLOEXEC
#: Flag of :func:`timerfd_settime`: ``it_value`` is a point on the clock, not a distance from now.
TFD_TIMER_ABSTIME = 1
#: Flag of :func:`timerfd_settime`: a read fails with ECANCELED when the wall clock is set.
TFD_TIMER_CANCEL_ON_SET = 2


class timespec(ctypes.Structure):
    """A time in seconds and nanoseconds. C: ``struct timespec``. Delphi: Posix.Time.timespec"""

    # The plain symbols of both C libraries take a long, also where headers offer a 64-bit time_t on 32-bit machines.
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))
    if TYPE_CHECKING:
        tv_sec: int
        tv_nsec: int


class itimerspec(ctypes.Structure):
    """When a timer expires first and then again. C: ``struct itimerspec``. Delphi: Posix.Time.itimerspec

    ``it_value`` of zero stops the timer; ``it_interval`` of zero makes it expire once.
    """

    _fields_ = (("it_interval", timespec), ("it_value", timespec))
    if TYPE_CHECKING:
        it_interval: timespec
        it_value: timespec


_c_int = ctypes.c_int
_pitimerspec = ctypes.POINTER(itimerspec)
_timerfd_create = bind(libc_errno, "timerfd_create", _c_int, [_c_int, _c_int], hold_gil=True)
_timerfd_settime = bind(
    libc_errno, "timerfd_settime", _c_int, [_c_int, _c_int, _pitimerspec, _pitimerspec], hold_gil=True
)
_timerfd_gettime = bind(libc_errno, "timerfd_gettime", _c_int, [_c_int, _pitimerspec], hold_gil=True)


def timerfd_create(clockid: int, flags: int) -> int:
    """Create a timer, stopped.

    C: ``int timerfd_create(int clockid, int flags)``. Delphi: Linuxapi.Timerfd.timerfd_create

    :param clockid: ``CLOCK_MONOTONIC``, ``CLOCK_REALTIME``, ...
    :param flags: ``TFD_NONBLOCK`` and ``TFD_CLOEXEC``, or 0.
    :return: its descriptor.
    :raises OSError: EINVAL, EMFILE, ENFILE, ENOMEM, EPERM (alarm clocks).
    """
    fd: int = _timerfd_create(clockid, flags)
    if fd < 0:
        raise failure("timerfd_create")
    return fd


def timerfd_settime(fd: int, flags: int, new_value: itimerspec, old_value: itimerspec | None = None) -> None:
    """Start or stop a timer. Expiries that nobody has read are forgotten.

    C: ``int timerfd_settime(int fd, int flags, const struct itimerspec *new_value, struct itimerspec *old_value)``.
    Delphi: Linuxapi.Timerfd.timerfd_settime

    :param flags: 0, or ``TFD_TIMER_ABSTIME``, ``TFD_TIMER_CANCEL_ON_SET``.
    :param new_value: the setting.
    :param old_value: filled with the setting before, as :func:`timerfd_gettime` would; ``None`` if nobody asks.
    :raises OSError: EBADF, EINVAL (not a timer, or nanoseconds out of range), ECANCELED.
    """
    if _timerfd_settime(fd, flags, new_value, old_value) < 0:
        raise failure("timerfd_settime")


def timerfd_gettime(fd: int, curr_value: itimerspec) -> None:
    """Ask for a timer's setting.

    C: ``int timerfd_gettime(int fd, struct itimerspec *curr_value)``. Delphi: Linuxapi.Timerfd.timerfd_gettime

    :param curr_value: filled: ``it_value`` is the time left until the next expiry, zero for a stopped timer.
    :raises OSError: EBADF, EINVAL (not a timer).
    """
    if _timerfd_gettime(fd, curr_value) < 0:
        raise failure("timerfd_gettime")
