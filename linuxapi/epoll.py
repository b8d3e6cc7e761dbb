"""Waiting for many descriptors at once (Delphi: unit Linuxapi.Epoll; C: ``sys/epoll.h``, man 7 epoll).

Names, parameters and their order are C's, time-outs are C's milliseconds. Where C answers ``-1``, these functions raise
:class:`OSError` (or the subclass for that ``errno``); where C answers only ``0``, they return nothing.

Safe for threads: the kernel allows any number of threads at one epoll descriptor. Waiting releases the GIL.
"""

from __future__ import annotations

import ctypes
import errno
import os
from time import monotonic

from ._libc import failure, libc_errno
from .binding import bind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .sigset import sigset_t

    #: Anything that C takes for ``struct epoll_event *``.
    EventBuffer: TypeAlias = "ctypes.Array[epoll_event] | epoll_event | ctypes._Pointer[epoll_event]"

EPOLLIN = 0x001
EPOLLPRI = 0x002
EPOLLOUT = 0x004
EPOLLERR = 0x008
EPOLLHUP = 0x010
EPOLLRDNORM = 0x040
EPOLLRDBAND = 0x080
EPOLLWRNORM = 0x100
EPOLLWRBAND = 0x200
EPOLLMSG = 0x400
EPOLLRDHUP = 0x2000
EPOLLEXCLUSIVE = 1 << 28
EPOLLWAKEUP = 1 << 29
EPOLLONESHOT = 1 << 30
EPOLLET = 1 << 31

EPOLL_CTL_ADD = 1
EPOLL_CTL_DEL = 2
EPOLL_CTL_MOD = 3

#: Flag of :func:`epoll_create1`: a program started by this process doesn't inherit the descriptor.
EPOLL_CLOEXEC = 0o2000000

_INT_MAX = 0x7FFFFFFF


class epoll_data(ctypes.Union):
    """What the caller wants to get back with an event: one value under four types.

    C: ``epoll_data_t``. Delphi: Linuxapi.Epoll.epoll_data
    """

    _fields_ = (
        ("ptr", ctypes.c_void_p),
        ("fd", ctypes.c_int),
        ("u32", ctypes.c_uint32),
        ("u64", ctypes.c_uint64),
    )
    if TYPE_CHECKING:
        ptr: int | None
        fd: int
        u32: int
        u64: int


class epoll_event(ctypes.Structure):
    """The events of one descriptor (``EPOLL*`` bits), and the caller's data.

    C: ``struct epoll_event``. Delphi: Linuxapi.Epoll.epoll_event

    Differs from Delphi: packed on x86-64 only, as the kernel declares it. The Delphi record is packed everywhere,
    which is wrong on ARM.
    """

    # The machine, not the process: in 32-bit processes of x86 it is 12 bytes long either way.
    if os.uname().machine == "x86_64":
        _pack_ = 1
        _layout_ = "ms"  # Python 3.19 will ask for it; on Linux a packed struct without bit fields looks the same
    _fields_ = (("events", ctypes.c_uint32), ("data", epoll_data))
    if TYPE_CHECKING:
        events: int
        data: epoll_data


#: C: ``struct epoll_event *``. Delphi: Linuxapi.Epoll.pepoll_event
pepoll_event = ctypes.POINTER(epoll_event)

_c_int = ctypes.c_int
_wait_types = [_c_int, pepoll_event, _c_int, _c_int]
_epoll_create = bind(libc_errno, "epoll_create", _c_int, [_c_int], hold_gil=True)
_epoll_create1 = bind(libc_errno, "epoll_create1", _c_int, [_c_int], hold_gil=True)
_epoll_ctl = bind(libc_errno, "epoll_ctl", _c_int, [_c_int, _c_int, _c_int, pepoll_event], hold_gil=True)
_epoll_wait = bind(libc_errno, "epoll_wait", _c_int, _wait_types)
_epoll_poll = bind(libc_errno, "epoll_wait", _c_int, _wait_types, hold_gil=True)
_epoll_pwait: Any = None  # bound when it is first called: it has other types than the rest


def epoll_create(size: int) -> int:
    """Create an epoll instance; prefer :func:`epoll_create1`, which can set close-on-exec.

    C: ``int epoll_create(int size)``. Delphi: Linuxapi.Epoll.epoll_create

    :param size: must be positive and means nothing since Linux 2.6.8.
    :return: its descriptor, which child programs inherit.
    :raises OSError: EINVAL, EMFILE, ENFILE, ENOMEM.
    """
    fd: int = _epoll_create(size)
    if fd < 0:
        raise failure("epoll_create")
    return fd


def epoll_create1(flags: int) -> int:
    """Create an epoll instance.

    C: ``int epoll_create1(int flags)``. Delphi: Linuxapi.Epoll.epoll_create1

    :param flags: 0 or ``EPOLL_CLOEXEC``.
    :return: its descriptor.
    :raises OSError: EINVAL, EMFILE, ENFILE, ENOMEM.
    """
    fd: int = _epoll_create1(flags)
    if fd < 0:
        raise failure("epoll_create1")
    return fd


def epoll_ctl(epfd: int, op: int, fd: int, event: epoll_event | ctypes._Pointer[epoll_event] | None) -> None:
    """Add, change or remove what an epoll instance watches.

    C: ``int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)``. Delphi: Linuxapi.Epoll.epoll_ctl

    :param epfd: the epoll instance.
    :param op: ``EPOLL_CTL_ADD``, ``EPOLL_CTL_MOD`` or ``EPOLL_CTL_DEL``.
    :param fd: the descriptor to watch.
    :param event: events and data, copied by the kernel; ``None`` is enough for ``EPOLL_CTL_DEL``.
    :raises FileExistsError: added twice.
    :raises FileNotFoundError: changed or removed, but never added.
    :raises PermissionError: EPERM, a regular file or directory can't be watched.
    :raises OSError: EBADF, EINVAL, ENOSPC, ...
    """
    if _epoll_ctl(epfd, op, fd, event) < 0:
        raise failure("epoll_ctl")


def epoll_wait(epfd: int, events: EventBuffer, maxevents: int, timeout: int) -> int:
    """Wait for events.

    C: ``int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)``.
    Delphi: Linuxapi.Epoll.epoll_wait

    A signal doesn't end the wait: Python's handler runs, and unless it raises, the rest of the time is waited
    (PEP 475). With a time-out of 0 the GIL is kept.

    :param epfd: the epoll instance.
    :param events: where the kernel writes the events, usually ``(epoll_event * maxevents)()``.
    :param maxevents: how many fit.
    :param timeout: milliseconds; 0 doesn't wait, -1 waits without end.
    :return: how many events were written; 0 when the time is over.
    :raises ValueError: *events* is shorter than *maxevents*.
    :raises OSError: EBADF, EFAULT, EINVAL.
    """
    return _wait(_epoll_wait if timeout else _epoll_poll, epfd, events, maxevents, timeout)


def epoll_pwait(
    epfd: int,
    events: EventBuffer,
    maxevents: int,
    timeout: int,
    sigmask: sigset_t | ctypes._Pointer[sigset_t] | None,
) -> int:
    """Wait for events under another signal mask.

    C: ``int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout, const sigset_t *sigmask)``.
    Delphi: Linuxapi.Epoll.epoll_pwait

    As :func:`epoll_wait`; a signal that interrupts the wait doesn't end it.

    :param sigmask: the signals that this thread blocks while it waits; ``None`` leaves its mask alone.
    """
    global _epoll_pwait
    if _epoll_pwait is None:
        from .sigset import ptsigset

        _epoll_pwait = bind(libc_errno, "epoll_pwait", _c_int, [*_wait_types, ptsigset])
    return _wait(_epoll_pwait, epfd, events, maxevents, timeout, sigmask)


def _wait(function: Any, epfd: int, events: EventBuffer, maxevents: int, timeout: int, *more: Any) -> int:
    name: str = function.__name__
    if isinstance(events, ctypes.Array):
        if len(events) < maxevents:
            raise ValueError(f"{name}: maxevents is {maxevents}, but there is room for {len(events)} only")
    elif maxevents > 1 and isinstance(events, epoll_event):
        raise ValueError(f"{name}: maxevents is {maxevents}, but there is room for 1 only")
    if timeout > _INT_MAX:
        # ctypes would cut it to 32 bits, and so make it negative: endless.
        raise OverflowError(f"{name}: a timeout of {timeout} ms is more than a C int holds")
    deadline = monotonic() + timeout / 1000 if timeout > 0 else 0.0
    while True:
        count: int = function(epfd, events, maxevents, timeout, *more)
        if count >= 0:
            return count
        error = failure(name)
        if error.errno != errno.EINTR:
            raise error
        # Python has run its signal handlers by now: the interpreter does so after each call.
        if timeout > 0:
            remaining = deadline - monotonic()
            if remaining <= 0:
                return 0
            timeout = int(remaining * 1000) + 1


_NAMES = (
    (EPOLLIN, "EPOLLIN"),
    (EPOLLPRI, "EPOLLPRI"),
    (EPOLLOUT, "EPOLLOUT"),
    (EPOLLERR, "EPOLLERR"),
    (EPOLLHUP, "EPOLLHUP"),
    (EPOLLRDNORM, "EPOLLRDNORM"),
    (EPOLLRDBAND, "EPOLLRDBAND"),
    (EPOLLWRNORM, "EPOLLWRNORM"),
    (EPOLLWRBAND, "EPOLLWRBAND"),
    (EPOLLMSG, "EPOLLMSG"),
    (EPOLLRDHUP, "EPOLLRDHUP"),
    (EPOLLEXCLUSIVE, "EPOLLEXCLUSIVE"),
    (EPOLLWAKEUP, "EPOLLWAKEUP"),
    (EPOLLONESHOT, "EPOLLONESHOT"),
    (EPOLLET, "EPOLLET"),
)


def EventToString(event: epoll_event) -> str:
    """Return the names of the bits in ``event.events``, separated by spaces: ``"EPOLLIN EPOLLRDHUP"``.

    Delphi: Linuxapi.Epoll.EventToString
    """
    return " ".join([name for bit, name in _NAMES if event.events & bit])
