"""One connection to one peer: four events, for any protocol on top.

A connection belongs to one owner at a time. *Attached*, it belongs to a worker of its manager, which waits for it
and calls its events; that is what :meth:`TgoSocketConnection.connect` starts. *Detached*, it belongs to the thread
that uses it, which waits for itself through :attr:`TgoSocketConnection.stream`; that is what
:meth:`TgoSocketConnection.open` starts, and how a blocking caller does without a thread hand-off.

How it ends is in :mod:`.base`.

Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection
"""

from __future__ import annotations

import time
from collections import deque

from linuxapi.epoll import EPOLLIN, EPOLLOUT, EPOLLRDHUP

from .base import CONNECTED, DISCONNECTED, DISCONNECTING, BaseConnection
from .constants import CONNECT_TIMEOUT, INTERVAL_CLEANUP
from .errors import ConnectionLostError, ManagerClosedError, SocketPoolError
from .opening import Opening
from .stream import Stream
from .worker import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from openssl_api import TlsEngine

    from .connecting import Connecting
    from .manager import TgoClientSocketManager
    from .resolver import Address
    from .tls_stream import TlsStream
    from .worker import TSocketPoolWorker

_READ_EVENTS = EPOLLIN | EPOLLRDHUP

#: Seconds that a kept connection is waited for while its worker is busy with it.
_PATIENCE = 0.1


#: Loaded with the first connection that a worker makes: an import for each takes several us.
_connecting: type[Connecting] | None = None


def _load_connecting() -> type[Connecting]:
    global _connecting
    from .connecting import Connecting

    _connecting = Connecting
    return Connecting


#: The classes for TLS, likewise.
_tls: tuple[type[TlsStream], type[TlsEngine]] | None = None


def _load_tls() -> tuple[type[TlsStream], type[TlsEngine]]:
    global _tls
    from openssl_api import TlsEngine

    from .tls_stream import TlsStream

    _tls = TlsStream, TlsEngine
    return _tls


class TgoSocketConnection(BaseConnection):
    """A TCP connection, with TLS where :attr:`ssl` is set.

    Made by :meth:`TgoClientSocketManager.request`. Set the events and options, then :meth:`connect`. A connection that
    has ended can be connected again.

    The events are called in the thread of the connection's worker, one at a time and in order, with nothing locked
    but the right to be called; an event may use every method here. An event that takes long delays the other
    connections of that worker. An exception that an event lets out is reported through ``sys.unraisablehook``, and
    changes nothing.

    ``connect``, ``send``, ``disconnect``, ``close``, ``end`` and ``stop_callbacks`` of an attached connection may be
    called from any thread; what a thread does with a detached one is up to that thread alone, but for ``end``.

    :param owner: the manager.
    :param hostname: a host name or a literal IPv4 or IPv6 address.
    :param port: the TCP port.

    Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection
    """

    __slots__ = ("_release_at", "_watched", "_writing")

    def __init__(self, owner: TgoClientSocketManager, hostname: str, port: int) -> None:
        super().__init__(owner, hostname, port)
        #: The worker waits until the socket can be written to.
        self._writing = False
        #: When a connection that was given back expires; 0 while it is in use.
        self._release_at = 0.0
        #: The registration for which a timer looks after that.
        self._watched = 0

    @property
    def pending(self) -> int:
        """How many operations are under way: connecting, and each :meth:`send` that the kernel hasn't all of.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Pending
        """
        stream = self.stream
        waiting = stream is not None and stream.backlog_size > 0
        connecting = self._connecting is not None or self._opening is not None
        return connecting + max(waiting, len(self._unsent or ()))

    def pending_to_string(self) -> str:
        """Return in words which operations are under way; ``"none"`` if there are none.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.PendingToString
        """
        parts = []
        connecting = self._connecting or self._opening
        if connecting is not None:
            parts.append(connecting.doing)
        stream = self.stream
        if stream is not None and stream.backlog_size:
            parts.append(f"sending {stream.backlog_size} bytes")
        if self._state == DISCONNECTING:
            parts.append("disconnecting")
        return ", ".join(parts) or "none"

    # Connecting

    def connect(self, use_nagle: bool = True, *, timeout: float = CONNECT_TIMEOUT, here: bool = False) -> bool:
        """Start to connect, and return at once; :attr:`on_connected` or :attr:`on_disconnected` tells how it ended.

        :param use_nagle: leave Nagle's algorithm on; ``False`` sends small messages without delay.
        :param timeout: seconds for lookup, TCP and TLS together.
        :param here: in the thread of the worker that gets it, begin in this call, which may call the events.
        :return: whether it was started: ``False`` while connected or connecting.
        :raises ManagerClosedError: the manager has been closed.

        Differs from Delphi: never blocks, tries all addresses, and covers the handshake with the time limit.
        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Connect
        """
        with self._io_lock:
            if self._active:
                return False
            worker = self._owner.only_worker or self._owner.choose_worker()
            self._begin()
            self.worker = worker
            connecting = self._connecting = (_connecting or _load_connecting())(
                self, worker, use_nagle=use_nagle, timeout=timeout, established=self._established, failed=self._lost
            )
        try:
            connecting.start(here)
        except RuntimeError as error:  # the worker was closed in this very moment, or has no thread
            self._lost(ManagerClosedError(str(error)))
        return True

    def open(self, use_nagle: bool = True, *, timeout: float = CONNECT_TIMEOUT) -> Stream:
        """Connect in the calling thread, which then owns the connection and uses the returned stream.

        No event is called, also if it fails. :meth:`end` in another thread calls it off.

        :param timeout: seconds for lookup, TCP and TLS together.
        :raises NameLookupError: the host name has no address.
        :raises ConnectionFailedError: no address could be connected.
        :raises ConnectionTimeoutError: the time is up.
        :raises ManagerClosedError: the manager has been closed.
        :raises openssl_api.TlsError: the TLS handshake failed, or the peer could not be verified.
        """
        opening = Opening(self, self._io_lock, use_nagle, timeout)
        with self._io_lock:
            if self._active:
                raise SocketPoolError("the connection is already in use")
            self._begin()
            self._opening = opening
        try:
            stream = opening.run()
            with self._io_lock:
                if opening.error is not None:
                    raise opening.error
                self._opening = None
                self.stream = stream
                self.times = opening.times
                self._state = CONNECTED
            return stream
        except BaseException as error:
            opening.close()
            self._owner.discard(self)
            with self._io_lock:
                self._opening = None
                self.stream = None
                self._state = DISCONNECTED
                self._active = False
                self._closed = True
                if self.error is None and isinstance(error, OSError):
                    self.error = error
            raise

    def _begin(self) -> None:
        """Begin to connect, for the first time or once more. With the I/O lock held."""
        if self._shutdown and not self._closed:
            raise self.error or ManagerClosedError("the connection was ended before it was made")
        self._owner.add(self)
        self._active = True
        if self._closed:
            self._closed = self._shutdown = self._writing = False
            self._unsent = None
            self._release_at = 0.0
            self.error = None

    def new_stream(self, fd: int, address: Address) -> Stream:
        """Return the stream for a connected descriptor: what the connection's options ask for."""
        if self.detour is not None:
            return self.detour.new_stream(fd, address)
        if not self.ssl:
            return Stream(fd, address)
        stream, _ = _tls or _load_tls()
        return stream(fd, address, self._new_engine(fd))

    def _new_engine(self, descriptor: int) -> TlsEngine:
        """Return the TLS side of the connection; see :class:`openssl_api.TlsEngine`."""
        openssl, context, host = self._openssl, self.tls_context, self._hostname
        if openssl is not None:
            host = openssl.host
            if context is not None and any(self.identity):
                from openssl_api import TlsConfigurationError

                raise TlsConfigurationError("a certificate belongs into the TLS context, if one is given")
        if context is None:
            context = self._owner.tls_context(self.identity)
        _, new = _tls or _load_tls()
        engine = new(context, host, self._port, descriptor=descriptor, alpn=(b"h2",) if self.alpn else None)
        if openssl is not None:
            openssl.engine = engine
        return engine

    def pass_on(self, stream: Stream) -> Stream:
        """Return the stream to the peer, given the one to the host in between, which is not to be used any more.

        To be called with the lock held that keeps other threads from the descriptor of *stream*.
        """
        if not self.ssl:
            return stream
        engine = self._new_engine(stream.fd if stream.engine is None else -1)
        if stream.engine is None:
            # One owner at any moment: a signal handler may raise between any two steps.
            fd, stream.fd = stream.fd, -1
            tls_stream, _ = _tls or _load_tls()
            return tls_stream(fd, stream.address, engine)
        from .nested_tls import NestedTlsStream

        return NestedTlsStream(stream, engine)  # type: ignore[arg-type]  # what has an engine is one

    def check_alpn(self, stream: Stream) -> None:
        """Fail where :attr:`alpn` insists on HTTP/2 and the peer has not agreed to it."""
        if self.alpn and (stream.engine is None or stream.engine.alpn != b"h2"):
            from openssl_api import TlsError

            raise TlsError(f"{self._hostname}:{self._port} did not agree to speak HTTP/2 (ALPN h2)")

    def _established(self, stream: Stream, token: int, watched: int) -> None:
        """The worker has connected; the connection is attached to it.

        :param watched: the events for which the descriptor is registered.
        """
        worker = self.worker
        assert worker is not None
        with self._event_lock:
            with self._io_lock:
                if self._connecting is not None:
                    self.times = self._connecting.times
                self._connecting = None
                self.stream = stream
                self.token = token
                wanted = not self._shutdown
                if wanted:
                    self._state = CONNECTED
            if not wanted:
                self._lost(None)
                return
            worker.set_handler(token, self._on_event)
            try:
                with self._io_lock:
                    self._writing = stream.backlog_size > 0
                    events = _READ_EVENTS | EPOLLOUT if self._writing else _READ_EVENTS
                    if events != watched:
                        worker.modify(token, stream.fd, events)
            except OSError as error:
                self._lost(error)
                return
            if stream.engine is not None and stream.has_buffered_input:
                worker.call_soon(self._read_buffered, token)
            handler = self.handler
            event = self.on_connected if handler is None else handler.on_connected
            if event is not None:
                event()

    # Owners

    def attach(self, worker: TSocketPoolWorker | None = None) -> None:
        """Give a detached connection to a worker, which calls its events from now on.

        Only the owning thread may do this, and it must not touch :attr:`stream` afterwards.

        :raises SocketPoolError: the connection isn't a detached one, or its end has been asked for.
        """
        with self._io_lock:
            if self._shutdown:
                raise self.error or SocketPoolError("the end of the connection has been asked for")
            self._attach(worker)

    def _attach(self, worker: TSocketPoolWorker | None) -> None:
        """With the I/O lock held."""
        stream = self.stream
        if stream is None or self.token:
            raise SocketPoolError("only a connected, detached connection can be attached")
        worker = worker or self.worker or self._owner.choose_worker()
        self._writing = stream.backlog_size > 0
        try:
            events = _READ_EVENTS | EPOLLOUT if self._writing else _READ_EVENTS
            token = worker.register(stream.fd, events, self._on_event)
            self.token = token
            self.worker = worker
            if stream.has_buffered_input:
                worker.call_soon(self._read_buffered, token)
        except RuntimeError as error:
            raise SocketPoolError(str(error)) from error

    def detach(self) -> bool:
        """Take an attached connection from its worker: the calling thread owns it now, and no event is called.

        :return: whether there was a connection to take; ``False`` if it has ended.
        """
        # Whoever holds this lock runs the connection's events, so after it none is running.
        with self._event_lock, self._io_lock:
            stream, token = self.stream, self.token
            if stream is None:
                return False
            if token:
                self.token = 0
                self._writing = False
                self._unsent = None
                assert self.worker is not None
                self.worker.unregister(token, stream.fd)
            return True

    @property
    def attached(self) -> bool:
        """A worker owns the connection."""
        return self.token != 0

    # What the worker calls

    def _on_event(self, flags: int, token: int) -> None:
        lock = self._event_lock
        # Half the cost of a with statement, which is only better where a signal handler may raise: not in this thread.
        lock.acquire()
        try:
            # The connection may have changed hands while this thread waited for the lock.
            if token != self.token:
                return
            if flags & EPOLLOUT:
                self._flush()
            # Reading tells what happened, whatever the flag was: data first, then the end or the error.
            if flags & ~EPOLLOUT and token == self.token:
                self._read()
        finally:
            lock.release()

    def _read(self) -> None:
        stream, worker = self.stream, self.worker
        assert stream is not None
        assert worker is not None
        block = worker.read_block or worker.new_read_block()
        try:
            if stream.engine is None:
                count = stream.receive_now(block)
            else:
                with self._io_lock:
                    count = stream.receive_now(block)
                    more = count > 0 and stream.has_buffered_input
                if more:
                    # What OpenSSL has read ahead, epoll doesn't announce again. Others get their turn first.
                    worker.call_soon(self._read_buffered, self.token)
        except OSError as error:
            self._lost(error)
            return
        if count > 0:
            handler = self.handler
            if handler is not None:
                handler.on_buffer(block, count)
            elif self._release_at:
                self._lost(None)  # nobody asked for this: what else it sends would confuse the next user
            elif self.on_buffer is not None:
                self.on_buffer(block, count)
            elif self.on_recv is not None:
                self.on_recv(bytes(block.view[:count]))
        elif count == 0:
            self._lost(self._cut_short(stream))
        elif stream.backlog_size:
            with self._io_lock:
                self._want_write()

    def _cut_short(self, stream: Stream) -> ConnectionLostError | None:
        """Return what is wrong with the end that the peer has made; ``None`` if nothing is."""
        if stream.truncated and self._state != DISCONNECTING:
            return ConnectionLostError("the peer closed the connection without the TLS close_notify")
        if stream.backlog_size:
            return ConnectionLostError("the peer closed the connection before it had taken all that was sent to it")
        return None

    def _read_buffered(self, token: int) -> None:
        with self._event_lock:
            if token == self.token:
                self._read()

    def _flush(self) -> None:
        stream, worker, token = self.stream, self.worker, self.token
        assert stream is not None
        assert worker is not None
        try:
            with self._io_lock:
                done = stream.flush()
                if done:
                    self._writing = False
                    worker.modify(token, stream.fd, _READ_EVENTS)
        except OSError as error:
            self._broken(error)
            return
        if self._unsent:
            self._tell_sent()
        if not done or token != self.token:
            return
        if self._state == DISCONNECTING:
            self._finish()
        elif self.on_writable is not None:
            self.on_writable()

    def _broken(self, error: OSError) -> None:
        """Nothing can be sent any more: take in what the peer had said before that, perhaps why, and end."""
        token = self.token
        self.error = self.error or error
        try:
            self._read()
        finally:
            if token == self.token:
                self._lost(error)

    def _send_failed(self, token: int, error: OSError) -> None:
        with self._event_lock:
            if token == self.token:
                self._broken(error)

    def _tell_sent(self) -> None:
        with self._event_lock:
            # Only what is sent by now: an event that sends again must not keep the others waiting.
            sent: list[bytes] = []
            with self._io_lock:
                stream, unsent, token = self.stream, self._unsent, self.token
                if stream is None or not token:
                    return
                if unsent is None:
                    return
                gone = stream.queued - stream.backlog_size
                while unsent and unsent[0][1] <= gone:
                    sent.append(unsent.popleft()[0])
                if not unsent:
                    self._unsent = None
            for data in sent:
                event = self.on_sent
                if event is None or token != self.token:
                    return
                try:
                    event(data)
                except BaseException as error:
                    report(error, event)

    def _want_write(self) -> None:
        """Be told when the peer takes data again. With the I/O lock held."""
        stream, worker = self.stream, self.worker
        if not self._writing and stream is not None and worker is not None and self.token:
            self._writing = True
            worker.modify(self.token, stream.fd, _READ_EVENTS | EPOLLOUT)

    # Sending

    def send(self, data: bytes) -> bool:
        """Send *data*; what the kernel doesn't take at once is queued and sent when the peer reads.

        :return: whether the data was taken: ``False`` where the connection isn't connected, broke, or has
            :attr:`send_queue_limit` bytes waiting already. :attr:`on_sent` is called when all of it is sent.

        Differs from Delphi: never blocks, and nothing of a partial send is lost.
        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Send
        """
        if type(data) is not bytes:
            data = bytes(data)
        failure: OSError | None = None
        with self._io_lock:
            stream, token = self.stream, self.token
            if stream is None or self._state != CONNECTED or stream.backlog_size >= self.send_queue_limit:
                return False
            try:
                done = stream.send(data)
                if not done:
                    self._want_write()
            except OSError as error:
                failure = error
                # The socket tells each error once: reading may find an end that looks orderly.
                self.error = self.error or error
                if not token:
                    return False
            else:
                if self.on_sent is None or not token:
                    return True
                unsent = self._unsent
                waiting = unsent is not None
                if unsent is None:
                    unsent = self._unsent = deque()
                unsent.append((data, stream.queued))
                if waiting or not done:
                    return True  # whoever tells of what waits already will tell of this too
            worker = self.worker
        assert worker is not None
        try:
            # Not from here: events are the worker's to call, and one that sends again must not recurse.
            if failure is None:
                worker.call_soon(self._tell_sent)
            else:
                worker.call_soon(self._send_failed, token, failure)
        except RuntimeError:
            pass  # closed, which has ended the connection
        return failure is None

    # Ending

    def disconnect(self) -> None:
        """End the connection once the peer has what was sent; :attr:`on_disconnected` tells when it has ended.

        Until then it can still receive. A peer that doesn't take the rest within INTERVAL_CLEANUP seconds is cut off.
        A detached connection is given to a worker for this, unless there is nothing to wait for.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Disconnect
        """
        with self._io_lock:
            if self._shutdown or not self._active:
                return
            self._shutdown = True
            if self._opening is not None:
                self._opening.call_off(ManagerClosedError("the connection was ended while it was being made"))
                return
            self._state = DISCONNECTING
            stream = self.stream
            try:
                if stream is not None and not self.token and not stream.finish():
                    self._attach(None)
            except OSError:
                pass  # no worker, and nothing to wait for then
            holder = self._connecting or self.token
            worker = self.worker if holder else None
        if worker is None:
            self._lost(None)
            return
        try:
            worker.call_soon(self._disconnect, holder)
        except RuntimeError:
            self._lost(None)

    def _disconnect(self, holder: object) -> None:
        with self._event_lock:
            stream, token = self.stream, self.token
            if stream is None or token != holder:
                self._end_held(holder, None)
                return
            if not stream.backlog_size:
                self._finish()
            if token == self.token:
                self._call_at(INTERVAL_CLEANUP, lambda: self._cut_off(token))

    def _finish(self, pause: float = 0.001) -> None:
        """All that was queued is with the kernel: wait until the peer has it, and end. In the worker."""
        stream, token = self.stream, self.token
        assert stream is not None
        with self._io_lock:
            finished = stream.finish()
            if stream.backlog_size:  # by the goodbye; flushing it leads here again
                self._want_write()
                return
        if finished:
            self._lost(None)
        else:
            # Nothing tells when the peer has acknowledged it. Mostly it closes in turn, and this isn't reached.
            self._call_at(pause, lambda: self._finish_again(token, 2 * pause))

    def _finish_again(self, token: int, pause: float) -> None:
        with self._event_lock:
            if token == self.token:
                self._finish(pause)

    def _call_at(self, seconds: float, call: Callable[[], object]) -> None:
        assert self.worker is not None
        self.worker.call_at(time.monotonic() + seconds, call)

    def _cut_off(self, token: int) -> None:
        if token == self.token:
            self._end_held(token, ConnectionLostError("the peer did not take the rest of the data in time"))

    def close(self) -> None:
        """Disconnect and call no event any more.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Destroy
        """
        self.stop_callbacks()
        self.disconnect()

    # For the manager

    def give_back(self, seconds: float) -> bool:
        """Keep the connection for *seconds* for whoever asks next; what the peer sends meanwhile ends it.

        No event is called from then on. Only the owner may give it back.

        :return: whether it can be kept.
        """
        with self._event_lock:
            with self._io_lock:
                stream = self.stream
                if self._state != CONNECTED or self._release_at or stream is None or stream.backlog_size:
                    return False
                self._release_at = time.monotonic() + seconds
            self.stop_callbacks()
            try:
                if not self.token:
                    self.attach()
                worker, token = self.worker, self.token
                assert worker is not None
                with self._io_lock:
                    watched, self._watched = self._watched == token, token
                if not watched:
                    worker.call_soon(self._watch_expiry, token)
            except (OSError, RuntimeError):
                return False
        return True

    def take_back(self) -> bool | None:
        """Use a connection again that was given back.

        :return: ``False`` if it can't be: it has ended or expired, or the peer has ended it or said something, even if
            the worker hasn't noticed yet. ``None`` if the worker is busy with it for too long to tell.
        """
        # Not without limit: two events that each ask for the connection of the other would wait for ever.
        if not self._event_lock.acquire(timeout=_PATIENCE):
            return None
        try:
            with self._io_lock:
                stream = self.stream
                if not self._release_at or self._shutdown or stream is None:
                    return False
                if stream.is_quiet():
                    self._release_at = 0.0
                    return True
        finally:
            self._event_lock.release()
        self.disconnect()
        return False

    def _watch_expiry(self, token: int) -> None:
        """End the connection if it has expired, or look again when it will have. In the worker."""
        with self._io_lock:
            if token != self.token:
                return
            release_at = self._release_at
            expired = 0.0 < release_at <= time.monotonic()
            if expired:
                self._shutdown = True
            elif not release_at:
                self._watched = 0
        if expired:
            self._end_held(token, None)
        elif release_at:
            assert self.worker is not None
            self.worker.call_at(release_at, lambda: self._watch_expiry(token))

    def __repr__(self) -> str:
        kind = " with TLS" if self.ssl else ""
        return f"<TgoSocketConnection {self._hostname}:{self._port}{kind} {self.state.name.lower()}>"
