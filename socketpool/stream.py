"""A connected socket, in clear text or with TLS: bytes in, bytes out, and what could not be sent yet.

A stream is driven by one thread at a time and knows nothing of workers, events or protocols. It can be driven in
two ways, mixed as its owner pleases:

* *waiting*: :meth:`~Stream.receive` blocks in the kernel, up to a time limit;
* *not waiting*: :meth:`~Stream.receive_now`, :meth:`~Stream.send` and :meth:`~Stream.flush` do what is possible
  at once, and :meth:`~Stream.wait` or an epoll set tells when to come back.

Sending doesn't block, but for a moment where that is asked for: what the kernel does not take stays in the stream's
backlog, in order.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections import deque
from errno import EAGAIN, EINTR

from linuxapi.socketconst import (
    F_SETFL,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_PEEK,
    O_NONBLOCK,
    POLLIN,
    POLLOUT,
    SHUT_RDWR,
    SHUT_WR,
    pollfd,
)

from . import _syscalls
from ._syscalls import get_errno, recv_blocking, send_shared, set_receive_timeout
from ._syscalls import recv as recv_now
from ._syscalls import send as send_now
from .constants import READ_BLOCK_SIZE
from .errors import ConnectionLostError, TransferTimeoutError
from .memorypool import MemoryBlock, TgoMemoryPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openssl_api import TlsEngine

    from .resolver import Address

#: Blocks that threads read into while they drive a connection; shared by the whole process.
read_blocks = TgoMemoryPool(READ_BLOCK_SIZE, 16)
free_blocks = read_blocks.free

#: As long as the number of threads that send and then wait for an answer, whatever is in it: each appends and pops.
callers: list[None] = []

#: The longest that the kernel is asked to wait at once, in seconds: its limit is a C int of milliseconds.
_LONGEST_WAIT = 2_000_000.0

_SEND_FLAGS = MSG_NOSIGNAL | MSG_DONTWAIT
PEEK = MSG_PEEK | MSG_DONTWAIT

#: How long :meth:`Stream.send_waiting` waits, in seconds: as late may be noticed that the peer has answered early.
_MOMENT = 0.05

#: The most that one ``send`` is given: it holds the GIL while the kernel copies.
_SEND_SIZE = 256 * 1024


def address_of(data: bytes) -> int:
    """Return where the content of a bytes object lies; it stays there as long as the object lives."""
    return ctypes.cast(data, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def connection_lost(code: int, doing: str) -> ConnectionLostError:
    """Return the error for an ``errno`` that a socket call left."""
    return ConnectionLostError(code, f"{os.strerror(code)} while {doing}")


class Stream:
    """A connected TCP or Unix socket in clear text.

    :param fd: the connected descriptor, in non-blocking mode; the stream owns and closes it.
    :param address: the peer.
    """

    __slots__ = ("_backlog", "_blocking", "_pollfd", "_receive_timeout", "address", "backlog_size", "fd", "queued")

    #: The TLS engine; ``None`` for clear text.
    engine: TlsEngine | None = None

    def __init__(self, fd: int, address: Address) -> None:
        self.fd = fd
        self.address = address
        #: Bytes that :meth:`send` was given and the kernel has not taken.
        self.backlog_size = 0
        #: How many bytes have ever been put into the backlog: what has left it is this less its size.
        self.queued = 0
        self._backlog: deque[tuple[bytes, int]] | None = None
        self._blocking = False
        self._receive_timeout = 0.0
        self._pollfd: pollfd | None = None

    def send(self, data: bytes) -> bool:
        """Send *data*, or queue what the kernel doesn't take. ``True`` if all of it is with the kernel.

        :raises ConnectionLostError: the connection is broken.
        """
        size = len(data)
        if not self.backlog_size:
            if size <= _SEND_SIZE:
                send = send_shared if self._blocking and len(callers) > 1 else send_now
                count: int = send(self.fd, data, size, _SEND_FLAGS)
                if count == size:
                    return True
            else:
                count = 0
            if count < 0:
                code = get_errno()
                if code not in (EAGAIN, EINTR):
                    raise connection_lost(code, "sending")
                count = 0
        else:
            count = 0
        self._queue(data, count)
        return self.flush()

    def wait_in_sends(self) -> None:
        """Have :meth:`send_waiting` wait. Once for each large body is enough."""
        self.set_blocking(True)
        _syscalls.set_send_timeout(self.fd, _MOMENT)

    def send_waiting(self, data: bytes) -> bool:
        """Do as :meth:`send` in the middle of a large body, and wait a moment for the peer to take it.

        To wait inside of the call costs less than to be told that nothing fits, to wait for room, and to try again.
        """
        size = len(data)
        if self.backlog_size or size > 2 * _SEND_SIZE:
            return self.send(data)
        count: int = send_shared(self.fd, data, size, MSG_NOSIGNAL)
        if count == size:
            return True
        if count < 0:
            code = get_errno()
            if code not in (EAGAIN, EINTR):
                raise connection_lost(code, "sending")
            count = 0
        self._queue(data, count)
        return False

    def send_two(self, first: bytes, second: bytes) -> bool:
        """Do as :meth:`send` with *first* and *second* in one go."""
        return self.send(first + second)

    def _queue(self, data: bytes, offset: int) -> None:
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append((data, offset))
        size = len(data) - offset
        self.backlog_size += size
        self.queued += size

    def untaken(self) -> int:
        """Return how many bytes that were sent the peer hasn't confirmed yet.

        The kernel takes megabytes at once, which a slow line needs many seconds for.
        """
        from fcntl import ioctl
        from termios import TIOCOUTQ

        return self.backlog_size + int.from_bytes(ioctl(self.fd, TIOCOUTQ, bytes(4)), sys.byteorder)

    def flush(self) -> bool:
        """Send what is queued, as far as the kernel takes it. ``True`` if nothing is left.

        :raises ConnectionLostError: the connection is broken.
        """
        backlog = self._backlog
        while backlog:
            data, offset = backlog[0]
            size = len(data)
            address = address_of(data)
            while offset < size:
                count = send_now(
                    self.fd, ctypes.c_void_p(address + offset), min(size - offset, _SEND_SIZE), _SEND_FLAGS
                )
                if count < 0:
                    code = get_errno()
                    if code == EINTR:
                        continue
                    if code != EAGAIN:
                        raise connection_lost(code, "sending")
                    backlog[0] = data, offset
                    return False
                offset += count
                self.backlog_size -= count
            backlog.popleft()
        self._backlog = None
        return True

    def send_all(self, data: bytes, timeout: float) -> None:
        """Send *data* and wait until the kernel has all of it.

        :param timeout: seconds without any progress after which to give up.
        :raises TransferTimeoutError: the peer took nothing for *timeout* seconds.
        :raises ConnectionLostError: the connection is broken.
        """
        self.send(data)
        while not self.flush():
            if not self.wait(POLLOUT, timeout):
                raise TransferTimeoutError(f"the peer accepted no data for {timeout:g} s")

    def receive(self, block: MemoryBlock, timeout: float) -> int:
        """Wait for data and read it into *block*.

        :param timeout: seconds after which to give up.
        :return: how many bytes; 0 where the peer has closed its side.
        :raises TransferTimeoutError: nothing arrived in time.
        :raises ConnectionLostError: the connection is broken.
        """
        if not self._blocking or timeout != self._receive_timeout:
            self._wait_inside(timeout)
        count: int = recv_blocking(self.fd, block.pointer, block.size, 0)
        if count >= 0:
            return count
        code = get_errno()
        if code == EINTR:
            return self._receive_again(block, timeout)
        if code == EAGAIN:
            raise TransferTimeoutError(f"nothing was received for {timeout:g} s")
        raise connection_lost(code, "receiving")

    def _receive_again(self, block: MemoryBlock, timeout: float) -> int:
        # A signal handler ran. Its time counts, however often signals come, so the limit becomes a deadline.
        deadline = time.monotonic() + timeout
        while True:
            if not self.wait(POLLIN, deadline - time.monotonic()):
                raise TransferTimeoutError(f"nothing was received for {timeout:g} s")
            count = self.receive_now(block)
            if count >= 0:
                return count

    def receive_now(self, block: MemoryBlock, offset: int = 0) -> int:
        """Read what has arrived into *block*, from *offset* on, without waiting.

        :return: how many bytes; 0 where the peer has closed its side; -1 if there is nothing yet.
        :raises ConnectionLostError: the connection is broken.
        """
        pointer = ctypes.c_void_p(block.address + offset) if offset else block.pointer
        count: int = recv_now(self.fd, pointer, block.size - offset, MSG_DONTWAIT)
        if count < 0:
            code = get_errno()
            if code in (EAGAIN, EINTR):
                return -1
            raise connection_lost(code, "receiving")
        return count

    def is_quiet(self) -> bool:
        """Tell whether an idle connection is usable: open, and the peer has sent nothing that nobody asked for."""
        count: int = recv_now(self.fd, PEEK_POINTER, 1, PEEK)
        return count < 0 and get_errno() == EAGAIN

    @property
    def has_buffered_input(self) -> bool:
        """Data has been read from the socket that no ``receive`` has returned: epoll will not announce it."""
        return False

    @property
    def truncated(self) -> bool:
        """The peer ended the stream in a way that an attacker could have forged. Only TLS can tell."""
        return False

    def wait(self, events: int, timeout: float) -> int:
        """Wait until the socket is ready.

        :param events: POLLIN, POLLOUT or both.
        :param timeout: seconds.
        :return: what it is ready for (or POLLERR, POLLHUP); 0 if the time is up.
        """
        entry = self._pollfd
        if entry is None:
            entry = self._pollfd = pollfd(self.fd, 0, 0)
        entry.events = events
        return poll_one(entry, timeout)

    def set_blocking(self, blocking: bool) -> None:
        """Choose the mode of the descriptor; :meth:`receive` needs the blocking one and switches by itself."""
        if blocking is not self._blocking:
            # None of its other status flags is ever set here.
            _syscalls.fcntl(self.fd, F_SETFL, 0 if blocking else O_NONBLOCK)
            self._blocking = blocking

    def _wait_inside(self, timeout: float) -> None:
        """Have reads wait by themselves, for as long as *timeout*."""
        if not self._blocking:
            _syscalls.fcntl(self.fd, F_SETFL, 0)
            self._blocking = True
        if timeout != self._receive_timeout:
            # 0 would mean "for ever" to the kernel; a time limit that has passed still allows one look.
            set_receive_timeout(self.fd, min(max(timeout, 0.001), _LONGEST_WAIT))
            self._receive_timeout = timeout

    def handshake(self, deadline: float) -> None:
        """Wait until TLS is set up; nothing to do in clear text."""

    def handshake_step(self) -> bool:
        """Go on with the handshake as far as possible without waiting. ``True`` when TLS is set up, or not wanted.

        :raises openssl_api.TlsError: the handshake failed, or the peer could not be verified.
        """
        return True

    def say_goodbye(self) -> None:
        """Tell the peer that the end is meant, as far as that can be done at once; clear text has no word for it."""

    def finish(self) -> bool:
        """End the sending side in order. ``True`` if the peer's system has everything, and closing loses nothing.

        A socket that is closed before that, with input that was not read or that is still to come, is reset, and what
        was on its way to the peer is lost. So the owner goes on reading until this is true, or the peer has closed.
        """
        self.say_goodbye()
        if self.backlog_size:
            return False
        _syscalls.shutdown(self.fd, SHUT_WR)
        return _syscalls.unacknowledged(self.fd) == 0

    def shutdown(self) -> None:
        """Stop both directions and wake whoever waits for this socket, in any thread. The descriptor stays open."""
        _syscalls.shutdown(self.fd, SHUT_RDWR)

    def close(self) -> None:
        """Close the descriptor. Only the owner may: another thread may be waiting in a system call with it."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            _syscalls.close(fd)

    def abandon(self) -> None:
        """In a forked child: close the child's copy of the descriptor, and leave the parent's connection alone."""
        Stream.close(self)

    def __del__(self) -> None:
        # A connection that nobody closed must not cost a descriptor for good.
        if getattr(self, "fd", -1) >= 0:  # unless a signal handler has raised before there was any
            self.close()


#: Where :meth:`Stream.is_quiet` looks at a byte; what it reads there is never used.
_peek_block = MemoryBlock(1)
PEEK_POINTER = _peek_block.pointer


def milliseconds(seconds: float) -> int:
    """Return a time to wait as ``poll`` and epoll count it: rounded up, since waking early would mean waking twice."""
    return int(min(seconds, _LONGEST_WAIT) * 1000 + 0.999) if seconds > 0 else 0


def poll_one(entry: pollfd, timeout: float) -> int:
    """Wait for one descriptor with ``poll``; signal handlers run meanwhile, and their time counts."""
    limit = int(min(timeout, _LONGEST_WAIT) * 1000 + 0.999) if timeout > 0 else 0  # milliseconds(), without a call
    deadline = 0.0
    while True:
        entry.revents = 0
        count = _syscalls.poll(ctypes.byref(entry), 1, limit)
        if count > 0:
            return entry.revents
        if count == 0:
            return 0
        code = get_errno()
        if code != EINTR:
            raise OSError(code, f"poll: {os.strerror(code)}")
        now = time.monotonic()
        deadline = deadline or now + timeout
        limit = milliseconds(deadline - now)
