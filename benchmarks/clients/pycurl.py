"""pycurl, on libcurl: the fastest HTTP client for Python before this one."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import pycurl

from benchmarks.clients import Crew, look_up, repeat
from benchmarks.content import KIB, check_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.content import Receiver, Source
    from benchmarks.workloads import Target

CANNOT: dict[str, str] = {}
_BUFFER = 512 * KIB
# Easy handles that open the connections which the multi handle then holds: a connection needs none of its own.
_OPENING_AT_ONCE = 500


def versions() -> dict[str, str]:
    return dict(part.split("/", 1) for part in pycurl.version.split() if "/" in part)


def one_at_a_time(target: Target) -> Callable[[int], None]:
    curl = _easy(target)
    return repeat(lambda: _perform(curl), target)


def in_threads(target: Target) -> Callable[[int], None]:
    # A handle belongs to one thread, and libcurl's shared connection cache isn't safe among threads.
    return Crew(one_at_a_time(target) for _ in range(target.concurrency))


def at_once(target: Target) -> Callable[[int], None]:
    multi = _Multi(target)
    if target.http2:
        multi.multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
    handles = [_easy(target) for _ in range(target.concurrency)]
    return lambda count: multi.run(handles, [target.url] * count)


def headers(target: Target) -> Callable[[int], None]:
    curl = _easy(target)
    fields: dict[str, str] = {}

    # As PycURL's documentation does it ("Examining Response Headers").
    def on_header(line: bytes) -> None:
        name, colon, value = line.decode("iso-8859-1").partition(":")
        if colon:
            fields[name.strip().lower()] = value.strip()

    def get(name: str) -> str | None:
        fields.clear()
        _perform(curl)
        return fields.get(name.lower())

    curl.setopt(pycurl.HEADERFUNCTION, on_header)
    return look_up(get, target)


def new_connections(target: Target) -> Callable[[int], None]:
    curl = _easy(target)
    curl.setopt(pycurl.FRESH_CONNECT, 1)
    curl.setopt(pycurl.FORBID_REUSE, 1)
    curl.setopt(pycurl.SSL_SESSIONID_CACHE, int(target.resume))
    _perform(curl)
    return repeat(lambda: _perform(curl), target)


def hold(target: Target) -> Callable[[Sequence[str]], None]:
    multi = _Multi(target)
    handles = [_easy(target) for _ in range(min(_OPENING_AT_ONCE, target.concurrency))]
    for curl in handles:
        curl.setopt(pycurl.FRESH_CONNECT, 1)
    return lambda urls: multi.run(handles, urls)


def download(target: Target) -> Callable[[str, Receiver], None]:
    curl = _easy(target)
    curl.setopt(pycurl.BUFFERSIZE, _BUFFER)

    def run(url: str, receive: Receiver) -> None:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.WRITEFUNCTION, receive)
        curl.perform()

    return run


def upload(target: Target) -> Callable[[str, Source], None]:
    curl = _easy(target)
    curl.setopt(pycurl.UPLOAD, 1)
    curl.setopt(pycurl.UPLOAD_BUFFERSIZE, _BUFFER)
    curl.setopt(pycurl.HTTPHEADER, ["Expect:"])

    def run(url: str, source: Source) -> None:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.READFUNCTION, source.take)
        curl.setopt(pycurl.INFILESIZE_LARGE, len(source))
        curl.perform()

    return run


def cold(target: Target) -> str:
    verify = f"curl.setopt(curl.CAINFO, {target.ca_file!r})" if target.tls else ""
    return f"""
import pycurl, sys
curl = pycurl.Curl()
curl.setopt(curl.URL, {target.url!r})
{verify}
curl.setopt(curl.WRITEFUNCTION, sys.stdout.buffer.write)
curl.perform()
"""


def _easy(target: Target) -> Any:
    curl = pycurl.Curl()
    curl.url = target.url
    curl.setopt(pycurl.URL, target.url)
    curl.setopt(pycurl.FAILONERROR, 1)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.CAINFO, target.ca_file)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS if target.http2 else pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.PIPEWAIT, int(target.http2))
    curl.chunks = []
    curl.setopt(pycurl.WRITEFUNCTION, curl.chunks.append)
    return curl


def _perform(curl: Any) -> bytes:
    curl.perform()
    return _body(curl)


def _body(curl: Any) -> bytes:
    chunks: list[bytes] = curl.chunks
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    chunks.clear()
    return body


class _Multi:
    """libcurl's multi interface on epoll (`socket_action`), as its documentation advises for many transfers."""

    def __init__(self, target: Target) -> None:
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self.multi.setopt(pycurl.M_MAXCONNECTS, target.concurrency + 100)
        self._expected = target.body
        self._epoll = select.epoll()
        self._registered: set[int] = set()
        self._timeout = -1

    def run(self, handles: Sequence[Any], urls: Sequence[str]) -> None:
        """GET all these URLs with these handles, checking the bodies."""
        waiting = iter(urls)
        running = 0
        for curl, url in zip(handles, waiting, strict=False):
            self._add(curl, url)
            running += 1
        while running:
            for descriptor, events in self._wait():
                self.multi.socket_action(descriptor, events)
            while True:
                queued, finished, failed = self.multi.info_read()
                for _, code, message in failed:
                    raise pycurl.error(code, message)
                for curl in finished:
                    check_small(_body(curl), self._expected)
                    self.multi.remove_handle(curl)
                    url_next = next(waiting, None)
                    if url_next is None:
                        running -= 1
                    else:
                        self._add(curl, url_next)
                if not queued:
                    break

    def _add(self, curl: Any, url: str) -> None:
        if url != curl.url:
            curl.url = url
            curl.setopt(pycurl.URL, url)
        self.multi.add_handle(curl)

    def _wait(self) -> list[tuple[int, int]]:
        ready: list[tuple[int, int]] = []
        if self._timeout != 0:
            ready = self._epoll.poll(self._timeout / 1000 if self._timeout > 0 else -1, len(self._registered) or 1)
        if not ready:
            self._timeout = -1  # it fires once; libcurl sets the next
            return [(pycurl.SOCKET_TIMEOUT, 0)]
        return [(descriptor, _CURL_EVENTS.get(events, pycurl.CSELECT_ERR)) for descriptor, events in ready]

    def _on_timer(self, milliseconds: int) -> None:
        self._timeout = milliseconds

    def _on_socket(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            if descriptor in self._registered:
                self._registered.discard(descriptor)
                self._epoll.unregister(descriptor)
        elif descriptor in self._registered:
            self._epoll.modify(descriptor, _EPOLL_EVENTS[what])
        else:
            self._registered.add(descriptor)
            self._epoll.register(descriptor, _EPOLL_EVENTS[what])


_EPOLL_EVENTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
_CURL_EVENTS = {
    select.EPOLLIN: pycurl.CSELECT_IN,
    select.EPOLLOUT: pycurl.CSELECT_OUT,
    select.EPOLLIN | select.EPOLLOUT: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}
