"""The socket manager that clients share where they aren't given one: its worker is there while any of them is open.

Delphi: the global _HttpClientSocketManager of Grijjy.Http (private there)
"""

from __future__ import annotations

import os
import threading

from socketpool import TgoClientSocketManager

_lock = threading.Lock()
_manager: TgoClientSocketManager | None = None
_borrowers: set[int] = set()


def borrow_socket_manager(borrower: object) -> TgoClientSocketManager:
    """Return the shared manager, made for the first borrower."""
    global _manager
    with _lock:
        _borrowers.add(id(borrower))
        if _manager is None:
            _manager = TgoClientSocketManager()
        return _manager


def return_socket_manager(borrower: object) -> None:
    """Say that a borrower needs the manager no more; after the last one it is closed."""
    global _manager
    manager = None
    with _lock:
        _borrowers.discard(id(borrower))
        if not _borrowers:
            manager, _manager = _manager, None
    if manager is not None:
        manager.close()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
