"""What happens while this process waits: real signals, and other threads."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from linuxapi import MSG_DONTWAIT, send

#: A wait that starts over after each signal would never end: after so many signals the handler says so.
TOO_MANY = 500


@contextlib.contextmanager
def alarms(handler: Callable[[int], None], interval: float = 0.005) -> Iterator[list[int]]:
    """Send SIGALRM every *interval* seconds; *handler* gets the number of the signal, counted from 1.

    The timer and the handler from before (a test's own time limit) are put back.
    """
    count = [0]

    def on_alarm(signum: int, frame: object) -> None:
        count[0] += 1
        if count[0] > TOO_MANY:
            raise AssertionError("the wait starts over after each signal")
        handler(count[0])

    before = signal.signal(signal.SIGALRM, on_alarm)
    timer = signal.setitimer(signal.ITIMER_REAL, interval, interval)
    try:
        yield count
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def nothing(number: int) -> None:
    """A handler that lets the wait go on."""


@contextlib.contextmanager
def once_the_gil_is_free(action: Callable[[], object]) -> Iterator[None]:
    """Have another thread do *action* as soon as this one, in the body, waits without the GIL.

    If the body waits with the GIL, it waits in vain; then, after a few seconds of alarms, an exception ends it.
    """
    ours, theirs = socket.socketpair()

    def act() -> None:
        theirs.recv(1)
        action()

    thread = threading.Thread(target=act)
    interval = sys.getswitchinterval()
    with ours, theirs:
        thread.start()
        try:
            # From here on, the other thread runs only when this one lets it; and sending so doesn't.
            sys.setswitchinterval(1000)
            send(ours.fileno(), b"x", 1, MSG_DONTWAIT)
            with alarms(nothing):
                yield
        finally:
            sys.setswitchinterval(interval)
            thread.join()
