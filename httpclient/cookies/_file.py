"""Files of cookies in the format that Netscape had and curl, browsers' extensions and ``MozillaCookieJar`` use.

One cookie to a line, fields separated by tabs: domain, whether subdomains are included, path, whether it is secure,
when it expires (0 at the end of the session), name, value. ``#HttpOnly_`` in front makes it that; other lines with
``#`` are comments.

Reading is up to ``MozillaCookieJar``, which wants some help: it takes the session cookies of curl for expired ones, and
one line that it doesn't understand for the end of everything. Its writing couldn't be helped: it writes in the
encoding of the locale, session cookies in a way that curl misreads, and line breaks as they are.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tempfile

from ._set_cookie import has_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from http.cookiejar import Cookie

_HTTP_ONLY = "#HttpOnly_"
_HEADER = b"# Netscape HTTP Cookie File\n# https://curl.se/docs/http-cookies.html\n# This file is generated.\n\n"
_match_seconds = re.compile(r"[0-9]{1,15}(?:\.[0-9]*)?").fullmatch


def cookie_line(cookie: Cookie) -> bytes:
    """Return the line for a cookie; nothing if it can't be written as one."""
    name, value = cookie.name, cookie.value
    if value is None:
        name, value = "", name  # as MozillaCookieJar has it
    domain = cookie.domain
    subdomains = domain.startswith(".") or (cookie.domain_specified and domain != "")
    if subdomains and not domain.startswith("."):
        domain = "." + domain
    fields = (
        domain,
        "TRUE" if subdomains else "FALSE",
        cookie.path,
        "TRUE" if cookie.secure else "FALSE",
        "0" if cookie.expires is None else str(cookie.expires),
        name,
        value,
    )
    if not domain or domain[0] in "#$" or any(has_control(field) for field in fields):
        return b""
    # The standard library's name for it is not that which servers send.
    http_only = cookie.has_nonstandard_attr("HttpOnly") or cookie.has_nonstandard_attr("HTTPOnly")
    return _octets((_HTTP_ONLY if http_only else "") + "\t".join(fields) + "\n")


def _octets(text: str) -> bytes:
    # As header fields are sent: text of a field is its bytes, and other text is UTF-8.
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def write_file(path: str, lines: Iterable[bytes]) -> None:
    """Write a file of cookies: as a whole or not at all, and for its owner alone (mode 0600).

    :raises OSError: it can't be written.
    """
    path = os.path.realpath(path)
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path} can't hold cookies: it is not a file")
    # It begins with mode 0600.
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".cookies-")
    try:
        with open(descriptor, "wb") as file:
            file.write(_HEADER)
            file.writelines(lines)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def loadable(content: bytes) -> io.StringIO:
    """Return the content of a file of cookies as ``MozillaCookieJar`` can read it: what isn't a cookie is left out."""
    first, *lines = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")
    kept = [first.rstrip("\r") + "\n"]
    kept.extend(_loadable_line(line.rstrip("\r")) for line in lines)
    return io.StringIO("".join(kept), newline="\n")


def _loadable_line(line: str) -> str:
    prefix = ""
    if line.startswith(_HTTP_ONLY):
        prefix, line = _HTTP_ONLY, line[len(_HTTP_ONLY) :]
    fields = line.split("\t")
    if len(fields) == 6:
        fields.append("")  # an empty value, and an editor that doesn't like white space at the end
    if len(fields) != 7 or line.strip().startswith(("#", "$")) or any(has_control(field) for field in fields):
        return ""
    domain, subdomains, path, secure, expires, name, value = fields
    bare = domain.strip().lstrip(".")
    if not bare or not (name or value):
        return ""
    dot = subdomains.upper() == "TRUE"
    if not _match_seconds(expires) or float(expires) == 0:
        expires = ""  # to MozillaCookieJar, the end of the session
    fields = [
        "." + bare if dot else bare, "TRUE" if dot else "FALSE", path, secure.upper(), expires, name, value
    ]  # fmt: skip
    return prefix + "\t".join(fields) + "\n"
