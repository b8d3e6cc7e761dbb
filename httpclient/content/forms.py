"""Bodies and queries made of values: forms, JSON, and ``params``.

What one server would read differently from another is refused: a boolean (``True``, ``true`` or ``1``?), NaN, a
dictionary in a dictionary. Imported when it is first needed.

No Delphi origin: callers of the original put their bodies and queries together themselves.
"""

from __future__ import annotations

import re

from ..errors import BodyError, InvalidUrlError
from .body import Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from ..uri import TgoURI

    #: A value of a form or a query; ``None`` leaves the name out.
    FieldValue = str | bytes | int | float | None
    #: The names and values of a form or a query.
    FieldsInput = (
        Mapping[str, FieldValue | Iterable[FieldValue]] | Iterable[tuple[str, FieldValue | Iterable[FieldValue]]]
    )

FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"

#: Writes JSON, once there is some to write.
_encode: Callable[[object], str] | None = None


def _table(unencoded: bytes) -> list[str]:
    """Return what becomes of each byte."""
    return [chr(byte) if byte in unencoded else f"%{byte:02X}" for byte in range(256)]


_LETTERS_AND_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# URL Standard section 5.2: all but these is percent-encoded, and a space becomes a plus.
_find_odd_in_form = re.compile(rb"[^A-Za-z0-9*\-._]").search
_FORM = _table(_LETTERS_AND_DIGITS + b"*-._")
_FORM[0x20] = "+"
# RFC 3986 section 2.3. Whoever decodes a query, as a form or as a URI, reads the same: so a space is %20, not a plus.
_find_odd_in_query = re.compile(rb"[^A-Za-z0-9\-._~]").search
_QUERY = _table(_LETTERS_AND_DIGITS + b"-._~")


def form_body(fields: FieldsInput) -> tuple[Body, str]:
    """Return the body of a form, and its Content-Type: ``application/x-www-form-urlencoded`` (URL Standard section 5).

    :param fields: a mapping, or pairs, of names and values. A value is text (UTF-8), bytes, an ``int`` or a finite
        ``float``; a list or another iterable of such stands for one field each; ``None`` leaves the field out.
    :raises BodyError: something else, which servers would read differently if it were turned into text.
    """
    pairs = [
        f"{_quote(name, _find_odd_in_form, _FORM)}={_quote(value, _find_odd_in_form, _FORM)}"
        for name, value in field_pairs(fields, BodyError)
    ]
    return Body("&".join(pairs).encode("ascii")), FORM_TYPE


def json_body(value: object) -> tuple[Body, str]:
    """Return a value as JSON in UTF-8 (RFC 8259), without white space, and its Content-Type.

    :param value: what ``json.dumps`` takes.
    :raises BodyError: it can't be written as JSON; NaN and infinity can't.
    """
    global _encode
    if _encode is None:
        from json import JSONEncoder

        _encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    try:
        return Body(_encode(value).encode()), JSON_TYPE
    except UnicodeEncodeError:
        raise BodyError(
            "the value has text with half of a surrogate pair in it, which UTF-8 has no bytes for"
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error)
        if "JSON compliant" in reason:
            reason = "it has a NaN or an infinity in it, and JSON has none (RFC 8259 section 6)"
        raise BodyError(f"the value cannot be written as JSON: {reason}") from error


def with_params(uri: TgoURI, params: FieldsInput | str | bytes | None) -> TgoURI:
    """Return a URL with *params* behind what its query has already.

    :param uri: not changed.
    :param params: a mapping or pairs as for :func:`form_body`, encoded so that a server that decodes the query as a
        form and one that decodes it as part of a URI read the same; or a query that is encoded already, as text or
        bytes, in which only what may not stand in a URL is percent-encoded.
    :raises InvalidUrlError: a name or value that can be read in more than one way.
    """
    if params is None:
        return uri
    if isinstance(params, bytes):
        try:
            params = params.decode()
        except UnicodeDecodeError:
            raise InvalidUrlError("the params are bytes that are not UTF-8", url=uri.to_string()) from None
    if isinstance(params, str):
        added = params
    else:
        added = "&".join([
            f"{_quote(name, _find_odd_in_query, _QUERY)}={_quote(value, _find_odd_in_query, _QUERY)}"
            for name, value in field_pairs(params, InvalidUrlError)
        ])  # fmt: skip
    if not added:
        return uri
    query = uri.query
    return uri.with_query(f"{query}&{added}" if query and not query.endswith("&") else query + added)


def field_pairs(
    fields: FieldsInput, error: type[BodyError | InvalidUrlError] = BodyError
) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and values as bytes, one pair for each value.

    :param fields: see :func:`form_body`.
    :param error: what to raise for what can't be used.
    """
    source: Any = fields
    items = getattr(source, "items", None)
    if callable(items):
        source = items()
    elif isinstance(source, (str, bytes, bytearray, memoryview)) or not hasattr(source, "__iter__"):
        raise error(f"the fields are a mapping or pairs of name and value, not {type(source).__name__}")
    for pair in source:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise error("the fields are a mapping or pairs of name and value, and one of them is no pair")
        name, value = pair
        if name is None:
            raise error("the name of a field is None")
        encoded = _encoded(name, "the name of a field", error)
        if isinstance(value, (str, bytes, bytearray, memoryview)) or not hasattr(value, "__iter__"):
            if value is not None:
                yield encoded, _encoded(value, f"the field {name!a}", error)
        elif hasattr(value, "read"):
            raise error(f"the field {name!a} is a file: files are sent with files=")
        elif hasattr(value, "keys"):
            raise error(f"the field {name!a} is a {type(value).__name__}, and forms have no dictionaries in them")
        else:
            for each in value:
                if each is not None:
                    yield encoded, _encoded(each, f"the field {name!a}", error)


def _encoded(value: object, what: str, error: type[BodyError | InvalidUrlError]) -> bytes:
    """Return a name or a value as bytes. What it is isn't shown: it may be a secret."""
    if isinstance(value, str):
        try:
            return str.encode(value)
        except UnicodeEncodeError:
            raise error(f"{what} has half of a surrogate pair in it, which UTF-8 has no bytes for") from None
    if isinstance(value, bool):
        raise error(f"{what} is a bool, which some servers want as 'true' and some as 'True' or '1': say which")
    if isinstance(value, int):
        try:
            return int.__repr__(value).encode("ascii")
        except ValueError as cause:  # too long for Python to write
            raise error(f"{what} is a number that is too long") from cause
    if isinstance(value, float):
        text = float.__repr__(value)
        if text in {"nan", "inf", "-inf"}:
            raise error(f"{what} is {text}, which there is no agreed way to write")
        return text.encode("ascii")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise error(f"{what} is text, bytes, a number or a list of these, not {type(value).__name__}: turn it into text")


def _quote(data: bytes, find_odd: Any, table: list[str]) -> str:
    if find_odd(data):
        return "".join([table[byte] for byte in data])
    return data.decode("ascii")
