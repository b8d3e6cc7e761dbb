"""A process that opens connections at once and holds them; ``tests/test_costs.py`` starts it.

    python -m tests.held URL CA_FILE COUNT WHOSE

Writes how many bytes an idle connection takes: of Python's memory, as tracemalloc counts it (``python``), or of the
process's, fragments and OpenSSL's included (``resident``). One at a time, because tracemalloc's own memory lies among
the rest.
"""

from __future__ import annotations

import gc
import resource
import sys
import threading
import tracemalloc
from typing import TYPE_CHECKING

from httpclient import TgoHttpClient
from httpclient.sockets import borrow_socket_manager

if TYPE_CHECKING:
    from concurrent.futures import Future

    from httpclient import HttpResponse

#: How many connections there are before it counts.
WARM = 50


def resident_size() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def python_size() -> int:
    return tracemalloc.get_traced_memory()[0]


def hold(client: TgoHttpClient, url: str, count: int) -> None:
    """Have so many connections, each of which has been used."""
    left = iter(range(count - 1))
    over = threading.Event()

    def ended(future: Future[HttpResponse]) -> None:
        future.result().raise_for_status()
        if next(left, None) is None:
            over.set()

    def begin() -> None:
        # All of them before the first has ended, so that none is used twice.
        for _ in range(count):
            client.get(url).add_done_callback(ended)

    borrow_socket_manager().choose_worker().call_soon(begin)
    assert over.wait(60)
    assert client.pool_statistics().open == count


def main() -> None:
    url, ca_file, count, whose = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * count)), hard))
    with TgoHttpClient(
        False, False, ca_file=ca_file, keep_alive_expiry=3600.0, max_connections_per_origin=count
    ) as http:
        hold(http, url, WARM)  # with the blocks that all are read into
        gc.collect()
        if whose == "python":
            tracemalloc.start()
        size = python_size if whose == "python" else resident_size
        before = size()
        hold(http, url, count)
        gc.collect()
        print((size() - before) / (count - WARM))


if __name__ == "__main__":
    main()
