"""aiohttp, on asyncio's own event loop."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from benchmarks.content import MIB, check_small

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

CANNOT = {
    "http2": "aiohttp has no HTTP/2 client",
    "resume": "aiohttp has no way to offer a TLS session",
    "in_threads": "aiohttp has no blocking calls: a session belongs to one event loop, in one thread",
}


def versions() -> dict[str, str]:
    return {"aiohttp": aiohttp.__version__, "ssl": ssl.OPENSSL_VERSION}


def one_at_a_time(target: Target) -> Callable[[int], None]:
    return _repeat(_Client(target), target)


def at_once(target: Target) -> Callable[[int], None]:
    return _repeat(_Client(target), target)


def new_connections(target: Target) -> Callable[[int], None]:
    return _repeat(_Client(target, force_close=True), target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    client = _Client(target)

    async def get(url: str) -> None:
        check_small(await client.get(URL(url)), target.body)

    async def get_all(urls: Sequence[str]) -> None:
        await asyncio.gather(*map(get, urls))

    return lambda urls: client.run(get_all(urls))


def download(target: Target) -> Callable[[str, Receiver], None]:
    client = _Client(target, read_bufsize=MIB)

    async def get(url: str, receive: Receiver) -> None:
        async with client.session.get(url) as response:
            async for chunk in response.content.iter_any():
                receive(chunk)

    return lambda url, receive: client.run(get(url, receive))


def upload(target: Target) -> Callable[[str, Source], None]:
    client = _Client(target)

    async def chunks(source: Source) -> AsyncIterator[bytes]:
        for chunk in source:
            yield chunk

    async def put(url: str, source: Source) -> None:
        headers = {"Content-Length": str(len(source))}
        async with client.session.put(url, data=chunks(source), headers=headers) as response:
            response.raise_for_status()

    return lambda url, source: client.run(put(url, source))


def cold(target: Target) -> str:
    context = f"ssl.create_default_context(cafile={target.ca_file!r})" if target.tls else "True"
    return f"""
import aiohttp, asyncio, ssl, sys
async def main():
    async with aiohttp.ClientSession() as session, session.get({target.url!r}, ssl={context}) as response:
        sys.stdout.buffer.write(await response.read())
asyncio.run(main())
"""


class _Client:
    """A session and the loop that it lives in."""

    def __init__(self, target: Target, *, force_close: bool = False, read_bufsize: int = 65536) -> None:
        self._loop = asyncio.new_event_loop()
        self._context: ssl.SSLContext | bool = True
        if target.tls:
            self._context = ssl.create_default_context(cafile=target.ca_file)
        self._force_close = force_close
        self._read_bufsize = read_bufsize
        self.session: aiohttp.ClientSession = self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    async def get(self, url: URL) -> bytes:
        async with self.session.get(url) as response:
            return await response.read()

    async def _open(self) -> aiohttp.ClientSession:
        # The pool keeps an idle connection for an hour, as long as the server does, unless it is to keep none.
        keeping: dict[str, Any] = {"force_close": True} if self._force_close else {"keepalive_timeout": 3600}
        connector = aiohttp.TCPConnector(limit=0, ssl=self._context, **keeping)
        return aiohttp.ClientSession(connector=connector, read_bufsize=self._read_bufsize)


def _repeat(client: _Client, target: Target) -> Callable[[int], None]:
    url = URL(target.url)

    async def work(numbers: range) -> None:
        for _ in numbers:
            check_small(await client.get(url), target.body)

    async def work_at_once(count: int) -> None:
        tasks = min(count, target.concurrency)
        await asyncio.gather(*(work(range(first, count, tasks)) for first in range(tasks)))

    return lambda count: client.run(work_at_once(count))
