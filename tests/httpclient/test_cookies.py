"""Which cookies are taken and sent: the rules of RFC 6265. Sections without another name are its."""

from __future__ import annotations

import time

import pytest

from httpclient.cookies._policy import default_path, is_address, path_match
from httpclient.cookies._set_cookie import parse_date
from httpclient.cookies.any_jar import jar_strings, store_cookies
from httpclient.cookies.jar import HttpCookieJar
from httpclient.uri import TgoURI
from tests.httpclient.jars import SITE, after, made, sent, store

# What a field says


@pytest.mark.parametrize(
    ("field", "header"),
    [
        ("a=1", "a=1"),
        ("  a\t= 1 \t; Path=/", "a=1"),
        ("a=", "a="),
        ("a=1=2==", "a=1=2=="),
        ('a="1 2"', 'a="1 2"'),
        ('a="1', 'a="1'),
        ('"a"=1', '"a"=1'),
        ("a=1,b=2", "a=1,b=2"),
        ("a b=1", "a b=1"),
        ("Path=/x; Secure", "Path=/x"),
        ("$Version=1", "$Version=1"),
        ("expires=1", "expires=1"),
        ("a=1;;;=;x;=y;Version=1;Port=1;Discard;Comment=c", "a=1"),
        ("a", ""),
        ("a;b=1", ""),
        ("=1", ""),
        (" =1", ""),
        ("=", ""),
        ("", ""),
        (";", ""),
        ("; a=1", ""),
    ],
)
def test_names_and_values_are_left_as_they_are(field: str, header: str) -> None:
    """Section 5.2: split at the first "=", white space trimmed, nothing unquoted; no name, no cookie."""
    assert sent(after(SITE, field), SITE) == header


@pytest.mark.parametrize("control", ["\0", "\x01", "\x08", "\n", "\r", "\x0b", "\x1f", "\x7f"])
@pytest.mark.parametrize("field", ["a{}b=1", "a=1{}2", "a=1; Path=/{}", "a=1; x{}"])
def test_control_characters_are_refused(field: str, control: str) -> None:
    """RFC 6265bis section 5.6 step 1."""
    assert len(after(SITE, field.format(control))) == 0


def test_tabs_are_white_space_and_no_content() -> None:
    assert jar_strings(after(SITE, "\ta\t=\t1\t;\tPath\t=\t/\t")) == ["a=1"]
    assert len(after(SITE, "a\tb=1", "a=1\t2")) == 0
    assert next(iter(after(SITE, "a=1; Path=/x\ty"))).path == "/"


@pytest.mark.parametrize("value", [b"\xe4\xf6", "\u4f60".encode(), b"\x80\xff\xa0"])
def test_octets_go_back_as_they_came(value: bytes) -> None:
    jar = HttpCookieJar()
    store_cookies(jar, TgoURI(SITE), [b"a=" + value])
    assert sent(jar, SITE).encode("latin-1") == b"a=" + value


def test_size_of_a_cookie_is_limited() -> None:
    """Section 6.1, and RFC 6265bis section 5.6: 4096 octets of name and value, 1024 of an attribute."""
    assert len(after(SITE, "a=" + "1" * 4095)) == 1
    assert len(after(SITE, "a=" + "1" * 4096)) == 0
    assert len(after(SITE, "a" * 4000 + "=" + "1" * 97)) == 0
    assert sent(after(SITE, "a=1; Path=/" + "x" * 1024), SITE) == "a=1"
    assert sent(after(SITE, "a=1; Path=/" + "x" * 1023), SITE) == ""
    assert len(after(SITE, "a=1; x=" + "x" * 100_000)) == 1
    assert len(after(SITE + "x" * 4096 + "/", "a=1")) == 0


# Domains


def test_without_a_domain_a_cookie_is_for_its_host_alone() -> None:
    """Section 5.3 step 6, "host-only-flag"."""
    jar = after(SITE, "a=1", "b=2; Domain=", "c=3; Domain")
    assert sent(jar, SITE) == "a=1; b=2; c=3"
    for other in ("example.com", "x.www.example.com", "www.example.org", "ww.example.com", "xwww.example.com"):
        assert sent(jar, f"https://{other}/") == ""


def test_with_a_domain_a_cookie_is_for_all_hosts_there() -> None:
    """Section 5.1.3; a leading dot means nothing (section 5.2.3), and upper case neither (section 5.1.2)."""
    for attribute in (
        "Domain=example.com",
        "domain=.example.com",
        "DOMAIN=EXAMPLE.com",
        "Domain=x.y; Domain=example.com",
    ):
        jar = after(SITE, "a=1; " + attribute)
        for host in ("www.example.com", "WWW.Example.COM", "example.com", "a.b.c.example.com"):
            assert sent(jar, f"https://{host}/") == "a=1", (attribute, host)
        for host in ("xexample.com", "example.com.org", "com", "example.org"):
            assert sent(jar, f"https://{host}/") == "", (attribute, host)


@pytest.mark.parametrize(
    "domain",
    ["other.com", "x.www.example.com", "ww.example.com", "ample.com", "..example.com", "example.com.", "\xe4.com"],
)
def test_a_foreign_domain_is_refused(domain: str) -> None:
    """Section 5.3 step 6."""
    assert len(after(SITE, f"a=1; Domain={domain}")) == 0


def test_host_and_domain_cookies_are_two() -> None:
    """RFC 6265bis section 5.7: the host-only-flag is part of what makes a cookie the same."""
    jar = after("https://example.com/", "a=1", "a=2; Domain=example.com")
    assert sent(jar, "https://example.com/") == "a=1; a=2"
    assert sent(jar, SITE) == "a=2"


@pytest.mark.parametrize("host", ["localhost", "printer"])
def test_hosts_without_a_dot_are_not_local(host: str) -> None:
    """http.cookiejar adds ".local" to them, where other hosts may be."""
    jar = after(f"http://{host}:8080/", "a=1", f"b=2; Domain={host}", "c=3; Domain=local", f"d=4; Domain={host}.local")
    assert sent(jar, f"http://{host}/") == "a=1; b=2"
    assert {cookie.domain for cookie in jar} == {host}
    for other in (f"{host}.local", f"x.{host}", f"x.{host}.local", "local"):
        assert sent(jar, f"http://{other}/") == ""
    assert sent(after(f"http://{host}.local/", "a=1"), f"http://{host}/") == ""


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]", "[fe80::1%25eth0]"])
def test_addresses_match_themselves_alone(host: str) -> None:
    """Section 5.1.3."""
    ends = [host[start:] for start in range(1, len(host))]
    jar = after(f"http://{host}/", *(f"a=1; Domain={end}" for end in ends), f"b=2; Domain={host}", "c=3")
    assert sent(jar, f"http://{host}:81/") == "b=2; c=3"
    assert {(cookie.domain, cookie.domain_specified) for cookie in jar} == {(host, False)}
    # Nor do cookies that somebody has put in without looking.
    for end in ends:
        jar.set_cookie(made("d", end, domain_specified=True))
        jar.set_cookie(made("e", "." + end.removeprefix(".")))
    assert sent(jar, f"http://{host}/") == "b=2; c=3"


def test_what_an_address_is() -> None:
    for host in ("[::1]", "127.0.0.1"):
        assert is_address(host), host
    for host in ("localhost", "a.1b", "1.example", "example.com.", "", "x0"):
        assert not is_address(host), host


def test_ports_make_no_difference() -> None:
    """Section 8.5."""
    jar = after("http://[::1]:8080/", "a=1; Port=8080")
    store(jar, "http://host.example:1234/", "b=2")
    assert sent(jar, "http://[::1]:9090/") == sent(jar, "http://[::1]/") == "a=1"
    assert sent(jar, "http://host.example/") == "b=2"


def test_internationalised_hosts() -> None:
    """Section 5.1.2: names are compared in their ASCII form."""
    jar = after("https://www.b\xfccher.example/", "a=1; Domain=xn--bcher-kva.example")
    assert sent(jar, "https://B\xdcCHER.example/") == "a=1"
    assert sent(jar, "https://xn--bcher-kva.example/") == "a=1"
    assert len(after("https://b\xfccher.example/", "a=1; Domain=b\xfccher.example")) == 0  # bis section 5.7


def test_a_dot_at_the_end_is_another_host() -> None:
    jar = after("https://www.example.com./", "a=1", "b=2; Domain=com.", "c=3; Domain=example.com")
    assert sent(jar, "https://www.example.com./") == "a=1"
    assert sent(jar, SITE) == sent(jar, "https://example.com./") == ""


def test_the_longest_of_names() -> None:
    host = ".".join(["a"] * 126) + ".example"
    assert len(host) > 253 - 10
    jar = after(f"https://{host[10:]}/", "a=1; Domain=a.example", "b=2")
    assert sent(jar, f"https://{host[10:]}/") == "a=1; b=2"
    assert sent(jar, f"https://a.{host[10:]}/") == "a=1"


# Paths


@pytest.mark.parametrize(
    ("path", "default"),
    [("", "/"), ("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("/a/b/", "/a/b"), ("a/b", "/"), ("//", "/")],
)
def test_default_path(path: str, default: str) -> None:
    """Section 5.1.4."""
    assert default_path(path) == default


@pytest.mark.parametrize(
    ("path", "cookie_path", "match"),
    [
        ("/", "/", True),
        ("/a", "/", True),
        ("/a", "/a", True),
        ("/a/", "/a", True),
        ("/a/b", "/a", True),
        ("/a/b", "/a/", True),
        ("/ab", "/a", False),
        ("/a", "/a/", False),
        ("/A", "/a", False),
        ("/%61", "/a", False),
        ("/", "/a", False),
    ],
)
def test_path_match(path: str, cookie_path: str, match: bool) -> None:
    """Section 5.1.4."""
    assert path_match(path, cookie_path) is match
    jar = after(f"{SITE}somewhere/else", f"a=1; Path={cookie_path}")
    assert bool(sent(jar, f"https://www.example.com{path}")) is match


def test_paths_of_cookies() -> None:
    for attribute in ("", "; Path=", "; Path", "; Path=b", "; Path=/x; Path=b", '; Path="/"'):
        jar = after(f"{SITE}a/b?/c/d/", "a=1" + attribute)
        assert [cookie.path for cookie in jar] == ["/a"], attribute
        assert sent(jar, f"{SITE}a") == sent(jar, f"{SITE}a/x/y?z") == "a=1"
        assert sent(jar, f"{SITE}b") == sent(jar, f"{SITE}ab") == ""
    assert [cookie.path for cookie in after(SITE, "a=1; Path=/x; path=/y%7e")] == ["/y%7e"]


def test_order() -> None:
    """Section 5.4 step 2: longer paths first, then earlier creation; overwriting keeps the place (5.3 step 11)."""
    jar = HttpCookieJar()
    store(
        jar,
        f"{SITE}a/b/",
        "a=1; Path=/",
        "b=2; Path=/a/b",
        "c=3; Domain=example.com; Path=/",
        "d=4; Path=/a",
        "e=5; Path=/",
    )
    assert sent(jar, f"{SITE}a/b/") == "b=2; d=4; a=1; c=3; e=5"
    store(jar, f"{SITE}a/b/", "a=new; Path=/; Max-Age=100", "b=new; Path=/a/b")
    assert sent(jar, f"{SITE}a/b/") == "b=new; d=4; a=new; c=3; e=5"
    store(jar, SITE, "a=; Max-Age=0", "a=again")
    assert sent(jar, SITE) == "c=3; e=5; a=again"
    assert jar_strings(jar) == ["b=new", "c=3", "d=4", "e=5", "a=again"]


# Secure, HttpOnly, prefixes


def test_secure() -> None:
    """Section 5.4 step 1."""
    jar = after(SITE, "a=1; Secure", "b=2; secure=no", "c=3")
    assert sent(jar, SITE) == "a=1; b=2; c=3"
    assert sent(jar, "wss://www.example.com/") == "a=1; b=2; c=3"
    assert sent(jar, "http://www.example.com/") == sent(jar, "ws://www.example.com/") == "c=3"
    # RFC 6265bis section 5.7.
    assert len(after("http://www.example.com/", "a=1; Secure")) == 0


def test_http_only_and_same_site_are_kept() -> None:
    """Section 5.2.6. They say something to browsers; this client is HTTP."""
    plain, full = after(SITE, "a=1", "b=2; httponly; SAMESITE=Lax; Unknown=1")
    assert not plain.has_nonstandard_attr("HttpOnly")
    assert full.has_nonstandard_attr("HttpOnly")
    assert full.get_nonstandard_attr("SameSite") == "Lax"
    assert not full.has_nonstandard_attr("Unknown")
    assert sent(after(SITE, "a=1; HttpOnly"), SITE) == "a=1"


@pytest.mark.parametrize(
    ("field", "taken"),
    [
        ("__Secure-a=1; Secure", True),
        ("__Secure-a=1; Secure; Domain=example.com", True),
        ("__Secure-a=1", False),
        ("__SECURE-a=1", False),
        ("__Host-a=1; Secure; Path=/", True),
        ("__Host-a=1; Secure", False),
        ("__Host-a=1; Path=/", False),
        ("__host-a=1; Secure; Path=/x", False),
        ("__Host-a=1; Secure; Path=/; Domain=www.example.com", False),
        ("__Hosta=1", True),
    ],
)
def test_prefixes(field: str, taken: bool) -> None:
    """RFC 6265bis sections 4.1.3 and 5.7."""
    assert bool(after(SITE, field)) is taken
    assert bool(after(SITE.replace("https", "http"), field)) is (taken and "Secure" not in field)


@pytest.mark.parametrize(
    ("secure", "url", "field", "taken"),
    [
        ("a=1; Secure; Path=/", "http://www.example.com/", "a=2", False),
        ("a=1; Secure; Path=/", "http://www.example.com/", "a=2; Max-Age=0", False),
        ("a=1; Secure; Path=/", "http://www.example.com/", "a=2; Path=/x", False),
        ("a=1; Secure; Path=/", "http://www.example.com/", "a=2; Domain=example.com", False),
        ("a=1; Secure; Path=/; Domain=example.com", "http://www.example.com/", "a=2", False),
        ("a=1; Secure; Path=/; Domain=example.com", "http://x.www.example.com/", "a=2", False),
        ("a=1; Secure; Path=/x", "http://www.example.com/", "a=2; Path=/", True),
        ("a=1; Secure; Path=/", "http://www.example.com/", "A=2", True),
        ("a=1; Secure; Path=/", "http://x.example.com/", "a=2", True),
        ("a=1; Secure; Path=/", "https://www.example.com/", "a=2", True),
        ("a=1; Path=/", "http://www.example.com/", "a=2", True),
    ],
)
def test_insecure_origins_leave_secure_cookies_alone(secure: str, url: str, field: str, taken: bool) -> None:
    """RFC 6265bis section 5.7."""
    jar = after(SITE, secure)
    version = jar.version
    store(jar, url, field)
    assert (jar.version != version) is taken
    if not taken:
        assert jar_strings(jar) == ["a=1"]


def test_what_is_not_secure_any_more_may_be_overwritten() -> None:
    jar = after(SITE, "a=1; Secure", "b=1; Secure", "c=1; Secure")
    store(jar, SITE, "a=2", "b=; Max-Age=0")
    jar.clear("www.example.com", "/", "c")
    store(jar, "http://www.example.com/", "a=3", "b=3", "c=3")
    assert jar_strings(jar) == ["a=3", "b=3", "c=3"]


# Expiry


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1445412480),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", 1445412480),
        ("Wed Oct 21 07:28:00 2015", 1445412480),
        ("2015 21 oct 7:28:0", 1445412480),
        ("07:28:00x 21th octember 2015y", 1445412480),
        ("21/Oct/2015 07:28:00 +0500", 1445412480),  # zones mean nothing
        ("Wed,21,Oct,2015,07:28:00,99:99:99", 1445412480),
        ("29 Feb 2024 00:00:00", 1709164800),
        ("01 Jan 70 00:00:00", 0),
        ("01 Jan 69 00:00:00", 3124224000),
        ("01 Jan 99 00:00:00", 915148800),
        ("01 Jan 1601 00:00:00", -11644473600),
        ("31 Dec 9999 23:59:59", 253402300799),
        ("", None),
        ("0", None),
        ("-1", None),
        ("Thursday", None),
        ("21 Oct 2015", None),
        ("Oct 2015 07:28:00", None),
        ("21 2015 07:28:00", None),
        ("21 Oct 07:28:00", None),
        ("21 Okt 2015 07:28:00", None),
        ("31 Feb 2015 07:28:00", None),
        ("29 Feb 2023 07:28:00", None),
        ("00 Oct 2015 07:28:00", None),
        ("32 Oct 2015 07:28:00", None),
        ("21 Oct 1600 07:28:00", None),
        ("21 Oct 20150 07:28:00", None),
        ("21 Oct 2015 24:00:00", None),
        ("21 Oct 2015 07:60:00", None),
        ("21 Oct 2015 07:28:60", None),
        ("21 Oct 2015 07:28", None),
        ("21 Oct 2015 007:28:00", None),
        ("\u0662\u0661 Oct 2015 07:28:00", None),
        ("2015-10-21T07:28:00Z", None),
    ],
)
def test_dates(text: str, seconds: int | None) -> None:
    """Section 5.1.1."""
    assert parse_date(text) == seconds


def expiry(field: str) -> float | None:
    """Return in how many seconds a cookie expires; ``None`` for one of the session."""
    (cookie,) = after(SITE, field)
    assert cookie.discard is (cookie.expires is None)
    return None if cookie.expires is None else cookie.expires - time.time()


def test_max_age_and_expires() -> None:
    """Sections 5.2.1, 5.2.2 and 5.3 step 3."""
    future = "Expires=Wed, 21 Oct 2099 07:28:00 GMT"
    past = "Expires=Wed, 21 Oct 2015 07:28:00 GMT"
    assert expiry("a=1") is None
    assert expiry("a=1; Expires=soon; Max-Age=1h") is None
    assert expiry("a=1; Max-Age=+5; Max-Age=; Max-Age=5.5; Max-Age=\u0665") is None
    for field in (f"{past}; Max-Age=100", f"Max-Age=100; {past}", f"{future}; max-age=100", "Max-Age=5; Max-Age=100"):
        assert expiry("a=1; " + field) == pytest.approx(100, abs=30), field
    assert expiry("a=1; Max-Age=100; Max-Age=x") == pytest.approx(100, abs=30)
    assert expiry(f"a=1; {past}; {future}; Expires=never") == pytest.approx(4096250880 - time.time(), abs=30)
    assert expiry("a=1; Max-Age=" + "9" * 1000) == pytest.approx(253402300799 - time.time(), abs=30)


@pytest.mark.parametrize(
    "ending",
    ["Max-Age=0", "Max-Age=-1", "Max-Age=-" + "9" * 1000, "Expires=01 Jan 1970 00:00:00", "Expires=1 1 jan 1601 0:0:0"],
)
def test_expired_cookies_delete(ending: str) -> None:
    """Section 5.3 step 11."""
    jar = after(SITE, "a=1", "b=2")
    store(jar, SITE, "a=; " + ending, "c=3; " + ending)
    assert jar_strings(jar) == ["b=2"]
    # Only what is the same cookie, and only by those who might set it: http.cookiejar lets everybody delete.
    store(jar, SITE, "b=; Path=/x; " + ending)
    store(jar, "https://evil.org/", "b=; Domain=www.example.com; " + ending, "b=; Domain=.com; " + ending)
    assert jar_strings(jar) == ["b=2"]
    jar.clear("www.example.com")
    assert jar._cookies == {}


def test_cookies_expire() -> None:
    jar = HttpCookieJar()
    assert jar.changes_at() == float("inf")
    now = int(time.time())
    store(jar, SITE, "keep=1", "long=1; Max-Age=1000", "short=1; Max-Age=500")
    assert now + 500 <= jar.changes_at() <= time.time() + 500
    assert sent(jar, SITE) == "keep=1; long=1; short=1"
    # What time does, in no time.
    short = next(cookie for cookie in jar if cookie.name == "short")
    short.expires = now
    jar._next_expiry = now
    version = jar.version
    assert sent(jar, SITE) == "keep=1; long=1"
    assert jar.version != version
    assert len(jar) == 2
    assert now + 1000 <= jar.changes_at() <= time.time() + 1000
    assert [cookie.name for cookie in jar] == ["keep", "long"]


def test_a_second_is_long_enough_to_see_one_expire() -> None:
    jar = after(SITE, "a=1; Max-Age=1", "b=2")
    version = jar.version
    assert jar.changes_at() <= time.time() + 1
    deadline = time.monotonic() + 10
    while time.time() < jar.changes_at() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert jar_strings(jar) == ["b=2"]
    assert sent(jar, SITE) == "b=2"
    assert jar.version != version
    assert jar.changes_at() == float("inf")
