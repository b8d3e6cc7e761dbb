"""What tests of cookies do again and again."""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar

from httpclient.cookies.any_jar import cookie_header, store_cookies
from httpclient.cookies.jar import HttpCookieJar
from httpclient.uri import TgoURI

SITE = "https://www.example.com/"


def store(jar: CookieJar, url: str, *values: str) -> None:
    """Have a jar see a response."""
    store_cookies(jar, TgoURI(url), [value.encode() for value in values])


def sent(jar: CookieJar, url: str) -> str:
    """Return what a jar has to say to a server."""
    return cookie_header(jar, TgoURI(url))


def after(url: str, *values: str) -> HttpCookieJar:
    """Return a jar that has seen one response."""
    jar = HttpCookieJar()
    store(jar, url, *values)
    return jar


def made(name: str = "a", domain: str = "www.example.com", **options: object) -> Cookie:
    """Return a cookie as a caller makes one."""
    values: dict[str, object] = {
        **dict.fromkeys(("port", "expires", "comment", "comment_url")),
        **dict.fromkeys(("port_specified", "domain_specified", "domain_initial_dot", "path_specified"), False),
        "version": 0,
        "value": "1",
        "path": "/",
        "secure": False,
        "discard": True,
        "rest": {},
    }
    return Cookie(name=name, domain=domain, **(values | options))  # type: ignore[arg-type]
