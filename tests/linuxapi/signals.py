"""Real signals, sent to this process while it waits."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

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
