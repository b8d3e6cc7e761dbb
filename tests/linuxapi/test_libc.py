"""How the result -1 becomes an exception."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import threading

import pytest

from linuxapi._libc import failure, get_errno, libc, libc_errno
from linuxapi.binding import bind, bind_untyped


def fail_elsewhere() -> None:
    with contextlib.suppress(FileNotFoundError):
        os.stat("/no/such/file")


@pytest.mark.parametrize("hold_gil", [False, True])
def test_the_kept_errno_survives_other_failures(hold_gil: bool) -> None:
    close = bind(libc_errno, "close", ctypes.c_int, [ctypes.c_int], hold_gil=hold_gil)
    assert close(-1) == -1
    # As a signal handler or a finaliser might, between the call and the question.
    fail_elsewhere()
    assert failure("close").errno == errno.EBADF


def test_errno_read_in_place() -> None:
    close = bind_untyped(libc, "close")
    assert close(-1) == -1
    assert get_errno() == errno.EBADF


def test_each_thread_has_its_own() -> None:
    close = bind(libc_errno, "close", ctypes.c_int, [ctypes.c_int])
    close(-1)
    thread = threading.Thread(target=lambda: bind(libc_errno, "chdir", ctypes.c_int, [ctypes.c_char_p])(b"/no/such"))
    thread.start()
    thread.join()
    assert failure("close").errno == errno.EBADF


def test_the_exception_has_the_class_and_says_which_function() -> None:
    ctypes.set_errno(errno.EAGAIN)
    error = failure("some_call")
    assert type(error) is BlockingIOError
    assert str(error) == f"[Errno {errno.EAGAIN}] some_call: {os.strerror(errno.EAGAIN)}"


def test_it_says_its_version() -> None:
    assert libc.version() == libc_errno.version()
    # glibc gives one; musl has no way to ask.
    assert libc.version() == "unknown" or libc.version().startswith("glibc 2.")
    assert repr(libc).startswith("<Library /")
