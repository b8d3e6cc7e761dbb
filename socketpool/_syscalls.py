"""The system calls of the hot paths, bound without ``argtypes``: half the cost of a checked call.

The caller answers for the arguments: descriptors and flags are plain ints, pointers are ``c_void_p`` objects or
``bytes``, sizes stay below 2**31. All return -1 on failure, with the reason in :data:`get_errno`: a copy taken
inside the call, since a signal handler or the garbage collector may run before the next line of Python does. What
can block releases the GIL, what cannot keeps it: giving it away costs more than the call when other threads are busy.
(The exception is :data:`send_shared`.)
"""

from __future__ import annotations

import ctypes
import struct
from ctypes import byref, c_int, sizeof
from functools import lru_cache

from linuxapi import epoll_event
from linuxapi._libc import libc_errno as libc
from linuxapi.binding import bind_untyped
from linuxapi.socketconst import (
    SO_ERROR,
    SO_RCVTIMEO,
    SO_SNDTIMEO,
    SOL_SOCKET,
)

#: Why the last call of this thread failed.
get_errno = ctypes.get_errno

#: ``send(fd, data, size, flags)``; always with MSG_DONTWAIT, so it cannot block.
send = bind_untyped(libc, "send")
#: The same, while other threads send and wait for answers, too. On loopback the kernel does the receiver's work in
#: here, and often lets it run: then those whose answers have come go on, and don't wait for a GIL whose owner sleeps.
send_shared = bind_untyped(libc, "send", hold_gil=False)
#: ``recv(fd, pointer, size, flags)`` with MSG_DONTWAIT.
recv = bind_untyped(libc, "recv")
#: ``recv`` on a descriptor in blocking mode.
recv_blocking = bind_untyped(libc, "recv", hold_gil=False)
#: ``poll(fds, count, milliseconds)``.
poll = bind_untyped(libc, "poll", hold_gil=False)
#: ``poll`` with a time limit of 0.
poll_now = bind_untyped(libc, "poll")
#: ``epoll_pwait(epfd, events, maxevents, milliseconds, NULL)``.
epoll_pwait = bind_untyped(libc, "epoll_pwait", hold_gil=False)
#: ``epoll_ctl(epfd, operation, fd, event)``.
epoll_ctl = bind_untyped(libc, "epoll_ctl")
#: ``setsockopt(fd, level, option, value, size)``.
setsockopt = bind_untyped(libc, "setsockopt")
#: ``close(fd)``: of a socket without SO_LINGER, which returns at once.
close = bind_untyped(libc, "close")

#: ``socket(family, type, protocol)``.
socket = bind_untyped(libc, "socket")
#: ``connect(fd, sockaddr, size)`` of a non-blocking socket.
connect = bind_untyped(libc, "connect")
#: ``fcntl(fd, command, value)``.
fcntl = bind_untyped(libc, "fcntl")
#: ``shutdown(fd, how)``.
shutdown = bind_untyped(libc, "shutdown")
_getsockopt = bind_untyped(libc, "getsockopt")
_ioctl = bind_untyped(libc, "ioctl")

#: The request of ``ioctl`` for how many bytes the peer has not acknowledged yet (man 7 tcp: SIOCOUTQ).
_SIOCOUTQ = 0x5411

_SIZE_OF_INT = sizeof(c_int)


def socket_error(fd: int) -> int:
    """Return and clear the pending error of a socket, an ``errno`` value or 0."""
    value = c_int()
    size = c_int(_SIZE_OF_INT)
    if _getsockopt(fd, SOL_SOCKET, SO_ERROR, byref(value), byref(size)) < 0:
        return get_errno()
    return value.value


def unacknowledged(fd: int) -> int:
    """Return how many bytes that were sent the peer's system has not acknowledged yet."""
    size = c_int()
    return size.value if _ioctl(fd, _SIOCOUTQ, byref(size)) == 0 else 0


def set_receive_timeout(fd: int, seconds: float) -> None:
    """Bound how long a blocking ``recv`` waits; 0 means without limit."""
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, _timeval(seconds), _TIMEVAL.size)


@lru_cache(16)
def _timeval(seconds: float) -> bytes:
    """Return a ``struct timeval``; most connections have the same."""
    whole = int(seconds)
    return _TIMEVAL.pack(whole, int((seconds - whole) * 1e6))


def set_send_timeout(fd: int, seconds: float) -> None:
    """Bound how long a blocking ``send`` waits."""
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, _TIMEVAL.pack(0, int(seconds * 1e6)), _TIMEVAL.size)


_TIMEVAL = struct.Struct("@ll")

#: One ``struct epoll_event`` as (events, data.u64), laid out as the binding declares it: packed on x86-64 only.
EPOLL_EVENT = struct.Struct("=IQ" if sizeof(epoll_event) == 12 else "=I4xQ")
