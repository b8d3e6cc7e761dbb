"""Challenges as servers write them, and what is answered: Basic, Bearer, user name and password, and others' own."""

from __future__ import annotations

import base64
import copy
import pickle
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient import InvalidRequestError, TgoHttpClient
from httpclient.authentication._challenges import (
    MAX_CHALLENGES,
    MAX_PARAMETERS,
    Challenge,
    parse_challenges,
    parse_parameters,
)
from httpclient.authentication.schemes import (
    Authentication,
    AuthenticationRequest,
    BasicAuthentication,
    BearerAuthentication,
    DigestAuthentication,
    make_authentication,
)
from httpclient.content.body import Body, FileBody, make_body
from tests.httpclient.calls import call
from tests.servers.apache import USERS
from tests.servers.nginx import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.apache import Apache
    from tests.servers.nginx import Nginx

REQUEST = AuthenticationRequest("GET", "/", "https://example.org")
BASIC = [Challenge("basic", "", {"realm": "x"})]
DIGEST = b'Digest realm="r", nonce="n", qop="auth"'


def read(*values: bytes) -> list[tuple[str, str, dict[str, str]]]:
    return [(each.scheme, each.token68, each.params) for each in parse_challenges(values)]


# Challenges


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        (b"Basic", [("basic", "", {})]),
        (b'Basic realm="a"', [("basic", "", {"realm": "a"})]),
        (b"Basic realm=a", [("basic", "", {"realm": "a"})]),
        (b'BASIC REALM="A"', [("basic", "", {"realm": "A"})]),
        (b'Basic realm=""', [("basic", "", {"realm": ""})]),
        (b'Basic realm \t= \t"a"', [("basic", "", {"realm": "a"})]),
        (b'Basic   realm="a" , charset="UTF-8"', [("basic", "", {"realm": "a", "charset": "UTF-8"})]),
        (b'Basic ,, ,realm="a",,', [("basic", "", {"realm": "a"})]),
        (b', ,Basic realm="a"', [("basic", "", {"realm": "a"})]),
        (b'Basic realm="a, Digest b=c"', [("basic", "", {"realm": "a, Digest b=c"})]),
        (rb'Basic realm="a \"b\" \\ \c"', [("basic", "", {"realm": r'a "b" \ c'})]),
        (b'Basic realm="\xe9\xff"', [("basic", "", {"realm": "\xe9\xff"})]),
        (b'Basic realm="a\tb"', [("basic", "", {"realm": "a\tb"})]),
        (b"Negotiate", [("negotiate", "", {})]),
        (b"Negotiate YWJj", [("negotiate", "YWJj", {})]),
        (b"Negotiate YWI=", [("negotiate", "YWI=", {})]),
        (b"Negotiate a+/b-._~==  ", [("negotiate", "a+/b-._~==", {})]),
        (b"Negotiate, NTLM", [("negotiate", "", {}), ("ntlm", "", {})]),
        (b"Negotiate YQ==, NTLM TlRM,Basic realm=x", [
            ("negotiate", "YQ==", {}), ("ntlm", "TlRM", {}), ("basic", "", {"realm": "x"}),
        ]),
        # RFC 9110 section 11.6.1
        (b'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""', [
            ("basic", "", {"realm": "simple"}),
            ("newauth", "", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
        ]),
        # Many write Base64 without quotes.
        (b"Digest nonce=YQ==,realm=a/b:c", [("digest", "", {"nonce": "YQ==", "realm": "a/b:c"})]),
        # What can't be is passed over.
        (b"", []),
        (b" , ,, ", []),
        (b'realm="nobody\'s"', []),
        (b'"Basic" x=y', []),
        (b'Basic realm="a', [("basic", "", {})]),
        (b'Basic realm="a\\', [("basic", "", {})]),
        (b'Basic realm="a\\"', [("basic", "", {})]),
        (b'Basic realm= , charset="UTF-8"', [("basic", "realm=", {"charset": "UTF-8"})]),  # the grammar has it so
        (b'Basic realm="a"b, charset="UTF-8"', [("basic", "", {"charset": "UTF-8"})]),
        (b'Basic realm="a\x01b", charset="UTF-8"', [("basic", "", {"charset": "UTF-8"})]),
        (b'Basic =x", Digest y="', [("basic", "", {})]),
        (b'Basic =x"a, Evil b=c", Digest y="z"', [("basic", "", {}), ("digest", "", {"y": "z"})]),
        # The first of two counts.
        (b"Basic realm=a, realm=b", [("basic", "", {"realm": "a"})]),
        # Without a comma between.
        (b'Basic realm="a" charset="UTF-8"', [("basic", "", {"realm": "a", "charset": "UTF-8"})]),
    ],
)  # fmt: skip
def test_challenges_are_read(value: bytes, challenges: list[tuple[str, str, dict[str, str]]]) -> None:
    assert read(value) == challenges


def test_several_fields_are_one_list() -> None:
    assert read(b'Digest realm="a"', b'Basic realm="b"') == [
        ("digest", "", {"realm": "a"}),
        ("basic", "", {"realm": "b"}),
    ]
    # RFC 9110 section 5.3: a list may be cut anywhere between its members.
    assert read(b'Digest realm="a"', b'nonce="b", Basic', b"realm=c") == [
        ("digest", "", {"realm": "a", "nonce": "b"}),
        ("basic", "", {"realm": "c"}),
    ]
    # What is wrong in one does no harm to the next.
    assert read(b'Digest realm="a', b'Basic realm="b"') == [("digest", "", {}), ("basic", "", {"realm": "b"})]


def test_challenges_are_bounded() -> None:
    assert len(parse_challenges([b"a b=c," * 1000])) == MAX_CHALLENGES
    assert len(parse_challenges([b"a b=c"] * 1000)) == MAX_CHALLENGES
    (challenge,) = parse_challenges([b"a " + b",".join(b"p%d=x" % number for number in range(1000))])
    assert len(challenge.params) == MAX_PARAMETERS


def test_parameters_without_a_scheme() -> None:
    assert parse_parameters([b'nextnonce="a,b", qop=auth', b"nc=00000001"]) == {
        "nextnonce": "a,b", "qop": "auth", "nc": "00000001",
    }  # fmt: skip
    assert parse_parameters([]) == {}
    assert parse_parameters([b'"']) == {}


def test_a_challenge_shows_no_values() -> None:
    (challenge,) = parse_challenges([b'Digest nonce="secret", realm=hidden'])
    assert repr(challenge) == "<Challenge digest with nonce, realm>"
    assert repr(Challenge("negotiate", "secret")) == "<Challenge negotiate with no parameters>"


PIECES = st.sampled_from(
    [b'"', b"\\", b",", b"=", b" ", b"\t", b"a", b"Basic ", b'realm="', b"==", b'\\"', b"\x00", b"\xff", b"Digest "]
)


@given(st.lists(st.lists(PIECES | st.binary(max_size=5), max_size=30).map(b"".join), max_size=4))
def test_nothing_that_a_server_sends_is_an_error(values: list[bytes]) -> None:
    for challenge in parse_challenges(values):
        assert challenge.scheme
        assert challenge.scheme == challenge.scheme.lower()
        assert not (challenge.token68 and not challenge.scheme)
        for name, value in challenge.params.items():
            assert name == name.lower()
            assert not any(character < " " and character != "\t" for character in value)
    parse_parameters(values)


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=8)
VALUES = st.text([chr(code) for code in range(32, 256) if code != 127] + ["\t"], max_size=12)


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(st.tuples(TOKENS, st.dictionaries(TOKENS, VALUES, max_size=5)), min_size=1, max_size=5), st.booleans())
def test_what_is_written_by_the_rules_is_read_as_it_was(
    challenges: list[tuple[str, dict[str, str]]], one_field: bool
) -> None:
    written = [
        f"{scheme} " + ", ".join(f"{name}={quote(value)}" for name, value in params.items())
        for scheme, params in challenges
    ]
    fields = [", ".join(written)] if one_field else written
    assert read(*(field.encode("latin-1") for field in fields)) == [
        (scheme, "", params) for scheme, params in challenges
    ]


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "quotes": lambda size: b'a b="' * (size // 5),
    "escapes": lambda size: b'a b="' + b"\\" * size,
    "escaped quotes": lambda size: b'a b="' + b'\\"' * (size // 2),
    "equals": lambda size: b"a " + b"=" * size,
    "letters": lambda size: b"a" * size,
    "token68": lambda size: b"a " + b"b" * size + b"!",
    "blanks": lambda size: b"a" + b" " * size + b"\x00",
    "blanks before equals": lambda size: b"a b" + b" " * size + b"x",
    "blanks and letters": lambda size: b"a " * (size // 2),
    "commas": lambda size: b"," * size,
    "schemes": lambda size: b"a," * (size // 2),
    "pairs": lambda size: b"a=b," * (size // 4),
    "open": lambda size: b'\x00,"' * (size // 3),
    "controls": lambda size: b"\x00," * (size // 2),
}


def steps(value: bytes) -> int:
    """Count the lines that run: the cost apart from the machine, and from what the expressions do inside."""
    count = 0

    def trace(*_: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse_challenges([value])
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", list(HOSTILE))
def test_the_cost_is_linear(name: str) -> None:
    make = HOSTILE[name]
    assert steps(make(20_000)) <= 2 * steps(make(10_000)) + 100
    # Inside the expressions it can't be counted; anything worse than linear would take hours here.
    parse_challenges([make(4_000_000)])


# Basic


def decoded(value: str) -> bytes:
    scheme, _, data = value.partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(data, validate=True)


@pytest.mark.parametrize(
    ("user", "password", "data"),
    [
        ("Aladdin", "open sesame", b"Aladdin:open sesame"),  # RFC 7617 section 2
        ("test", "123\xa3", b"test:123\xc2\xa3"),  # RFC 7617 section 2.1
        ("", "", b":"),
        ("user", "a:b:c", b"user:a:b:c"),
        ("u" * 500, "p" * 500, b"u" * 500 + b":" + b"p" * 500),
        # Normalization Form C: e and a combining accent are one letter.
        ("e\u0301", "\u2126", b"\xc3\xa9:\xce\xa9"),
    ],
)
def test_basic(user: str, password: str, data: bytes) -> None:
    authentication = BasicAuthentication(user, password)
    value = authentication.authorize(REQUEST)
    assert decoded(value) == data
    assert value.isascii()
    assert authentication.constant


def test_basic_answers_once() -> None:
    authentication = BasicAuthentication("user", "secret")
    value = authentication.authorize(REQUEST)
    assert authentication.respond(REQUEST, BASIC, "") == value
    assert authentication.respond(REQUEST, BASIC, "Basic other") == value
    assert authentication.respond(REQUEST, BASIC, value) is None
    assert authentication.respond(REQUEST, parse_challenges([DIGEST]), "") is None
    assert authentication.respond(REQUEST, [], "") is None


@pytest.mark.parametrize("make", [BasicAuthentication, DigestAuthentication, lambda *pair: make_authentication(pair)])
@pytest.mark.parametrize(
    ("user", "password", "message"),
    [
        ("geheim:nis", "geheimnis", "colon in the user name"),
        ("geheim\nnis", "geheimnis", "control character in the user name"),
        ("user", "geheimnis\r\n", "control character in the password"),
        ("user", "geheimnis\x00", "control character in the password"),
        ("user", "geheimnis\x7f", "control character in the password"),
        ("user", "geheimnis\ud800", "surrogate pair in the password"),
        ("geheimnis\udfff", "x", "surrogate pair in the user name"),
    ],
)
def test_what_cannot_be_sent_is_refused(
    make: Callable[[str, str], object], user: str, password: str, message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message) as caught:
        make(user, password)
    assert "geheim" not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("make", [BasicAuthentication, DigestAuthentication, lambda *pair: make_authentication(pair)])
def test_credentials_are_text(make: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="user name must be text, not bytes"):
        make(b"user", "secret")
    with pytest.raises(TypeError, match="password must be text, not NoneType"):
        make("user", None)


# Bearer


@pytest.mark.parametrize("token", ["a", "mF_9.B5f-4.1JqM", "YQ==", "A-Za-z0-9-._~+/=", "x" * 10_000])
def test_bearer(token: str) -> None:
    authentication = BearerAuthentication(token)
    value = f"Bearer {token}"
    assert authentication.authorize(REQUEST) == value
    assert authentication.constant
    challenges = parse_challenges([b'Bearer realm="x", error="invalid_token"'])
    assert authentication.respond(REQUEST, challenges, value) is None
    assert authentication.respond(REQUEST, challenges, "") == value
    assert authentication.respond(REQUEST, BASIC, "") is None


@pytest.mark.parametrize("token", ["", "=", "a b", "a\n", "tok\u00e9n", "a=b", '"quoted"', "Bearer token", "a\r\nX: y"])
def test_a_bearer_token_has_its_syntax(token: str) -> None:
    with pytest.raises(InvalidRequestError, match="RFC 6750") as caught:
        BearerAuthentication(token)
    if len(token) > 3:
        assert token not in str(caught.value)


def test_a_bearer_token_is_text() -> None:
    with pytest.raises(TypeError, match="must be text, not bytes"):
        BearerAuthentication(b"token")  # type: ignore[arg-type]


# What a caller gives


def test_nothing_is_nothing() -> None:
    assert make_authentication(None) is None


def test_an_authentication_stays_what_it_is() -> None:
    given_one = BearerAuthentication("token")
    assert make_authentication(given_one) is given_one


@pytest.mark.parametrize(
    ("given_one", "kind"),
    [
        ("user:secret", "str"),
        (["user", "secret"], "list"),
        (("secret",), "a tuple of another length"),
        (("user", "secret", "more"), "a tuple of another length"),
        (lambda request: "secret", "function"),
        (BasicAuthentication, "type"),
    ],
)
def test_nothing_else_will_do(given_one: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=kind) as caught:
        make_authentication(given_one)
    assert "secret" not in str(caught.value)


def pair(user: str = "user", password: str = "secret") -> Authentication:
    authentication = make_authentication((user, password))
    assert authentication is not None
    return authentication


def test_a_pair_is_basic_unasked() -> None:
    authentication = pair()
    value = authentication.authorize(REQUEST)
    assert decoded(value) == b"user:secret"
    assert authentication.respond(REQUEST, BASIC, value) is None
    assert authentication.respond(REQUEST, BASIC, "") == value
    assert authentication.constant


def test_a_pair_is_digest_where_that_is_asked_for_and_then_never_basic() -> None:
    authentication = pair()
    first = authentication.authorize(REQUEST)
    answer = authentication.respond(REQUEST, parse_challenges([b"Basic realm=x", DIGEST]), first)
    assert answer is not None
    assert answer.startswith('Digest username="user", realm="r"')
    assert not authentication.constant
    assert authentication.authorize(REQUEST).startswith("Digest ")
    # The attacker's try.
    assert authentication.respond(REQUEST, BASIC, "") is None
    assert authentication.respond(REQUEST, BASIC, answer) is None
    # And when the nonce is of no use any more.
    assert authentication.respond(REQUEST, parse_challenges([DIGEST]), answer) is None
    assert authentication.authorize(REQUEST) == ""
    # Other origins are others'.
    other = AuthenticationRequest("GET", "/", "https://example.org:8443")
    assert authentication.authorize(other) == first


def test_a_proxy_is_not_the_server_at_the_same_place() -> None:
    authentication = pair()
    authentication.respond(REQUEST, parse_challenges([DIGEST]), "")
    proxy = AuthenticationRequest("GET", "http://host/", REQUEST.origin, proxy=True)
    assert authentication.authorize(proxy).startswith("Basic ")
    assert authentication.authorize(REQUEST).startswith("Digest ")


def test_a_pair_does_not_answer_what_it_cannot() -> None:
    authentication = pair()
    challenges = parse_challenges([b"Digest realm=r, nonce=n, qop=auth, algorithm=SHA-1024, Basic realm=r"])
    assert authentication.respond(REQUEST, challenges, authentication.authorize(REQUEST)) is None
    assert authentication.authorize(REQUEST) == ""


def test_a_pair_forgets_no_origin_that_asked_for_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpclient.authentication.schemes._MAX_DIGEST_ORIGINS", 3)
    authentication = pair()
    requests = [AuthenticationRequest("GET", "/", f"http://{number}.example") for number in range(5)]
    for request in requests[:3] * 2:
        authentication.respond(request, parse_challenges([DIGEST]), "")
    assert authentication.authorize(requests[4]).startswith("Basic ")
    authentication.respond(requests[3], parse_challenges([DIGEST]), "")
    # More can't be told apart, so none gets the password.
    assert not any(authentication.authorize(request).startswith("Basic ") for request in requests)
    assert authentication.respond(requests[4], BASIC, "") is None


@pytest.mark.parametrize(
    "authentication",
    [BasicAuthentication("user", "geheimnis"), BearerAuthentication("geheimnis"), pair("user", "geheimnis"),
     DigestAuthentication("user", "geheimnis")],
    ids=lambda authentication: type(authentication).__name__,
)  # fmt: skip
def test_secrets_are_not_shown(authentication: Authentication) -> None:
    value = authentication.respond(REQUEST, parse_challenges([DIGEST, b"Basic realm=x, Bearer realm=x"]), "")
    assert value is not None
    for text in (repr(authentication), str(authentication), f"{authentication}"):
        assert text == f"<{type(authentication).__name__}>"
    assert repr(REQUEST) == "<AuthenticationRequest GET https://example.org>"


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_what_is_constant_can_be_copied(make: Callable[[Authentication], Authentication]) -> None:
    for authentication in (BasicAuthentication("user", "secret"), BearerAuthentication("token")):
        assert make(authentication).authorize(REQUEST) == authentication.authorize(REQUEST)


# Somebody's own


def test_one_may_write_another() -> None:
    class Hmac(Authentication):
        def authorize(self, request: AuthenticationRequest) -> str:
            return f"Mac {request.method} {request.target} {request.origin} {request.body!r} {dict(request.fields)}"

    request = AuthenticationRequest("PUT", "/a?b", "http://host", Body(b"data"), fields=[("X", "y")])
    own = Hmac()
    assert own.authorize(request) == "Mac PUT /a?b http://host b'data' {'X': 'y'}"
    assert own.respond(request, BASIC, "") is None
    own.learn(request, [b"a=b"], "")
    assert (own.constant, own.learns) == (False, False)
    assert make_authentication(own) is own
    # The base by itself sends nothing.
    assert Authentication().authorize(request) == ""
    assert Authentication().respond(request, BASIC, "") is None


def test_the_body_is_there_if_it_is_in_memory(tmp_path: Path) -> None:
    def body(given_one: Body | None) -> bytes | None:
        return AuthenticationRequest("POST", "/", "http://host", given_one).body

    assert body(None) == b""
    assert body(make_body(b"bytes")) == b"bytes"
    assert body(make_body("text\xe9")) == b"text\xc3\xa9"
    assert body(make_body([b"a", b"b"])) is None
    (tmp_path / "file").write_bytes(b"data")
    with open(tmp_path / "file", "rb") as file:
        assert body(FileBody(file)) is None


# Servers


def test_basic_with_nginx(nginx: Nginx) -> None:
    with TgoHttpClient(False) as client:
        response, sent = call(client, BasicAuthentication(USER, PASSWORD), "GET", nginx.url("http", "/private/1k"))
        assert (response.status_code, len(sent)) == (200, 1)
        response, sent = call(client, pair(USER, "wrong"), "GET", nginx.url("http", "/private/1k"))
        assert (response.status_code, len(sent)) == (401, 1)


@pytest.mark.parametrize(("user", "password"), list(USERS.items()))
def test_a_pair_with_apache(apache: Apache, user: str, password: str) -> None:
    with TgoHttpClient(False) as client:
        basic = pair(user, password)
        response, sent = call(client, basic, "GET", apache.url("/basic/file"))
        assert (response.status_code, [value[:5] for value in sent]) == (200, ["Basic"])
        digest = pair(user, password)
        response, sent = call(client, digest, "GET", apache.url("/once/file"))
        assert (response.status_code, [value[:6] for value in sent]) == (200, ["Basic ", "Digest"])
        response, sent = call(client, digest, "GET", apache.url("/once/file?again"))
        assert (response.status_code, [value[:6] for value in sent]) == (200, ["Digest"])
        # The server takes Basic there, and has asked for Digest before.
        response, sent = call(client, digest, "GET", apache.url("/basic/file"))
        assert (response.status_code, [value[:6] for value in sent]) == (401, [""])
