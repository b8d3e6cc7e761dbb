"""The worker: a thread that waits in ``epoll_pwait`` and tells whoever registered a descriptor what happened to it.

Each worker has an epoll set of its own, level-triggered: a registration stays until it is changed, and an event
needs no re-arming. Other threads reach a worker through :meth:`TSocketPoolWorker.call_soon`, which wakes it by
eventfd, once, and only while it sleeps. Nothing polls: a worker without work sleeps without a time limit.

Delphi: Grijjy.SocketPool.Linux.TSocketPoolWorker
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from _heapq import heappop, heappush  # the C part of heapq
from collections import deque
from errno import EINTR
from itertools import count

from linuxapi import (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLIN,
    epoll_create1,
    eventfd,
    eventfd_read,
    eventfd_write,
)

from . import _syscalls
from ._syscalls import EPOLL_EVENT
from .constants import INTERVAL_CLEANUP, MAX_CALLS, MAX_EVENTS, MAX_OPENINGS, READ_BLOCK_SIZE
from .stream import milliseconds, read_blocks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .manager import TgoClientSocketManager
    from .memorypool import MemoryBlock

    _Call = tuple[Callable[..., object], tuple[Any, ...]]

_CLOSED = "the socket pool worker is closed"

#: Tokens are never used twice, so a late event for a registration that is gone finds nothing.
_tokens = count(1)


class Timer:
    """A call that a worker makes at a given time, unless it is cancelled.

    :ivar when: the time, in ``time.monotonic()`` seconds.
    """

    __slots__ = ("argument", "call", "when")

    def __init__(self, when: float, call: Callable[..., object], argument: object = None) -> None:
        self.when = when
        self.call: Callable[..., object] | None = call
        self.argument = argument

    def cancel(self) -> None:
        """Forget the call. Only the worker's own thread may do this."""
        self.call = self.argument = None

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when


class TSocketPoolWorker:
    """A thread serving one epoll set.

    The thread starts with the first thing there is to do. Everything registered here is called in that thread,
    one call at a time; a call that raises is reported through ``sys.unraisablehook`` and the worker goes on.

    A *handler* of a registration is called as ``handler(flags, token)``: what epoll said, and which registration it
    said it of.

    :param owner: the manager it belongs to.

    :ivar openings: how many connections it has begun to open since it looked at its sockets; who begins one counts it.

    Delphi: Grijjy.SocketPool.Linux.TSocketPoolWorker
    """

    __slots__ = (
        "_calls", "_closing", "_epoll", "_events", "_handlers", "_keeps_block", "_lock", "_owner", "_sleeping",
        "_thread", "_timers", "_wake", "openings", "read_block", "thread_id",
    )  # fmt: skip

    def __init__(self, owner: TgoClientSocketManager) -> None:
        self._owner = owner
        self._keeps_block = owner.keeps_blocks
        self._lock = threading.Lock()
        self._handlers: dict[int, Callable[[int, int], object]] = {}
        self._calls: deque[_Call] = deque()
        self._timers: list[Timer] = []
        self._thread: threading.Thread | None = None
        #: The number of the thread; 0 while there is none.
        self.thread_id = 0
        self._sleeping = False
        self._closing = False
        self.openings = 0
        #: What :meth:`new_read_block` has returned, as long as it is valid.
        self.read_block: MemoryBlock | None = None
        self._events = ctypes.create_string_buffer(EPOLL_EVENT.size * MAX_EVENTS)
        self._epoll = epoll_create1(EPOLL_CLOEXEC)
        self._wake = -1
        try:
            self._wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
            self._add(self._wake, EPOLLIN, self._woken)
        except BaseException:
            self._close_descriptors()
            raise

    # What any thread may call

    @property
    def handle(self) -> int:
        """The epoll descriptor."""
        return self._epoll

    @property
    def is_current(self) -> bool:
        """The calling thread is this worker's."""
        return self.thread_id == threading.get_ident()

    def call_soon(self, call: Callable[..., object], *args: Any) -> None:
        """Have *call* made in the worker's thread, after the calls asked for earlier. Any thread may ask.

        :raises RuntimeError: the worker has been closed.
        """
        if self._closing:
            raise RuntimeError(_CLOSED)
        item = call, args
        self._calls.append(item)
        # The worker says that it sleeps before it looks at the queue a last time; we queue before we look whether
        # it sleeps. So one of the two always sees the other.
        if self._sleeping:
            self._sleeping = False
            self._wake_up()
        elif self._thread is None:
            self._start_for(item)
        # Likewise at the end: the worker says that it closes before it empties the queue a last time.
        if self._closing and self._take_back(item):
            raise RuntimeError(_CLOSED)

    def _wake_up(self) -> None:
        with self._lock:  # under which it is closed: the number could be somebody else's by then
            if self._wake >= 0:
                eventfd_write(self._wake, 1)

    def _start_for(self, item: _Call) -> None:
        try:
            self._start()
        except BaseException:
            self._take_back(item)
            raise

    def _take_back(self, item: _Call) -> bool:
        """Take a call out of the queue again; ``False`` if it has been made, or is being made."""
        try:
            self._calls.remove(item)
        except ValueError:
            return False
        return True

    def register(self, fd: int, events: int, handler: Callable[[int, int], object]) -> int:
        """Watch a descriptor. *handler* is called for each event, until :meth:`unregister`.

        :return: the token that names this registration.
        :raises RuntimeError: the worker has been closed, or its thread could not be started.
        :raises OSError: the descriptor cannot be watched.
        """
        if self._closing:
            raise RuntimeError(_CLOSED)
        if self._thread is None:
            self._start()
        return self._add(fd, events, handler)

    def _add(self, fd: int, events: int, handler: Callable[[int, int], object]) -> int:
        token = next(_tokens)
        self._handlers[token] = handler
        if _syscalls.epoll_ctl(self._epoll, EPOLL_CTL_ADD, fd, EPOLL_EVENT.pack(events, token)) < 0:
            code = _syscalls.get_errno()
            del self._handlers[token]
            raise OSError(code, f"epoll_ctl: {os.strerror(code)}")
        return token

    def modify(self, token: int, fd: int, events: int) -> None:
        """Change which events of a registered descriptor are told."""
        if _syscalls.epoll_ctl(self._epoll, EPOLL_CTL_MOD, fd, EPOLL_EVENT.pack(events, token)) < 0:
            code = _syscalls.get_errno()
            raise OSError(code, f"epoll_ctl: {os.strerror(code)}")

    def set_handler(self, token: int, handler: Callable[[int, int], object]) -> None:
        """Have the events of a registration told to somebody else from now on."""
        self._handlers[token] = handler

    def unregister(self, token: int, fd: int) -> None:
        """Stop watching a descriptor: its events are told no more, not even those already fetched.

        Called from another thread than the worker's, it doesn't wait for a handler that is being called at this
        moment. The descriptor must still be open: closing it first would leave it in the set if a child holds a copy.
        """
        if self._handlers.pop(token, None) is not None:
            # It can only fail because the descriptor isn't there, which is what is wanted.
            _syscalls.epoll_ctl(self._epoll, EPOLL_CTL_DEL, fd, EPOLL_EVENT.pack(0, 0))

    # What only the worker's own thread may call

    def call_at(self, when: float, call: Callable[..., object], argument: object = None) -> Timer:
        """Have *call* made at a time, in ``time.monotonic()`` seconds. Only from the worker's own thread.

        :param argument: what to call it with; ``None`` to call it without.
        """
        timer = Timer(when, call, argument)
        heappush(self._timers, timer)
        return timer

    def new_read_block(self) -> MemoryBlock:
        """Return the block to read into, valid until the current call returns; :attr:`read_block` from then on."""
        block = self.read_block = read_blocks.request_mem()
        return block

    # Life

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            if self._closing:
                raise RuntimeError(_CLOSED)
            thread = threading.Thread(target=self._run, name="socketpool worker", daemon=True)
            self._thread = thread
            try:
                thread.start()
            except BaseException:
                # A signal handler that raises may leave a thread behind that has been started: it sees that it isn't
                # wanted, and ends.
                self._thread = None
                raise

    def _run(self) -> None:
        with self._lock:
            wanted = self._thread is threading.current_thread()
        if wanted:
            self.execute()

    def close(self) -> None:
        """End the thread and wait for it; registrations that are left are dropped without a call.

        Called from the worker's own thread, it only asks for the end: the thread ends after the current call.

        Delphi: Grijjy.SocketPool.Linux.TSocketPoolWorker.Destroy
        """
        with self._lock:
            thread = self._thread
            if thread is None:
                self._closing = True
        if thread is None:
            self._finish()
            return
        try:
            # As a call, so that what was asked for earlier is still done.
            self.call_soon(self._stop)
        except RuntimeError:
            pass  # somebody else closes it as well
        if not self.is_current:
            thread.join(INTERVAL_CLEANUP)

    def _stop(self) -> None:
        self._closing = True

    def _finish(self) -> None:
        self._handlers.clear()
        self._calls.clear()
        self._timers.clear()
        if self.read_block is not None:
            read_blocks.release_mem(self.read_block)
            self.read_block = None
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        with self._lock:
            for name in ("_epoll", "_wake"):
                fd = getattr(self, name)
                setattr(self, name, -1)
                if fd >= 0:
                    _syscalls.close(fd)

    def abandon_after_fork(self) -> None:
        """In a forked child: let go of the parent's epoll set without changing it. The thread isn't here."""
        self._lock = threading.Lock()
        self._closing = True
        self._thread = None
        self._finish()

    # The thread

    def execute(self) -> None:
        """What the thread does: wait, tell, call, until :meth:`close`.

        Delphi: Grijjy.SocketPool.Linux.TSocketPoolWorker.Execute
        """
        self.thread_id = threading.get_ident()
        keep_block = self._keeps_block
        epoll, events, handlers, calls, lock = self._epoll, self._events, self._handlers, self._calls, self._lock
        view = memoryview(events)
        pointer = ctypes.c_void_p(ctypes.addressof(events))
        size = EPOLL_EVENT.size
        unpack = EPOLL_EVENT.iter_unpack
        wait = _syscalls.epoll_pwait
        try:
            while not self._closing:
                timeout = 0
                if not calls:
                    if self.read_block is not None and not keep_block:
                        read_blocks.release_mem(self.read_block)
                        self.read_block = None
                    timeout = self._next_timeout()
                    if timeout:
                        # The lock keeps the processor from looking at the queue before the others can see this;
                        # it would matter without the GIL.
                        with lock:
                            self._sleeping = True
                        if calls:
                            timeout = 0
                number = wait(epoll, pointer, MAX_EVENTS, timeout, None)
                self._sleeping = False
                if number > 0:
                    for flags, token in unpack(view[: number * size]):
                        handler = handlers.get(token)
                        if handler is not None:
                            try:
                                handler(flags, token)
                            except BaseException as error:
                                report(error, handler)
                elif number < 0 and (code := _syscalls.get_errno()) != EINTR:
                    raise OSError(code, f"epoll_pwait: {os.strerror(code)}")
                # Only what was asked for by now, and not too many at once: calls must not starve the sockets.
                if calls:
                    self._make_calls(min(len(calls), MAX_CALLS))
                if self._timers:
                    self._run_timers()
        finally:
            self._closing = True
            while calls:  # asked for before anybody could know that this is the end
                self._make_calls(len(calls))
            self._finish()
            self.thread_id = 0

    def _make_calls(self, number: int) -> None:
        calls = self._calls
        self.openings = 0
        for _ in range(number):
            try:
                call, args = calls.popleft()
            except IndexError:
                return  # taken back
            try:
                call(*args)
            except BaseException as error:
                report(error, call)
            if self.openings >= MAX_OPENINGS:
                return

    def _next_timeout(self) -> int:
        """How long to sleep, in milliseconds as epoll counts; -1 for as long as nothing happens."""
        timers = self._timers
        while timers and timers[0].call is None:
            heappop(timers)
        if not timers:
            return -1
        return milliseconds(timers[0].when - time.monotonic())

    def _run_timers(self) -> None:
        timers = self._timers
        now = time.monotonic()
        while timers and timers[0].when <= now:
            timer = heappop(timers)
            call, argument = timer.call, timer.argument
            if call is not None:
                try:
                    call() if argument is None else call(argument)
                except BaseException as error:
                    report(error, call)

    def _woken(self, flags: int, token: int) -> None:
        try:
            eventfd_read(self._wake)
        except BlockingIOError:
            pass


def report(error: BaseException, source: object) -> None:
    """Report an exception that a user's event handler let out, as Python does for ``__del__``."""
    arguments = _Unraisable(type(error), error, error.__traceback__, "Exception ignored in a socket event", source)
    try:
        sys.unraisablehook(arguments)  # type: ignore[arg-type]
    except Exception:
        pass  # a hook that fails must not end the worker


class _Unraisable:
    """The argument of ``sys.unraisablehook``, whose own type cannot be made from Python."""

    __slots__ = ("err_msg", "exc_traceback", "exc_type", "exc_value", "object")

    def __init__(self, exc_type: object, exc_value: object, exc_traceback: object, err_msg: str, source: object):
        self.exc_type = exc_type
        self.exc_value = exc_value
        self.exc_traceback = exc_traceback
        self.err_msg = err_msg
        self.object = source


assert READ_BLOCK_SIZE >= 16384, "a read block must hold one TLS record"
