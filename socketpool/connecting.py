"""Becoming connected by a worker: name lookup, the race for an address, the TLS handshake, all in one time limit.

:mod:`.opening` drives the same steps in the calling thread.
"""

from __future__ import annotations

import time
from _thread import get_ident

from linuxapi.epoll import EPOLLIN, EPOLLOUT, EPOLLRDHUP

from .errors import ManagerClosedError
from .opening import timed_out
from .race import ConnectRace
from .resolver import known_addresses, look_up
from .times import ConnectTimes
from .worker import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .connection import TgoSocketConnection
    from .resolver import Address, Lookup
    from .stream import Stream
    from .tunnel import Tunnel
    from .worker import Timer, TSocketPoolWorker

_READ_EVENTS = EPOLLIN | EPOLLRDHUP


class Connecting:
    """A connection on its way, driven by a worker.

    All methods run in the worker's thread, except the constructor and :meth:`start`.

    :param established: called with the stream, its registration and the registered events when everything is done.
    :param failed: called with the error when it can't be done. Exactly one of the two is called, once,
        unless :meth:`cancel` comes first.
    """

    __slots__ = (
        "_addresses", "_attempt_timer", "_connection", "_established", "_failed", "_lookup", "_over", "_peer", "_race",
        "_stream", "_timeout", "_timer", "_token", "_tokens", "_tunnel", "_use_nagle", "_watched", "_worker", "doing",
        "times",
    )  # fmt: skip

    def __init__(
        self,
        connection: TgoSocketConnection,
        worker: TSocketPoolWorker,
        *,
        use_nagle: bool,
        timeout: float,
        established: Callable[[Stream, int, int], object],
        failed: Callable[[OSError], object],
    ) -> None:
        self._connection = connection
        self._worker = worker
        self._use_nagle = use_nagle
        self._timeout = timeout
        self._established = established
        self._failed = failed
        self._lookup: Lookup | None = None
        self._race: ConnectRace | None = None
        self._tokens: dict[int, int] = {}
        self._stream: Stream | None = None
        self._token = 0
        #: For which events the stream's descriptor is registered.
        self._watched = 0
        self._timer: Timer | None = None
        self._attempt_timer: Timer | None = None
        self._over = False
        # Of a connection through another host: what is said to that one as long as it is the one that is spoken to,
        # its addresses, and those of the peer.
        self._tunnel: Tunnel | None = None
        self._addresses: Sequence[Address] = ()
        self._peer: list[bytes] = []
        #: What is going on, for :meth:`TgoSocketConnection.pending_to_string` and time-outs.
        self.doing = "looking up the host name"
        #: When each step was done.
        self.times = ConnectTimes()

    def start(self, here: bool = False) -> None:
        """Begin. Any thread may call this.

        :param here: at once, if this is the worker's thread.
        """
        if not here or self._worker.thread_id != get_ident():
            self._worker.call_soon(self._begin)
            return
        try:
            self._begin()
        except BaseException as error:  # an event has let it out
            report(error, self._begin)

    def _begin(self) -> None:
        if self._over:
            return
        due = time.monotonic() + self._timeout
        connection = self._connection
        detour = connection.detour
        if detour is None or detour.look_up_peer:
            self._find(connection._hostname, connection._port, connection.addresses)
        else:
            self._find(detour.hostname, detour.port)
        if not self._over:
            self._timer = self._worker.call_at(due, self._time_is_up)

    def _find(self, hostname: str, port: int, addresses: Sequence[Address] | None = None) -> None:
        addresses = addresses or known_addresses(hostname, port)
        if addresses:
            self._found(addresses)
        else:
            self._lookup = look_up(hostname, port, self._answered)

    def _answered(self, addresses: list[Address], error: OSError | None) -> None:
        try:
            self._worker.call_soon(self._resolved, addresses, error)
        except RuntimeError:
            pass  # the worker was closed meanwhile, and has ended this connection

    def _resolved(self, addresses: list[Address], error: OSError | None) -> None:
        self._lookup = None
        if error is not None:
            self._fail(error)
        elif not self._over:
            self._found(addresses)

    def _found(self, addresses: Sequence[Address]) -> None:
        detour, on_addresses = self._connection.detour, self._connection.on_addresses
        if on_addresses is not None and (detour is None or (detour.look_up_peer and self._tunnel is None)):
            try:
                on_addresses(addresses)
            except OSError as error:
                self._fail(error)
                return
        if detour is not None and self._tunnel is None:
            try:
                self._tunnel = detour.new_tunnel()
            except Exception as error:
                self._fail(error)
                return
            if detour.look_up_peer:
                from .tunnel import packed_addresses

                self._peer = packed_addresses(addresses)
                self._find(detour.hostname, detour.port)
                return
        self._addresses = addresses
        now = self.times.looked_up = time.monotonic()
        self._run_race(addresses, now)

    def _run_race(self, addresses: Sequence[Address], now: float = 0.0) -> None:
        self._worker.openings += 1
        self._race = ConnectRace(addresses, self._use_nagle)
        self._attempt(now)

    def _attempt(self, now: float = 0.0) -> None:
        """Start the attempts that are due, watch them, and come back when the next one is."""
        race = self._race
        if self._over or race is None:
            return
        now = now or time.monotonic()
        try:
            fd = race.start_due(now)
            if fd < 0:
                for attempt in race.attempts:
                    if attempt not in self._tokens:
                        self._tokens[attempt] = self._worker.register(attempt, EPOLLOUT, self._attempt_ready)
        except OSError as error:
            self._fail(error)
            return
        if fd >= 0:
            self._won(fd)
            return
        self.doing = f"connecting to {race.describe()}"
        if self._attempt_timer is not None:
            self._attempt_timer.cancel()
            self._attempt_timer = None
        if race.next_start < now + self._timeout:
            self._attempt_timer = self._worker.call_at(race.next_start, self._attempt)

    def _attempt_ready(self, flags: int, token: int) -> None:
        race = self._race
        fd = next((fd for fd, registration in self._tokens.items() if registration == token), -1)
        if self._over or race is None or fd < 0:
            return
        # One that has failed is announced as failed.
        code = 0 if flags == EPOLLOUT else race.outcome(fd)
        if code == 0:
            self._won(fd)
            return
        self._worker.unregister(self._tokens.pop(fd), fd)
        race.drop(fd, code)
        self._attempt()

    def _won(self, fd: int) -> None:
        race = self._race
        assert race is not None
        address = race.attempts[fd]
        try:
            stream = self._connection.new_stream(fd, address)
        except OSError as error:
            self._fail(error)
            return
        self._race = None
        self._token = token = self._tokens.pop(fd, 0)
        self._watched = EPOLLOUT
        if self._tokens:
            for other, registration in self._tokens.items():
                self._worker.unregister(registration, other)
            self._tokens.clear()
        race.take(fd)
        self.times.connected = time.monotonic()
        self._stream = stream
        self.doing = f"in the TLS handshake with {address.text}"
        if token:
            self._worker.set_handler(token, self._handshake)
        else:  # connected at once
            try:
                self._token = token = self._worker.register(fd, _READ_EVENTS, self._handshake)
                self._watched = _READ_EVENTS
            except (OSError, RuntimeError) as error:
                self._fail(error if isinstance(error, OSError) else ManagerClosedError(str(error)))
                return
        if stream.engine is None and self._tunnel is None and not self._connection.alpn:
            self._stream = None
            self._finish(stream)  # in clear text, there is nothing more to do
        else:
            self._handshake(0, token)

    def _watch(self, stream: Stream, events: int) -> None:
        if events != self._watched:
            self._worker.modify(self._token, stream.fd, events)
            self._watched = events

    def _handshake(self, flags: int, token: int) -> None:
        stream = self._stream
        if self._over or stream is None:
            return
        try:
            if flags & EPOLLOUT:
                stream.flush()
            done = stream.handshake_step()
            if done and self._tunnel is not None:
                self._start_tunnel(stream, self._tunnel)
                return
            if done:
                self._connection.check_alpn(stream)
            else:
                if stream.engine is not None:
                    stream.engine.free_buffers()  # there may be thousands in this state
                self._watch(stream, _READ_EVENTS | EPOLLOUT if stream.backlog_size else _READ_EVENTS)
        except OSError as error:
            self._fail(error)
            return
        if done:
            self._stream = None
            self._finish(stream)

    def _start_tunnel(self, stream: Stream, tunnel: Tunnel) -> None:
        self.doing = f"waiting for the answer of {stream.address.text}"
        self._worker.set_handler(self._token, self._tunnel_ready)
        try:
            stream.send(tunnel.start(self._peer))
        except Exception as error:
            self._fail(error)
            return
        self._tunnel_ready(0, self._token)

    def _tunnel_ready(self, flags: int, token: int) -> None:
        from .tunnel import advance

        stream, tunnel = self._stream, self._tunnel
        if self._over or stream is None or tunnel is None:
            return
        try:
            finished = advance(stream, tunnel)
            flushed = stream.flush()
            if not finished or not (flushed or tunnel.again):
                self._watch(stream, (0 if finished else _READ_EVENTS) | (0 if flushed else EPOLLOUT))
                return
            if tunnel.again:
                self._worker.unregister(self._token, stream.fd)
                self._token = 0
                self._stream = None
                stream.close()
                self._run_race(self._addresses)
                return
            self._tunnel = None
            self._stream = self._connection.pass_on(stream)
        except Exception as error:  # a tunnel is somebody else's, and may raise what it likes
            self._fail(error)
            return
        self.doing = f"in the TLS handshake through {stream.address.text}"
        self._worker.set_handler(self._token, self._handshake)
        self._handshake(0, self._token)

    def _finish(self, stream: Stream) -> None:
        token, self._token = self._token, 0
        self._end()
        self.times.established = time.monotonic()
        self._established(stream, token, self._watched)

    def _time_is_up(self) -> None:
        if not self._over:
            self._fail(timed_out(self._connection, self._timeout, f"still {self.doing}"))

    def _fail(self, error: Exception) -> None:
        if not self._over:
            self.cancel()
            self._failed(error)  # type: ignore[arg-type]  # an OSError, but for some of what a tunnel raises

    def _end(self) -> None:
        self._over = True
        for timer in (self._timer, self._attempt_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._attempt_timer = None

    def cancel(self) -> None:
        """Stop, and close what is open; nobody is told."""
        self._end()
        for fd, token in self._tokens.items():
            self._worker.unregister(token, fd)
        self._tokens.clear()
        if self._lookup is not None:
            self._lookup.forget(self._answered)
            self._lookup = None
        if self._race is not None:
            self._race.close()
            self._race = None
        if self._stream is not None:
            self._worker.unregister(self._token, self._stream.fd)
            self._stream.close()
            self._stream = None

    def abandon(self) -> None:
        """In a forked child: close the child's copies of the descriptors. The worker's thread isn't here."""
        self._over = True
        if self._race is not None:
            self._race.close()
        if self._stream is not None:
            self._stream.abandon()
