"""niquests, on its own fork of urllib3, which takes urllib3's place: it needs an environment of its own (README.md)."""

from __future__ import annotations

import asyncio
import platform
import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import niquests

from benchmarks.clients._requests_interface import Operations
from benchmarks.content import check_small

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.content import Source
    from benchmarks.workloads import Target

CANNOT = {"resume": "niquests has no way to offer a TLS session"}


def versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("niquests", "urllib3-future", "jh2")}
    return packages | {"ssl": ssl.OPENSSL_VERSION, "Python": platform.python_version()}


def at_once(target: Target) -> Callable[[int], None]:
    return _streams_at_once(target) if target.http2 else _connections_at_once(target)


def _streams_at_once(target: Target) -> Callable[[int], None]:
    # "multiplexed": get() returns when the request is sent; gather() waits for all of them.
    session = _session(target, multiplexed=True)
    session.get(target.url).content  # noqa: B018

    def run(count: int) -> None:
        for start in range(0, count, target.concurrency):
            responses = [session.get(target.url) for _ in range(min(target.concurrency, count - start))]
            session.gather()
            for response in responses:
                check_small(response.content, target.body)

    return run


def _connections_at_once(target: Target) -> Callable[[int], None]:
    loop = asyncio.new_event_loop()

    async def open_session() -> Any:
        return _session(target, niquests.AsyncSession)

    session = loop.run_until_complete(open_session())

    async def work(numbers: range) -> None:
        for _ in numbers:
            check_small((await session.get(target.url)).content, target.body)

    async def work_at_once(count: int) -> None:
        tasks = min(count, target.concurrency)
        await asyncio.gather(*(work(range(first, count, tasks)) for first in range(tasks)))

    return lambda count: loop.run_until_complete(work_at_once(count))


def upload(target: Target) -> Callable[[str, Source], None]:
    session = _session(target)

    def run(url: str, source: Source) -> None:
        session.put(url, data=source, headers={"Content-Length": str(len(source))}).raise_for_status()

    return run


def cold(target: Target) -> str:
    return f"""
import niquests, sys
sys.stdout.buffer.write(niquests.get({target.url!r}, verify={target.ca_file!r}).content)
"""


def _session(target: Target, kind: Any = niquests.Session, **options: Any) -> Any:
    session = kind(
        disable_http2=not target.http2,
        disable_http3=True,
        pool_connections=16,
        pool_maxsize=max(10, target.concurrency),
        keepalive_delay=3600,
        keepalive_idle_window=None,
        timeout=120,
        **options,
    )
    session.trust_env = False  # saves reading the environment and .netrc for each request
    session.verify = target.ca_file
    return session


_operations = Operations(_session)
one_at_a_time = _operations.one_at_a_time
in_threads = _operations.in_threads
new_connections = _operations.new_connections
hold = _operations.hold
download = _operations.download
