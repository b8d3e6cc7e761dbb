"""Regular expressions for what nearly all of an HTTP/1.1 response is made of: the short way of :mod:`.response`.

:data:`match_plain_head` recognises, in place and in one pass in C, a head that is valid and whose body is plain to
see: HTTP/1.1, a final status, at most one Content-Length or ``Transfer-Encoding: chunked``, and no Connection field but
``keep-alive`` or ``close``. One that isn't (folded lines, bare line feeds, HTTP/1.0, 1xx, other framing fields) and one
that is wrong takes the functions of ``_head``.

Loading the ``re`` module and compiling these takes as long as hundreds of responses, so it isn't done for the first.
"""

from __future__ import annotations

import re

# RFC 9110 section 5.6.2 (token), and section 5.5 (VCHAR, obs-text, SP, HTAB). Ranges are cheaper to match than a
# negated set, and the runs are possessive, so there is nothing to backtrack into. The repeated group itself isn't:
# Python 3.11 before 3.11.5 has a bug there, and it would save nothing.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_TEXT = rb"[\t -~\x80-\xff]"
_FIELD_LINE = _TOKEN + rb"++:" + _TEXT + rb"*+\r\n"

# A field line that says nothing about the body or the connection. The first letter sends most of them on their way.
_PLAIN_LINE = rb"(?![CcTt](?i:on(?:tent-len|nection:(?! (?:keep-alive|(?-i:close))\r))|ransfer-))" + _FIELD_LINE

#: A plain head: group 1 is the status, and group 2 the Content-Length or group 3 "chunked", if there is one: which is
#: what ``lastindex`` tells. The reason phrase and the space before it may be missing: RFC 9112 section 4 wants the
#: space, and many servers don't send it.
match_plain_head = re.compile(
    rb"HTTP/1\.[1-9] ([2-9][0-9][0-9])(?: " + _TEXT + rb"*+)?\r\n(?:" + _PLAIN_LINE + rb")*"
    rb"(?:(?:(?i:content-length):[ \t]*+([0-9]{1,18}+)\r\n|(?i:transfer-encoding:[ \t]*+(chunked))\r\n)"
    rb"(?:" + _PLAIN_LINE + rb")*)?\r\n"
).match

#: Finds in a plain head that the connection ends with the response (RFC 9112 section 9.6).
find_close = re.compile(rb"\n(?i:connection): close\r").search

#: The end of a chunk's data together with the next size (RFC 9112 section 7.1): the usual case. White space may stand
#: in front of an extension, and some servers pad the size with it.
match_next_size = re.compile(rb"\r\n([0-9A-Fa-f]{1,16}+)[ \t]*+(;" + _TEXT + rb"*+)?\r\n").match
