"""Makes responses that are nearly right, and checks the parser and what stands on it against slow and simple readers.

``scripts/fuzz SECONDS`` runs it for long; ``test_http1_properties`` for a moment. Every input comes from the seed.
"""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING

from httpclient.content.charset import content_charset, decode_text
from httpclient.content.decoding import ContentDecoder, content_codings
from httpclient.errors import DecodingError, HttpProtocolError, InvalidRequestError, RemoteClosedError
from httpclient.headers import TgoHttpHeaders
from httpclient.http1.request import build_head
from httpclient.http1.response import ResponseParser
from tests.httpclient import http1_oracle
from tests.httpclient.differential_cases import CASES

if TYPE_CHECKING:
    from httpclient.head import ResponseHead

METHODS = ("GET", "GET", "GET", "HEAD", "CONNECT", "POST")

#: What is put into responses.
PARTS = [
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b";", b",", b"\0", b"\x0b", b"\x7f", b"\x80", b"\xff"),
    *(b"0", b"5", b"a", b"f" * 16, b"0\r\n\r\n", b"5\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b"-", b"+", b"0x", b"_"),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 100 x\r\n\r\n", b"HTTP/1.1 204 x\r\n"),
    b"HTTP/1.1 304 x\r\n",
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:7\r\n", b"Content-Length: 5, 5\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:Chunked\r\n", b"Transfer-Encoding: identity\r\n"),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"connection: x, Close\r\n", b"A: b\r\n"),
    b"A: b\r\n c\r\n",
    *(b"Set-Cookie: a=b\r\n", b"hello", b"\r\n 5", b"Cont", b"HTTP/", b"Tc"),
]  # fmt: skip


class Sink:
    """Remembers what a parser says."""

    def __init__(self) -> None:
        self.heads: list[tuple[int, bytes, http1_oracle.Fields]] = []
        self.body = b""
        self.trailers: http1_oracle.Fields | None = None

    def on_informational(self, head: ResponseHead) -> None:
        self.on_head(head)

    def on_head(self, head: ResponseHead) -> None:
        self.heads.append((head.status, head.reason, head.fields))

    def on_data(self, view: memoryview) -> None:
        self.body += view

    def on_response(self, head: ResponseHead, view: memoryview) -> None:
        self.on_head(head)
        self.on_data(view)
        self.on_end([])

    def on_end(self, trailers: http1_oracle.Fields) -> None:
        assert self.trailers is None
        self.trailers = trailers


def parse(pieces: list[bytes], method: str, parser: ResponseParser | None = None) -> http1_oracle.Reading:
    """Return what the parser makes of the bytes, with nothing but its own errors raised."""
    parser = parser or ResponseParser()
    sink = Sink()
    parser.start(method, sink)
    consumed = 0
    whole = 0
    try:
        for piece in pieces:
            whole += len(piece)
            taken = parser.receive(bytearray(piece), 0, len(piece))
            consumed += taken
            if taken < len(piece):
                assert parser.done
    except HttpProtocolError:
        assert not parser.done
        assert not parser.reusable
        return http1_oracle.Reading("invalid", sink.heads, sink.body)
    if parser.done:
        reusable = parser.reusable
        assert not (reusable and consumed < whole)
        return http1_oracle.Reading("complete", sink.heads, sink.body, sink.trailers, consumed, reusable)
    assert not parser.reusable
    try:
        parser.eof(True)
    except RemoteClosedError:
        return http1_oracle.Reading("incomplete", sink.heads, sink.body)
    assert sink.trailers == []
    return http1_oracle.Reading("until close", sink.heads, sink.body)


def check_response(data: bytes, method: str, cuts: list[int]) -> str:
    """Compare the parser with the oracle: with the bytes as one, cut at some places, and each byte alone.

    :return: what kind of response it was.
    """
    expected = http1_oracle.read(data, method)
    places = sorted({cut for cut in cuts if 0 < cut < len(data)})
    for pieces in (
        [data],
        [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)],
        [data[at : at + 1] for at in range(len(data))],
    ):
        found = parse([piece for piece in pieces if piece], method)
        assert found == expected, (method, data, [len(piece) for piece in pieces], found, expected)
    if expected.kind == "complete" and expected.reusable:
        check_again(data, method, expected)
    return expected.kind


def check_again(data: bytes, method: str, expected: http1_oracle.Reading) -> None:
    """What is complete reads the same a second time, on the same connection, and when it is written anew."""
    parser = ResponseParser()
    for _ in range(2):
        assert parse([data], method, parser) == expected
    status, reason, fields = expected.heads[-1]
    lines = [b"HTTP/1.1 %d %b" % (status, reason)]
    lines += [name + b": " + value for name, value in fields if name.lower() not in {b"content-length", b"transfer-encoding"}]  # fmt: skip  # noqa: E501
    if method != "HEAD" and status not in {204, 304}:
        lines.append(b"Content-Length: %d" % len(expected.body))
    anew = parse([b"\r\n".join(lines) + b"\r\n\r\n" + expected.body], method)
    assert anew.kind == "complete"
    assert anew.body == expected.body
    assert anew.heads[0][:2] == (status, reason)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change a few places of a response."""
    result = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 5))):
        at = chance.randrange(len(result) + 1)
        change = chance.randrange(5)
        if change == 0:
            del result[at : at + chance.choice((1, 1, 2, 5))]
        elif change == 1:
            result[at:at] = chance.choice(PARTS)
        elif change == 2:
            result[at : at + 1] = bytes((chance.randrange(256),))
        elif change == 3:
            other = chance.randrange(len(result) + 1)
            result[at:at] = result[min(at, other) : max(at, other)][:50]
        else:
            lines = bytes(result).split(b"\r\n")
            line = chance.randrange(len(lines))
            lines.insert(chance.randrange(len(lines) + 1), lines[line])
            result = bytearray(b"\r\n".join(lines))
    return bytes(result)


SHORT = [case.data for case in CASES if len(case.data) < 400]


def response(chance: random.Random) -> bytes:
    """Make a response, or something that looks like one."""
    if chance.random() < 0.7:
        return mutated(chance.choice(SHORT), chance)
    start = chance.choice((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b""))
    return start + b"".join(chance.choice(PARTS) for _ in range(chance.randrange(12)))


def check_request(chance: random.Random) -> None:
    """What is written is one request, and reads as what was given."""
    letters = "aZ09-:_ \t\r\n\0\x7fä€\ud800\u2028;,="
    text = "".join(chance.choice(letters) for _ in range(chance.randrange(6)))
    fields = [
        (chance.choice(("A", "B-c", text or "x")), "".join(chance.choice(letters) for _ in range(chance.randrange(6))))
        for _ in range(chance.randrange(4))
    ]
    method, target = chance.choice(("GET", "POST", text)), chance.choice(("/", "/a?b", text))
    try:
        head = build_head(method, target, fields)
    except InvalidRequestError:
        return
    assert head.count(b"\r\n\r\n") == 1
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    assert not any(mark in line for line in lines for mark in (b"\r", b"\n", b"\0"))
    assert lines[0].decode("ascii") == f"{method} {target} HTTP/1.1"
    for line, (name, value) in zip(lines[1:], fields, strict=True):
        written, _, content = line.partition(b": ")
        assert written.decode("ascii") == name
        try:
            assert content.decode("latin-1") == value.strip(" \t")
        except AssertionError:
            assert content.decode("utf-8") == value.strip(" \t")
    assert [name for name, _ in TgoHttpHeaders(fields).items()] == [name for name, _ in fields]


def check_text(chance: random.Random) -> None:
    """Any Content-Type and any bytes give some text."""
    parts = (
        "text/plain",
        ";",
        " ",
        "charset",
        "=",
        '"',
        "\\",
        "utf-8",
        "x",
        "'",
        "\t",
        "ä",
        "\0",
        "utf-7",
        "utf-16",
        ",",
    )
    content_type = "".join(chance.choice(parts) for _ in range(chance.randrange(14)))
    charset = content_charset(content_type)
    assert charset == content_charset(content_type.encode("latin-1"))
    if '"' not in content_type and "\\" not in content_type:
        assert charset in content_type.lower()
    assert isinstance(decode_text(chance.randbytes(chance.randrange(20)), charset), str)


def check_coding(chance: random.Random) -> None:
    """Bodies that follow their coding or nearly do: the same in any pieces, and no errors but our own."""
    case = chance.choice(CODED)
    _, _, body = case.partition(b"\r\n\r\n")
    codings = content_codings([case.partition(b"Content-Encoding: ")[2].partition(b"\r\n")[0]])
    if chance.random() < 0.7:
        body = mutated(body, chance)
    results = []
    for size in (len(body) or 1, 1, chance.randrange(1, 40)):
        decoded = b""
        try:
            decoder = ContentDecoder(codings)
            for at in range(0, len(body), size):
                decoded += b"".join(decoder.decode(body[at : at + size]))
            decoder.finish()
        except DecodingError:
            results.append((False, b""))
        else:
            results.append((True, decoded))
    assert results[0] == results[1] == results[2], (codings, body, results)


CODED = [
    case.data
    for case in CASES
    if case.group in {"codings", "broken codings"}
    and b"chunked" not in case.data
    and content_codings([case.data.partition(b"Content-Encoding: ")[2].partition(b"\r\n")[0]])
]


def run(seed: int, rounds: int) -> dict[str, int]:
    """Run so many rounds from a seed; return how often each kind of response came up."""
    chance = random.Random(seed)
    kinds: dict[str, int] = {}
    for _ in range(rounds):
        data = response(chance)
        kind = check_response(data, chance.choice(METHODS), [chance.randrange(len(data) + 1) for _ in range(3)])
        kinds[kind] = kinds.get(kind, 0) + 1
        check_request(chance)
        check_text(chance)
        check_coding(chance)
    return kinds


def main(arguments: list[str]) -> int:
    """Run for so many seconds, from one seed to the next; say which seed failed."""
    seconds = float(arguments[0]) if arguments else 60.0
    seed = int(arguments[1]) if len(arguments) > 1 else random.SystemRandom().randrange(1 << 32)
    end = time.monotonic() + seconds
    total: dict[str, int] = {}
    while time.monotonic() < end:
        try:
            for kind, count in run(seed, 200).items():
                total[kind] = total.get(kind, 0) + count
        except BaseException:
            print(f"seed {seed}: scripts/fuzz 1 {seed} repeats this", file=sys.stderr)
            raise
        seed += 1
    print(f"{sum(total.values())} responses: {total}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
