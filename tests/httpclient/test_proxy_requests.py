"""Requests through real proxies, in every way of calling and over both protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from .ways import Way, both_ways

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.servers.nginx import Nginx

SERVERS = ("nginx", "nghttpd", "nghttpd_clear", "stunnel", "tinyproxy", "microsocks", "microsocks_password")
pytestmark = pytest.mark.usefixtures(*SERVERS, "no_leaks")

KINDS = ("http", "http with password", "https", "socks5", "socks5h", "socks5 with password")


@pytest.fixture(params=KINDS)
def proxy(request: pytest.FixtureRequest) -> str:
    """The URL of a proxy of each kind."""
    from tests.servers.proxies import PASSWORD, USER

    def port(name: str) -> int:
        return request.getfixturevalue(name).port  # type: ignore[no-any-return]

    kind = request.param
    if kind == "http":
        return f"http://127.0.0.1:{port('tinyproxy')}"
    if kind == "http with password":
        return f"http://user:password@127.0.0.1:{port('tinyproxy_password')}"
    if kind == "https":
        return f"https://user:password@localhost:{port('stunnel')}"
    if kind == "socks5 with password":
        return f"socks5h://{quote(USER)}:{quote(PASSWORD)}@127.0.0.1:{port('microsocks_password')}"
    return f"{kind}://localhost:{port('microsocks')}"


@both_ways
@pytest.mark.parametrize("site", ["http", "https1", "https"])
def test_get(way: Way, proxy: str, site: str, nginx: Nginx, certificates: Certificates) -> None:
    with way.client(certificates, http2=None, proxy=proxy) as client:
        for _ in range(3):
            response = way.get(client, nginx.url(site, "/request?a=b"))
            assert response.status_code == 200
            assert "uri=/request?a=b\n" in response.text
            assert f"host=localhost:{nginx.port(site)}\n" in response.text
            assert response.http_version == ("2" if site == "https" else "1.1")
