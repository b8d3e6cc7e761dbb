"""The socket calls that a client needs (C: ``sys/socket.h``; Delphi: Posix.SysSocket, Posix.NetinetIn, Posix.Poll).

Names, parameters and their order are C's. Where C answers ``-1``, these functions raise :class:`OSError`, or the
subclass for that ``errno``: :class:`BlockingIOError` for EAGAIN and EINPROGRESS, :class:`ConnectionRefusedError`, ...
A signal doesn't end a call: Python's handler runs, and unless it raises, the call goes on (PEP 475).

A buffer may be ``bytes``, a ctypes object (array, pointer, ``byref``) or an address; ctypes can't check that it is as
long as said. Calls that may wait release the GIL; those that can't, or are told not to by ``MSG_DONTWAIT``, keep it.

Their constants are in :mod:`linuxapi.socketconst`.
"""

from __future__ import annotations

import ctypes
import errno
from time import monotonic

from ._libc import failure, libc_errno
from .binding import bind
from .socketconst import AF_INET6, INET6_ADDRSTRLEN, MSG_DONTWAIT, pollfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    #: Anything that ctypes passes as ``void *``.
    Buffer: TypeAlias = "bytes | int | ctypes.Array[Any] | ctypes._Pointer[Any] | ctypes.c_void_p | ctypes._CArgObject"
    #: Any of the address structs.
    Address: TypeAlias = "sockaddr | sockaddr_in | sockaddr_in6 | sockaddr_un | sockaddr_storage"

_INT_MAX = 0x7FFFFFFF
_c_int = ctypes.c_int

#: C: ``socklen_t``. Delphi: Posix.SysSocket.socklen_t
socklen_t = ctypes.c_uint
# Network byte order lives in the field's type, so that nobody has to call htons.
_be16: Any = ctypes.c_uint16.__ctype_be__
_be32: Any = ctypes.c_uint32.__ctype_be__


class in_addr(ctypes.Structure):
    """An IPv4 address; ``s_addr`` reads and writes as a plain number: 127.0.0.1 is ``0x7F000001``.

    C: ``struct in_addr``. Delphi: Posix.NetinetIn.in_addr
    """

    _fields_ = (("s_addr", _be32),)
    if TYPE_CHECKING:
        s_addr: int


class in6_addr(ctypes.Structure):
    """An IPv6 address, 16 bytes. C: ``struct in6_addr``. Delphi: Posix.NetinetIn.in6_addr"""

    # The union with 32-bit words in C's declaration shows only in the alignment.
    _fields_ = (("s6_addr", ctypes.c_uint8 * 16),)
    _align_ = 4  # from Python 3.13; before that, sockaddr_in6 gets the same layout from its other fields
    if TYPE_CHECKING:
        s6_addr: ctypes.Array[ctypes.c_uint8]


class sockaddr(ctypes.Structure):
    """The start of every socket address. C: ``struct sockaddr``. Delphi: Posix.SysSocket.sockaddr"""

    _fields_ = (("sa_family", ctypes.c_ushort), ("sa_data", ctypes.c_uint8 * 14))
    if TYPE_CHECKING:
        sa_family: int
        sa_data: ctypes.Array[ctypes.c_uint8]


class sockaddr_in(ctypes.Structure):
    """An IPv4 address and port; ``sin_port`` reads and writes as a plain number.

    C: ``struct sockaddr_in``. Delphi: Posix.NetinetIn.sockaddr_in
    """

    _fields_ = (
        ("sin_family", ctypes.c_ushort),
        ("sin_port", _be16),
        ("sin_addr", in_addr),
        ("sin_zero", ctypes.c_uint8 * 8),
    )
    if TYPE_CHECKING:
        sin_family: int
        sin_port: int
        sin_addr: in_addr


class sockaddr_in6(ctypes.Structure):
    """An IPv6 address and port; ``sin6_port`` reads and writes as a plain number.

    C: ``struct sockaddr_in6``. Delphi: Posix.NetinetIn.sockaddr_in6
    """

    _fields_ = (
        ("sin6_family", ctypes.c_ushort),
        ("sin6_port", _be16),
        ("sin6_flowinfo", _be32),
        ("sin6_addr", in6_addr),
        ("sin6_scope_id", ctypes.c_uint32),
    )
    if TYPE_CHECKING:
        sin6_family: int
        sin6_port: int
        sin6_flowinfo: int
        sin6_addr: in6_addr
        sin6_scope_id: int


class sockaddr_un(ctypes.Structure):
    """The address of a Unix socket: a path, or a name that starts with NUL (man 7 unix).

    C: ``struct sockaddr_un``. Delphi: Posix.SysUn.sockaddr_un
    """

    # Not c_char: ctypes would stop at the NUL that such names start with.
    _fields_ = (("sun_family", ctypes.c_ushort), ("sun_path", ctypes.c_uint8 * 108))
    if TYPE_CHECKING:
        sun_family: int
        sun_path: ctypes.Array[ctypes.c_uint8]


class sockaddr_storage(ctypes.Structure):
    """Room for an address of any family. C: ``struct sockaddr_storage``. Delphi: Posix.SysSocket.sockaddr_storage"""

    _fields_ = (
        ("ss_family", ctypes.c_ushort),
        ("__ss_padding", ctypes.c_uint8 * (128 - 2 - ctypes.sizeof(ctypes.c_ulong))),
        ("__ss_align", ctypes.c_ulong),
    )
    if TYPE_CHECKING:
        ss_family: int


class linger(ctypes.Structure):
    """The value of ``SO_LINGER``; ``l_linger`` in seconds. C: ``struct linger``. Delphi: Posix.SysSocket.linger"""

    _fields_ = (("l_onoff", _c_int), ("l_linger", _c_int))
    if TYPE_CHECKING:
        l_onoff: int
        l_linger: int


class timeval(ctypes.Structure):
    """Seconds and microseconds: the value of ``SO_RCVTIMEO``. C: ``struct timeval``. Delphi: Posix.SysTime.timeval"""

    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))
    if TYPE_CHECKING:
        tv_sec: int
        tv_usec: int


_void_p = ctypes.c_void_p
_size_t = ctypes.c_size_t
_ssize_t = ctypes.c_ssize_t
_psocklen_t = ctypes.POINTER(socklen_t)
_socket = bind(libc_errno, "socket", _c_int, [_c_int, _c_int, _c_int], hold_gil=True)
_connect = bind(libc_errno, "connect", _c_int, [_c_int, _void_p, socklen_t])
_send = bind(libc_errno, "send", _ssize_t, [_c_int, _void_p, _size_t, _c_int])
_send_now = bind(libc_errno, "send", _ssize_t, [_c_int, _void_p, _size_t, _c_int], hold_gil=True)
_recv = bind(libc_errno, "recv", _ssize_t, [_c_int, _void_p, _size_t, _c_int])
_recv_now = bind(libc_errno, "recv", _ssize_t, [_c_int, _void_p, _size_t, _c_int], hold_gil=True)
_shutdown = bind(libc_errno, "shutdown", _c_int, [_c_int, _c_int], hold_gil=True)
_close = bind(libc_errno, "close", _c_int, [_c_int])
_getsockopt = bind(libc_errno, "getsockopt", _c_int, [_c_int, _c_int, _c_int, _void_p, _psocklen_t], hold_gil=True)
_setsockopt = bind(libc_errno, "setsockopt", _c_int, [_c_int, _c_int, _c_int, _void_p, socklen_t], hold_gil=True)
_getsockname = bind(libc_errno, "getsockname", _c_int, [_c_int, _void_p, _psocklen_t], hold_gil=True)
_getpeername = bind(libc_errno, "getpeername", _c_int, [_c_int, _void_p, _psocklen_t], hold_gil=True)
_fcntl = bind(libc_errno, "fcntl", _c_int, [_c_int, _c_int, ctypes.c_long], hold_gil=True)
_poll = bind(libc_errno, "poll", _c_int, [ctypes.POINTER(pollfd), ctypes.c_ulong, _c_int])
_poll_now = bind(libc_errno, "poll", _c_int, [ctypes.POINTER(pollfd), ctypes.c_ulong, _c_int], hold_gil=True)
_inet_pton = bind(libc_errno, "inet_pton", _c_int, [_c_int, ctypes.c_char_p, _void_p], hold_gil=True)
_inet_ntop = bind(libc_errno, "inet_ntop", ctypes.c_char_p, [_c_int, _void_p, _void_p, socklen_t], hold_gil=True)


def socket(domain: int, type: int, protocol: int) -> int:
    """Create a socket.

    C: ``int socket(int domain, int type, int protocol)``. Delphi: Posix.SysSocket.socket

    :param domain: ``AF_INET``, ``AF_INET6``, ``AF_UNIX``.
    :param type: ``SOCK_STREAM`` or ``SOCK_DGRAM``, with ``SOCK_CLOEXEC`` (without it child programs inherit the
        descriptor) and ``SOCK_NONBLOCK``.
    :param protocol: 0, or ``IPPROTO_TCP``, ...
    :return: its descriptor.
    :raises OSError: EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, EPROTONOSUPPORT.
    """
    fd: int = _socket(domain, type, protocol)
    if fd < 0:
        raise failure("socket")
    return fd


def connect(sockfd: int, addr: Address, addrlen: int) -> None:
    """Connect to *addr*.

    C: ``int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen)``. Delphi: Posix.SysSocket.connect

    :param addrlen: how many bytes of *addr* count, usually ``sizeof``.
    :raises BlockingIOError: EINPROGRESS on a non-blocking socket: connecting goes on; poll for ``POLLOUT``, then ask
        for ``SO_ERROR``. EAGAIN on a Unix socket: the server's queue is full.
    :raises ConnectionRefusedError: nobody listens there.
    :raises OSError: ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, EISCONN, ...
    """
    _check_length("connect", addr, addrlen)
    # Linux takes the same call again after a signal: TCP goes on waiting for the connection that is under way, a Unix
    # socket starts over. (Waiting for POLLOUT instead, as POSIX suggests, is wrong for Unix sockets.)
    while _connect(sockfd, ctypes.byref(addr), addrlen) < 0:
        error = failure("connect")
        if error.errno != errno.EINTR:
            raise error


def send(sockfd: int, buf: Buffer, len: int, flags: int) -> int:
    """Send bytes.

    C: ``ssize_t send(int sockfd, const void *buf, size_t len, int flags)``. Delphi: Posix.SysSocket.send

    :param len: how many bytes of *buf* to send.
    :param flags: ``MSG_NOSIGNAL`` (without it a closed connection sends SIGPIPE to the process), ``MSG_DONTWAIT``, ...
    :return: how many were taken, possibly fewer.
    :raises BlockingIOError: none now, on a non-blocking socket.
    :raises BrokenPipeError: the connection is closed.
    :raises OSError: ECONNRESET, ENOTCONN, ...
    """
    function = _send_now if flags & MSG_DONTWAIT else _send
    while True:
        count: int = function(sockfd, buf, len, flags)
        if count >= 0:
            return count
        error = failure("send")
        if error.errno != errno.EINTR:
            raise error


def recv(sockfd: int, buf: Buffer, len: int, flags: int) -> int:
    """Receive bytes.

    C: ``ssize_t recv(int sockfd, void *buf, size_t len, int flags)``. Delphi: Posix.SysSocket.recv

    :param buf: where to; not ``bytes``, which must never change.
    :param len: how many fit.
    :param flags: ``MSG_DONTWAIT``, ``MSG_PEEK``, ...
    :return: how many arrived; 0 when the peer has closed its side.
    :raises BlockingIOError: none now, on a non-blocking socket.
    :raises TypeError: *buf* is ``bytes``.
    :raises OSError: ECONNRESET, ENOTCONN, ...
    """
    if isinstance(buf, bytes):
        raise TypeError(
            "recv: bytes can't be written to; use ctypes.create_string_buffer, or from_buffer on a bytearray"
        )
    function = _recv_now if flags & MSG_DONTWAIT else _recv
    while True:
        count: int = function(sockfd, buf, len, flags)
        if count >= 0:
            return count
        error = failure("recv")
        if error.errno != errno.EINTR:
            raise error


def shutdown(sockfd: int, how: int) -> None:
    """Close one direction of a connection, or both; the descriptor stays.

    C: ``int shutdown(int sockfd, int how)``. Delphi: Posix.SysSocket.shutdown

    :param how: ``SHUT_RD``, ``SHUT_WR``, ``SHUT_RDWR``.
    :raises OSError: EBADF, EINVAL, ENOTCONN, ENOTSOCK.
    """
    if _shutdown(sockfd, how) < 0:
        raise failure("shutdown")


def close(fd: int) -> None:
    """Close a descriptor.

    C: ``int close(int fd)``. Delphi: Posix.Unistd.__close

    It is closed even after a signal (man 2 close), so this is never repeated.

    :raises OSError: EBADF; EIO, ENOSPC: closed, but data was lost.
    """
    if _close(fd) < 0:
        error = failure("close")
        if error.errno != errno.EINTR:
            raise error


def getsockopt(sockfd: int, level: int, optname: int, optval: Buffer, optlen: ctypes.c_uint) -> None:
    """Ask for an option.

    C: ``int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen)``.
    Delphi: Posix.SysSocket.getsockopt

    :param optval: filled: ``byref(c_int())`` for most.
    :param optlen: ``socklen_t`` with the room in *optval*; changed to the length of the value.
    :raises OSError: EBADF, EINVAL, ENOPROTOOPT, ENOTSOCK.
    """
    if _getsockopt(sockfd, level, optname, optval, optlen) < 0:
        raise failure("getsockopt")


def setsockopt(sockfd: int, level: int, optname: int, optval: Buffer, optlen: int) -> None:
    """Set an option.

    C: ``int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen)``.
    Delphi: Posix.SysSocket.setsockopt

    :param optval: ``byref(c_int(1))`` for most.
    :param optlen: its length.
    :raises OSError: EBADF, EINVAL, ENOPROTOOPT, ENOTSOCK, EPERM.
    """
    if _setsockopt(sockfd, level, optname, optval, optlen) < 0:
        raise failure("setsockopt")


def getsockname(sockfd: int, addr: Address, addrlen: ctypes.c_uint) -> None:
    """Ask for the own address of a socket.

    C: ``int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen)``. Delphi: Posix.SysSocket.getsockname

    :param addr: filled.
    :param addrlen: ``socklen_t`` with the room in *addr*; changed to the length of the address.
    :raises OSError: EBADF, ENOTSOCK, ...
    """
    _check_length("getsockname", addr, addrlen.value)
    if _getsockname(sockfd, ctypes.byref(addr), addrlen) < 0:
        raise failure("getsockname")


def getpeername(sockfd: int, addr: Address, addrlen: ctypes.c_uint) -> None:
    """Ask for the peer's address.

    C: ``int getpeername(int sockfd, struct sockaddr *addr, socklen_t *addrlen)``. Delphi: Posix.SysSocket.getpeername

    :param addr: filled.
    :param addrlen: ``socklen_t`` with the room in *addr*; changed to the length of the address.
    :raises OSError: EBADF, ENOTCONN, ENOTSOCK, ...
    """
    _check_length("getpeername", addr, addrlen.value)
    if _getpeername(sockfd, ctypes.byref(addr), addrlen) < 0:
        raise failure("getpeername")


def fcntl(fd: int, cmd: int, arg: int = 0) -> int:
    """Ask for or set what belongs to a descriptor.

    C: ``int fcntl(int fd, int cmd, ... /* arg */)``. Delphi: Posix.Fcntl.fcntl

    :param cmd: ``F_GETFL`` and ``F_SETFL`` (``O_NONBLOCK``), ``F_GETFD`` and ``F_SETFD`` (``FD_CLOEXEC``),
        ``F_DUPFD_CLOEXEC``; none that waits for a lock.
    :return: what *cmd* gives; 0 for those that set.
    :raises OSError: EBADF, EINVAL, EMFILE, ...
    """
    result: int = _fcntl(fd, cmd, arg)
    if result < 0:
        raise failure("fcntl")
    return result


def poll(fds: ctypes.Array[pollfd] | pollfd, nfds: int, timeout: int) -> int:
    """Wait for events on a few descriptors.

    C: ``int poll(struct pollfd *fds, nfds_t nfds, int timeout)``. Delphi: Posix.Poll.poll

    :param fds: what to wait for; ``revents`` is filled.
    :param nfds: how many there are.
    :param timeout: milliseconds; 0 doesn't wait (and keeps the GIL), -1 waits without end.
    :return: how many have events; 0 when the time is over.
    :raises ValueError: *fds* is shorter than *nfds*.
    :raises OSError: EFAULT, EINVAL, ENOMEM.
    """
    room = len(fds) if isinstance(fds, ctypes.Array) else 1
    if not 0 <= nfds <= room:
        raise ValueError(f"poll: nfds is {nfds}, but there are {room} descriptors")
    if timeout > _INT_MAX:
        # ctypes would cut it to 32 bits, and so make it negative: endless.
        raise OverflowError(f"poll: a timeout of {timeout} ms is more than a C int holds")
    function = _poll if timeout else _poll_now
    deadline = monotonic() + timeout / 1000 if timeout > 0 else 0.0
    while True:
        count: int = function(fds, nfds, timeout)
        if count >= 0:
            return count
        error = failure("poll")
        if error.errno != errno.EINTR:
            raise error
        if timeout > 0:
            remaining = deadline - monotonic()
            if remaining <= 0:
                return 0
            timeout = int(remaining * 1000) + 1


def inet_pton(af: int, src: str, dst: in_addr | in6_addr) -> bool:
    """Read an IP address from text.

    C: ``int inet_pton(int af, const char *src, void *dst)``. Delphi: Posix.ArpaInet.inet_pton

    :param af: ``AF_INET`` or ``AF_INET6``.
    :param src: the text, without a zone (``%eth0``).
    :param dst: filled.
    :return: ``False`` when *src* isn't an address of that family.
    :raises OSError: EAFNOSUPPORT.
    """
    if ctypes.sizeof(dst) < (16 if af == AF_INET6 else 4):
        raise ValueError("inet_pton: an IPv6 address needs an in6_addr")
    try:
        text = src.encode("ascii")
    except UnicodeEncodeError:
        return False
    if 0 in text:
        return False
    result = _inet_pton(af, text, ctypes.byref(dst))
    if result < 0:
        raise failure("inet_pton")
    return bool(result)


def inet_ntop(af: int, src: in_addr | in6_addr) -> str:
    """Write an IP address as text.

    C: ``const char *inet_ntop(int af, const void *src, char *dst, socklen_t size)``; ``dst`` is returned.
    Delphi: Posix.ArpaInet.inet_ntop

    :param af: ``AF_INET`` or ``AF_INET6``.
    :raises OSError: EAFNOSUPPORT.
    """
    if ctypes.sizeof(src) < (16 if af == AF_INET6 else 4):
        raise ValueError("inet_ntop: an IPv6 address is in an in6_addr")
    buffer = ctypes.create_string_buffer(INET6_ADDRSTRLEN)
    result: bytes | None = _inet_ntop(af, ctypes.byref(src), buffer, INET6_ADDRSTRLEN)
    if result is None:
        raise failure("inet_ntop")
    return result.decode("ascii")


def _check_length(function: str, addr: Address, length: int) -> None:
    if length > ctypes.sizeof(addr):
        raise ValueError(f"{function}: addrlen is {length}, but {type(addr).__name__} has {ctypes.sizeof(addr)} bytes")
