"""Probes: redirects, cookies and authentication."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from tests.comparison.jobs import Ask
from tests.comparison.lab import CAP, Lab, probe, told
from tests.servers.scripted import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.comparison.lab import Answer
    from tests.servers.connection import Request

OK: Answer = ("200 OK", [], b"plain")
USER, PASSWORD = "user", "pa:ss"


def _to(location: str, status: str = "302 Found", *fields: tuple[str, str]) -> Answer:
    return status, [("Location", location), *fields], b""


# Redirects


def _post_redirected(status: str) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        server, asked = lab.site(lambda request: _to("/there", status) if request.target == "/" else OK)
        got = lab.ask(Ask(server.url + "/", "POST", body=b"a=b"))
        if got.error or len(asked) < 2:
            return told(got)
        return f"{asked[1].method}, body {'sent again' if asked[1].body else 'dropped'}"

    return run


for _status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
    probe("Redirects", f"POST, then {_status[:3]}")(_post_redirected(_status))


@probe("Redirects", "HEAD, then 303: the method kept")
def head_redirected(lab: Lab) -> str:
    server, asked = lab.site(lambda request: _to("/there", "303 See Other") if request.target == "/" else OK)
    got = lab.ask(Ask(server.url + "/", "HEAD"))
    return asked[1].method if len(asked) > 1 else told(got)


@probe("Redirects", "a chain that never ends")
def redirect_limit(lab: Lab) -> str:
    server, asked = lab.site(lambda request: _to(request.target + "x"))
    got = lab.ask(server.url + "/")
    return f"{told(got)} after {len(asked) - 1}"


@probe("Redirects", "a limit of 3 set")
def redirect_limit_set(lab: Lab) -> str:
    server, asked = lab.site(lambda request: _to(request.target + "x"))
    got = lab.ask(server.url + "/", max_redirects=3)
    return f"{told(got)} after {len(asked) - 1}"


@probe("Redirects", "a loop of one")
def redirect_loop(lab: Lab) -> str:
    server, asked = lab.site(lambda request: _to("/"))
    got = lab.ask(server.url + "/")
    return f"{told(got)} after {len(asked) - 1}"


@probe("Redirects", "from https to http")
def redirect_insecure(lab: Lab) -> str:
    plain, asked = lab.site(lambda request: OK)
    secure, _ = lab.site(lambda request: _to(plain.url + "/"), tls=tls_context(lab.stage.certificates.server))
    got = lab.ask(secure.url + "/", ca=lab.ca)
    return "followed" if asked else f"not followed: {told(got)}"


@probe("Redirects", "to file:///etc/passwd")
def redirect_to_file(lab: Lab) -> str:
    server, _ = lab.site(lambda request: _to("file:///etc/passwd"))
    got = lab.ask(server.url + "/")
    return "READ" if b"root" in got.body else told(got)


def _elsewhere(field: str, port: bool, **options: Any) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        other, asked = lab.site(lambda request: OK)
        host = "127.0.0.1" if port else "localhost"
        first, _ = lab.site(lambda request: _to(f"http://{host}:{other.port}/"))
        headers = [] if options else [(field, "secret")]
        got = lab.ask(Ask(first.url + "/", headers=headers), **options)
        if not asked:
            return told(got)
        return "SENT" if asked[0].values(field) else "not sent"

    return run


for _point, _name, _port, _options in (
    ("auth option, redirect to another port", "Authorization", True, {"auth": ("basic", USER, PASSWORD)}),
    ("auth option, redirect to another host", "Authorization", False, {"auth": ("basic", USER, PASSWORD)}),
    ("Authorization field by hand, redirect to another port", "Authorization", True, {}),
    ("Authorization field by hand, redirect to another host", "Authorization", False, {}),
    ("Cookie field by hand, redirect to another host", "Cookie", False, {}),
    ("Proxy-Authorization field by hand, redirect to another host", "Proxy-Authorization", False, {}),
):
    probe("Redirects", _point)(_elsewhere(_name, _port, **_options))


@probe("Redirects", "fragment of the first URL kept")
def redirect_fragment(lab: Lab) -> str:
    server, _ = lab.site(lambda request: _to("/there") if request.target == "/" else OK)
    got = lab.ask(server.url + "/#part")
    return "yes" if got.url.endswith("/there#part") else told(got) if got.error else "no"


@probe("Redirects", "Location in UTF-8, not encoded")
def redirect_utf8(lab: Lab) -> str:
    server, asked = lab.site(lambda r: _to("/\u00fc".encode().decode("latin-1")) if r.target == "/" else OK)
    got = lab.ask(server.url + "/")
    return told(got) if len(asked) < 2 else f"{asked[1].raw.split()[1].decode('ascii', 'backslashreplace')}"


# Cookies


def _cookie(set_at: str, value: str, sent_to: str) -> Callable[[Lab], str]:
    """Whether a cookie that one URL sets goes to another, by way of a proxy that answers for every host."""

    def run(lab: Lab) -> str:
        setting: Answer = ("200 OK", [("Set-Cookie", value)], b"")
        server, asked = lab.site(lambda request: OK if len(asked) > 1 else setting)
        asks = [Ask(f"http://{set_at}"), Ask(f"http://{sent_to}")]
        got = lab.session(asks, proxy=server.url).got
        if len(asked) < 2:
            return told(got[-1])
        return "sent" if asked[1].values("Cookie") else "not sent"

    return run


for _point, _set_at, _value, _sent_to in (
    ("host-only, to the same host", "www.shop.example/", "a=1", "www.shop.example/"),
    ("host-only, to a host below (RFC 6265: no)", "shop.example/", "a=1", "www.shop.example/"),
    ("Domain, to a host below (yes)", "shop.example/", "a=1; Domain=shop.example", "www.shop.example/"),
    ("Domain, to a sibling (yes)", "www.shop.example/", "a=1; Domain=shop.example", "api.shop.example/"),
    ("Domain of somebody else (no)", "www.shop.example/", "a=1; Domain=bank.example", "bank.example/"),
    ("Domain=co.uk, a public suffix (no)", "www.shop.co.uk/", "a=1; Domain=co.uk", "bank.co.uk/"),
    ("Domain=github.io, a public suffix (no)", "me.github.io/", "a=1; Domain=github.io", "you.github.io/"),
    ("Domain that is the tail of an address (no)", "10.20.30.40/", "a=1; Domain=30.40", "99.20.30.40/"),
    ("Secure, over http (no)", "shop.example/", "a=1; Secure", "shop.example/"),
    ("Path=/shop, to /shopping (no)", "shop.example/shop", "a=1; Path=/shop", "shop.example/shopping"),
    ("no Path set at /a/b, to /a/c (yes)", "shop.example/a/b", "a=1", "shop.example/a/c"),
    ("no Path set at /a/b, to / (no)", "shop.example/a/b", "a=1", "shop.example/"),
    ("Max-Age=0 (no)", "shop.example/", "a=1; Max-Age=0", "shop.example/"),
    ("Expires long ago (no)", "shop.example/", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "shop.example/"),
    ("Max-Age before an old Expires (yes)", "shop.example/",
     "a=1; Max-Age=99; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "shop.example/"),
    ("`__Host-` with Domain (no)", "shop.example/", "__Host-a=1; Path=/; Domain=shop.example", "shop.example/"),
    ("`__Secure-` without Secure (no)", "shop.example/", "__Secure-a=1", "shop.example/"),
    ("quotes and spaces in a value (yes)", "shop.example/", 'a="x y, z"', "shop.example/"),
):  # fmt: skip
    probe("Cookies", _point)(_cookie(_set_at, _value, _sent_to))


# Authentication


@probe("Authentication", "Basic, asked for by 401")
def basic(lab: Lab) -> str:
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def respond(request: Request) -> Answer:
        if request.value("Authorization") == expected:
            return OK
        return "401 Unauthorized", [("WWW-Authenticate", 'Basic realm="here"')], b""

    server, asked = lab.site(respond)
    got = lab.ask(server.url + "/", auth=("basic", USER, PASSWORD))
    return told(got) if got.status != 200 else "yes, unasked" if len(asked) == 1 else "yes, when asked"


def _digest(algorithm: str, qop: str = "auth") -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        make = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "MD5-sess": hashlib.md5}[algorithm]

        def digest(*parts: str) -> str:
            return make(":".join(parts).encode()).hexdigest()

        challenge = f'Digest realm="here", nonce="n1", qop="{qop}", algorithm={algorithm}'

        def respond(request: Request) -> Answer:
            sent = (request.value("Authorization") or "").removeprefix("Digest ")
            given = {
                key.strip(): value.strip(' "') for key, _, value in (part.partition("=") for part in sent.split(","))
            }
            if given.get("response") and given.get("nonce") in ("n1", "n2"):
                secret = digest(USER, "here", PASSWORD)
                if algorithm.endswith("-sess"):
                    secret = digest(secret, given["nonce"], given["cnonce"])
                a2 = [request.method, request.target]
                if given.get("qop") == "auth-int":
                    a2.append(make(request.body).hexdigest())
                parts = [given["nonce"], given["nc"], given["cnonce"], given["qop"], digest(*a2)]
                if given["response"] == digest(secret, *parts):
                    # What it would mean for the key of a session, servers don't agree on.
                    info = [] if algorithm.endswith("-sess") else [("Authentication-Info", 'nextnonce="n2"')]
                    return "200 OK", info, given["nonce"].encode()
            return "401 Unauthorized", [("WWW-Authenticate", challenge)], b""

        server, asked = lab.site(respond)
        ask = Ask(server.url + "/", "POST", body=b"a=b")
        got = lab.session([ask, ask], auth=("digest", USER, PASSWORD)).got
        if qop == "auth" and algorithm == "SHA-256":
            run.nextnonce[lab.client] = len(got) > 1 and got[1].body == b"n2"  # type: ignore[attr-defined]
        return told(got[0]) if got[0].status != 200 else f"yes; two calls take {len(asked)} requests"

    run.nextnonce = {}  # type: ignore[attr-defined]
    return run


_sha256 = _digest("SHA-256")
for _point, _run in (
    ("Digest, MD5", _digest("MD5")),
    ("Digest, MD5-sess", _digest("MD5-sess")),
    ("Digest, SHA-256", _sha256),
    ("Digest, qop=auth-int only", _digest("SHA-256", "auth-int")),
):
    probe("Authentication", _point)(_run)


@probe("Authentication", "Digest, nextnonce used")
def nextnonce(lab: Lab) -> str:
    result = _sha256(lab)
    if not result.startswith("yes"):
        return result
    return "yes" if _sha256.nextnonce[lab.client] else "no"  # type: ignore[attr-defined]


@probe("Authentication", "Bearer")
def bearer(lab: Lab) -> str:
    server, asked = lab.site(lambda request: OK)
    got = lab.ask(server.url + "/", auth=("bearer", "t0ken"))
    if got.error:
        return told(got)
    by_hand = {"requests": "yes (a header field)", "httpx": "yes (a class of one's own)"}
    return by_hand.get(lab.client, "yes") if asked[0].value("Authorization") == "Bearer t0ken" else "no"


@probe("Authentication", "netrc")
def netrc(lab: Lab) -> str:
    file = lab.directory / "netrc"
    file.write_text("machine 127.0.0.1 login user password secret\n")
    file.chmod(0o600)
    server, asked = lab.site(lambda request: OK)
    got = lab.ask(server.url + "/", netrc=str(file))
    return told(got) if got.error else "yes" if asked[0].value("Authorization") else "no"


@probe("Authentication", "user and password in the URL")
def url_credentials(lab: Lab) -> str:
    server, asked = lab.site(lambda request: OK)
    got = lab.ask(server.url.replace("//", "//u:p%40@") + "/", patience=CAP)
    expected = "Basic " + base64.b64encode(b"u:p@").decode()
    return told(got) if got.error else "sent" if asked[0].value("Authorization") == expected else "not sent unasked"
