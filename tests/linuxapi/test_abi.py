"""The declarations of linuxapi against the system's C headers; and that the helper for this finds what is wrong."""

from __future__ import annotations

import ctypes
import importlib

import pytest

import linuxapi
from tests.abi import AbiProgramError, abi_differences, constants_of, fields_of

# By name, because the function linuxapi.eventfd hides the module.
epoll, eventfd, sigset, socketconst, syssocket, timerfd = (
    importlib.import_module(f"linuxapi.{name}")
    for name in ("epoll", "eventfd", "sigset", "socketconst", "syssocket", "timerfd")
)

SOCKET_HEADERS = [
    "sys/socket.h",
    "sys/time.h",
    "sys/un.h",
    "netinet/in.h",
    "netinet/tcp.h",
    "arpa/inet.h",
    "poll.h",
    "fcntl.h",
    "unistd.h",
]


def test_epoll() -> None:
    with pytest.raises(OSError, match="epoll_pwait"):  # bound when it is first called
        epoll.epoll_pwait(-1, epoll.epoll_event(), 1, 0, None)
    assert (
        abi_differences(
            headers=["sys/epoll.h"],
            structs={
                "struct epoll_event": (
                    epoll.epoll_event,
                    fields_of(epoll.epoll_event) | {f"data.{name}": f"data.{name}" for name in ("ptr", "fd", "u64")},
                ),
                "epoll_data_t": epoll.epoll_data,
            },
            types={"struct epoll_event *": epoll.pepoll_event, "sigset_t *": sigset.ptsigset},
            constants=constants_of(epoll, "EPOLL"),
            prototypes={
                "epoll_create": "int (int)",
                "epoll_create1": "int (int)",
                "epoll_ctl": "int (int, int, int, struct epoll_event *)",
                "epoll_wait": "int (int, struct epoll_event *, int, int)",
                "epoll_pwait": "int (int, struct epoll_event *, int, int, const sigset_t *)",
            },
        )
        == []
    )


def test_sigset() -> None:
    assert (
        abi_differences(
            headers=["signal.h"],
            types={"sigset_t": sigset.sigset_t},
            prototypes={
                "sigemptyset": "int (sigset_t *)",
                "sigfillset": "int (sigset_t *)",
                "sigaddset": "int (sigset_t *, int)",
                "sigdelset": "int (sigset_t *, int)",
                "sigismember": "int (const sigset_t *, int)",
            },
        )
        == []
    )


def test_timerfd() -> None:
    assert (
        abi_differences(
            headers=["sys/timerfd.h", "time.h"],
            structs={
                "struct timespec": timerfd.timespec,
                "struct itimerspec": (
                    timerfd.itimerspec,
                    fields_of(timerfd.itimerspec) | {"it_value.tv_nsec": "it_value.tv_nsec"},
                ),
            },
            constants=constants_of(timerfd, "CLOCK_", "TFD_"),
            prototypes={
                "timerfd_create": "int (int, int)",
                "timerfd_settime": "int (int, int, const struct itimerspec *, struct itimerspec *)",
                "timerfd_gettime": "int (int, struct itimerspec *)",
            },
        )
        == []
    )


def test_eventfd() -> None:
    assert (
        abi_differences(
            headers=["sys/eventfd.h"],
            types={"eventfd_t": eventfd.eventfd_t},
            constants=constants_of(eventfd, "EFD_"),
            prototypes={
                "eventfd": "int (unsigned int, int)",
                "eventfd_read": "int (int, eventfd_t *)",
                "eventfd_write": "int (int, eventfd_t)",
            },
        )
        == []
    )


def test_sockets() -> None:
    prefixes = (
        *("AF_", "SOCK_", "IPPROTO_", "SOL_", "SO_", "TCP_", "IPV6_", "MSG_", "SHUT_", "POLL"),
        *("F_", "FD_", "O_", "INET_", "INET6_"),
    )
    constants = constants_of(socketconst, *prefixes)
    # No constant escapes for lack of a prefix.
    assert set(constants) == {
        name
        for name, value in vars(socketconst).items()
        if isinstance(value, int) and not name.startswith(("_", "TYPE"))
    }
    assert (
        abi_differences(
            headers=SOCKET_HEADERS,
            structs={
                "struct in_addr": syssocket.in_addr,
                "struct in6_addr": syssocket.in6_addr,
                "struct sockaddr": syssocket.sockaddr,
                "struct sockaddr_in": (
                    syssocket.sockaddr_in,
                    fields_of(syssocket.sockaddr_in) | {"sin_addr.s_addr": "sin_addr.s_addr"},
                ),
                "struct sockaddr_in6": syssocket.sockaddr_in6,
                "struct sockaddr_un": syssocket.sockaddr_un,
                "struct sockaddr_storage": syssocket.sockaddr_storage,
                "struct linger": syssocket.linger,
                "struct timeval": syssocket.timeval,
                "struct pollfd": socketconst.pollfd,
            },
            types={
                "socklen_t": syssocket.socklen_t,
                "nfds_t": ctypes.c_ulong,
                "ssize_t": ctypes.c_ssize_t,
                "size_t": ctypes.c_size_t,
            },
            constants=constants,
            prototypes={
                "socket": "int (int, int, int)",
                "send": "ssize_t (int, const void *, size_t, int)",
                "recv": "ssize_t (int, void *, size_t, int)",
                "shutdown": "int (int, int)",
                "close": "int (int)",
                "getsockopt": "int (int, int, int, void *, socklen_t *)",
                "setsockopt": "int (int, int, int, const void *, socklen_t)",
                "fcntl": "int (int, int, ...)",
                "poll": "int (struct pollfd *, nfds_t, int)",
                "inet_pton": "int (int, const char *, void *)",
                "inet_ntop": "const char *(int, const void *, char *, socklen_t)",
            },
        )
        == []
    )


def test_alignment_of_an_ipv6_address_inside_its_socket_address() -> None:
    assert syssocket.sockaddr_in6.sin6_addr.offset == 8
    assert ctypes.sizeof(linuxapi.sockaddr_in6) == 28


class Right(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class WrongOrder(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("revents", ctypes.c_short), ("events", ctypes.c_short))


class Unsigned(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_uint), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class TooLong(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_long), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class Longer(ctypes.Structure):
    _fields_ = (*Right._fields_, ("more", ctypes.c_int))


@pytest.mark.parametrize(
    ("struct", "found"),
    [
        (Right, []),
        (WrongOrder, ["offset of struct pollfd.revents", "offset of struct pollfd.events"]),
        (Unsigned, ["struct pollfd.fd is signed"]),
        (
            TooLong,
            [
                "sizeof(struct pollfd)",
                "size of struct pollfd.fd",
                "offset of struct pollfd.events",
                "offset of struct pollfd.revents",
            ],
        ),
        ((Longer, fields_of(Right)), ["sizeof(struct pollfd)"]),
        ((Right, {"fd": "events"}), ["offset of struct pollfd.events", "size of struct pollfd.events"]),
    ],
)
def test_helper_finds_wrong_structs(struct: type[ctypes.Structure], found: list[str]) -> None:
    differences = abi_differences(headers=["poll.h"], structs={"struct pollfd": struct})
    assert [line.split(":")[0] for line in differences] == found


def test_helper_finds_wrong_constants_types_and_prototypes() -> None:
    differences = abi_differences(
        headers=["limits.h", "stdint.h", "unistd.h"],
        constants={
            "INT_MIN": -(2**31),
            "UINT_MAX": -1,
            '"text"': "text",
            '"other"': b"text",
            "-1LL": -1,
            "~0ULL": 2**64,
        },
        optional={"NO_SUCH_MACRO": 1, "INT_MAX": 5},
        types={"int8_t": ctypes.c_byte, "uint8_t": ctypes.c_int8, "int16_t": ctypes.c_int, "void *": ctypes.c_void_p},
        prototypes={"close": "int (int)", "dup": "long (int)"},
    )
    assert differences == [
        "uint8_t is signed: 0 in C, 1 in Python",
        "sizeof(int16_t): 2 in C, 4 in Python",
        "UINT_MAX: 4294967295 in C, -1 in Python",
        "\"other\": b'other' in C, b'text' in Python",
        "~0ULL: 18446744073709551615 in C, 18446744073709551616 in Python",
        "INT_MAX: 2147483647 in C, 5 in Python",
        "dup is compatible with long (int): 0 in C, 1 in Python",
    ]


def test_helper_says_what_the_compiler_says() -> None:
    with pytest.raises(AbiProgramError, match="NO_SUCH_NAME"):
        abi_differences(headers=["limits.h"], constants={"NO_SUCH_NAME": 1})
    with pytest.raises(AbiProgramError, match=r"no/such/header\.h"):
        abi_differences(headers=["no/such/header.h"])
