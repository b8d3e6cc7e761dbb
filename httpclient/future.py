"""The Future of a response: a ``concurrent.futures.Future`` that costs little where nobody waits for it yet.

A Future of the standard library makes a condition variable in advance, and takes its lock to set the result. Here the
condition is made when somebody waits; most results are there before anybody asks.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures._base import LOGGER

from linuxapi.forks import after_fork_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .response import HttpResponse

_PENDING = "PENDING"
_FINISHED = "FINISHED"

#: Guards, for all futures, the moment in which a condition is made or a result set without one.
_making = threading.Lock()


class HttpFuture(Future["HttpResponse"]):
    """The Future of a response. Cancelling it gives the request up, whether or not it has been sent."""

    __slots__ = ("_done_callbacks", "_exception", "_listed", "_made", "_result", "_state", "claimed")

    def __init__(self) -> None:
        # The attributes of the base class, but for those that are made when somebody waits, and are properties here.
        self._state = _PENDING
        self._result = None
        self._exception = None
        self._done_callbacks: list[Any] = []
        self._made: threading.Condition | None = None
        self._listed: list[Any] | None = None
        #: Somebody has taken it upon himself to end it.
        self.claimed = False

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]
        """What the base class locks and waits with."""
        condition = self._made
        if condition is None:
            with _making:
                condition = self._made
                if condition is None:
                    condition = self._made = threading.Condition()
        return condition

    @property
    def _waiters(self) -> list[Any]:  # type: ignore[override]
        """Where the base class lists those who wait for several futures, with the condition's lock held."""
        listed = self._listed
        if listed is None:
            listed = self._listed = []
        return listed

    def claim(self) -> bool:
        """Become the one who ends it. ``False`` if somebody else is."""
        with _making:
            claimed, self.claimed = self.claimed, True
        return not claimed

    def finish(self, result: HttpResponse) -> bool:
        """Set the result in the same moment, if nobody has waited yet; the callbacks are left to the caller. Only in a
        worker's thread, where no signal handler runs.

        :return: whether it has been set; ``False`` leaves it to :meth:`claim` and :meth:`set_result`.
        """
        _making.acquire()
        # Whoever waits or cancels has made the condition first.
        quick = not self.claimed and self._made is None and self._state == _PENDING
        if quick:
            self.claimed = True
            self._result = result
            self._state = _FINISHED
        _making.release()
        return quick

    def set_result(self, result: HttpResponse) -> None:
        """Set the result; see the base class."""
        with _making:
            quick = self._made is None and self._state == _PENDING
            if quick:
                self._result = result
                self._state = _FINISHED
        if quick:
            self._invoke_callbacks()
        else:
            super().set_result(result)

    def add_done_callback(self, fn: Callable[[Future[HttpResponse]], object]) -> None:
        """Have a function called with the future when it is done; see the base class."""
        # Whoever ends it sets the state before he looks at the list, and here it is the other way round: so one of the
        # two sees the other, without a lock.
        self._done_callbacks.append(fn)
        if self._state != _PENDING:
            self._invoke_callbacks()

    def _invoke_callbacks(self) -> None:
        """Call those that have not been called; of several threads that do this, one gets each."""
        callbacks = self._done_callbacks
        while callbacks:
            try:
                callback = callbacks.pop(0)
            except IndexError:
                return
            try:
                callback(self)
            except Exception:
                LOGGER.exception("exception calling callback for %r", self)

    def result(self, timeout: float | None = None) -> HttpResponse:
        """Return the response, or raise why there is none; see the base class."""
        # The result is stored before the state, so what is seen finished is there.
        if self._state == _FINISHED and self._exception is None:
            return self._result  # type: ignore[return-value]
        return super().result(timeout)

    def cancel(self) -> bool:
        """Give the call up. ``False`` if it has its result already."""
        if not super().cancel():
            return False
        self.abort()
        return True

    def abort(self) -> None:
        """Give up what this is the Future of; from any thread."""
        raise NotImplementedError


def _after_fork_in_child() -> None:
    global _making
    _making = threading.Lock()


after_fork_in_child(_after_fork_in_child)
