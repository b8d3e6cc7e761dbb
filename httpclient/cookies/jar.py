"""Cookies: what servers set is kept in a jar and goes back to them, by the rules of RFC 6265.

The jar is an ``http.cookiejar.CookieJar``, so whoever knows that of the standard library knows this one, and
``urllib`` and ``requests`` can use it. Where the standard library and RFC 6265 differ, it follows the latter.

Fields are taken as the bytes that they are, each byte a character (ISO 8859-1), which is also how ``http.client``
gives them to other users of a jar: so a value goes back as it came, whatever its encoding.

Only loaded when cookies are used, because ``http.cookiejar`` takes long to import.

Delphi: Grijjy.Http.TgoHttpClient.Cookies. Differs from Delphi: the original sends a list of texts to every host, and
reads none from responses.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections import OrderedDict
from http.cookiejar import Cookie, MozillaCookieJar
from itertools import count

from linuxapi.forks import after_fork_in_child

from ._file import cookie_line, loadable, write_file
from ._policy import (
    CookieRequest,
    Rfc6265Policy,
    default_path,
    domain_match,
    domains_of,
    is_address,
    path_match,
)
from ._public_suffix import public_suffix
from ._set_cookie import SetCookie, parse_set_cookie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.cookiejar import CookiePolicy
    from typing import Any, Self

    #: Domain (a dot in front if it is for subdomains too), path and name: what makes a cookie the same cookie.
    Key = tuple[str, str, str]

__all__ = ["HttpCookieJar", "Rfc6265Policy"]

#: How many cookies a jar holds (RFC 6265 section 6.1 asks for 3000 and 50).
MAX_COOKIES = 3000
MAX_COOKIES_PER_DOMAIN = 180

#: Of all jars, so that two of them never have the same version for different content.
_numbers = count(1)
_jars: weakref.WeakSet[HttpCookieJar] = weakref.WeakSet()


class HttpCookieJar(MozillaCookieJar):
    """A jar of cookies that follows RFC 6265.

    It can be shared by clients and threads. It holds 3000 cookies at most, and 180 per domain; beyond that, expired
    ones go first, then those that were set longest ago (section 5.3; per domain, those that aren't secure before the
    others). A cookie that doesn't expire lasts as long as the jar.

    Cookies that are put in by hand (:meth:`set_cookie`) are not checked, as with any ``CookieJar``. One for a host and
    its subdomains has a domain with a dot in front, or ``domain_specified``. Change a cookie by putting in another: a
    jar doesn't notice what happens to the object.

    ``requests`` takes the cookies out of its jar before it sends them, so there they are stored by these rules and sent
    by those of the standard library (to subdomains; not to hosts without a dot in their name).

    :param path: the file that the jar is loaded from now, if it exists, and that :meth:`save` writes.
    :param policy: other rules; a subclass of :class:`Rfc6265Policy`, as a rule.
    :raises OSError: the file can't be read, or isn't one of cookies (``http.cookiejar.LoadError``).

    Delphi: Grijjy.Http.TgoHttpClient.Cookies, in part
    """

    _cookies: dict[str, dict[str, dict[str, Cookie]]]
    _policy: CookiePolicy

    def __init__(self, path: str | os.PathLike[str] | None = None, policy: CookiePolicy | None = None) -> None:
        super().__init__(path, policy=Rfc6265Policy() if policy is None else policy)
        self._index()
        _jars.add(self)
        if path is not None and os.path.exists(path):
            self.load(ignore_discard=True)

    def _index(self) -> None:
        """Note anew what is known of the cookies."""
        # For each cookie when it was created, and when it was set; in the order of the latter.
        self._entries: OrderedDict[Key, tuple[int, int]] = OrderedDict()
        # How many there are for a domain, with and without a dot.
        self._counts: dict[str, int] = {}
        # The secure ones by their name, so that finding them costs others nothing.
        self._secure: dict[str, set[Key]] = {}
        # No cookie expires before.
        self._next_expiry = math.inf
        self._version = next(_numbers)
        for key, cookie in self._items():
            self._note(key, cookie)

    def _items(self) -> Iterator[tuple[Key, Cookie]]:
        for domain, paths in self._cookies.items():
            for path, names in paths.items():
                for name, cookie in names.items():
                    yield (domain, path, name), cookie

    @property
    def version(self) -> int:
        """A number that changes with every change of the jar: what was made of its cookies before is out of date.

        That a cookie expires is a change when the jar notices; see :meth:`changes_at`.
        """
        return self._version

    def changes_at(self) -> float:
        """Return when the next cookie expires, in seconds of ``time.time()``; infinity if none does.

        Up to then, and as long as :attr:`version` is the same, the answer of :func:`cookie_header` holds. (It may be
        earlier than need be, after the cookie was replaced.)
        """
        return self._next_expiry

    # Cookies of responses

    def make_cookies(self, response: Any, request: Any) -> list[Cookie]:
        """Return the cookies that a response sets, before anybody has decided whether they may be set.

        A cookie that is to be deleted is one that has expired.
        """
        asked = CookieRequest.of(request)
        now = self._set_time()
        cookies = []
        for text in response.info().get_all("Set-Cookie", None) or ():
            found = parse_set_cookie(text, now)
            if found is not None:
                cookies.append(_make_cookie(found, asked))
        return cookies

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take the cookies of a response that may be taken; see the base class."""
        asked = CookieRequest.of(request)
        with self._cookies_lock:
            for cookie in self.make_cookies(response, asked):
                self.set_cookie_if_ok(cookie, asked)

    def set_cookie_if_ok(self, cookie: Cookie, request: Any) -> None:
        """Put a cookie in if the policy allows it, and it doesn't get into the way of a secure one."""
        asked = CookieRequest.of(request)
        with self._cookies_lock:
            self._set_time()
            if self._policy.set_ok(cookie, asked) and not self._hides_secure(cookie, asked):  # type: ignore[arg-type]
                self.set_cookie(cookie)

    def _set_time(self) -> int:
        # Where the base class and policies expect it.
        now = int(time.time())
        self._now = self._policy._now = now  # type: ignore[attr-defined]
        return now

    def _hides_secure(self, cookie: Cookie, asked: CookieRequest) -> bool:
        """Say whether a cookie from an insecure place would stand for, or in front of, a secure one.

        RFC 6265bis section 5.7, "leave secure cookies alone".
        """
        if cookie.secure or asked.type in getattr(self._policy, "secure_protocols", ("https", "wss")):
            return False
        domain = cookie.domain.removeprefix(".")
        for stored, path, _ in self._secure.get(cookie.name, ()):
            bare = stored.removeprefix(".")
            if path_match(cookie.path, path) and (domain_match(bare, domain) or domain_match(domain, bare)):
                return True
        return False

    # Putting in and taking out

    def set_cookie(self, cookie: Cookie) -> None:
        """Put a cookie in, without checking whether it may be; one that has expired takes the old one away.

        A cookie that replaces another keeps the place of that in the order (RFC 6265 section 5.3 step 11).
        """
        key = cookie.domain, cookie.path, cookie.name
        with self._cookies_lock:
            if cookie.is_expired():
                if key in self._entries:
                    self._remove(key)
                    self._version = next(_numbers)
                return
            super().set_cookie(cookie)
            self._note(key, cookie)
            self._evict(cookie.domain)

    def _note(self, key: Key, cookie: Cookie) -> None:
        number = next(_numbers)
        entry = self._entries.get(key)
        if entry is None:
            bare = key[0].removeprefix(".")
            self._counts[bare] = self._counts.get(bare, 0) + 1
        self._entries[key] = (number if entry is None else entry[0], number)
        self._entries.move_to_end(key)
        if cookie.secure:
            self._secure.setdefault(key[2], set()).add(key)
        else:
            self._not_secure(key)
        if cookie.expires is not None:
            self._next_expiry = min(self._next_expiry, cookie.expires)
        self._version = number

    def _not_secure(self, key: Key) -> None:
        keys = self._secure.get(key[2])
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._secure[key[2]]

    def _remove(self, key: Key) -> None:
        domain, path, name = key
        self._cookies[domain][path].pop(name, None)
        self._forget(key)

    def _forget(self, key: Key) -> None:
        """Drop what is known of a cookie that is gone, and what became empty without it: names cost memory, too."""
        self._not_secure(key)
        domain, path, _ = key
        paths = self._cookies.get(domain)
        if paths is not None:
            if not paths.get(path, True):
                del paths[path]
            if not paths:
                del self._cookies[domain]
        if self._entries.pop(key, None) is not None:
            bare = domain.removeprefix(".")
            self._counts[bare] -= 1
            if not self._counts[bare]:
                del self._counts[bare]

    def _evict(self, domain: str) -> None:
        """Make room (RFC 6265 section 5.3, "excess cookies")."""
        bare = domain.removeprefix(".")
        if self._counts.get(bare, 0) <= MAX_COOKIES_PER_DOMAIN and len(self._entries) <= MAX_COOKIES:
            return
        self.clear_expired_cookies()
        if self._counts.get(bare, 0) > MAX_COOKIES_PER_DOMAIN:
            of_domain = [
                (cookie.secure, self._entries[stored, path, name][1], (stored, path, name))
                for stored in (bare, "." + bare)
                for path, names in self._cookies.get(stored, {}).items()
                for name, cookie in names.items()
            ]
            self._remove(min(of_domain)[2])
        if len(self._entries) > MAX_COOKIES:
            self._remove(next(iter(self._entries)))

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        """Take cookies out: all, those of a domain, of a path in it, or one of them.

        :raises KeyError: there is no such cookie.
        :raises ValueError: a name without domain and path, or a path without domain.
        """
        with self._cookies_lock:
            super().clear(domain, path, name)
            if domain is None:
                self._index()
            elif path is not None and name is not None:
                self._forget((domain, path, name))
            else:
                for key in [key for key in self._entries if key[0] == domain and path in (None, key[1])]:
                    self._forget(key)
            self._version = next(_numbers)

    def clear_expired_cookies(self) -> None:
        """Take out the cookies that have expired; costs next to nothing where none has."""
        with self._cookies_lock:
            now = time.time()
            if now < self._next_expiry:
                return
            items = list(self._items())
            for key, cookie in items:
                if cookie.is_expired(now):  # type: ignore[arg-type]  # any number will do
                    self._remove(key)
                    self._version = next(_numbers)
            left = [c.expires for _, c in items if c.expires is not None and c.expires > now]
            self._next_expiry = min(left, default=math.inf)

    # Cookies for requests

    def _cookies_for_request(self, request: Any) -> list[Cookie]:
        """Return the cookies for a request, the oldest first; the base class puts those with longer paths in front."""
        # Where the base class asks the policy about every domain that it has.
        asked = CookieRequest.of(request)
        found: list[Cookie] = []
        for domain in domains_of(asked.name):
            if domain in self._cookies:
                found += self._cookies_for_domain(domain, asked)  # type: ignore[attr-defined]
        if len(found) > 1:
            found.sort(key=self._created)
        return found

    def _created(self, cookie: Cookie) -> int:
        return self._entries.get((cookie.domain, cookie.path, cookie.name), (0, 0))[0]

    def __iter__(self) -> Iterator[Cookie]:
        """Iterate over the cookies that there are now, the oldest first."""
        with self._cookies_lock:
            items = [(self._entries[key], cookie) for key, cookie in self._items()]
        items.sort(key=lambda item: item[0])
        return iter([cookie for _, cookie in items])

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        # Without cookies: they open doors.
        return f"<{type(self).__name__} with {len(self)} cookies>"

    __str__ = __repr__

    # Files

    def save(
        self,
        filename: str | os.PathLike[str] | None = None,
        ignore_discard: bool = False,
        ignore_expires: bool = False,
    ) -> None:
        """Write the cookies to a file, in the format of ``MozillaCookieJar`` and of curl.

        The file is there as a whole or not at all, and its owner alone can read it (mode 0600). Differs from
        ``MozillaCookieJar.save``: session cookies are written as curl wants them; what isn't ASCII is written as the
        bytes that came; a cookie that would become two lines, or another cookie, is left out.

        :param filename: the file; that of the jar if it isn't given.
        :param ignore_discard: write session cookies, too.
        :param ignore_expires: write expired cookies, too, if they are still there.
        :raises OSError: the file can't be written.
        :raises ValueError: neither the jar nor the call names a file.
        """
        now = int(time.time())
        lines = [
            cookie_line(cookie)
            for cookie in self
            if (ignore_discard or not cookie.discard) and (ignore_expires or not cookie.is_expired(now))
        ]
        write_file(self._file(filename), lines)

    def load(
        self,
        filename: str | os.PathLike[str] | None = None,
        ignore_discard: bool = False,
        ignore_expires: bool = False,
    ) -> None:
        """Add the cookies of a file, in the format of ``MozillaCookieJar``, of curl, and of browsers' extensions.

        Differs from ``MozillaCookieJar.load``: lines that aren't cookies are skipped.

        :param filename: the file; that of the jar if it isn't given.
        :param ignore_discard: read session cookies, too.
        :param ignore_expires: without effect; expired cookies don't get into this jar.
        :raises OSError: the file can't be read, or isn't one of cookies (``http.cookiejar.LoadError``).
        :raises ValueError: neither the jar nor the call names a file.
        """
        name = self._file(filename)
        with open(name, "rb") as file:
            lines = loadable(file.read())
        with self._cookies_lock:
            self._really_load(lines, name, ignore_discard, ignore_expires)  # type: ignore[attr-defined]

    def revert(
        self,
        filename: str | os.PathLike[str] | None = None,
        ignore_discard: bool = False,
        ignore_expires: bool = False,
    ) -> None:
        """Replace the cookies by those of a file; as :meth:`load`, and if that fails nothing changes."""
        loaded = HttpCookieJar(policy=self._policy)
        loaded.load(self._file(filename), ignore_discard, ignore_expires)
        with self._cookies_lock:
            self.clear()
            for cookie in loaded:
                self.set_cookie(cookie)

    def _file(self, filename: str | os.PathLike[str] | None) -> str:
        if filename is None:
            filename = self.filename
        if filename is None:
            raise ValueError("no file is named, neither here nor when the jar was made")
        return os.fspath(filename)

    # Copies

    def copy(self) -> Self:
        """Return a jar with the same cookies, policy and file."""
        from copy import copy

        return copy(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"policy": self._policy, "filename": self.filename, "cookies": list(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # For copy, deepcopy and pickle.
        HttpCookieJar.__init__(self, policy=state["policy"])
        self.filename = state["filename"]
        for cookie in state["cookies"]:
            self.set_cookie(cookie)

    def abandon_after_fork(self) -> None:
        """In a forked child: go on with the cookies as they are, whatever another thread was doing to them."""
        self._cookies_lock = threading.RLock()
        known = self._entries
        self._index()
        for key, entry in known.items():
            if key in self._entries:
                self._entries[key] = entry
                self._entries.move_to_end(key)


def _make_cookie(found: SetCookie, asked: CookieRequest) -> Cookie:
    """Return the cookie that is set by a field of the response to a request (RFC 6265 section 5.3)."""
    domain = found.domain
    # Steps 4 to 6. A host that is a public suffix may set cookies, for itself alone, and so may an address.
    if domain and domain == asked.name and (is_address(domain) or public_suffix(domain) == domain):
        domain = ""
    rest: dict[str, str | None] = {}
    if found.http_only:
        rest["HttpOnly"] = None
    if found.same_site is not None:
        rest["SameSite"] = found.same_site
    return Cookie(
        version=0,
        name=found.name,
        value=found.value,
        port=None,
        port_specified=False,
        domain="." + domain if domain else asked.name,
        domain_specified=domain != "",
        domain_initial_dot=domain != "",
        path=default_path(asked.path) if found.path is None else found.path,
        path_specified=found.path is not None,
        secure=found.secure,
        expires=found.expires,
        discard=found.expires is None,
        comment=None,
        comment_url=None,
        rest=rest,  # type: ignore[arg-type]  # typeshed wants texts, where the standard library itself puts None
    )


def _after_fork_in_child() -> None:
    for jar in list(_jars):
        jar.abandon_after_fork()


after_fork_in_child(_after_fork_in_child)
