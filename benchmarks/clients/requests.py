"""requests, on urllib3."""

from __future__ import annotations

import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter

from benchmarks.clients import Crew, repeat
from benchmarks.content import KIB, check_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

CANNOT = {
    "http2": "requests has no HTTP/2",
    "resume": "requests has no way to offer a TLS session",
}
_BUFFER = 512 * KIB


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("requests", "urllib3")} | {"ssl": ssl.OPENSSL_VERSION}


def one_at_a_time(target: Target) -> Callable[[int], None]:
    session = _session(target)
    return repeat(lambda: session.get(target.url).content, target)


def in_threads(target: Target) -> Callable[[int], None]:
    session = _session(target)
    return Crew([repeat(lambda: session.get(target.url).content, target)] * target.concurrency)


# Many requests at once are as many threads.
at_once = in_threads


def new_connections(target: Target) -> Callable[[int], None]:
    session = _session(target)
    session.headers["Connection"] = "close"
    return repeat(lambda: session.get(target.url).content, target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    session = _session(target)

    def run(urls: Sequence[str]) -> None:
        # A connection whose body nobody has read yet isn't reused: so every request opens one.
        responses = [session.get(url, stream=True) for url in urls]
        for response in responses:
            check_small(response.content, target.body)

    return run


def download(target: Target) -> Callable[[str, Receiver], None]:
    session = _session(target)

    def run(url: str, receive: Receiver) -> None:
        with session.get(url, stream=True) as response:
            for chunk in response.iter_content(_BUFFER):
                receive(chunk)

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    session = _session(target)

    def run(url: str, source: Source) -> None:
        session.put(url, data=source).raise_for_status()

    return run


def cold(target: Target) -> str:
    return f"""
import requests, sys
sys.stdout.buffer.write(requests.get({target.url!r}, verify={target.ca_file!r}).content)
"""


def _session(target: Target) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # saves reading the environment and .netrc for each request
    session.verify = target.ca_file
    adapter = HTTPAdapter(pool_connections=16, pool_maxsize=max(10, target.concurrency))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
