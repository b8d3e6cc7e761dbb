"""What a forked child has to put right before anything else runs in it.

What ``os.register_at_fork`` is given lives as long as the interpreter, and with it the module that it comes from, and
all that this one refers to. At the end of a process, the garbage collector would have to go through them once more.

No Delphi origin.
"""

from __future__ import annotations

import os
from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def after_fork_in_child(repair: Callable[[], None]) -> None:
    """Have a function of a module called in each forked child, for as long as that module is there."""
    held = ref(repair)

    def call() -> None:
        repair = held()
        if repair is not None:
            repair()

    os.register_at_fork(after_in_child=call)
