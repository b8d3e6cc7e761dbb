"""The socket manager that clients share where they aren't given one: its worker is there while any of them is open.

Delphi: the global _HttpClientSocketManager of Grijjy.Http (private there)
"""

from __future__ import annotations

import sys
import threading

from linuxapi.forks import after_fork_in_child
from socketpool import TgoClientSocketManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_lock = threading.Lock()
_manager: TgoClientSocketManager | None = None
_borrowers = 0


def borrow_socket_manager() -> TgoClientSocketManager:
    """Return the shared manager, made for the first borrower."""
    global _manager, _borrowers
    with _lock:
        if _manager is None:
            _manager = TgoClientSocketManager()
        _borrowers += 1
        return _manager


def return_socket_manager() -> None:
    """Say that a borrower needs the manager no more, once for each; after the last one it is closed."""
    global _manager, _borrowers
    manager = None
    with _lock:
        _borrowers -= 1
        if not _borrowers:
            manager, _manager = _manager, None
    if manager is not None:
        manager.close()


def call_elsewhere(call: Callable[[], object]) -> None:
    """Make a call in a thread of its own: for what ``__del__`` has to do.

    The garbage collector runs it in any thread, at any moment, whatever locks that thread holds.
    """
    if not sys.is_finalizing():  # at the end of the process, the socket pool ends everything
        try:
            threading.Thread(target=call, name="closing what was forgotten", daemon=True).start()
        except RuntimeError:
            pass  # no threads any more: the process is about to end


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


after_fork_in_child(_after_fork_in_child)
