# ruff: noqa: RUF001  # look-alikes are what some of this is about
"""Hosts: one form for each, and nothing that programs read differently; and what other libraries make of the same URLs.

Who decides by the host whether a URL may be asked (a list of allowed hosts, a cookie, a proxy's exceptions) often takes
it apart with something else than who connects. Where the two disagree, the decision is worth nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
import urllib3.util
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpclient import InvalidUrlError
from httpclient.prepare import http_uri
from httpclient.uri import TgoURI, parse
from socketpool.resolver import literal_address
from tests.httpclient.packages import hide

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = pytest.mark.parametrize("with_package", [True, False], ids=["idna", "no-idna"])


def host(text: str) -> str:
    return TgoURI(f"http://{text}/").host


# Addresses

NUMBERS = [
    *("0", "1", "127", "2130706433", "0x7f000001", "0X7F000001", "017700000001", "4294967296", "99999999999999999999"),
    *("127.1", "127.0.1", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01", "127.0.0.0x1", "00.0.0.0", "127.0.0.1."),
    *(
        "256.0.0.1",
        "1.2.3.256",
        "1.2.3.4.5",
        "1.2.3",
        "1..2.3.4",
        "foo.1",
        "foo.0x",
        "foo.0xg1.0x1",
        "a.09",
        "0x",
        "1.",
    ),
    *("%31%32%37.1", "127%2e1", "127.0.0.%30x1", "%30x7f000001"),
    *("１２７.1", "①", "127。1", "127．0．1", "0ｘ7f.0.0.1", "٠.1"),
]


@BOTH
@pytest.mark.parametrize("text", NUMBERS)
def test_addresses_that_only_some_programs_read_are_refused(
    text: str, with_package: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_package:
        hide(monkeypatch, "idna")
    with pytest.raises(InvalidUrlError, match=r"looks like an IPv4 address|internationalised"):
        host(text)
    uri = TgoURI("http://before/")
    with pytest.raises(InvalidUrlError):
        uri.host = text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("１２７.０.０.１", "127.0.0.1"),
        ("127。0。0。1", "127.0.0.1"),
        ("%3127.0.0.1", "127.0.0.1"),
        ("127.0.0.%31", "127.0.0.1"),
    ],
)
def test_ipv4(text: str, address: str) -> None:
    assert host(text) == address


@given(st.text("0123456789abcdefxX.", min_size=1, max_size=14))
@example("0x7f.1")
@example("1.2.3.4")
def test_whatever_the_system_takes_for_an_address_is_one_here(text: str) -> None:
    """``inet_aton`` is what a resolver asks first."""
    try:
        meant = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        meant = ""
    try:
        found = host(text)
    except InvalidUrlError:
        return
    if meant:
        assert found == text == meant
    assert (literal_address(found, 80) is not None) is bool(meant)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[0000::0001]", "[::1]"),
        ("[2001:DB8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]"),
        ("[::FFFF:7F00:1]", "[::ffff:127.0.0.1]"),
        ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
        ("[FE80::1%25Eth0]", "[fe80::1%25Eth0]"),
        ("[fe80:0::1%eth0]", "[fe80::1%25eth0]"),
        ("[fe80::1%25%65th0]", "[fe80::1%25eth0]"),
    ],
)
def test_ipv6_has_one_form(text: str, canonical: str) -> None:
    uri = TgoURI(f"http://{text}:81/")
    assert uri.host == canonical
    assert TgoURI(uri.to_string()) == uri
    assert uri.origin == f"http://{canonical}:81"


@pytest.mark.parametrize(
    "text",
    [
        *("[::1", "::1]", "[::1]]", "[[::1]]", "[::1 ]", "[ ::1]", "[::1%]", "[::1%25]x", "[::1].example", "x[::1]"),
        *("[::01.2.3.4]", "[::1.2.3]", "[1::2::3]", "[12345::]", "[::1%25a/b]", "[::1%25a%2fb]", "[::1%eth0%25x]"),
        *("[127.0.0.1]", "[v1.fe80::a]", "[%3a%3a1]", "[：：1]", "%5b::1%5d", "[::1%25ä]"),
    ],
)
def test_ipv6_that_is_none(text: str) -> None:
    with pytest.raises(InvalidUrlError):
        host(text)


# Names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a..b", "empty label"),
        (".a", "empty label"),
        (".", "empty label"),
        ("a..", "empty label"),
        ("a" * 64, "too long"),
        ("a" * 64 + ".b", "too long"),
        (".".join(["a" * 60] * 5), "too long"),
        ("a." * 127 + "a", "too long"),
        ("ä" * 64, "internationalised"),
        ("ä" * 300, "too long"),
        ("ä..b", "internationalised"),
    ],
)
def test_names_that_the_name_system_has_no_room_for(text: str, why: str) -> None:
    with pytest.raises(InvalidUrlError, match=why):
        host(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 63,
        "a" * 63 + ".",
        "a." * 126 + "a",
        "a." * 126 + "a.",
        "a.",
        "1a",
        "a1",
        "1.a",
        "0xg",
        "a-",
        "-a",
        "a_b",
        "xn--a",
    ],
)
def test_names_that_stay(text: str) -> None:
    assert host(text) == text
    assert host(text.upper()) == text


#: What IDNA 2008 with UTS #46 makes of a name, and IDNA 2003; ``None`` is refused.
INTERNATIONALISED = [
    ("bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("BÜCHER.EXAMPLE.", "xn--bcher-kva.example.", "xn--bcher-kva.example."),
    ("bu\u0308cher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("a\u00adb.de", "ab.de", "ab.de"),
    ("①.de", "1.de", "1.de"),
    ("K.de", "k.de", "k.de"),
    ("a．b｡c。d", "a.b.c.d", "a.b.c.d"),
    ("xn--bcher-kva.bücher", "xn--bcher-kva.xn--bcher-kva", "xn--bcher-kva.xn--bcher-kva"),
    ("אב.de", "xn--4dbc.de", "xn--4dbc.de"),
    # IDNA 2003 makes another name of these.
    ("straße.de", "xn--strae-oqa.de", None),
    ("faß.de", "xn--fa-hia.de", None),
    ("FAẞ.de", "xn--fa-hia.de", None),
    ("βόλος.com", "xn--nxasmm1c.com", None),
    ("නි්\u200dරී.com", "xn--r0cu8b5ah801z.com", None),
    ("Ꭰ.de", "xn--58d.de", None),
    ("a\u115fb.de", "ab.de", None),
    # Newer than Unicode 3.2, or not in IDNA 2008.
    ("😀.de", None, None),
    ("i❤.ws", None, "xn--i-7iq.ws"),
    ("ü_b.de", None, "xn--_b-wka.de"),
    # Right-to-left and left-to-right in one label.
    ("אa.de", None, None),
    ("a\u202eb.de", None, None),
    # Delimiters in disguise.
    ("a／b", None, None),
    ("a＠b", None, None),
    ("a：80", None, None),
    ("a＃b", None, None),
    ("a？b", None, None),
    ("a＼b", None, None),
    ("℀.de", None, None),
    ("a\u2028b", None, None),
    ("a\u00a0b", None, None),
    ("a\u3000b", None, None),
    ("\u00ad", None, None),
    ("\u00ad.de", None, None),
]


@BOTH
@pytest.mark.parametrize(("text", "idna_2008", "idna_2003"), INTERNATIONALISED)
def test_internationalised_names(
    text: str, idna_2008: str | None, idna_2003: str | None, with_package: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_package:
        hide(monkeypatch, "idna")
    expected = idna_2008 if with_package else idna_2003
    if expected is not None:
        assert host(text) == expected
        assert host(expected) == expected
        return
    with pytest.raises(InvalidUrlError, match=r"host") as caught:
        host(text)
    if not with_package and idna_2008 is not None:
        assert "the package idna has to be installed" in str(caught.value)


def hosts_with_and_without(texts: list[str]) -> list[tuple[str, str | None, str | None]]:
    def found(text: str) -> str | None:
        try:
            return host(text)
        except InvalidUrlError:
            return None

    first = [found(text) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        hide(patch, "idna")
        return list(zip(texts, first, [found(text) for text in texts], strict=True))


def test_the_lack_of_a_package_leads_to_no_other_host() -> None:
    # Every letter that is a letter to IDNA 2003, and some that came later.
    letters = [chr(code) for code in range(0x80, 0x3400) if unicodedata.ucd_3_2_0.category(chr(code)) != "Cn"]
    letters += map(
        chr, [*range(0xAB70, 0xABC0), *range(0xF900, 0xFFF0), *range(0x2F800, 0x2FA20), *range(0x1F600, 0x1F650)]
    )
    found = hosts_with_and_without([f"a{letter}b.de" for letter in letters])
    assert [(ascii(text), a, b) for text, a, b in found if a and b and a != b] == []
    assert sum(bool(a and a == b) for _, a, b in found) > 3000


@settings(max_examples=200)
@given(st.text(st.characters(min_codepoint=0x21, exclude_categories=["Cs"]), min_size=1, max_size=6))
def test_any_host_is_the_same_with_and_without(text: str) -> None:
    ((_, first, second),) = hosts_with_and_without([text])
    assert first is None or second is None or first == second


# The rest of the authority, and what there is no host in


@pytest.mark.parametrize(
    "url",
    [
        *("http:///", "http:////x", "http:/host/", "http:host", "http://", "http://?q", "http://#f", "http://:80/"),
        *("http://user@/", "http://user:p@:80/", "http:\\\\host\\", "http:/\\host", "//host/", "host", "host:80/x", ""),
        *("/path", "ftp://host/", "file:///etc/passwd", "javascript:alert(1)", "https:///host", "unix:/socket", " "),
    ],
)
def test_urls_that_no_request_can_be_made_to(url: str) -> None:
    with pytest.raises(InvalidUrlError):
        http_uri(url)


@pytest.mark.parametrize(
    ("text", "username", "password"),
    [
        ("u:p@h", "u", "p"),
        ("u%40x:p%3A%2F@h", "u@x", "p:/"),
        ("a@b:c@h", "a@b", "c"),
        ("u:p:q@h", "u", "p:q"),
        ("u;v=1&x!$'()*+,:p@h", "u;v=1&x!$'()*+,", "p"),
        ("[u]:^|p@h", "[u]", "^|p"),
        ("%00:%0d%0a@h", "\x00", "\r\n"),
        ("%E4:%FF@h", "ä", "ÿ"),
        ("%:%zz@h", "%", "%zz"),
    ],
)
def test_user_names_and_passwords(text: str, username: str, password: str) -> None:
    uri = TgoURI(f"http://{text}/")
    assert (uri.username, uri.password, uri.host) == (username, password, "h")
    again = TgoURI(uri.to_string())
    assert (again.username, again.password, again.host) == (username, password, "h")
    assert TgoURI(uri.to_string()) == uri


@pytest.mark.parametrize("zeros", [1, 100, 5000, 100_000])
def test_ports_with_many_zeros(zeros: int) -> None:
    assert TgoURI(f"http://h:{'0' * zeros}81/").port == 81
    assert TgoURI(f"http://h:{'0' * zeros}/").port == 0
    with pytest.raises(InvalidUrlError, match="port"):
        TgoURI(f"http://h:{'0' * zeros}65536/")


def test_a_path_that_is_set_without_its_slash() -> None:
    uri = TgoURI("http://h/")
    uri.path = "x"
    assert uri.target == "/x"
    uri.path = ""
    assert uri.target == "/"


# Very long ones: were the cost to grow faster than the length, these would not end.

LENGTH = 200_000


@pytest.mark.parametrize(
    "unit",
    ["a", "/", "?", "#", ".", "../", "./", "a/", "a/../", "@", ":", "%", "%41", "%zz", "%2", "[", "]", "ä", "\\", "&",
     ";", "0", "x.", "1.", "-", "a@", "\ud800", "xn--"],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", "http://", "http://h/", "http://h/?", "http://h/#", "http://u:", "http://["])
def test_very_long_urls(start: str, unit: str) -> None:
    text = start + unit * (LENGTH // len(unit))
    try:
        uri = TgoURI(text)
    except InvalidUrlError:
        return
    assert uri.to_string()
    assert uri.target
    uri.resolve(uri)
    TgoURI("http://h/a/b").resolve(uri)


# What others make of it

ALPHABET = [
    *(
        "a",
        "b.example",
        "evil",
        "@",
        ":",
        "/",
        "?",
        "#",
        "\\",
        "%40",
        "%2f",
        "%00",
        "%41",
        "[",
        "]",
        "[::1]",
        "::1",
        "80",
    ),
    *(
        "0",
        "65536",
        " ",
        "..",
        ".",
        "127.0.0.1",
        "0x7f",
        "ä",
        "%",
        "//",
        "\t",
        "\n",
        "é",
        "；",
        "＠",
        "／",
        "。",
        "user",
        "&",
        "=",
    ),
]


def _by_urllib(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port


def _by_httpx(url: str) -> tuple[str | None, int | None]:
    parts = httpx.URL(url)
    return parts.host, parts.port


def _by_urllib3(url: str) -> tuple[str | None, int | None]:
    parts = urllib3.util.parse_url(url)
    return parts.host, parts.port


def _same_form(name: str | None) -> str:
    """Return what another library calls the host, in the form that it has here."""
    name = (name or "").strip("[]")
    if ":" in name:
        return f"[{ipaddress.ip_address(name.partition('%')[0])}]"
    try:
        return host(name)
    except InvalidUrlError:
        return name


@pytest.mark.parametrize("other", [_by_urllib, _by_httpx, _by_urllib3])
@settings(max_examples=1000)
@given(st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=7).map("".join))
@example("good.example\\@evil.example")
@example("good.example#@evil.example")
@example("good.example?@evil.example")
@example("evil.example%2f@good.example")
@example("a@b@c:80")
def test_nobody_sees_another_host(other: Callable[[str], tuple[str | None, int | None]], rest: str) -> None:
    """What is a URL here leads where other libraries say that it leads, if it is one to them."""
    url = f"http://{rest}".strip()
    try:
        uri = http_uri(url)
    except InvalidUrlError:
        return
    try:
        name, port = other(url)
    except Exception:  # whatever they raise: they refuse it
        return
    assert (uri.host, uri.port) == (_same_form(name), 80 if port is None else port)


@given(st.text("ab/?#=&%+ä;:@!$'()*,.~-_é", max_size=20))
def test_others_ask_for_the_same_path_and_query(text: str) -> None:
    """But that dot segments stay here, and what is percent-encoded stays as it was written."""
    url = f"http://h/{text}"
    uri = parse(url)
    if "/." in uri.path or "./" in uri.path or "%" in text:
        return
    theirs = urllib3.util.parse_url(url)
    assert uri.target == (theirs.request_uri if theirs.query or "?" not in text.partition("#")[0] else uri.target)
    assert httpx.URL(uri.to_string()).raw_path.decode() == uri.target
