"""Write HTTP/1.1 request heads, and decide what may go on the wire at all (RFC 9110 sections 5 and 9, RFC 9112).

The checks are shared with HTTP/2: whatever protocol a request takes, the same things are refused, with the same error,
before anything is sent. What a caller passes can't smuggle a line break, a second field or a second request.

Field values are text. They are sent as Latin-1, which is what RFC 9110 section 5.5 (obs-text) and the receiving side
of this package take for granted, and as UTF-8 where a character doesn't fit into Latin-1. White space around a value
isn't part of it, and is dropped.

Delphi: the part of Grijjy.Http.TgoHttpClient.CreateRequest and SendRequest (private there) that makes the bytes.
"""

from __future__ import annotations

from ..errors import InvalidRequestError

#: What a token consists of (RFC 9110 section 5.6.2): ``text.strip(TOKEN)`` is empty where there is nothing else.
TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Names that have passed the check. They are few, in practice, and bounded in any case.
_known_names: set[str] = set()
_KNOWN_NAMES_LIMIT = 1024


def _shown(text: object) -> str:
    """Return a part of the caller's input as a message may show it."""
    shown = ascii(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _plain(text: str) -> str:
    """Return the characters of a text whose class may have ideas of its own about them (an enum's members, say)."""
    return text if text.__class__ is str else str.__str__(text)


def check_method(method: str) -> str:
    """Return *method* if it is a token (RFC 9110 section 9.1). Methods are case-sensitive: it isn't changed.

    :raises InvalidRequestError: it isn't.
    """
    if not isinstance(method, str) or not method or method.strip(TOKEN):
        raise InvalidRequestError(f"invalid method (RFC 9110 9.1): {_shown(method)}")
    return _plain(method)


def check_target(target: str) -> str:
    """Return *target* if it may stand in a request line: visible ASCII, no white space (RFC 9112 section 3.2).

    :raises InvalidRequestError: it may not.
    """
    valid = isinstance(target, str) and target and target.isascii() and target.isprintable() and " " not in target
    if not valid:
        raise InvalidRequestError(
            f"invalid request target (RFC 9112 3.2): {_shown(target)}", advice="Percent-encode it first"
        )
    return _plain(target)


def check_field_name(name: str) -> str:
    """Return *name* if it is a token (RFC 9110 section 5.1).

    :raises InvalidRequestError: it isn't.
    """
    if not isinstance(name, str) or not name or name.strip(TOKEN):
        # A whole field in the place of its name may have a secret in it.
        shown = name.partition(":")[0] + ":..." if isinstance(name, str) and ":" in name[1:] else name
        raise InvalidRequestError(f"invalid header field name (RFC 9110 5.1): {_shown(shown)}")
    name = _plain(name)
    if len(_known_names) < _KNOWN_NAMES_LIMIT:
        _known_names.add(name)
    return name


def check_field_value(value: str, name: str = "") -> str:
    """Return *value* without the white space around it, if it may be sent (RFC 9110 section 5.5).

    :param name: the name of the field, for the message. The value isn't shown: it may be a secret.
    :raises InvalidRequestError: it has a CR, LF, NUL or another control character in it.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"the value of the header field {_shown(name)} isn't text but {type(value).__name__}")
    value = _plain(value)
    # Nearly every value is printable ASCII, which C can tell at once.
    if not (value.isascii() and value.isprintable()):
        # CR, LF and NUL are dangerous, the other controls invalid; a tab may stand inside a value.
        control = next((letter for letter in value if (letter < " " and letter != "\t") or letter == "\x7f"), "")
        if control:
            raise InvalidRequestError(
                f"a control character, {control!a}, in the value of the header field {_shown(name)} "
                "(RFC 9110 5.5)"
            )
    return value.strip(" \t")


def encode_field_value(value: str) -> bytes:
    """Return the bytes of a checked value: Latin-1, or UTF-8 where that can't hold it.

    :raises InvalidRequestError: it can't be encoded at all: half of a surrogate pair.
    """
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequestError("a header field value with half of a surrogate pair") from None


def build_head(method: str, target: str, fields: list[tuple[str, str]]) -> bytes:
    """Check and serialise the head of a request (RFC 9112 sections 3 and 5).

    :param method: the method, as it is to be sent.
    :param target: the request target: ``/path?query``, or another form of RFC 9112 section 3.2.
    :param fields: name and value of every field in order, ``Host`` among them.
    :return: the request line, the fields and the empty line.
    :raises InvalidRequestError: something in it may not be sent.
    """
    return join_head(method, target, field_lines(fields))


def field_lines(fields: list[tuple[str, str]]) -> list[str]:
    """Check header fields, and return each as a line without its end.

    :raises InvalidRequestError: one may not be sent.
    """
    lines = []
    for name, value in fields:
        # The short way for what is plain text and known or printable; the checks for everything else.
        if name.__class__ is not str or name not in _known_names:
            name = check_field_name(name)  # noqa: PLW2901
        if value.__class__ is str and value.isascii() and value.isprintable():
            lines.append(f"{name}: {value.strip(' ')}")
        else:
            lines.append(f"{name}: {check_field_value(value, name)}")
    return lines


def join_head(method: str, target: str, lines: list[str]) -> bytes:
    """Check method and target, and return the head of a request whose fields have been checked.

    :param lines: the fields, see :func:`field_lines`; several may be joined to one text by CRLF.
    """
    whole = [f"{check_method(method)} {check_target(target)} HTTP/1.1", *lines, "\r\n"]
    try:
        return "\r\n".join(whole).encode("latin-1")
    except UnicodeEncodeError:
        # Each line by itself: one that doesn't fit into Latin-1 doesn't change how the others are sent.
        return b"\r\n".join([encode_field_value(line) for line in "\r\n".join(whole).split("\r\n")])


def encode_chunk(data: bytes | bytearray | memoryview) -> bytes:
    """Return *data* as one chunk of a body of unknown length (RFC 9112 section 7.1).

    :param data: the bytes; none stand for the end of the body, the last chunk and an empty trailer section.
    """
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    return b"".join((b"%x\r\n" % size, data, b"\r\n"))


#: RFC 9110 section 6.5.1: what frames a message, says where it goes, or changes how it is read, comes too late there.
_NOT_IN_TRAILERS = frozenset(
    ("authorization", "content-encoding", "content-length", "content-range", "content-type", "host", "te", "trailer",
     "transfer-encoding")
)  # fmt: skip


def check_trailers(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the fields after a body as they may be sent, whatever the version of HTTP.

    :raises InvalidRequestError: a name or value may not be sent, or not after the body.
    """
    checked = []
    for name, value in fields:
        if check_field_name(name).lower() in _NOT_IN_TRAILERS:
            raise InvalidRequestError(f"{name} can't be sent after the body (RFC 9110 6.5.1)")
        checked.append((name, check_field_value(value, name)))
    return checked


def encode_trailers(fields: list[tuple[str, str]]) -> bytes:
    """Return the end of a body of unknown length with fields after it (RFC 9112 section 7.1.2).

    :param fields: checked.
    """
    lines = [encode_field_value(f"{name}: {value}") for name, value in fields]
    return b"\r\n".join((b"0", *lines, b"\r\n"))
