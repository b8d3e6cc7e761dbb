"""The C library, loaded once, and how its ``-1`` results become :class:`OSError`.

``errno`` is fragile: between a C call and the next line of Python, a signal handler or the garbage collector may run
and make system calls of its own. Therefore :data:`libc_errno` has ctypes keep a copy, taken inside the call. What
must be as fast as possible uses :data:`libc` and :func:`get_errno`, and takes care that a surprising ``errno`` does
no harm (for instance by asking the descriptor again).
"""

from __future__ import annotations

import ctypes
import os

from .binding import Library, bind

#: The C library that this Python itself runs on: glibc or musl, already in the process.
libc = Library(ctypes.CDLL(None), "libc.so.6", "libc6", "LINUXAPI_LIBC")

#: The same library; its functions keep ``errno`` for :func:`failure` and ``ctypes.get_errno``.
libc_errno = Library(ctypes.CDLL(None, use_errno=True), "libc.so.6", "libc6", "LINUXAPI_LIBC")
libc_errno.pydll = ctypes.PyDLL("libc.so.6", handle=libc_errno.cdll._handle, use_errno=True)

__errno_location = bind(libc, "__errno_location", ctypes.POINTER(ctypes.c_int), [], hold_gil=True)


def get_errno() -> int:
    """Return C's ``errno`` of the calling thread, after a call to a function bound from :data:`libc`.

    Valid right after the call, in the same thread, before anything else calls into C; see the module's text for what
    that is worth. Not valid after a function bound from :data:`libc_errno`.
    """
    return __errno_location()[0]  # type: ignore[no-any-return]


def failure(function: str) -> OSError:
    """Return the exception for a function of :data:`libc_errno` that has just answered ``-1``.

    :param function: its C name, for the message.
    :return: an :class:`OSError`, or the subclass that Python has for this ``errno`` (``BlockingIOError``, ...).
    """
    code = ctypes.get_errno()
    return OSError(code, f"{function}: {os.strerror(code)}")


def libc_version() -> str:
    """Return the version of the C library, as it calls itself."""
    # musl has no such function, and no other way to ask.
    ask = bind(libc, "gnu_get_libc_version", ctypes.c_char_p, [], hold_gil=True)
    return f"glibc {ask().decode()}" if ask else "unknown"


libc.version = libc_errno.version = libc_version
