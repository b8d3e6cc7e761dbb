"""Cookies: what servers set is sent back where it belongs, in every way of calling and over both protocols."""

from __future__ import annotations

import http.cookiejar
from typing import TYPE_CHECKING

from httpclient import TgoHttpClient
from httpclient.cookies.jar import HttpCookieJar
from tests.httpclient.ways import BLOCKING, everywhere
from tests.servers.site import Answer, Asked, Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ScriptedServers, Served
    from tests.httpclient.ways import Way


def set_what_is_asked(asked: Asked) -> Answer:
    """Set the cookie that the path names, as in ``/set?a=b``; redirect from ``/login`` to ``/home``."""
    path, _, query = asked.target.partition("?")
    if path == "/login":
        return Answer(302, [("location", "/home"), ("set-cookie", query)])
    return Answer(200, [("set-cookie", query)] if path == "/set" else [])


@everywhere
def test_what_is_set_is_sent_back(way: Way, served: Served) -> None:
    site, url = served(set_what_is_asked)
    with way.client(http2=served.http2) as http:
        way.get(http, f"{url}/set?a=b")
        way.get(http, f"{url}/set?c=d;Path=/deep")
        way.get(http, f"{url}/")
        assert site.last.value("cookie") == "a=b"
        way.get(http, f"{url}/deep/er")
        assert site.last.value("cookie") == "c=d; a=b"
        way.get(http, f"{url}/set?a=;Max-Age=0")
        way.get(http, f"{url}/")
    assert site.last.value("cookie") is None


@everywhere
def test_a_redirect_carries_the_cookies_that_it_sets(way: Way, served: Served) -> None:
    site, url = served(set_what_is_asked)
    with way.client(http2=served.http2) as http:
        http.cookies = ["own=1"]
        way.get(http, f"{url}/login?session=s3cret")
    assert site.targets == ["/login?session=s3cret", "/home"]
    assert site.last.value("cookie") == "own=1; session=s3cret"


@everywhere
def test_another_host_gets_no_cookies(way: Way, served: Served) -> None:
    other, other_url = served(set_what_is_asked)
    other_url = other_url.replace("127.0.0.1", "localhost")
    site, url = served(lambda asked: Answer(307, [("location", f"{other_url}/"), ("set-cookie", "a=b")]))
    with way.client(http2=served.http2) as http:
        http.cookies = ["own=1"]
        way.get(http, f"{url}/", cookies={"call": "2"})
        assert site.last.value("cookie") == "own=1; call=2"
        assert other.last.value("cookie") is None
        way.get(http, f"{url}/")
    assert site.last.value("cookie") == "own=1; a=b"


@everywhere
def test_a_field_of_the_callers_own_is_left_alone(way: Way, served: Served) -> None:
    site, url = served(set_what_is_asked)
    with way.client(http2=served.http2) as http:
        way.get(http, f"{url}/set?a=b")
        way.get(http, f"{url}/login?c=d", headers={"Cookie": "mine=1"})
        assert site.last.value("cookie") == "mine=1"
        way.get(http, f"{url}/")
    assert site.last.value("cookie") == "a=b; c=d"


def test_clients_can_share_a_jar_of_any_kind(scripted: ScriptedServers) -> None:
    site = Site(set_what_is_asked)
    url = scripted(site.http1).url
    jar = http.cookiejar.CookieJar()
    with TgoHttpClient(cookie_jar=jar) as first, TgoHttpClient(cookie_jar=jar) as second:
        first.get(f"{url}/set?a=b")
        second.get(f"{url}/")
        assert site.last.value("cookie") == "a=b"
        assert first.cookie_jar is second.cookie_jar is jar
        jar.clear()
        second.get(f"{url}/")
        assert site.last.value("cookie") is None
    # One of ours tells when it has changed, so that requests that were made before aren't sent with old cookies.
    shared = HttpCookieJar()
    with TgoHttpClient(cookie_jar=shared) as first, TgoHttpClient(cookie_jar=shared) as second:
        for value in ("1", "2"):
            second.get(f"{url}/")
            first.get(f"{url}/set?a={value}")
            second.get(f"{url}/")
            assert site.last.value("cookie") == f"a={value}"


def test_a_jar_in_a_file_outlives_its_client(scripted: ScriptedServers, tmp_path: Path) -> None:
    site = Site(set_what_is_asked)
    url = scripted(site.http1).url
    path = tmp_path / "cookies.txt"
    with TgoHttpClient(cookie_jar=path) as client:
        client.get(f"{url}/set?a=b;Max-Age=1000")
    assert path.stat().st_mode & 0o777 == 0o600
    with TgoHttpClient(cookie_jar=str(path)) as client:
        client.get(f"{url}/")
    assert site.last.value("cookie") == "a=b"


def test_no_cookies_are_kept_where_none_are_wanted(scripted: ScriptedServers) -> None:
    site = Site(set_what_is_asked)
    url = scripted(site.http1).url
    with TgoHttpClient(cookie_jar=False) as client:
        client.get(f"{url}/set?a=b")
        client.get(f"{url}/", cookies={"c": "d"})
        assert client.cookie_jar is None
    assert site.last.value("cookie") == "c=d"


def test_a_jar_is_made_for_the_first_cookie(scripted: ScriptedServers) -> None:
    site = Site(set_what_is_asked)
    url = scripted(site.http1).url
    with BLOCKING.client() as client:
        client.get(f"{url}/")
        assert client.known_jar is None
        client.get(f"{url}/set?a=b")
        assert [(cookie.name, cookie.value) for cookie in client.cookie_jar or ()] == [("a", "b")]
