"""Bodies and queries made of values."""

from __future__ import annotations

import decimal
import enum
import io
import json
import urllib.parse
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient import BodyError, InvalidUrlError, TgoHttpHeaders
from httpclient.content.forms import FORM_TYPE, JSON_TYPE, form_body, json_body, with_params
from httpclient.uri import TgoURI, parse
from tests.httpclient.ways import Way, both_ways

if TYPE_CHECKING:
    from tests.servers.nginx import Nginx


def form(fields: Any) -> str:
    body, content_type = form_body(fields)
    assert content_type == FORM_TYPE == "application/x-www-form-urlencoded"
    assert type(body.data) is bytes
    assert body.length == len(body.data)
    assert body.repeatable
    return body.data.decode("ascii")


class Colour(enum.StrEnum):
    RED = "rot"


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ""),
        ([], ""),
        ({"a": "1", "b": "2"}, "a=1&b=2"),
        ([("b", "2"), ("a", "1"), ("b", "3")], "b=2&a=1&b=3"),
        (iter([("a", "1")]), "a=1"),
        (TgoHttpHeaders([("a", "1"), ("a", "2")]), "a=1&a=2"),
        (OrderedDict(z="1", a="2"), "z=1&a=2"),
        ({"a": ["1", 2, b"3", None, 4.5]}, "a=1&a=2&a=3&a=4.5"),
        ({"a": (), "b": None, "c": ""}, "c="),
        ({"a": (str(n) for n in range(3)), "b": range(2)}, "a=0&a=1&a=2&b=0&b=1"),
        ({"": ""}, "="),
        ({1: 2, b"\xff": b"\x00\xfe"}, "1=2&%FF=%00%FE"),
        ({"n": -5, "f": 0.1, "g": 1e300, "h": -0.0}, "n=-5&f=0.1&g=1e%2B300&h=-0.0"),
        ({"b": bytearray(b"a b"), "m": memoryview(b"abcd")[::2]}, "b=a+b&m=ac"),
        ({"e": Colour.RED, "i": Number.ONE}, "e=rot&i=1"),
        # URL Standard section 5.2: these stay, a space is a plus, and everything else is encoded.
        ({"*-._": "*-._"}, "*-._=*-._"),
        ({"a b": "~!'()@"}, "a+b=%7E%21%27%28%29%40"),
        ({"k&=+": "v&=+%#;"}, "k%26%3D%2B=v%26%3D%2B%25%23%3B"),
        ({"ä": "日本😀"}, "%C3%A4=%E6%97%A5%E6%9C%AC%F0%9F%98%80"),
        ({"l": "a\r\nb\nc\x00"}, "l=a%0D%0Ab%0Ac%00"),
    ],
)
def test_forms(fields: Any, expected: str) -> None:
    assert form(fields) == expected


WRONG: list[tuple[Any, str]] = [
    ("a=b", "mapping or pairs.*not str"),
    (b"a=b", "not bytes"),
    (5, "not int"),
    (["ab", "cd"], "no pair"),
    ([("a", "b", "c")], "no pair"),
    ([5], "no pair"),
    ({None: "x"}, "name of a field is None"),
    ({"a": True}, "'a' is a bool"),
    ({"a": [False]}, "'a' is a bool"),
    ({True: "a"}, "name of a field is a bool"),
    ({"a": float("nan")}, "'a' is nan"),
    ({"a": float("-inf")}, "'a' is -inf"),
    ({"a": {"b": "c"}}, "'a' is a dict"),
    ({"a": [["b"]]}, "not list"),
    ({"a": decimal.Decimal(1)}, "not Decimal"),
    ({"a": object()}, "not object"),
    ({"a": io.BytesIO(b"x")}, "files="),
    ({"a": "\ud800"}, "surrogate"),
    ({"\udc80": "a"}, "surrogate"),
    ({"a": 10**5000}, "too long"),
]


@pytest.mark.parametrize(("fields", "why"), WRONG)
def test_what_can_be_read_in_two_ways_is_refused(fields: Any, why: str) -> None:
    with pytest.raises(BodyError, match=why):
        form_body(fields)
    if not isinstance(fields, (str, bytes)):
        with pytest.raises(InvalidUrlError, match=why):
            with_params(TgoURI("http://h/"), fields)


def test_no_error_shows_a_value() -> None:
    with pytest.raises(BodyError) as caught:
        form_body({"password": "secret\ud800"})
    assert "secret" not in str(caught.value)


PAIRS = st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.binary()), max_size=5)


@given(PAIRS)
def test_a_form_is_decoded_to_what_it_was(pairs: list[tuple[str, bytes]]) -> None:
    decoded = urllib.parse.parse_qsl(form(pairs), keep_blank_values=True, encoding="latin-1")
    assert [(name.encode("latin-1").decode(), value.encode("latin-1")) for name, value in decoded] == pairs


# JSON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, None, True], "b": {}}, '{"a":[1,2.5,null,true],"b":{}}'),
        ("Grüße 😀", '"Grüße 😀"'),
        ([], "[]"),
        (None, "null"),
        (0, "0"),
        ("", '""'),
        ({1: "x"}, '{"1":"x"}'),
    ],
)
def test_json(value: Any, expected: str) -> None:
    body, content_type = json_body(value)
    assert content_type == JSON_TYPE == "application/json"
    assert body.data == expected.encode()
    assert body.repeatable


def test_what_json_cannot_say_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value, why in (
        (float("nan"), "NaN or an infinity"),
        ({"a": [float("inf")]}, "NaN or an infinity"),
        (b"bytes", "bytes is not JSON"),
        ({"a": object()}, "object is not JSON"),
        ({(1, 2): 3}, "keys must be"),
        (circle, "Circular"),
        (deep, "recursion"),
        ("\ud800", "surrogate"),
    ):
        with pytest.raises(BodyError, match=why):
            json_body(value)


# Params


def params(url: str, given: Any) -> str:
    before = parse(url)
    text = before.to_string()
    after = with_params(before, given)
    assert before.to_string() == text
    assert after.to_string().startswith(text.partition("?")[0].partition("#")[0])
    return after.query


@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("http://h/", None, ""),
        ("http://h/", {}, ""),
        ("http://h/?a=1", None, "a=1"),
        ("http://h/?a=1", {"b": None}, "a=1"),
        ("http://h/", {"a": "1"}, "a=1"),
        ("http://h", {"a": "1"}, "a=1"),
        ("http://h/?", {"a": "1"}, "a=1"),
        ("http://h/?a=1", {"b": "2"}, "a=1&b=2"),
        ("http://h/?a=1&", {"b": "2"}, "a=1&b=2"),
        ("http://h/?b", [("a", 1), ("b", [2, 3]), ("a", 4)], "b&a=1&b=2&b=3&a=4"),
        ("http://h/?x=%2b+%20", {"a": "+ "}, "x=%2b+%20&a=%2B%20"),
        ("http://h/", {"q": "a&b=c#d?e/f;g%20"}, "q=a%26b%3Dc%23d%3Fe%2Ff%3Bg%2520"),
        ("http://h/", {"ä": "日"}, "%C3%A4=%E6%97%A5"),
        ("http://h/", {"a": "-._~*"}, "a=-._~%2A"),
        ("http://h/", {"a": ""}, "a="),
        # Encoded already.
        ("http://h/?a", "b=%20+&c", "a&b=%20+&c"),
        ("http://h/", "b c=ä#d%", "b%20c=%C3%A4%23d%25"),
        ("http://h/", b"b=%C3%A4", "b=%C3%A4"),
        ("http://h/?a", "", "a"),
    ],
)
def test_params(url: str, given: Any, expected: str) -> None:
    assert params(url, given) == expected


def test_params_keep_the_rest_of_the_url() -> None:
    uri = with_params(parse("https://u%40:p@[::1]:81/p%2F?q#f"), {"a": "b"})
    assert uri.to_string() == "https://u%40:p@[::1]:81/p%2F?q&a=b#f"
    assert uri.target == "/p%2F?q&a=b"
    uri.path = "/own"  # not shared


@pytest.mark.parametrize(("given", "why"), [("a\r\nb", "control"), ("\x00", "control"), (b"\xff", "UTF-8")])
def test_params_that_are_refused(given: Any, why: str) -> None:
    with pytest.raises(InvalidUrlError, match=why):
        with_params(TgoURI("http://h/"), given)


@given(PAIRS)
def test_params_mean_the_same_to_every_decoder(pairs: list[tuple[str, bytes]]) -> None:
    query = with_params(TgoURI("http://h/"), pairs).query
    as_form = urllib.parse.parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    as_uri = [
        tuple(urllib.parse.unquote_to_bytes(part) for part in pair.split("=")) for pair in query.split("&") if pair
    ]
    expected = [(name.encode(), value) for name, value in pairs]
    assert [(name.encode("latin-1"), value.encode("latin-1")) for name, value in as_form] == expected
    assert as_uri == expected
    assert TgoURI(f"http://h/?{query}").query == query


# On the wire


@both_ways
def test_a_server_understands_them(way: Way, nginx: Nginx) -> None:
    url = nginx.url("http", "/echo")
    with way.client() as http:
        for (body, content_type), expected in (
            (form_body({"a": "1 2", "ä": "&"}), b"a=1+2&%C3%A4=%26"),
            (json_body({"ä": 1}), '{"ä":1}'.encode()),
        ):
            response = way.request(http, "POST", url, data=body.data, headers={"Content-Type": content_type})
            assert response.content == expected
            assert response.headers["content-type"] == content_type
        target = with_params(parse(nginx.url("http", "/path?a=1")), {"b": "c d+e"}).to_string()
        assert way.get(http, target).text == "/path?a=1&b=c%20d%2Be"


def test_json_comes_back() -> None:
    value: Any = {"name": "Grüße\n", "list": [1, -2.5, None, False, {"x": []}]}
    assert json.loads(json_body(value)[0].data) == value
