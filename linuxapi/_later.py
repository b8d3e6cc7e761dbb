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
    "close": "syssocket",
    "connect": "syssocket",
    "fcntl": "syssocket",
    "getpeername": "syssocket",
    "getsockname": "syssocket",
    "getsockopt": "syssocket",
    "in6_addr": "syssocket",
    "in_addr": "syssocket",
    "inet_ntop": "syssocket",
    "inet_pton": "syssocket",
    "itimerspec": "timerfd",
    "linger": "syssocket",
    "poll": "syssocket",
    "ptsigset": "sigset",
    "recv": "syssocket",
    "send": "syssocket",
    "setsockopt": "syssocket",
    "shutdown": "syssocket",
    "sigaddset": "sigset",
    "sigdelset": "sigset",
    "sigemptyset": "sigset",
    "sigfillset": "sigset",
    "sigismember": "sigset",
    "sigset_t": "sigset",
    "sockaddr": "syssocket",
    "sockaddr_in": "syssocket",
    "sockaddr_in6": "syssocket",
    "sockaddr_storage": "syssocket",
    "sockaddr_un": "syssocket",
    "socket": "syssocket",
    "socklen_t": "syssocket",
    "timerfd_create": "timerfd",
    "timerfd_gettime": "timerfd",
    "timerfd_settime": "timerfd",
    "timespec": "timerfd",
    "timeval": "syssocket",
}


def load(name: str) -> object:
    """Import the module of a name, and return what it stands for.

    :raises AttributeError: the package has no such name.
    """
    if name not in LATER:
        raise AttributeError(f"module {__package__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{LATER[name]}", __package__), name)
