"""Header fields: what the original has, and what Python users expect."""

from __future__ import annotations

import copy
import ctypes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient.errors import InvalidRequestError
from httpclient.headers import TgoHttpHeader, TgoHttpHeaders
from nghttp2_api import NGHTTP2_NV_FLAG_NONE, nghttp2_nv

PAIRS = [("Host", "h"), ("Set-Cookie", "a=1"), ("X-A", "1"), ("set-cookie", "b=2"), ("x-a", "2")]


def headers() -> TgoHttpHeaders:
    return TgoHttpHeaders(PAIRS)


# What the original has


def test_add_or_set_adds() -> None:
    fields = TgoHttpHeaders()
    fields.add_or_set("Accept", "*/*")
    fields.add_or_set("Host", "h")
    assert fields.items() == [("Accept", "*/*"), ("Host", "h")]


def test_add_or_set_takes_the_place_of_the_first_and_removes_the_others() -> None:
    fields = headers()
    fields.add_or_set("X-a", "new")
    assert fields.items() == [("Host", "h"), ("Set-Cookie", "a=1"), ("X-a", "new"), ("set-cookie", "b=2")]


@pytest.mark.parametrize("text", ["Name: a value", "Name:a value", "Name:\ta value  "])
def test_add_or_set_in_one_piece(text: str) -> None:
    fields = TgoHttpHeaders()
    fields.add_or_set(text)
    assert fields.items() == [("Name", "a value")]


def test_add_or_set_keeps_colons_of_the_value() -> None:
    fields = TgoHttpHeaders()
    fields.add_or_set("Location: http://h:1/")
    assert fields.value("location") == "http://h:1/"
    with pytest.raises(InvalidRequestError, match="colon"):
        fields.add_or_set("no colon")


def test_value_and_index_of() -> None:
    fields = headers()
    assert fields.value("SET-COOKIE") == "a=1"
    assert fields.value("missing") == ""
    assert fields.index_of("x-A") == 2
    assert fields.index_of("missing") == -1
    assert TgoHttpHeaders([("A", "  b")]).value("a") == "b"


def test_as_string() -> None:
    assert headers().as_string() == "Host: h\r\nSet-Cookie: a=1\r\nX-A: 1\r\nset-cookie: b=2\r\nx-a: 2\r\n"
    assert TgoHttpHeaders().as_string() == ""


@pytest.mark.parametrize(
    ("name", "value"), [("A", "b\r\nC: d"), ("A\r\nB", "c"), ("A:", "b"), ("", "b"), ("A", "\x00")]
)
def test_what_may_not_be_sent_is_not_written(name: str, value: str) -> None:
    fields = TgoHttpHeaders([("Fine", "x"), (name, value)])
    with pytest.raises(InvalidRequestError):
        fields.as_string()
    with pytest.raises(InvalidRequestError):
        fields.as_ng_http2_array()


def shown(array: ctypes.Array[nghttp2_nv]) -> list[tuple[bytes, bytes]]:
    for header in array:
        assert header.namelen == len(header.name)
        assert header.valuelen == len(header.value)
        assert header.flags == NGHTTP2_NV_FLAG_NONE
    return [(header.name, header.value) for header in array]


def test_as_ng_http2_array() -> None:
    fields = TgoHttpHeaders([("Accept", " */* "), ("X-Umlaut", "ä"), ("X-Euro", "€"), ("X-Empty", "")])
    array = fields.as_ng_http2_array()
    del fields
    expected = [(b"accept", b"*/*"), (b"x-umlaut", b"\xe4"), (b"x-euro", b"\xe2\x82\xac"), (b"x-empty", b"")]
    assert shown(array) == expected
    # As in the original, more can be put behind: what one array holds, the next keeps alive.
    more = TgoHttpHeaders([("Last", "x" * 1000)]).as_ng_http2_array(array)
    del array
    assert shown(more) == [*expected, (b"last", b"x" * 1000)]
    assert len(TgoHttpHeaders().as_ng_http2_array()) == 0


def test_pseudo_fields_may_go_into_an_array() -> None:
    assert shown(TgoHttpHeaders([(":method", "GET")]).as_ng_http2_array()) == [(b":method", b"GET")]


def test_headers_property() -> None:
    fields = headers()
    listed = fields.headers
    assert [(header.name, header.value) for header in listed] == PAIRS
    listed[0].value = "changed"
    assert fields.value("host") == "h"
    fields.headers = listed[:1]
    assert fields.items() == [("Host", "changed")]


def test_a_header() -> None:
    header = TgoHttpHeader("X-Ä", "ß€")
    assert header.name_as_iso8859 == b"X-\xc4"
    assert header.value_as_iso8859 == b"\xc3\x9f\xe2\x82\xac"
    assert TgoHttpHeader("A", "b") == TgoHttpHeader("a", "b")
    assert TgoHttpHeader("A", "b") != TgoHttpHeader("A", "B")
    assert TgoHttpHeader("A", "b") != ("A", "b")
    assert repr(TgoHttpHeader("A", "b")) == "TgoHttpHeader('A', 'b')"
    assert "secret" not in repr(TgoHttpHeader("Authorization", "secret"))


# What Python users expect


def test_as_a_mapping() -> None:
    fields = headers()
    assert fields["HOST"] == "h"
    assert fields["x-a"] == "1, 2"
    assert "hOsT" in fields
    assert "missing" not in fields
    assert 5 not in fields
    assert len(fields) == 3
    assert list(fields) == fields.keys() == ["Host", "Set-Cookie", "X-A"]
    assert fields.values() == ["h", "a=1", "1", "b=2", "2"]
    assert fields.items() == PAIRS
    with pytest.raises(KeyError, match="missing"):
        fields["missing"]


def test_get() -> None:
    fields = headers()
    assert fields.get("x-a") == "1, 2"
    assert fields.get("missing") is None
    assert fields.get("missing", "default") == "default"
    # RFC 9110 section 5.3: these can't be joined.
    assert fields.get("set-cookie") == "a=1"
    assert fields.get_all("set-cookie") == ["a=1", "b=2"]
    assert fields.get_all("missing") == []


def test_set_delete_remove_and_clear() -> None:
    fields = headers()
    fields["X-A"] = "3"
    fields["New"] = "4"
    assert fields.get_all("x-a") == ["3"]
    del fields["set-cookie"]
    assert fields.items() == [("Host", "h"), ("X-A", "3"), ("New", "4")]
    with pytest.raises(KeyError, match="set-cookie"):
        del fields["set-cookie"]
    fields.remove("set-cookie")
    fields.remove("NEW")
    assert fields.items() == [("Host", "h"), ("X-A", "3")]
    fields.clear()
    assert not fields
    assert fields.items() == []


def test_add_and_setdefault() -> None:
    fields = TgoHttpHeaders()
    fields.add("A", "1")
    fields.add("a", "2")
    assert fields.items() == [("A", "1"), ("a", "2")]
    assert fields.setdefault("A", "3") == "1, 2"
    assert fields.setdefault("B", "3") == "3"
    assert fields["b"] == "3"


def test_update() -> None:
    fields = headers()
    fields.update({"host": "other", "New": "1"})
    fields.update([("X-A", "7"), ("Y", "1"), ("x-a", "8")])
    assert fields.items() == [
        ("host", "other"),
        ("Set-Cookie", "a=1"),
        ("X-A", "7"),
        ("x-a", "8"),
        ("set-cookie", "b=2"),
        ("New", "1"),
        ("Y", "1"),
    ]
    fields.update(TgoHttpHeaders({"Y": "2"}))
    assert fields["y"] == "2"


def test_made_from_anything() -> None:
    assert TgoHttpHeaders().items() == []
    assert TgoHttpHeaders({"A": "b", "C": "d"}).items() == [("A", "b"), ("C", "d")]
    assert TgoHttpHeaders(iter(PAIRS)).items() == PAIRS
    assert TgoHttpHeaders(headers()).items() == PAIRS
    assert TgoHttpHeaders([(b"A", b"\xe4")]).items() == [("A", "ä")]  # type: ignore[list-item]
    length: Any = {"Content-Length": 5}
    assert TgoHttpHeaders(length).items() == [("Content-Length", "5")]
    wrong: Any
    for wrong in ({"A": None}, {"A": True}, {"A": 1.5}, {"A": ["x"]}, ["ab", "cd"], "ab"):
        with pytest.raises(InvalidRequestError):
            TgoHttpHeaders(wrong)
    with pytest.raises(InvalidRequestError):
        TgoHttpHeaders([(5, "x")])  # type: ignore[list-item]


def test_copies_are_independent() -> None:
    fields = headers()
    for other in (fields.copy(), copy.copy(fields), copy.deepcopy(fields), TgoHttpHeaders(fields)):
        other["X-A"] = "changed"
        other.add("More", "x")
        assert fields.items() == PAIRS


def test_equality() -> None:
    assert headers() == headers()
    assert TgoHttpHeaders({"A": "1", "B": "2"}) == TgoHttpHeaders([("b", "2"), ("a", "1")])
    assert TgoHttpHeaders({"A": "1"}) == {"a": "1"}
    assert TgoHttpHeaders({"A": "1"}) != {"a": "2"}
    assert TgoHttpHeaders([("A", "1"), ("A", "2")]) != TgoHttpHeaders([("A", "2"), ("A", "1")])
    assert TgoHttpHeaders({"A": "1"}) != TgoHttpHeaders({"A": "1", "B": "2"})
    assert TgoHttpHeaders() != 5
    assert TgoHttpHeaders() != {5: 6}
    with pytest.raises(TypeError):
        hash(TgoHttpHeaders())


def test_repr_hides_secrets() -> None:
    fields = TgoHttpHeaders(
        {
            "Host": "h",
            "authorization": "secret",
            "Cookie": "secret",
            "SET-COOKIE": "secret",
            "Proxy-Authorization": "secret",
        }
    )
    assert "secret" not in repr(fields)
    assert "('Host', 'h')" in repr(fields)


def test_dict_takes_it() -> None:
    assert dict(headers()) == {"Host": "h", "Set-Cookie": "a=1", "X-A": "1, 2"}


def test_the_version_changes_with_every_change() -> None:
    fields = headers()
    seen = {fields.version}

    def changed() -> None:
        assert fields.version not in seen
        seen.add(fields.version)

    fields.add("A", "1")
    changed()
    fields.add_or_set("A", "2")
    changed()
    fields["A"] = "3"
    changed()
    fields.update({"A": "4"})
    changed()
    fields.setdefault("B", "5")
    changed()
    fields.remove("A")
    changed()
    del fields["B"]
    changed()
    fields.headers = []
    changed()
    fields.clear()
    changed()
    fields.get("x")
    fields.items()
    fields.remove("missing")
    assert fields.version in seen


# Received fields


def test_received_fields_are_decoded_when_asked_for() -> None:
    received = [(b"Server", b"x"), (b"X-Latin", b"\xe4"), (b"server", b"y")]
    fields = TgoHttpHeaders.from_fields(received)
    assert fields._pairs is None
    assert fields["x-latin"] == "ä"
    assert fields.items() == [("Server", "x"), ("X-Latin", "ä"), ("server", "y")]
    fields.add("More", "z")
    fields["Server"] = "w"
    assert received == [(b"Server", b"x"), (b"X-Latin", b"\xe4"), (b"server", b"y")]
    assert [header.value_as_iso8859 for header in fields.headers] == [b"w", b"\xe4", b"z"]


@given(st.lists(st.tuples(st.sampled_from(["A", "a", "B", "b", "C"]), st.sampled_from(["add", "set", "remove"]))))
def test_it_does_what_a_list_of_pairs_would(steps: list[tuple[str, str]]) -> None:
    fields = TgoHttpHeaders()
    model: list[tuple[str, str]] = []
    for number, (name, step) in enumerate(steps):
        same = [index for index, pair in enumerate(model) if pair[0].lower() == name.lower()]
        if step == "add":
            fields.add(name, str(number))
            model.append((name, str(number)))
        elif step == "remove":
            fields.remove(name)
            model = [pair for index, pair in enumerate(model) if index not in same]
        else:
            fields[name] = str(number)
            if same:
                model[same[0]] = (name, str(number))
                model = [pair for index, pair in enumerate(model) if index not in same[1:]]
            else:
                model.append((name, str(number)))
        assert fields.items() == model
        assert (name in fields) is any(pair[0].lower() == name.lower() for pair in model)
