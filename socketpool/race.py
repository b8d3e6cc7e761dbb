"""Connecting to one of several addresses: IPv6 and IPv4 raced (RFC 8305, Happy Eyeballs version 2).

:class:`ConnectRace` starts one non-blocking ``connect`` after the other, and keeps the first that succeeds. It does
not wait: whoever drives it (a blocking caller with ``poll``, a worker with epoll) tells it which descriptor became
ready and asks when to come back.

No Delphi origin: the original connects to one IPv4 address and blocks.
"""

from __future__ import annotations

import os
from errno import EAGAIN, EALREADY, EINPROGRESS
from sys import byteorder

from linuxapi.socketconst import (
    AF_UNIX,
    IPPROTO_TCP,
    SHUT_RDWR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    TCP_NODELAY,
)

from . import _syscalls
from .errors import ConnectionFailedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .resolver import Address

#: Seconds between the start of one attempt and of the next (RFC 8305 section 5, "Connection Attempt Delay").
ATTEMPT_DELAY = 0.25

#: Seconds until a Unix domain socket is tried again whose queue is full.
_QUEUE_DELAY = 0.01

_NEVER = float("inf")


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """Order addresses so that the families alternate, the preferred one first (RFC 8305 section 4)."""
    if len(addresses) < 3:
        return list(addresses)
    first_family = addresses[0].family
    first = [address for address in addresses if address.family == first_family]
    others = [address for address in addresses if address.family != first_family]
    ordered = []
    for index in range(max(len(first), len(others))):
        ordered += first[index : index + 1] + others[index : index + 1]
    return ordered


_ON = b"\1\0\0\0" if byteorder == "little" else b"\0\0\0\1"

_SOCKET_TYPE = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK


class ConnectRace:
    """Non-blocking connection attempts to the addresses of one peer.

    Used by one thread at a time.

    :param addresses: what to try, the preferred one first.
    :param use_nagle: leave Nagle's algorithm on; off means TCP_NODELAY.

    :ivar attempts: descriptor to address, of the attempts under way.
    :ivar next_start: when the next attempt is due, in ``time.monotonic()`` seconds; infinity if there is no other.
    """

    __slots__ = ("_failures", "_made", "_use_nagle", "_waiting", "attempts", "next_start")

    def __init__(self, addresses: Sequence[Address], use_nagle: bool) -> None:
        self._waiting = interleave(addresses)[::-1]
        self._use_nagle = use_nagle
        self._failures: list[str] = []
        #: A descriptor that isn't among the attempts yet.
        self._made: list[int] = []
        self.attempts: dict[int, Address] = {}
        self.next_start = 0.0

    def start_due(self, now: float) -> int:
        """Start the next attempt if it is due, and again while attempts fail at once.

        :return: the descriptor that is connected already, or -1.
        :raises ConnectionFailedError: every address has failed.
        """
        while self._waiting and (not self.attempts or now >= self.next_start):
            address = self._waiting.pop()
            self.next_start = now + ATTEMPT_DELAY if self._waiting else _NEVER
            # In one step, since a signal handler may raise after any call, and the number would be lost.
            self._made.extend(map(_syscalls.socket, (address.family,), (_SOCKET_TYPE,), (0,)))
            fd = self._made[0]
            if fd >= 0:
                self.attempts[fd] = address
            self._made = []
            code = 0
            if fd < 0 or _syscalls.connect(fd, address.sockaddr, len(address.sockaddr)) < 0:
                code = _syscalls.get_errno()
                if code == EINPROGRESS:
                    # On the same machine it is done by now, or has failed, and nothing has to be waited for.
                    code = _syscalls.connect(fd, address.sockaddr, len(address.sockaddr)) and _syscalls.get_errno()
                    if code == EALREADY:
                        code = EINPROGRESS
            if fd >= 0 and not self._use_nagle and address.family != AF_UNIX:
                # A failure costs speed only, so it is not reported.
                _syscalls.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, _ON, len(_ON))
            if code == EINPROGRESS:
                break
            if code == EAGAIN and address.family == AF_UNIX:
                # The queue of those who wait for the server to accept them is full, and nothing tells when it isn't.
                del self.attempts[fd]
                _syscalls.close(fd)
                self._waiting.append(address)
                self.next_start = now + _QUEUE_DELAY
                return -1
            if code == 0:
                return fd
            if fd >= 0:
                del self.attempts[fd]
                _syscalls.close(fd)
            self._failures.append(f"{address.text}: {os.strerror(code)}")
        if not self.attempts:
            raise ConnectionFailedError("cannot connect to " + "; ".join(self._failures))
        return -1

    def outcome(self, fd: int) -> int:
        """Return how the attempt of a descriptor that became ready went: 0 or an ``errno`` value."""
        return _syscalls.socket_error(fd)

    def drop(self, fd: int, code: int) -> None:
        """Close an attempt that failed with the ``errno`` value *code*."""
        address = self.attempts.pop(fd)
        _syscalls.close(fd)
        self._failures.append(f"{address.text}: {os.strerror(code)}")

    def take(self, fd: int) -> Address:
        """End the race: *fd* now belongs to the caller, every other attempt is closed."""
        address = self.attempts.pop(fd)
        if self.attempts or self._made:
            self.close()
        return address

    def close(self) -> None:
        """Give up: close all attempts."""
        self._waiting.clear()
        self.next_start = _NEVER
        for fd in [*self.attempts, *self._made]:
            self.attempts.pop(fd, None)
            _syscalls.close(fd)
        self._made = []

    def interrupt(self) -> None:
        """Make every attempt fail now, so that a thread that waits for one wakes up. The descriptors stay open."""
        for fd in self.attempts:
            _syscalls.shutdown(fd, SHUT_RDWR)

    def describe(self) -> str:
        """Return which addresses are being tried, for the message of a time-out."""
        return ", ".join(address.text for address in list(self.attempts.values()) or self._waiting)
