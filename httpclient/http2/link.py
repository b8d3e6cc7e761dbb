"""An HTTP/2 session on a socket: bytes between the two, what ends them, and whether the peer is still there.

One lock guards the session, the stream and the roles of :mod:`.driver`. It is never held while waiting for the
peer, nor while code of the user runs. A worker that calls us holds the connection's event lock, so that one is never
waited for with ours held.

No Delphi origin: the original used one session for one stream at a time, from two threads without a lock.
"""

from __future__ import annotations

import os
import threading
import time
from _weakref import ref

from linuxapi import EPOLLOUT
from socketpool.worker import report

from ..errors import HttpClientError, RemoteClosedError
from ..failures import aborted
from ..http2_options import PING_TIMEOUT, SETTINGS_TIMEOUT, default_trace
from .health import Http2Health, goaway_code
from .output import SEND_SIZE
from .session import Http2Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeAlias

    from socketpool import MemoryBlock, Stream, TgoSocketConnection, Timer, TSocketPoolWorker

    from ..exchange import Exchange
    from ..pooling.origin import Origin
    from .trace import Http2Frame, Http2Trace

    #: An exchange, or what has the same attributes for this purpose.
    Party: TypeAlias = Any

#: Seconds for which a lone request takes the connection for one that others use too, once they do.
_A_WHILE = 1.0

#: Stands for the worker in the role of the driver.
WORKER = "worker"


class Http2Link:
    """A connected socket and the HTTP/2 session on it.

    Not used alone: :class:`httpclient.http2.connection.Http2Connection` completes it.

    :param origin: what it belongs to.
    :param connection: connected, detached or attached.
    """

    __slots__ = (
        "__weakref__", "_alone_since", "_driver", "_ended", "_exchanges", "_flush_asked", "_health", "_in_kernel",
        "_lock", "_news", "_pushing", "_quick", "_sending", "_timer", "_untaken", "_waiters", "closing", "connection",
        "engine", "idle_since", "origin", "peer", "session", "uses",
    )  # fmt: skip

    #: Unlike Http1Connection, it carries many exchanges at a time.
    is_http2: Literal[True] = True

    def __init__(self, origin: Origin, connection: TgoSocketConnection) -> None:
        stream = connection.stream
        assert stream is not None
        self.origin = origin
        self.connection = connection
        self.peer = stream.address.text
        #: The TLS with the origin, for those who ask about it, also when it has ended.
        self.engine = stream.engine if origin.tls else None
        self.uses = 0
        self.idle_since = time.monotonic()
        self.closing: HttpClientError | None = None
        self._lock = threading.Lock()
        options = origin.pool.http2_options
        trace: Http2Trace | None = options.get("trace") or default_trace()
        self.session = Http2Session(trace=None if trace is None else self._guarded(trace))
        #: Who reads: ``None``, the worker, or the party of the thread that does.
        self._driver: object = WORKER if connection.attached else None
        #: The exchanges under way, by stream.
        self._exchanges: dict[int, Exchange] = {}
        #: Parties of threads that sleep.
        self._waiters: list[Party] = []
        #: Parties that something has happened to, to be told with the lock released.
        self._news: list[Party] = []
        self._ended = False
        #: The last response to a lone request came within a moment.
        self._quick = False
        #: When, or a while after, somebody last wanted to send while a lone request had the stream for itself.
        self._alone_since = 0.0
        #: The driver waits inside of the stream, with nothing locked, so nobody else may use it: what is to be sent is
        #: left to the driver.
        self._in_kernel = False
        self._flush_asked = False
        #: Where the worker watches for the peer to take more: the worker, the registration, and its descriptor.
        self._pushing: tuple[TSocketPoolWorker, int, int] | None = None
        self._timer: Timer | None = None
        #: Streams whose requests were still on their way when somebody last looked.
        self._sending: set[int] = set()
        #: How much of what was sent the peer hadn't taken when somebody last looked.
        self._untaken = 0
        #: What watches over the peer; ``None`` when there is nothing to watch any more.
        self._health: Http2Health | None = Http2Health(
            self.idle_since,
            options.get("settings_timeout", SETTINGS_TIMEOUT),
            options.get("ping_interval", 0.0),
            options.get("ping_timeout", PING_TIMEOUT),
        )

    def _guarded(self, trace: Http2Trace) -> Callable[[Http2Frame], object]:
        """Return what tells a user's function of frames, without letting it harm the connection."""
        peer = self.peer

        def tell(frame: Http2Frame) -> None:
            try:
                trace(peer, frame)
            except Exception as error:
                report(error, trace)

        return tell

    # Requests

    def _submit(self, exchange: Exchange, now: float) -> None:
        """Queue the request in the session. With the lock held.

        :raises RefusedStreamError: the connection has just ended.
        """
        session = self.session
        request = exchange.request
        exchange.connection = self
        exchange.news = self._news
        exchange.last_activity = now
        self.uses += 1
        head = request.http2_head
        if head is not None:
            stream_id = session.submit_head(head, exchange)
        else:
            uri = request.uri
            stream_id = session.submit(
                request.method, uri.scheme, uri.authority, uri.target, request.fields, request.body, exchange,
                exchange.protocol,
            )  # fmt: skip
            request.keep_http2_head()
        exchange.stream_id = stream_id
        self._exchanges[stream_id] = exchange

    # Bytes

    def _read(self, block: MemoryBlock, received: int | None = None) -> None:
        """Read and act on what has arrived, and send what is to be said to it. An error ends the connection. With the
        lock held.

        :param received: how much has been read into *block* already, as :meth:`Stream.receive_now` says it.
        """
        try:
            self._in_kernel = False
            stream = self.connection.stream
            if stream is None:
                raise RemoteClosedError("the HTTP/2 connection was closed")
            if stream.backlog_size:
                stream.flush()
            session = self.session
            count = stream.receive_now(block) if received is None else received
            health = self._health
            if health is not None and count > 0:
                health.heard = time.monotonic()
            while count > 0:
                session.receive_at(block.view, block.address, block.pointer, count)
                if count < block.size and not stream.has_buffered_input:
                    break
                count = stream.receive_now(block)
            if session.want_write:
                self._send_pending()
            if count == 0:
                raise self.closing or RemoteClosedError("the server closed the HTTP/2 connection")
        except (OSError, HttpClientError) as error:
            self._lost(error)
        except BaseException:
            self._lost(aborted("reading was interrupted"))  # half way, so nothing can go on
            raise

    def _send_pending(self) -> None:
        """Send what the session has to say, as far as the kernel takes it. With the lock held."""
        if self._in_kernel:
            self._alone_since = time.monotonic() + _A_WHILE
            return
        connection = self.connection
        stream = connection.stream
        try:
            while stream is not None and not stream.backlog_size:
                data, payload = self.session.output()
                if not data:
                    return
                if connection.token:
                    # Attached: the worker uses the stream too, while it reads, under the lock of the connection.
                    connection.send(data + payload)
                elif payload:
                    stream.send_two(data, payload)
                else:
                    stream.send(data)
                if not payload and len(data) < SEND_SIZE:
                    return  # that was all
        except (OSError, HttpClientError):
            raise
        except BaseException:
            self._lost(aborted("sending was interrupted"))  # what was taken out of the session is lost
            raise

    def _send_aside(self) -> None:
        """Like :meth:`_send_pending`, for who isn't the driver: what the peer doesn't take at once is seen to, and an
        error ends the connection. With the lock held.
        """
        if self._ended:
            return
        try:
            self._send_pending()
            stream = self.connection.stream
            if stream is not None and stream.backlog_size:
                if self._driver is None:
                    self._attach(None)
                elif self._driver is not WORKER:
                    self._push(stream)
        except (OSError, HttpClientError) as error:
            self._lost(error)

    def _push(self, stream: Stream) -> None:
        """Have the worker wait until the peer takes more: the driver may be waiting for input only. With the lock
        held.
        """
        if self._pushing is not None:
            return
        worker = self.connection.worker or self.origin.pool.socket_manager.choose_worker()
        # A descriptor of its own: the driver may close the other one.
        descriptor = os.dup(stream.fd)
        try:
            self._pushing = worker, worker.register(descriptor, EPOLLOUT, self._writable), descriptor
        except (OSError, RuntimeError):
            os.close(descriptor)  # without a worker, the driver sends it when it next hears something

    def _writable(self, flags: int, token: int) -> None:
        """The peer takes more. In the worker."""
        with self._lock:
            self._stop_pushing()
            stream = self.connection.stream
            if not self._ended and stream is not None and not self.connection.attached:  # or it flushes by itself
                try:
                    stream.flush()
                except OSError as error:
                    self._lost(error)
                self._send_aside()
                if stream.backlog_size and not self._ended and self._driver is not WORKER:
                    self._push(stream)
            ready = self._collect()
        self._tell(ready, None)

    def _stop_pushing(self) -> None:
        pushing, self._pushing = self._pushing, None
        if pushing is not None:
            worker, token, descriptor = pushing
            worker.unregister(token, descriptor)
            os.close(descriptor)

    # The peer's health

    def watch_health(self) -> None:
        """Have the worker look after the peer's SETTINGS, and its answers to PING. Once, when the connection is new."""
        worker = self.connection.worker or self.origin.pool.socket_manager.choose_worker()
        try:
            worker.call_soon(self._look_again, worker)
        except RuntimeError:
            pass  # closed, and so is the connection, or soon

    def _look_again(self, worker: TSocketPoolWorker) -> None:
        """Set the timer for the next look. In the worker."""
        health = self._health
        if health is None or self._ended:
            return
        due = health.due
        if not due:
            self._health = None  # from here on it costs nothing
            return
        # Weakly: a connection that has ended has no reason to wait for its timer.
        reference = ref(self)

        def look() -> None:
            connection = reference()
            if connection is not None:
                connection._look(worker)

        worker.call_at(due, look)

    def _look(self, worker: TSocketPoolWorker) -> None:
        health = self._health
        if health is None or self._ended:
            return
        with self._lock:
            now = time.monotonic()
            error = None if self._ended else health.look(self.session, now, self._driver is not None)
            if error is not None:
                self.session.give_up(error, goaway_code(error))
                self._lost(error)
            elif not self._ended:
                if self._driver is None and (health.expects_answer or not self.session.settings_acknowledged):
                    self._attach(worker)
                self._send_aside()
            ready = self._collect()
        self._tell(ready, None)
        self._look_again(worker)

    # The end

    def _retire(self) -> None:
        """End a connection that takes no more requests, once nothing is left on it. With the lock held."""
        if not self._exchanges and not self._ended and not self.session.accepts_streams:
            self.session.terminate()
            self._lost(aborted("the HTTP/2 connection takes no more requests"))

    def _lost(self, error: BaseException) -> None:
        """The connection is over: every exchange on it ends. With the lock held."""
        if self._ended:
            return
        if self._exchanges:
            from copy import copy  # before anything is done: an import can be interrupted
        self._ended = True
        stream = self.connection.stream
        if stream is not None and isinstance(error, HttpClientError):
            try:
                self._send_pending()  # GOAWAY tells the peer what it did wrong
            except (OSError, HttpClientError):
                pass
        self._stop_pushing()
        if isinstance(error, HttpClientError):
            reason = error
        else:
            reason = RemoteClosedError(str(getattr(error, "strerror", None) or error))
            reason.__cause__ = error
        self.session.connection_lost(reason)
        for exchange in self._exchanges.values():
            if exchange.error is reason:
                exchange.error = copy(reason)  # each its own: where it happened will be added
        self.session.close()
        for party in self._waiters:
            self._wake(party)
        if stream is not None:
            if self._driver is None and not self.connection.attached:
                self.connection.abort()  # nobody is reading who would meet the end
            else:
                stream.shutdown()
        self.origin.forget(self)  # type: ignore[arg-type]  # the subclass

    def _located(self, error: HttpClientError, exchange: Exchange) -> HttpClientError:
        return error.locate(url=exchange.request.uri.to_string(), peer=self.peer)

    # What the roles do

    def _collect(self) -> list[Party]:
        """Return the parties that something has happened to. With the lock held."""
        raise NotImplementedError

    def _tell(self, ready: list[Party], own: Party) -> None:
        """Let users have what has arrived for them. With nothing locked."""
        raise NotImplementedError

    def _attach(self, worker: TSocketPoolWorker | None) -> None:
        """Give the connection to the worker. With the lock held."""
        raise NotImplementedError

    @staticmethod
    def _wake(party: Party) -> None:
        """Wake a party that sleeps, if it does."""
        waiter = party.waiter
        if waiter is not None and waiter.locked():
            try:
                waiter.release()
            except RuntimeError:
                pass  # woken by somebody else in the same moment
