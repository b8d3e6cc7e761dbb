"""Cookies from servers that send anything: nothing fails, nothing is misread, and nothing grows beyond its limits."""

from __future__ import annotations

import datetime
import email.utils
import gc
import pathlib
import sys
import time
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpclient.cookies import jar as cookies
from httpclient.cookies._policy import default_path, domain_match, domains_of, path_match
from httpclient.cookies._public_suffix import SuffixList, load
from httpclient.cookies._set_cookie import MAX_SIZE, parse_date, parse_set_cookie
from httpclient.cookies.any_jar import cookie_header, jar_strings, store_cookies
from httpclient.cookies.jar import HttpCookieJar
from httpclient.errors import InvalidUrlError
from httpclient.uri import TgoURI
from tests.httpclient.jars import SITE, sent

if TYPE_CHECKING:
    from collections.abc import Callable

# Made of the pieces that mean something, so that something is accepted now and then.
PIECES = [
    *(
        b"a=1",
        b"b=",
        b"=",
        b";",
        b"; ",
        b" ",
        b"\t",
        b'"',
        b",",
        b"__Secure-x=1",
        b"__Host-y=2",
        b"\xff",
        b"\x00",
        b"\n",
    ),
    *(b"; Path=/", b"; path=/a", b"; Path=", b"; Domain=example.com", b"; Domain=.com", b"; Domain=", b"; Secure"),
    *(
        b"; HttpOnly",
        b"; Max-Age=0",
        b"; Max-Age=-1",
        b"; Max-Age=1000",
        b"; Max-Age=",
        b"; Max-Age=x",
        b"; SameSite=Lax",
    ),
    *(b"; Expires=Wed, 21 Oct 2099 07:28:00 GMT", b"; Expires=01 Jan 1970 00:00:00", b"; Expires=", b"; Port=1"),
]
FIELDS = st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join) | st.binary(max_size=80)
URLS = st.sampled_from(
    [
        *(
            "http://example.com/",
            "https://example.com/",
            "https://www.example.com/a/b",
            "http://x.www.example.com/a?b=c",
        ),
        *("http://localhost:8080/", "http://[::1]/a/", "http://127.0.0.1/", "https://com/", "https://example.org//a//"),
    ]
)
NAMES = st.text("ab.-1", min_size=1, max_size=12)
PATHS = st.text("/ab%.", max_size=8).map(lambda text: "/" + text)


@settings(deadline=None)
@given(st.lists(st.tuples(URLS, st.lists(FIELDS, max_size=5)), max_size=5), URLS)
def test_no_field_makes_anything_fail(responses: list[tuple[str, list[bytes]]], url: str) -> None:
    jar, other = HttpCookieJar(), CookieJar()
    for place, values in responses:
        for each in (jar, other):
            store_cookies(each, TgoURI(place), values)
            header = cookie_header(each, TgoURI(url))
        # What the jar knows beside its cookies fits them.
        assert len(jar) == len(list(jar)) == len(jar._entries) == sum(jar._counts.values())
        assert {key for key, _ in jar._items()} == set(jar._entries)
        assert {key for key, cookie in jar._items() if cookie.secure} == {
            key for keys in jar._secure.values() for key in keys
        }
        assert all(jar._secure.values())
        assert all(paths and all(paths.values()) for paths in jar._cookies.values())
        assert jar.changes_at() <= min((c.expires for c in jar if c.expires is not None), default=float("inf"))
        header = cookie_header(jar, TgoURI(url))
        assert not set(header) & {chr(number) for number in [*range(32), 127]}
        header.encode("latin-1")
        for cookie in jar:
            assert cookie.name
            assert len(cookie.name) + len(cookie.value or "") <= MAX_SIZE


@settings(deadline=None)
@given(st.lists(st.tuples(URLS, st.lists(FIELDS, max_size=4)), max_size=4), st.lists(URLS, min_size=1, max_size=3))
def test_cookies_go_only_where_they_may(responses: list[tuple[str, list[bytes]]], urls: list[str]) -> None:
    """Section 5.4 step 1 word by word, over all cookies; the jar looks at those only that can match."""
    jar = HttpCookieJar()
    for place, values in responses:
        store_cookies(jar, TgoURI(place), values)
    for url in urls:
        uri = TgoURI(url)
        wanted = []
        for cookie in jar:
            host_only = not cookie.domain_specified
            domain = cookie.domain.removeprefix(".")
            right_host = uri.host == domain if host_only else domain_match(uri.host, domain)
            if right_host and path_match(uri.path, cookie.path) and (uri.scheme == "https" or not cookie.secure):
                wanted.append(cookie)
        wanted.sort(key=lambda cookie: -len(cookie.path))
        assert sent(jar, url) == "; ".join(f"{cookie.name}={cookie.value}" for cookie in wanted)


@settings(deadline=None)
@given(FIELDS, URLS)
def test_what_is_accepted_means_the_same_again(field: bytes, url: str) -> None:
    now = int(time.time())
    first = parse_set_cookie(field.decode("latin-1"), now)
    if first is None:
        return
    text = f"{first.name}={first.value}"
    if first.expires is not None:
        text += f"; Max-Age={first.expires - now}"
    text += f"; Domain={first.domain}" if first.domain else ""
    text += f"; Path={first.path}" if first.path is not None else ""
    text += "; Secure" * first.secure + "; HttpOnly" * first.http_only
    text += f"; SameSite={first.same_site}" if first.same_site is not None else ""
    again = parse_set_cookie(text, now)
    assert again is not None
    if first.expires is not None and first.expires <= now:
        first.expires = again.expires = 0  # the past is the past
    if first.domain.startswith("."):
        return  # one of several leading dots goes each time; no host has such a domain
    assert all(getattr(again, name) == getattr(first, name) for name in first.__slots__)
    assert first.name == first.name.strip()
    assert ";" not in first.name + first.value


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(URLS, st.lists(FIELDS, max_size=4)), max_size=4))
def test_files_mean_the_same_again(
    tmp_path_factory: pytest.TempPathFactory, responses: list[tuple[str, list[bytes]]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "cookies.txt"
    jar = HttpCookieJar()
    for place, values in responses:
        store_cookies(jar, TgoURI(place), values)
    jar.save(path, ignore_discard=True)
    again = HttpCookieJar(path)

    def meaning(jar: HttpCookieJar) -> list[tuple[object, ...]]:
        return sorted(
            (c.domain, c.path, c.name, c.value, c.secure, c.domain_specified, str(c.expires), c.discard) for c in jar
        )

    assert meaning(again) == meaning(jar)


@settings(max_examples=50, deadline=None)
@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([b"\t", b"TRUE", b"0", b"a", b".", b"#", b"\n"])).map(b"".join)
)
def test_no_file_makes_loading_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path: pathlib.Path = tmp_path_factory.getbasetemp() / "cookies-any.txt"
    path.write_bytes(b"# Netscape HTTP Cookie File\n" + content)
    HttpCookieJar(path).save()
    HttpCookieJar(path)


@settings(deadline=None)
@given(st.text() | st.text("0123456789: -/,janFEB", max_size=40))
def test_dates_are_dates_or_nothing(text: str) -> None:
    seconds = parse_date(text)
    assert seconds is None or -11644473600 <= seconds <= 253402300799


@settings(deadline=None)
@given(st.datetimes(datetime.datetime(1970, 1, 1)))
def test_dates_as_servers_write_them(moment: datetime.datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=datetime.UTC)
    assert parse_date(email.utils.format_datetime(moment, usegmt=True)) == moment.timestamp()


@settings(deadline=None)
@given(NAMES.filter(lambda name: not name.startswith(".")), NAMES)
def test_domains_of_a_host_are_those_that_match(host: str, end: str) -> None:
    """Looking domains up finds what comparing with each would find."""
    found = list(domains_of(host))
    for domain in {end, *(host[start:] for start in range(len(host)))}:
        if not domain.startswith("."):
            assert (domain in found) == ("." + domain in found) == domain_match(host, domain), domain


@settings(deadline=None)
@given(PATHS, PATHS)
def test_paths(path: str, other: str) -> None:
    assert path_match(path, path)
    assert path_match(path, "/")
    assert path_match(path, default_path(path))
    if path_match(path, other):
        assert path_match(path + "/x", other)
        assert other.rstrip("/").split("/") == path.split("/")[: len(other.rstrip("/").split("/"))]


@settings(deadline=None)
@given(st.lists(st.text("abcx!*.", max_size=8), max_size=8), NAMES)
def test_a_public_suffix_is_a_suffix(rules: list[str], name: str) -> None:
    for suffixes in (SuffixList(rules), load([])):
        suffix = suffixes.suffix_of(name)
        assert name == suffix or name.endswith("." + suffix)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_url_will_do(text: str) -> None:
    try:
        uri = TgoURI("http://" + text)
    except InvalidUrlError:
        return
    jar = HttpCookieJar()
    store_cookies(jar, uri, [b"a=1; Path=/", b"b=2; Domain=" + uri.host.encode()])
    assert cookie_header(jar, uri) in ("a=1; b=2", "a=1", "")
    assert (cookie_header(jar, uri) == "") is (uri.host == "" or uri.host.startswith("."))


# Cost


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of Python, and calls of C, it takes."""
    count = 0

    def line(*_: object) -> object:
        nonlocal count
        count += 1
        return line

    def call(*_: object) -> None:
        nonlocal count
        count += 1

    gc.disable()  # what is cleaned up meanwhile doesn't count
    sys.settrace(line)  # type: ignore[arg-type]
    sys.setprofile(call)
    try:
        work()
    finally:
        sys.settrace(None)
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize(
    "field",
    [
        lambda size: "a=1" + ";" * size,
        lambda size: "a=1" + "; Path=/" * size,
        lambda size: "a=1" + "; Max-Age=1" * size,
        lambda size: "a=1; Expires=" + "1 jan 1:1:1 " * size,
        lambda size: "a=1; Max-Age=" + "9" * size,
        lambda size: "=" * size,
        lambda size: "a=" + "\t" * size + "1",
    ],
)
def test_fields_cost_by_their_length(field: Callable[[int], str]) -> None:
    small, large = (steps(lambda size=size: parse_set_cookie(field(size), 0)) for size in (1000, 4000))  # type: ignore[misc]
    assert large <= 4.2 * small


@pytest.mark.parametrize("url", [SITE, "http://www.example.com/"])
def test_a_full_jar_costs_other_hosts_nothing(url: str) -> None:
    """A request looks at the cookies of its own host and domains."""
    uri = TgoURI(url)
    jar = HttpCookieJar()
    store_cookies(jar, uri, [b"a=1", b"b=2; Domain=example.com"])
    alone = steps(lambda: cookie_header(jar, uri))
    for number in range(500):
        store_cookies(jar, TgoURI(f"https://h{number}.example.org/"), [b"a=1; Max-Age=1000", b"s=1; Secure"])
    assert steps(lambda: cookie_header(jar, uri)) == alone
    store = steps(lambda: store_cookies(jar, uri, [b"a=1", b"c=3"]))
    for number in range(500):
        store_cookies(jar, TgoURI(f"https://i{number}.example.org/"), [b"a=1; Max-Age=1000", b"s=1; Secure"])
    assert steps(lambda: store_cookies(jar, uri, [b"a=1", b"d=4"])) == store


def test_a_hostile_server_fills_its_own_place() -> None:
    jar = HttpCookieJar()
    uri = TgoURI("https://evil.org/")
    costs = []
    for turn in range(4):
        values = [b"c%d=%s; Path=/%d" % (number, b"x" * 4000, number) for number in range(turn * 200, turn * 200 + 200)]
        costs.append(steps(lambda values=values: store_cookies(jar, uri, values)))  # type: ignore[misc]
        assert len(jar) == cookies.MAX_COOKIES_PER_DOMAIN
        assert sum(map(len, jar_strings(jar))) <= cookies.MAX_COOKIES_PER_DOMAIN * MAX_SIZE
    # Making room costs the same each time, however long it goes on.
    assert costs[3] <= 1.05 * costs[1]


def test_a_full_jar_makes_room_at_no_cost() -> None:
    jar = HttpCookieJar()
    for number in range(cookies.MAX_COOKIES):
        store_cookies(jar, TgoURI(f"https://h{number}.example.org/"), [b"a=1"])
    costs = [
        steps(lambda number=number: store_cookies(jar, TgoURI(f"https://i{number}.example.org/"), [b"a=1"]))  # type: ignore[misc]
        for number in range(100)
    ]
    assert max(costs) <= min(costs) + 10
    assert max(costs) < 1000
    assert len(jar) == cookies.MAX_COOKIES
