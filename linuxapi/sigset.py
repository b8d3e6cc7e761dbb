"""Signal sets: what ``epoll_pwait`` needs of ``signal.h`` (Delphi: unit Posix.Signal).

The functions change a set in memory only; they never touch the process' own mask.
"""

from __future__ import annotations

import ctypes

from ._libc import failure, libc_errno
from .binding import bind

#: Signals that a set has room for, in glibc and in musl (more than the kernel knows).
_SIGSET_BITS = 1024


class sigset_t(ctypes.Structure):
    """C: ``sigset_t``, a set of signal numbers. All zero is the empty set. Delphi: Posix.Signal.sigset_t."""

    _fields_ = (("__val", ctypes.c_ulong * (_SIGSET_BITS // (8 * ctypes.sizeof(ctypes.c_ulong)))),)


#: C: ``sigset_t *``. Delphi: Linuxapi.Epoll.ptsigset
ptsigset = ctypes.POINTER(sigset_t)

_sigemptyset = bind(libc_errno, "sigemptyset", ctypes.c_int, [ptsigset], hold_gil=True)
_sigfillset = bind(libc_errno, "sigfillset", ctypes.c_int, [ptsigset], hold_gil=True)
_sigaddset = bind(libc_errno, "sigaddset", ctypes.c_int, [ptsigset, ctypes.c_int], hold_gil=True)
_sigdelset = bind(libc_errno, "sigdelset", ctypes.c_int, [ptsigset, ctypes.c_int], hold_gil=True)
_sigismember = bind(libc_errno, "sigismember", ctypes.c_int, [ptsigset, ctypes.c_int], hold_gil=True)


def sigemptyset(set: sigset_t) -> None:
    """Take every signal out of *set*.

    C: ``int sigemptyset(sigset_t *set)``. Delphi: Posix.Signal.sigemptyset
    """
    if _sigemptyset(set) < 0:
        raise failure("sigemptyset")


def sigfillset(set: sigset_t) -> None:
    """Put every signal into *set*.

    C: ``int sigfillset(sigset_t *set)``. Delphi: Posix.Signal.sigfillset
    """
    if _sigfillset(set) < 0:
        raise failure("sigfillset")


def sigaddset(set: sigset_t, signum: int) -> None:
    """Put the signal *signum* into *set*.

    C: ``int sigaddset(sigset_t *set, int signum)``. Delphi: Posix.Signal.sigaddset

    :raises OSError: EINVAL, there is no such signal.
    """
    if _sigaddset(set, signum) < 0:
        raise failure("sigaddset")


def sigdelset(set: sigset_t, signum: int) -> None:
    """Take the signal *signum* out of *set*.

    C: ``int sigdelset(sigset_t *set, int signum)``. Delphi: Posix.Signal.sigdelset

    :raises OSError: EINVAL, there is no such signal.
    """
    if _sigdelset(set, signum) < 0:
        raise failure("sigdelset")


def sigismember(set: sigset_t, signum: int) -> bool:
    """Say whether the signal *signum* is in *set*.

    C: ``int sigismember(const sigset_t *set, int signum)``. Delphi: Posix.Signal.sigismember

    :raises OSError: EINVAL, there is no such signal.
    """
    result = _sigismember(set, signum)
    if result < 0:
        raise failure("sigismember")
    return bool(result)
