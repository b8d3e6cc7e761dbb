"""What a test left behind in its own process: threads and open file descriptors."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long something may take to disappear, in seconds; a thread that was told to end needs a moment to be gone.
LIMIT = 5.0


class LeakError(AssertionError):
    """Something was left behind."""


def descriptors() -> dict[int, str]:
    """Return the open file descriptors of this process, and what each of them is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        # The descriptor that listdir() itself reads the directory through is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def threads() -> dict[int, str]:
    """Return the kernel's threads of this process, with their names as far as Python knows them."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    return {int(tid): names.get(int(tid), "not started by threading") for tid in os.listdir("/proc/self/task")}


@contextlib.contextmanager
def watch() -> Iterator[None]:
    """Compare threads and descriptors before and after the block.

    :raises LeakError: there are more of them after it, and they don't disappear.
    """
    descriptors_before, threads_before = descriptors(), threads()
    yield
    deadline = time.monotonic() + LIMIT
    while True:
        left_descriptors = sorted(descriptors().items() - descriptors_before.items())
        left_threads = [item for item in threads().items() if item[0] not in threads_before]
        if not left_descriptors and not left_threads:
            return
        if time.monotonic() > deadline:
            raise LeakError(f"left open: {left_descriptors}; left running: {left_threads}")
        time.sleep(0.01)
