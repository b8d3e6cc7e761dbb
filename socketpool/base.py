"""What every connection has: its state, its events, its two locks, and one end.

* The *event lock* is the right to call events, and to end the connection; who has it may take it again.
* The *I/O lock* guards the stream, who owns it, and how far the connection is. It is taken last and held shortly,
  never during a call to the user.

Two of them, so that another thread can send while an event runs.

What other threads ask of an attached connection (an end, above all) is done by its worker. Until the worker gets to
it, the connection may have changed hands; so such a call carries who the owner was, and is passed on if that has
changed: a new worker is asked in turn, a thread finds its socket shut down.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock

from .options import ConnectionOptions
from .worker import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Protocol

    from openssl_api import TlsEngine

    from .connecting import Connecting
    from .manager import TgoClientSocketManager
    from .memorypool import MemoryBlock
    from .opening import Opening
    from .states import TgoConnectionState, TgoSocketDataEvent, TgoSocketNotifyEvent
    from .stream import Stream
    from .times import ConnectTimes
    from .worker import TSocketPoolWorker


    class ConnectionHandler(Protocol):
        """Who uses a connection; see :attr:`BaseConnection.handler`."""

        def on_connected(self) -> object: ...

        def on_buffer(self, block: MemoryBlock, count: int, /) -> object: ...

        def on_disconnected(self) -> object: ...


# The values of TgoConnectionState.
DISCONNECTED = 0
DISCONNECTING = 1
CONNECTED = 2


class BaseConnection(ConnectionOptions):
    """A connection as far as it can end; see :class:`.connection.TgoSocketConnection` for the rest."""

    __slots__ = (
        "__weakref__", "_active", "_closed", "_connecting", "_event_lock", "_io_lock", "_opening", "_owner",
        "_shutdown", "_state", "_unsent", "error", "handler", "on_buffer", "on_connected", "on_disconnected", "on_recv",
        "on_sent", "on_writable", "stream", "times", "token", "worker",
    )  # fmt: skip

    def __init__(self, owner: TgoClientSocketManager, hostname: str, port: int) -> None:
        super().__init__(hostname, port)
        self._owner = owner
        self._io_lock = allocate_lock()
        self._event_lock = RLock()
        self._state = DISCONNECTED
        #: From the moment when connecting begins to that when the connection has ended.
        self._active = False
        self._closed = False
        self._shutdown = False
        #: How far connecting is: driven by a worker, or by a thread.
        self._connecting: Connecting | None = None
        self._opening: Opening | None = None
        #: The worker that serves the connection, or last served it.
        self.worker: TSocketPoolWorker | None = None
        #: The worker's registration of the connection; 0 while it is detached. Not to be set from outside, as above.
        self.token = 0
        #: What was sent but isn't with the kernel, in order, each with how much of the backlog must be gone first.
        #: ``None`` where there is nothing, as nearly always: an empty deque takes 600 bytes.
        self._unsent: deque[tuple[bytes, int]] | None = None
        #: The connected socket, for the owner's use; ``None`` while there is none.
        self.stream: Stream | None = None
        #: When the steps of becoming connected were done; ``None`` before.
        self.times: ConnectTimes | None = None
        #: Why the connection ended or could not be made; ``None`` where this side or the peer ended it in order.
        self.error: OSError | None = None
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
        #: An object whose ``on_connected()``, ``on_buffer(block, count)`` and ``on_disconnected()`` are called instead
        #: of these three events: one reference where the events would be three bound methods for each connection.
        self.handler: ConnectionHandler | None = None
        #: Called when everything that was queued has been sent.
        self.on_writable: TgoSocketNotifyEvent | None = None

    # State

    @property
    def socket(self) -> int:
        """The descriptor, -1 while there is none. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.Socket"""
        stream = self.stream
        return -1 if stream is None else stream.fd

    @property
    def state(self) -> TgoConnectionState:
        """How far the connection is. Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.State"""
        from .states import TgoConnectionState

        return TgoConnectionState(self._state)

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

    def _engine(self) -> TlsEngine | None:
        stream = self.stream
        return None if stream is None else stream.engine

    # Ending

    def abort(self, error: OSError | None = None) -> None:
        """End the connection at once, dropping what is queued. Only the owner may: its thread, or the worker.

        :attr:`on_disconnected` is called from here, also where the connection is detached.
        """
        self._shutdown = self._shutdown or self._active
        self._lost(error)

    def end(self, error: OSError) -> None:
        """End the connection from outside, in any thread: its owner meets the end in its own.

        A worker calls :attr:`on_disconnected`. A thread that is in :meth:`open` gets *error*; one that uses the
        stream meets its end there, and finds *error* in :attr:`error`. A connection that hasn't been used yet can't
        be connected any more.
        """
        with self._io_lock:
            if self._closed:
                return
            self._shutdown = True
            if self.error is None:
                self.error = error
            if self._opening is not None:
                self._opening.call_off(error)
                return
        self._ask_owner(error)

    def _ask_owner(self, error: OSError | None) -> None:
        """Have the owner end the connection, whoever that is now."""
        with self._io_lock:
            holder = self._connecting or self.token
            worker = self.worker if holder else None
            if worker is None:
                if self.stream is not None:
                    self.stream.shutdown()  # wakes the thread that owns it; closing is up to that one
                return
        try:
            worker.call_soon(self._end_held, holder, error)
        except RuntimeError:
            self._lost(error)

    def _end_held(self, holder: object, error: OSError | None) -> None:
        """End the connection in the worker, on behalf of another thread that asked *holder* to."""
        with self._event_lock:
            if holder == (self._connecting or self.token):
                self._lost(error)
                return
        self._ask_owner(error)

    def _lost(self, error: OSError | None) -> None:
        """The connection has ended, or could not be made: close it and tell, once."""
        with self._event_lock:
            with self._io_lock:
                if not self._active or self._opening is not None:
                    return
                connecting, self._connecting = self._connecting, None
                if self.error is None:  # the first reason is the cause of the others
                    self.error = error
                stream, self.stream = self.stream, None
                token, self.token = self.token, 0
                self._unsent = None
                if stream is not None:
                    if token and self.worker is not None:
                        self.worker.unregister(token, stream.fd)
                    stream.say_goodbye()
                    stream.close()
            if connecting is not None:
                connecting.cancel()
            self._owner.discard(self)  # type: ignore[arg-type]
            with self._io_lock:
                self._closed = True
                self._active = False
            handler = self.handler
            event = self.on_disconnected if handler is None else handler.on_disconnected
            if event is not None:
                try:
                    event()
                except BaseException as failure:
                    report(failure, event)
            if self._closed:  # and not connected again by the event
                self._state = DISCONNECTED

    def stop_callbacks(self) -> None:
        """Call no event any more. When this returns, none is running, unless it was called from one.

        Delphi: Grijjy.SocketPool.Linux.TgoSocketConnection.StopCallbacks
        """
        with self._event_lock:
            self.handler = self.on_connected = self.on_disconnected = self.on_writable = None
            self.on_recv = self.on_sent = self.on_buffer = None

    def abandon_after_fork(self) -> None:
        """In a forked child: close the child's copies of descriptors without a word to the peer."""
        stream, self.stream = self.stream, None
        connecting, self._connecting = self._connecting or self._opening, None
        self._io_lock = allocate_lock()
        self._event_lock = RLock()
        self._opening = None
        self.worker = None
        self.token = 0
        self._active = False
        self._closed = True
        self._state = DISCONNECTED
        if connecting is not None:
            connecting.abandon()
        if stream is not None:
            stream.abandon()
