"""What the worker threads of this process are, and how often they wake."""

from __future__ import annotations

import threading
from pathlib import Path


def workers() -> list[threading.Thread]:
    """Return the worker threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "socketpool worker"]


def sleeps(thread: threading.Thread) -> int:
    """Return how often a thread has gone to sleep so far, as the kernel counts: once for each time that it wakes."""
    for line in Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise AssertionError("the kernel doesn't say")
