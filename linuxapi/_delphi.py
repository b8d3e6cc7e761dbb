"""Where the names of this package come from. Delphi: units Linuxapi.Epoll and Linuxapi.Timerfd."""

from __future__ import annotations

from ._mapping import Ported

PORTED: tuple[Ported, ...] = (
    Ported("Linuxapi.Epoll.EPOLLIN", "const", "linuxapi.EPOLLIN"),
    Ported("Linuxapi.Epoll.EPOLLPRI", "const", "linuxapi.EPOLLPRI"),
    Ported("Linuxapi.Epoll.EPOLLOUT", "const", "linuxapi.EPOLLOUT"),
    Ported("Linuxapi.Epoll.EPOLLERR", "const", "linuxapi.EPOLLERR"),
    Ported("Linuxapi.Epoll.EPOLLHUP", "const", "linuxapi.EPOLLHUP"),
    Ported("Linuxapi.Epoll.EPOLLRDNORM", "const", "linuxapi.EPOLLRDNORM"),
    Ported("Linuxapi.Epoll.EPOLLRDBAND", "const", "linuxapi.EPOLLRDBAND"),
    Ported("Linuxapi.Epoll.EPOLLWRNORM", "const", "linuxapi.EPOLLWRNORM"),
    Ported("Linuxapi.Epoll.EPOLLWRBAND", "const", "linuxapi.EPOLLWRBAND"),
    Ported("Linuxapi.Epoll.EPOLLMSG", "const", "linuxapi.EPOLLMSG"),
    Ported("Linuxapi.Epoll.EPOLLRDHUP", "const", "linuxapi.EPOLLRDHUP"),
    Ported("Linuxapi.Epoll.EPOLLWAKEUP", "const", "linuxapi.EPOLLWAKEUP"),
    Ported("Linuxapi.Epoll.EPOLLONESHOT", "const", "linuxapi.EPOLLONESHOT"),
    Ported("Linuxapi.Epoll.EPOLLET", "const", "linuxapi.EPOLLET"),
    Ported("Linuxapi.Epoll.EPOLL_CTL_ADD", "const", "linuxapi.EPOLL_CTL_ADD"),
    Ported("Linuxapi.Epoll.EPOLL_CTL_DEL", "const", "linuxapi.EPOLL_CTL_DEL"),
    Ported("Linuxapi.Epoll.EPOLL_CTL_MOD", "const", "linuxapi.EPOLL_CTL_MOD"),
    Ported("Linuxapi.Epoll.epoll_data", "record", "linuxapi.epoll_data"),
    Ported("Linuxapi.Epoll.epoll_data.ptr", "field", "linuxapi.epoll_data.ptr"),
    Ported("Linuxapi.Epoll.epoll_data.fd", "field", "linuxapi.epoll_data.fd"),
    Ported("Linuxapi.Epoll.epoll_data.u32", "field", "linuxapi.epoll_data.u32"),
    Ported("Linuxapi.Epoll.epoll_data.u64", "field", "linuxapi.epoll_data.u64"),
    Ported("Linuxapi.Epoll.epoll_event", "record", "linuxapi.epoll_event"),
    Ported("Linuxapi.Epoll.epoll_event.events", "field", "linuxapi.epoll_event.events"),
    Ported("Linuxapi.Epoll.epoll_event.data", "field", "linuxapi.epoll_event.data"),
    Ported("Linuxapi.Epoll.pepoll_event", "type", "linuxapi.pepoll_event"),
    Ported("Linuxapi.Epoll.ptsigset", "type", "linuxapi.ptsigset"),
    Ported("Linuxapi.Epoll.epoll_create", "function", "linuxapi.epoll_create"),
    Ported("Linuxapi.Epoll.epoll_create1", "function", "linuxapi.epoll_create1"),
    Ported("Linuxapi.Epoll.epoll_ctl", "function", "linuxapi.epoll_ctl"),
    Ported("Linuxapi.Epoll.epoll_wait", "function", "linuxapi.epoll_wait"),
    Ported("Linuxapi.Epoll.epoll_pwait", "function", "linuxapi.epoll_pwait"),
    Ported("Linuxapi.Epoll.EventToString", "function", "linuxapi.EventToString"),
    Ported("Linuxapi.Timerfd.TFD_NONBLOCK", "const", "linuxapi.TFD_NONBLOCK"),
    Ported("Linuxapi.Timerfd.timerfd_create", "function", "linuxapi.timerfd_create"),
    Ported("Linuxapi.Timerfd.timerfd_settime", "function", "linuxapi.timerfd_settime"),
    Ported("Linuxapi.Timerfd.timerfd_gettime", "function", "linuxapi.timerfd_gettime"),
)


def _new(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


#: Names without an origin in the ported units, and why they exist.
NEW: dict[str, str] = {
    **_new(
        "flags that the Delphi unit leaves out",
        "EPOLL_CLOEXEC EPOLLEXCLUSIVE TFD_CLOEXEC TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET",
    ),
    **_new(
        "Delphi's own unit Posix.Time has them",
        "CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM timespec itimerspec",
    ),
    **_new(
        "Delphi's own unit Posix.Signal has them; what epoll_pwait's sigmask is made with",
        "sigset_t sigemptyset sigfillset sigaddset sigdelset sigismember",
    ),
    **_new(
        "wakes a waiting thread, where the original looks at a flag every few milliseconds",
        "eventfd eventfd_t eventfd_read eventfd_write EFD_NONBLOCK EFD_CLOEXEC EFD_SEMAPHORE",
    ),
    **_new(
        "Delphi's own units Posix.SysSocket, Posix.SysUn, Posix.SysTime have them",
        """
        socket connect send recv shutdown getsockopt setsockopt getsockname getpeername
        sockaddr sockaddr_un sockaddr_storage socklen_t linger timeval
        AF_UNSPEC AF_UNIX AF_INET AF_INET6 SOCK_STREAM SOCK_DGRAM SOCK_NONBLOCK SOCK_CLOEXEC
        SOL_SOCKET SO_REUSEADDR SO_TYPE SO_ERROR SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_KEEPALIVE SO_LINGER SO_REUSEPORT
        SO_RCVLOWAT SO_SNDLOWAT SO_RCVTIMEO SO_SNDTIMEO SO_ACCEPTCONN SO_PROTOCOL SO_DOMAIN SO_BUSY_POLL
        SO_INCOMING_CPU SO_ZEROCOPY
        MSG_OOB MSG_PEEK MSG_TRUNC MSG_DONTWAIT MSG_WAITALL MSG_ERRQUEUE MSG_NOSIGNAL MSG_MORE MSG_ZEROCOPY
        SHUT_RD SHUT_WR SHUT_RDWR
        """,
    ),
    **_new(
        "Delphi's own units Posix.NetinetIn, Posix.NetinetTCP, Posix.ArpaInet have them",
        """
        in_addr in6_addr sockaddr_in sockaddr_in6 inet_pton inet_ntop INET_ADDRSTRLEN INET6_ADDRSTRLEN
        IPPROTO_IP IPPROTO_TCP IPPROTO_UDP IPPROTO_IPV6 IPV6_V6ONLY
        TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_QUICKACK TCP_CONGESTION
        TCP_USER_TIMEOUT TCP_NOTSENT_LOWAT TCP_FASTOPEN_CONNECT
        """,
    ),
    **_new(
        "Delphi's own units Posix.Fcntl, Posix.Unistd, Posix.Poll have them",
        """
        fcntl close poll pollfd F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC FD_CLOEXEC O_NONBLOCK O_CLOEXEC
        POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDHUP
        """,
    ),
    **_new(
        "loads C libraries and binds their functions, where Delphi writes `external libc name` and `GetProc`",
        "Library MissingFunction MissingSymbolError bind bind_untyped load_library mapped_file",
    ),
}
