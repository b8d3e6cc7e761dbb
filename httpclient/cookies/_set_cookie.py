"""What a Set-Cookie field says (RFC 6265 section 5.2), and dates as cookies have them (section 5.1.1).

Text comes in as the bytes were, each byte a character (ISO 8859-1), so that a cookie goes back as it came.
"""

from __future__ import annotations

import datetime
import re

#: Octets of name and value together; longer ones are ignored (RFC 6265 section 6.1 and RFC 6265bis section 5.6).
MAX_SIZE = 4096
#: Octets of the value of an attribute; longer attributes are ignored (RFC 6265bis section 5.6).
MAX_ATTRIBUTE_SIZE = 1024
#: The end of the year 9999: what lasts longer lasts until then.
END_OF_TIME = 253402300799
#: In the past at any time: when a cookie expires that says it has (RFC 6265 section 5.2.2).
START_OF_TIME = 0

# RFC 6265bis section 5.6 step 1. A tab is white space around names and values. Inside them it is refused, too: RFC
# 6265 section 4.1.1 has no such cookies, and files of cookies separate their fields by it.
_find_control = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
_find_control_or_tab = re.compile(r"[\x00-\x1f\x7f]").search

# RFC 6265 section 5.1.1: "delimiter", and the tokens that mean something. What follows a non-digit is not looked at.
_split_date = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+").split
_match_time = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])").match
_match_day = re.compile(r"([0-9]{1,2})(?![0-9])").match
_match_year = re.compile(r"([0-9]{2,4})(?![0-9])").match
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# RFC 6265 section 5.2.2.
_match_max_age = re.compile(r"-?[0-9]+").fullmatch


class SetCookie:
    """One Set-Cookie field, taken apart.

    :ivar name: never empty.
    :ivar value: with its quotes, if it has any.
    :ivar expires: when it expires, in seconds of ``time.time()``; ``None`` at the end of the session.
    :ivar domain: without a leading dot, in lower case; empty if not given.
    :ivar path: ``None`` if not given, or not a path.
    :ivar same_site: as it was sent; ``None`` if not given.
    """

    __slots__ = ("domain", "expires", "http_only", "name", "path", "same_site", "secure", "value")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        self.expires: int | None = None
        self.domain = ""
        self.path: str | None = None
        self.secure = False
        self.http_only = False
        self.same_site: str | None = None


def has_control(text: str) -> bool:
    """Say whether there is a control character in a text, which no name, value or path of a cookie may have."""
    return _find_control_or_tab(text) is not None


def parse_set_cookie(text: str, now: int) -> SetCookie | None:
    """Take a Set-Cookie field apart (RFC 6265 section 5.2).

    :param now: the time, in seconds of ``time.time()``.
    :return: ``None`` if it is to be ignored: no name, a control character, too long, a domain outside ASCII.
    """
    if _find_control(text):
        return None
    pair, *attributes = text.split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(" \t"), value.strip(" \t")
    if not equals or not name or len(name) + len(value) > MAX_SIZE or has_control(name) or has_control(value):
        return None
    found = SetCookie(name, value)
    max_age: int | None = None
    for attribute in attributes:
        key, _, content = attribute.partition("=")
        # Of repeated attributes the last counts (RFC 6265 section 5.3), unless it is one to be ignored.
        key, content = key.strip(" \t").lower(), content.strip(" \t")
        if len(content) > MAX_ATTRIBUTE_SIZE:
            continue
        if key == "expires":
            date = parse_date(content)
            if date is not None:
                found.expires = date
        elif key == "max-age":
            if _match_max_age(content):
                seconds = int(content)
                max_age = START_OF_TIME if seconds <= 0 else min(now + seconds, END_OF_TIME)
        elif key == "domain":
            if content:
                if not content.isascii():
                    return None  # RFC 6265bis section 5.7
                found.domain = content.removeprefix(".").lower()
        elif key == "path":
            found.path = content if content.startswith("/") and not has_control(content) else None
        elif key == "secure":
            found.secure = True
        elif key == "httponly":
            found.http_only = True
        elif key == "samesite":
            found.same_site = content
    if max_age is not None:
        found.expires = max_age  # RFC 6265 section 5.3 step 3: it goes before Expires
    return found


def parse_date(text: str) -> int | None:
    """Read a date as leniently as RFC 6265 section 5.1.1 wants it.

    :return: seconds of ``time.time()``; ``None`` if it isn't a date.
    """
    clock: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _split_date(text):
        if clock is None and (match := _match_time(token)):
            clock = int(match[1]), int(match[2]), int(match[3])
        elif day is None and (match := _match_day(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (match := _match_year(token)):
            year = int(match[1])
    if clock is None or day is None or month is None or year is None:
        return None
    if year < 70:
        year += 2000
    elif year < 100:
        year += 1900
    if year < 1601:
        return None
    try:
        # Raises for what no calendar or clock shows.
        date = datetime.datetime(year, month, day, *clock, tzinfo=datetime.UTC)
    except ValueError:
        return None
    return int(date.timestamp())
