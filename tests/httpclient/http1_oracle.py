"""Reads a response of HTTP/1.1 the slow and simple way, all of it at once: what the parser is compared with.

Written from RFC 9112, and from what this package has decided where the RFC leaves a choice; no code is shared.
"""

from __future__ import annotations

from typing import NamedTuple

Fields = list[tuple[bytes, bytes]]

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
DIGITS = frozenset(b"0123456789")
HEX = frozenset(b"0123456789abcdefABCDEF")


class Invalid(Exception):
    """The response breaks a rule."""


class Incomplete(Exception):
    """The end of the bytes isn't the end of the response."""


class Reading(NamedTuple):
    """What the bytes say.

    :ivar kind: ``invalid``, ``incomplete``, ``until close`` (complete if the connection ends here), or ``complete``.
    :ivar heads: status, reason and fields of each head, interim ones included.
    :ivar consumed: where the response ends.
    :ivar reusable: another request may follow on the connection.
    """

    kind: str
    heads: list[tuple[int, bytes, Fields]]
    body: bytes = b""
    trailers: Fields | None = None
    consumed: int = 0
    reusable: bool = False


def read(data: bytes, method: str) -> Reading:
    """Read the response to a request with this method."""
    reader = _Reader(data, method)
    try:
        kind = reader.read()
    except Invalid:
        return Reading("invalid", reader.heads, reader.body)
    except Incomplete:
        return Reading("incomplete", reader.heads, reader.body)
    if kind == "until close":
        return Reading(kind, reader.heads, reader.body)
    reusable = reader.stays and reader.at == len(data)
    return Reading(kind, reader.heads, reader.body, reader.trailers, reader.at, reusable)


class _Reader:
    def __init__(self, data: bytes, method: str) -> None:
        self.data = data
        self.method = method
        self.at = 0
        self.heads: list[tuple[int, bytes, Fields]] = []
        self.body = b""
        self.trailers: Fields = []
        self.stays = False
        self._leading = 0

    def read(self) -> str:
        while True:
            version, status, reason, fields = self._head()
            self.heads.append((status, reason, fields))
            if status >= 200 or status == 101:
                break
            if len(self.heads) > 16:
                self.heads.pop()
                raise Invalid
        if status == 101 or (self.method == "CONNECT" and status < 300):
            return "complete"
        options = _members(fields, b"connection")
        self.stays = b"close" not in options and (version != b"1.0" or b"keep-alive" in options)
        lengths = _values(fields, b"content-length")
        codings = _values(fields, b"transfer-encoding")
        if codings and (lengths or version == b"1.0"):
            self.stays = False
        if self.method == "HEAD" or status in {204, 304}:
            if status == 204 and (codings or any(length != b"0" for length in lengths)):
                self.stays = False
            return "complete"
        # A head whose body can't be found is told to nobody.
        head = self.heads.pop()
        named = _members(fields, b"transfer-encoding")
        if codings and named not in ([b"chunked"], [b"identity"]):
            raise Invalid
        length = -1 if codings or not lengths else _length(lengths)
        self.heads.append(head)
        if named == [b"chunked"]:
            self._chunks()
        elif length < 0:
            self.body = self.data[self.at :]
            return "until close"
        else:
            self._data(length)
        return "complete"

    def _data(self, size: int) -> None:
        piece = self.data[self.at : self.at + size]
        self.body += piece
        self.at += len(piece)
        if len(piece) < size:
            raise Incomplete

    def _head(self) -> tuple[bytes, int, bytes, Fields]:
        data = self.data
        while data[self.at : self.at + 1] in {b"\r", b"\n"}:
            self.at += 1
            self._leading += 1
            if self._leading > 8:
                raise Invalid
        start = data[self.at : self.at + 5]
        if start != b"HTTP/"[: len(start)]:
            raise Invalid
        ends = [end + 3 for end in [data.find(b"\n\r\n", self.at)] if end >= 0]
        ends += [end + 2 for end in [data.find(b"\n\n", self.at)] if end >= 0]
        if not ends:
            raise Incomplete
        block = data[self.at : min(ends)]
        self.at = min(ends)
        if b"\r" not in block:
            block = block.replace(b"\n", b"\r\n")
        lines = _lines(block)
        status = lines[0]
        if len(status) < 12 or status[:7] != b"HTTP/1." or status[7] not in DIGITS or status[8:9] != b" ":
            raise Invalid
        code, rest = status[9:12], status[12:]
        if not set(code) <= DIGITS or code[:1] == b"0" or (rest and rest[:1] != b" ") or not _is_text(rest):
            raise Invalid
        if len(lines) > 1 and lines[1][:1] in {b" ", b"\t"}:
            raise Invalid
        version = b"1.0" if status[7:8] == b"0" else b"1.1"
        return version, int(code), rest[1:], _fields(lines[1:])

    def _chunks(self) -> None:
        data = self.data
        while True:
            end = data.find(b"\n", self.at)
            if end < 0:
                raise Incomplete
            line = data[self.at : end]
            if line[-1:] != b"\r":
                raise Invalid
            digits = line[:-1].partition(b";")[0].rstrip(b" \t")
            if not 1 <= len(digits) <= 16 or not set(digits) <= HEX or not _is_text(line[:-1]):
                raise Invalid
            size = int(digits, 16)
            if size >= 1 << 60:
                raise Invalid
            self.at = end + 1
            if not size:
                break
            self._data(size)
            for expected in b"\r\n":
                if self.at == len(data):
                    raise Incomplete
                if data[self.at] != expected:
                    raise Invalid
                self.at += 1
        # The trailer section ends with the first empty line, and that may be the first of all.
        start = at = self.at
        while True:
            end = data.find(b"\n", at)
            if end < 0:
                raise Incomplete
            line, at = data[at:end], end + 1
            if line in {b"", b"\r"}:
                break
        self.trailers = _fields(_lines(data[start:at]))
        self.at = at


def _lines(block: bytes) -> list[bytes]:
    """Return the lines of a complete block, but the empty one at its end."""
    lines = block.split(b"\n")[:-1]
    if not all(line[-1:] == b"\r" for line in lines):
        raise Invalid
    return [line[:-1] for line in lines[:-1]]


def _fields(lines: list[bytes]) -> Fields:
    unfolded: list[bytes] = []
    for line in lines:
        if line[:1] in {b" ", b"\t"} and unfolded:
            unfolded[-1] += b" " + line.lstrip(b" \t")
        else:
            unfolded.append(line)
    fields = []
    for line in unfolded:
        name, colon, value = line.partition(b":")
        if not colon or not name or not set(name) <= TOKEN or not _is_text(value):
            raise Invalid
        fields.append((name, value.strip(b" \t")))
    return fields


def _is_text(text: bytes) -> bool:
    return all(byte == 9 or (byte >= 32 and byte != 127) for byte in text)


def _values(fields: Fields, wanted: bytes) -> list[bytes]:
    return [value for name, value in fields if name.lower() == wanted]


def _length(values: list[bytes]) -> int:
    numbers = set()
    for member in b",".join(values).split(b","):
        digits = member.strip(b" \t")
        if not digits or not set(digits) <= DIGITS or len(digits.lstrip(b"0")) > 18:
            raise Invalid
        numbers.add(int(digits))
    if len(numbers) > 1:
        raise Invalid
    return numbers.pop()


def _members(fields: Fields, wanted: bytes) -> list[bytes]:
    members = b",".join(_values(fields, wanted)).lower().split(b",")
    return [member.strip(b" \t") for member in members if member.strip(b" \t")]
