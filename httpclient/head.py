"""The head of a response: status and header fields, the same for HTTP/1.1 and HTTP/2.

:class:`ResponseHead` holds a list of fields that is already there (HTTP/2 hands over one by one).
:class:`Http1ResponseHead` holds the block of bytes that the HTTP/1.1 parser has validated, and takes it apart only
when somebody asks: most callers look at the status, perhaps at one field, and at nothing else, and a list of all
fields costs more than parsing the head.

No Delphi origin; stands for the original's ``TgoHttpClient.ResponseHeader``, which filled ``FResponseHeaders``.
"""

from __future__ import annotations

from .constants import FOLLOWED


class ResponseHead:
    """Status and fields of one response; treat it as read-only. Safe to read from several threads.

    :param status: the status code, 100 to 999.
    :param reason: the reason phrase of HTTP/1.1 as received; empty with HTTP/2, which has none.
    :param version: ``"1.0"``, ``"1.1"`` or ``"2"``.
    :param fields: name and value of every field, in order, repeated ones kept; names as received (HTTP/1.1) or in
        lower case (HTTP/2); no pseudo fields.

    :ivar coded: there is a Content-Encoding (RFC 9110 section 8.4). Looked for at once: the responses of a server often
        share one head, and this is asked for every body.
    :ivar sets_cookies: there is a Set-Cookie (RFC 6265 section 4.1), likewise.
    :ivar leads_on: it may lead to another request, or is to be kept in mind for others: most do neither.
    """

    __slots__ = ("_fields", "_reason", "_version", "coded", "leads_on", "sets_cookies", "status")

    _fields: list[tuple[bytes, bytes]] | None

    def __init__(self, status: int, reason: bytes, version: str, fields: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self._reason = reason
        self._version = version
        self._fields = fields
        self.coded = self.get(b"content-encoding") is not None
        self.sets_cookies = self.get(b"set-cookie") is not None
        self.leads_on = status in FOLLOWED or self.sets_cookies

    @property
    def reason(self) -> bytes:
        """The reason phrase, as received."""
        return self._reason

    @property
    def version(self) -> str:
        """``"1.0"``, ``"1.1"`` or ``"2"``."""
        return self._version

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """All fields in the order in which they came: ``(name, value)``, without white space around the value."""
        return self._fields or []

    def get(self, name: bytes, default: bytes | None = None) -> bytes | None:
        """Return the value of the first field called *name*.

        :param name: the name in lower case.
        :param default: what to return where there is no such field.
        """
        for field, value in self.fields:
            if field.lower() == name:
                return value
        return default

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the values of all fields called *name*, in order.

        :param name: the name in lower case.
        """
        return [value for field, value in self.fields if field.lower() == name]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} HTTP/{self.version} {self.status} with {len(self.fields)} fields>"


class Http1ResponseHead(ResponseHead):
    """A head of HTTP/1.1, kept as the bytes that came and taken apart on demand.

    :param status: the status code.
    :param block: the whole head from ``HTTP/`` to the empty line, valid, lines ended by CRLF, nothing folded.
    """

    __slots__ = ("_block", "_lower")

    def __init__(self, status: int, block: bytes) -> None:
        self.status = status
        self._block = block
        # For searches by name.
        self._lower = lower = block.lower()
        self._fields = None
        self.coded = b"\ncontent-encoding:" in lower
        self.sets_cookies = b"\nset-cookie:" in lower
        self.leads_on = status in FOLLOWED or self.sets_cookies

    @property
    def reason(self) -> bytes:
        """The reason phrase, as received."""
        # "HTTP/1.1 200" are twelve bytes; a space and the phrase may follow.
        return self._block[13 : self._block.find(b"\r")]

    @property
    def version(self) -> str:
        """``"1.0"`` or ``"1.1"``: a higher minor version is processed as 1.1 (RFC 9110 section 2.5)."""
        return "1.0" if self._block[7] == 0x30 else "1.1"

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """All fields in the order in which they came: ``(name, value)``, without white space around the value."""
        fields = self._fields
        if fields is None:
            fields = self._fields = parse_fields(self._block, self._block.find(b"\n") + 1)
        return fields

    def get(self, name: bytes, default: bytes | None = None) -> bytes | None:
        """Return the value of the first field called *name*, without making a list of all fields.

        :param name: the name in lower case.
        :param default: what to return where there is no such field.
        """
        found = self._lower.find(b"\n" + name + b":")
        if found < 0:
            return default
        block = self._block
        start = found + len(name) + 2
        return block[start : block.find(b"\r", start)].strip(b" \t")

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the values of all fields called *name*, in order.

        :param name: the name in lower case.
        """
        values = []
        needle = b"\n" + name + b":"
        lower = self._lower
        found = lower.find(needle)
        while found >= 0:
            start = found + len(needle)
            end = self._block.find(b"\r", start)
            values.append(self._block[start:end].strip(b" \t"))
            found = lower.find(needle, end)
        return values


def parse_fields(block: bytes, start: int = 0) -> list[tuple[bytes, bytes]]:
    """Take a block of valid field lines apart.

    :param block: field lines, each ended by CRLF, and the empty line that ends them.
    :param start: where the first field line starts.
    :return: name and value of each, values without the white space around them (RFC 9112 section 5.1).
    """
    fields = []
    for line in block[start:-4].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name, value.strip(b" \t")))
    return fields
