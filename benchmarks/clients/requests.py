"""requests, on urllib3."""

from __future__ import annotations

import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter

from benchmarks.clients._requests_interface import Operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.content import Source
    from benchmarks.workloads import Target

CANNOT = {
    "http2": "requests has no HTTP/2",
    "resume": "requests has no way to offer a TLS session",
}


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("requests", "urllib3")} | {"ssl": ssl.OPENSSL_VERSION}


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


_operations = Operations(_session)
one_at_a_time = _operations.one_at_a_time
in_threads = _operations.in_threads
new_connections = _operations.new_connections
hold = _operations.hold
download = _operations.download
# Many requests at once are as many threads.
at_once = in_threads
