"""Requests that are made from what others have left: nothing of one may show in the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from httpclient import InvalidRequestError, TgoHttpClient
from httpclient.cookies.any_jar import store_cookies
from httpclient.prepare import Preparer
from httpclient.uri import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpclient.request import Request

URL = "http://example.org/a"


@pytest.fixture
def http() -> Iterator[TgoHttpClient]:
    with TgoHttpClient(trust_environment=False) as client:
        yield client


def make(client: TgoHttpClient, method: str = "GET", url: str = URL, **options: Any) -> Request:
    """Return the request of a call; its fields and its head say the same."""
    request = client._preparer.prepare(client, method, url, None, None, options)  # type: ignore[arg-type]
    lines = [f"{method} {request.uri.target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.fields)]
    assert request.built_head.decode("latin-1") == "\r\n".join([*lines, "", ""])
    return request


def values(request: Request, name: str) -> list[str]:
    return [value for field, value in request.fields if field.lower() == name]


def test_values_are_the_calls_own(http: TgoHttpClient) -> None:
    for number in range(3):
        request = make(http, headers={"X-Number": str(number), "Accept": f"text/x{number}"})
        assert values(request, "x-number") == [str(number)]
        assert values(request, "accept") == [f"text/x{number}"]
    assert values(make(http, timeout=5.0), "accept") == ["*/*"]


def test_urls_of_an_origin_share_everything_but_the_target(http: TgoHttpClient) -> None:
    first, second = (make(http, url=f"{URL}/{name}", headers={"X-Test": name}) for name in "bc")
    assert (first.uri.path, second.uri.path) == ("/a/b", "/a/c")
    assert values(second, "x-test") == ["c"]
    assert values(make(http, url="http://example.org:81/a", headers={"X-Test": "d"}), "host") == ["example.org:81"]


def test_a_field_of_the_call_goes_before_the_clients(http: TgoHttpClient) -> None:
    http.request_headers["X-Client"] = "client"
    http.request_headers["User-Agent"] = "mine"
    request = make(http, headers={"x-client": "call", "X-Call": "1"})
    assert values(request, "x-client") == ["call"]
    assert values(request, "user-agent") == ["mine"]
    names = [name for name, _ in request.fields]
    assert names.index("X-Call") < names.index("User-Agent")


def test_settings_take_effect_with_the_next_request(http: TgoHttpClient) -> None:
    given = {"X-Test": "1"}
    make(http, headers=given)
    http.user_agent = "other"
    assert values(make(http, headers=given), "user-agent") == ["other"]
    http.request_headers["X-Client"] = "1"
    assert values(make(http, headers=given), "x-client") == ["1"]
    http.cookies.append("a=1")
    assert values(make(http, headers=given), "cookie") == ["a=1"]
    http.recv_timeout = 7.0
    assert make(http, headers=given).recv_timeout == 7.0
    http.authorization = "Bearer x"
    assert values(make(http, headers=given), "authorization") == ["Bearer x"]


def test_cookies_of_a_call_are_not_kept(http: TgoHttpClient) -> None:
    http.cookies = ["a=1"]
    assert values(make(http, cookies={"b": "2"}), "cookie") == ["a=1; b=2"]
    assert values(make(http, timeout=5.0), "cookie") == ["a=1"]
    assert values(make(http, cookies={"b": "2"}, headers={"Cookie": "c=3"}), "cookie") == ["c=3"]


def test_cookies_of_the_jar_are_for_their_path(http: TgoHttpClient) -> None:
    jar = http.cookie_jar
    assert jar is not None
    store_cookies(jar, parse(URL), [b"name=value; path=/a"])
    assert values(make(http, timeout=5.0), "cookie") == ["name=value"]
    assert values(make(http, url="http://example.org/b", timeout=5.0), "cookie") == []
    store_cookies(jar, parse(URL), [b"name=other; path=/a"])
    assert values(make(http, timeout=5.0), "cookie") == ["name=other"]


def test_authentication_of_a_call_is_not_kept(http: TgoHttpClient) -> None:
    http.authorization = "Bearer x"
    assert values(make(http, auth=("user", "password")), "authorization") == ["Basic dXNlcjpwYXNzd29yZA=="]
    assert values(make(http, timeout=5.0), "authorization") == ["Bearer x"]
    given = make(http, auth=("user", "password"), headers={"Authorization": "mine"})
    assert values(given, "authorization") == ["mine"]
    assert given.authentication is None


def test_passwords_of_a_url_are_for_that_url(http: TgoHttpClient) -> None:
    request = make(http, url="http://user:password@example.org/a", timeout=5.0)
    assert values(request, "authorization") == ["Basic dXNlcjpwYXNzd29yZA=="]
    assert values(make(http, timeout=5.0), "authorization") == []


def test_a_range_is_one_of_the_plain_form(http: TgoHttpClient) -> None:
    assert values(make(http, headers={"Range": "bytes=0-1"}), "accept-encoding") == ["identity"]
    assert values(make(http, headers={"X-Test": "1"}), "accept-encoding") != ["identity"]


def test_bodies_are_framed_each_by_itself(http: TgoHttpClient) -> None:
    for size in (0, 5, 3):
        request = make(http, "POST", data=b"x" * size, headers={"Content-Type": "text/plain"})
        assert values(request, "content-length") == [str(size)]
        assert values(request, "content-type") == ["text/plain"]
    for method, lengths in (("GET", []), ("POST", ["0"])):
        assert values(make(http, method, headers={"Content-Type": "text/plain"}), "content-length") == lengths
    for length in ("3", "4"):
        assert values(make(http, "POST", data=b"x" * int(length), headers={"Content-Length": length}), "content-length")
    with pytest.raises(InvalidRequestError):
        make(http, "POST", data=b"x", headers={"Content-Length": "2"})


def test_what_may_not_be_sent_is_refused_each_time(http: TgoHttpClient) -> None:
    make(http, headers={"X-Test": "1"})
    for value in ("a\r\nb: c", "a\x00"):
        with pytest.raises(InvalidRequestError):
            make(http, headers={"X-Test": value})
    for _ in range(2):
        with pytest.raises(InvalidRequestError):
            make(http, headers={"X Test": "1"})
        with pytest.raises(InvalidRequestError):
            make(http, headers=[("Host", "a"), ("host", "b")])


def test_lines_are_encoded_one_by_one(http: TgoHttpClient) -> None:
    http.user_agent = "\u00e9"
    request = http._preparer.prepare(http, "GET", URL, None, None, {"headers": {"X-Test": "\u20ac"}})
    assert b"\r\nUser-Agent: \xe9\r\n" in request.built_head
    assert b"\r\nX-Test: \xe2\x82\xac\r\n" in request.built_head


def test_what_is_kept_is_bounded(http: TgoHttpClient) -> None:
    for number in range(2 * Preparer.KEPT + 2):
        make(http, headers={f"X-Test-{number}": "1"})
        assert len(http._preparer._templates) <= Preparer.KEPT
