"""Who reads from an HTTP/2 connection that many use: the *driver*.

A blocking caller that finds no driver becomes it, so a lone request costs no thread hand-off. When its own response is
there, it passes the role on: to another waiting caller, or to the worker if there is work that nobody waits for, or to
nobody. Who isn't the driver sends its request, and sleeps until it is woken with the result, or with the role.

What waits is a *party*: an exchange, or one direction of it (:mod:`.duplex`).

One lock guards the session, the stream and the roles. It is never held while waiting for the peer, nor while code of
the user runs. A worker that calls us holds the connection's event lock, so that one is never waited for with ours held.

No Delphi origin: the original used one session for one stream at a time, from two threads without a lock.
"""

from __future__ import annotations

import os
import threading
import time
from copy import copy

from linuxapi import EPOLLOUT
from linuxapi.syssocket import POLLIN, POLLOUT
from socketpool.stream import Stream, read_blocks

from .errors import DeadlineError, HttpClientError, ReceiveTimeoutError, RemoteClosedError
from .failures import aborted
from .http2 import SEND_SIZE, Http2Session
from .tls import describe_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from socketpool import MemoryBlock, TgoSocketConnection, Timer, TSocketPoolWorker

    from .exchange import Exchange
    from .origin import Origin

    #: An exchange, or what has the same attributes for this purpose.
    Party: TypeAlias = Any

#: Stands for the worker in the role of the driver.
WORKER = "worker"


class Http2Driver:
    """A connected socket, the HTTP/2 session on it, and the roles around them.

    Not used alone: :class:`httpclient.http2_connection.Http2Connection` completes it.

    :param origin: what it belongs to.
    :param connection: connected, detached or attached.
    """

    __slots__ = (
        "_driver", "_ended", "_exchanges", "_flush_asked", "_lock", "_news", "_pushing", "_session", "_timer",
        "_waiters", "closing", "connection", "idle_since", "origin", "peer", "tls_description", "uses",
    )  # fmt: skip

    def __init__(self, origin: Origin, connection: TgoSocketConnection) -> None:
        stream = connection.stream
        assert stream is not None
        self.origin = origin
        self.connection = connection
        self.peer = stream.address.text
        #: TLS version, cipher and ALPN protocol, for those who want to see them.
        self.tls_description = describe_tls(stream)
        self.uses = 0
        self.idle_since = time.monotonic()
        self.closing: HttpClientError | None = None
        self._lock = threading.Lock()
        self._session = Http2Session()
        #: Who reads: ``None``, the worker, or the party of the thread that does.
        self._driver: object = WORKER if connection.attached else None
        #: The exchanges under way, by stream.
        self._exchanges: dict[int, Exchange] = {}
        #: Parties of threads that sleep.
        self._waiters: list[Party] = []
        #: Parties that something has happened to, to be told with the lock released.
        self._news: list[Party] = []
        self._ended = False
        self._flush_asked = False
        #: Where the worker watches for the peer to take more: the worker, the registration, and its descriptor.
        self._pushing: tuple[TSocketPoolWorker, int, int] | None = None
        self._timer: Timer | None = None

    # Taking the role

    def _may_drive(self, party: Party) -> bool:
        """Make the calling thread the driver if nobody is, or only a worker that nobody needs. With the lock held.

        It has to :meth:`_take_over` next, with the lock released.
        """
        driver = self._driver
        if driver is None or (driver is WORKER and not self._needs_worker()):
            self._driver = party
            return True
        return False

    def _needs_worker(self) -> bool:
        """Something is under way that no thread waits for. With the lock held."""
        return any(exchange.on_done is not None for exchange in self._exchanges.values())

    def _take_over(self, check: bool) -> None:
        """Take the connection from the worker, if it has it. The driver does this, with the lock released.

        :param check: hear what the peer has said while nobody listened, perhaps goodbye.
        """
        connection = self.connection
        if connection.attached and connection.detach():
            connection.stop_callbacks()
            check = True
        if not check:
            return
        stream = connection.stream
        if stream is not None and not stream.has_buffered_input and Stream.is_quiet(stream):
            return
        block = read_blocks.request_mem()
        try:
            with self._lock:
                self._read(block)
                ready = self._collect()
        finally:
            read_blocks.release_mem(block)
        self._tell(ready, None)

    # Waiting

    def _wait(self, party: Party, mine: bool) -> None:
        """Wait until *party* is satisfied, or its connection has ended. Afterwards the calling thread has no role.

        :param mine: the calling thread is the driver.
        :raises HttpTimeoutError: that takes too long.
        """
        left = False
        try:
            while not party.satisfied():
                if mine:
                    left = self._drive(party)
                    break
                mine = self._sleep(party)
        finally:
            if not left:
                self._hand_over(party)
        if left:
            self.origin.became_idle()

    def _sleep(self, party: Party) -> bool:
        """Wait until woken. ``True`` if the calling thread is the driver now."""
        with self._lock:
            if party.satisfied():
                return False
            if self._driver is None:
                self._driver = party
                return True
            waiter = party.waiter = threading.Lock()
            waiter.acquire()
            self._waiters.append(party)
        try:
            if party.incremental:
                party.deliver()
            waiter.acquire(timeout=min(self._patience(party), threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                party.waiter = None
                if party in self._waiters:
                    self._waiters.remove(party)
                mine = self._driver is party
        return mine

    def _patience(self, party: Party) -> float:
        """Return how long to wait for the peer on behalf of a party.

        :raises HttpTimeoutError: not at all.
        """
        request = party.request
        now = time.monotonic()
        left: float = party.last_activity + request.recv_timeout - now
        if request.deadline:
            if now >= request.deadline:
                raise DeadlineError("the overall time limit has passed while waiting for the response")
            left = min(left, request.deadline - now) if left > 0 else left
        if left <= 0:
            raise silent(request.recv_timeout)
        return left

    @staticmethod
    def _wake(party: Party) -> None:
        waiter = party.waiter
        if waiter is not None and waiter.locked():
            try:
                waiter.release()
            except RuntimeError:
                pass  # woken by somebody else in the same moment

    # Driving

    def _drive(self, party: Party) -> bool:
        """Read for everybody, until *party* is satisfied or the connection has ended.

        :return: nobody else is left, and the role has been given up.
        """
        stream = self.connection.stream
        if stream is None:
            raise self.closing or RemoteClosedError("the HTTP/2 connection was closed")
        lock, news = self._lock, self._news
        block = read_blocks.request_mem()
        try:
            while True:
                if not stream.wait(POLLIN | POLLOUT if stream.backlog_size else POLLIN, self._patience(party)):
                    continue
                with lock:
                    self._read(block)
                    ready = self._collect() if news else []
                    satisfied = party.satisfied()
                    left = (
                        satisfied
                        and not self._exchanges
                        and not self._waiters
                        and not stream.backlog_size
                        and self._session.accepts_streams
                    )
                    if left:
                        self._driver = None
                if ready and (party.incremental or ready != [party]):
                    self._tell(ready, party)
                if left:
                    return True
                if satisfied or self._ended:
                    return False
        finally:
            read_blocks.release_mem(block)

    def _read(self, block: MemoryBlock) -> None:
        """Read and act on what has arrived, and send what is to be said to it. An error ends the connection. With the
        lock held.
        """
        try:
            stream = self.connection.stream
            if stream is None:
                raise RemoteClosedError("the HTTP/2 connection was closed")
            if stream.backlog_size:
                stream.flush()
            session = self._session
            count = stream.receive_now(block)
            while count > 0:
                session.receive(block.data, 0, count)
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
        connection = self.connection
        stream = connection.stream
        while stream is not None and not stream.backlog_size:
            data = self._session.data_to_send()
            if not data:
                return
            # While a worker reads, it uses the stream too, under the lock of the connection.
            if connection.attached:
                connection.send(data)
            else:
                stream.send(data)
            if len(data) < SEND_SIZE:
                return  # that was all

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

    # Telling

    def _collect(self) -> list[Party]:
        """Return the parties that something has happened to, each once. With the lock held."""
        news = self._news
        if not news:
            return []
        ready = list(dict.fromkeys(news))
        news.clear()
        now = time.monotonic()
        exchanges = self._exchanges
        for party in ready:
            party.last_activity = now
            if party.head is not None:
                party.responded = True
            if party.done:
                exchanges.pop(party.stream_id, None)
        if not exchanges:
            self.idle_since = now
        return ready

    def _tell(self, ready: list[Party], own: Party) -> None:
        """Let users have what has arrived for them. With nothing locked."""
        for party in ready:
            if party.waiter is not None:
                if party.satisfied() or party.incremental:
                    self._wake(party)
            elif party.on_done is None:
                if party.incremental and party is own:
                    own.deliver()
            elif party.incremental or party.done:
                self._tell_in_worker(party)

    def _tell_in_worker(self, exchange: Exchange) -> None:
        worker = self.connection.worker or self.origin.pool.socket_manager.choose_worker()
        if worker.is_current:
            self._deliver(exchange)
        else:
            try:
                worker.call_soon(self._deliver, exchange)
            except RuntimeError:
                self._deliver(exchange)

    def _deliver(self, exchange: Exchange) -> None:
        if exchange.incremental:
            try:
                exchange.deliver()
            except Exception as error:
                if isinstance(error, HttpClientError):
                    failure = error
                else:
                    failure = aborted(f"an event of the client failed: {error!r}")
                    failure.__cause__ = error
                with self._lock:
                    if exchange.stream_id in self._exchanges:
                        self._session.cancel(exchange.stream_id)
                        del self._exchanges[exchange.stream_id]
                exchange.done = False
                exchange.on_failure(failure)
        if exchange.done and exchange.on_done is not None:
            on_done, exchange.on_done = exchange.on_done, None
            if exchange.error is not None:
                self._located(exchange.error, exchange)
            on_done(exchange)

    def _located(self, error: HttpClientError, exchange: Exchange) -> HttpClientError:
        return error.locate(url=exchange.request.uri.to_string(), peer=self.peer)

    # Passing the role on

    def _hand_over(self, party: Party) -> None:
        """Stop being the driver, if it is, and see to it that whoever is left is served."""
        heir = None
        with self._lock:
            if self._driver is not party:
                return
            self._driver = None
            self._retire()
            if not self._ended:
                stream = self.connection.stream
                if self._waiters:
                    heir = self._driver = self._waiters.pop(0)
                elif (stream is not None and stream.backlog_size) or self._needs_worker():
                    self._attach(None)
                else:
                    # A stream whose reader is busy elsewhere is no reason for the worker to read, not at once.
                    self.idle_since = time.monotonic()
            ended = self._ended
            ready = self._collect()
        self._tell(ready, None)
        if ended:
            self.connection.abort()
        elif heir is not None:
            self._wake(heir)
        else:
            self.origin.became_idle()

    def _attach(self, worker: TSocketPoolWorker | None) -> None:
        """Give the connection to the worker, which is the driver from now on. With the lock held."""
        connection = self.connection
        self._driver = WORKER
        self._listen()
        try:
            connection.attach(worker or self.origin.pool.socket_manager.choose_worker())
            serving = connection.worker
            if serving is not None and self._timer is None:
                serving.call_soon(self._watch_timeouts, serving)
        except (OSError, RuntimeError) as error:
            self._driver = None
            self._lost(error)

    def _listen(self) -> None:
        raise NotImplementedError

    def _watch_timeouts(self, worker: TSocketPoolWorker) -> None:
        raise NotImplementedError

    # The end

    def _retire(self) -> None:
        """End a connection that takes no more requests, once nothing is left on it. With the lock held."""
        if not self._exchanges and not self._ended and not self._session.accepts_streams:
            self._session.terminate()
            self._lost(aborted("the HTTP/2 connection takes no more requests"))

    def _lost(self, error: BaseException) -> None:
        """The connection is over: every exchange on it ends. With the lock held."""
        if self._ended:
            return
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
        self._session.connection_lost(reason)
        for exchange in self._exchanges.values():
            if exchange.error is reason:
                exchange.error = copy(reason)  # each its own: where it happened will be added
        self._session.close()
        for party in self._waiters:
            self._wake(party)
        if stream is not None:
            if self._driver is None and not self.connection.attached:
                self.connection.abort()  # nobody is reading who would meet the end
            else:
                stream.shutdown()
        self.origin.forget(self)  # type: ignore[arg-type]  # the subclass


def silent(seconds: float) -> ReceiveTimeoutError:
    """Return the error of a request whose server has said nothing for too long."""
    return ReceiveTimeoutError(f"nothing was received for {seconds:g} s")
