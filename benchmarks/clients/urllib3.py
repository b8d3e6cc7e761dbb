"""urllib3, with a pool for the one host, as its documentation advises for many requests to the same."""

from __future__ import annotations

import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3

from benchmarks.clients import Crew, repeat
from benchmarks.content import KIB, check_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

CANNOT = {
    "http2": "urllib3's HTTP/2 is an experiment that has to be patched in",
    "resume": "urllib3 has no way to offer a TLS session",
}
_BUFFER = 512 * KIB


def versions() -> dict[str, str]:
    return {"urllib3": version("urllib3"), "ssl": ssl.OPENSSL_VERSION}


def one_at_a_time(target: Target) -> Callable[[int], None]:
    return repeat(_getter(target), target)


def in_threads(target: Target) -> Callable[[int], None]:
    return Crew([repeat(_getter(target), target)] * target.concurrency)


# Many requests at once are as many threads.
at_once = in_threads


def new_connections(target: Target) -> Callable[[int], None]:
    return repeat(_getter(target, headers={"Connection": "close"}), target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    manager = urllib3.PoolManager(16, maxsize=target.concurrency, retries=False, **_options(target))

    def run(urls: Sequence[str]) -> None:
        # A connection whose body nobody has read yet isn't reused: so every request opens one.
        responses = [manager.request("GET", url, preload_content=False) for url in urls]
        for response in responses:
            check_small(response.data, target.body)

    return run


def download(target: Target) -> Callable[[str, Receiver], None]:
    pool = _pool(target)

    def run(url: str, receive: Receiver) -> None:
        response = pool.request("GET", urlsplit(url).path, preload_content=False)
        for chunk in response.stream(_BUFFER):
            receive(chunk)
        response.release_conn()

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    pool = _pool(target)

    def run(url: str, source: Source) -> None:
        headers = {"Content-Length": str(len(source))}
        response = pool.request("PUT", urlsplit(url).path, body=source, headers=headers)
        assert response.status < 300

    return run


def cold(target: Target) -> str:
    options = f"ca_certs={target.ca_file!r}" if target.tls else ""
    return f"""
import urllib3, sys
sys.stdout.buffer.write(urllib3.PoolManager({options}).request("GET", {target.url!r}).data)
"""


def _options(target: Target) -> dict[str, Any]:
    return {"ca_certs": target.ca_file} if target.tls else {}


def _pool(target: Target, **options: Any) -> urllib3.HTTPConnectionPool:
    options |= _options(target)
    return urllib3.connection_from_url(target.url, maxsize=target.concurrency, retries=False, **options)


def _getter(target: Target, **options: Any) -> Callable[[], bytes]:
    request, path = _pool(target, **options).request, target.path

    def get() -> bytes:
        return request("GET", path).data

    return get
