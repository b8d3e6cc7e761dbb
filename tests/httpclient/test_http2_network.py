"""HTTP/2 on bad networks: packets that come late, out of order, or not at all."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import TgoHttpClient
from tests.httpclient.ways import LIMIT
from tests.servers.files import MIB, content
from tests.servers.network import Network, unavailable
from tests.servers.nghttpd import Nghttpd
from tests.servers.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates

WHY_NOT = unavailable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

NETWORKS: dict[str, dict[str, float]] = {
    "delay": {"delay": 0.025},
    "loss": {"delay": 0.005, "loss": 0.02},
    "reorder": {"delay": 0.01, "reorder": 0.1},
    "all": {"delay": 0.01, "loss": 0.01, "reorder": 0.05},
}


class Far:
    """Servers on such a network.

    :ivar urls: their addresses without a path.
    """

    def __init__(self, network: Network, nginx: Nginx, nghttpd: Nghttpd) -> None:
        self.network = network
        self.urls = {site: nginx.url(site, "", nginx.address) for site in nginx.sites}
        self.urls["nghttpd"] = nghttpd.url


@pytest.fixture(scope="module", params=NETWORKS)
def far(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Far]:
    options: dict[str, Any] = NETWORKS[request.param]
    with Network(tmp_path_factory.mktemp("network"), **options) as network:
        nginx = Nginx(tmp_path_factory.mktemp("nginx"), certificates, ["h2c", "https"])
        nghttpd = Nghttpd(tmp_path_factory.mktemp("nghttpd"), None)
        nginx.network = nghttpd.network = network
        with nginx, nghttpd:
            yield Far(network, nginx, nghttpd)


def far_client(blocking: bool = True) -> TgoHttpClient:
    # The certificate is not for addresses of the test's own network.
    return TgoHttpClient(True, blocking, verify=False, recv_timeout=LIMIT)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("server", ["h2c", "https", "nghttpd"])
def test_downloads_and_uploads(far: Far, server: str) -> None:
    data = content("10m")[:MIB]
    with far_client() as client:
        for name in ("1k", "100k"):
            assert digest(client.get(f"{far.urls[server]}/{name}").content) == digest(content(name))
        for body in (data, iter([data[:100_000], data[100_000:]])):
            assert digest(client.post(f"{far.urls[server]}/echo", data=body).content) == digest(data)
        assert [each.streams_opened for each in client.http2_statistics()] == [4]


@pytest.mark.parametrize("server", ["https", "nghttpd"])
def test_fifty_streams(far: Far, server: str) -> None:
    """From threads and as Futures, and one that is read slowly beside them."""
    url = far.urls[server]
    with far_client() as client, ThreadPoolExecutor(50) as threads:
        with client.stream("GET", f"{url}/10m") as slow:
            pieces = slow.iter_bytes()
            beginning = next(pieces)
            responses = list(threads.map(lambda _: client.get(f"{url}/1k"), range(50)))
            assert {response.content for response in responses} == {content("1k")}
            beginning += next(pieces)
        assert content("10m").startswith(beginning)
        assert [each.streams_opened for each in client.http2_statistics()] == [51]
    with far_client(blocking=False) as client:
        futures = [client.get(f"{url}/{'100k' if number % 10 else '1k'}") for number in range(50)]
        for number, future in enumerate(futures):
            if number % 7 == 0:
                future.cancel()
            else:
                assert future.result(LIMIT).content == content("100k" if number % 10 else "1k")
        assert len(client.http2_statistics()) == 1


def test_a_large_download(far: Far) -> None:
    if far.network.loses:
        return  # TCP takes too long for that
    with far_client() as client:
        assert digest(client.get(f"{far.urls['h2c']}/10m").content) == digest(content("10m"))


def test_pings_tell_the_round_trip_time(far: Far) -> None:
    with TgoHttpClient(True, http2_ping_interval=0.05) as client:
        client.get(f"{far.urls['nghttpd']}/1k")
        deadline = time.monotonic() + LIMIT
        while not (statistics := client.http2_statistics()[0]).pings_answered:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert statistics.round_trip_time is not None
        assert statistics.round_trip_time >= 2 * far.network.delay


def test_the_network_is_as_bad_as_it_should_be(far: Far) -> None:
    with far_client() as client:
        client.get(f"{far.urls['h2c']}/1k")
        assert client.get(f"{far.urls['h2c']}/1k").elapsed >= 2 * far.network.delay
