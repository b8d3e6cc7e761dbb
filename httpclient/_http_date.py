"""Dates in header fields: the three forms that every recipient must take (RFC 9110 section 5.6.7)."""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "(" + "|".join(_MONTHS) + ")"
_TIME = r"([0-9]{2}):([0-9]{2}):([0-9]{2})"
#: Sun, 06 Nov 1994 08:49:37 GMT
_match_fixed = re.compile(rf"[a-z]{{3}}, ([0-9]{{2}}) {_MONTH} ([0-9]{{4}}) {_TIME} gmt").fullmatch
#: Sunday, 06-Nov-94 08:49:37 GMT
_match_rfc850 = re.compile(rf"[a-z]{{6,9}}, ([0-9]{{2}})-{_MONTH}-([0-9]{{2}}) {_TIME} gmt").fullmatch
#: Sun Nov  6 08:49:37 1994
_match_asctime = re.compile(rf"[a-z]{{3}} {_MONTH} ([ 0-9][0-9]) {_TIME} ([0-9]{{4}})").fullmatch

#: Seconds of an average year of the Gregorian calendar.
_YEAR = 31556952


def parse_http_date(value: bytes, now: float) -> int | None:
    """Return a date as seconds since 1970; ``None`` where it isn't one.

    Capitals and small letters are the same; the day of the week may be any.

    :param value: the value of a field.
    :param now: the time, in the same seconds: it decides on the century of years with two digits.

    >>> parse_http_date(b"Sun, 06 Nov 1994 08:49:37 GMT", 0.0)
    784111777
    """
    if len(value) > 40:
        return None
    text = value.decode("latin-1").lower()
    match = _match_fixed(text)
    if match:
        day, month, year, hour, minute, second = match.groups()
        return _seconds(int(year), month, int(day), int(hour), int(minute), int(second))
    match = _match_asctime(text)
    if match:
        month, day, hour, minute, second, year = match.groups()
        return _seconds(int(year), month, int(day), int(hour), int(minute), int(second))
    match = _match_rfc850(text)
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    this_year = 1970 + int(now // _YEAR)
    full_year = this_year - this_year % 100 + int(year)
    # What seems more than 50 years ahead is the most recent year in the past with these two digits.
    if full_year > this_year + 50:
        full_year -= 100
    return _seconds(full_year, month, int(day), int(hour), int(minute), int(second))


def _seconds(year: int, month_name: str, day: int, hour: int, minute: int, second: int) -> int | None:  # noqa: PLR0917
    month = _MONTHS.index(month_name) + 1
    leap_year = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 29 if month == 2 and leap_year else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    # A leap second is the 60th (RFC 9110 section 5.6.7).
    if not (1 <= day <= length and hour < 24 and minute < 60 and second <= 60 and year > 0):
        return None
    # Years that begin in March, so that a leap day is the last one.
    march_year = year - (month < 3)
    march_month = (month - 3) % 12
    days = march_year * 365 + march_year // 4 - march_year // 100 + march_year // 400
    days += (march_month * 153 + 2) // 5 + day - 1 - 719468
    return days * 86400 + hour * 3600 + minute * 60 + second
