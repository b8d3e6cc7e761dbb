"""Servers that fail in every way, and a storm of requests to them: nothing may be lost by any failure.

``tests/httpclient/test_pool_faults.py`` runs it for some seconds, ``scripts/soak`` for as long as one likes.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import h2.exceptions

from httpclient import HttpClientError, TgoHttpClient

from ._tls import tls_context
from .http2 import ErrorCodes, Http2Server, Http2Session
from .scripted import PeerClosed, ScriptedServer
from .sockets import refused_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from tests.certificates import Certificates

    from .connection import Connection, Request

#: How long something may take that has to come, in seconds.
LIMIT = 30.0

_GOOD = b"good" * 50

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n"

#: What is sent, by the path that is asked for, and whether the connection is closed after it.
_ANSWERS: dict[str, tuple[bytes, bool]] = {
    "nothing": (b"", True),
    "half-a-head": (b"HTTP/1.1 200 OK\r\nContent-Le", True),
    "half-a-body": (_HEAD % (100, b"") + b"half", True),
    "garbage": (b"\x00\xff\x16\x03garbage\r\n\r\n", False),
    "no-http": (b"SSH-2.0-OpenSSH_9.2\r\n", True),
    "wrong-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n", False),
    "cut-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", True),
    "two-lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", False),
    "more-than-asked-for": (_HEAD % (4, b"") + b"goodHTTP/1.1 200 OK\r\n", False),
    "wrong-coding": (_HEAD % (8, b"Content-Encoding: gzip\r\n") + b"not gzip", False),
    "cut-coding": (_HEAD % (20, b"Content-Encoding: gzip\r\n") + gzip.compress(_GOOD)[:20], False),
    "silence": (b"", False),
    "silence-in-the-body": (_HEAD % (100, b"") + b"half", False),
    "close": (_HEAD % (len(_GOOD), b"Connection: close\r\n") + _GOOD, True),
    "until-close": (b"HTTP/1.0 200 OK\r\n\r\n" + _GOOD, True),
    "interim": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + _HEAD % (len(_GOOD), b"") + _GOOD, False),
    "not-wanted": (_HEAD.replace(b"200 OK", b"413 Too Large") % (0, b"Connection: close\r\n"), True),
}

#: Paths that both protocols answer well.
_FINE = ("good", "slow", "large")

_HTTP1_PATHS = (*_FINE, *_ANSWERS, "reset")

_HTTP2_PATHS = (*_FINE, "silence", "silence-in-the-body", "reset-stream", "refused", "go-away", "nothing", "reset")


def _serve_http1(connection: Connection) -> None:
    while (head := connection.receive_head()) is not None:
        what = head.target.strip("/").partition("?")[0]
        if what != "not-wanted":
            connection.receive_body(head)
        if what == "reset":
            connection.reset()
            return
        if what in _ANSWERS:
            data, ends = _ANSWERS[what]
            connection.send(data)
            if ends:
                return
            if what.startswith("silence"):
                connection.hold()
                return
        else:
            _serve_well(connection, head, what)


def _serve_well(connection: Connection, head: Request, what: str) -> None:
    if what == "slow":
        time.sleep(0.003)
    body = b"large" * 50_000 if what == "large" else _GOOD
    connection.respond(b"" if head.method == "HEAD" else body)


def _serve_http2(session: Http2Session) -> None:
    try:
        # Without waiting for bodies: some never come to their end.
        while (request := session.receive_head()) is not None:
            what = (request.value(":path") or "").strip("/").partition("?")[0]
            if what == "reset-stream":
                session.reset_stream(request.stream_id)
            elif what == "refused":
                session.reset_stream(request.stream_id, ErrorCodes.REFUSED_STREAM)
            elif what == "go-away":
                session.go_away(request.stream_id)
                session.respond(request.stream_id, _GOOD)
            elif what == "nothing":
                return
            elif what == "reset":
                session.connection.reset()
                return
            elif what == "silence-in-the-body":
                session.send_headers(request.stream_id, [(":status", "200")])
                session.send_data(request.stream_id, b"half")
            elif what != "silence":
                session.respond(request.stream_id, b"large" * 5_000 if what == "large" else _GOOD)
    except h2.exceptions.ProtocolError:
        pass  # the client has given up what was to be answered


def _reset(connection: Connection) -> None:
    connection.reset()


def _no_tls(connection: Connection) -> None:
    connection.receive_some()
    connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Storm:
    """Servers that fail, clients with few connections, and requests from the first to the second.

    A context manager.

    :param certificates: for TLS.
    :param seed: what is asked, and in which order, depends on nothing else.
    :param http2: HTTP/2 as well.
    :param connections: how many connections each client may have.

    :ivar results: how many requests ended in which way: ``"ok"``, or the name of the error.
    """

    def __init__(self, certificates: Certificates, seed: int, *, http2: bool = True, connections: int = 4) -> None:
        self.results: Counter[str] = Counter()
        self._certificates = certificates
        self._seed = seed
        self._http2 = http2
        self._connections = connections
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._problems: list[str] = []
        #: What each client can be asked: base URLs with paths.
        self._targets: list[tuple[TgoHttpClient, list[str]]] = []
        self._good: list[tuple[TgoHttpClient, str]] = []

    def __enter__(self) -> Storm:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        certificates = self._certificates

        def serve(handler: Callable[[Connection], object], **options: Any) -> str:
            return stack.enter_context(ScriptedServer(handler, aborts=True, handshakes_fail=True, **options)).url

        plain = serve(_serve_http1)
        tls = serve(_serve_http1, tls=tls_context(certificates.server))
        wrong = serve(_serve_http1, tls=tls_context(certificates.wrong_host))
        resets = serve(_reset)
        refused = f"http://127.0.0.1:{stack.enter_context(refused_port())}"
        no_tls = serve(_no_tls).replace("http:", "https:")
        urls = [f"{base}/{path}" for base in (plain, tls) for path in _HTTP1_PATHS]
        # As many that are fine, or hardly a connection would ever be used again.
        urls += [f"{base}/{path}" for base in (plain, tls) for path in _FINE for _ in range(6)]
        urls += [f"{base}/" for base in (wrong, resets, refused, no_tls)]

        for blocking in (True, False):
            http = self._client(stack, False, blocking)
            self._targets.append((http, urls))
            self._good += [(http, plain + "/good"), (http, tls + "/good")]
        if self._http2:
            server = stack.enter_context(Http2Server(_serve_http2, aborts=True))
            http2_urls = [f"{server.url}/{path}" for path in (*_HTTP2_PATHS, *_FINE, *_FINE)]
            for blocking in (True, False):
                http = self._client(stack, True, blocking)
                self._targets.append((http, http2_urls))
                self._good.append((http, server.url + "/good"))

    def _client(self, stack: contextlib.ExitStack, http2: bool, blocking: bool) -> TgoHttpClient:
        http = TgoHttpClient(
            http2, blocking, ca_file=str(self._certificates.ca_file), connect_timeout=LIMIT, recv_timeout=0.2,
            max_connections=self._connections, max_connections_per_origin=max(1, self._connections - 1),
        )  # fmt: skip
        return stack.enter_context(http)

    # The storm

    def run(self, requests: int, threads: int = 6) -> None:
        """Make some requests, from several threads at once, and wait until each has ended.

        :raises AssertionError: one has not, or more than once.
        """
        share = requests // threads
        workers = [
            threading.Thread(target=self._work, args=(random.Random(f"{self._seed}-{number}"), share), daemon=True)
            for number in range(threads)
        ]
        self._seed += 1
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(LIMIT + requests / 10)
            if worker.is_alive():
                self._problems.append(f"{worker.name} does not end")
        assert not self._problems, self._problems

    def _work(self, generator: random.Random, requests: int) -> None:
        futures: list[Future[Any]] = []
        try:
            for _ in range(requests):
                http, urls = generator.choice(self._targets)
                url = generator.choice(urls)
                try:
                    futures += self._ask(generator, http, url)
                except HttpClientError as error:
                    self._count(type(error).__name__)
                except _UserError:
                    self._count("the user's own")
                if len(futures) >= 20:
                    self._wait_for(futures)
                    futures.clear()
            self._wait_for(futures)
        except BaseException as error:
            self._problems.append(repr(error))

    def _ask(self, generator: random.Random, http: TgoHttpClient, url: str) -> list[Future[Any]]:
        options: dict[str, Any] = {}
        chance = generator.random()
        if chance < 0.1:
            options["timeout"] = generator.uniform(0.0005, 0.03)
        elif chance < 0.15:
            options["pool_timeout"] = generator.uniform(0.0, 0.01)
        method = "GET"
        chance = generator.random()
        if chance < 0.1:
            method, options["data"] = "PUT", b"x" * generator.choice((10, 300_000))
        elif chance < 0.15:
            method, options["data"] = "POST", _failing_body(generator.randrange(4))
        elif chance < 0.2:
            method, options["headers"] = "GET", {"Connection": "close"}
        if generator.random() < 0.3:
            with http.stream(method, url, **options) as response:
                for number, _ in enumerate(response.iter_bytes()):
                    if number == 1 and generator.random() < 0.3:
                        break
                    if generator.random() < 0.05:
                        raise _UserError
            self._count("ok")
            return []
        made = http.request(method, url, **options)
        if hasattr(made, "add_done_callback"):
            if generator.random() < 0.15:
                made.cancel()
            return [made]
        self._count("ok")
        return []

    def _wait_for(self, futures: list[Future[Any]]) -> None:
        for future in futures:
            try:
                error = None if future.cancelled() else future.exception(LIMIT)
            except TimeoutError:
                raise AssertionError(f"a request has not ended within {LIMIT} s") from None
            if future.cancelled():
                self._count("cancelled")
            elif error is None:
                self._count("ok")
            else:
                if not isinstance(error, HttpClientError):
                    raise error
                self._count(type(error).__name__)

    def _count(self, result: str) -> None:
        with self._lock:
            self.results[result] += 1

    # Afterwards

    def check(self) -> None:
        """Check that nothing was lost: no place, no connection, no waiter; and that everything works.

        :raises AssertionError: something was.
        """
        deadline = time.monotonic() + LIMIT
        for http, _ in self._targets:
            while True:
                found = list(_left_over(http))
                if not found:
                    break
                assert time.monotonic() < deadline, found
                time.sleep(0.005)
        for http, url in self._good:
            self._make_at_once(http, url)

    def _make_at_once(self, http: TgoHttpClient, url: str) -> None:
        """As many requests as there may be connections, all at the same time."""
        failures: list[str] = []

        def ask() -> None:
            try:
                response: Any = http.get(url, pool_timeout=LIMIT, recv_timeout=LIMIT)
                if hasattr(response, "result"):
                    response = response.result(LIMIT)
                if response.content != _GOOD:
                    failures.append(f"{url}: {response.content[:100]!r}")
            except BaseException as error:
                failures.append(f"{url}: {error!r}")

        threads = [threading.Thread(target=ask) for _ in range(2 * self._connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT)
        assert not failures, failures


class _UserError(Exception):
    """What the code of a user raises."""


def _failing_body(pieces: int) -> Iterator[bytes]:
    for _ in range(pieces):
        yield b"x" * 1000
    raise _UserError


def _left_over(http: TgoHttpClient) -> Iterator[str]:
    """Yield what is left of requests that have all ended."""
    pool = http._pool
    if http._running:
        yield f"calls: {http._running}"
    if pool is None:
        return
    found = 0
    for name, origin in pool._origins.items():
        found += len(origin._connections)
        with origin._lock:
            if origin._opening or origin._waiting or origin._unsettled:
                yield f"{name}: {origin._opening} {origin._waiting} {origin._unsettled}"
            if set(origin.idle()) != origin._connections:
                yield f"{name}: {origin._connections} of which {origin.idle()} are idle"
    if pool.places.used != found:
        yield f"{pool.places.used} places for {found} connections"
    if pool.places.limit and found > pool.places.limit:
        yield f"{found} connections"


__all__ = ["PeerClosed", "Storm"]
