"""Becoming connected in the calling thread; see :mod:`.connecting` for the same by a worker."""

from __future__ import annotations

import ctypes
import time

from linuxapi.socketconst import POLLIN, POLLOUT, pollfd

from . import _syscalls
from .errors import ConnectionTimeoutError
from .race import ConnectRace
from .resolver import Answer, known_addresses
from .stream import milliseconds, poll_one
from .times import ConnectTimes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from .connection import TgoSocketConnection
    from .resolver import Address
    from .stream import Stream
    from .tunnel import Detour


class Opening:
    """A connection on its way in the calling thread, which other threads can call off.

    What the thread waits for at any moment is known here: the resolver's answer, the sockets of the race, or that of
    the TLS handshake. To call the connection off is to end this wait, and nothing has to be watched for it: sockets
    are woken by shutting them down.

    :param lock: the connection's, held whenever a descriptor comes or goes: so nobody shuts down a descriptor whose
        number is somebody else's by now.
    :param timeout: seconds for lookup, TCP and TLS together.

    :ivar error: why it was called off.
    :ivar times: when each step was done.
    :ivar doing: what is going on, for :meth:`TgoSocketConnection.pending_to_string`.
    """

    __slots__ = (
        "_answer", "_connection", "_lock", "_race", "_stream", "_timeout", "_use_nagle", "doing", "error", "times",
    )  # fmt: skip

    def __init__(self, connection: TgoSocketConnection, lock: threading.Lock, use_nagle: bool, timeout: float) -> None:
        self._connection = connection
        self._lock = lock
        self._use_nagle = use_nagle
        self._timeout = timeout
        self._answer: Answer | None = None
        self._race: ConnectRace | None = None
        self._stream: Stream | None = None
        self.error: OSError | None = None
        self.doing = "looking up the host name"
        self.times = ConnectTimes()

    def run(self) -> Stream:
        """Connect.

        :raises NameLookupError: the host name has no address.
        :raises ConnectionFailedError: no address could be connected.
        :raises ConnectionTimeoutError: the time is up.
        :raises openssl_api.TlsError: the TLS handshake failed, or the peer could not be verified.
        :raises OSError: what :meth:`call_off` was given, or a tunnel has raised.
        """
        connection = self._connection
        deadline = self.times.started + self._timeout
        try:
            if connection.detour is None:
                stream = self._win(ConnectRace(self._peer_addresses(deadline), self._use_nagle), deadline)
            else:
                stream = self._go_through(connection.detour, deadline)
            stream.handshake(deadline)
            if connection.alpn:
                connection.check_alpn(stream)
            self.times.established = time.monotonic()
            return stream
        except BaseException as error:
            self.close()
            if self.error is not None and isinstance(error, OSError):
                # What was met on being woken explains nothing.
                raise self.error from None
            raise

    def call_off(self, error: OSError) -> None:
        """Have :meth:`run` raise *error* soon. Any thread may call this, with the lock held."""
        if self.error is None:
            self.error = error
        if self._answer is not None:
            self._answer.give_up()
        if self._race is not None:
            self._race.interrupt()
        if self._stream is not None:
            self._stream.shutdown()

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            race, self._race = self._race, None
            stream, self._stream = self._stream, None
            if race is not None:
                race.close()
            if stream is not None:
                stream.close()

    def abandon(self) -> None:
        """In a forked child: close the child's copies of the descriptors. The thread isn't here."""
        if self._race is not None:
            self._race.close()
        if self._stream is not None:
            self._stream.abandon()

    def _check(self) -> None:
        if self.error is not None:
            raise self.error

    def _peer_addresses(self, deadline: float) -> Sequence[Address]:
        connection = self._connection
        hostname, port = connection._hostname, connection._port
        addresses = connection.addresses or known_addresses(hostname, port) or self._resolve(hostname, port, deadline)
        if connection.on_addresses is not None:
            connection.on_addresses(addresses)
        return addresses

    def _resolve(self, hostname: str, port: int, deadline: float) -> Sequence[Address]:
        answer = Answer(hostname, port)
        with self._lock:
            self._check()
            self._answer = answer
        addresses = answer.wait(deadline - time.monotonic())
        self._check()
        if not addresses:
            raise timed_out(self._connection, self._timeout, f"still {self.doing}")
        return addresses

    def _go_through(self, detour: Detour, deadline: float) -> Stream:
        """Connect to the host in between, and have it connect to the peer; return the stream to that one."""
        from .tunnel import advance, packed_addresses

        peer = packed_addresses(self._peer_addresses(deadline)) if detour.look_up_peer else []
        hostname, port = detour.hostname, detour.port
        addresses = known_addresses(hostname, port) or self._resolve(hostname, port, deadline)
        tunnel = detour.new_tunnel()
        while True:
            stream = self._win(ConnectRace(addresses, self._use_nagle), deadline)
            stream.handshake(deadline)
            self.doing = f"waiting for the answer of {stream.address.text}"
            stream.send(tunnel.start(peer))
            while True:
                finished = advance(stream, tunnel)
                flushed = stream.flush()
                if finished and (flushed or tunnel.again):
                    break
                events = (0 if finished else POLLIN) | (0 if flushed else POLLOUT)
                if not stream.wait(events, deadline - time.monotonic()):
                    raise timed_out(self._connection, self._timeout, f"still {self.doing}")
            with self._lock:
                self._check()
                if not tunnel.again:
                    self.doing = f"in the TLS handshake through {stream.address.text}"
                    self._stream = stream = self._connection.pass_on(stream)
                    return stream
                self._stream = None
                stream.close()

    def _win(self, race: ConnectRace, deadline: float) -> Stream:
        """Run the race; return the winner, without TLS as yet."""
        self._race = race
        ready: list[int] = []
        now = self.times.looked_up = time.monotonic()
        while True:
            # Nothing is returned from within: a signal handler that raises right then would leave the lock taken.
            stream = None
            with self._lock:
                self._check()
                for fd in ready:
                    code = race.outcome(fd)
                    if code == 0:
                        stream = self._take(race, fd)
                        break
                    race.drop(fd, code)
                if stream is None:
                    if now >= deadline:
                        raise timed_out(self._connection, self._timeout, f"still {self.doing}")
                    fd = race.start_due(now)
                    if fd >= 0:
                        stream = self._take(race, fd)
                if stream is None:
                    attempts = list(race.attempts)
                    self.doing = f"connecting to {race.describe()}"
            if stream is not None:
                return stream
            ready = _wait_for_any(attempts, min(deadline, race.next_start) - now)
            now = time.monotonic()

    def _take(self, race: ConnectRace, fd: int) -> Stream:
        # The descriptor stays the race's, to be closed with it, until the stream is there to own it.
        stream = self._stream = self._connection.new_stream(fd, race.attempts[fd])
        race.take(fd)
        self._race = None
        self.times.connected = time.monotonic()
        self.doing = f"in the TLS handshake with {stream.address.text}"
        return stream


def timed_out(connection: TgoSocketConnection, timeout: float, doing: str) -> ConnectionTimeoutError:
    """Return the error for a connect time limit that has passed."""
    detour = connection.detour
    through = "" if detour is None else f" through {detour.hostname}:{detour.port}"
    return ConnectionTimeoutError(
        f"cannot connect to {connection.hostname}:{connection.port}{through} within {timeout:g} s: {doing}"
    )


def _wait_for_any(fds: list[int], timeout: float) -> list[int]:
    """Wait until one of some descriptors is writable; return those that are, none if the time is up."""
    if len(fds) == 1:
        return fds if poll_one(pollfd(fds[0], POLLOUT, 0), timeout) else []
    entries = (pollfd * len(fds))(*[pollfd(fd, POLLOUT, 0) for fd in fds])
    # A signal that interrupts this is no harm: the caller looks at the clock and comes back.
    _syscalls.poll(ctypes.byref(entries), len(fds), milliseconds(timeout))
    return [entry.fd for entry in entries if entry.revents]
