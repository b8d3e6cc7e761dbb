"""Exceptions that strike a callback before its first line, where no ``try`` can catch them.

A signal handler runs when Python enters a function, so what it raises (KeyboardInterrupt, say) can appear at the start
of a callback. ctypes prints it, and hands C whatever number lay on the stack: as a rule the 0 of the callback before,
which means success. What the callback should have noted would be missing, and nobody would know. Only
``sys.unraisablehook`` tells. Signal handlers run in the main thread only, so it is replaced in that thread only, and
for a single call.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from .forks import after_fork_in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Asked for with the first call: importing threading costs, and those who only import this may never call.
_main_thread_ident: int | None = None


def _find_main_thread() -> int | None:
    global _main_thread_ident
    from threading import main_thread

    _main_thread_ident = main_thread().ident
    return _main_thread_ident


def _after_fork() -> None:
    global _main_thread_ident
    _main_thread_ident = get_ident()


# The thread that forks is the child's main thread.
after_fork_in_child(_after_fork)


class CallbackGuard:
    """Notices exceptions that strike the callbacks of one C object at their entry.

    :param failures: where they are put, and where the callbacks themselves put theirs.
    """

    __slots__ = ("_failures", "_previous")

    def __init__(self, failures: list[BaseException]) -> None:
        self._failures = failures
        self._previous: Callable[[Any], Any] = sys.unraisablehook

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function, most often one of C, that runs callbacks.

        :return: what *function* returns.
        """
        if get_ident() != (_main_thread_ident or _find_main_thread()):
            return function(*args)
        self._previous = sys.unraisablehook
        sys.unraisablehook = self
        try:
            return function(*args)
        finally:
            # Not if somebody else has replaced it meanwhile.
            if sys.unraisablehook is self:
                sys.unraisablehook = self._previous

    def __call__(self, unraisable: Any) -> None:
        """What Python calls instead of ``sys.unraisablehook``."""
        # "Exception ignored on calling ctypes callback function", in one wording or another.
        if "ctypes" in (unraisable.err_msg or "") and unraisable.exc_value is not None:
            self._failures.append(unraisable.exc_value)
        else:
            self._previous(unraisable)
