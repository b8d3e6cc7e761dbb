"""Parse HTTP/1.1 responses out of received bytes (RFC 9112); no I/O.

A :class:`ResponseParser` belongs to one connection and sees one response at a time::

    start() -> HEAD --(1xx)--> HEAD
                |--> LENGTH -----------------------------------------> OVER
                |--> CLOSE --(eof)-----------------------------------> OVER
                |--> CHUNK_SIZE -> CHUNK_DATA -> CHUNK_END -> CHUNK_SIZE
                |       '--(size 0)--> TRAILERS ---------------------> OVER
                |--(no body)-----------------------------------------> OVER --(on_end)--> IDLE
                '--(101, 2xx to CONNECT)-----------------------------> OVER --(on_end)--> HANDED_OVER

What it finds it tells the *sink* at once, and body bytes as slices of the receive buffer, without a copy. Bytes are
only kept where a line or head is incomplete, and no byte is searched twice for the end of one, so that the cost is
linear however the bytes arrive.

Delphi: Grijjy.Http.TgoHttpClient.ResponseHeader and ResponseContent (private there).
"""

from __future__ import annotations

from ..errors import HttpProtocolError, RemoteClosedError
from ..head import Http1ResponseHead, parse_fields
from ._head import (
    CHUNKED,
    TEXT,
    UNTIL_CLOSE,
    body_framing,
    canonical_head,
    canonical_trailers,
    check_start,
)
from .limits import DEFAULT_LIMITS, RAISE_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

    from .limits import Http1Limits

# The states of the diagram above. In OVER a complete response waits until the sink is told; after FAILED nothing comes.
_IDLE = 0
_HEAD = 1
_LENGTH = 2
_CLOSE = 3
_CHUNK_SIZE = 4
_CHUNK_DATA = 5
_CHUNK_END = 6
_TRAILERS = 7
_OVER = 8
_HANDED_OVER = 9
_FAILED = 10

#: Methods after which the length of the body isn't a matter of the head alone (RFC 9112 section 6.3, rules 1 and 2).
_SPECIAL_METHODS = frozenset({"HEAD", "CONNECT"})

#: Empty lines in front of a status line, left over from a sloppy previous response: so many bytes are forgiven.
_LEADING_BYTES = 8

#: RFC 9112 section 7.1.
_HEXADECIMAL = b"0123456789ABCDEFabcdef"
_SIZE_DIGITS = 16
_SIZE_LIMIT = 1 << 60
#: The longest size line, extensions apart.
_SIZE_BYTES = 20

#: What a parser knows before its first response: any head will do.
_FIRST_KNOWN = b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"
_FIRST_KNOWN_HEAD = Http1ResponseHead(200, _FIRST_KNOWN)


#: How many heads and chunks this process takes the long way, before it loads what the short ways need.
_PATIENCE = 8
_long_ways = 0


def _match_nothing(buffer: bytes | bytearray, start: int, end: int) -> re.Match[bytes] | None:
    """Stand in for the regular expressions at first; see ``_patterns``."""
    global _long_ways
    _long_ways += 1
    if _long_ways == _PATIENCE:
        load_patterns()
    return None


def load_patterns() -> None:
    """From now on, take the short way where there is one."""
    global _match_plain_head, _match_next_size, _find_close
    from ._patterns import find_close, match_next_size, match_plain_head

    _match_plain_head = match_plain_head
    _find_close = find_close
    _match_next_size = match_next_size


_match_plain_head = _match_nothing
_find_close = _match_nothing
_match_next_size = _match_nothing


def _end_of_lines(held: bytearray, searched: int) -> int:
    """Return where the empty line ends that ends the lines; 0 if it hasn't come.

    :param searched: how much of it has been looked through before.
    """
    if searched <= 2:
        if held.startswith(b"\r\n"):
            return 2
        if held.startswith(b"\n"):
            return 1
    start = max(0, searched - 2)  # the beginning of it may have been there
    proper = held.find(b"\n\r\n", start)
    bare = held.find(b"\n\n", start, len(held) if proper < 0 else proper + 1)
    return bare + 2 if bare >= 0 else proper + 3 if proper >= 0 else 0


class KnownHead:
    """The last plain head that any of several connections to one server has brought: it sends the same to all, and a
    thousand idle connections need not keep a thousand copies.

    Any thread may use it.

    :ivar last: the head as it came, what came out of it, the length of the body, and whether the connection outlives
        it; replaced as a whole.
    """

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: tuple[bytes, Http1ResponseHead, int, bool] = (_FIRST_KNOWN, _FIRST_KNOWN_HEAD, 0, True)

    def answer(self, method: str, sink: Any, buffer: bytearray, end: int, view: memoryview) -> bool | None:
        """Take a whole response with this head.

        A server that sends the same again within a second sends the same bytes again, and comparing them costs a tenth
        of parsing them.

        :param method: of the request.
        :param sink: who is told; see :class:`ResponseParser`.
        :param buffer: what has come, up to *end*, with nothing in front of it.
        :param view: of the buffer.
        :return: whether the connection outlives it; ``None`` if it is anything else, which is a parser's to take.
        """
        known, head, length, stays = self.last
        body = len(known)
        if body + length != end or method in _SPECIAL_METHODS or not buffer.startswith(known):
            return None
        sink.on_response(head, view[body:end])
        return stays


class ResponseParser:
    """Parses the responses of one HTTP/1.1 connection, one after the other. For one thread at a time.

    The sink is any object with ``on_informational(head)``, ``on_head(head)``, ``on_data(view)`` and
    ``on_end(trailers)``, or instead of these three ``on_response(head, view)``, where a response has come in one piece;
    a view is valid only during the call. The parser raises what it finds wrong and leaves ``on_failure`` to its caller,
    who has failures of its own to report. A sink may call :meth:`start` from within the last of these calls.

    :param limits: bounds; :class:`Http1Limits` by default.
    :param shared: what the connections to the same server have in common.
    :ivar reusable: the response is complete, if there is one, and the connection may carry another request.
    :ivar handed_over: the bytes that follow are no HTTP/1.1: after 101, and after a successful CONNECT.
    """

    __slots__ = (
        "_extension", "_held", "_informational", "_leading", "_length", "_limits", "_method", "_remaining", "_shared",
        "_sink", "_small", "_state", "_stays", "_trailers", "handed_over", "reusable",
    )  # fmt: skip

    def __init__(self, limits: Http1Limits | None = None, shared: KnownHead | None = None) -> None:
        self._limits = limits = limits or DEFAULT_LIMITS
        # A head of this size is within both limits: the shortest field line is "a:" CRLF.
        self._small = min(limits.header_bytes, 4 * limits.header_count)
        self._state = _IDLE
        self._method = ""
        self._sink: Any = None
        self._held = bytearray()
        self._remaining = 0
        self._length = 0
        self._informational = 0
        self._leading = 0
        self._extension = 0
        self._stays = False
        self._trailers: list[tuple[bytes, bytes]] | None = None
        self._shared = shared or KnownHead()
        self.reusable = True
        self.handed_over = False

    def start(self, method: str, sink: Any) -> None:
        """Expect the response to a request.

        :param method: the request's method, as sent: it decides whether a body can follow.
        :param sink: who is told.
        :raises RuntimeError: the previous response isn't complete, or no other can follow on this connection.
        """
        if self._state != _IDLE:
            raise RuntimeError("this connection can't take another request now")
        self._state = _HEAD
        self._method = method
        self._sink = sink
        self.reusable = False

    @property
    def done(self) -> bool:
        """Whether the response is complete, or none was asked for."""
        return self._state in {_IDLE, _HANDED_OVER}

    @property
    def begun(self) -> bool:
        """Whether any part of the response under way has arrived."""
        return self._state > _HEAD or bool(self._held) or self._informational > 0

    @property
    def counted(self) -> tuple[int, int]:
        """The length of the body under way, and how much of it is still to come; zeros where none is announced."""
        return (self._length, self._remaining) if self._state == _LENGTH else (0, 0)

    def receive(self, buffer: bytearray, start: int, end: int, view: memoryview | None = None) -> int:
        """Take the bytes ``buffer[start:end]``.

        :param view: of the buffer, if the caller has one anyway.
        :return: how many of them belong to the response. Fewer than all only when it is complete: the rest is
            surplus, which after :attr:`handed_over` belongs to the next protocol, and otherwise makes the
            connection unfit for reuse.
        :raises HttpProtocolError: the response isn't valid or passes a limit; the connection must be closed.
        """
        if self._state != _HEAD or self._held:
            return self._receive(buffer, start, end)
        # The short way: a plain head with a Content-Length, as it nearly always is.
        ordinary = self._method not in _SPECIAL_METHODS
        block, head, length, stays = self._shared.last
        if not ordinary or not buffer.startswith(block, start, end):
            match = _match_plain_head(buffer, start, end)
            if match is None:
                return self._receive(buffer, start, end)
            if match.lastindex != 2 or not ordinary:
                return self._receive(buffer, start, end, match)
            block, status, digits = match.group(0, 1, 2)
            if len(block) > self._small or status in {b"204", b"304"}:
                return self._receive(buffer, start, end, match)
            head = Http1ResponseHead(int(status), block)
            length = int(digits)
            stays = b": close\r" not in block or _find_close(block, 0, len(block)) is None
            self._shared.last = block, head, length, stays
        sink = self._sink
        body = start + len(block)
        stop = body + length
        if stop > end:
            self._state = _LENGTH
            self._stays = stays
            self._length = length
            self._remaining = stop - end
            sink.on_head(head)
            if body < end:
                sink.on_data(memoryview(buffer)[body:end])
            return end - start
        # Everything is settled before the sink hears of the end: it may start the next request at once.
        self._state = _IDLE
        self._sink = None
        self._informational = 0
        self._leading = 0
        self.reusable = stop == end and stays
        sink.on_response(head, (memoryview(buffer) if view is None else view)[body:stop])
        return stop - start

    def eof(self, clean: bool) -> None:
        """Take note that the peer has closed the connection.

        :param clean: it ended as its protocol wants: not by a reset, and not by TLS cut off without close_notify.
        :raises RemoteClosedError: a response was under way, and this isn't how it ends.
        """
        state = self._state
        self.reusable = False
        if state in {_IDLE, _HANDED_OVER, _FAILED}:
            return
        if state == _CLOSE and clean:
            self._stays = False
            self._finish(True)
            return
        if state == _HEAD:
            when = "in the middle of the response's head" if self.begun else "without answering"
        elif state == _LENGTH:
            when = f"{self._remaining} bytes before the end of the body"
        elif state == _CLOSE:
            when = "without a proper end, so that part of the body may be missing"
        else:
            when = "in the middle of a chunked body"
        self._fail()
        raise RemoteClosedError(f"the server closed the connection {when}")

    # The long way: every state, every kind of response

    def _receive(self, buffer: bytearray, start: int, end: int, match: re.Match[bytes] | None = None) -> int:
        """Do what :meth:`receive` says, and tell the sink of the end.

        :param match: the plain head that starts the buffer.
        """
        at = start
        try:
            if match is not None:
                at = self._begin_plain(match)
            while at < end:
                state = self._state
                if state == _LENGTH:
                    at = self._take_counted(buffer, at, end)
                elif state == _CHUNK_DATA:
                    at = self._take_chunks(buffer, at, end)
                elif state == _CHUNK_SIZE:
                    at = self._take_size_line(buffer, at, end)
                elif state == _CHUNK_END:
                    at = self._take_chunk_end(buffer, at)
                elif state == _TRAILERS:
                    at = self._take_trailers(buffer, at, end)
                elif state == _CLOSE:
                    self._sink.on_data(memoryview(buffer)[at:end])
                    at = end
                elif state == _HEAD:
                    # At the start of the buffer, receive() has tried.
                    plain = None if self._held or at == start else _match_plain_head(buffer, at, end)
                    at = self._take_head(buffer, at, end) if plain is None else self._begin_plain(plain)
                elif state == _FAILED:
                    raise HttpProtocolError("an earlier part of this response was invalid")
                else:
                    break
        except HttpProtocolError:
            self._fail()
            raise
        if self._state == _OVER:
            self._finish(at == end)
        elif at < end:
            # Nobody has asked for these bytes.
            self.reusable = False
        return at - start

    def _finish(self, exact: bool) -> None:
        """Tell the sink that the response is complete.

        :param exact: nothing came after it.
        """
        sink, trailers = self._sink, self._trailers
        self._state = _HANDED_OVER if self.handed_over else _IDLE
        self._sink = None
        self._trailers = None
        self._informational = 0
        self._leading = 0
        self._extension = 0
        self.reusable = self._stays and exact
        # Last, because the sink may start the next request at once.
        sink.on_end(trailers or [])

    def _fail(self) -> None:
        self._state = _FAILED
        self._sink = None
        self._held.clear()
        self.reusable = False

    # The head

    def _take_head(self, buffer: bytearray, at: int, end: int) -> int:
        """Gather a head that is incomplete, or not plain."""
        held = self._held
        while not held and buffer[at] in b"\r\n":
            self._leading += 1
            if self._leading > _LEADING_BYTES:
                raise HttpProtocolError("empty lines instead of a response")
            at += 1
            if at == end:
                return at
        before = len(held)
        block, at = self._gather(buffer, at, end, self._limits.header_bytes, "head")
        if before < 5:
            check_start(block or bytes(held[:60]))
        if block:
            # One that came in pieces may be plain, too: for one that came at once, receive() has tried.
            plain = _match_plain_head(block, 0, len(block)) if before else None
            if plain is None:
                self._begin(canonical_head(block), None)
            else:
                self._begin_plain(plain)
        return at

    def _gather(self, buffer: bytearray, at: int, end: int, limit: int, where: str) -> tuple[bytes, int]:
        """Hold lines until an empty one ends them.

        :return: the lines once they are complete, and how far the buffer was taken.
        """
        held = self._held
        before = len(held)
        held += memoryview(buffer)[at:end]
        stop = _end_of_lines(held, before)
        if (stop or len(held)) > limit:
            raise HttpProtocolError(f"the {where} of the response exceeds {limit} bytes", advice=RAISE_LIMIT)
        if not stop:
            return b"", end
        del held[stop:]
        block = bytes(held)
        held.clear()
        return block, at + stop - before

    def _begin_plain(self, match: re.Match[bytes]) -> int:
        """Begin a response whose head is plain; return where it ends."""
        framing = None
        block = match.group()
        if self._method not in _SPECIAL_METHODS and match.group(1) not in {b"204", b"304"}:
            if match.lastindex == 3:
                framing = (CHUNKED, b": close\r" not in block or _find_close(block, 0, len(block)) is None)
            elif match.lastindex == 1:
                framing = (UNTIL_CLOSE, False)
        self._begin(block, framing)
        return match.end()

    def _begin(self, block: bytes, framing: tuple[int, bool] | None) -> None:
        """Tell the sink of a head, and go on to what follows it (RFC 9112 section 6.3).

        :param framing: what ``body_framing`` would answer, where that is known.
        """
        limits = self._limits
        if len(block) > self._small:
            if len(block) > limits.header_bytes:
                raise HttpProtocolError(
                    f"the head of the response exceeds {limits.header_bytes} bytes", advice=RAISE_LIMIT
                )
            self._check_count(block.count(b"\n") - 2, "head")
        status = int(block[9:12])
        head = Http1ResponseHead(status, block)
        sink = self._sink
        if status < 200 and status != 101:
            # RFC 9110 section 15.2: any number of these may come first, also ones that nobody asked for.
            self._informational += 1
            if self._informational > limits.informational:
                raise HttpProtocolError(f"more than {limits.informational} informational responses", advice=RAISE_LIMIT)
            sink.on_informational(head)
            return
        if status == 101 or (status < 300 and self._method == "CONNECT"):
            # Rule 2, and RFC 9110 section 15.2.2: what follows is another protocol, whatever the fields say.
            self.handed_over = True
            self._stays = False
            self._state = _OVER
        else:
            length, self._stays = framing or body_framing(self._method, head)
            if length > 0:
                self._length = self._remaining = length
                self._state = _LENGTH
            else:
                self._state = _OVER if length == 0 else _CHUNK_SIZE if length == CHUNKED else _CLOSE
        sink.on_head(head)

    def _check_count(self, count: int, where: str) -> None:
        limit = self._limits.header_count
        if count > limit:
            raise HttpProtocolError(f"more than {limit} fields in the {where} of the response", advice=RAISE_LIMIT)

    # The body

    def _take_counted(self, buffer: bytearray, at: int, end: int) -> int:
        """Take body bytes up to the Content-Length."""
        stop = at + self._remaining
        if stop > end:
            self._remaining = stop - end
            self._sink.on_data(memoryview(buffer)[at:end])
            return end
        self._remaining = 0
        self._state = _OVER
        self._sink.on_data(memoryview(buffer)[at:stop])
        return stop

    def _take_chunks(self, buffer: bytearray, at: int, end: int) -> int:
        """Take the data of a chunk, and all complete chunks that follow it."""
        on_data = self._sink.on_data
        view = memoryview(buffer)
        remaining = self._remaining
        while True:
            stop = at + remaining
            if stop > end:
                self._remaining = stop - end
                if at < end:
                    on_data(view[at:end])
                return end
            on_data(view[at:stop])
            match = _match_next_size(buffer, stop, end)
            if match is None:
                self._state = _CHUNK_END
                return stop
            at = match.end()
            digits = match[1]
            if at - stop == len(digits) + 4 and len(digits) < 9:
                # What _begin_chunk() would do for a size that is in order and stands alone.
                remaining = int(digits, 16)
                if not remaining:
                    self._state = _TRAILERS
                    return at
            else:
                self._begin_chunk(digits, at - match.end(1) - 2)
                if self._state == _TRAILERS:
                    return at
                remaining = self._remaining

    def _take_chunk_end(self, buffer: bytearray, at: int) -> int:
        """Take the line end after a chunk's data."""
        if buffer[at] != b"\r\n"[len(self._held)]:
            raise HttpProtocolError("a chunk doesn't end where its size says (RFC 9112 7.1)")
        if self._held:
            self._held.clear()
            self._state = _CHUNK_SIZE
        else:
            self._held += b"\r"
        return at + 1

    def _take_size_line(self, buffer: bytearray, at: int, end: int) -> int:
        """Take the line in front of a chunk."""
        held = self._held
        found = buffer.find(b"\n", at, end)
        stop = end if found < 0 else found + 1
        if len(held) + stop - at > self._limits.chunk_extension_bytes + _SIZE_BYTES:
            raise HttpProtocolError("the line in front of a chunk is too long", advice=RAISE_LIMIT)
        held += memoryview(buffer)[at:stop]
        if found >= 0:
            # White space may stand in front of an extension, and some servers pad the size with it.
            digits, _, extension = bytes(held[:-2]).partition(b";")
            digits = digits.rstrip(b" \t")
            valid = held.endswith(b"\r\n") and 0 < len(digits) <= _SIZE_DIGITS
            if not valid or digits.strip(_HEXADECIMAL) or extension.translate(None, TEXT):
                raise HttpProtocolError(f"invalid chunk size (RFC 9112 7.1): {bytes(held[:60])!r}")
            self._begin_chunk(digits, len(held) - len(digits) - 2)
            held.clear()
        return stop

    def _begin_chunk(self, digits: bytes, padding: int) -> None:
        """Go on to the data that a size line announces, or to the trailer section.

        :param digits: the size.
        :param padding: how many bytes the line has between the size and its end.
        """
        size = int(digits, 16)
        if size >= _SIZE_LIMIT:
            raise HttpProtocolError(f"chunk size too large: {digits!r}")
        if padding:
            # Extensions are ignored (RFC 9112 section 7.1.1), but they may not be the bulk of what is sent.
            limit = self._limits.chunk_extension_bytes
            self._extension = max(0, self._extension + padding - size)
            if padding > limit or self._extension > limit:
                raise HttpProtocolError("too many bytes of chunk extensions", advice=RAISE_LIMIT)
        self._remaining = size
        self._state = _CHUNK_DATA if size else _TRAILERS

    def _take_trailers(self, buffer: bytearray, at: int, end: int) -> int:
        """Take the trailer section; nearly always it is empty."""
        if not self._held and buffer.startswith(b"\r\n", at, end):
            self._state = _OVER
            return at + 2
        block, at = self._gather(buffer, at, end, self._limits.trailer_bytes, "trailer section")
        if block:
            block = canonical_trailers(block)
            self._check_count(block.count(b"\n") - 1, "trailer section")
            self._trailers = parse_fields(block)
            self._state = _OVER
        return at
