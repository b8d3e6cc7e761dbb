"""Requests for several hosts on one HTTP/2 connection, where that is wanted and allowed (RFC 9113 section 9.1.1)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import TgoHttpClient
from tests.servers._tls import tls_context
from tests.servers.site import Answer, Asked, Site

from .ways import both_ways

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import Http2Servers
    from tests.servers.http2 import Http2Server

    from .ways import Way

# Names under localhost are loopback addresses by themselves (RFC 6761 section 6.3).
FIRST, SECOND, OTHER = "a.localhost", "b.localhost", "c.localhost"


class Served:
    """A server with a certificate for two hosts."""

    def __init__(self, servers: Http2Servers, certificates: Certificates, respond: Any = None) -> None:
        self.site = Site(respond or (lambda asked: Answer()))
        tls = tls_context(certificates.two_hosts, alpn=["h2"])
        self.server: Http2Server = servers(self.site.http2, tls=tls, host="127.0.0.1", handshakes_fail=True)
        self.certificates = certificates

    def client(self, way: Way, **options: Any) -> TgoHttpClient:
        return way.client(self.certificates, http2=None, http2_coalesce=True, **options)

    def url(self, host: str) -> str:
        return f"https://{host}:{self.server.port}/"

    @property
    def hosts(self) -> list[str | None]:
        return [(asked.value("host") or "").partition(":")[0] for asked in self.site.asked]


@pytest.fixture
def served(http2_scripted: Http2Servers, certificates: Certificates) -> Served:
    return Served(http2_scripted, certificates)


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_hosts_of_one_certificate_share_a_connection(way: Way, served: Served) -> None:
    with served.client(way) as http:
        for host in (FIRST, SECOND, FIRST, SECOND):
            assert way.get(http, served.url(host)).status_code == 200
        statistics = http.pool_statistics()
        assert (statistics.open, statistics.opening, statistics.waiting) == (1, 0, 0)
    assert served.server.accepted == 1
    assert served.hosts == [FIRST, SECOND, FIRST, SECOND]


@both_ways
def test_many_at_once(way: Way, served: Served) -> None:
    with served.client(way) as http:
        way.get(http, served.url(FIRST))
        if way.blocking:
            results: list[int] = []
            threads = [
                threading.Thread(target=lambda: results.append(http.get(served.url(SECOND)).status_code))
                for _ in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        else:
            results = [made.result(30).status_code for made in [http.get(served.url(SECOND)) for _ in range(50)]]
        assert set(results) == {200}
    assert served.server.accepted == 1


@both_ways
def test_not_unless_it_is_wanted(way: Way, served: Served) -> None:
    with way.client(served.certificates, http2=None) as http:
        for host in (FIRST, SECOND):
            way.get(http, served.url(host))
    assert served.server.accepted == 2


@both_ways
def test_not_where_the_certificate_is_for_one_only(way: Way, served: Served) -> None:
    with served.client(way) as http:
        way.get(http, served.url(FIRST))
        way.fail(http, "GET", served.url(OTHER))
        assert way.get(http, served.url(FIRST)).status_code == 200
    assert served.server.accepted == 2
    assert OTHER not in served.hosts


@both_ways
def test_not_without_verification(way: Way, served: Served) -> None:
    with served.client(way, verify=False) as http:
        for host in (FIRST, SECOND):
            way.get(http, served.url(host))
    assert served.server.accepted == 2


@both_ways
def test_a_server_that_does_not_want_it(way: Way, http2_scripted: Http2Servers, certificates: Certificates) -> None:
    def respond(asked: Asked) -> Answer:
        # The first connection is for the first host only: what comes there for another is misdirected.
        misdirected = mine.server.accepted == 1 and FIRST not in (asked.value("host") or "")
        return Answer(421 if misdirected else 200)

    mine = Served(http2_scripted, certificates, respond)
    with mine.client(way) as http:
        way.get(http, mine.url(FIRST))
        for _ in range(2):
            response = way.request(http, "POST", mine.url(SECOND), data=b"body")
            assert response.status_code == 200
    assert mine.server.accepted == 2
    assert [asked.body for asked in mine.site.asked] == [b"", b"body", b"body", b"body"]


@both_ways
def test_the_end_of_the_connection_is_the_end_for_both(way: Way, served: Served) -> None:
    with served.client(way) as http:
        way.get(http, served.url(FIRST))
        way.get(http, served.url(SECOND))
        served.server.sessions[0].go_away(0x7FFFFFFF)
        served.server.connections[0].interrupt()
        for host in (SECOND, FIRST):
            assert way.get(http, served.url(host)).status_code == 200
    assert served.server.accepted in (2, 3)
