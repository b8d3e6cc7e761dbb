"""Request heads and chunks, and everything that may not go on the wire."""

from __future__ import annotations

from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient.errors import InvalidRequestError
from httpclient.http1.request import (
    build_head,
    check_field_name,
    check_field_value,
    check_method,
    check_target,
    encode_chunk,
    encode_field_value,
)

HOST = ("Host", "example.org")


def test_a_head() -> None:
    fields = [HOST, ("Accept", "*/*"), ("X-Empty", ""), ("X-A", "1"), ("x-a", "2")]
    assert build_head("GET", "/a?b=c", fields) == (
        b"GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nX-Empty: \r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    )


def test_a_head_without_fields() -> None:
    assert build_head("OPTIONS", "*", []) == b"OPTIONS * HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("method", ["GET", "get", "M-SEARCH", "!#$%&'*+-.^_`|~09azAZ"])
def test_methods_are_tokens_and_stay_as_they_are(method: str) -> None:
    assert check_method(method) == method
    assert build_head(method, "/", []).startswith(method.encode() + b" / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "method", ["", " GET", "GET ", "GE T", "GET\r\n", "GET\n", "GET\x00", "G:T", "GÉT", "GET/", "GET / HTTP/1.1\r\nX: "]
)
def test_invalid_methods(method: str) -> None:
    with pytest.raises(InvalidRequestError, match="method"):
        build_head(method, "/", [HOST])


@pytest.mark.parametrize("target", ["/", "*", "/%20?a=b&c", "host:443", "http://host/path", "/!$&'()*+,;=:@~"])
def test_targets(target: str) -> None:
    assert check_target(target) == target


@pytest.mark.parametrize(
    "target", ["", "/ ", "/a b", "/\r\nX: y", "/\n", "/\x00", "/\x7f", "/\t", "/é", "/ HTTP/1.1\r\nHost: b", "/\u2028"]
)
def test_invalid_targets(target: str) -> None:
    with pytest.raises(InvalidRequestError, match="target"):
        build_head("GET", target, [HOST])


@pytest.mark.parametrize(
    "name", ["", " A", "A ", "A:", "A B", "A\r\n", "A\r\nB", "A\x00", "Ä", "A(b)", "A\t", ":path", "A\n", "A\u212a"]
)
def test_invalid_names(name: str) -> None:
    for _ in range(2):  # what is remembered are good names
        with pytest.raises(InvalidRequestError, match="field name"):
            build_head("GET", "/", [HOST, (name, "x")])
        with pytest.raises(InvalidRequestError, match="field name"):
            check_field_name(name)


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
@pytest.mark.parametrize("template", ["{}", "a{}", "{}b", "a{}b", "a {}ä"])
def test_control_characters_in_values(code: int, template: str) -> None:
    with pytest.raises(InvalidRequestError, match="control character"):
        build_head("GET", "/", [HOST, ("X-A", template.format(chr(code)))])


def test_the_message_names_the_field_but_not_its_value() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build_head("GET", "/", [("Authorization", "Bearer secret\r\nX: y")])
    assert "Authorization" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (" a ", b"a"),
        ("\t a\tb \t", b"a\tb"),
        ("", b""),
        ("   ", b""),
        ("ä", b"\xe4"),
        ("\x80\xa0\xff", b"\x80\xa0\xff"),
        ("€", b"\xe2\x82\xac"),
        ("ä€", b"\xc3\xa4\xe2\x82\xac"),
        ("\u2028", b"\xe2\x80\xa8"),
    ],
)
def test_values_are_latin_1_or_else_utf_8(value: str, sent: bytes) -> None:
    assert encode_field_value(check_field_value(value)) == sent
    assert build_head("GET", "/", [("X-A", value)]) == b"GET / HTTP/1.1\r\nX-A: " + sent + b"\r\n\r\n"


def test_one_value_beyond_latin_1_leaves_the_others_alone() -> None:
    head = build_head("GET", "/", [("A", "ä"), ("B", "€"), ("C", "ö")])
    assert head == b"GET / HTTP/1.1\r\nA: \xe4\r\nB: \xe2\x82\xac\r\nC: \xf6\r\n\r\n"


def test_half_a_surrogate_pair() -> None:
    with pytest.raises(InvalidRequestError, match="surrogate"):
        build_head("GET", "/", [("A", "\ud800")])


@pytest.mark.parametrize("value", [b"bytes", 5, None, ["a"]])
def test_values_have_to_be_text(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="isn't text but"):
        build_head("GET", "/", [("A", value)])  # type: ignore[list-item]


class Sneaky(str):
    """Text that says of itself what isn't true."""

    __slots__ = ()

    def isascii(self) -> bool:
        return True

    def isprintable(self) -> bool:
        return True

    def __str__(self) -> str:
        return "x\r\ny"

    def __format__(self, specification: str) -> str:
        return "x\r\ny"


def test_a_class_of_text_cannot_talk_its_way_past_the_check() -> None:
    with pytest.raises(InvalidRequestError):
        build_head("GET", "/", [("A", Sneaky("a\r\nB: c"))])
    head = build_head(Sneaky("GET"), Sneaky("/"), [(Sneaky("A"), Sneaky("b")), (Sneaky("A"), Sneaky("c"))])
    assert head == b"GET / HTTP/1.1\r\nA: b\r\nA: c\r\n\r\n"


def test_members_of_an_enum_stand_for_their_text() -> None:
    class Names(str, Enum):  # noqa: UP042 - StrEnum formats as its text anyway
        ACCEPT = "Accept"
        ANY = "*/*"

    assert build_head("GET", "/", [(Names.ACCEPT, Names.ANY)]) == b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"


@given(
    method=st.text(max_size=5),
    target=st.text(max_size=8),
    fields=st.lists(st.tuples(st.text(max_size=4), st.text(max_size=8)), max_size=4),
)
def test_whatever_is_passed_becomes_one_request_or_an_error(
    method: str, target: str, fields: list[tuple[str, str]]
) -> None:
    try:
        head = build_head(method, target, fields)
    except InvalidRequestError:
        return
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    assert len(lines) == 1 + len(fields)
    assert lines[0].count(b" ") == 2
    for line in lines:
        assert not any((byte < 32 and byte != 9) or byte == 127 for byte in line)


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (b"hello", b"5\r\nhello\r\n"),
        (b"x" * 26, b"1a\r\n" + b"x" * 26 + b"\r\n"),
        (bytearray(b"\r\n"), b"2\r\n\r\n\r\n"),
        (memoryview(b"abcdef")[1:3], b"2\r\nbc\r\n"),
        (memoryview(bytes(8)).cast("I"), b"8\r\n" + bytes(8) + b"\r\n"),
        (b"", b"0\r\n\r\n"),
    ],
)
def test_chunks(data: bytes, chunk: bytes) -> None:
    assert encode_chunk(data) == chunk
