"""What a client does with a jar, its own or one of the standard library: send what it has, keep what comes.

Only loaded when cookies are used.
"""

from __future__ import annotations

import os
import time
from http.cookiejar import CookieJar

from ._policy import CookieRequest, CookieResponse
from .jar import HttpCookieJar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..uri import TgoURI

#: Octets of a Set-Cookie field that the parser of another jar gets to see.
_MAX_FIELD_SIZE = 16384


def cookie_header(jar: CookieJar, uri: TgoURI) -> str:
    """Return what Cookie says in a request: ``name=value; name=value``, or nothing (RFC 6265 section 5.4).

    Cookies with longer paths come first, then those that were created first. (Another jar than
    :class:`HttpCookieJar` doesn't know when that was, and has its own policy.)

    :param jar: any ``CookieJar``.
    :param uri: where the request goes.
    """
    if isinstance(jar, HttpCookieJar) and not len(jar):
        return ""
    request = CookieRequest(uri)
    jar.add_cookie_header(request)  # type: ignore[arg-type]
    return request.cookie


def store_cookies(jar: CookieJar, uri: TgoURI, values: Iterable[bytes]) -> None:
    """Put the cookies of a response into a jar, as far as its policy allows; what isn't a cookie is ignored.

    :param jar: any ``CookieJar``.
    :param uri: where the request went.
    :param values: of the Set-Cookie fields of the response, as they were received.
    """
    texts = [value.decode("latin-1") for value in values]
    request = CookieRequest(uri)
    if isinstance(jar, HttpCookieJar):
        jar.extract_cookies(CookieResponse(texts), request)
        return
    for text in texts:
        # One by one: others lose all cookies of a response to one that they can't read, and warn of their own bugs,
        # which are no reason for the request to fail.
        if len(text) <= _MAX_FIELD_SIZE:
            try:
                jar.extract_cookies(CookieResponse([text]), request)  # type: ignore[arg-type]
            except Exception:
                pass


def jar_strings(jar: CookieJar) -> list[str]:
    """Return all cookies of a jar, for whomever they are, each as ``name=value``; the oldest first.

    Delphi: Grijjy.Http.TgoHttpClient.Cookies, as it is read
    """
    now = int(time.time())
    return [
        cookie.name if cookie.value is None else f"{cookie.name}={cookie.value}"
        for cookie in list(jar)
        if not cookie.is_expired(now)
    ]


def jar_from(given: CookieJar | str | os.PathLike[str] | None) -> CookieJar:
    """Return the jar that a caller means.

    :param given: a jar, which is used as it is and may be shared; the path of a file, for a jar that is loaded from it
        if it exists; or ``None`` for a new jar.
    :raises OSError: the file can't be read, or isn't one of cookies.
    :raises TypeError: it is none of these.
    """
    if isinstance(given, CookieJar):
        return given
    if given is None or isinstance(given, str | os.PathLike):
        return HttpCookieJar(given)
    raise TypeError(f"cookies are kept in a CookieJar or the path of a file, not in {type(given).__name__}")
