"""Parse HTTP/1.1 responses out of received bytes (RFC 9112); no I/O.

A :class:`ResponseParser` belongs to one connection and sees one response at a time::

    start() -> HEAD --(1xx)--> HEAD
                 |-> LENGTH ----------------------------------------> IDLE
                 |-> CLOSE -----------------(eof)-------------------> IDLE
                 |-> CHUNK_SIZE <-> CHUNK_DATA, then TRAILERS ------> IDLE
                 '-> (101, 2xx to CONNECT) -------------------------> HANDED_OVER

What it finds it tells the *sink* at once, and body bytes as slices of the receive buffer, without a copy. Bytes are
only kept where a line or head is incomplete, and no byte is searched twice for the end of one, so that the cost is
linear however the bytes arrive.

Delphi: Grijjy.Http.TgoHttpClient.ResponseHeader and ResponseContent (private there).
"""

from __future__ import annotations

import re

from ._http1_head import (
    CHUNKED,
    UNTIL_CLOSE,
    body_framing,
    canonical_head,
    check_start,
    field_error,
    find_framing,
    match_head,
    match_trailers,
)
from .errors import HttpProtocolError, RemoteClosedError
from .head import Http1ResponseHead, parse_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The states of the diagram above, and FAILED, in which every call repeats that it failed.
_IDLE = 0
_HEAD = 1
_LENGTH = 2
_CLOSE = 3
_CHUNK_SIZE = 4
_CHUNK_DATA = 5
_TRAILERS = 6
_HANDED_OVER = 7
_FAILED = 8

#: Methods after which the length of the body isn't a matter of the head alone (RFC 9112 section 6.3, rules 1 and 2).
_SPECIAL_METHODS = frozenset({"HEAD", "CONNECT"})

#: Empty lines in front of a status line that are left over from a sloppy previous response (RFC 9112 section 2.2).
_LEADING_BYTES = 8

#: The digits of a chunk size: 15 are a petabyte, and leading zeros are padding that some servers send.
_SIZE_DIGITS = 16

# RFC 9112 section 7.1. White space is allowed in front of an extension; some servers pad the size with it.
_SIZE_LINE = rb"([0-9A-Fa-f]{1,16}+)[ \t]*+(;[\t -~\x80-\xff]*+)?\r\n"
_match_size = re.compile(_SIZE_LINE).match
#: The line that ends a chunk's data together with the next size, the usual case.
_match_next_size = re.compile(rb"\r\n" + _SIZE_LINE).match


class Http1Limits:
    """Bounds against hostile or broken servers; treat as read-only once in use. Sizes are in bytes.

    :param header_bytes: largest head, status line included.
    :param header_count: most fields in a head, and in a trailer section.
    :param informational: most 1xx responses before the final one.
    :param chunk_extension_bytes: most bytes of chunk extensions beyond what the data between them outweighs.
    :param trailer_bytes: largest trailer section.
    """

    __slots__ = ("chunk_extension_bytes", "header_bytes", "header_count", "informational", "trailer_bytes")

    def __init__(
        self,
        *,
        header_bytes: int = 65536,
        header_count: int = 256,
        informational: int = 16,
        chunk_extension_bytes: int = 16384,
        trailer_bytes: int = 16384,
    ) -> None:
        self.header_bytes = header_bytes
        self.header_count = header_count
        self.informational = informational
        self.chunk_extension_bytes = chunk_extension_bytes
        self.trailer_bytes = trailer_bytes


_DEFAULT_LIMITS = Http1Limits()


class ResponseParser:
    """Parses the responses of one HTTP/1.1 connection, one after the other. For one thread at a time.

    The sink is any object with ``on_informational(head)``, ``on_head(head)``, ``on_data(view)`` and
    ``on_end(trailers)``; a view is valid only during the call. The parser raises what it finds wrong and leaves
    ``on_failure`` to its caller, who has failures of its own to report. A sink may call :meth:`start` from within
    ``on_end``.

    :param limits: bounds; :class:`Http1Limits` by default.
    :ivar done: the response is complete, or none was asked for.
    :ivar reusable: the connection may carry another request. Meaningful once ``done``.
    :ivar handed_over: the bytes that follow are no HTTP/1.1: after 101, and after a successful CONNECT.
    """

    __slots__ = (
        "_extension",
        "_held",
        "_informational",
        "_known",
        "_known_length",
        "_known_lower",
        "_known_status",
        "_leading",
        "_limits",
        "_method",
        "_ordinary",
        "_remaining",
        "_sink",
        "_small",
        "_state",
        "_stays",
        "done",
        "handed_over",
        "reusable",
    )

    def __init__(self, limits: Http1Limits | None = None) -> None:
        self._limits = limits = limits or _DEFAULT_LIMITS
        #: A head of this size is within both limits: the shortest field line is "a:" CRLF.
        self._small = min(limits.header_bytes, 4 * limits.header_count)
        self._state = _IDLE
        self._method = ""
        self._ordinary = True
        self._sink: Any = None
        self._held = bytearray()
        self._remaining = 0
        self._informational = 0
        self._leading = 0
        self._extension = 0
        self._stays = False
        # The last plain head, and what came out of it. A server that answers the same again within a second sends
        # the same bytes again, and comparing them costs a tenth of parsing them. (No response starts with a NUL.)
        self._known = b"\0"
        self._known_lower = b""
        self._known_status = 0
        self._known_length = 0
        self.done = True
        self.reusable = False
        self.handed_over = False

    def start(self, method: str, sink: Any) -> None:
        """Expect the response to a request.

        :param method: the request's method, as sent: it decides whether a body can follow.
        :param sink: who is told.
        :raises RuntimeError: the previous response isn't complete, or no other can follow on this connection.
        """
        if self._state != _IDLE:
            raise RuntimeError("the connection can't take another request now")
        self._method = method
        self._ordinary = method not in _SPECIAL_METHODS
        self._sink = sink
        self._state = _HEAD
        self.done = False
        self.reusable = False

    @property
    def begun(self) -> bool:
        """Whether any byte of the response under way has arrived."""
        return self._state > _HEAD or bool(self._held) or self._informational > 0

    def receive(self, buffer: bytearray, start: int, end: int) -> int:
        """Take the bytes ``buffer[start:end]``.

        :return: how many of them belong to the response. Fewer than all only when it is complete: the rest is
            surplus, which after :attr:`handed_over` belongs to the next protocol, and otherwise makes the
            connection unfit for reuse.
        :raises HttpProtocolError: the response isn't valid, or exceeds a limit; the connection must be closed.
        """
        if self._state == _HEAD and not self._held:
            # The short way: a plain head with a Content-Length that is here as a whole, as it nearly always is.
            known = self._known
            if buffer.startswith(known, start, end) and self._ordinary:
                length = self._known_length
                head = Http1ResponseHead(self._known_status, known, self._known_lower)
                body = start + len(known)
            else:
                match = match_head(buffer, start, end)
                if match is None:
                    return self._receive(buffer, start, end)
                block, digits = match.group(0, 1)
                status = int(digits)
                lower = block.lower()
                framing = find_framing(lower)
                if (
                    len(framing) != 1
                    or not framing[0]
                    or status < 200
                    or status == 204
                    or status == 304
                    or block[7] == 0x30
                    or not self._ordinary
                    or len(block) > self._small
                ):
                    return self._receive(buffer, start, end)
                self._known = block
                self._known_lower = lower
                self._known_status = status
                self._known_length = length = int(framing[0])
                head = Http1ResponseHead(status, block, lower)
                body = match.end()
            sink = self._sink
            stop = body + length
            self._stays = True
            if stop > end:
                self._remaining = length
                self._state = _LENGTH
                sink.on_head(head)
                if body < end:
                    self._remaining = stop - end
                    sink.on_data(memoryview(buffer)[body:end])
                return end - start
            sink.on_head(head)
            if length:
                sink.on_data(memoryview(buffer)[body:stop])
            self._state = _IDLE
            self._sink = None
            self._informational = 0
            self._leading = 0
            self.reusable = stop == end
            self.done = True
            sink.on_end([])
            return stop - start
        return self._receive(buffer, start, end)
