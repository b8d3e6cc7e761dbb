"""URLs: RFC 3986 with its examples, what people paste, and what is refused."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient import uri as uri_module
from httpclient.errors import InvalidUrlError
from httpclient.uri import TgoURI, parse
from tests.httpclient.packages import hide

# RFC 3986 sections 5.4.1 and 5.4.2, complete.
EXAMPLES = """
g:h g:h
g http://a/b/c/g
./g http://a/b/c/g
g/ http://a/b/c/g/
/g http://a/g
//g http://g
?y http://a/b/c/d;p?y
g?y http://a/b/c/g?y
#s http://a/b/c/d;p?q#s
g#s http://a/b/c/g#s
g?y#s http://a/b/c/g?y#s
;x http://a/b/c/;x
g;x http://a/b/c/g;x
g;x?y#s http://a/b/c/g;x?y#s
. http://a/b/c/
./ http://a/b/c/
.. http://a/b/
../ http://a/b/
../g http://a/b/g
../.. http://a/
../../ http://a/
../../g http://a/g
../../../g http://a/g
../../../../g http://a/g
/./g http://a/g
/../g http://a/g
g. http://a/b/c/g.
.g http://a/b/c/.g
g.. http://a/b/c/g..
..g http://a/b/c/..g
./../g http://a/b/g
./g/. http://a/b/c/g/
g/./h http://a/b/c/g/h
g/../h http://a/b/c/h
g;x=1/./y http://a/b/c/g;x=1/y
g;x=1/../y http://a/b/c/y
g?y/./x http://a/b/c/g?y/./x
g?y/../x http://a/b/c/g?y/../x
g#s/./x http://a/b/c/g#s/./x
g#s/../x http://a/b/c/g#s/../x
http:g http:g
"""


@pytest.mark.parametrize(("reference", "expected"), [tuple(line.split()) for line in EXAMPLES.strip().splitlines()])
def test_the_examples_of_rfc_3986(reference: str, expected: str) -> None:
    base = TgoURI("http://a/b/c/d;p?q")
    # RFC 9110 section 4.2.3: an http URL's empty path is "/".
    expected = "http://g/" if expected == "http://g" else expected
    assert base.resolve(reference).to_string() == expected
    assert base.resolve(TgoURI(reference)).to_string() == expected
    assert base.to_string() == "http://a/b/c/d;p?q"


def test_the_empty_reference_is_the_base() -> None:
    assert TgoURI("http://a/b/c/d;p?q").resolve("").to_string() == "http://a/b/c/d;p?q"
    assert TgoURI("http://a/b?q#f").resolve("").to_string() == "http://a/b?q"


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("http://a", "g", "http://a/g"),
        ("http://a?q", "?y", "http://a/?y"),
        ("http://a/b?q", "?", "http://a/b?"),
        ("http://u:p@a:81/b", "c", "http://u:p@a:81/c"),
        ("http://u:p@a:81/b", "//c/d", "http://c/d"),
        ("http://a:81/b", "https://a/c/../d", "https://a/d"),
        ("https://a/b", "//c:443/d", "https://c/d"),
        ("http://a/b/", "c d/ä", "http://a/b/c%20d/%C3%A4"),
        ("http://a/b//c", "../d", "http://a/b/d"),
        ("http://a/b/c", "..//d", "http://a//d"),
        ("http://a/b", "/.//c", "http://a//c"),
        ("file:///a/b", "c", "file:///a/c"),
        ("file:///a/b", "/.//c", "file:////c"),
        ("urn:a/b", "c", "urn:a/c"),
        ("urn:a/b", "/.//c", "urn:/.//c"),
        ("mailto:x", "../y", "mailto:y"),
        ("mailto:x", "..", "mailto:"),
        ("a/b", "../../c", "c"),
    ],
)
def test_resolving(base: str, reference: str, expected: str) -> None:
    assert TgoURI(base).resolve(reference).to_string() == expected


def test_parts() -> None:
    uri = TgoURI("HTTPS://User%20name:p%40ss%3A@Example.ORG:8443/Path/%7e?Q=1&r#Frag")
    assert uri.scheme == "https"
    assert uri.username == "User name"
    assert uri.password == "p@ss:"
    assert uri.host == "example.org"
    assert uri.port == 8443
    assert uri.path == "/Path/%7e"
    assert uri.query == "Q=1&r"
    assert uri.fragment == "Frag"
    assert uri.authority == "example.org:8443"
    assert uri.origin == "https://example.org:8443"
    assert uri.target == "/Path/%7e?Q=1&r"
    assert uri.connect_host == "example.org"
    assert uri.to_string() == "https://User%20name:p%40ss%3A@example.org:8443/Path/%7e?Q=1&r#Frag"
    assert str(uri) == uri.to_string()


@pytest.mark.parametrize(
    ("text", "port", "authority"),
    [
        ("http://h", 80, "h"),
        ("http://h:/", 80, "h"),
        ("http://h:80/", 80, "h"),
        ("http://h:00080/", 80, "h"),
        ("http://h:443/", 443, "h:443"),
        ("https://h/", 443, "h"),
        ("https://h:443/", 443, "h"),
        ("https://h:80/", 80, "h:80"),
        ("http://h:0/", 0, "h:0"),
        ("http://h:65535/", 65535, "h:65535"),
        ("redis://h:6379/", 6379, "h:6379"),
        ("redis://h/", -1, "h"),
        ("mailto:a@b", -1, ""),
        ("/path", -1, ""),
    ],
)
def test_ports(text: str, port: int, authority: str) -> None:
    uri = TgoURI(text)
    assert uri.port == port
    assert uri.authority == authority
    assert TgoURI(uri.to_string()).port == port


def test_origins() -> None:
    same = {TgoURI(text).origin for text in ("http://H", "HTTP://h:80/a", "http://u:p@h/?b", "http://h:080#c")}
    assert same == {"http://h"}
    assert (
        len({TgoURI(text).origin for text in ("http://h", "https://h", "http://h:81", "http://g", "https://h:80")}) == 5
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://h", "/"),
        ("http://h?q", "/?q"),
        ("http://h/?", "/?"),
        ("http://h/#f?q", "/"),
        ("http://h/a?b?c=/d", "/a?b?c=/d"),
        ("http://h//a//b/../c/./d", "//a//b/../c/./d"),
    ],
)
def test_targets(text: str, target: str) -> None:
    assert TgoURI(text).target == target


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (" http://h/a b ", "http://h/a%20b"),
        ("http://h/ä/日本?q=ö ü#ß", "http://h/%C3%A4/%E6%97%A5%E6%9C%AC?q=%C3%B6%20%C3%BC#%C3%9F"),
        ("http://h/\udce4\udcff", "http://h/%E4%FF"),
        ("http://h/100%", "http://h/100%25"),
        ("http://h/%zz%4", "http://h/%25zz%254"),
        ("http://h/%41%c3%A4", "http://h/%41%c3%A4"),
        ('http://h/"<>\\^`{|}[]', "http://h/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
        ("http://h/?a[]={}|", "http://h/?a%5B%5D=%7B%7D%7C"),
        ("http://h/!$&'()*+,;=:@-._~", "http://h/!$&'()*+,;=:@-._~"),
        ("http://h/#a#b", "http://h/#a%23b"),
        ("http://ü:ö@h/", "http://%C3%BC:%C3%B6@h/"),
        ("http://u:p:q@h/", "http://u:p%3Aq@h/"),
        ("http://a@b@h/", "http://a%40b@h/"),
        ("http://u:@h/", "http://u@h/"),
        ("http://:p@h/", "http://:p@h/"),
        ("http://%E4:x@h/", "http://%C3%A4:x@h/"),
        ("http://ex%61mple.org/", "http://example.org/"),
        ("http://a_b.example/", "http://a_b.example/"),
        ("file:///etc/hosts", "file:///etc/hosts"),
        ("urn:isbn:0", "urn:isbn:0"),
        ("//h/p", "//h/p"),
        ("p/q?r", "p/q?r"),
        ("1a:b", "1a:b"),
        ("", ""),
    ],
)
def test_what_people_paste(text: str, written: str) -> None:
    uri = TgoURI(text)
    assert uri.to_string() == written
    assert TgoURI(written) == uri
    assert TgoURI(written).to_string() == written


@pytest.mark.parametrize(
    ("text", "host", "connect_host", "authority"),
    [
        ("http://[::1]/", "[::1]", "::1", "[::1]"),
        ("http://[2001:DB8::1]:8080/", "[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:8080"),
        ("http://[::ffff:192.0.2.1]/", "[::ffff:192.0.2.1]", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]"),
        ("http://[fe80::1%25eth0]/", "[fe80::1%25eth0]", "fe80::1%eth0", "[fe80::1]"),
        ("http://[fe80::1%eth0]:81/", "[fe80::1%25eth0]", "fe80::1%eth0", "[fe80::1]:81"),
        ("http://[fe80::1%2]/", "[fe80::1%252]", "fe80::1%2", "[fe80::1]"),
        ("http://[fe80::1%25]/", "[fe80::1%2525]", "fe80::1%25", "[fe80::1]"),
    ],
)
def test_ipv6(text: str, host: str, connect_host: str, authority: str) -> None:
    uri = TgoURI(text)
    assert uri.host == host
    assert uri.connect_host == connect_host
    assert uri.authority == authority
    assert host in uri.origin
    assert TgoURI(uri.to_string()) == uri


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://h:65536/", "port"),
        ("http://h:99999999999999999999/", "port"),
        ("http://h:-1/", "port"),
        ("http://h:+80/", "port"),
        ("http://h:8_0/", "port"),
        ("http://h:80 /", "port"),
        ("http://h:http/", "port"),
        ("http://h:\u0668\u0660/", "port"),
        ("http://[::1]80/", "other than a port"),
        ("http://[::1]:x/", "port"),
        ("http://[::1/", "closing bracket"),
        ("http://[::g]/", "not an IPv6 address"),
        ("http://[]/", "not an IPv6 address"),
        ("http://[192.0.2.1]/", "not an IPv6 address"),
        ("http://[v1.x]/", "not an IPv6 address"),
        ("http://[fe80::1%]/", "zone"),
        ("http://[fe80::1%25a b]/", "zone"),
        ("http://[fe80::1%25%0d%0a]/", "zone"),
        ("http://::1/", "more than one colon"),
        ("http://2001:db8::1/", "more than one colon"),
        ("http://a b/", "blank"),
        ("http://a<b>/", "character"),
        ("http://a]b/", "character"),
        ("http://a%0d%0ab/", "control character"),
        ("http://a%00b/", "control character"),
        ("http://a%2fb/", "not a name"),
        ("http://a%40b/", "not a name"),
        ("http://a\\b/", "backslash"),
        ("http://good.example\\@evil.example/", "backslash"),
        ("http://a\uff0fb/", "name"),
        ("http://\u2100.example/", "name"),
        ("http://" + "ä" * 100 + "/", "internationalised"),
        ("http://h/\ud800", "surrogate"),
        ("http://\ud800%41/", "surrogate"),
        ("http://\udce4/", "name"),
        ("http://\udce4%41/", "name"),
        ("http://%e4.example/", "name"),
    ],
)
@pytest.mark.parametrize("with_package", [True, False])
def test_refused(text: str, why: str, with_package: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_package:
        hide(monkeypatch, "idna")
    with pytest.raises(InvalidUrlError, match=why):
        TgoURI(text)
    with pytest.raises(ValueError, match=why):
        parse(text)


@pytest.mark.parametrize("code", [*range(32), *range(127, 160)])
@pytest.mark.parametrize(
    "template", ["http://h/{}", "http://h{}/", "{}http://h/", "http://h/?{}", "http://h/#{}", "ht{}tp://h"]
)
def test_control_characters_are_refused(code: int, template: str) -> None:
    with pytest.raises(InvalidUrlError, match="control character"):
        TgoURI(template.format(chr(code)))


@pytest.mark.parametrize("wrong", [None, b"http://h/", 5])
def test_only_text_is_a_url(wrong: object) -> None:
    with pytest.raises(InvalidUrlError, match="not text"):
        TgoURI(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["http://user:pa/ss@host/", "http://user:secret@h:x/", "http://user:sec ret@h /", "http://user:x?secret@host/"],
)
def test_no_error_shows_a_password(text: str) -> None:
    with pytest.raises(InvalidUrlError) as caught:
        TgoURI(text)
    message = str(caught.value)
    for part in ("user", "pa", "ss", "secret", "sec", "ret"):
        assert part not in message.replace("phase prepare", "").replace("message", "")


def test_repr_shows_no_credentials() -> None:
    assert repr(TgoURI("http://user:secret@h/")) == "TgoURI('http://h/')"


# What the original has


@pytest.mark.parametrize(
    ("query", "params"),
    [("a=1&b=2", "a=1&b=2"), ("a", "a="), ("a;b=1", "a=&b=1"), ("a=b=c", "a=b=c"), ("", ""), ("a&&b", "a=&=&b=")],
)
def test_params(query: str, params: str) -> None:
    uri = TgoURI(f"http://h/?{query}")
    assert uri.query == query
    assert uri.params == params
    # The original writes the params; that would ask for something else.
    assert uri.to_string() == f"http://h/?{query}"


def test_assigned_parts_are_encoded_and_computed_ones_follow() -> None:
    uri = TgoURI("http://h/")
    assert (uri.authority, uri.origin, uri.target) == ("h", "http://h", "/")
    uri.scheme = "HTTPS"
    uri.host = "Bücher.example"
    uri.port = 8443
    uri.path = "/a b"
    uri.query = "c=ä"
    uri.fragment = "d e"
    uri.username = "u@"
    uri.password = ":p"
    assert uri.authority == "xn--bcher-kva.example:8443"
    assert uri.origin == "https://xn--bcher-kva.example:8443"
    assert uri.target == "/a%20b?c=%C3%A4"
    assert uri.to_string() == "https://u%40:%3Ap@xn--bcher-kva.example:8443/a%20b?c=%C3%A4#d%20e"
    uri.params = "x=1;y"
    assert uri.query == "x=1;y"
    assert uri.params == "x=1&y="
    uri.port = -1
    assert uri.authority == "xn--bcher-kva.example"


def test_built_from_nothing() -> None:
    uri = TgoURI()
    assert uri.to_string() == ""
    uri.scheme = "http"
    uri.host = "h"
    uri.path = "x"
    assert uri.to_string() == "http://h/x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("path", "/a\r\nb"),
        ("query", "a\x00"),
        ("fragment", "\n"),
        ("host", "a b"),
        ("host", "a/b"),
        ("host", "a\r\nb"),
        ("scheme", "1x"),
        ("scheme", "a b"),
        ("port", 65536),
        ("port", -2),
        ("port", "80"),
        ("path", 5),
        ("params", "a\n"),
    ],
)
def test_assigned_parts_are_checked(name: str, value: object) -> None:
    uri = TgoURI("http://h/a")
    with pytest.raises(InvalidUrlError):
        setattr(uri, name, value)
    assert uri.to_string() == "http://h/a"


def test_equality() -> None:
    assert TgoURI("HTTP://H:80") == TgoURI("http://h/")
    assert TgoURI("http://h/a") != TgoURI("http://h/b")
    assert TgoURI("http://h/") != "http://h/"
    with pytest.raises(TypeError):
        hash(TgoURI("http://h/"))


# parse()


def test_parse_remembers_and_shares() -> None:
    url = "http://remembered.example/"
    uri = parse(url)
    assert parse(url) is uri
    with pytest.raises(AttributeError, match="shared"):
        uri.path = "/changed"
    with pytest.raises(AttributeError, match="shared"):
        uri.params = "a=b"
    assert uri.target == "/"
    assert uri.authority == "remembered.example"
    own = TgoURI(url)
    own.path = "/changed"
    assert parse(url).path == "/"


def test_copies_of_shared_urls() -> None:
    uri = parse("http://h/copied")
    for same in (copy.copy(uri), copy.deepcopy(uri), pickle.loads(pickle.dumps(uri))):
        assert same == uri
        assert same.target == "/copied"
        same.path = "/changed"
    assert uri.target == "/copied"


def test_parse_does_not_keep_credentials() -> None:
    url = "http://user:secret@kept.example/"
    assert parse(url) == parse(url)
    assert url not in uri_module._cache


def test_parse_remembers_only_so_much() -> None:
    for number in range(2500):
        parse(f"http://h/{number}")
    assert 0 < len(uri_module._cache) <= 1024
    long = "http://h/" + "x" * 5000
    assert parse(long).target == long.removeprefix("http://h")
    assert long not in uri_module._cache


def test_resolved_urls_belong_to_who_asked() -> None:
    resolved = parse("http://h/a").resolve("b")
    resolved.path = "/c"
    assert resolved.to_string() == "http://h/c"


# Anything at all


@given(
    st.one_of(
        st.text(max_size=40),
        st.text("htp:/?#[]@%.;=&ab01 ä\\\ud800\udce4", max_size=40).map(lambda text: "http://" + text),
    )
)
def test_any_text_is_a_url_or_an_error(text: str) -> None:
    try:
        uri = TgoURI(text)
    except InvalidUrlError:
        return
    written = uri.to_string()
    assert written.isascii()
    assert " " not in written
    again = TgoURI(written)
    assert again.to_string() == written
    for name in ("scheme", "username", "password", "host", "port", "path", "query", "fragment", "target", "authority"):
        assert getattr(again, name) == getattr(uri, name)
    assert uri.resolve("").scheme == uri.scheme


@given(base=st.text("a./?#", max_size=12), reference=st.text("a./?#", max_size=12))
def test_resolving_leaves_no_dot_segments(base: str, reference: str) -> None:
    try:
        resolved = TgoURI("http://h/" + base).resolve(reference)
    except InvalidUrlError:
        assert reference.startswith("//")  # a host of dots
        return
    if reference.partition("#")[0].partition("?")[0]:
        assert not {".", ".."} & set(resolved.path.split("/"))
        assert resolved.path.startswith("/") or not resolved.host
    assert TgoURI(resolved.to_string()).to_string() == resolved.to_string()
