"""Syntax and framing of an HTTP/1.1 response head (RFC 9112 sections 2 to 6): what :mod:`.response` builds on.

They take every head that is valid, may look at one more than once, and do without regular expressions: most heads are
plain, and recognised by ``_patterns``, but a program that makes one request is over before that has been loaded.
"""

from __future__ import annotations

from ..errors import HttpProtocolError
from ..head import Http1ResponseHead
from . import request

#: What :func:`body_framing` answers besides a length.
UNTIL_CLOSE = -1
CHUNKED = -2

# RFC 9110 section 5.6.2 (token), and section 5.5 (VCHAR, obs-text, SP, HTAB). What a text has besides is what
# ``text.translate(None, TOKEN)`` leaves.
TOKEN = request.TOKEN.encode("ascii")
TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))


def _shown(line: bytes) -> str:
    """Return bytes of the peer's as a message may show them."""
    return repr(line[:60])[1:] + ("..." if len(line) > 60 else "")


def _shown_field(line: bytes) -> str:
    """Return a field line as a message may show it: its value may be a cookie, so only the name."""
    name, colon, _ = line.partition(b":")
    return _shown(name + b": ...") if colon else _shown(line)


def check_start(start: bytes) -> None:
    """Refuse at once what can't become a status line, rather than wait for its end.

    :param start: the first bytes of a response, as many as there are.
    :raises HttpProtocolError: they aren't ``HTTP/``.
    """
    if b"HTTP/".startswith(start[:5]):
        return
    if start[:1] in {b"\x15", b"\x16"}:
        raise HttpProtocolError("the server speaks TLS on this port", advice="Use https://")
    if start[3:4] in {b"\x04", b"\x07"} and start[:2] == b"\0\0":
        raise HttpProtocolError("the server speaks HTTP/2 without having been asked", advice="Turn HTTP/2 on")
    raise HttpProtocolError(f"the server doesn't answer in HTTP: the response starts with {_shown(start)}")


def canonical_head(block: bytes) -> bytes:
    """Return a complete head in the form that the rest of the module takes.

    A head whose lines all end in a bare LF is accepted (RFC 9112 section 2.2), one that mixes line ends is not: two
    readers could disagree about its fields. A folded value becomes one line (section 5.2).

    :param block: a head with its empty line.
    :raises HttpProtocolError: it isn't valid; the message shows the line and says what is wrong with it.
    """
    if b"\r" not in block:
        block = block.replace(b"\n", b"\r\n")
    _check_line_feeds(block, "head")
    first = block.find(b"\r\n") + 2
    if block[first : first + 1] in {b" ", b"\t"}:
        raise HttpProtocolError("white space between status line and first header field (RFC 9112 2.2)")
    block = _unfolded(block)
    status, *lines = block[:-4].split(b"\r\n")
    if not _is_status_line(status):
        raise _status_error(status)
    _check_fields(lines, "head")
    return block


def canonical_trailers(block: bytes) -> bytes:
    """Return a complete trailer section in the form that ``parse_fields`` takes (RFC 9112 section 7.1.2).

    :param block: field lines and the empty line that ends them.
    :raises HttpProtocolError: it isn't valid; the message shows the line.
    """
    _check_line_feeds(block, "trailer section")
    block = _unfolded(block)
    if block != b"\r\n":
        _check_fields(block[:-4].split(b"\r\n"), "trailer section")
    return block


def _check_line_feeds(block: bytes, where: str) -> None:
    """Refuse lines that end in a bare LF among others."""
    if block.count(b"\n") != block.count(b"\r\n"):
        line = next(line for line in block.split(b"\n") if line[-1:] != b"\r")
        raise HttpProtocolError(f"a line of the {where} ends in a bare line feed (RFC 9112 2.2): {_shown_field(line)}")


def _unfolded(block: bytes) -> bytes:
    """Make one line of each value that was folded over several (RFC 9112 section 5.2)."""
    if b"\r\n " in block or b"\r\n\t" in block:
        import re

        return re.sub(rb"\r\n[ \t]++", b" ", block)
    return block


def _is_status_line(line: bytes) -> bool:
    """``HTTP/1.1 200`` and a reason phrase: that, and the space before it, may be missing. RFC 9112 section 4 wants the
    space, and many servers don't send it.
    """
    return (
        line.startswith(b"HTTP/1.")
        and line[7:8].isdigit()
        and line[8:9] == b" "
        and line[9:10] != b"0"
        and len(line) >= 12
        and line[9:12].isdigit()
        and line[12:13] in {b"", b" "}
        and not line[13:].translate(None, TEXT)
    )


def _status_error(line: bytes) -> HttpProtocolError:
    """Say what is wrong with a status line."""
    version = line.partition(b" ")[0].removeprefix(b"HTTP/").split(b".")
    if len(version) <= 2 and all(len(number) == 1 and number.isdigit() for number in version) and version[0] != b"1":
        return HttpProtocolError(f"the server answers in a version of HTTP that wasn't asked for: {_shown(line)}")
    return HttpProtocolError(f"invalid status line (RFC 9112 4): {_shown(line)}")


def _check_fields(lines: list[bytes], where: str) -> None:
    """Refuse field lines that aren't valid, and say what is wrong with the first of them.

    :param where: the part of the message that they are from.
    """
    for line in lines:
        name, colon, value = line.partition(b":")
        if name and colon and not name.translate(None, TOKEN) and not value.translate(None, TEXT):
            continue
        if b"\r" in line:
            why = "a bare carriage return in"
        elif b"\0" in line:
            why = "a NUL in"
        elif not colon:
            why = "a line without a colon in"
        elif name[-1:] in {b" ", b"\t"}:
            why = "white space between name and colon in"
        elif not name or name.translate(None, TOKEN):
            why = "an invalid field name in"
        else:
            why = "a control character in"
        raise HttpProtocolError(f"{why} the {where} (RFC 9112 2.2, 5): {_shown_field(line)}")


def _members(values: list[bytes]) -> list[bytes]:
    """Split the lines of a list field into its members, in lower case (RFC 9110 section 5.6.1)."""
    members = b",".join(values).lower().split(b",")
    return [stripped for member in members if (stripped := member.strip(b" \t"))]


def _content_length(values: list[bytes]) -> int:
    """Return the length that one or several Content-Length lines agree on (RFC 9110 section 8.6).

    :raises HttpProtocolError: not a number, more than one, or one that no body can have.
    """
    lengths = set()
    for member in b",".join(values).split(b","):
        digits = member.strip(b" \t")
        # Only digits: int() would take a sign, underscores and white space.
        if not digits.isdigit():
            raise HttpProtocolError(f"invalid Content-Length (RFC 9112 6.3): {_shown(member)}")
        digits = digits.lstrip(b"0")
        if len(digits) > 18:
            raise HttpProtocolError(f"Content-Length too large: {_shown(member)}")
        lengths.add(int(digits or b"0"))
    if len(lengths) > 1:
        raise HttpProtocolError(f"conflicting Content-Length (RFC 9112 6.3): {_shown(b', '.join(values))}")
    return lengths.pop()


def body_framing(method: str, head: Http1ResponseHead) -> tuple[int, bool]:
    """Decide how long the body is, and whether the connection outlives it: RFC 9112 sections 6.3 and 9.3.

    Not for 1xx and successful CONNECT, after which no body can follow (rules 1 and 2).

    :param method: the method of the request.
    :param head: the final head.
    :return: the length in bytes, :data:`UNTIL_CLOSE` or :data:`CHUNKED`; and whether the connection may be reused.
    :raises HttpProtocolError: the body can't be found with certainty.
    """
    codings = head.get_all(b"transfer-encoding")
    lengths = head.get_all(b"content-length")
    options = _members(head.get_all(b"connection"))
    old = head.version == "1.0"
    # Section 9.3: "close" always wins; HTTP/1.0 lives on only if it says so.
    reusable = b"close" not in options and (not old or b"keep-alive" in options)
    if codings and (lengths or old):
        # Sections 6.1 and 6.3: Transfer-Encoding wins, and such a connection can't be trusted any further.
        reusable = False

    # Rule 1: whatever the fields say, no body follows. A 204 that announces one may yet send it.
    if method == "HEAD" or head.status in {204, 304}:
        if head.status == 204 and (codings or any(length != b"0" for length in lengths)):
            reusable = False
        return 0, reusable

    # Rules 3 and 4.
    if codings:
        members = _members(codings)
        if members == [b"chunked"]:
            return CHUNKED, reusable
        if members == [b"identity"]:
            # A coding of RFC 2616 that does nothing; what isn't chunked at last ends with the connection.
            return UNTIL_CLOSE, False
        # No other coding was offered in TE, so the server may not use one (section 7.4), and a body
        # that can't be decoded is of no use.
        raise HttpProtocolError(f"unknown or invalid Transfer-Encoding (RFC 9112 6.1): {_shown(b', '.join(codings))}")

    # Rules 5 and 6.
    if lengths:
        return _content_length(lengths), reusable

    # Rule 8 (rule 7 is about requests).
    return UNTIL_CLOSE, False
