"""One connection to one peer: four events, for any protocol on top.

A connection belongs to one owner at a time. *Attached*, it belongs to a worker of its manager, which waits for it
and calls its events; that is what :meth:`TgoSocketConnection.connect` starts. *Detached*, it belongs to the thread
that uses it, which waits for itself through :attr:`TgoSocketConnection.stream`; that is what
:meth:`TgoSocketConnection.open` starts, and how a blocking caller does without a thread hand-off.

Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection
"""

from __future__ import annotations

import threading
import time
from collections import deque

from linuxapi import EPOLLIN, EPOLLOUT, EPOLLRDHUP

from .connecting import Connecting, open_stream
from .errors import ConnectionLostError, ManagerClosedError, SocketPoolError
from .states import CONNECT_TIMEOUT, INTERVAL_CLEANUP, SEND_QUEUE_LIMIT, TgoConnectionState
from .stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openssl_api import TgoOpenSSL, TlsContext

    from .manager import TgoClientSocketManager
    from .memorypool import MemoryBlock
    from .resolver import Address
    from .states import TgoSocketDataEvent, TgoSocketNotifyEvent
    from .worker import TSocketPoolWorker

DISCONNECTED = TgoConnectionState.DISCONNECTED
DISCONNECTING = TgoConnectionState.DISCONNECTING
CONNECTED = TgoConnectionState.CONNECTED

_READ_EVENTS = EPOLLIN | EPOLLRDHUP


class TgoSocketConnection:
    """A TCP connection, with TLS where :attr:`ssl` is set.

    Made by :meth:`TgoClientSocketManager.request`. Set the events and options, then :meth:`connect`.

    The events are called in the thread of the connection's worker, one at a time and in order, with nothing locked
    but the right to be called; an event may use every method here. An event that takes long delays the other
    connections of that worker. ``connect``, ``send``, ``disconnect`` and ``stop_callbacks`` may be called from any
    thread.

    :param owner: the manager.
    :param hostname: a host name or a literal IPv4 or IPv6 address.
    :param port: the TCP port.

    Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection
    """

    __slots__ = (
        "__weakref__", "_alpn", "_closed", "_connecting", "_event_lock", "_flushed", "_hostname", "_io_lock",
        "_openssl", "_owner", "_port", "_release_at", "_shutdown", "_ssl", "_state", "_tls_context", "_token",
        "_unsent", "_worker", "_writing", "addresses", "error", "on_buffer", "on_connected", "on_disconnected",
        "on_recv", "on_sent", "on_writable", "send_queue_limit", "stream",
    )  # fmt: skip

    def __init__(self, owner: TgoClientSocketManager, hostname: str, port: int) -> None:
        self._owner = owner
        self._hostname = hostname
        self._port = port
        self._state = DISCONNECTED
        self._worker: TSocketPoolWorker | None = None
        self._token = 0
        self._connecting: Connecting | None = None
        self._closed = False
        self._shutdown = False
        # Two locks, so that another thread can send while an event runs. The first guards the stream and what is
        # derived from it, and is never held during a call to the user; the second says that an event is running.
        self._io_lock = threading.Lock()
        self._event_lock = threading.RLock()
        self._writing = False
        self._unsent: deque[tuple[bytes, int]] | None = None
        self._flushed = 0
        #: When a connection that was given back expires; 0 while it is in use.
        self._release_at = 0.0
        self._ssl = False
        self._alpn = False
        self._tls_context: TlsContext | None = None
        self._openssl: TgoOpenSSL | None = None
        #: The connected socket, for the owner's use; ``None`` while there is none.
        self.stream: Stream | None = None
        #: Why the connection ended or could not be made; ``None`` where this side or the peer ended it in order.
        self.error: OSError | None = None
        #: Where to connect instead of looking :attr:`hostname` up.
        self.addresses: Sequence[Address] | None = None
        #: Bytes that may wait for the peer to take them before :meth:`send` refuses more.
        self.send_queue_limit = SEND_QUEUE_LIMIT
        #: Called when the connection can be used, after the TLS handshake where there is one.
        #: Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.OnConnected
        self.on_connected: TgoSocketNotifyEvent | None = None
        #: Called once when the connection has ended or could not be made; :attr:`error` says why, :attr:`state`
        #: is still DISCONNECTING where this side asked for it. Delphi: ...TgoSocketConnection.OnDisconnected
        self.on_disconnected: TgoSocketNotifyEvent | None = None
        #: Called with the bytes that have arrived. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.OnRecv
        self.on_recv: TgoSocketDataEvent | None = None
        #: Called with the bytes of a :meth:`send` once the kernel has all of them.
        #: Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.OnSent
        self.on_sent: TgoSocketDataEvent | None = None
        #: Called instead of :attr:`on_recv` with the block that was read into and the number of bytes: no copy is
        #: made, and the block is somebody else's as soon as the call returns.
        self.on_buffer: Callable[[MemoryBlock, int], object] | None = None
        #: Called when everything that was queued has been sent.
        self.on_writable: TgoSocketNotifyEvent | None = None

    # Options and state

    @property
    def hostname(self) -> str:
        """The peer's name or literal address; TLS verifies this.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Hostname
        """
        return self._hostname

    @hostname.setter
    def hostname(self, value: str) -> None:
        self._hostname = value

    @property
    def port(self) -> int:
        """The peer's TCP port. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Port"""
        return self._port

    @port.setter
    def port(self, value: int) -> None:
        self._port = value

    @property
    def socket(self) -> int:
        """The descriptor, -1 while there is none. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Socket"""
        stream = self.stream
        return -1 if stream is None else stream.fd

    @property
    def state(self) -> TgoConnectionState:
        """How far the connection is. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.State"""
        return self._state

    @property
    def pending(self) -> int:
        """How many operations are under way: connecting, and each :meth:`send` that the kernel hasn't all of.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Pending
        """
        stream = self.stream
        waiting = 1 if stream is not None and stream.backlog_size else 0
        unsent = self._unsent
        return (self._connecting is not None) + (max(waiting, len(unsent)) if unsent else waiting)

    def pending_to_string(self) -> str:
        """Return in words which operations are under way; ``"none"`` if there are none.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.PendingToString
        """
        parts = []
        connecting = self._connecting
        if connecting is not None:
            parts.append(connecting.doing)
        stream = self.stream
        if stream is not None and stream.backlog_size:
            parts.append(f"sending {stream.backlog_size} bytes")
        if self._state is DISCONNECTING:
            parts.append("disconnecting")
        return ", ".join(parts) or "none"

    @property
    def shutdown(self) -> bool:
        """This side has asked for the end. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Shutdown"""
        return self._shutdown

    @property
    def closed(self) -> bool:
        """The connection has ended or could not be made, and its descriptor is closed.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Closed
        """
        return self._closed

    @property
    def ssl(self) -> bool:
        """Speak TLS, verified unless the context says otherwise. Set before connecting.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.SSL
        """
        return self._ssl

    @ssl.setter
    def ssl(self, value: bool) -> None:
        self._ssl = value

    @property
    def alpn(self) -> bool:
        """Insist on HTTP/2 by ALPN: a peer that doesn't agree fails the connection. Set before connecting.

        Differs from Delphi: there a refusal was only logged, and the caller waited for the time limit.
        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.ALPN
        """
        return self._alpn

    @alpn.setter
    def alpn(self, value: bool) -> None:
        self._alpn = value

    @property
    def tls_context(self) -> TlsContext | None:
        """What to verify, offer and present in TLS; ``None`` for one made from the other options."""
        return self._tls_context

    @tls_context.setter
    def tls_context(self, value: TlsContext | None) -> None:
        self._tls_context = value

    @property
    def openssl(self) -> TgoOpenSSL:
        """The TLS handler, which also holds the certificate options.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.OpenSSL
        """
        if self._openssl is None:
            from openssl_api import TgoOpenSSL

            self._openssl = TgoOpenSSL(self._tls_context)
            self._openssl.host = self._hostname
            self._openssl.port = self._port
        return self._openssl

    @property
    def certificate(self) -> bytes:
        """The client's certificate, or chain, in PEM format. Set before connecting.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Certificate
        """
        return b"" if self._openssl is None else self._openssl.certificate

    @certificate.setter
    def certificate(self, value: bytes) -> None:
        self.openssl.certificate = value

    @property
    def private_key(self) -> bytes:
        """The client's private key in PEM format; by default it is looked for in :attr:`certificate`.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.PrivateKey
        """
        return b"" if self._openssl is None else self._openssl.private_key

    @private_key.setter
    def private_key(self, value: bytes) -> None:
        self.openssl.private_key = value

    @property
    def password(self) -> str:
        """The password of the private key. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Password"""
        return "" if self._openssl is None else self._openssl.password

    @password.setter
    def password(self, value: str) -> None:
        self.openssl.password = value

    # Connecting

    def connect(self, use_nagle: bool = True, *, timeout: float = CONNECT_TIMEOUT) -> bool:
        """Start to connect, and return at once; :attr:`on_connected` or :attr:`on_disconnected` tells how it ended.

        :param use_nagle: leave Nagle's algorithm on; ``False`` sends small messages without delay.
        :param timeout: seconds for lookup, TCP and TLS together.
        :return: whether it was started: ``False`` while connected or connecting.
        :raises ManagerClosedError: the manager has been closed.

        Differs from Delphi: never blocks, tries all addresses, and covers the handshake with the time limit.
        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Connect
        """
        with self._io_lock:
            if self.stream is not None or self._connecting is not None:
                return False
            self._reset()
            worker = self._worker = self._owner.choose_worker()
            self._owner.add(self)
            connecting = Connecting(self, worker, use_nagle, timeout, self._established, self._lost)
            self._connecting = connecting
        try:
            connecting.start()
        except RuntimeError as error:
            self._connecting = None
            self._closed = True
            self._owner.discard(self)
            raise ManagerClosedError("the socket manager is closed") from error
        return True

    def open(self, use_nagle: bool = True, *, timeout: float = CONNECT_TIMEOUT) -> Stream:
        """Connect in the calling thread, which then owns the connection and uses the returned stream.

        :param timeout: seconds for lookup, TCP and TLS together.
        :raises NameLookupError: the host name has no address.
        :raises ConnectionFailedError: no address could be connected.
        :raises ConnectionTimeoutError: the time is up.
        :raises openssl_api.TlsError: the TLS handshake failed, or the peer could not be verified.
        """
        if self.stream is not None or self._connecting is not None:
            raise SocketPoolError("the connection is already in use")
        self._reset()
        self._owner.add(self)
        try:
            stream = open_stream(self, use_nagle, timeout)
        except BaseException as error:
            self._closed = True
            if isinstance(error, OSError):
                self.error = error
            self._owner.discard(self)
            raise
        self.stream = stream
        self._state = CONNECTED
        return stream

    def _reset(self) -> None:
        self._closed = self._shutdown = self._writing = False
        self._unsent = None
        self._flushed = 0
        self._release_at = 0.0
        self.error = None

    def new_stream(self, fd: int, address: Address) -> Stream:
        """Return the stream for a connected descriptor: what the connection's options ask for."""
        if not self._ssl:
            return Stream(fd, address)
        from .tls_stream import TlsStream

        return TlsStream(fd, address, self._owner.new_engine(self, fd))

    def check_alpn(self, stream: Stream) -> None:
        """Fail where :attr:`alpn` insists on HTTP/2 and the peer has not agreed to it."""
        if self._alpn and (stream.engine is None or stream.engine.alpn != b"h2"):
            from openssl_api import TlsError

            raise TlsError(f"{self._hostname}:{self._port} did not agree to speak HTTP/2 (ALPN h2)")

    def _established(self, stream: Stream, token: int) -> None:
        """The worker has connected; the connection is attached to it."""
        worker = self._worker
        assert worker is not None
        with self._event_lock:
            self._connecting = None
            if self._shutdown:
                worker.unregister(token, stream.fd)
                stream.close()
                self._ended()
                return
            with self._io_lock:
                self.stream = stream
                self._token = token
                self._state = CONNECTED
            worker.set_handler(token, self._on_event)
            worker.modify(token, stream.fd, _READ_EVENTS)
            if self.on_connected is not None:
                self.on_connected()
            if stream.has_buffered_input:
                worker.call_soon(self._read_buffered, token)

    # Owners

    def attach(self, worker: TSocketPoolWorker | None = None) -> None:
        """Give a detached connection to a worker, which calls its events from now on.

        Only the owning thread may do this, and it must not touch :attr:`stream` afterwards.
        """
        stream = self.stream
        if stream is None or self._token:
            raise SocketPoolError("only a connected, detached connection can be attached")
        worker = self._worker = worker or self._worker or self._owner.choose_worker()
        with self._io_lock:
            self._writing = stream.backlog_size > 0
            events = _READ_EVENTS | EPOLLOUT if self._writing else _READ_EVENTS
            self._token = worker.register(stream.fd, events, self._on_event)
        if stream.has_buffered_input:
            worker.call_soon(self._read_buffered, self._token)

    def detach(self) -> bool:
        """Take an attached connection from its worker: the calling thread owns it now, and no event is called.

        :return: whether there was a connection to take; ``False`` if it has ended.
        """
        # Whoever holds this lock runs the connection's events, so after it none is running.
        with self._event_lock, self._io_lock:
            stream, token = self.stream, self._token
            if stream is None:
                return False
            if token:
                self._token = 0
                self._writing = False
                assert self._worker is not None
                self._worker.unregister(token, stream.fd)
            return True

    @property
    def attached(self) -> bool:
        """A worker owns the connection."""
        return self._token != 0

    @property
    def worker(self) -> TSocketPoolWorker | None:
        """The worker that serves the connection, or last served it."""
        return self._worker

    # What the worker calls

    def _on_event(self, flags: int) -> None:
        with self._event_lock:
            if not self._token:
                return
            if flags & EPOLLOUT:
                self._flush()
            # Reading tells what happened, whatever the flag was: data first, then the end or the error.
            if flags & ~EPOLLOUT and self._token:
                self._read()

    def _read(self) -> None:
        stream, worker = self.stream, self._worker
        assert stream is not None
        assert worker is not None
        block = worker.read_block()
        try:
            if stream.engine is None:
                count = stream.receive_now(block)
            else:
                with self._io_lock:
                    count = stream.receive_now(block)
        except OSError as error:
            self._lost(error)
            return
        if count > 0:
            if self._release_at:
                self._lost(None)  # nobody asked for this: what else it sends would confuse the next user
            elif self.on_buffer is not None:
                self.on_buffer(block, count)
            elif self.on_recv is not None:
                self.on_recv(bytes(block.view[:count]))
            if stream.engine is not None:
                self._after_tls_read(stream, worker)
        elif count == 0:
            error = None
            if stream.truncated:
                error = ConnectionLostError("the peer closed the connection without the TLS close_notify")
            self._lost(error)
        elif stream.backlog_size:
            self._want_write()

    def _after_tls_read(self, stream: Stream, worker: TSocketPoolWorker) -> None:
        # What OpenSSL has read ahead, epoll will not announce again. Others get their turn first.
        if self._token and self.stream is stream and stream.has_buffered_input:
            worker.call_soon(self._read_buffered, self._token)

    def _read_buffered(self, token: int) -> None:
        with self._event_lock:
            if token == self._token:
                self._read()

    def _flush(self) -> None:
        stream, worker = self.stream, self._worker
        assert stream is not None
        assert worker is not None
        sent: list[bytes] = []
        try:
            with self._io_lock:
                before = stream.backlog_size
                done = stream.flush()
                self._flushed += before - stream.backlog_size
                unsent = self._unsent
                while unsent and unsent[0][1] <= self._flushed:
                    sent.append(unsent.popleft()[0])
                if done:
                    self._writing = False
                    worker.modify(self._token, stream.fd, _READ_EVENTS)
        except OSError as error:
            self._lost(error)
            return
        for data in sent:
            if self.on_sent is not None:
                self.on_sent(data)
        if done and self._state is DISCONNECTING:
            self._lost(None)
        elif done and self.on_writable is not None:
            self.on_writable()

    def _want_write(self) -> None:
        stream, worker = self.stream, self._worker
        if not self._writing and stream is not None and worker is not None and self._token:
            self._writing = True
            worker.modify(self._token, stream.fd, _READ_EVENTS | EPOLLOUT)

    def _lost(self, error: OSError | None) -> None:
        """The connection has ended, or could not be made: close it and tell, once."""
        with self._event_lock:
            if self._closed:
                return
            if self._connecting is not None:
                self._connecting.cancel()
                self._connecting = None
            self.error = error
            self._close_stream(goodbye=error is None)
            self._ended()

    def _close_stream(self, goodbye: bool) -> None:
        with self._io_lock:
            stream, self.stream = self.stream, None
            token, self._token = self._token, 0
            self._unsent = None
            if stream is None:
                return
            if token and self._worker is not None:
                self._worker.unregister(token, stream.fd)
            if goodbye and stream.engine is not None:
                stream.shutdown_tls()  # type: ignore[attr-defined]
            stream.close()

    def _ended(self) -> None:
        self._closed = True
        self._owner.discard(self)
        try:
            if self.on_disconnected is not None:
                self.on_disconnected()
        finally:
            self._state = DISCONNECTED

    # Sending and ending

    def send(self, data: bytes) -> bool:
        """Send *data*; what the kernel doesn't take at once is queued and sent when the peer reads.

        :return: whether the data was taken: ``False`` where the connection isn't connected, broke, or has
            :attr:`send_queue_limit` bytes waiting already. :attr:`on_sent` is called when all of it is sent.

        Differs from Delphi: never blocks, and nothing of a partial send is lost.
        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Send
        """
        if type(data) is not bytes:
            data = bytes(data)
        with self._io_lock:
            stream = self.stream
            if stream is None or self._state is not CONNECTED or stream.backlog_size >= self.send_queue_limit:
                return False
            try:
                if not stream.send(data):
                    self._want_write()
                    if self.on_sent is not None:
                        if self._unsent is None:
                            self._unsent = deque()
                        self._unsent.append((data, self._flushed + stream.backlog_size))
                    return True
            except OSError as error:
                if self._token and self._worker is not None:
                    self._worker.call_soon(self._lost, error)
                else:
                    self.error = error
                return False
        # Not called from here: the event rule holds for this one too, and an event that sends again must not recurse.
        if self.on_sent is not None and self._worker is not None:
            self._worker.call_soon(self._sent, data)
        return True

    def _sent(self, data: bytes) -> None:
        with self._event_lock:
            if self.on_sent is not None:
                self.on_sent(data)

    def disconnect(self) -> None:
        """End the connection once what is queued has been sent; :attr:`on_disconnected` tells when it has ended.

        A peer that doesn't take the rest within INTERVAL_CLEANUP seconds is cut off.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Disconnect
        """
        with self._io_lock:
            if self._shutdown or self._closed:
                return
            if self.stream is None and self._connecting is None:
                return
            self._shutdown = True
            if self._state is CONNECTED:
                self._state = DISCONNECTING
            worker = self._worker if self._token or self._connecting is not None else None
        if worker is None:
            self._lost(None)
            return
        try:
            worker.call_soon(self._disconnect)
        except RuntimeError:
            self._lost(None)

    def _disconnect(self) -> None:
        stream, worker = self.stream, self._worker
        if stream is not None and stream.backlog_size and worker is not None and not self._closed:
            worker.call_at(time.monotonic() + INTERVAL_CLEANUP, self._cut_off)
        else:
            self._lost(None)

    def _cut_off(self) -> None:
        if self._state is DISCONNECTING:
            self._lost(ConnectionLostError("the peer did not take the rest of the data before the disconnect"))

    def abort(self, error: OSError | None = None) -> None:
        """End the connection at once, dropping what is queued. Only the owner may: its thread, or the worker."""
        self._shutdown = True
        self._lost(error)

    def stop_callbacks(self) -> None:
        """Call no event any more. When this returns, none is running, unless it was called from one.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.StopCallbacks
        """
        with self._event_lock:
            self.on_connected = self.on_disconnected = self.on_writable = None
            self.on_recv = self.on_sent = self.on_buffer = None

    def close(self) -> None:
        """Disconnect and call no event any more.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Destroy
        """
        self.stop_callbacks()
        self.disconnect()

    # For the manager

    def give_back(self, seconds: float) -> bool:
        """Keep the connection for *seconds* for whoever asks next; what the peer sends meanwhile ends it.

        :return: whether it can be kept.
        """
        try:
            if not self._token:
                self.attach()
            with self._io_lock:
                if self._token == 0 or self._shutdown or self.stream is None or self.stream.backlog_size:
                    return False
                self._release_at = time.monotonic() + seconds
                assert self._worker is not None
                self._worker.call_soon(self._watch_expiry)
        except (OSError, RuntimeError):
            return False
        return True

    def take_back(self) -> bool:
        """Use a connection again that was given back. ``False`` if it has ended or expired meanwhile."""
        with self._io_lock:
            if not self._release_at or self._shutdown or self._closed:
                return False
            self._release_at = 0.0
            return True

    def _watch_expiry(self) -> None:
        with self._io_lock:
            release_at = self._release_at
            expired = 0.0 < release_at <= time.monotonic()
            if expired:
                self._shutdown = True
        if expired:
            self._lost(None)
        elif release_at and self._worker is not None:
            self._worker.call_at(release_at, self._watch_expiry)

    def end(self, error: OSError) -> None:
        """End the connection from outside, in any thread: its owner meets the end in its own."""
        with self._io_lock:
            self._shutdown = True
            stream = self.stream
            worker = self._worker if self._token or self._connecting is not None else None
            if worker is None and stream is not None:
                stream.shutdown()  # wakes the thread that owns it; closing is up to that one
        if worker is not None:
            try:
                worker.call_soon(self._lost, error)
            except RuntimeError:
                self._lost(error)

    def abandon_after_fork(self) -> None:
        """In a forked child: close the child's copy of the descriptor without a word to the peer."""
        stream, self.stream = self.stream, None
        self._io_lock = threading.Lock()
        self._event_lock = threading.RLock()
        self._connecting = None
        self._worker = None
        self._token = 0
        self._closed = True
        self._state = DISCONNECTED
        if stream is not None:
            stream.close()

    def __repr__(self) -> str:
        kind = " with TLS" if self._ssl else ""
        return f"<TgoSocketConnection {self._hostname}:{self._port}{kind} {self._state.name.lower()}>"
