"""From bytes to text: by byte order mark, by the charset that a response names, or by default.

Delphi: the part of Grijjy.Http.TgoHttpClient that finds the charset, and Grijjy.Http.TgoHttpClient.BytesToString
"""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases

#: Byte order marks, longest first: that of UTF-32-LE starts with that of UTF-16-LE.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)

# RFC 9110 section 5.6.6, and a little more: blanks around "=", which section 5.6.6 forbids and servers send. A quoted
# value is taken as a whole, so what looks like a parameter inside it isn't one.
_PARAMETER = r";[ \t]*+([^\s;=\"]++)[ \t]*+=[ \t]*+(?:\"((?:[^\"\\]|\\.)*+)\"|([^;\s\"]*+))"

#: Codecs of Python's that turn bytes into text and yet are no charsets; some take quadratic time.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})

#: No charset has a longer name.
_LONGEST_NAME = 40

# Python remembers every name that it is asked for, so a server that makes up one for each response would fill the
# memory. Here are the names in Python's own spelling that it knows, which are few, and some that it doesn't know.
_known: dict[str, str] = {}
_unknown: set[str] = set()
_UNKNOWN_LIMIT = 256


def content_charset(content_type: bytes | str) -> str:
    """Return the ``charset`` parameter of a Content-Type, without quotes and in lower case.

    :param content_type: the value of the field.
    :return: the name as the sender wrote it; empty where there is none.

    >>> content_charset('text/html; charset="UTF-8"')
    'utf-8'
    """
    text = content_type if isinstance(content_type, str) else content_type.decode("latin-1")
    for name, quoted, plain in re.findall(_PARAMETER, text):
        if name.lower() == "charset":
            # Single quotes mean nothing here, but are meant well.
            return (re.sub(r"\\(.)", r"\1", quoted) or plain).strip(" \t'").lower()
    return ""


def find_codec(charset: str) -> str:
    """Return Python's name of a charset; empty where Python doesn't know it.

    >>> find_codec("Latin-1")
    'iso8859-1'
    """
    if not charset or len(charset) > _LONGEST_NAME:
        return ""
    name = normalize_encoding(charset).lower()
    found = _known.get(name)
    if found is not None:
        return found
    if name in _unknown:
        return ""
    if len(_unknown) >= _UNKNOWN_LIMIT and name not in aliases and name not in aliases.values():
        return ""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        _unknown.add(name)
        return ""
    # Codecs from bytes to bytes (zip, base64) are found by the same look-up.
    is_charset = codec._is_text_encoding and codec.name.replace("-", "_") not in _NO_CHARSETS
    found = _known[name] = codec.name if is_charset else ""
    return found


def decode_text(data: bytes | bytearray | memoryview, charset: str = "", default: str = "utf-8") -> str:
    """Decode bytes to text; what can't be decoded becomes U+FFFD.

    :param data: the bytes. A byte order mark decides, and is no part of the text.
    :param charset: what the sender says they are in; any charset that Python knows.
    :param default: what to take where *charset* is empty or unknown.

    Delphi: Grijjy.Http.TgoHttpClient.BytesToString
    """
    start = bytes(data[:4])
    for mark, codec in _MARKS:
        if start.startswith(mark):
            return str(data[len(mark) :], codec, "replace")
    return str(data, find_codec(charset) or find_codec(default) or "utf-8", "replace")
