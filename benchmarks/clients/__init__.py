"""The clients, one module each. A new client is a new file here; nothing else needs to change.

Two modules are none of the others: REFERENCES below, which tell what a number consists of.

A client's module has

    CANNOT              why it can't do what it can't: {operation, feature or workload: reason}; the features are
                        plain, tls, http2 and resume
    versions()          {what: version} of the library and what it stands on

and a function for each operation it can do. Each takes a `Target`, prepares (that isn't measured) and returns a
function, which is called first to warm up and then to be measured:

    one_at_a_time(target)    -> run(count): that many GETs of target.url, each after the other, on one kept connection
    at_once(target)          -> run(count): the same, with up to target.concurrency of them in flight; over HTTP/1.1 on
                                as many connections, over HTTP/2 as streams of one connection
    in_threads(target)       -> run(count): the same from target.concurrency threads that share one client
    headers(target)          -> run(count): as one_at_a_time; each response has target.fields header fields beside the
                                usual ones (see content.field), and the value of the last is looked up by name
    new_connections(target)  -> run(count): each GET on a new connection, with a full TLS handshake, or, where
                                target.resume is set, resuming a session (the first, in preparation, can't)
    hold(target)             -> run(urls): GET each URL on a connection of its own and leave all of them open
    download(target)         -> run(url, receive): GET a long body, passing each chunk to receive(chunk)
    upload(target)           -> run(url, source): PUT a long body (see content.Source)
    cold(target)             -> the source text of a program that writes the body of target.url to its standard output

Every body must be compared with target.body (`content.check_small`, or `repeat` below), the server's certificate
verified, and the library used as its own documentation advises for speed. Nothing needs to be cleaned up: the process
ends after one measurement.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from typing import TYPE_CHECKING, Protocol

from benchmarks.content import ContentError, check_small, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.workloads import Target

OURS = "ours"
# What is shown beside the clients, but isn't one of the others that this project's client is compared with.
REFERENCES = ("ours_pycurl_libraries", "floor")
# The order of the tables' columns; clients that aren't listed follow by name, the references come last.
_FIRST = (OURS, "pycurl", "http_client", "urllib3", "requests", "niquests", "aiohttp", "httpx")
_LABELS = {"http_client": "http.client", "ours_pycurl_libraries": "ours (pycurl's libs)"}


class ClientModule(Protocol):
    """What every client's module has; the operations are looked up by name."""

    CANNOT: Mapping[str, str]

    def versions(self) -> dict[str, str]: ...


def names() -> list[str]:
    """The names of all client modules, in the order of the tables' columns."""
    found = {module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")}
    others = sorted(found.difference(_FIRST, REFERENCES))
    return [*(name for name in _FIRST if name in found), *others, *(name for name in REFERENCES if name in found)]


def label(name: str) -> str:
    """What the tables call a client."""
    return _LABELS.get(name, name)


def load(name: str) -> ClientModule:
    module: ClientModule = importlib.import_module(f"{__name__}.{name}")
    return module


def look_up(get: Callable[[str], str | None], target: Target) -> Callable[[int], None]:
    """Turn one GET that returns the value of a header field into run(count); the same loop for every client."""
    name, expected = field(target.fields)

    def run(count: int) -> None:
        for _ in range(count):
            value = get(name)
            if value != expected:
                raise ContentError(f"{name}: {expected} expected, got {value}")

    return run


def repeat(get: Callable[[], bytes], target: Target) -> Callable[[int], None]:
    """Turn one checked GET into run(count); the same loop for every client."""
    expected = target.body

    def run(count: int) -> None:
        for _ in range(count):
            body = get()
            if body != expected:
                check_small(body, expected)

    return run


class Crew:
    """Threads that stay, each with a run(count) of its own: calling the crew shares a count out among them."""

    def __init__(self, runs: Iterable[Callable[[int], None]]) -> None:
        work = list(runs)
        self._shares = [0] * len(work)
        self._failures: list[BaseException] = []
        self._start = threading.Barrier(len(work) + 1)
        self._finish = threading.Barrier(len(work) + 1)
        for number, run in enumerate(work):
            threading.Thread(target=self._work, args=(number, run), daemon=True).start()

    def __call__(self, count: int) -> None:
        each, more = divmod(count, len(self._shares))
        self._shares = [each + (number < more) for number in range(len(self._shares))]
        self._start.wait()
        self._finish.wait()
        if self._failures:
            raise self._failures[0]

    def _work(self, number: int, run: Callable[[int], None]) -> None:
        while True:
            self._start.wait()
            try:
                run(self._shares[number])
            except BaseException as error:
                self._failures.append(error)
            self._finish.wait()
