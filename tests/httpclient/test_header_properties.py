"""What holds for header fields, whatever they are: in the container, on the wire, and back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from httpclient import TgoHttpHeaders
from httpclient.errors import InvalidRequestError
from httpclient.head import Http1ResponseHead, ResponseHead, parse_fields
from httpclient.http1.request import build_head

names = st.text("aAbB-_1!", min_size=1, max_size=4)
values = st.text(st.characters(codec="latin-1", categories=("L", "N", "P", "S", "Zs")), max_size=8)
fields = st.lists(st.tuples(names, values), max_size=8)
anything = st.lists(st.tuples(st.text(max_size=4), st.text(max_size=6)), max_size=5)


def wire(pairs: list[tuple[str, str]]) -> bytes:
    return build_head("GET", "/", pairs)


@given(fields)
def test_what_is_sent_is_received(pairs: list[tuple[str, str]]) -> None:
    block = wire(pairs)
    received = TgoHttpHeaders.from_fields(parse_fields(block, block.find(b"\n") + 1))
    assert received.items() == [(name, value.strip(" \t")) for name, value in pairs]
    # Once more, and nothing has changed.
    assert wire(received.items()) == block
    if not any(value != value.strip(" \t") for _, value in pairs):
        assert received == TgoHttpHeaders(pairs)
        assert received.as_string() == TgoHttpHeaders(pairs).as_string()


@given(fields, names)
def test_both_kinds_of_head_find_the_same(pairs: list[tuple[str, str]], wanted: str) -> None:
    """The one that searches its bytes, and the one that has a list."""
    block = b"HTTP/1.1 200 OK\r\n" + wire(pairs).partition(b"\r\n")[2]
    searched = Http1ResponseHead(200, block)
    listed = ResponseHead(200, b"OK", "1.1", parse_fields(block, block.find(b"\n") + 1))
    name = wanted.lower().encode("ascii")
    assert searched.get(name) == listed.get(name)
    assert searched.get_all(name) == listed.get_all(name)
    assert searched.fields == listed.fields
    assert (searched.reason, searched.version, searched.coded) == (listed.reason, listed.version, listed.coded)


@given(fields, names)
def test_every_way_to_look_agrees(pairs: list[tuple[str, str]], wanted: str) -> None:
    headers = TgoHttpHeaders(pairs)
    same = [value for name, value in pairs if name.lower() == wanted.lower()]
    assert headers.get_all(wanted) == headers.get_all(wanted.swapcase()) == same
    assert headers.get(wanted) == (", ".join(same) if same else None)
    assert headers.value(wanted) == (same[0].lstrip(" \t") if same else "")
    assert (wanted in headers) is bool(same) is (headers.index_of(wanted) >= 0)
    assert len(headers) == len(headers.keys()) == len({name.lower() for name, _ in pairs})
    assert dict(headers) == {name: headers[name] for name in headers}
    assert headers == headers.copy() == TgoHttpHeaders(headers.items())


@settings(max_examples=300)
@given(anything)
def test_anything_is_sent_as_one_request_or_refused(pairs: list[tuple[str, str]]) -> None:
    headers = TgoHttpHeaders(pairs)
    assert headers.items() == pairs
    try:
        block = wire(headers.items())
    except InvalidRequestError:
        refused = True
    else:
        refused = False
        assert block.count(b"\n") == len(pairs) + 2
        assert block.endswith(b"\r\n\r\n")
        assert block.find(b"\r\n\r\n") == len(block) - 4
    # HTTP/2 is told the same, and so is who writes them out.
    try:
        headers.as_string()
    except InvalidRequestError:
        assert refused
    else:
        assert not refused


@given(fields, st.lists(st.tuples(names, values), max_size=4))
def test_update_sets_what_is_named_and_nothing_else(pairs: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
    headers = TgoHttpHeaders(pairs)
    headers.update(new)
    named = {name.lower() for name, _ in new}
    assert [pair for pair in headers.items() if pair[0].lower() not in named] == [
        pair for pair in pairs if pair[0].lower() not in named
    ]
    for name in named:
        assert headers.get_all(name) == [value for other, value in new if other.lower() == name]
