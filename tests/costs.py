"""A process whose requests are counted; ``tests/test_costs.py`` starts it.

    python -m tests.costs WAY URL CA_FILE COUNT [count]

With ``count`` it counts Python functions and C functions without prototypes (the hot paths' own way of calling) over
COUNT warm requests, in all threads, and writes them as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import linuxapi.binding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from types import FrameType

    from httpclient import HttpResponse

#: How many requests of a way are under way at once.
AT_ONCE = {"one": 1, "own": 1, "new": 1, "streams": 100, "connections": 50}

#: What the requests of a way say of their own: such a request can't be kept.
OPTIONS: dict[str, Any] = {"own": {"headers": {"Accept": "text/plain", "X-Request-Id": "1", "If-None-Match": '"1"'}}}

WARM = 300

calls = {"python": 0, "c": 0}


class Counted:
    """A C function that counts its calls."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        calls["c"] += 1
        return self.function(*arguments)


def profile(frame: FrameType, event: str, _: Any) -> None:
    if event == "call" and frame.f_code.co_filename != __file__:
        calls["python"] += 1


def count_c_functions() -> None:
    """From here on; what has been imported already keeps what it has."""
    bind: Callable[..., Any] = linuxapi.binding.bind_untyped
    linuxapi.binding.bind_untyped = lambda *arguments, **options: Counted(bind(*arguments, **options))


def main() -> None:
    way, url, ca_file, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    counting = sys.argv[5:] == ["count"]
    if counting:
        count_c_functions()
    from httpclient import TgoHttpClient
    from httpclient.sockets import borrow_socket_manager

    if counting:
        threading.setprofile(profile)  # the worker's thread begins with it
    at_once = AT_ONCE[way]
    blocking = way in {"one", "own", "new"}
    options = OPTIONS.get(way, {})
    with TgoHttpClient(
        None, blocking, ca_file=ca_file, keep_alive_expiry=3600.0, max_connections_per_origin=at_once
    ) as client:
        if way == "new":
            client.request_headers["Connection"] = "close"

        def run(number: int) -> None:
            if blocking:
                for _ in range(number):
                    client.get(url, **options).raise_for_status()
                return
            # Begun in the worker's thread, so that it doesn't depend on the turns of threads what comes together.
            worker = borrow_socket_manager().choose_worker()
            for _ in range(number // at_once):
                left = iter(range(at_once - 1))
                over = threading.Event()

                def ended(future: Future[HttpResponse], left: Iterator[int] = left, over: Any = over) -> None:
                    future.result().raise_for_status()
                    if next(left, None) is None:
                        over.set()

                def begin(ended: Callable[..., None] = ended) -> None:
                    for _ in range(at_once):
                        client.get(url).add_done_callback(ended)

                worker.call_soon(begin)
                assert over.wait(30)

        run(WARM)
        if counting:
            sys.setprofile(profile)
        before = dict(calls)
        run(count)
        found = {name: (calls[name] - before[name]) / max(count, 1) for name in calls}
        sys.setprofile(None)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
