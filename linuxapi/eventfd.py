"""A counter that is a descriptor: how one thread wakes another from ``epoll_wait`` (man 2 eventfd).

No Delphi origin: the original's threads look at a flag every few milliseconds instead. Names and parameters are C's;
``-1`` becomes :class:`OSError`. Safe for threads.
"""

from __future__ import annotations

import ctypes
import errno
import os

from ._libc import failure, libc_errno
from .binding import bind

#: Flag of :func:`eventfd`: reading and writing never wait, but raise ``BlockingIOError``.
EFD_NONBLOCK = os.O_NONBLOCK
#: Flag of :func:`eventfd`: a program started by this process doesn't inherit the descriptor.
EFD_CLOEXEC = os.O_CLOEXEC
#: Flag of :func:`eventfd`: a read takes 1 from the counter instead of everything.
EFD_SEMAPHORE = 1

_c_int = ctypes.c_int
eventfd_t = ctypes.c_uint64
_eventfd = bind(libc_errno, "eventfd", _c_int, [ctypes.c_uint, _c_int], hold_gil=True)
_eventfd_read = bind(libc_errno, "eventfd_read", _c_int, [_c_int, ctypes.POINTER(eventfd_t)])
_eventfd_write = bind(libc_errno, "eventfd_write", _c_int, [_c_int, eventfd_t])


def eventfd(initval: int, flags: int) -> int:
    """Create a counter.

    C: ``int eventfd(unsigned int initval, int flags)``.

    :param initval: its value, below 2**32.
    :param flags: ``EFD_NONBLOCK``, ``EFD_CLOEXEC``, ``EFD_SEMAPHORE``, or 0.
    :return: its descriptor: readable while the counter isn't 0.
    :raises OSError: EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM.
    """
    fd: int = _eventfd(initval, flags)
    if fd < 0:
        raise failure("eventfd")
    return fd


def eventfd_read(fd: int) -> int:
    """Wait until the counter isn't 0, and take it to 0 (or, with ``EFD_SEMAPHORE``, take 1 from it).

    C: ``int eventfd_read(int fd, eventfd_t *value)``; the value is returned. Repeated after a signal (PEP 475).

    :return: what was taken.
    :raises BlockingIOError: it is 0, and the descriptor doesn't block.
    :raises OSError: EBADF, EINVAL.
    """
    value = eventfd_t()
    while _eventfd_read(fd, value) < 0:
        error = failure("eventfd_read")
        if error.errno != errno.EINTR:
            raise error
    return value.value


def eventfd_write(fd: int, value: int) -> None:
    """Add *value* to the counter; wait while that would take it beyond 2**64 - 2.

    C: ``int eventfd_write(int fd, eventfd_t value)``. Repeated after a signal (PEP 475).

    :raises BlockingIOError: it would, and the descriptor doesn't block.
    :raises OSError: EBADF, EINVAL (2**64 - 1 can't be added).
    """
    while _eventfd_write(fd, value) < 0:
        error = failure("eventfd_write")
        if error.errno != errno.EINTR:
            raise error
