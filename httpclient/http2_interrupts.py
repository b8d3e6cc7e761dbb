"""Exceptions that strike a callback before its first line, where no ``try`` can catch them.

A signal handler runs when Python enters a function, so an exception that it raises (KeyboardInterrupt, say) can appear
at the start of a callback. ctypes prints it, and hands C whatever number lay on the stack: most often the 0 that means
success. What the callback should have recorded would be missing, and nobody would know. Only ``sys.unraisablehook``
tells. Signal handlers run in the main thread only, so the hook is replaced in that thread only, around a single call.
"""

from __future__ import annotations

import sys
from threading import get_ident, main_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def call_into_python(function: Callable[..., Any], failures: list[BaseException], *args: Any) -> Any:
    """Call a function of C that runs Python callbacks, and put into *failures* what strikes them at their entry.

    :param failures: where the callbacks themselves leave their exceptions.
    :return: what *function* returns.
    """
    if get_ident() != main_thread().ident:
        return function(*args)
    previous = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        # "Exception ignored on calling ctypes callback function", in one wording or another.
        if "ctypes" in (unraisable.err_msg or "") and unraisable.exc_value is not None:
            failures.append(unraisable.exc_value)
        else:
            previous(unraisable)

    sys.unraisablehook = hook
    try:
        return function(*args)
    finally:
        # Not if somebody else has replaced it meanwhile.
        if sys.unraisablehook is hook:
            sys.unraisablehook = previous
