"""Requests through real proxies, in every way of calling and over both protocols."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from httpclient import HttpCertificateError, ProxyError, TgoHttpClient, TgoHttpClientManager
from httpclient.authentication.schemes import BasicAuthentication
from tests.servers.proxies import PASSWORD, USER
from tests.servers.scripted import Connection, Request, answer

from .ways import Way, both_ways

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.nginx import Nginx

SERVERS = (
    "nginx", "nghttpd", "nghttpd_clear", "stunnel", "tinyproxy", "tinyproxy_password", "microsocks",
    "microsocks_password",
)  # fmt: skip
pytestmark = pytest.mark.usefixtures(*SERVERS, "no_leaks")

KINDS = ("http", "http with password", "https", "socks5", "socks5h", "socks5 with password")


@pytest.fixture(params=KINDS)
def proxy(request: pytest.FixtureRequest) -> str:
    """The URL of a proxy of each kind."""

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


@both_ways
def test_post(way: Way, proxy: str, nginx: Nginx, certificates: Certificates) -> None:
    body = bytes(range(256)) * 4000
    with way.client(certificates, http2=None, proxy=proxy) as client:
        for site in ("http", "https1", "https"):
            assert way.request(client, "POST", nginx.url(site, "/echo"), data=body).content == body
            pieces = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
            if site != "http":  # tinyproxy knows no chunked requests
                assert way.request(client, "POST", nginx.url(site, "/echo"), data=pieces).content == body


def test_stream(proxy: str, nginx: Nginx, certificates: Certificates) -> None:
    with TgoHttpClient(ca_file=str(certificates.ca_file), proxy=proxy) as client:
        for site in ("http", "https1", "https"):
            with client.stream("GET", nginx.url(site, "/10m")) as response:
                assert sum(map(len, response.iter_bytes())) == 10 << 20
            with client.stream("GET", nginx.url(site, "/10m")) as response:
                assert next(response.iter_bytes())


@both_ways
def test_http2_with_prior_knowledge(
    way: Way, proxy: str, nghttpd_clear: Nghttpd, certificates: Certificates
) -> None:
    with way.client(certificates, http2=True, proxy=proxy) as client:
        for _ in range(3):
            response = way.get(client, nghttpd_clear.url + "/1k")
            assert (response.http_version, len(response.content)) == ("2", 1024)


@both_ways
def test_http2_many_at_once(way: Way, proxy: str, nghttpd: Nghttpd, certificates: Certificates) -> None:
    with way.client(certificates, http2=True, proxy=proxy) as client:
        with ThreadPoolExecutor(8) as threads:
            made = list(threads.map(lambda _: client.get(nghttpd.url + "/100k"), range(40)))
        for each in made:
            response = way.result(each)
            assert (response.http_version, len(response.content)) == ("2", 100 * 1024)


@both_ways
def test_the_origin_is_verified_inside_of_the_tunnel(
    way: Way, proxy: str, nginx: Nginx, certificates: Certificates
) -> None:
    with way.client(certificates, proxy=proxy) as client:
        error = way.fail(client, "GET", nginx.url("wrong_host"))
        assert isinstance(error, HttpCertificateError)
        assert f"localhost:{nginx.port('wrong_host')}" in str(error)
        # What failed took nothing with it.
        assert way.get(client, nginx.url("https1", "/1k")).status_code == 200


@both_ways
def test_the_certificate_of_the_client_is_for_the_origin(
    way: Way, proxy: str, nginx: Nginx, certificates: Certificates
) -> None:
    identity = certificates.client
    with way.client(
        certificates, proxy=proxy, certificate=identity.certificate_pem, private_key=identity.key_pem
    ) as client:
        text = way.get(client, nginx.url("client_required", "/connection")).text
        assert "CN=client" in text


@both_ways
def test_a_redirect_to_another_scheme_takes_another_way(
    way: Way, proxy: str, nginx: Nginx, certificates: Certificates
) -> None:
    with way.client(certificates, proxy={"http": proxy, "https": ""}) as client:
        target = nginx.url("https1", "/request")
        response = way.get(client, nginx.url("http", "/redirect/to?url=" + target))
        assert response.url == target
        assert response.status_code == 200


@both_ways
def test_origins_share_the_connections_to_a_proxy_that_makes_the_requests(
    way: Way, scripted: ScriptedServers
) -> None:
    requests: list[Request] = []

    def handler(connection: Connection) -> None:
        while request := connection.receive_request():
            requests.append(request)
            connection.respond(b"from the proxy")

    server = scripted(handler)
    with way.client(proxy=f"http://user:secret@127.0.0.1:{server.port}") as client:
        for host in ("a.example", "b.example:81", "[2001:db8::1]", "a.example"):
            assert way.get(client, f"http://{host}/path?query").text == "from the proxy"
        assert way.request(client, "POST", "http://u:p@c.example", data=b"body").text == "from the proxy"
    assert server.accepted == 1
    assert [(each.target, each.value("Host")) for each in requests] == [
        ("http://a.example/path?query", "a.example"),
        ("http://b.example:81/path?query", "b.example:81"),
        ("http://[2001:db8::1]/path?query", "[2001:db8::1]"),
        ("http://a.example/path?query", "a.example"),
        ("http://c.example/", "c.example"),
    ]
    assert {each.value("Proxy-Authorization") for each in requests} == {"Basic dXNlcjpzZWNyZXQ="}
    assert [each.value("Authorization") for each in requests[3:]] == [None, "Basic dTpw"]
    assert requests[-1].body == b"body"


@both_ways
def test_credentials_for_a_proxy_stay_with_the_proxy(
    way: Way, scripted: ScriptedServers, proxy: str, certificates: Certificates
) -> None:
    server = scripted(answer(b"hello"))
    with way.client(certificates, proxy=proxy) as client:
        assert way.get(client, server.url).text == "hello"
    (connection,) = server.connections
    assert connection.received.startswith(b"GET / HTTP/1.1\r\n")
    assert b"proxy-authorization" not in connection.received.lower()
    assert b"password" not in connection.received


@both_ways
def test_the_environment(
    way: Way, proxy: str, nginx: Nginx, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = nginx.url("http", "/connection")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # nobody is there
    with way.client() as client:
        assert isinstance(way.fail(client, "GET", url), ProxyError)
    for options in ({"trust_environment": False}, {"proxy": ""}):
        with way.client(**options) as client:
            assert way.get(client, url).status_code == 200
    monkeypatch.setenv("no_proxy", "localhost")
    with way.client() as client:
        assert way.get(client, url).status_code == 200
        # Read once, with the first connection.
        monkeypatch.delenv("no_proxy")
        assert way.get(client, nginx.url("few", "/connection")).status_code == 200
    monkeypatch.setenv("all_proxy", proxy)
    monkeypatch.delenv("http_proxy")
    with way.client(certificates) as client:
        assert way.get(client, url).status_code == 200


def test_clients_of_a_manager_share_connections_only_on_the_same_way(
    nginx: Nginx, proxy: str, certificates: Certificates
) -> None:
    url = nginx.url("http", "/connection")
    with TgoHttpClientManager() as manager:
        clients = [
            TgoHttpClient(False, manager=manager, ca_file=str(certificates.ca_file), **options)
            for options in (
                {}, {"proxy": proxy}, {"proxy": {"http": proxy}}, {"proxy": {"http": proxy}}, {"proxy": ""},
                {"proxy": proxy, "proxy_authentication": BasicAuthentication("user", "password")},
                {"proxy": proxy, "proxy_authentication": BasicAuthentication("user", "password")},
            )
        ]  # fmt: skip
        for client in clients:
            assert client.get(url).status_code == 200
        pools = [client._pool for client in clients]
        assert pools[2] is pools[3]
        assert len(set(pools)) == 6
        for client in clients:
            client.close()
