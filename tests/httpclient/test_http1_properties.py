"""What holds for every response and request of HTTP/1.1, not only for those that somebody thought of.

The parser is compared with ``http1_oracle``, which shares no code with it; ``fuzz`` makes the bytes, and runs longer
by ``scripts/fuzz``.
"""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpclient.content.charset import content_charset
from httpclient.content.decoding import ContentDecoder
from httpclient.http1 import _patterns as _http1_patterns
from httpclient.http1 import response as http1_response
from httpclient.http1.response import ResponseParser
from tests.httpclient import fuzz
from tests.httpclient.differential_cases import CASES

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("seed", range(8))
def test_a_moment_of_fuzzing(seed: int) -> None:
    kinds = fuzz.run(seed, 400)
    assert kinds.keys() == {"invalid", "incomplete", "complete", "until close"}


@pytest.mark.parametrize("case", [case for case in CASES if len(case.data) < 20_000], ids=lambda case: case.name)
def test_every_case_reads_as_the_oracle_says(case: Any) -> None:
    if case.name in {
        *("many fields/300 fields", "bad chunks/30,000 bytes of extensions", "bad chunks/300 trailers"),
        "odd interim/1,000 of 103",
    }:
        return  # limits that the oracle doesn't know
    fuzz.check_response(case.data, case.method, list(range(7, len(case.data), 101)))


@pytest.mark.parametrize("seed", range(8))
def test_the_long_way_alone_reads_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the first responses of a process are read, before the regular expressions are there."""
    for name in ("_match_plain_head", "_match_next_size"):
        monkeypatch.setattr(http1_response, name, lambda buffer, start, end: None)
    assert fuzz.run(seed, 200).keys() == {"invalid", "incomplete", "complete", "until close"}
    for case in CASES[seed::8]:
        long = fuzz.parse([case.data] if case.data else [], case.method)
        with monkeypatch.context() as patch:
            patch.setattr(http1_response, "_match_plain_head", _http1_patterns.match_plain_head)
            patch.setattr(http1_response, "_find_close", _http1_patterns.find_close)
            patch.setattr(http1_response, "_match_next_size", _http1_patterns.match_next_size)
            assert fuzz.parse([case.data] if case.data else [], case.method) == long


def test_the_regular_expressions_are_there_after_some_responses() -> None:
    program = """if True:
        import sys
        from httpclient.http1.response import ResponseParser
        class Sink:
            on_head = on_data = on_end = on_response = lambda *_: None
        parser = ResponseParser()
        for number in range(20):
            head = b"HTTP/1.1 200 OK\\r\\nDate: %d\\r\\nContent-Length: 0\\r\\n\\r\\n" % number
            parser.start("GET", Sink())
            parser.receive(bytearray(head), 0, len(head))
            print("re" in sys.modules)
        """
    done = subprocess.run([sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert loaded[0] == "False"
    assert loaded[-1] == "True"


@pytest.mark.parametrize("case", [case for case in CASES if len(case.data) < 160], ids=lambda case: case.name)
def test_every_place_to_cut_a_short_one(case: Any) -> None:
    whole = fuzz.parse([case.data] if case.data else [], case.method)
    for cut in range(1, len(case.data)):
        assert fuzz.parse([case.data[:cut], case.data[cut:]], case.method) == whole, cut


parts = st.one_of(st.sampled_from(fuzz.PARTS), st.binary(max_size=4))
heads = st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b""])  # fmt: skip  # noqa: E501


@settings(max_examples=300, deadline=None)
@given(
    head=heads,
    rest=st.lists(parts, max_size=15).map(b"".join),
    method=st.sampled_from(fuzz.METHODS),
    cuts=st.lists(st.integers(0, 200), max_size=4),
)
def test_the_parser_and_the_oracle_agree(head: bytes, rest: bytes, method: str, cuts: list[int]) -> None:
    fuzz.check_response(head + rest, method, cuts)


# Cost


def calls(function: Callable[[], object]) -> int:
    """Count the calls, of Python's and of C functions, that a function makes."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def receive(data: bytes, step: int) -> None:
    parser = ResponseParser()
    parser.start("GET", fuzz.Sink())
    for at in range(0, len(data), step):
        piece = bytearray(data[at : at + step])
        parser.receive(piece, 0, len(piece))
    assert parser.done


OK = b"HTTP/1.1 200 OK\r\n"
GROWING: dict[str, Callable[[int], bytes]] = {
    "fields": lambda n: OK + b"A: b\r\n" * (n // 8) + b"Content-Length: 0\r\n\r\n",
    "folded": lambda n: OK + b"A: b\r\n" + b" c\r\n" * (n // 8) + b"Content-Length: 0\r\n\r\n",
    "a value": lambda n: OK + b"A: " + b"b" * n + b"\r\nContent-Length: 0\r\n\r\n",
    "chunks": lambda n: OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * n + b"0\r\n\r\n",
    "an extension": lambda n: OK + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * n + b"\r\na\r\n0\r\n\r\n",
    "trailers": lambda n: OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * (n // 8) + b"\r\n",
    "interim": lambda n: b"HTTP/1.1 100 x\r\n\r\n" * (n // 128) + OK + b"Content-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("step", [1, 3, 100])
@pytest.mark.parametrize("name", GROWING)
def test_calls_grow_with_the_bytes_and_no_faster(name: str, step: int) -> None:
    small, large = (GROWING[name](size) for size in (500, 2000))
    few, many = calls(lambda: receive(small, step)), calls(lambda: receive(large, step))
    assert many <= few * (len(large) / len(small)) * 1.2 + 40


def test_the_calls_of_a_plain_response() -> None:
    """The hot path: one call for the response, and what it calls. More would cost every request."""
    data = bytearray(OK + b"Content-Type: text/plain\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello")
    parser = ResponseParser()

    class Sink:
        @staticmethod
        def on_response(_head: object, _view: object) -> None: ...

    sink = Sink()
    for limit in (13, 7):  # the first time, and again
        parser.start("GET", sink)
        assert calls(lambda: parser.receive(data, 0, len(data))) <= limit
        assert parser.done


@pytest.mark.parametrize("case", fuzz.CODED, ids=range(len(fuzz.CODED)))
def test_decoders_work_in_proportion(case: bytes) -> None:
    """Byte by byte, and many times as much of the same kind: no more calls for each byte."""
    from httpclient.content.decoding import content_codings
    from httpclient.errors import DecodingError

    codings = content_codings([case.partition(b"Content-Encoding: ")[2].partition(b"\r\n")[0]])
    body = case.partition(b"\r\n\r\n")[2]

    def decode(data: bytes) -> None:
        try:
            decoder = ContentDecoder(codings)
            for at in range(len(data)):
                for _ in decoder.decode(data[at : at + 1]):
                    pass
        except DecodingError:
            pass

    decode(body)  # what is imported at first isn't counted
    once, often = calls(lambda: decode(body)), calls(lambda: decode(body * 8))
    assert often <= once * 8 * 1.5 + 100


@pytest.mark.parametrize(
    "unit", [";", "; ", ";a", ";a=", ';a="', ';a="\\', "; charset", ';charset="', "\\", '"', "; \t", ';a="\\"']
)
def test_a_content_type_of_a_megabyte(unit: str) -> None:
    """In quadratic time it would be hours, and the limit of the test would end it."""
    content_charset("text/plain" + unit * (1_000_000 // len(unit)))


def test_seeds_repeat() -> None:
    first, second = random.Random(5), random.Random(5)
    assert [fuzz.response(first) for _ in range(50)] == [fuzz.response(second) for _ in range(50)]
