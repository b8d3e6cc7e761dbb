"""From bytes to text."""

from __future__ import annotations

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpclient.content import charset as charset_module
from httpclient.content.charset import content_charset, decode_text, find_codec


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html; charset=utf-8", "utf-8"),
        ("text/html;charset=UTF-8", "utf-8"),
        ('text/html; charset="utf-8"', "utf-8"),
        ("text/html; charset='utf-8'", "utf-8"),
        ("text/html; Charset = windows-1252 ; x=y", "windows-1252"),
        ('text/html; charset="a\\"b"', 'a"b'),
        ('multipart/x; boundary="; charset=wrong"; charset=right', "right"),
        ("text/html; x-charset=wrong; charset=right", "right"),
        ("text/html; charset=first; charset=second", "first"),
        ("text/html; charset=", ""),
        ('text/html; charset="', ""),
        ("text/html; charset", ""),
        ("text/html", ""),
        ("charset=utf-8", ""),
        ("", ""),
    ],
)
def test_content_charset(content_type: str, charset: str) -> None:
    assert content_charset(content_type) == charset
    assert content_charset(content_type.encode()) == charset


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "Grüße €"),
        ("UTF8", "Grüße €"),
        ("iso-8859-1", "Grüße"),
        ("latin1", "Grüße"),
        ("iso-8859-15", "Grüße €"),
        ("windows-1252", "Grüße €"),
        ("koi8-r", "Привет"),
        ("windows-1251", "Привет"),
        ("shift_jis", "日本語"),
        ("euc-jp", "日本語"),
        ("iso-2022-jp", "日本語"),
        ("gbk", "汉语"),
        ("gb18030", "汉语𠀀"),
        ("big5", "漢語"),
        ("euc-kr", "한국어"),
        ("utf-16-be", "Grüße €"),
        ("utf-32-le", "Grüße €"),
        ("us-ascii", "plain"),
    ],
)
def test_any_charset_that_python_knows(charset: str, text: str) -> None:
    assert decode_text(text.encode(charset), charset) == text
    assert decode_text(bytearray(text.encode(charset)), charset) == text
    assert decode_text(memoryview(text.encode(charset)), charset) == text


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("charset", ["", "utf-8", "iso-8859-1", "utf-16"])
def test_a_byte_order_mark_decides(codec: str, charset: str) -> None:
    assert decode_text("Grüße".encode(codec), charset) == "Grüße"


def test_big_endian_marks() -> None:
    assert decode_text(b"\xfe\xff" + "ä".encode("utf-16-be")) == "ä"
    assert decode_text(b"\x00\x00\xfe\xff" + "ä".encode("utf-32-be")) == "ä"


def test_only_a_mark() -> None:
    assert decode_text(b"\xef\xbb\xbf", "utf-8") == ""


def test_the_default_is_utf_8() -> None:
    assert decode_text("ä".encode()) == "ä"
    assert decode_text("ä".encode(), "no-such-charset") == "ä"
    assert decode_text(b"\xe4", "", "iso-8859-1") == "ä"
    assert decode_text("ä".encode(), "", "no-such-charset") == "ä"


def test_what_does_not_fit_is_replaced() -> None:
    assert decode_text(b"a\xffb", "utf-8") == "a\ufffdb"
    assert decode_text(b"a\xe4b", "ascii") == "a\ufffdb"


@pytest.mark.parametrize(
    "charset",
    [
        "", "no-such-charset", "base64", "hex", "rot13", "zlib", "idna", "punycode", "unicode_escape",
        "raw-unicode-escape", "undefined", "utf-8\x00", "\x00", "ütf-8", "x" * 1000, "../utf-8", "utf 8 ; x",
    ],
)  # fmt: skip
def test_what_is_no_charset_is_not_taken_for_one(charset: str) -> None:
    assert find_codec(charset) in {"", "utf-8"}
    assert decode_text(b"\\x41 \xc3\xa4", charset) == "\\x41 ä"


@given(
    st.binary(max_size=50),
    st.one_of(st.sampled_from(["utf-7", "utf-16", "utf-32", "hz", "cp037"]), st.text(max_size=8)),
)
def test_there_is_always_text(data: bytes, charset: str) -> None:
    assert isinstance(decode_text(data, charset), str)


@given(st.text(max_size=60))
def test_any_content_type_can_be_looked_at(text: str) -> None:
    assert isinstance(content_charset("a/b;" + text), str)


def test_names_that_are_made_up_take_no_memory_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python keeps each name that it is asked for, in its own spelling or not."""
    monkeypatch.setattr(charset_module, "_unknown", set())
    monkeypatch.setattr(charset_module, "_known", {})
    remembered: dict[str, object] = encodings._cache
    before = len(remembered)
    for number in range(3000):
        assert find_codec(f"made-up-{number}") == ""
        assert find_codec("big" + "-" * (number % 30 + 1) + "5") in {"", "big5"}
    assert len(remembered) <= before + 300
    # And those that exist are still found.
    for name in ("utf-8", "ISO-8859-15", "windows-1251", "Shift_JIS", "KOI8-R", "utf-16", "ISO_8859-1:1987"):
        assert find_codec(name), name
