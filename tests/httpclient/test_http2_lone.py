"""A request that has an HTTP/2 connection for itself waits for its response inside of the read. What others notice."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from h2.exceptions import ProtocolError

from httpclient import HttpClientError, RequestAbortedError, TgoHttpClient
from httpclient.http2 import driver as http2_driver
from tests.httpclient.test_client_interrupts import Striker
from tests.httpclient.ways import BLOCKING, LIMIT
from tests.servers.scripted import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.certificates import Certificates
    from tests.conftest import Http2Servers
    from tests.servers.http2 import Http2Server, Http2Session

with_and_without_tls = pytest.mark.parametrize("tls", [False, True])


class Site:
    """A server that answers with the path; ``/held`` only when it is told to, ``/late`` after the moment."""

    def __init__(self, servers: Http2Servers, certificates: Certificates, tls: bool, **options: Any) -> None:
        self.answers = threading.Event()
        context = tls_context(certificates.server, alpn=["h2"]) if tls else None
        self.server: Http2Server = servers(self.handle, tls=context, **options)

    def handle(self, session: Http2Session) -> None:
        while request := session.receive_request():
            path = request.value(":path") or ""
            if path == "/held":
                assert self.answers.wait(LIMIT)
            elif path == "/late":
                time.sleep(0.05)
            with suppress(ProtocolError):  # of a request that was given up meanwhile
                session.respond(request.stream_id, path.encode())

    def get(self, http: TgoHttpClient, path: str) -> bytes:
        content: bytes = http.get(self.server.url + path).content
        assert content == path.encode()
        return content


def connection_of(http: TgoHttpClient) -> Any:
    (connection,) = http._pool.http2_connections()  # type: ignore[union-attr]
    return connection


def wait_until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit, "waited for too long"
        time.sleep(0.001)


def warm(http: TgoHttpClient, site: Site) -> Any:
    """Make requests until one was answered within a moment; return the connection."""
    site.get(http, "/quick")
    wait_until(lambda: site.get(http, "/quick") and connection_of(http)._quick)
    return connection_of(http)


@pytest.fixture
def long_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_driver, "_MOMENT", LIMIT)


@with_and_without_tls
@pytest.mark.usefixtures("long_moment", "no_leaks")
def test_another_request_is_sent_when_the_wait_is_over(
    tls: bool, http2_scripted: Http2Servers, certificates: Certificates
) -> None:
    site = Site(http2_scripted, certificates, tls)
    got: list[bytes] = []
    with BLOCKING.client(certificates, http2=True) as http:
        connection = warm(http, site)
        threads = [
            threading.Thread(target=lambda path=path: got.append(site.get(http, path)))
            for path in ("/held", "/a")
        ]
        threads[0].start()
        wait_until(lambda: connection._in_kernel)
        threads[1].start()
        wait_until(lambda: connection._alone_since)
        assert not got
        site.answers.set()
        for thread in threads:
            thread.join(LIMIT)
        assert sorted(got) == [b"/a", b"/held"]
        # From here on, and for a while, nobody has the connection for itself.
        site.answers.clear()
        held = threading.Thread(target=lambda: got.append(site.get(http, "/held")))
        held.start()
        wait_until(lambda: connection._exchanges)
        assert not connection._in_kernel
        site.answers.set()
        held.join(LIMIT)
        assert got.count(b"/held") == 2
        assert site.server.accepted == 1


@with_and_without_tls
@pytest.mark.usefixtures("long_moment", "no_leaks")
def test_closing_the_client_ends_the_wait(tls: bool, http2_scripted: Http2Servers, certificates: Certificates) -> None:
    site = Site(http2_scripted, certificates, tls, aborts=True)
    errors: list[HttpClientError] = []

    def get() -> None:
        try:
            site.get(http, "/held")
        except HttpClientError as error:
            errors.append(error)

    with BLOCKING.client(certificates, http2=True) as http:
        connection = warm(http, site)
        thread = threading.Thread(target=get)
        thread.start()
        wait_until(lambda: connection._in_kernel)
        http.close()
        thread.join(LIMIT)
        site.answers.set()
    assert [type(error) for error in errors] == [RequestAbortedError]


@with_and_without_tls
@pytest.mark.usefixtures("no_leaks")
def test_a_response_after_the_moment(tls: bool, http2_scripted: Http2Servers, certificates: Certificates) -> None:
    site = Site(http2_scripted, certificates, tls)
    with BLOCKING.client(certificates, http2=True) as http:
        for _ in range(3):
            connection = warm(http, site)
            site.get(http, "/late")
            assert not connection._quick
        assert site.server.accepted == 1


@with_and_without_tls
def test_interrupted_anywhere(tls: bool, http2_scripted: Http2Servers, certificates: Certificates) -> None:
    site = Site(http2_scripted, certificates, tls, aborts=True)
    with BLOCKING.client(certificates, http2=True) as http:
        struck = 0
        for number in range(100_000):
            warm(http, site)
            for _ in range(3):
                site.get(http, "/struck")  # so that the request is kept, and its way the same each time
            striker = Striker(number)
            if not striker.strike(lambda: site.get(http, "/struck")):
                break
            struck += 1
            for path in ("/after", "/that"):
                assert site.get(http, path), striker.where
            connection = connection_of(http)
            assert not connection._in_kernel, striker.where
            assert not connection._lock.locked(), striker.where
            assert not connection._exchanges, striker.where
        assert struck > 50
