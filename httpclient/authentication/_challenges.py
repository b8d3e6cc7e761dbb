"""What a server asks for when it refuses: lists of challenges (RFC 9110 sections 11.2, 11.3, 11.6.1 and 11.7.1).

A field may hold several challenges, and a challenge several parameters; both are separated by commas, so where one ends
is seen only by looking at what follows. Any number of fields may come, which together are one list.

What doesn't follow the grammar is skipped up to the next comma outside of quotes, and never an error: what can't be
read can't be answered, that is all. Every part of a value is looked at a bounded number of times.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: How many challenges are read, and how many parameters of each; more are ignored.
MAX_CHALLENGES = 32
MAX_PARAMETERS = 32

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_skip_separators = re.compile(r"[ \t,]*+").match
# RFC 9110 section 5.6.4. What isn't quoted may be more than a token: many servers write Base64 without quotes.
_match_parameter = re.compile(
    rf"({_TOKEN})[ \t]*+=[ \t]*+"
    r'(?:"([\t !#-\[\]-~\x80-\xff]*+(?:\\[\t -~\x80-\xff][\t !#-\[\]-~\x80-\xff]*+)*+)"|([!#-+\--~\x80-\xff]++))'
    r"(?=[ \t,]|\Z)"
).match
_match_scheme = re.compile(rf"({_TOKEN})(?:[ \t]++([A-Za-z0-9\-._~+/]++=*+)(?=[ \t]*+(?:,|\Z))|(?=[ \t,]|\Z))").match
_skip_unreadable = re.compile(r'(?:[^",]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL).match
_unescape = re.compile(r"\\(.)").sub


class Challenge:
    """One challenge of a server or proxy. Text is decoded as Latin-1, like all header fields.

    :ivar scheme: the authentication scheme in lower case: ``basic``, ``digest``, ``bearer``, ...
    :ivar token68: the one value that some schemes have instead of parameters; empty where there is none.
    :ivar params: the parameters, names in lower case, values without quotes and escapes. Of parameters with the same
        name, which must not be, the first counts.
    """

    __slots__ = ("params", "scheme", "token68")

    def __init__(self, scheme: str, token68: str = "", params: dict[str, str] | None = None) -> None:
        self.scheme = scheme
        self.token68 = token68
        self.params: dict[str, str] = {} if params is None else params

    def __repr__(self) -> str:
        return f"<Challenge {self.scheme} with {', '.join(self.params) or 'no parameters'}>"


def parse_challenges(values: Iterable[bytes]) -> list[Challenge]:
    """Return the challenges of WWW-Authenticate or Proxy-Authenticate, in their order.

    :param values: the values of all fields of that name.

    >>> [each.scheme for each in parse_challenges([b'Digest realm="a, b", nonce=x, Basic', b"Negotiate YWJj"])]
    ['digest', 'basic', 'negotiate']
    """
    found: list[Challenge] = []
    current: Challenge | None = None
    for value in values:
        current = _parse(value.decode("latin-1"), found, current)
    return found


def parse_parameters(values: Iterable[bytes]) -> dict[str, str]:
    """Return the parameters of Authentication-Info or Proxy-Authentication-Info (RFC 9110 section 11.6.3).

    :param values: the values of all fields of that name.
    :return: names in lower case, values without quotes and escapes.
    """
    only = Challenge("")
    current: Challenge | None = only
    for value in values:
        current = _parse(value.decode("latin-1"), [], current)
    return only.params


def _parse(text: str, found: list[Challenge], current: Challenge | None) -> Challenge | None:
    """Read one field; *current* is the challenge that parameters belong to, at its start and, returned, at its end."""
    position = _skip_separators(text).end()  # type: ignore[union-attr]
    while position < len(text):
        match = _match_parameter(text, position)
        if match:
            name, quoted, plain = match.groups()
            if current is not None and len(current.params) < MAX_PARAMETERS:
                current.params.setdefault(name.lower(), plain if quoted is None else _unescape(r"\1", quoted))
        else:
            match = _match_scheme(text, position)
            if match:
                if len(found) >= MAX_CHALLENGES:
                    return None
                current = Challenge(match.group(1).lower(), match.group(2) or "")
                found.append(current)
            else:
                match = _skip_unreadable(text, position)
                if match.end() < len(text) and text[match.end()] != ",":  # type: ignore[union-attr]
                    return current  # quotes that never close
        position = _skip_separators(text, match.end()).end()  # type: ignore[union-attr]
    return current
