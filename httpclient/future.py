"""The Future of a response: a ``concurrent.futures.Future`` that costs little where nobody waits for it yet.

A Future of the standard library makes a condition variable in advance, and takes its lock to set the result. Here the
condition is made when somebody waits; most results are there before anybody asks.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future

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
    """The Future of a response. Cancelling it gives the request up, whether or not it has been sent.

    :param abort: called by :meth:`cancel`, from any thread.
    """

    def __init__(self, abort: Callable[[], object]) -> None:
        # The attributes of the base class but for the condition, which is a property here.
        self._state = _PENDING
        self._result = None
        self._exception = None
        self._waiters: list[Any] = []
        self._done_callbacks: list[Any] = []
        self._made: threading.Condition | None = None
        self._abort: Callable[[], object] | None = abort

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

    def set_result(self, result: HttpResponse) -> None:
        """Set the result; see the base class."""
        if self._made is None:
            with _making:
                # Whoever waits or cancels has made the condition first.
                quick = self._made is None and self._state == _PENDING
                if quick:
                    self._result = result
                    self._state = _FINISHED
            if quick:
                if self._done_callbacks:
                    self._invoke_callbacks()  # type: ignore[attr-defined]
                return
        super().set_result(result)

    def add_done_callback(self, fn: Callable[[Future[HttpResponse]], object]) -> None:
        """Have a function called with the future when it is done; see the base class."""
        if self._made is None:
            with _making:
                if self._made is None and self._state == _PENDING:
                    self._done_callbacks.append(fn)
                    return
        super().add_done_callback(fn)

    def result(self, timeout: float | None = None) -> HttpResponse:
        """Return the response, or raise why there is none; see the base class."""
        # The result is stored before the state, so what is seen finished is there.
        if self._state == _FINISHED and self._exception is None:
            return self._result  # type: ignore[return-value]
        return super().result(timeout)

    def cancel(self) -> bool:
        """Give the request up. ``False`` if it has its result already."""
        if not super().cancel():
            return False
        abort = self._abort
        if abort is not None:
            abort()
        return True

    def forget_call(self) -> None:
        """The call has ended, and need not be kept for :meth:`cancel`."""
        self._abort = None


def _after_fork_in_child() -> None:
    global _making
    _making = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
