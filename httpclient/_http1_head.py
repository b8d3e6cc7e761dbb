"""Syntax and framing of an HTTP/1.1 response head (RFC 9112 sections 2 to 6): what ``http1_response`` builds on.

:data:`match_plain_head` recognises, in place and in one pass in C, a head that is valid and whose body is plain to
see: HTTP/1.1, a final status, at most one Content-Length or ``Transfer-Encoding: chunked``, and no Connection field but
``keep-alive``. Nearly every response is like that. One that isn't (folded lines, bare line feeds, HTTP/1.0, 1xx, other
framing fields) and one that is wrong takes the functions below, which may look at a head more than once, but never at
more than one head.
"""

from __future__ import annotations

import re

from .errors import HttpProtocolError
from .head import Http1ResponseHead

#: What :func:`body_framing` answers besides a length.
UNTIL_CLOSE = -1
CHUNKED = -2

# RFC 9110 section 5.6.2 (token), and section 5.5 (VCHAR, obs-text, SP, HTAB). Ranges are cheaper to match than a
# negated set, and the runs are possessive, so there is nothing to backtrack into. The repeated group itself isn't:
# Python 3.11 before 3.11.5 has a bug there, and it would save nothing.
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TEXT = rb"[\t -~\x80-\xff]"
_FIELD_LINE = TOKEN + rb"++:" + TEXT + rb"*+\r\n"

# A field line that says nothing about the body or the connection. The first letter sends most of them on their way.
_PLAIN_LINE = rb"(?![CcTt](?i:on(?:tent-len|nection:(?! keep-alive\r))|ransfer-))" + _FIELD_LINE

#: A plain head: group 1 is the status, and group 2 the Content-Length or group 3 "chunked", if there is one: which is
#: what ``lastindex`` tells. The reason phrase and the space before it may be missing: RFC 9112 section 4 wants the
#: space, and many servers don't send it.
match_plain_head = re.compile(
    rb"HTTP/1\.[1-9] ([2-9][0-9][0-9])(?: " + TEXT + rb"*+)?\r\n(?:" + _PLAIN_LINE + rb")*"
    rb"(?:(?:(?i:content-length):[ \t]*+([0-9]{1,18}+)\r\n|(?i:transfer-encoding:[ \t]*+(chunked))\r\n)"
    rb"(?:" + _PLAIN_LINE + rb")*)?\r\n"
).match

# Compiled when first needed; the re module keeps it.
_HEAD = rb"HTTP/1\.[0-9] [1-9][0-9][0-9](?: " + TEXT + rb"*+)?\r\n(?:" + _FIELD_LINE + rb")*\r\n"


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
    if not re.fullmatch(_HEAD, block):
        raise _head_error(block)
    return block


def canonical_trailers(block: bytes) -> bytes:
    """Return a complete trailer section in the form that ``parse_fields`` takes (RFC 9112 section 7.1.2).

    :param block: field lines and the empty line that ends them.
    :raises HttpProtocolError: it isn't valid; the message shows the line.
    """
    _check_line_feeds(block, "trailer section")
    block = _unfolded(block)
    if not re.fullmatch(rb"(?:" + _FIELD_LINE + rb")*\r\n", block):
        raise _field_error(block.removesuffix(b"\r\n").removesuffix(b"\r\n").split(b"\r\n"), "trailer section")
    return block


def _check_line_feeds(block: bytes, where: str) -> None:
    """Refuse lines that end in a bare LF among others."""
    if block.count(b"\n") != block.count(b"\r\n"):
        line = next(line for line in block.split(b"\n") if line[-1:] != b"\r")
        raise HttpProtocolError(f"a line of the {where} ends in a bare line feed (RFC 9112 2.2): {_shown_field(line)}")


def _unfolded(block: bytes) -> bytes:
    """Make one line of each value that was folded over several (RFC 9112 section 5.2)."""
    if b"\r\n " in block or b"\r\n\t" in block:
        return re.sub(rb"\r\n[ \t]++", b" ", block)
    return block


def _head_error(block: bytes) -> HttpProtocolError:
    """Say what is wrong with a head."""
    lines = block[:-4].split(b"\r\n")
    status = lines[0]
    if re.match(rb"HTTP/(?!1\.)[0-9](?:\.[0-9])?(?: |$)", status):
        return HttpProtocolError(f"the server answers in a version of HTTP that wasn't asked for: {_shown(status)}")
    if not re.fullmatch(rb"HTTP/1\.[0-9] [1-9][0-9][0-9](?: " + TEXT + rb"*)?", status):
        return HttpProtocolError(f"invalid status line (RFC 9112 4): {_shown(status)}")
    return _field_error(lines[1:], "head")


def _field_error(lines: list[bytes], where: str) -> HttpProtocolError:
    """Say what is wrong with one of these field lines.

    :param where: the part of the message that they are from.
    """
    for line in lines:
        name, colon, value = line.partition(b":")
        if re.fullmatch(TOKEN + rb"+", name) and colon and re.fullmatch(TEXT + rb"*", value):
            continue
        if b"\r" in line:
            why = "a bare carriage return in"
        elif b"\0" in line:
            why = "a NUL in"
        elif not colon:
            why = "a line without a colon in"
        elif name[-1:] in {b" ", b"\t"}:
            why = "white space between name and colon in"
        elif not re.fullmatch(TOKEN + rb"+", name):
            why = "an invalid field name in"
        else:
            why = "a control character in"
        return HttpProtocolError(f"{why} the {where} (RFC 9112 2.2, 5): {_shown_field(line)}")
    return HttpProtocolError(f"the {where} is not valid")


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
