"""Responses that HTTP clients are compared by: legal ones, odd ones, and ones that break the rules of RFC 9112."""

from __future__ import annotations

import gzip
import zlib
from typing import NamedTuple

import brotli  # type: ignore[import-untyped]

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


class Case(NamedTuple):
    """One response.

    :ivar name: group and name, ``chunks/no last chunk``.
    :ivar data: what the server sends, at once.
    :ivar closes: the server closes the connection after that; otherwise it waits for another request.
    :ivar method: the method of the request.
    :ivar text: the text is compared, not the bytes, by those who have one.
    """

    name: str
    data: bytes
    closes: bool = False
    method: str = "GET"
    text: bool = False

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]


CASES: list[Case] = []


def _add(group: str, cases: dict[str, bytes], *, closes: bool = False, method: str = "GET", text: bool = False) -> None:
    for name, data in cases.items():
        CASES.append(Case(f"{group}/{name}", data, closes, method, text))


# Status lines (RFC 9112 section 4)

_add("status", {str(n): b"HTTP/1.1 %d x\r\n" % n + HELLO for n in (200, 201, 202, 203, 206, 226, 299)})
_add("status", {str(n): b"HTTP/1.1 %d x\r\nLocation: /x\r\n" % n + HELLO for n in (300, 301, 302, 303, 305, 307, 308)})
_add("status", {str(n): b"HTTP/1.1 %d x\r\n" % n + HELLO for n in (400, 401, 404, 407, 408, 418, 421, 425, 429, 451)})
_add("status", {str(n): b"HTTP/1.1 %d x\r\n" % n + HELLO for n in (500, 502, 503, 504, 511, 599)})
_add("status", {str(n): b"HTTP/1.1 %d x\r\n" % n + HELLO for n in (600, 999)})
_add(
    "status line",
    {
        "no reason": b"HTTP/1.1 200 \r\n" + HELLO,
        "no space before no reason": b"HTTP/1.1 200\r\n" + HELLO,
        "a reason of several words": b"HTTP/1.1 200 All is well\r\n" + HELLO,
        "a reason in Latin-1": b"HTTP/1.1 200 Gr\xfc\xdfe\r\n" + HELLO,
        "a reason in UTF-8": "HTTP/1.1 200 Grüße\r\n".encode() + HELLO,
        "a tab in the reason": b"HTTP/1.1 200 a\tb\r\n" + HELLO,
        "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + HELLO,
        "HTTP/1.9": b"HTTP/1.9 200 OK\r\n" + HELLO,
        "an empty line in front": b"\r\n" + OK + HELLO,
        "two empty lines in front": b"\r\n\r\n" + OK + HELLO,
    },
)
_add(
    "bad status line",
    {
        "HTTP/0.9": b"hello",
        "HTML": b"<html>\r\n<body>hello</body></html>\r\n\r\n",
        "HTTP/2": b"HTTP/2 200 OK\r\n" + HELLO,
        "HTTP/2.0": b"HTTP/2.0 200 OK\r\n" + HELLO,
        "HTTP/0.9 as a version": b"HTTP/0.9 200 OK\r\n" + HELLO,
        "HTTP/1": b"HTTP/1 200 OK\r\n" + HELLO,
        "HTTP/1.10": b"HTTP/1.10 200 OK\r\n" + HELLO,
        "HTTP/11": b"HTTP/11 200 OK\r\n" + HELLO,
        "http/1.1": b"http/1.1 200 OK\r\n" + HELLO,
        "ICY": b"ICY 200 OK\r\n" + HELLO,
        "no version": b"200 OK\r\n" + HELLO,
        "no status": b"HTTP/1.1 \r\n" + HELLO,
        "nothing but a version": b"HTTP/1.1\r\n" + HELLO,
        "two digits": b"HTTP/1.1 20 OK\r\n" + HELLO,
        "four digits": b"HTTP/1.1 2000 OK\r\n" + HELLO,
        "status 000": b"HTTP/1.1 000 OK\r\n" + HELLO,
        "status 099": b"HTTP/1.1 099 OK\r\n" + HELLO,
        "letters": b"HTTP/1.1 2xx OK\r\n" + HELLO,
        "a sign": b"HTTP/1.1 +20 OK\r\n" + HELLO,
        "a negative status": b"HTTP/1.1 -200 OK\r\n" + HELLO,
        "a float": b"HTTP/1.1 200.0 OK\r\n" + HELLO,
        "two spaces before the status": b"HTTP/1.1  200 OK\r\n" + HELLO,
        "a tab before the status": b"HTTP/1.1\t200 OK\r\n" + HELLO,
        "a tab after the status": b"HTTP/1.1 200\tOK\r\n" + HELLO,
        "a space in front": b" HTTP/1.1 200 OK\r\n" + HELLO,
        "NUL in the reason": b"HTTP/1.1 200 O\0K\r\n" + HELLO,
        "a control in the reason": b"HTTP/1.1 200 O\x01K\r\n" + HELLO,
        "CR in the reason": b"HTTP/1.1 200 O\rK\r\n" + HELLO,
        "a byte order mark": b"\xef\xbb\xbf" + OK + HELLO,
        "Arabic digits": "HTTP/1.1 \u0662\u0660\u0660 OK\r\n".encode() + HELLO,
        "a line of 100,000 bytes": b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n" + HELLO,
        "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
        "an HTTP/2 SETTINGS frame": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    },
    closes=True,
)

# Fields (RFC 9112 section 5)

_add(
    "fields",
    {
        "none but the length": OK + HELLO,
        "no space after the colon": OK + b"A:b\r\nContent-Length:5\r\n\r\nhello",
        "white space around the value": OK + b"A: \t b \t \r\n" + HELLO,
        "an empty value": OK + b"A:\r\nB: \r\n" + HELLO,
        "white space inside the value": OK + b"A: b  c\td\r\n" + HELLO,
        "duplicates": OK + b"A: 1\r\nB: 2\r\na: 3\r\n" + HELLO,
        "two cookies": OK + b"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2, c\r\n" + HELLO,
        "capitals": OK + b"X-LOUD: Yes\r\nx-quiet: no\r\n" + HELLO,
        "every character of a token": OK + b"!#$%&'*+-.^_`|~09azAZ: x\r\n" + HELLO,
        "Latin-1": OK + b"A: Gr\xfc\xdfe\r\n" + HELLO,
        "UTF-8": OK + "A: Grüße €\r\n".encode() + HELLO,
        "quotes and commas": OK + b'A: "b, c", d;e="f\\"g"\r\n' + HELLO,
        "colons in the value": OK + b"A: b:c: d\r\nLink: <http://a:1/>\r\n" + HELLO,
        "a value that looks like a field": OK + b"A: Content-Length: 3\r\n" + HELLO,
        "90 fields": OK + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(90)) + HELLO,
        "a value of 8,000 bytes": OK + b"A: " + b"b" * 8000 + b"\r\n" + HELLO,
        "a value of 20,000 bytes": OK + b"A: " + b"b" * 20_000 + b"\r\n" + HELLO,
        "a value of 50,000 bytes": OK + b"A: " + b"b" * 50_000 + b"\r\n" + HELLO,
        "a name of 1,000 bytes": OK + b"a" * 1000 + b": b\r\n" + HELLO,
        "the length last but one": OK + b"Content-Length: 5\r\nA: b\r\n\r\nhello",
        "Content-Length in odd case": OK + b"cOnTeNt-LeNgTh: 5\r\n\r\nhello",
    },
)
_add(
    "many fields",
    {
        "150 fields": OK + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(150)) + HELLO,
        "255 fields": OK + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(255)) + HELLO,
        "300 fields": OK + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(300)) + HELLO,
        "a value of 70,000 bytes": OK + b"A: " + b"b" * 70_000 + b"\r\n" + HELLO,
        "a head of 200,000 bytes": OK + b"".join(b"X-%d: " % n + b"b" * 4000 + b"\r\n" for n in range(50)) + HELLO,
    },
    closes=True,
)
_add(
    "folding",
    {
        "a space": OK + b"A: b\r\n c\r\n" + HELLO,
        "a tab": OK + b"A: b\r\n\tc\r\n" + HELLO,
        "several": OK + b"A: b\r\n   c\r\n \td\r\n" + HELLO,
        "an empty first line": OK + b"A:\r\n b\r\n" + HELLO,
        "an empty last line": OK + b"A: b\r\n \r\n" + HELLO,
        "of the length": OK + b"Content-Length:\r\n 5\r\n\r\nhello",
        "of the coding": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n" + END,
    },
)
_add(
    "bad folding",
    {
        "before the first field": OK + b" A: b\r\n" + HELLO,
        "a tab before the first field": OK + b"\tA: b\r\n" + HELLO,
        "in the digits of the length": OK + b"Content-Length: 5\r\n 0\r\n\r\nhello",
        "in chunked": OK + b"Transfer-Encoding: chun\r\n ked\r\n\r\n5\r\nhello\r\n" + END,
    },
    closes=True,
)
_add(
    "bare LF",
    {
        "throughout": b"HTTP/1.1 200 OK\nA: b\nContent-Length: 5\n\nhello",
        "throughout, and folded": b"HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 5\n\nhello",
        "after the status line": b"HTTP/1.1 200 OK\nA: b\r\nContent-Length: 5\r\n\r\nhello",
        "after one field": OK + b"A: b\nContent-Length: 5\r\n\r\nhello",
        "after the last field": OK + b"A: b\r\nContent-Length: 5\n\r\nhello",
        "as the empty line": OK + b"A: b\r\nContent-Length: 5\r\n\nhello",
        "hides a length": OK + b"A: b\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello",
    },
    closes=True,
)
_add(
    "bad fields",
    {
        "a space before the colon": OK + b"A : b\r\n" + HELLO,
        "a tab before the colon": OK + b"A\t: b\r\n" + HELLO,
        "a space before the colon of the length": OK + b"Content-Length : 5\r\n\r\nhello",
        "a space before the colon of the coding": OK + b"Transfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n" + END,
        "a space in the name": OK + b"A B: c\r\n" + HELLO,
        "no colon": OK + b"A\r\n" + HELLO,
        "no colon, with a space": OK + b"A b\r\n" + HELLO,
        "no name": OK + b": b\r\n" + HELLO,
        "nothing but a colon": OK + b":\r\n" + HELLO,
        "NUL in the value": OK + b"A: b\0c\r\n" + HELLO,
        "NUL in the name": OK + b"A\0: b\r\n" + HELLO,
        "NUL after the length": OK + b"Content-Length: 5\0\r\n\r\nhello",
        "a control in the value": OK + b"A: b\x01c\r\n" + HELLO,
        "DEL in the value": OK + b"A: b\x7fc\r\n" + HELLO,
        "a form feed in the value": OK + b"A: b\x0cc\r\n" + HELLO,
        "a vertical tab before the length": OK + b"Content-Length: \x0b5\r\n\r\nhello",
        "CR in the value": OK + b"A: b\rc\r\n" + HELLO,
        "CR before a length": OK + b"A: b\rContent-Length: 3\r\n" + HELLO,
        "CR CR LF": OK + b"A: b\r\r\n" + HELLO,
        "CR at the end of the name": OK + b"A\r: b\r\n" + HELLO,
        "a bracket in the name": OK + b"A(b): c\r\n" + HELLO,
        "Latin-1 in the name": OK + b"\xc4: b\r\n" + HELLO,
        "a slash in the name": OK + b"a/b: c\r\n" + HELLO,
        "a quote in the name": OK + b'"A": b\r\n' + HELLO,
        "another status line": OK + OK + HELLO,
    },
    closes=True,
)

# The length of the body (RFC 9112 section 6)

_add(
    "length",
    {
        "0": OK + b"Content-Length: 0\r\n\r\n",
        "leading zeros": OK + b"Content-Length: 0005\r\n\r\nhello",
        "white space": OK + b"Content-Length: \t5 \t\r\n\r\nhello",
        "twice the same": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "a list of the same": OK + b"Content-Length: 5, 5\r\n\r\nhello",
        "100,000 bytes": OK + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000,
        "a body of line ends": OK + b"Content-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
        "a body of every byte": OK + b"Content-Length: 256\r\n\r\n" + bytes(range(256)),
    },
)
_add(
    "bad length",
    {
        "negative": OK + b"Content-Length: -5\r\n\r\nhello",
        "a plus": OK + b"Content-Length: +5\r\n\r\nhello",
        "hexadecimal": OK + b"Content-Length: 0x5\r\n\r\nhello",
        "a float": OK + b"Content-Length: 5.0\r\n\r\nhello",
        "an exponent": OK + b"Content-Length: 5e0\r\n\r\nhello",
        "an underscore": OK + b"Content-Length: 0_5\r\n\r\nhello",
        "letters": OK + b"Content-Length: five\r\n\r\nhello",
        "empty": OK + b"Content-Length:\r\n\r\nhello",
        "a space inside": OK + b"Content-Length: 5 5\r\n\r\nhello",
        "superscript": OK + b"Content-Length: \xb2\r\n\r\nhello",
        "a comma at the end": OK + b"Content-Length: 5,\r\n\r\nhello",
        "a semicolon": OK + b"Content-Length: 5;a=b\r\n\r\nhello",
        "2 to the 64th": OK + b"Content-Length: 18446744073709551616\r\n\r\nhello",
        "2 to the 64th, and 5": OK + b"Content-Length: 18446744073709551621\r\n\r\nhello",
        "2 to the 63rd": OK + b"Content-Length: 9223372036854775808\r\n\r\nhello",
        "5,000 digits": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
        "two": OK + b"Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello",
        "two, the smaller first": OK + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello",
        "a list of two": OK + b"Content-Length: 5, 3\r\n\r\nhello",
        "one of two isn't any": OK + b"Content-Length: 5\r\nContent-Length: x\r\n\r\nhello",
    },
    closes=True,
)
_add(
    "cut off",
    {
        "nothing": b"",
        "in the status line": b"HTTP/1.1 2",
        "after the status line": OK,
        "in a field": OK + b"Content-Le",
        "before the empty line": OK + b"Content-Length: 5\r\n",
        "before the body": OK + b"Content-Length: 5\r\n\r\n",
        "in the body": OK + b"Content-Length: 5\r\n\r\nhel",
        "before the first chunk": CHUNKED,
        "in a chunk size": CHUNKED + b"5",
        "after a chunk size": CHUNKED + b"5\r\n",
        "in a chunk": CHUNKED + b"5\r\nhel",
        "after a chunk": CHUNKED + b"5\r\nhello\r\n",
        "after the data of a chunk": CHUNKED + b"5\r\nhello",
        "in the last chunk": CHUNKED + b"5\r\nhello\r\n0\r\n",
        "in the size of the last chunk": CHUNKED + b"5\r\nhello\r\n0",
        "in a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n",
        "after 100": b"HTTP/1.1 100 Continue\r\n\r\n",
    },
    closes=True,
)
_add(
    "until the end",
    {
        "a body": OK + b"\r\nhello",
        "no body": OK + b"\r\n",
        "Connection: keep-alive": OK + b"Connection: keep-alive\r\n\r\nhello",
        "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.0, keep-alive": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
        "identity": OK + b"Transfer-Encoding: identity\r\n\r\nhello",
        "identity and a length": OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    },
    closes=True,
)
_add(
    "Transfer-Encoding",
    {
        name: OK + b"Transfer-Encoding: " + value + b"\r\n\r\n5\r\nhello\r\n" + END
        for name, value in {
            "CHUNKED": b"CHUNKED",
            "Chunked, and blanks": b" \tChunked \t",
            "an empty member": b", chunked",
        }.items()
    },
)
_add(
    "odd Transfer-Encoding",
    {
        "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n" + END,
        "chunked, gzip": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n" + END,
        "gzip": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
        "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n" + END,
        "two lines": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
        "identity, chunked": OK + b"Transfer-Encoding: identity, chunked\r\n\r\n5\r\nhello\r\n" + END,
        "two lines, identity first": OK
        + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        + END,
        "xchunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n" + END,
        "a parameter": OK + b"Transfer-Encoding: chunked;a=b\r\n\r\n5\r\nhello\r\n" + END,
        "in quotes": OK + b'Transfer-Encoding: "chunked"\r\n\r\n5\r\nhello\r\n' + END,
        "empty": OK + b"Transfer-Encoding:\r\n\r\n5\r\nhello\r\n" + END,
        "a vertical tab": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n5\r\nhello\r\n" + END,
        "an underscore": OK + b"Transfer_Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
        "HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
    },
    closes=True,
)
_add(
    "both framings",
    {
        "the length last": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n" + END,
        "the length first": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
        "a bad length": OK + b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
        "two lengths": OK
        + b"Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        + END,
        "and keep-alive": OK
        + b"Connection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        + END,
    },
)

# Chunks (RFC 9112 section 7.1)

_add(
    "chunks",
    {
        "one": CHUNKED + b"5\r\nhello\r\n" + END,
        "none": CHUNKED + END,
        "several": CHUNKED + b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n" + END,
        "hexadecimal": CHUNKED + b"1a\r\n" + b"x" * 26 + b"\r\n1B\r\n" + b"y" * 27 + b"\r\n" + END,
        "leading zeros": CHUNKED + b"0005\r\nhello\r\n0000\r\n\r\n",
        "an extension": CHUNKED + b"5;a=b\r\nhello\r\n" + END,
        "an extension without a value": CHUNKED + b"5;a\r\nhello\r\n0;b\r\n\r\n",
        "a quoted extension": CHUNKED + b'5;a="b;c"\r\nhello\r\n' + END,
        "blanks before an extension": CHUNKED + b"5 ; a=b\r\nhello\r\n" + END,
        "blanks after the size": CHUNKED + b"5  \r\nhello\r\n" + END,
        "line ends in the data": CHUNKED + b"4\r\n\r\n\r\n\r\n" + END,
        "data that looks like a chunk": CHUNKED + b"5\r\n0\r\n\r\n\r\n" + END,
        "1,000 chunks": CHUNKED + b"2\r\nab\r\n" * 1000 + END,
        "100,000 bytes": CHUNKED + b"186a0\r\n" + b"x" * 100_000 + b"\r\n" + END,
        "a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "trailers": CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\nX-Checksum: c\r\n\r\n",
        "trailers that frame": CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n\r\n",
        "a trailer that closes": CHUNKED + b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n",
        "a trailer that is folded": CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
        "a Latin-1 extension": CHUNKED + b"5;\xe4\r\nhello\r\n" + END,
        "an extension of 10,000 bytes": CHUNKED + b"5;" + b"x" * 10_000 + b"\r\nhello\r\n" + END,
    },
)
_add(
    "bad chunks",
    {
        "no size": CHUNKED + b"\r\nhello\r\n" + END,
        "a negative size": CHUNKED + b"-5\r\nhello\r\n" + END,
        "a plus": CHUNKED + b"+5\r\nhello\r\n" + END,
        "0x": CHUNKED + b"0x5\r\nhello\r\n" + END,
        "an underscore": CHUNKED + b"0_5\r\nhello\r\n" + END,
        "letters": CHUNKED + b"xyz\r\nhello\r\n" + END,
        "a blank in front": CHUNKED + b" 5\r\nhello\r\n" + END,
        "a tab in front": CHUNKED + b"\t5\r\nhello\r\n" + END,
        "a blank inside": CHUNKED + b"5 5\r\nhello\r\n" + END,
        "a vertical tab": CHUNKED + b"5\x0b\r\nhello\r\n" + END,
        "a comma": CHUNKED + b"5,a\r\nhello\r\n" + END,
        "17 digits": CHUNKED + b"10000000000000005\r\nhello\r\n" + END,
        "16 digits": CHUNKED + b"f000000000000005\r\nhello\r\n" + END,
        "20 digits that are 5": CHUNKED + b"00000000000000000005\r\nhello\r\n" + END,
        "Arabic digits": CHUNKED + "\u0665\r\nhello\r\n".encode() + END,
        "LF after the size": CHUNKED + b"5\nhello\r\n" + END,
        "LF after the data": CHUNKED + b"5\r\nhello\n" + END,
        "LF throughout": CHUNKED + b"5\nhello\n0\n\n",
        "CR after the size": CHUNKED + b"5\rhello\r\n" + END,
        "CR in an extension": CHUNKED + b"5;a\rb\r\nhello\r\n" + END,
        "LF in an extension": CHUNKED + b"5;a\nb\r\nhello\r\n" + END,
        "NUL in an extension": CHUNKED + b"5;a\0b\r\nhello\r\n" + END,
        "nothing after the data": CHUNKED + b"5\r\nhello" + END,
        "more data than the size": CHUNKED + b"3\r\nhello\r\n" + END,
        "less data than the size": CHUNKED + b"7\r\nhello\r\n" + END,
        "an extension of 100,000 bytes": CHUNKED + b"5;" + b"x" * 100_000 + b"\r\nhello\r\n" + END,
        "30,000 bytes of extensions": CHUNKED + (b"1;" + b"x" * 29 + b"\r\na\r\n") * 1000 + END,
        "no colon in a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nA b\r\n\r\n",
        "NUL in a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nA: \0\r\n\r\n",
        "LF in the trailers": CHUNKED + b"5\r\nhello\r\n0\r\nA: b\n\r\n",
        "300 trailers": CHUNKED + b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        "100,000 bytes of trailers": CHUNKED + b"5\r\nhello\r\n0\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
    },
    closes=True,
)

# No body (RFC 9112 section 6.3, rule 1), and interim responses (RFC 9110 section 15.2)

_add(
    "no body",
    {
        "204": b"HTTP/1.1 204 x\r\n\r\n",
        "204, length 0": b"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
        "204, length 5": b"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n",
        "204, chunked": b"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "304": b"HTTP/1.1 304 x\r\n\r\n",
        "304, length 5": b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n",
        "304, chunked": b"HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "304, a coding": b"HTTP/1.1 304 x\r\nContent-Encoding: gzip\r\nETag: x\r\n\r\n",
        "205, length 0": b"HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n",
        "205 with a body": b"HTTP/1.1 205 x\r\n" + HELLO,
    },
)
_add(
    "HEAD",
    {
        "no length": OK + b"\r\n",
        "length 5": OK + b"Content-Length: 5\r\n\r\n",
        "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n",
        "a coding": OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
        "404": b"HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\n",
        "204": b"HTTP/1.1 204 x\r\n\r\n",
    },
    method="HEAD",
)
_add(
    "HEAD with a body",
    {
        "length 5": OK + HELLO,
        "chunked": CHUNKED + b"5\r\nhello\r\n" + END,
        "a bad length": OK + b"Content-Length: x\r\n\r\n",
    },
    method="HEAD",
)
_add(
    "interim",
    {
        "100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + HELLO,
        "100 with fields": b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + OK + HELLO,
        "100 with a length": b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n" + OK + HELLO,
        "100 three times": b"HTTP/1.1 100 x\r\n\r\n" * 3 + OK + HELLO,
        "102": b"HTTP/1.1 102 Processing\r\n\r\n" + OK + HELLO,
        "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" + OK + HELLO,
        "103 twice": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + OK + HELLO,
        "199": b"HTTP/1.1 199 x\r\n\r\n" + OK + HELLO,
        "102, 100 and 103": b"HTTP/1.1 102 x\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\n\r\n" + OK + HELLO,
        "100 and 204": b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
        "15 of them": b"HTTP/1.1 103 x\r\n\r\n" * 15 + OK + HELLO,
    },
)
_add(
    "odd interim",
    {
        "101 that nobody asked for": b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "101 and bytes": b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\0\1\2",
        "1,000 of them": b"HTTP/1.1 100 x\r\n\r\n" * 1000 + OK + HELLO,
        "1,000 of 103": b"HTTP/1.1 103 x\r\n\r\n" * 1000 + OK + HELLO,
    },
    closes=True,
)

# What comes after (RFC 9112 sections 6.3 and 9.3)

FAKE = OK + b"Content-Length: 4\r\n\r\nfake"
_add(
    "surplus",
    {
        "another response": OK + HELLO + FAKE,
        "another response after chunks": CHUNKED + b"5\r\nhello\r\n" + END + FAKE,
        "another response after 204": b"HTTP/1.1 204 x\r\n\r\n" + FAKE,
        "another response after 304": b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n" + FAKE,
        "a line end": OK + HELLO + b"\r\n",
        "a byte": OK + HELLO + b"x",
        "a body after 204": b"HTTP/1.1 204 x\r\n\r\nhello",
        "a body after 304": b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\nhello",
        "a second last chunk": CHUNKED + b"5\r\nhello\r\n" + END + END,
        "garbage": OK + HELLO + b"\0" * 100,
        "an interim response": OK + HELLO + b"HTTP/1.1 100 x\r\n\r\n",
    },
)
_add(
    "Connection",
    {
        "close": OK + b"Connection: close\r\n" + HELLO,
        "Close": OK + b"Connection: Close\r\n" + HELLO,
        "CLOSE in a list": OK + b"Connection: x, CLOSE\r\n" + HELLO,
        "close in the second line": OK + b"Connection: x\r\nConnection: close\r\n" + HELLO,
        "close and keep-alive": OK + b"Connection: close, keep-alive\r\n" + HELLO,
        "keep-alive": OK + b"Connection: keep-alive\r\n" + HELLO,
        "Keep-Alive": OK + b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n" + HELLO,
        "closed": OK + b"Connection: closed\r\n" + HELLO,
        "empty": OK + b"Connection:\r\n" + HELLO,
        "upgrade": OK + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + HELLO,
        "close after chunks": OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + END,
        "close with 204": b"HTTP/1.1 204 x\r\nConnection: close\r\n\r\n",
        "Proxy-Connection": OK + b"Proxy-Connection: close\r\n" + HELLO,
        "HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + HELLO,
        "HTTP/1.0, keep-alive": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + HELLO,
        "HTTP/1.0, Keep-Alive in a list": b"HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\n" + HELLO,
        "HTTP/1.0, close": b"HTTP/1.0 200 OK\r\nConnection: close\r\n" + HELLO,
        "HTTP/1.0, Keep-Alive only": b"HTTP/1.0 200 OK\r\nKeep-Alive: timeout=5\r\n" + HELLO,
        "HTTP/1.0, 204, keep-alive": b"HTTP/1.0 204 x\r\nConnection: keep-alive\r\n\r\n",
    },
)

# Content codings (RFC 9110 section 8.4)

BODY = b"hello, hello, hello, hello"
GZIP = gzip.compress(BODY, mtime=0)
ZLIB = zlib.compress(BODY)
_raw = zlib.compressobj(wbits=-15)
RAW = _raw.compress(BODY) + _raw.flush()
BR = brotli.compress(BODY)


def _coded(coding: bytes, body: bytes) -> bytes:
    return OK + b"Content-Encoding: " + coding + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


_add(
    "codings",
    {
        "gzip": _coded(b"gzip", GZIP),
        "x-gzip": _coded(b"x-gzip", GZIP),
        "GZIP": _coded(b"GZIP", GZIP),
        "deflate": _coded(b"deflate", ZLIB),
        "deflate without its wrapper": _coded(b"deflate", RAW),
        "br": _coded(b"br", BR),
        "identity": _coded(b"identity", BODY),
        "gzip of nothing": _coded(b"gzip", gzip.compress(b"", mtime=0)),
        "two members": _coded(b"gzip", GZIP + GZIP),
        "gzip and zeros": _coded(b"gzip", GZIP + b"\0" * 10),
        "gzip and garbage": _coded(b"gzip", GZIP + b"garbage"),
        "deflate and garbage": _coded(b"deflate", ZLIB + b"garbage"),
        "gzip, gzip": _coded(b"gzip, gzip", gzip.compress(GZIP, mtime=0)),
        "deflate, gzip": _coded(b"deflate, gzip", gzip.compress(ZLIB, mtime=0)),
        "br, gzip": _coded(b"br, gzip", gzip.compress(BR, mtime=0)),
        "two lines": OK
        + b"Content-Encoding: deflate\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        % len(gzip.compress(ZLIB, mtime=0))
        + gzip.compress(ZLIB, mtime=0),
        "gzip, identity": _coded(b"gzip, identity", GZIP),
        "an unknown one": _coded(b"x-own", BODY),
        "an unknown one and gzip": _coded(b"x-own, gzip", GZIP),
        "empty": _coded(b"", BODY),
        "gzip of no bytes": _coded(b"gzip", b""),
        "deflate of no bytes": _coded(b"deflate", b""),
        "br of no bytes": _coded(b"br", b""),
        "gzip in chunks": OK
        + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n" + GZIP[i : i + 1] + b"\r\n" for i in range(len(GZIP)))
        + END,
        "gzip of a part": b"HTTP/1.1 206 x\r\nContent-Range: bytes 0-9/99\r\n"
        + b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
        + GZIP[:10],
    },
)
_add(
    "broken codings",
    {
        "not gzip": _coded(b"gzip", BODY),
        "not deflate": _coded(b"deflate", b"\xff" * 20),
        "not br": _coded(b"br", b"\xff" * 20),
        "gzip without its end": _coded(b"gzip", GZIP[:-8]),
        "gzip without its last byte": _coded(b"gzip", GZIP[:-1]),
        "gzip cut in the middle": _coded(b"gzip", GZIP[:15]),
        "nothing but a gzip header": _coded(b"gzip", GZIP[:10]),
        "deflate without its last byte": _coded(b"deflate", ZLIB[:-1]),
        "br without its last byte": _coded(b"br", BR[:-1]),
        "a wrong checksum": _coded(b"gzip", GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:]),
        "a wrong size": _coded(b"gzip", GZIP[:-4] + b"\0\0\0\0"),
        "a wrong zlib checksum": _coded(b"deflate", ZLIB[:-4] + b"\0\0\0\0"),
        "a second member that is broken": _coded(b"gzip", GZIP + GZIP[:12]),
        "br and garbage": _coded(b"br", BR + b"garbage"),
        "six of them": _coded(b", ".join([b"gzip"] * 6), b"x"),
    },
)

# Charsets (RFC 9110 section 8.3)


def _text(content_type: bytes, body: bytes) -> bytes:
    return OK + b"Content-Type: " + content_type + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


GREETING = "Grüße"
_add(
    "charsets",
    {
        "UTF-8": _text(b"text/plain; charset=utf-8", GREETING.encode()),
        "UTF-8 in quotes": _text(b'text/plain; charset="UTF-8"', GREETING.encode()),
        "UTF-8 in single quotes": _text(b"text/plain; charset='utf-8'", GREETING.encode()),
        "Latin-1": _text(b"text/plain; charset=iso-8859-1", GREETING.encode("latin-1")),
        "Windows-1252": _text(b"text/plain;charset=windows-1252", "€".encode("cp1252")),
        "UTF-16": _text(b"text/plain; charset=utf-16", GREETING.encode("utf-16")),
        "Shift_JIS": _text(b"text/plain; charset=Shift_JIS", "日本".encode("shift-jis")),
        "none": _text(b"text/plain", GREETING.encode()),
        "no Content-Type": OK + b"Content-Length: 7\r\n\r\n" + GREETING.encode(),
        "an unknown one": _text(b"text/plain; charset=x-own", GREETING.encode()),
        "a codec that is no charset": _text(b"text/plain; charset=zlib", GREETING.encode()),
        "rot13": _text(b"text/plain; charset=rot13", b"hello"),
        "bytes that don't fit": _text(b"text/plain; charset=utf-8", b"a\xff\xfeb"),
        "bytes that don't fit ASCII": _text(b"text/plain; charset=us-ascii", b"a\xe4b"),
        "a mark for UTF-8": _text(b"text/plain", b"\xef\xbb\xbf" + GREETING.encode()),
        "a mark that contradicts": _text(b"text/plain; charset=iso-8859-1", b"\xef\xbb\xbf" + GREETING.encode()),
        "a mark for UTF-16": _text(b"text/plain", b"\xff\xfe" + GREETING.encode("utf-16-le")),
        "blanks around =": _text(b"text/plain; charset = iso-8859-1", GREETING.encode("latin-1")),
        "in another parameter": _text(
            b'text/plain; a="; charset=utf-16"; charset=iso-8859-1', GREETING.encode("latin-1")
        ),
        "CHARSET": _text(b"text/plain; CHARSET=ISO-8859-1", GREETING.encode("latin-1")),
        "after another parameter": _text(b"text/html; level=1; charset=iso-8859-1", GREETING.encode("latin-1")),
        "empty": _text(b"text/plain; charset=", GREETING.encode()),
        "unicode_escape": _text(b"text/plain; charset=unicode_escape", b"\\u0041"),
    },
    text=True,
)

#: Others would wait for more of these: so the server closes the connection.
_WAITED_FOR = {
    "folding/of the coding",
    "length/a list of the same",
    "Transfer-Encoding/Chunked, and blanks",
    "Transfer-Encoding/an empty member",
    "no body/204, chunked",
    "no body/304, chunked",
}
CASES[:] = [case._replace(closes=True) if case.name in _WAITED_FOR else case for case in CASES]
