"""The parser of HTTP/1.1 responses, with bytes alone: every rule of RFC 9112, however the bytes arrive."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpclient.errors import HttpProtocolError, RemoteClosedError
from httpclient.head import Http1ResponseHead, ResponseHead
from httpclient.http1 import _head as _http1_head
from httpclient.http1 import _patterns as _http1_patterns
from httpclient.http1 import response as http1_response
from httpclient.http1.limits import Http1Limits
from httpclient.http1.response import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"


class Recorder:
    """A sink that remembers what it is told; neighbouring data is put together."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def on_informational(self, head: ResponseHead) -> None:
        self.events.append(("informational", describe(head)))

    def on_head(self, head: ResponseHead) -> None:
        self.events.append(("head", describe(head)))

    def on_data(self, view: memoryview) -> None:
        assert isinstance(view, memoryview)
        assert len(view) > 0
        if self.events[-1][0] == "data":
            self.events[-1] = ("data", self.events[-1][1] + bytes(view))
        else:
            self.events.append(("data", bytes(view)))

    def on_response(self, head: ResponseHead, view: memoryview) -> None:
        self.on_head(head)
        if view:
            self.on_data(view)
        self.on_end([])

    def on_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self.events.append(("end", trailers))

    @property
    def body(self) -> bytes:
        return b"".join(value for kind, value in self.events if kind == "data")

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1][0] == "end"


def describe(head: ResponseHead) -> tuple[int, bytes, str, tuple[tuple[bytes, bytes], ...]]:
    return head.status, head.reason, head.version, tuple(head.fields)


class Outcome:
    """What came of feeding a parser."""

    def __init__(self, parser: ResponseParser, sink: Recorder, consumed: int, error: Exception | None) -> None:
        self.parser = parser
        self.sink = sink
        self.consumed = consumed
        self.error = error

    @property
    def summary(self) -> tuple[Any, ...]:
        return (
            self.sink.events,
            self.consumed if self.error is None else None,
            type(self.error),
            self.parser.done,
            self.parser.handed_over,
        )


def feed(
    pieces: list[bytes], *, method: str = "GET", limits: Http1Limits | None = None, parser: ResponseParser | None = None
) -> Outcome:
    """Give the pieces to a parser, each in a buffer with other bytes around it."""
    parser = parser or ResponseParser(limits)
    sink = Recorder()
    parser.start(method, sink)
    consumed = 0
    for piece in pieces:
        buffer = bytearray(b"HTTP/1.1 999 before\r\n\r\n" + piece + b"\r\n\r\nHTTP/1.1 998 after\r\n\r\n")
        start = len(b"HTTP/1.1 999 before\r\n\r\n")
        try:
            count = parser.receive(buffer, start, start + len(piece))
        except (HttpProtocolError, RemoteClosedError) as error:
            return Outcome(parser, sink, consumed, error)
        buffer.clear()  # fails while somebody still holds a view of it
        consumed += count
        if count < len(piece):
            assert parser.done
            break
    return Outcome(parser, sink, consumed, None)


def parse(data: bytes, **options: Any) -> Outcome:
    """Parse at one go; and then again for every way to cut the data in two, and byte by byte: nothing may differ."""
    whole = feed([data], **options)
    for cut in range(1, len(data)):
        assert feed([data[:cut], data[cut:]], **options).summary == whole.summary, cut
    assert feed([data[i : i + 1] for i in range(len(data))], **options).summary == whole.summary
    return whole


def fails(data: bytes, text: str, **options: Any) -> None:
    """The data is refused, and with these words."""
    outcome = parse(data, **options)
    assert isinstance(outcome.error, HttpProtocolError)
    assert text in str(outcome.error)
    assert not outcome.parser.reusable
    assert not outcome.parser.done
    with pytest.raises(HttpProtocolError):
        outcome.parser.receive(bytearray(b"x"), 0, 1)
    with pytest.raises(RuntimeError):
        outcome.parser.start("GET", Recorder())


# RFC 9112 section 6.3: the length of the body


@pytest.mark.parametrize("status", [b"204", b"304"])
@pytest.mark.parametrize(
    "fields", [b"", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"]
)
def test_rule_1_no_body_after_204_and_304(status: bytes, fields: bytes) -> None:
    outcome = parse(b"HTTP/1.1 " + status + b" x\r\n" + fields + b"\r\n")
    assert outcome.sink.ended
    assert outcome.sink.body == b""
    # A 204 with a body announced isn't to be trusted; a 304 may say how long the body would be.
    assert outcome.parser.reusable is (status == b"304" or fields in {b"", b"Content-Length: 0\r\n"})


@pytest.mark.parametrize(
    "fields", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: x\r\n"]
)
def test_rule_1_no_body_after_head(fields: bytes) -> None:
    outcome = parse(OK + fields + b"\r\n", method="HEAD")
    assert outcome.sink.ended
    assert outcome.sink.body == b""
    assert outcome.parser.reusable


def test_rule_1_what_follows_a_bodiless_response_is_surplus() -> None:
    outcome = feed([OK + b"Content-Length: 5\r\n\r\nhello"], method="HEAD")
    assert outcome.sink.body == b""
    assert outcome.consumed == len(OK + b"Content-Length: 5\r\n\r\n")
    assert not outcome.parser.reusable


@pytest.mark.parametrize("fields", [b"", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_rule_2_connect_hands_over(fields: bytes) -> None:
    head = OK + fields + b"\r\n"
    outcome = parse(head + b"\x16\x03", method="CONNECT")
    assert outcome.sink.ended
    assert outcome.sink.body == b""
    assert outcome.consumed == len(head)
    assert outcome.parser.done
    assert outcome.parser.handed_over
    assert not outcome.parser.reusable
    with pytest.raises(RuntimeError):
        outcome.parser.start("GET", Recorder())


def test_rule_2_a_refused_connect_is_an_ordinary_response() -> None:
    outcome = parse(b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno", method="CONNECT")
    assert outcome.sink.body == b"no"
    assert outcome.parser.reusable
    assert not outcome.parser.handed_over


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_rule_3_transfer_encoding_wins_and_the_connection_ends(fields: bytes) -> None:
    outcome = parse(OK + fields + b"\r\n5\r\nhello\r\n0\r\n\r\n")
    assert outcome.sink.body == b"hello"
    assert outcome.sink.ended
    assert not outcome.parser.reusable


@pytest.mark.parametrize("value", [b"chunked", b"CHUNKED", b"Chunked ", b"\tchunked", b", chunked", b"chunked,"])
def test_rule_4_chunked_in_any_case(value: bytes) -> None:
    outcome = parse(OK + b"Transfer-Encoding:" + value + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert outcome.sink.body == b"hello"
    assert outcome.parser.reusable


@pytest.mark.parametrize(
    "fields",
    [
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked;x=1\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunk\r\n ed\r\n",
        b"Transfer-Encoding:\r\n",
    ],
)
def test_rule_4_other_codings_are_refused(fields: bytes) -> None:
    fails(OK + fields + b"\r\n", "Transfer-Encoding")


def test_rule_4_what_is_not_chunked_at_last_ends_with_the_connection() -> None:
    outcome = parse(OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhello")
    assert outcome.sink.body == b"hello"
    assert not outcome.parser.done
    outcome.parser.eof(True)
    assert outcome.sink.ended
    assert not outcome.parser.reusable


@pytest.mark.parametrize(
    "value", [b"", b"-1", b"+5", b"5x", b"0x5", b"5 5", b"1_0", b"5;5", b"5.0", b"5,6", b"5,", b",", b"\xb2", b"9" * 19]
)
def test_rule_5_invalid_content_length(value: bytes) -> None:
    fails(OK + b"Content-Length: " + value + b"\r\n\r\nhello", "Content-Length")


def test_rule_5_conflicting_content_lengths() -> None:
    fails(OK + b"Content-Length: 5\r\nX: y\r\ncontent-length: 6\r\n\r\nhello", "conflicting Content-Length")


@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\nContent-Length: 5\r\n", b"Content-Length: 5, 05\r\n"])
def test_rule_5_repeated_equal_content_lengths_are_one(fields: bytes) -> None:
    outcome = parse(OK + fields + b"\r\nhello")
    assert outcome.sink.body == b"hello"
    assert outcome.parser.reusable


@pytest.mark.parametrize("name", [b"Content-Length", b"content-length", b"CONTENT-LENGTH", b"cOnTeNt-LeNgTh"])
@pytest.mark.parametrize("value", [b"5", b" 5", b"\t 5 \t", b"0000000000000000000000005"])
def test_rule_6_content_length(name: bytes, value: bytes) -> None:
    outcome = parse(OK + name + b":" + value + b"\r\n\r\nhello")
    assert outcome.sink.body == b"hello"
    assert outcome.sink.events[-1] == ("end", [])
    assert outcome.parser.done
    assert outcome.parser.reusable


def test_rule_6_no_bytes() -> None:
    outcome = parse(OK + b"Content-Length: 0\r\n\r\n")
    assert [kind for kind, _ in outcome.sink.events] == ["head", "end"]
    assert outcome.parser.reusable


@pytest.mark.parametrize("data", [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n"])
def test_rule_8_until_the_connection_closes(data: bytes) -> None:
    outcome = parse(OK + b"Connection: keep-alive\r\n\r\n" + data)
    assert not outcome.parser.done
    outcome.parser.eof(True)
    assert outcome.sink.body == data
    assert outcome.sink.ended
    assert outcome.parser.done
    assert not outcome.parser.reusable


# The end of the connection


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "without answering"),
        (b"HTT", "in the middle of the response's head"),
        (OK + b"A: b\r\n", "in the middle of the response's head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "in the middle of the response's head"),
        (OK + b"Content-Length: 5\r\n\r\n", "5 bytes before the end"),
        (OK + b"Content-Length: 5\r\n\r\nhel", "2 bytes before the end"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", "in the middle of a chunked body"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "in the middle of a chunked body"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r", "in the middle of a chunked body"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", "in the middle of a chunked body"),
    ],
)
@pytest.mark.parametrize("clean", [True, False])
def test_closing_in_the_middle_is_an_error(data: bytes, text: str, clean: bool) -> None:
    outcome = feed([data] if data else [])
    assert outcome.parser.begun is bool(data)
    with pytest.raises(RemoteClosedError, match=text):
        outcome.parser.eof(clean)
    assert not outcome.sink.ended
    assert not outcome.parser.reusable
    outcome.parser.eof(clean)  # once is enough


def test_closing_without_close_notify_is_no_end_of_a_body() -> None:
    outcome = feed([OK + b"\r\nhello"])
    with pytest.raises(RemoteClosedError, match="may be missing"):
        outcome.parser.eof(False)
    assert not outcome.sink.ended


def test_closing_after_the_response_is_no_error() -> None:
    outcome = feed([OK + b"Content-Length: 0\r\n\r\n"])
    outcome.parser.eof(False)
    assert not outcome.parser.reusable


# RFC 9112 section 7.1: chunks


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        b"05\r\nhello\r\n006\r\n world\r\n000\r\n\r\n",
        b"B\r\nhello world\r\n0\r\n\r\n",
        b"b\r\nhello world\r\n0\r\n\r\n",
        b'5;a=b\r\nhello\r\n6 ;c;d="e"\r\n world\r\n0;last\r\n\r\n',
        b"5  \r\nhello\r\n6\t\r\n world\r\n0 \r\n\r\n",
        b"".join(b"1\r\n%c\r\n" % byte for byte in b"hello world") + b"0\r\n\r\n",
    ],
)
def test_chunks(body: bytes) -> None:
    outcome = parse(CHUNKED + body)
    assert outcome.sink.body == b"hello world"
    assert outcome.sink.events[-1] == ("end", [])
    assert outcome.parser.reusable


def test_chunk_data_may_look_like_anything() -> None:
    outcome = parse(CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n")
    assert outcome.sink.body == b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"x\r\n",
        b"-5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\r\nhello\r\n",
        b"5 5\r\nhello\r\n",
        b"5;a\x00\r\nhello\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"1_0\r\nhello\r\n",
        b"00000000000000005\r\nhello\r\n",
        b"fffffffffffffffff\r\n",
        b"\xd9\xa5\r\nhello\r\n",
    ],
)
def test_invalid_chunk_size(body: bytes) -> None:
    fails(CHUNKED + body, "invalid chunk size")
    fails(CHUNKED + b"1\r\na\r\n" + body, "invalid chunk size")


@pytest.mark.parametrize(
    "body", [b"5\r\nhello0\r\n\r\n", b"5\r\nhello!\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n"]
)
def test_chunk_longer_than_its_size(body: bytes) -> None:
    fails(CHUNKED + body, "doesn't end where its size says")


def test_chunk_size_too_large() -> None:
    fails(CHUNKED + b"1000000000000000\r\n", "too large")
    assert feed([CHUNKED + b"fffffffffffffff\r\nabc"]).error is None


def test_chunk_extensions_are_bounded() -> None:
    limits = Http1Limits(chunk_extension_bytes=50)
    assert parse(CHUNKED + b"1;" + b"x" * 49 + b"\r\na\r\n0\r\n\r\n", limits=limits).sink.body == b"a"
    fails(CHUNKED + b"1;" + b"x" * 80 + b"\r\na\r\n", "chunk", limits=limits)
    fails(CHUNKED + b"1;" + b"x" * 80, "too long", limits=limits)
    fails(CHUNKED + b"1" + b" " * 80 + b"\r\na\r\n", "chunk", limits=limits)
    fails(CHUNKED + b"1;xxxxxxxxx\r\na\r\n" * 10, "chunk extensions", limits=limits)
    # What the data outweighs may go on for ever.
    chunk = b"14;xxxxxxxxx\r\n" + b"a" * 20 + b"\r\n"
    assert feed([CHUNKED + chunk * 50 + b"0\r\n\r\n"], limits=limits).sink.ended


def test_trailers_are_kept() -> None:
    outcome = parse(CHUNKED + b'1\r\na\r\n0\r\nETag: "x"\r\nX-A:  b \r\nX-A: c\r\n\r\n')
    assert outcome.sink.events[-1] == ("end", [(b"ETag", b'"x"'), (b"X-A", b"b"), (b"X-A", b"c")])
    assert outcome.parser.reusable


def test_a_folded_trailer() -> None:
    outcome = parse(CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n")
    assert outcome.sink.events[-1] == ("end", [(b"A", b"b c")])


@pytest.mark.parametrize(
    "trailers",
    [
        b"A\r\n\r\n",
        b" A: b\r\n\r\n",
        b"A : b\r\n\r\n",
        b"A: b\n\r\n",
        b"A: \x00\r\n\r\n",
        b": b\r\n\r\n",
        b"\n",
        b"A: b\n\n",
    ],
)
def test_invalid_trailers(trailers: bytes) -> None:
    fails(CHUNKED + b"0\r\n" + trailers, "trailer section")


def test_trailers_are_bounded() -> None:
    limits = Http1Limits(trailer_bytes=100, header_count=5)
    fails(
        CHUNKED + b"0\r\nA: " + b"b" * 100 + b"\r\n\r\n", "trailer section of the response exceeds 100", limits=limits
    )
    fails(CHUNKED + b"0\r\n" + b"A: b\r\n" * 6 + b"\r\n", "more than 5 fields in the trailer section", limits=limits)
    assert feed([CHUNKED + b"0\r\n" + b"A: b\r\n" * 5 + b"\r\n"], limits=limits).sink.ended


# RFC 9110 section 15.2: informational responses


def test_informational_responses_are_seen_and_skipped() -> None:
    outcome = parse(
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\nTransfer-Encoding: nonsense\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )
    kinds = [(kind, value[0] if kind != "data" and kind != "end" else None) for kind, value in outcome.sink.events]
    assert kinds == [("informational", 100), ("informational", 103), ("head", 200), ("data", None), ("end", None)]
    assert outcome.sink.body == b"ok"
    assert outcome.parser.reusable


def test_informational_responses_are_bounded() -> None:
    limits = Http1Limits(informational=3)
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    final = OK + b"Content-Length: 0\r\n\r\n"
    parser = ResponseParser(limits)
    for _ in range(3):  # of each response, not of all of a connection
        assert feed([interim * 3 + final], parser=parser).sink.ended
    fails(interim * 4 + final, "more than 3 informational", limits=limits)


def test_101_hands_over() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\n"
    outcome = parse(head + b"other protocol")
    assert [kind for kind, _ in outcome.sink.events] == ["head", "end"]
    assert outcome.consumed == len(head)
    assert outcome.parser.handed_over
    assert outcome.parser.done
    assert not outcome.parser.reusable
    assert outcome.parser.receive(bytearray(b"more"), 0, 4) == 0
    outcome.parser.eof(True)


# RFC 9112 section 9.3: persistence


@pytest.mark.parametrize(
    ("version", "connection", "reusable"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: keep-alive\r\n", True),
        (b"1.1", b"Connection: Keep-Alive\r\n", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.1", b"connection: close\r\n", False),
        (b"1.1", b"Connection:close\r\n", False),
        (b"1.1", b"A: close\r\n", True),
        (b"1.1", b"connection:CLOSE\r\n", False),
        (b"1.1", b"Connection: foo, close , bar\r\n", False),
        (b"1.1", b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"1.1", b"Connection: keep-alive, close\r\n", False),
        (b"1.1", b"Connection: closed\r\n", True),
        (b"1.1", b"Connection: upgrade\r\n", True),
        (b"1.1", b"X-Connection: close\r\n", True),
        (b"1.2", b"", True),
        (b"1.9", b"Connection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
        (b"1.0", b"Connection: Keep-Alive, x\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_persistence(version: bytes, connection: bytes, reusable: bool) -> None:
    for fields in (connection + b"Content-Length: 2\r\n", b"Content-Length: 2\r\n" + connection):
        outcome = parse(b"HTTP/" + version + b" 200 OK\r\n" + fields + b"\r\nok")
        assert outcome.sink.body == b"ok"
        assert outcome.parser.done
        assert outcome.parser.reusable is reusable
        assert outcome.sink.events[0][1][2] == ("1.0" if version == b"1.0" else "1.1")
        if version != b"1.0":
            chunked = fields.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")
            outcome = parse(b"HTTP/" + version + b" 200 OK\r\n" + chunked + b"\r\n2\r\nok\r\n0\r\n\r\n")
            assert outcome.sink.body == b"ok"
            assert outcome.parser.reusable is reusable


def test_chunked_in_http_1_0_is_read_and_the_connection_ends() -> None:
    outcome = parse(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    )
    assert outcome.sink.body == b"ok"
    assert not outcome.parser.reusable


# RFC 9112 sections 2.2, 4 and 5: the head


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK"),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.0 404 Not  Found ", 404, b"Not  Found "),
        (b"HTTP/1.1 200 \xe4\xf6\t!", 200, b"\xe4\xf6\t!"),
        (b"HTTP/1.1 599 x", 599, b"x"),
        (b"HTTP/1.1 999 x", 999, b"x"),
    ],
)
def test_status_line(line: bytes, status: int, reason: bytes) -> None:
    outcome = parse(line + b"\r\nContent-Length: 0\r\n\r\n")
    assert outcome.sink.events[0][1][:2] == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 000 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 O\x07K",
        b"HTTP/1.1 200 O\rK",
        b"HTTP/1.10 200 OK",
        b"HTTP/11 200 OK",
        b"HTTP/1. 200 OK",
        b"HTTP/1.1",
        b"HTTP/",
    ],
)
def test_invalid_status_line(line: bytes) -> None:
    fails(line + b"\r\nContent-Length: 0\r\n\r\n", "invalid status line")


@pytest.mark.parametrize("line", [b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"HTTP/3 200 "])
def test_other_versions(line: bytes) -> None:
    fails(line + b"\r\n\r\n", "version of HTTP")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "doesn't answer in HTTP: the response starts with"),
        (b"http/1.1 200 OK\r\n\r\n", "doesn't answer in HTTP"),
        (b"ICY 200 OK\r\n", "doesn't answer in HTTP"),
        (b"HTTQ", "doesn't answer in HTTP"),
        (b" HTTP/1.1 200 OK\r\n\r\n", "doesn't answer in HTTP"),
        (b"\x00", "doesn't answer in HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS"),
    ],
)
def test_not_http_is_noticed_at_once(data: bytes, text: str) -> None:
    fails(data, text)


def test_http2_unasked() -> None:
    outcome = feed([b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18])
    assert "speaks HTTP/2" in str(outcome.error)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (b"A : b", "white space between name and colon"),
        (b"A\t: b", "white space between name and colon"),
        (b"Content-Length : 5", "white space between name and colon"),
        (b": b", "invalid field name"),
        (b"A b: c", "invalid field name"),
        (b"A(b): c", "invalid field name"),
        (b"\xc4: c", "invalid field name"),
        (b"A", "without a colon"),
        (b"A: b\x00c", "NUL"),
        (b"A: b\rc", "bare carriage return"),
        (b"A: b\r", "bare carriage return"),
        (b"\rA: b", "bare carriage return"),
        (b"A: b\x0bc", "control character"),
        (b"A: b\x7fc", "control character"),
        (b"A: b\nB: c", "bare line feed"),
        (b"A: b\n", "bare line feed"),
    ],
)
def test_invalid_field(field: bytes, text: str) -> None:
    fails(OK + b"X: y\r\n" + field + b"\r\nContent-Length: 0\r\n\r\n", text)
    fails(OK + b"Content-Length: 0\r\n" + field + b"\r\n\r\n", text)
    fails(OK + field + b"\r\nContent-Length: 0\r\n\r\n", text)


def test_bare_line_feeds_among_other_line_ends() -> None:
    for data in (b"HTTP/1.1 200 OK\n\r\n", b"HTTP/1.1 200 OK\nA: b\r\n\r\n", OK + b"A: b\n\n", OK + b"A: b\n\r\n"):
        fails(data, "bare line feed")


def test_white_space_in_front_of_the_first_field() -> None:
    fails(OK + b" A: b\r\nContent-Length: 0\r\n\r\n", "white space between status line and first header field")
    fails(OK + b"\t\r\nContent-Length: 0\r\n\r\n", "white space between status line and first header field")


def test_folded_fields_become_one_line() -> None:
    # RFC 9112 section 5.2: a user agent replaces what folds by spaces.
    outcome = parse(OK + b"A: b\r\n\t c\r\n  d\r\nContent-Length:\r\n 2\r\nE: f\r\n \r\n\r\nok")
    assert dict(outcome.sink.events[0][1][3]) == {b"A": b"b c d", b"Content-Length": b"2", b"E": b"f"}
    assert outcome.sink.body == b"ok"
    assert outcome.parser.reusable


def test_bare_line_feeds_throughout_are_accepted() -> None:
    # RFC 9112 section 2.2: a recipient may take a single LF for the end of a line.
    outcome = parse(b"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nok")
    assert outcome.sink.events[0][1] == (200, b"OK", "1.1", ((b"A", b"b"), (b"Content-Length", b"2")))
    assert outcome.sink.body == b"ok"


@pytest.mark.parametrize("before", [b"\r\n", b"\r\n\r\n", b"\n"])
def test_empty_lines_in_front_are_forgiven(before: bytes) -> None:
    assert parse(before + OK + b"Content-Length: 2\r\n\r\nok").sink.body == b"ok"


def test_empty_lines_in_front_are_bounded() -> None:
    fails(b"\r\n" * 5 + OK + b"Content-Length: 0\r\n\r\n", "empty lines")


def test_fields_are_kept_as_they_came() -> None:
    outcome = parse(
        OK
        + b"Set-Cookie: a=1\r\nset-cookie:b=2\r\nX-Empty:\r\nX-Space: \t \r\nX-Colon: a:b: c\r\n"
        b"Set-Cookie: a=1\r\nX-\xc3: no".replace(b"-\xc3", b"-Latin")
        + b" \xe4\r\nContent-Length: 0\r\n\r\n"
    )
    assert outcome.sink.events[0][1][3] == (
        (b"Set-Cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"X-Empty", b""),
        (b"X-Space", b""),
        (b"X-Colon", b"a:b: c"),
        (b"Set-Cookie", b"a=1"),
        (b"X-Latin", b"no \xe4"),
        (b"Content-Length", b"0"),
    )


def test_head_looks_fields_up_without_listing_them() -> None:
    block = (
        OK + b"Location: /a?B=C \r\nX-Location: no\r\nSet-Cookie: a=1\r\nSET-COOKIE:\tb=2\r\nLocation: second\r\n"
        b"X: Location: no\r\n\r\n"
    )
    head = Http1ResponseHead(200, block)
    listed = ResponseHead(200, b"OK", "2", head.fields)
    for one in (head, listed):
        assert one.get(b"location") == b"/a?B=C"
        assert one.get(b"x-location") == b"no"
        assert one.get(b"cookie") is None
        assert one.get(b"cookie", b"none") == b"none"
        assert one.get_all(b"set-cookie") == [b"a=1", b"b=2"]
        assert one.get_all(b"cookie") == []
    assert head.fields is head.fields
    assert repr(listed) == "<ResponseHead HTTP/2 200 with 6 fields>"


def test_head_limits() -> None:
    limits = Http1Limits(header_bytes=200, header_count=10)
    end = b"Content-Length: 0\r\n\r\n"
    exact = OK + b"A: " + b"b" * (200 - len(OK) - 5 - len(end)) + b"\r\n" + end
    assert len(exact) == 200
    assert parse(exact, limits=limits).sink.ended
    fails(exact.replace(b"A: ", b"A: x"), "head of the response exceeds 200 bytes", limits=limits)
    fails(OK + b"A: " + b"b" * 300, "head of the response exceeds 200 bytes", limits=limits)
    assert parse(OK + b"A: b\r\n" * 9 + end, limits=limits).sink.ended
    fails(OK + b"A: b\r\n" * 10 + end, "more than 10 fields", limits=limits)


def test_default_limits() -> None:
    end = b"Content-Length: 0\r\n\r\n"
    assert feed([OK + b"A: b\r\n" * 255 + end]).sink.ended
    assert "256 fields" in str(feed([OK + b"A: b\r\n" * 256 + end]).error)
    assert feed([OK + b"A: " + b"b" * 65000 + b"\r\n" + end]).sink.ended
    assert "65536 bytes" in str(feed([OK + b"A: " + b"b" * 66000 + b"\r\n" + end]).error)


# One connection, many responses


def test_what_follows_a_response_is_left_and_ends_the_reuse() -> None:
    first = OK + b"Content-Length: 2\r\n\r\nok"
    for response in (first, CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"HTTP/1.1 204 x\r\n\r\n"):
        outcome = parse(response + b"HTTP/1.1 200 sneaked in\r\n\r\n")
        assert outcome.consumed == len(response)
        assert outcome.parser.done
        # Cut right behind the response, its end isn't yet known to be followed by anything.
        assert not feed([response + b"HTTP"]).parser.reusable
        late = feed([response])
        assert late.parser.reusable
        assert late.parser.receive(bytearray(b"HTTP"), 0, 4) == 0
        assert not late.parser.reusable


def test_many_responses_on_one_parser() -> None:
    plain = OK + b"Content-Length: 2\r\n\r\nok"
    responses = [
        ("GET", plain, b"ok"),
        ("GET", plain, b"ok"),
        ("HEAD", OK + b"Content-Length: 2\r\n\r\n", b""),
        ("GET", plain, b"ok"),
        ("GET", OK + b"Content-Length: 3\r\n\r\nyes", b"yes"),
        ("GET", CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"ok"),
        ("POST", b"HTTP/1.1 100 x\r\n\r\n" + plain, b"ok"),
        ("GET", b"HTTP/1.1 304 x\r\nContent-Length: 2\r\n\r\n", b""),
        ("GET", plain, b"ok"),
    ]
    for cut in range(1, 30):
        parser = ResponseParser()
        for method, data, body in responses:
            outcome = feed([data[:cut], data[cut:]], method=method, parser=parser)
            assert outcome.error is None
            assert outcome.sink.ended
            assert outcome.sink.body == body
            assert outcome.parser.done
            assert outcome.parser.reusable


def test_the_same_head_twice_but_for_another_length() -> None:
    """The parser compares a head with the last one; only all of it may count."""
    parser = ResponseParser()
    for length in (b"1", b"12", b"1", b"2", b"12"):
        body = b"x" * int(length)
        assert feed([OK + b"Content-Length: " + length + b"\r\n\r\n" + body], parser=parser).sink.body == body
    assert feed([OK + b"Content-Length: 12\r\n\r\n"], method="HEAD", parser=parser).sink.body == b""


def test_the_next_request_may_start_from_on_end() -> None:
    parser = ResponseParser()
    second = Recorder()

    class Starter(Recorder):
        def on_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
            super().on_end(trailers)
            assert parser.done
            parser.start("GET", second)

    for response in (
        OK + b"Content-Length: 2\r\n\r\nok",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
        OK + b"Content-Length: 0\r\n\r\n",
    ):
        first = Starter()
        parser = ResponseParser()
        second = Recorder()
        parser.start("GET", first)
        data = bytearray(response + response)
        # The surplus isn't taken for the second response: it was there before the second request.
        assert parser.receive(data, 0, len(data)) == len(response)
        assert second.events == []
        assert not parser.done
        assert parser.receive(bytearray(response), 0, len(response)) == len(response)
        assert second.ended


def test_nothing_is_taken_while_no_response_is_due() -> None:
    parser = ResponseParser()
    assert parser.done
    assert parser.receive(bytearray(b"HTTP/1.1 200 OK\r\n\r\n"), 0, 19) == 0
    assert not parser.begun


def test_a_second_request_has_to_wait() -> None:
    parser = ResponseParser()
    parser.start("GET", Recorder())
    with pytest.raises(RuntimeError):
        parser.start("GET", Recorder())


def test_bodies_are_not_copied() -> None:
    body = bytes(range(256)) * 256
    for data in (
        OK + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        CHUNKED + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
    ):
        seen = []

        class Sink(Recorder):
            def on_data(self, view: memoryview) -> None:
                seen.append(view.obj is buffer)  # noqa: B023

        buffer = bytearray(data)
        parser = ResponseParser()
        parser.start("GET", Sink())
        assert parser.receive(buffer, 0, len(buffer)) == len(buffer)
        assert seen == [True]


# Cost


class CountingBuffer(bytearray):
    """Counts the bytes that its methods may look at."""

    scanned = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None, /) -> int:
        CountingBuffer.scanned += (len(self) if end is None else end) - start
        return super().find(sub, start, end)

    def startswith(self, prefix: Any, start: Any = 0, end: Any = None, /) -> bool:
        CountingBuffer.scanned += min(len(prefix), (len(self) if end is None else end) - start)
        return super().startswith(prefix, start, end)


RESPONSES = [
    OK + b"A: " + b"b" * 20000 + b"\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20000,
    OK + b"A: b\r\n" * 250 + b"Content-Length: 3000\r\n\r\n" + b"x" * 3000,
    OK + b"A: b\r\n c\r\n" * 250 + b"Content-Length: 3000\r\n\r\n" + b"x" * 3000,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 16 + OK + b"Content-Length: 3000\r\n\r\n" + b"x" * 3000,
    CHUNKED + b"5\r\nhello\r\n" * 3000 + b"0\r\nA: b\r\n\r\n",
    CHUNKED + b"0\r\n" + b"A: b\r\n" * 250 + b"B: " + b"c" * 10000 + b"\r\n\r\n",
    CHUNKED + b"5;" + b"x" * 16000 + b"\r\nhello\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("data", RESPONSES, ids=range(len(RESPONSES)))
@pytest.mark.parametrize("step", [1, 2, 7])
def test_no_byte_is_looked_at_more_than_a_few_times(data: bytes, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every search in the parser's modules is counted by the bytes it was given."""

    def counted(function: Any) -> Any:
        def wrapper(buffer: Any, start: int = 0, end: int | None = None) -> Any:
            CountingBuffer.scanned += (len(buffer) if end is None else end) - start
            return function(buffer, start, end) if end is not None else function(buffer)

        return wrapper

    def twice_counted(function: Any) -> Any:
        def wrapper(block: bytes) -> Any:
            CountingBuffer.scanned += 4 * len(block)
            return function(block)

        return wrapper

    http1_response.load_patterns()
    for name in ("_match_plain_head", "_match_next_size"):
        monkeypatch.setattr(http1_response, name, counted(getattr(http1_response, name)))
    for name in ("canonical_head", "canonical_trailers"):
        monkeypatch.setattr(http1_response, name, twice_counted(getattr(http1_response, name)))
    CountingBuffer.scanned = 0
    parser = ResponseParser()
    sink = Recorder()
    sink.on_data = lambda view: None  # type: ignore[method-assign]
    parser.start("GET", sink)
    for start in range(0, len(data), step):
        piece = CountingBuffer(data[start : start + step])
        assert parser.receive(piece, 0, len(piece)) == len(piece)
    assert sink.ended
    assert len(data) / 4 < CountingBuffer.scanned + sink.events.count(("data", b"")) + 20000
    assert CountingBuffer.scanned <= 8 * len(data)


@pytest.mark.parametrize("index", range(4))
def test_the_work_grows_with_the_bytes_and_no_faster(index: int) -> None:
    """Twice the data, byte by byte, runs twice as many lines of Python."""

    def lines(count: int) -> int:
        data = (
            OK + b"A: " + b"b" * count + b"\r\nContent-Length: 0\r\n\r\n",
            OK + b"Content-Length: %d\r\n\r\n" % count + b"x" * count,
            CHUNKED + b"5\r\nhello\r\n" * (count // 10) + b"0\r\n\r\n",
            CHUNKED + b"0\r\nA: " + b"b" * count + b"\r\n\r\n",
        )[index]
        parser = ResponseParser()
        parser.start("GET", Recorder())
        total = 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal total
            total += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for byte in data:
                parser.receive(bytearray((byte,)), 0, 1)
        finally:
            sys.settrace(before)
        assert parser.done
        return total

    few, many = lines(2000), lines(4000)
    assert 1.5 < many / few < 2.2


# Anything at all


PIECES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 404",
    b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 204 x",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"Content-Length: 5",
    b"Content-Length: ",
    b"content-length:0",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding:",
    b"Connection: close",
    b"A: b",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0",
    b"5",
    b"a",
    b"ffffffff",
    b"hello",
    b"\x00",
    b"\xff",
]

anything = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=20).map(
        lambda parts: OK + b"".join(parts)
    ),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=3)), max_size=20).map(
        lambda parts: CHUNKED + b"".join(parts)
    ),
)


@settings(max_examples=400, deadline=None)
@given(
    data=anything, cuts=st.lists(st.integers(0, 250), max_size=6), method=st.sampled_from(["GET", "HEAD", "CONNECT"])
)
@example(data=OK + b"Content-Length: 5\r\n\r\nhello", cuts=[], method="GET")
def test_nothing_but_our_errors_and_the_same_however_it_is_cut(data: bytes, cuts: list[int], method: str) -> None:
    places = sorted({cut for cut in cuts if 0 < cut < len(data)})
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    whole = feed([data] if data else [], method=method)
    parts = feed([piece for piece in pieces if piece], method=method)
    assert parts.summary == whole.summary
    for outcome in (whole, parts):
        assert not (outcome.parser.reusable and not outcome.parser.done)
        ends = [kind for kind, _ in outcome.sink.events if kind == "end"]
        assert len(ends) == outcome.parser.done
        if not outcome.parser.done and outcome.error is None:
            try:
                outcome.parser.eof(True)
            except RemoteClosedError:
                assert not outcome.sink.ended
            else:
                assert outcome.sink.ended


token = st.text("abcXYZ019-_!", min_size=1, max_size=8).map(lambda text: text.encode("ascii"))
value = st.binary(max_size=12).map(lambda data: bytes(byte for byte in data if byte >= 32 and byte != 127))


@settings(max_examples=200, deadline=None)
@given(
    fields=st.lists(st.tuples(token.map(lambda name: b"X-" + name), value), max_size=12),
    chunks=st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    chunked=st.booleans(),
    step=st.integers(1, 40),
)
def test_what_is_written_is_what_is_read(
    fields: list[tuple[bytes, bytes]], chunks: list[bytes], chunked: bool, step: int
) -> None:
    body = b"".join(chunks)
    lines = b"".join(name + b": " + content + b"\r\n" for name, content in fields)
    if chunked:
        framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        data = OK + lines + b"Transfer-Encoding: chunked\r\n\r\n" + framed
    else:
        data = OK + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body
    outcome = feed([data[i : i + step] for i in range(0, len(data), step)])
    assert outcome.error is None
    assert outcome.sink.ended
    assert outcome.sink.body == body
    assert outcome.parser.reusable
    expected = [(name, content.strip(b" \t")) for name, content in fields]
    assert list(outcome.sink.events[0][1][3])[:-1] == expected


def test_the_plain_head_is_a_subset_of_the_valid_one() -> None:
    """What the fast expression takes, the slow way takes too, and frames alike."""
    for fields, length in (
        (b"", _http1_head.UNTIL_CLOSE),
        (b"Content-Length: 7\r\n", 7),
        (b"content-LENGTH:7\r\n", 7),
        (b"Transfer-Encoding: chunked\r\n", _http1_head.CHUNKED),
        (b"Connection: keep-alive\r\nContent-Length: 7\r\nContent-Type: a\r\nTrailer: x\r\nCache-Control: y\r\n", 7),
        (b"Connection: close\r\nContent-Length: 7\r\n", 7),
    ):
        block = OK + fields + b"\r\n"
        assert _http1_patterns.match_plain_head(block) is not None
        assert _http1_head.canonical_head(block) == block
        assert _http1_head.body_framing("GET", Http1ResponseHead(200, block))[0] == length
    for fields in (
        b"Content-Length: 7\r\nContent-Length: 7\r\n",
        b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"TRANSFER-ENCODING: chunked, chunked\r\n",
        b"Connection: Close\r\n",
        b"CONNECTION: keep-alive, close\r\n",
        b"Content-Length : 7\r\n",
        b"Content-Length: -7\r\n",
    ):
        assert _http1_patterns.match_plain_head(OK + fields + b"\r\n") is None
