"""The constants of the socket calls, and ``struct pollfd``: what a program needs that makes these calls in its own way.

The constants are those of Linux' common ABI: x86, ARM, RISC-V, s390, LoongArch. The calls are in
:mod:`linuxapi.syssocket`, with all the other structs.

Delphi: Posix.SysSocket, Posix.NetinetIn, Posix.Poll
"""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False

AF_UNSPEC = 0
AF_UNIX = 1
AF_INET = 2
AF_INET6 = 10

SOCK_STREAM = 1
SOCK_DGRAM = 2
SOCK_NONBLOCK = 0o4000
SOCK_CLOEXEC = 0o2000000

IPPROTO_IP = 0
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_IPV6 = 41

SOL_SOCKET = 1
SO_REUSEADDR = 2
SO_TYPE = 3
SO_ERROR = 4
SO_BROADCAST = 6
SO_SNDBUF = 7
SO_RCVBUF = 8
SO_KEEPALIVE = 9
SO_LINGER = 13
SO_REUSEPORT = 15
SO_RCVLOWAT = 18
SO_SNDLOWAT = 19
SO_RCVTIMEO = 20
SO_SNDTIMEO = 21
SO_ACCEPTCONN = 30
SO_PROTOCOL = 38
SO_DOMAIN = 39
SO_BUSY_POLL = 46
SO_INCOMING_CPU = 49
SO_ZEROCOPY = 60

TCP_NODELAY = 1
TCP_MAXSEG = 2
TCP_CORK = 3
TCP_KEEPIDLE = 4
TCP_KEEPINTVL = 5
TCP_KEEPCNT = 6
TCP_SYNCNT = 7
TCP_QUICKACK = 12
TCP_CONGESTION = 13
TCP_USER_TIMEOUT = 18
TCP_FASTOPEN_CONNECT = 30
TCP_NOTSENT_LOWAT = 25

IPV6_V6ONLY = 26

MSG_OOB = 0x01
MSG_PEEK = 0x02
MSG_TRUNC = 0x20
MSG_DONTWAIT = 0x40
MSG_WAITALL = 0x100
MSG_ERRQUEUE = 0x2000
MSG_NOSIGNAL = 0x4000
MSG_MORE = 0x8000
MSG_ZEROCOPY = 0x4000000

SHUT_RD = 0
SHUT_WR = 1
SHUT_RDWR = 2

POLLIN = 0x001
POLLPRI = 0x002
POLLOUT = 0x004
POLLERR = 0x008
POLLHUP = 0x010
POLLNVAL = 0x020
POLLRDHUP = 0x2000

F_DUPFD = 0
F_GETFD = 1
F_SETFD = 2
F_GETFL = 3
F_SETFL = 4
F_DUPFD_CLOEXEC = 1030
FD_CLOEXEC = 1
O_NONBLOCK = 0o4000
O_CLOEXEC = 0o2000000

INET_ADDRSTRLEN = 16
INET6_ADDRSTRLEN = 46


class pollfd(ctypes.Structure):
    """One descriptor for :func:`linuxapi.poll`. C: ``struct pollfd``. Delphi: Posix.Poll.pollfd"""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))
    if TYPE_CHECKING:
        fd: int
        events: int
        revents: int
