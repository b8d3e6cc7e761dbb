"""This project's client."""

from __future__ import annotations

import threading
import tomllib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.clients import Crew, look_up, repeat
from benchmarks.content import MIB, check_small
from httpclient import Http1Limits, TgoHttpClient
from nghttp2_api.nghttp2 import libnghttp2
from openssl_api._library import libssl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target
    from httpclient import HttpResponse

CANNOT: dict[str, str] = {}


def versions() -> dict[str, str]:
    return {"this project": _version(), "OpenSSL": libssl.version(), "nghttp2": libnghttp2.version()}


def one_at_a_time(target: Target) -> Callable[[int], None]:
    client = _client(target)
    return repeat(lambda: client.get(target.url).content, target)


def in_threads(target: Target) -> Callable[[int], None]:
    client = _client(target)
    return Crew([repeat(lambda: client.get(target.url).content, target)] * target.concurrency)


def at_once(target: Target) -> Callable[[int], None]:
    chains = _Chains(target)
    return lambda count: chains.run([target.url] * count, target.concurrency)


def headers(target: Target) -> Callable[[int], None]:
    client = _client(target, http1_limits=Http1Limits(header_bytes=4 * MIB, header_count=100_000))

    def get(name: str) -> str | None:
        return client.get(target.url).headers.get(name)

    return look_up(get, target)


def new_connections(target: Target) -> Callable[[int], None]:
    client = _client(target)
    client.request_headers["Connection"] = "close"

    def get() -> bytes:
        body: bytes = client.get(target.url).content
        if not target.resume:
            # A user has no reason to make a client forget the sessions that it could resume: there is no option for it.
            client._pool.tls_context().sessions.clear()  # type: ignore[union-attr]
        return body

    get()
    return repeat(get, target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    # All of them begin in the worker's thread, before it sees the first of them end: so none finds an idle connection.
    chains = _Chains(target)
    return lambda urls: chains.run(urls, len(urls))


def download(target: Target) -> Callable[[str, Receiver], None]:
    client = _client(target)

    def run(url: str, receive: Receiver) -> None:
        with client.stream("GET", url) as response:
            for chunk in response.iter_bytes():
                receive(chunk)

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    client = _client(target)

    def run(url: str, source: Source) -> None:
        client.put(url, data=_File(source)).raise_for_status()

    return run


def cold(target: Target) -> str:
    return f"""
import sys
from httpclient import TgoHttpClient
with TgoHttpClient(ca_file={target.ca_file!r}) as http:
    sys.stdout.buffer.write(http.get({target.url!r}).content)
"""


def _version() -> str:
    # Not from the installed package's metadata: what is measured is what lies beside this directory.
    project = Path(__file__).parents[2] / "pyproject.toml"
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _client(target: Target, *, blocking: bool = True, **options: Any) -> TgoHttpClient:
    return TgoHttpClient(
        target.http2,
        blocking,
        ca_file=target.ca_file,
        max_connections_per_origin=max(100, target.concurrency),
        max_idle_connections=target.concurrency + 100,  # held besides those that warmed up
        keep_alive_expiry=3600,
        recv_timeout=60,  # as the others have it: thousands of handshakes at once keep each other waiting
        **options,
    )


class _Chains:
    """Non-blocking requests, each of which begins the next when it has ended, in the worker's thread."""

    def __init__(self, target: Target) -> None:
        self._client = _client(target, blocking=False)
        self._target = target
        self._waiting: Iterator[str] = iter(())
        self._running = 0
        self._caller = threading.current_thread()
        self._failure: BaseException | None = None
        self._over = threading.Event()

    def run(self, urls: Sequence[str], concurrency: int) -> None:
        """GET all these URLs, that many at a time, after one more request that takes us to the worker's thread."""
        self._over.clear()
        self._waiting = iter(urls)
        self._running = min(concurrency, len(urls))
        self._client.get(self._target.url).add_done_callback(self._begin)
        self._over.wait()
        if self._failure is not None:
            raise self._failure

    def _begin(self, first: Future[HttpResponse]) -> None:
        self._check(first)
        if threading.current_thread() is self._caller:
            # It had ended before the callback was added, which was then called where it was added: once more.
            self._client.get(self._target.url).add_done_callback(self._begin)
            return
        for url in islice(self._waiting, self._running):
            self._client.get(url).add_done_callback(self._ended)

    def _ended(self, future: Future[HttpResponse]) -> None:
        self._check(future)
        url = next(self._waiting, None)
        if url is not None:
            self._client.get(url).add_done_callback(self._ended)
            return
        self._running -= 1
        if self._running == 0:
            self._over.set()

    def _check(self, future: Future[HttpResponse]) -> None:
        try:
            check_small(future.result().content, self._target.body)
        except BaseException as error:
            self._failure = error
            self._over.set()
            raise


class _File:
    """A source as a binary file, which is how a client learns a body's length without having it in memory."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0
        self.read = source.take

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset if whence == 0 else len(self._source)
        return self._position
