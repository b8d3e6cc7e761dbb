"""Which proxy a URL is reached through."""

from __future__ import annotations

import pytest

from httpclient import InvalidUrlError, TgoURI
from httpclient.proxies.choice import Exceptions, Proxies, Proxy, environment_proxies


def chosen(proxies: Proxies | None, url: str) -> str:
    proxy = None if proxies is None else proxies.choose(TgoURI(url))
    return "" if proxy is None else proxy.name


def from_environment(**variables: str) -> Proxies | None:
    return environment_proxies(variables)


# Proxies


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("proxy.example", "http://proxy.example:80"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example", "http://proxy.example:80"),
        ("http://proxy.example:3128/", "http://proxy.example:3128"),
        ("HTTPS://Proxy.Example", "https://proxy.example:443"),
        ("socks5://proxy.example", "socks5://proxy.example:1080"),
        ("socks5h://[2001:db8::1]:9", "socks5h://[2001:db8::1]:9"),
        (" http://192.0.2.1:8080 ", "http://192.0.2.1:8080"),
    ],
)
def test_proxy(url: str, name: str) -> None:
    assert Proxy(url).name == name


def test_credentials_are_decoded_and_not_shown() -> None:
    proxy = Proxy("socks5://us%40er:p%3Ass%2F%25@[::1]")
    assert (proxy.user_name, proxy.password) == ("us@er", "p:ss/%")
    assert (proxy.host, proxy.port) == ("::1", 1080)
    assert repr(proxy) == "<Proxy socks5://[::1]:1080>"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("ftp://user:secret@proxy.example", "unknown scheme, 'ftp'"),
        ("socks4://user:secret@proxy.example", "speaks socks4, which isn't supported"),
        ("socks4a://proxy.example", "speaks socks4a, which isn't supported"),
        ("socks://proxy.example", "speaks socks, which isn't supported"),
        ("http://", "names no host"),
        ("http://user:secret@", "names no host"),
        ("http://proxy.example:x", "can't be used"),
        ("http://user:secret@proxy.example:0", "port 0"),
        ("http://user:secret@proxy.example/path", "more behind the host"),
        ("http://proxy.example?query", "more behind the host"),
        ("http://user:sec\nret@proxy.example", "control character"),
        ("socks5://" + "u" * 256 + ":secret@proxy.example", "255 bytes"),
    ],
)
def test_proxies_that_are_refused(url: str, what: str) -> None:
    with pytest.raises(InvalidUrlError) as caught:
        Proxy(url)
    assert what in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidUrlError):
        Proxies(url)
    with pytest.raises(InvalidUrlError, match="for 'http'"):
        Proxies({"http": url, "https": "http://good.example"})


# What a program gives


def test_one_for_everything() -> None:
    proxies = Proxies("http://proxy.example:3128")
    assert chosen(proxies, "http://a.example/") == "http://proxy.example:3128"
    assert chosen(proxies, "https://localhost/") == "http://proxy.example:3128"


@pytest.mark.parametrize("suffix", ["", "://"])
def test_by_scheme(suffix: str) -> None:
    proxies = Proxies({
        "http" + suffix: "one.example", "HTTPS" + suffix: "two.example", "all" + suffix: "three.example",
        "http://special.example": "four.example", "https://direct.example": "",
    })  # fmt: skip
    assert chosen(proxies, "http://a.example/") == "http://one.example:80"
    assert chosen(proxies, "https://a.example/") == "http://two.example:80"
    assert chosen(proxies, "http://special.example:81/") == "http://four.example:80"
    assert chosen(proxies, "https://direct.example/") == ""
    assert chosen(Proxies({"all" + suffix: "three.example"}), "https://a.example/") == "http://three.example:80"
    assert chosen(Proxies({"http" + suffix: "", "all" + suffix: "three.example"}), "http://a.example/") == ""
    assert chosen(Proxies({"https" + suffix: "two.example"}), "http://a.example/") == ""


def test_exceptions_of_a_program() -> None:
    proxies = Proxies({"all": "proxy.example", "no": "a.example"})
    assert chosen(proxies, "http://a.example/") == ""
    assert chosen(proxies, "http://b.example/") == "http://proxy.example:80"


# What the environment says


def test_environment() -> None:
    proxies = from_environment(
        http_proxy="one.example", HTTPS_PROXY="two.example:81", all_proxy="three.example", NO_PROXY="direct.example"
    )
    assert chosen(proxies, "http://a.example/") == "http://one.example:80"
    assert chosen(proxies, "https://a.example/") == "http://two.example:81"
    assert chosen(proxies, "https://direct.example/") == ""
    assert chosen(from_environment(ALL_PROXY="three.example"), "https://a.example/") == "http://three.example:80"
    assert chosen(from_environment(HTTP_PROXY="one.example"), "http://a.example/") == "http://one.example:80"


def test_small_letters_win() -> None:
    proxies = from_environment(http_proxy="small.example", HTTP_PROXY="large.example", ALL_PROXY="all.example")
    assert chosen(proxies, "http://a.example/") == "http://small.example:80"
    proxies = from_environment(http_proxy="", HTTP_PROXY="large.example", ALL_PROXY="all.example")
    assert chosen(proxies, "http://a.example/") == ""


def test_a_request_field_named_proxy_means_nothing() -> None:
    # CGI makes HTTP_PROXY of it.
    proxies = from_environment(HTTP_PROXY="evil.example", HTTPS_PROXY="two.example", REQUEST_METHOD="GET")
    assert chosen(proxies, "http://a.example/") == ""
    assert chosen(proxies, "https://a.example/") == "http://two.example:80"
    proxies = from_environment(http_proxy="good.example", HTTP_PROXY="evil.example", REQUEST_METHOD="GET")
    assert chosen(proxies, "http://a.example/") == "http://good.example:80"


def test_no_proxy_in_the_environment() -> None:
    assert from_environment() is None
    assert from_environment(no_proxy="a.example", http_proxy=" ") is None


def test_what_is_wrong_in_the_environment_matters_where_it_is_used() -> None:
    proxies = from_environment(http_proxy="good.example", ALL_PROXY="socks4://user:secret@proxy.example")
    assert chosen(proxies, "http://a.example/") == "http://good.example:80"
    for _ in range(2):
        with pytest.raises(InvalidUrlError, match=r"environment variable ALL_PROXY speaks socks4") as caught:
            chosen(proxies, "https://a.example/")
        assert "secret" not in str(caught.value)


# Exceptions


@pytest.mark.parametrize(
    ("text", "host", "port", "matches"),
    [
        ("", "a.example", 80, False),
        ("*", "a.example", 80, True),
        ("b.example, *", "a.example", 80, True),
        ("a.example", "a.example", 80, True),
        ("A.Example", "a.example", 80, True),
        ("a.example", "a.example.", 80, True),
        ("a.example.", "a.example", 80, True),
        ("example", "a.example", 80, True),
        (".example", "a.example", 80, True),
        (".a.example", "a.example", 80, True),
        ("*.a.example", "b.a.example", 80, True),
        ("a.example", "b.a.example", 80, True),
        ("a.example", "ba.example", 80, False),
        (".a.example", "ba.example", 80, False),
        ("b.a.example", "a.example", 80, False),
        ("x.example,a.example", "a.example", 80, True),
        ("x.example a.example", "a.example", 80, True),
        (" x.example ,, a.example ", "a.example", 80, True),
        ("a.example:80", "a.example", 80, True),
        ("a.example:80", "a.example", 81, False),
        (".example:81", "a.example", 81, True),
        ("localhost", "localhost", 80, True),
        ("a.example", "localhost", 80, False),
        ("bücher.example", "xn--bcher-kva.example", 80, True),
        ("192.0.2.1", "192.0.2.1", 80, True),
        ("192.0.2.1:80", "192.0.2.1", 80, True),
        ("192.0.2.1:80", "192.0.2.1", 81, False),
        ("2.1", "192.0.2.1", 80, False),
        ("192.0.2.0/24", "192.0.2.77", 80, True),
        ("192.0.2.99/24", "192.0.2.77", 80, True),
        ("192.0.2.0/24", "192.0.3.1", 80, False),
        ("192.0.2.0/24", "name.example", 80, False),
        ("192.0.2.0/24", "::1", 80, False),
        ("0.0.0.0/0", "203.0.113.5", 80, True),
        ("192.0.2.0/33", "192.0.2.1", 80, False),
        ("nonsense/24", "192.0.2.1", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("0:0::1", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:80", "::1", 81, False),
        ("2001:DB8::/32", "2001:db8:5::1", 80, True),
        ("2001:db8::/32", "2001:db9::1", 80, False),
        ("fe80::/10", "fe80::1%eth0", 80, True),
        (":80", "a.example", 80, False),
        (".", "a.example", 80, False),
        (",", "a.example", 80, False),
    ],
)
def test_exceptions(text: str, host: str, port: int, matches: bool) -> None:
    assert Exceptions(text).match(host, port) is matches
