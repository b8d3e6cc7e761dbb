"""The public names that most programs don't use: their modules are imported when they are first asked for."""

from __future__ import annotations

#: The module of each.
LATER = {
    "CLOCK_BOOTTIME": "timerfd",
    "CLOCK_BOOTTIME_ALARM": "timerfd",
    "CLOCK_MONOTONIC": "timerfd",
    "CLOCK_REALTIME": "timerfd",
    "CLOCK_REALTIME_ALARM": "timerfd",
    "TFD_CLOEXEC": "timerfd",
    "TFD_NONBLOCK": "timerfd",
    "TFD_TIMER_ABSTIME": "timerfd",
    "TFD_TIMER_CANCEL_ON_SET": "timerfd",
    "itimerspec": "timerfd",
    "ptsigset": "sigset",
    "sigaddset": "sigset",
    "sigdelset": "sigset",
    "sigemptyset": "sigset",
    "sigfillset": "sigset",
    "sigismember": "sigset",
    "sigset_t": "sigset",
    "timerfd_create": "timerfd",
    "timerfd_gettime": "timerfd",
    "timerfd_settime": "timerfd",
    "timespec": "timerfd",
}


def load(name: str) -> object:
    """Import the module of a name, and return what it stands for.

    :raises AttributeError: the package has no such name.
    """
    if name not in LATER:
        raise AttributeError(f"module {__package__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{LATER[name]}", __package__), name)
