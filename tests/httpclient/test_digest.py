"""Digest: against the examples of the RFCs, another implementation, an independent check, and Apache httpd."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import PreparedRequest
from requests.auth import HTTPDigestAuth

from httpclient import TgoHttpClient
from httpclient.authentication import schemes as authentication
from httpclient.authentication._challenges import Challenge, parse_challenges
from httpclient.authentication._digest import DigestKey, strongest_offer, user_name_bytes, utf8
from httpclient.authentication.schemes import AuthenticationRequest, DigestAuthentication
from httpclient.content.body import Body, IteratorBody
from tests.httpclient.calls import call
from tests.servers.apache import USERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import ScriptedServers
    from tests.servers.apache import Apache
    from tests.servers.connection import Connection

HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
ALGORITHMS = [name + suffix for name in HASHES for suffix in ("", "-sess")]
ORIGIN = "https://example.org"


def request(
    target: str = "/", *, method: str = "GET", origin: str = ORIGIN, body: Any = None, proxy: bool = False
) -> AuthenticationRequest:
    return AuthenticationRequest(method, target, origin, body, proxy=proxy)


def challenge(**params: str) -> list[Challenge]:
    """Return a list of one challenge; it has what every challenge has unless told otherwise."""
    return [Challenge("digest", "", {"realm": "r", "nonce": "n", "qop": "auth", **params})]


def key(params: dict[str, str], user: str, password: str, cnonce: str = "", *, body_known: bool = True) -> DigestKey:
    offer = strongest_offer([Challenge("digest", "", params)], body_known)
    assert offer is not None
    return DigestKey(offer, user_name_bytes(user), utf8(password, "password"), cnonce)


def parts(value: str) -> dict[str, str]:
    """Take an Authorization field apart, with Python's own means; values keep their quotes."""
    scheme, _, rest = value.partition(" ")
    assert scheme == "Digest"
    found = {}
    for item in urllib.request.parse_http_list(rest):
        name, equals, text = item.partition("=")
        assert equals
        assert name not in found
        found[name] = text
    return found


def unquoted(text: str) -> str:
    assert len(text) >= 2
    assert text[0] == text[-1] == '"'
    return text[1:-1]


def is_right(
    value: str, method: str, target: str, user: str, password: str, *, body: bytes = b"", first_cnonce: str = ""
) -> bool:
    """Verify an Authorization field as a server does: by what it says, and what the server knows.

    RFC 7616 section 3.4.1, written anew.
    """
    said = parts(value)
    algorithm = said.get("algorithm", "MD5")
    name = HASHES[algorithm.removesuffix("-sess")]

    def digest(*texts: str | bytes) -> str:
        return hashlib.new(
            name, b":".join(text if isinstance(text, bytes) else text.encode("latin-1") for text in texts)
        ).hexdigest()

    realm, nonce = unquoted(said["realm"]), unquoted(said["nonce"])
    if said.get("userhash") == "true":
        assert unquoted(said["username"]) == digest(user.encode(), realm)
    elif "username*" in said:
        assert said["username*"].startswith("UTF-8''")
        assert urllib.parse.unquote(said["username*"][7:]) == user
    else:
        assert unquoted(said["username"]).encode("latin-1").decode() == user
    assert unquoted(said["uri"]) == target
    cnonce = unquoted(said["cnonce"]) if "cnonce" in said else ""
    first = digest(user.encode(), realm, password.encode())
    if algorithm.endswith("-sess"):
        first = digest(first, nonce, first_cnonce or cnonce)
    if "qop" not in said:
        assert not said.keys() & {"nc", "cnonce"}
        return unquoted(said["response"]) == digest(first, nonce, digest(method, target))
    assert len(said["nc"]) == 8
    second = digest(method, target, digest(body)) if said["qop"] == "auth-int" else digest(method, target)
    return unquoted(said["response"]) == digest(first, nonce, said["nc"], cnonce, said["qop"], second)


# The examples of the RFCs


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    nonce, opaque = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    (one,) = parse_challenges(
        [
            f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="{nonce}", '
            f'opaque="{opaque}"'.encode()
        ]
    )
    made = key(one.params, "Mufasa", "Circle of Life").authorization("GET", "/dir/index.html", b"", 1, cnonce)
    assert made == (
        f'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm}, '
        f'nonce="{nonce}", nc=00000001, cnonce="{cnonce}", qop=auth, response="{response}", opaque="{opaque}"'
    )


RFC_7616_SECTION_3_9_2 = {
    "realm": "api@example.org",
    "qop": "auth",
    "algorithm": "SHA-512-256",
    "nonce": "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
    "opaque": "HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS",
    "charset": "UTF-8",
    "userhash": "true",
}


def test_rfc_7616_section_3_9_2() -> None:
    # With the hashes of erratum 4897: those of the RFC were made by a draft of SHA-512/256.
    cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
    made = key(RFC_7616_SECTION_3_9_2, "J\xe4s\xf8n Doe", "Secret, or not?").authorization(
        "GET", "/doe.json", b"", 1, cnonce
    )
    assert made == (
        'Digest username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b", realm="api@example.org", '
        'uri="/doe.json", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001, '
        f'cnonce="{cnonce}", qop=auth, response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", userhash=true'
    )
    # Without userhash, the same section has the name this way.
    params = {**RFC_7616_SECTION_3_9_2, "userhash": "false"}
    said = parts(key(params, "J\xe4s\xf8n Doe", "x").authorization("GET", "/doe.json", b"", 1, cnonce))
    assert said["username*"] == "UTF-8''J%C3%A4s%C3%B8n%20Doe"
    assert not said.keys() & {"username", "userhash"}


def test_rfc_2617_section_3_5() -> None:
    params = {"realm": "testrealm@host.com", "qop": "auth,auth-int", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
              "opaque": "5ccc069c403ebaf9f0171e9517f40e41"}  # fmt: skip
    said = parts(key(params, "Mufasa", "Circle Of Life").authorization("GET", "/dir/index.html", b"", 1, "0a4f113b"))
    assert said["response"] == '"6629fae49393a05397450978507c4ef1"'
    assert "algorithm" not in said


def test_rfc_2069_section_2_4() -> None:
    # With the response of erratum 749.
    params = {"realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "opaque": "5ccc"}
    made = key(params, "Mufasa", "CircleOfLife").authorization("GET", "/dir/index.html", b"", 1, "unused")
    assert made == (
        'Digest username="Mufasa", realm="testrealm@host.com", uri="/dir/index.html", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", response="1949323746fe6a43ef61f9606e7febea", opaque="5ccc"'
    )


# Another implementation


@pytest.mark.parametrize("qop", ["auth", "auth,auth-int", ""])
@pytest.mark.parametrize("algorithm", ["MD5", "MD5-SESS", "SHA-256", ""])
@pytest.mark.parametrize("opaque", ["", "opaque=="])
def test_the_same_as_requests(algorithm: str, qop: str, opaque: str) -> None:
    if algorithm == "MD5-SESS" and not qop:
        return  # a contradiction: see test_what_cannot_be_answered
    given_ones = {"realm": "a realm", "nonce": "YQ==", "algorithm": algorithm, "qop": qop, "opaque": opaque}
    params = {name: value for name, value in given_ones.items() if value}
    theirs: Any = HTTPDigestAuth("user", "p\xe4ssword")
    theirs.init_per_thread_state()
    theirs._thread_local.chal = params
    prepared = PreparedRequest()
    prepared.prepare(method="PUT", url="http://host/a/b?c=d&e")
    assert prepared.method is not None
    assert prepared.url is not None
    value = theirs.build_digest_header(prepared.method, prepared.url)
    assert value is not None
    expected = parts(value)
    cnonce = unquoted(expected.get("cnonce", '""'))
    said = parts(key(params, "user", "p\xe4ssword", cnonce).authorization("PUT", "/a/b?c=d&e", b"", 1, cnonce))
    # requests has quotes where they must not be, for old servers.
    assert {name: text.strip('"') for name, text in said.items()} == {
        name: text.strip('"') for name, text in expected.items()
    }


# An independent check

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
HEADER_TEXTS = st.text([chr(code) for code in range(32, 256) if code != 127], max_size=12)
TARGETS = st.text([chr(code) for code in range(33, 127)], max_size=12).map(lambda text: "/" + text)


@given(
    user=TEXTS.filter(lambda text: ":" not in text),
    password=TEXTS,
    realm=HEADER_TEXTS,
    nonce=HEADER_TEXTS.filter(bool),
    opaque=st.none() | HEADER_TEXTS,
    target=TARGETS,
    algorithm=st.sampled_from(["", *ALGORITHMS]),
    qop=st.sampled_from(["", "auth", "auth-int"]),
    userhash=st.sampled_from(["", "true", "false"]),
    charset=st.sampled_from(["", "UTF-8"]),
    body=st.binary(max_size=10),
)
def test_what_is_built_is_right(
    user: str, password: str, realm: str, nonce: str, opaque: str | None, target: str, algorithm: str, qop: str,
    userhash: str, charset: str, body: bytes,
) -> None:  # fmt: skip
    if algorithm.endswith("-sess") and not qop:
        return
    user, password = utf8(user, "").decode(), utf8(password, "").decode()
    given_ones = {"algorithm": algorithm, "qop": qop, "userhash": userhash, "charset": charset}
    params = {"realm": realm, "nonce": nonce, **{name: value for name, value in given_ones.items() if value}}
    if opaque is not None:
        params["opaque"] = opaque
    field = "Digest " + ", ".join(
        name + '="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for name, value in params.items()
    )
    own = DigestAuthentication(user, password)
    made = own.respond(request(target, method="POST", body=Body(body)), parse_challenges([field.encode("latin-1")]), "")
    assert made is not None
    made.encode("latin-1")
    said = parts(made)
    assert is_right(made, "POST", target, user, password, body=body)
    assert unquoted(said["realm"]) == realm
    assert unquoted(said["nonce"]) == nonce
    assert (unquoted(said["opaque"]) if "opaque" in said else None) == opaque
    assert said.get("algorithm", "") == algorithm
    # RFC 7616 section 3.4: these have no quotes.
    assert said.get("nc", "00000001") == "00000001"
    assert said.get("qop", "") == qop
    # And by the parser for challenges, which is the project's own.
    (read,) = parse_challenges([made.encode("latin-1")])
    assert (read.scheme, read.params["realm"], read.params["uri"]) == ("digest", realm, target)


NAMES = ["realm", "nonce", "qop", "algorithm", "opaque", "stale", "domain", "charset", "userhash", "other"]
CONTENTS = ["auth", "MD5", "SHA-256-sess", "true", "UTF-8", "http://[", "/a //b", "n"]


@given(st.dictionaries(st.sampled_from(NAMES), HEADER_TEXTS | st.sampled_from(CONTENTS)))
def test_nothing_in_a_challenge_is_an_error(params: dict[str, str]) -> None:
    own = DigestAuthentication("user", "secret")
    made = own.respond(request(), [Challenge("digest", "", params)], "")
    again = own.authorize(request())
    if made is None:
        assert again == ""
        return
    assert is_right(made, "GET", "/", "user", "secret")
    own.respond(request(), [Challenge("digest", "", params)], again)
    own.learn(request(), [params.get("nonce", "").encode("latin-1")], made)


@given(st.text(max_size=40))
def test_nothing_that_was_sent_is_an_error(sent: str) -> None:
    own = DigestAuthentication("user", "secret")
    for value in (sent, "Digest " + sent, f"Digest realm=r, nonce=n, nc={sent}"):
        own.respond(request(), challenge(), value)
        own.learn(request(), [b"nextnonce=x"], value)


# Which challenge


def answered(*challenges: Challenge, body: Any = None) -> dict[str, str]:
    made = DigestAuthentication("user", "secret").respond(request(body=body), list(challenges), "")
    return {} if made is None else parts(made)


@pytest.mark.parametrize("order", list(itertools.permutations(["", "SHA-256", "SHA-512-256", "SHA-1024"])))
def test_the_strongest_is_answered(order: tuple[str, ...]) -> None:
    offered = [challenge(**{"algorithm": name} if name else {})[0] for name in order]
    assert answered(*offered, Challenge("basic"))["algorithm"] == "SHA-512-256"


def test_the_first_of_the_same_strength_is_answered() -> None:
    assert answered(*challenge(algorithm="MD5-sess"), *challenge(algorithm="MD5"))["algorithm"] == "MD5-sess"
    assert answered(*challenge(algorithm="MD5"), *challenge(algorithm="MD5-sess"))["algorithm"] == "MD5"
    assert answered(*challenge(realm="a"), *challenge(realm="b"))["realm"] == '"a"'


def test_names_are_sent_back_as_the_server_writes_them() -> None:
    assert answered(*challenge(algorithm="sha-256-SESS"))["algorithm"] == "sha-256-SESS"
    assert answered(*challenge(qop="AUTH"))["qop"] == "auth"


@pytest.mark.parametrize(
    ("qop", "chosen"),
    [("auth", "auth"), ("auth-int", "auth-int"), ("auth-int,auth", "auth"), ("auth-int, auth", "auth"),
     ("other,auth-int", "auth-int"), ("auth auth-int", "auth"), ("", None), (" , ", None)],
)  # fmt: skip
def test_the_quality_of_protection(qop: str, chosen: str | None) -> None:
    assert answered(*challenge(qop=qop)).get("qop") == chosen
    assert answered(*challenge(qop=qop))


def test_a_body_that_is_not_in_memory_cannot_be_protected() -> None:
    stream = IteratorBody(iter([b"data"]))
    assert not answered(*challenge(qop="auth-int"), body=stream)
    assert answered(*challenge(qop="auth-int,auth"), body=stream)["qop"] == "auth"
    # Neither unasked, where a request before it had none.
    own = DigestAuthentication("user", "secret")
    assert own.respond(request(), challenge(qop="auth-int"), "") is not None
    assert own.authorize(request(method="POST", body=stream)) == ""
    made = own.authorize(request(method="POST", body=Body(b"data")))
    assert is_right(made, "POST", "/", "user", "secret", body=b"data")
    assert parts(made)["nc"] == "00000002"


@pytest.mark.parametrize(
    "params",
    [
        {"algorithm": "SHA-1024"},
        {"algorithm": "SHA"},
        {"algorithm": ""},
        {"algorithm": "-sess"},
        {"algorithm": "MD5-sess-sess"},
        {"qop": "auth-conf"},
        {"nonce": ""},
        {"nonce": "n" * 5000},
        {"opaque": "n" * 5000},
        # RFC 2069 has no cnonce, and a session key needs one.
        {"algorithm": "MD5-sess", "qop": ""},
    ],
)
def test_what_cannot_be_answered(params: dict[str, str]) -> None:
    assert not answered(*challenge(**params))


@pytest.mark.parametrize("name", ["realm", "nonce"])
def test_what_a_challenge_must_have(name: str) -> None:
    (one,) = challenge()
    del one.params[name]
    assert not answered(one)


def test_an_algorithm_that_this_machine_forbids_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(name: str, data: bytes = b"") -> Any:
        if name == "md5":
            raise ValueError("disabled for FIPS")
        return new(name, data)

    new = hashlib.new
    monkeypatch.setattr(hashlib, "new", forbidden)
    assert not answered(*challenge())
    assert answered(*challenge(), *challenge(algorithm="SHA-256"))["algorithm"] == "SHA-256"


def test_an_old_server_gets_the_name_in_utf_8_as_it_is() -> None:
    assert answered_by("J\xe4s\xf8n", challenge())["username"].encode("latin-1") == b'"J\xc3\xa4s\xc3\xb8n"'
    assert answered_by('a"b\\c', challenge())["username"] == '"a"b\\c"'  # as parse_http_list undoes it
    assert '"a\\"b\\\\c"' in (DigestAuthentication('a"b\\c', "x").respond(request(), challenge(), "") or "")


def answered_by(user: str, challenges: list[Challenge]) -> dict[str, str]:
    made = DigestAuthentication(user, "secret").respond(request(), challenges, "")
    assert made is not None
    return parts(made)


# Nonces


class Said(NamedTuple):
    nonce: str
    number: int
    cnonce: str


def spent(value: str | None) -> Said:
    assert value
    assert is_right(value, "GET", unquoted(parts(value)["uri"]), "user", "secret", first_cnonce=FIRST_CNONCE[0])
    found = parts(value)
    return Said(unquoted(found["nonce"]), int(found.get("nc", "0"), 16), unquoted(found.get("cnonce", '""')))


#: What algorithms with a session key have made theirs of.
FIRST_CNONCE = [""]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_nonce_is_used_again_unasked(algorithm: str) -> None:
    own = DigestAuthentication("user", "secret")
    assert own.authorize(request()) == ""
    FIRST_CNONCE[0] = ""
    made = [spent(own.respond(request(), challenge(algorithm=algorithm), ""))]
    if algorithm.endswith("-sess"):
        FIRST_CNONCE[0] = made[0].cnonce
    made += [spent(own.authorize(request(f"/{number}?x"))) for number in range(20)]
    FIRST_CNONCE[0] = ""
    assert [each.number for each in made] == list(range(1, 22))
    assert {each.nonce for each in made} == {"n"}
    # A session key belongs to one.
    assert len({each.cnonce for each in made}) == (1 if algorithm.endswith("-sess") else 21)


def test_cnonces_are_random() -> None:
    made = {answered_by("user", challenge())["cnonce"] for _ in range(50)}
    assert len(made) == 50
    assert min(map(len, made)) >= 32


def test_the_same_credentials_are_not_tried_twice() -> None:
    own = DigestAuthentication("user", "secret")
    first = own.respond(request(), challenge(), "")
    assert first is not None
    # Another nonce, and nothing said about the old one.
    assert own.respond(request(), challenge(nonce="n2"), first) is None
    # What was refused is not used any more.
    assert own.authorize(request()) == ""
    first = own.respond(request(), challenge(), "")
    assert first is not None
    assert own.respond(request(), challenge(), first) is None
    # Not even if the server calls stale what it has just given.
    assert own.respond(request(), challenge(stale="true"), first) is None


def test_a_stale_nonce_is_replaced() -> None:
    own = DigestAuthentication("user", "secret")
    value = own.respond(request(), challenge(), "")
    for number in range(5):
        assert value is not None
        value = own.respond(request(), challenge(nonce=f"n{number}", stale="TRUE"), value)
        assert spent(value)[:2] == (f"n{number}", 1)
    assert spent(own.authorize(request()))[:2] == ("n4", 2)
    assert own.respond(request(), challenge(nonce="m", stale="false"), value or "") is None


def test_a_nonce_that_was_used_unasked_may_be_too_old() -> None:
    own = DigestAuthentication("user", "secret")
    own.respond(request(), challenge(), "")
    unasked = own.authorize(request())
    # Not every server says "stale".
    second = own.respond(request(), challenge(nonce="n2"), unasked)
    assert spent(second)[:2] == ("n2", 1)
    assert own.respond(request(), challenge(nonce="n3"), second or "") is None


def test_without_qop_the_same() -> None:
    own = DigestAuthentication("user", "secret")
    first = own.respond(request(), challenge(qop=""), "")
    assert spent(first) == ("n", 0, "")
    unasked = own.authorize(request())
    assert spent(unasked) == ("n", 0, "")
    second = own.respond(request(), challenge(qop="", nonce="n2"), unasked)
    assert spent(second)[0] == "n2"
    assert own.respond(request(), challenge(qop="", nonce="n3"), second or "") is None
    assert own.authorize(request()) == ""


def test_what_was_sent_for_another_realm_says_nothing() -> None:
    own = DigestAuthentication("user", "secret")
    first = own.respond(request("/a"), challenge(realm="a"), "")
    assert first is not None
    second = own.respond(request("/b"), challenge(realm="b", nonce="n2"), first)
    assert spent(second)[:2] == ("n2", 1)
    assert own.respond(request("/c"), challenge(realm="c"), "Basic abc") is not None


def test_the_next_nonce_is_used() -> None:
    own = DigestAuthentication("user", "secret")
    first = own.respond(request(), challenge(), "")
    assert first is not None
    own.learn(request(), [b'rspauth="x", nextnonce="n, 2"', b"qop=auth"], first)
    unasked = own.authorize(request())
    assert spent(unasked)[:2] == ("n, 2", 1)
    assert spent(own.authorize(request()))[:2] == ("n, 2", 2)
    # Too old again: it wasn't the answer to a challenge, though the count is 1.
    assert spent(own.respond(request(), challenge(nonce="n3"), unasked))[:2] == ("n3", 1)


def test_a_next_nonce_is_for_who_used_the_one_before() -> None:
    own = DigestAuthentication("user", "secret")
    first = own.respond(request(), challenge(), "")
    assert first is not None
    for values, sent in [
        ([b"nextnonce=x"], ""),
        ([b"nextnonce=x"], "Basic abc"),
        ([b"nextnonce=x"], first.replace('nonce="n"', 'nonce="m"')),
        ([b"nextnonce=n"], first),
        ([b'nextnonce=""'], first),
        ([b"nc=1"], first),
        ([b"nextnonce="], first),
        ([], first),
    ]:
        own.learn(request(), values, sent)
    own.learn(request(origin="https://example.net"), [b"nextnonce=x"], first)
    assert spent(own.authorize(request()))[:2] == ("n", 2)


@pytest.mark.parametrize("values", [[b"nextnonce=x"], [b"nextnonce=" + b"x" * 5000]])
def test_a_next_nonce_that_cannot_be_used_means_to_ask_again(values: list[bytes]) -> None:
    # A session key is made of the first nonce, or of this one: servers don't agree.
    own = DigestAuthentication("user", "secret")
    first = own.respond(request(), challenge(algorithm="MD5-sess"), "")
    own.learn(request(), values, first or "")
    assert own.authorize(request()) == ""


def test_a_count_that_is_full_ends_a_nonce() -> None:
    own = DigestAuthentication("user", "secret")
    own.respond(request(), challenge(), "")
    own._spaces[ORIGIN][0].count = 0xFFFFFFFE
    assert spent(own.authorize(request()))[:2] == ("n", 0xFFFFFFFF)
    assert own.authorize(request()) == ""


# Protection spaces


def covered(domain: str, *, proxy: bool = False) -> set[str]:
    own = DigestAuthentication("user", "secret")
    assert own.respond(request("/in/a", proxy=proxy), challenge(domain=domain), "")
    targets = ["/", "/in", "/in/", "/in/a", "/in/a/b", "/in/b?c", "/inner", "/out?/in/", "*", "host:443"]
    return {target for target in targets if own.authorize(request(target, proxy=proxy))}


def test_a_domain_says_where_a_nonce_is_used() -> None:
    everywhere = {"/", "/in", "/in/", "/in/a", "/in/a/b", "/in/b?c", "/inner", "/out?/in/", "*", "host:443"}
    below = {"/in/", "/in/a", "/in/a/b", "/in/b?c"}
    assert covered("") == covered("  ") == everywhere
    assert covered("/in/") == covered("https://example.org/in/") == covered("https://EXAMPLE.org:443/x/../in/") == below
    assert covered("/in") == below | {"/in"}
    assert covered("/in/a") == {"/in/a", "/in/a/b"}
    assert covered("/in/a /inner") == {"/in/a", "/in/a/b", "/inner"}
    assert covered("/") == everywhere - {"*", "host:443"}
    # Of what is wrong in it, the rest is right.
    assert covered("http://[ /in/") == below
    # Another server may ask for itself; this one isn't all of it, then.
    assert covered("https://example.net/in/") == covered("http://example.org/in/") == set()
    # RFC 7616 section 3.3: it means nothing for a proxy.
    assert covered("/in/", proxy=True) == everywhere


def test_the_closest_space_is_used() -> None:
    own = DigestAuthentication("user", "secret")
    own.respond(request("/"), challenge(realm="all", nonce="all"), "")
    own.respond(request("/a/b/"), challenge(realm="b", nonce="b", domain="/a/b/"), "")
    own.respond(request("/a/"), challenge(realm="a", nonce="a", domain="/a/ /c/"), "")
    targets = ["/", "/a/", "/a/b/c", "/c/d"]
    assert [spent(own.authorize(request(target))).nonce for target in targets] == ["all", "a", "b", "a"]


def test_origins_are_kept_apart() -> None:
    own = DigestAuthentication("user", "secret")
    own.respond(request(), challenge(), "")
    for origin in ("http://example.org", "https://example.org:444", "https://www.example.org"):
        assert own.authorize(request(origin=origin)) == ""
    assert own.authorize(request())


def test_a_proxy_is_not_the_server_at_the_same_place() -> None:
    own = DigestAuthentication("user", "secret")
    assert own.respond(request("host:443", method="CONNECT", proxy=True), challenge(), "")
    assert own.authorize(request()) == ""
    made = own.authorize(request("host:443", method="CONNECT", proxy=True))
    assert is_right(made, "CONNECT", "host:443", "user", "secret")


def test_what_is_remembered_is_bounded() -> None:
    own = DigestAuthentication("user", "secret")
    for number in range(authentication.MAX_ORIGINS + 10):
        own.respond(request(origin=f"http://{number}.example"), challenge(), "")
    assert len(own._spaces) == authentication.MAX_ORIGINS
    assert own.authorize(request(origin="http://0.example")) == ""
    assert own.authorize(request(origin=f"http://{authentication.MAX_ORIGINS + 9}.example"))
    for number in range(100):
        own.respond(request(), challenge(realm=f"{number}"), "")
    assert len(own._spaces[ORIGIN]) == authentication.MAX_SPACES
    (offer,) = [strongest_offer(challenge(domain="/a " * 1000), True)]
    assert offer is not None
    assert len(authentication._paths(request(), offer) or []) <= authentication._MAX_DOMAIN


# Threads and processes


def test_threads_never_use_a_count_twice() -> None:
    own = DigestAuthentication("user", "secret")
    start = threading.Barrier(8)

    def run(number: int) -> list[Said]:
        start.wait(30)
        made = [spent(own.respond(request(), challenge(), ""))]
        return made + [spent(own.authorize(request())) for _ in range(100)]

    with ThreadPoolExecutor(8) as threads:
        made = [each for some in threads.map(run, range(8)) for each in some]
    # All met the same challenge, so they share its count.
    assert sorted(each.number for each in made) == list(range(1, len(made) + 1))


def test_a_child_counts_its_own_nonces() -> None:
    own = DigestAuthentication("user", "secret")
    own.respond(request(), challenge(), "")
    receiving, sending = os.pipe()
    with authentication._lock:  # as another thread may hold it in the moment of the fork
        child = os.fork()
        if child == 0:
            try:
                lines = [own.authorize(request()), own.respond(request(), challenge(nonce="child"), "") or ""]
                os.write(sending, "\n".join([*lines, own.authorize(request())]).encode())
            finally:
                os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        before, answer, after = pipe.read().decode().split("\n")
    assert os.waitpid(child, 0)[1] == 0
    assert before == ""
    assert spent(answer)[:2] == ("child", 1)
    assert spent(after)[:2] == ("child", 2)
    # The parent goes on with its own.
    assert spent(own.authorize(request()))[:2] == ("n", 2)


# Servers


@pytest.mark.parametrize(("user", "password"), list(USERS.items()))
def test_apache(apache: Apache, user: str, password: str) -> None:
    with TgoHttpClient(False) as client:
        own = DigestAuthentication(user, password)
        response, sent = call(client, own, "GET", apache.url("/elsewhere?a=b&c=%22"))
        assert (response.status_code, len(sent)) == (200, 2)
        # That nonce is for /once/, the server says, and so it is used there. It won't do, as another kind is wanted.
        response, sent = call(client, own, "GET", apache.url("/once/file"))
        assert (response.status_code, len(sent), sent[0][:6]) == (200, 2, "Digest")
        # Good for one request, each announces the next.
        nonces = []
        for number in range(5):
            response, sent = call(client, own, "GET", apache.url(f"/once/file?{number}"))
            assert (response.status_code, len(sent)) == (200, 1)
            assert response.content == b"content\n"
            nonces.append(parts(sent[0])["nonce"])
        assert len(set(nonces)) == 5


def test_apache_says_stale(apache: Apache) -> None:
    url = apache.url("/once/file")
    with TgoHttpClient(False) as client:
        own = DigestAuthentication("user", "secret")
        _, sent = call(client, own, "GET", url)
        # A second one who uses the same nonce after it has been used up.
        late = DigestAuthentication("user", "secret")
        offer = strongest_offer([Challenge("digest", "", {
            name: text.strip('"') for name, text in parts(sent[-1]).items()
        })], True)  # fmt: skip
        assert offer is not None
        late._remember(apache.url(""), authentication._Space(DigestKey(offer, b"user", b"secret", ""), None, False))
        response, sent = call(client, late, "GET", url)
        assert (response.status_code, len(sent)) == (200, 2)


def test_apache_refuses(apache: Apache) -> None:
    with TgoHttpClient(False) as client:
        for own in (DigestAuthentication("user", "wrong"), DigestAuthentication("nobody", "secret")):
            for _ in range(2):
                response, sent = call(client, own, "GET", apache.url("/once/file"))
                assert (response.status_code, len(sent), sent[0]) == (401, 2, "")
        # It takes no Digest there, and this is none.
        response, sent = call(client, DigestAuthentication("user", "secret"), "GET", apache.url("/basic/file"))
        assert (response.status_code, sent) == (401, [""])


class DigestServer:
    """A server that asks for Digest, strictly: each nonce count comes once and in order, each nonce has its uses.

    :param challenges: what it asks for; ``{nonce}`` stands for a fresh one.
    :param uses: how often a nonce may be used before it is stale.
    """

    def __init__(self, challenges: Iterable[str], uses: int = 1000, fields: str = "") -> None:
        self.challenges = list(challenges)
        self.uses = uses
        self.fields = fields
        self.counts: dict[str, int] = {}
        self.cnonces: dict[str, str] = {}
        self.statuses: list[int] = []

    def __call__(self, connection: Connection) -> None:
        while (received := connection.receive_request()) is not None:
            value = received.value("Authorization")
            status, stale = 401, False
            if value is not None and value.startswith("Digest "):
                found = parts(value)
                nonce = unquoted(found["nonce"])
                cnonce = unquoted(found["cnonce"]) if "cnonce" in found else ""
                right = is_right(
                    value, received.method, received.target, "us\xe9r", "s\xe9cret", body=received.body,
                    first_cnonce=self.cnonces.get(nonce, ""),
                )  # fmt: skip
                if nonce in self.counts and right:
                    self.counts[nonce] += 1
                    self.cnonces.setdefault(nonce, cnonce)
                    stale = self.counts[nonce] > self.uses
                    assert int(found.get("nc", f"{self.counts[nonce]:x}"), 16) == self.counts[nonce]
                    status = 401 if stale else 200
            self.statuses.append(status)
            fields = self.fields
            if status == 401:
                nonce = f"nonce-{len(self.counts)}"
                self.counts[nonce] = 0
                fields = "".join(
                    f"WWW-Authenticate: {each.replace('{nonce}', nonce)}{', stale=true' if stale else ''}\r\n"
                    for each in self.challenges
                )
            connection.send(f"HTTP/1.1 {status} X\r\n{fields}Content-Length: 0\r\n\r\n".encode("latin-1"))


@pytest.mark.parametrize("userhash", ["", ", userhash=true"])
@pytest.mark.parametrize("qop", ["", ', qop="auth"', ', qop="auth-int"'])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_strict_server(scripted: ScriptedServers, algorithm: str, qop: str, userhash: str) -> None:
    if algorithm.endswith("-sess") and not qop:
        return
    asks = f'Digest realm="r\xe9alm \\"q\\"", nonce="{{nonce}}", algorithm={algorithm}{qop}, opaque="x"{userhash}'
    strict = DigestServer(["Basic realm=x", asks], uses=3)
    server = scripted(strict)
    own = DigestAuthentication("us\xe9r", "s\xe9cret")
    with TgoHttpClient(False) as client:
        for number in range(8):
            response, _ = call(client, own, "POST", f"{server.url}/{number}?a=b", b"body")
            assert response.status_code == 200
        assert strict.statuses == [401, *[200] * 3, 401, *[200] * 3, 401, *[200] * 2]
        response, sent = call(client, DigestAuthentication("us\xe9r", "wrong"), "GET", server.url)
        assert (response.status_code, len(sent)) == (401, 2)
