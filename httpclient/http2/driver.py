"""Who reads from an HTTP/2 connection that many use: the *driver*.

A blocking caller that finds no driver becomes it, so a lone request costs no thread hand-off. When its own response is
there, it passes the role on: to another waiting caller, or to the worker if there is work that nobody waits for, or to
nobody. Who isn't the driver sends its request, and sleeps until it is woken with the result, or with the role.

What waits is a *party*: an exchange, or one direction of it (:mod:`.duplex`).

No Delphi origin: the original used one session for one stream at a time, from two threads without a lock.
"""

from __future__ import annotations

import threading
import time

from linuxapi.socketconst import POLLIN, POLLOUT
from socketpool import TransferTimeoutError
from socketpool.stream import Stream, free_blocks, read_blocks

from ..errors import (
    DeadlineError,
    HttpClientError,
    HttpTimeoutError,
    ReceiveTimeoutError,
    RemoteClosedError,
    SendTimeoutError,
)
from ..failures import aborted
from .link import WORKER, Http2Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import TSocketPoolWorker

    from ..exchange import Exchange
    from .link import Party

#: Seconds for which a connection that was just used counts as alive, and isn't looked at before it is used again.
FRESH = 0.1

#: Seconds in which a server that is near answers, as a rule. The kernel counts in steps of this size.
_MOMENT = 0.004

#: Whoever has less time than this, in seconds, doesn't wait so inaccurately.
_A_LONG_MOMENT = 0.1


class Http2Driver(Http2Link):
    """A connected socket, the HTTP/2 session on it, and the roles around them.

    Not used alone: :class:`httpclient.http2.connection.Http2Connection` completes it.

    :param origin: what it belongs to.
    :param connection: connected, detached or attached.
    """

    __slots__ = ()

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
        return any(exchange.call is not None for exchange in self._exchanges.values())

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

    # Alone

    def _run_alone(self, exchange: Exchange) -> bool:
        """Carry out a request that has the connection for itself, in one go: its response will come within a moment, so
        it is waited for inside of the read. That takes one system call instead of two, and nothing of ours in between.

        Nobody else may use the stream meanwhile (OpenSSL's objects are for one thread at a time), and nothing is locked
        in which others would have to wait: they leave what they have to send to the driver, and from then on the
        connection isn't used in this way for a while.

        :return: ``False`` if this isn't the way, and nothing has been done.
        """
        request = exchange.request
        if (
            request.body is not None
            or request.deadline
            or request.recv_timeout < _A_LONG_MOMENT
            or exchange.on_sent is not None
        ):
            return False
        now = time.monotonic()
        lock = self._lock
        with lock:
            stream = self.connection.stream
            if (
                self._driver is not None
                or self._exchanges
                or now - self.idle_since >= FRESH
                or now < self._alone_since
                or stream is None
            ):
                return False
            self._driver = exchange
            self._submit(exchange, now)
            try:
                self._send_pending()
                self._in_kernel = not stream.backlog_size
            except OSError as error:
                self._lost(error)
        # Who is interrupted from here on, and before _read() has what was received, ends the connection: _hand_over().
        if self._in_kernel and self._receive_alone(exchange, stream, now):
            self.origin.became_idle()
        else:
            self._wait(exchange, True)
        return True

    def _receive_alone(self, exchange: Exchange, stream: Stream, began: float) -> bool:
        """Receive once. ``True`` if that was the response, nobody else is there, and the role has been given up."""
        lock = self._lock
        received = -1
        try:
            block = free_blocks.pop()
        except IndexError:
            block = read_blocks.request_mem()
        try:
            try:
                received = stream.receive(block, _MOMENT)
            except TransferTimeoutError:
                self._quick = False
            except OSError as error:
                with lock:
                    self._in_kernel = False
                    self._lost(error)
            with lock:
                self._read(block, received)
                if not exchange.done or exchange.error is not None:
                    return False
                self._exchanges.pop(exchange.stream_id, None)
                if self._exchanges or self._waiters or stream.backlog_size or not self.session.accepts_streams:
                    return False
                self._news.clear()
                self.idle_since = ended = exchange.ended_at
                self._quick = ended - began < _MOMENT
                self._driver = None
                return True
        finally:
            free_blocks.append(block)

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
        limit = request.recv_timeout
        sending = False
        if request.body is not None and party.sends_first:
            with self._lock:
                sending = self._is_sending(party, now)
            limit = request.send_timeout if sending else limit
        left: float = party.last_activity + limit - now
        if request.deadline:
            if now >= request.deadline:
                raise DeadlineError("the overall time limit has passed while waiting for the response")
            left = min(left, request.deadline - now) if left > 0 else left
        if left <= 0:
            raise too_slow(limit, sending)
        return left

    def _is_sending(self, exchange: Exchange, now: float) -> bool:
        """Say whether the request is still on its way; if it moves on, the peer isn't silent. With the lock held."""
        stream = self.connection.stream
        if self._ended or stream is None:
            return False
        progressed = self.session.upload_progressed(exchange.stream_id)
        # What the kernel has taken from us, the line hasn't.
        before, self._untaken = self._untaken, stream.untaken()
        sending = progressed is not None or self._untaken > 0
        if progressed or self._untaken not in (0, before) or (not sending and exchange.stream_id in self._sending):
            exchange.last_activity = now
        if sending:
            self._sending.add(exchange.stream_id)
        else:
            self._sending.discard(exchange.stream_id)
        return sending

    # Driving

    def _drive(self, party: Party) -> bool:
        """Read for everybody, until *party* is satisfied or the connection has ended.

        :return: nobody else is left, and the role has been given up.
        """
        stream = self.connection.stream
        if stream is None:
            raise self.closing or RemoteClosedError("the HTTP/2 connection was closed")
        lock, news = self._lock, self._news
        began = party.last_activity
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
                        and self.session.accepts_streams
                    )
                    if left:
                        self._driver = None
                        self._quick = self.idle_since - began < _MOMENT
                if ready and (party.incremental or len(ready) > 1 or ready[0] is not party):
                    self._tell(ready, party)
                if left:
                    return True
                if satisfied or self._ended:
                    return False
        finally:
            read_blocks.release_mem(block)

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
            if party.done:
                exchanges.pop(party.stream_id, None)
        if not exchanges:
            self.idle_since = now
            if self._sending:
                self._sending.clear()
        return ready

    def _tell(self, ready: list[Party], own: Party) -> None:
        """Let users have what has arrived for them. With nothing locked."""
        pending = []
        for party in ready:
            if party.call is not None:
                if party.done or party.incremental:
                    pending.append(party)
            elif party.waiter is not None:
                if party.satisfied() or party.incremental:
                    self._wake(party)
            elif party.incremental and party is own:
                own.deliver()
        if pending:
            self._tell_in_worker(pending)

    def _tell_in_worker(self, exchanges: list[Exchange]) -> None:
        worker = self.connection.worker or self.origin.pool.socket_manager.choose_worker()
        here = worker.is_current
        for exchange in exchanges:
            if not here:
                try:
                    worker.call_soon(self._deliver, exchange)
                    continue
                except RuntimeError:
                    pass
            if exchange.incremental or exchange.error is not None:
                self._deliver(exchange)
                continue
            call, exchange.call = exchange.call, None  # what _deliver() does; there may be hundreds
            if call is not None:
                call.attempt_ended(exchange)

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
                        self.session.cancel(exchange.stream_id)
                        del self._exchanges[exchange.stream_id]
                        if self._driver is None or self._driver is WORKER:
                            self._retire()
                exchange.done = False
                exchange.on_failure(failure)
        if exchange.done and exchange.call is not None:
            call, exchange.call = exchange.call, None
            if exchange.error is not None:
                self._located(exchange.error, exchange)
            call.attempt_ended(exchange)

    # Passing the role on

    def _hand_over(self, party: Party) -> None:
        """Stop being the driver, if it is, and see to it that whoever is left is served."""
        heir = None
        with self._lock:
            if self._driver is not party:
                return
            if self._in_kernel:
                self._in_kernel = False
                self._lost(aborted("reading was interrupted"))
            self._driver = None
            ready = self._collect()
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
            ready += self._collect()
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

def too_slow(seconds: float, sending: bool) -> HttpTimeoutError:
    """Return the error of a request whose server has taken or said nothing for too long."""
    if sending:
        return SendTimeoutError(f"the server took no data for {seconds:g} s")
    return ReceiveTimeoutError(f"nothing was received for {seconds:g} s")
