"""httpx, on httpcore, h11 and h2."""

from __future__ import annotations

import asyncio
import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.clients import Crew, repeat
from benchmarks.content import check_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

CANNOT = {"resume": "httpx has no way to offer a TLS session"}


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("httpx", "httpcore", "h11", "h2")} | {"ssl": ssl.OPENSSL_VERSION}


def one_at_a_time(target: Target) -> Callable[[int], None]:
    client = httpx.Client(**_options(target))
    return repeat(lambda: client.get(target.url).content, target)


def in_threads(target: Target) -> Callable[[int], None]:
    client = httpx.Client(**_options(target))
    return Crew([repeat(lambda: client.get(target.url).content, target)] * target.concurrency)


def at_once(target: Target) -> Callable[[int], None]:
    loop = asyncio.new_event_loop()
    client = httpx.AsyncClient(**_options(target))

    async def work(numbers: range) -> None:
        for _ in numbers:
            check_small((await client.get(target.url)).content, target.body)

    async def work_at_once(count: int) -> None:
        tasks = min(count, target.concurrency)
        await asyncio.gather(*(work(range(first, count, tasks)) for first in range(tasks)))

    return lambda count: loop.run_until_complete(work_at_once(count))


def new_connections(target: Target) -> Callable[[int], None]:
    client = httpx.Client(**_options(target), headers={"Connection": "close"})
    return repeat(lambda: client.get(target.url).content, target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    client = httpx.Client(**_options(target))

    def run(urls: Sequence[str]) -> None:
        # A connection whose body nobody has read yet isn't reused: so every request opens one.
        responses = [client.send(client.build_request("GET", url), stream=True) for url in urls]
        for response in responses:
            check_small(response.read(), target.body)

    return run


def download(target: Target) -> Callable[[str, Receiver], None]:
    client = httpx.Client(**_options(target))

    def run(url: str, receive: Receiver) -> None:
        with client.stream("GET", url) as response:
            for chunk in response.iter_raw():
                receive(chunk)

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    client = httpx.Client(**_options(target))

    def run(url: str, source: Source) -> None:
        client.put(url, content=source, headers={"Content-Length": str(len(source))}).raise_for_status()

    return run


def cold(target: Target) -> str:
    verify = f"ssl.create_default_context(cafile={target.ca_file!r})" if target.tls else "False"
    return f"""
import httpx, ssl, sys
sys.stdout.buffer.write(httpx.get({target.url!r}, verify={verify}).content)
"""


def _options(target: Target) -> dict[str, Any]:
    return {
        "verify": ssl.create_default_context(cafile=target.ca_file),
        "http2": target.http2,
        "trust_env": False,
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None),
        "timeout": 120,
    }
