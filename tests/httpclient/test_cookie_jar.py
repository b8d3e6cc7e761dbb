"""The jar itself: changes, limits, copies, threads, files, and its life among other jars and other libraries."""

from __future__ import annotations

import copy
import http.cookiejar
import os
import pathlib
import pickle
import stat
import subprocess
import threading
import time
import urllib.request
from http.cookiejar import Cookie, CookieJar, MozillaCookieJar
from typing import TYPE_CHECKING

import pytest
import requests

from httpclient.cookies import jar as cookies
from httpclient.cookies._file import write_file
from httpclient.cookies.any_jar import jar_from, jar_strings, store_cookies
from httpclient.cookies.jar import HttpCookieJar, Rfc6265Policy
from httpclient.uri import TgoURI
from tests.httpclient.jars import SITE, after, made, sent, store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import ScriptedServers
    from tests.servers.scripted import Connection

# The jar


def test_version_changes_with_every_change() -> None:
    jar = HttpCookieJar()
    seen = [jar.version]

    def changed() -> bool:
        seen.append(jar.version)
        return len(set(seen)) == len(seen)

    store(jar, SITE, "a=1")
    assert changed()
    store(jar, SITE, "a=2", "b=1", "c=1")
    assert changed()
    store(jar, SITE, "a=; Max-Age=0")
    assert changed()
    jar.set_cookie(made("d"))
    assert changed()
    jar.clear("www.example.com", "/", "b")
    assert changed()
    jar.clear_session_cookies()
    assert changed()
    assert len(jar) == 0
    store(jar, SITE, "a=1")
    assert changed()
    jar.clear()
    assert changed()
    assert HttpCookieJar().version not in seen
    seen = [jar.version]
    store(jar, SITE, "a", "a=1; Domain=com", "a=; Max-Age=0")
    sent(jar, SITE)
    jar.clear_expired_cookies()
    list(jar)
    assert seen == [jar.version]


def test_clear() -> None:
    def filled() -> HttpCookieJar:
        jar = after(SITE, "a=1", "b=1", "a=1; Path=/x", "a=1; Domain=example.com")
        store(jar, "https://other.org/", "a=1")
        return jar

    jar = filled()
    jar.clear("www.example.com", "/", "a")
    assert len(jar) == len(list(jar)) == 4
    jar.clear("www.example.com", "/")
    assert len(jar) == len(list(jar)) == 3
    jar.clear("www.example.com")
    assert len(jar) == len(list(jar)) == 2
    assert set(jar._cookies) == {".example.com", "other.org"}
    for missing in (("x",), (".example.com", "/x"), (".example.com", "/", "b")):
        with pytest.raises(KeyError):
            jar.clear(*missing)
    with pytest.raises(ValueError):
        jar.clear(None, "/")
    with pytest.raises(ValueError):
        jar.clear("other.org", None, "a")
    assert len(jar) == len(list(jar)) == 2
    jar.clear()
    assert len(jar) == len(list(jar)) == 0
    assert sent(jar, SITE) == ""


def test_numbers_are_limited() -> None:
    """Section 6.1; the oldest go first, and what is empty goes, too."""
    jar = HttpCookieJar()
    for number in range(250):
        store(jar, f"{SITE}{number}/", f"c{number}=1", "same=1; Path=/")
    assert len(jar) == cookies.MAX_COOKIES_PER_DOMAIN
    assert jar_strings(jar)[-1] == "c249=1"
    assert "same=1" in jar_strings(jar)  # set again and again
    assert len(jar._cookies["www.example.com"]) == cookies.MAX_COOKIES_PER_DOMAIN
    # A domain and its host of the same name count together.
    for number in range(250):
        store(jar, f"https://example.com/{number}/", f"c{number}=1", f"d{number}=1; Domain=example.com")
    assert len(jar) == 2 * cookies.MAX_COOKIES_PER_DOMAIN
    for number in range(4000):
        if number == 2000:
            store(jar, "https://h0.example.org/", "a=again")
        store(jar, f"https://h{number}.example.org/", "a=1")
    assert len(jar) == len(list(jar)) == len(jar._cookies) == cookies.MAX_COOKIES
    assert sent(jar, SITE) == ""
    # Set longest ago, and not created longest ago.
    assert sent(jar, "https://h0.example.org/") == "a=again"
    assert sent(jar, "https://h1000.example.org/") == ""
    assert sent(jar, "https://h1001.example.org/") == "a=1"


def test_expired_then_insecure_cookies_make_room_first() -> None:
    """RFC 6265bis section 5.7, "excess cookies"."""
    jar = HttpCookieJar()
    store(jar, SITE, "first=1; Secure", "second=1")
    store(jar, SITE, *(f"c{number}=1; Secure" for number in range(177)), "dying=1; Max-Age=1000")
    next(cookie for cookie in jar if cookie.name == "dying").expires = 1
    jar._next_expiry = 1
    store(jar, SITE, "more=1; Secure")
    assert not {"dying=1"} & set(jar_strings(jar))
    assert {"first=1", "second=1"} <= set(jar_strings(jar))
    store(jar, SITE, "more2=1; Secure")
    assert "second=1" not in jar_strings(jar)
    # Who can't set secure cookies doesn't push them out.
    store(jar, "http://www.example.com/", "pushy=1")
    assert "pushy=1" not in jar_strings(jar)
    store(jar, SITE, "more3=1; Secure")
    assert "first=1" not in jar_strings(jar)
    assert len(jar) == cookies.MAX_COOKIES_PER_DOMAIN


def test_cookies_of_the_caller() -> None:
    jar = HttpCookieJar()
    jar.set_cookie(made("host"))
    jar.set_cookie(made("dot", ".example.com"))
    jar.set_cookie(made("specified", "example.com", domain_specified=True))
    jar.set_cookie(made("parent", "example.com"))
    jar.set_cookie(made("nobody", ""))
    jar.set_cookie(made("flag", value=None))
    assert sent(jar, SITE) == "host=1; dot=1; specified=1; flag"
    assert sent(jar, "https://example.com/") == "dot=1; specified=1; parent=1"
    assert jar_strings(jar) == ["host=1", "dot=1", "specified=1", "parent=1", "nobody=1", "flag"]
    jar.set_cookie(made("host", expires=1))
    jar.set_cookie(made("gone", expires=1))
    assert sent(jar, SITE) == "dot=1; specified=1; flag"


def test_policy() -> None:
    jar = HttpCookieJar(policy=Rfc6265Policy(blocked_domains=["evil.example.com"], secure_protocols=["https", "http"]))
    store(jar, "http://evil.example.com/", "a=1", "b=2; Domain=example.com")
    store(jar, "http://good.example.com/", "c=3; Secure")
    assert sent(jar, "http://evil.example.com/") == "b=2"
    assert sent(jar, "http://good.example.com/") == "b=2; c=3"
    jar.set_policy(Rfc6265Policy(allowed_domains=["good.example.com"]))
    assert sent(jar, "https://good.example.com/") == "c=3"
    store(jar, "https://evil.example.com/", "d=4")
    assert sent(jar, "https://evil.example.com/") == ""
    # No Cookie2, whoever asks (section 9.4).
    request = urllib.request.Request("http://good.example.com/")
    jar.add_cookie_header(request)
    assert request.header_items() == []


def test_cookies_appear_in_no_repr() -> None:
    jar = after(SITE, "name=secret")
    assert repr(jar) == str(jar) == "<HttpCookieJar with 1 cookies>"


@pytest.mark.parametrize(
    "how", [copy.copy, copy.deepcopy, HttpCookieJar.copy, lambda jar: pickle.loads(pickle.dumps(jar))]
)
def test_copies_are_independent(how: Callable[[HttpCookieJar], HttpCookieJar], tmp_path: pathlib.Path) -> None:
    jar = HttpCookieJar(tmp_path / "file", policy=Rfc6265Policy(blocked_domains=["x.org"]))
    store(jar, SITE, "a=1", "b=2; Path=/", "c=3")
    other = how(jar)
    assert sent(other, SITE) == "a=1; b=2; c=3"
    assert other.filename == jar.filename
    assert other._policy.is_blocked("x.org")  # type: ignore[attr-defined]
    other.clear()
    store(other, SITE, "d=4")
    assert sent(jar, SITE) == "a=1; b=2; c=3"
    assert sent(other, SITE) == "d=4"
    assert other.version != jar.version


def test_threads_share_a_jar() -> None:
    jar = HttpCookieJar()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(60):
                store(
                    jar,
                    f"https://h{number}.example.com/",
                    f"c{turn % 7}=1; Domain=example.com",
                    "own=1",
                    "x=1; Max-Age=0",
                )
                sent(jar, f"https://h{number}.example.com/")
                len(list(jar))
                jar_strings(jar)
                if turn % 20 == 19:
                    jar.clear(f"h{number}.example.com")
                    jar.clear_expired_cookies()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(jar_strings(jar)) == [f"c{number}=1" for number in range(7)]
    assert len(jar) == 7


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside threads is what this is about
def test_a_forked_child_needs_no_lock_of_the_parent() -> None:
    jar = after(SITE, "a=1", "z=1; Domain=example.com", "y=1")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with jar._cookies_lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    child = os.fork()
    if not child:
        code = 1
        try:
            store(jar, SITE, "b=2")
            code = 0 if sent(jar, SITE) == "a=1; z=1; y=1; b=2" and len(jar) == 4 else 2
        finally:
            os._exit(code)
    deadline = time.monotonic() + 30
    status = None
    while status is None and time.monotonic() < deadline:
        pid, result = os.waitpid(child, os.WNOHANG)
        status = result if pid else time.sleep(0.01)  # type: ignore[func-returns-value]
    done.set()
    thread.join()
    if status is None:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert status == 0


# Files


def test_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cookies.txt"
    jar = HttpCookieJar(path)
    store(
        jar,
        f"{SITE}a/b",
        "host=1; Max-Age=1000; HttpOnly",
        "domain=2; Domain=example.com; Path=/; Secure; Max-Age=1000",
    )
    store(jar, f"{SITE}a/b", "empty=; Max-Age=1000", 'q="x y"=; Max-Age=1000; Path=/', "session=1")
    store_cookies(jar, TgoURI("http://localhost/"), [b"octets=\xe4\x80\xc3\xa4; Max-Age=1000"])
    jar.save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["cookies.txt"]
    assert b"\tFALSE\t/\tFALSE\t" in path.read_bytes()
    assert b"octets\t\xe4\x80\xc3\xa4\n" in path.read_bytes()
    again = HttpCookieJar(path)
    assert next(vars(c) for c in again if c.name == "domain")["domain"] == ".example.com"
    assert jar_strings(again) == [each for each in jar_strings(jar) if "session" not in each]
    for url in (SITE, f"{SITE}a/", "http://www.example.com/a", "http://localhost/", "http://localhost.local/"):
        assert sent(again, url) == sent(jar, url).replace("; session=1", "").replace("session=1", ""), url
    assert [cookie.expires for cookie in again] == [cookie.expires for cookie in jar if cookie.name != "session"]
    jar.save(ignore_discard=True)
    assert jar_strings(HttpCookieJar(path)) == jar_strings(jar)
    dropped = HttpCookieJar()
    dropped.load(path)
    assert "session=1" not in jar_strings(dropped)


def test_the_standard_library_reads_our_files(tmp_path: pathlib.Path) -> None:
    jar = after(
        SITE, "a=1; Max-Age=1000; HttpOnly", "b=; Max-Age=1000; Secure", "c=3; Max-Age=1000; Domain=example.com"
    )
    jar.save(tmp_path / "ours")
    other = MozillaCookieJar(tmp_path / "ours")
    other.load()
    assert [(c.domain, c.name, c.value, c.secure, c.expires) for c in other] == [
        (c.domain, c.name, c.value, c.secure, c.expires) for c in jar
    ]
    other.set_cookie(made("nameless", expires=2**33, value=None, discard=False))
    other.save(str(tmp_path / "theirs"))
    jar = HttpCookieJar(tmp_path / "theirs")
    assert sent(jar, SITE) == "a=1; b=; nameless; c=3"
    jar.save()
    assert sent(HttpCookieJar(tmp_path / "theirs"), SITE) == "a=1; b=; nameless; c=3"


def test_what_files_of_others_look_like(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cookies.txt"
    lines = [
        "# Netscape HTTP Cookie File\r",
        "www.example.com\tFALSE\t/\tFALSE\t0\tcurl-session\t1\r",
        "www.example.com\tFALSE\t/\tfalse\t\tsession\t2",
        "example.com\tTRUE\t/\ttrue\t4000000000.5\tno-dot\t3",
        ".www.example.com\tFALSE\t/\tFALSE\t4000000000\twrong-dot\t4",
        "www.example.com\tFALSE\t/\tFALSE\t4000000000\ttrimmed",
        "www.example.com\tFALSE\t/\tFALSE\t1000000000\texpired\t5",
        "www.example.com\tFALSE\t/\tFALSE\tnever\tnever\t6",
        "www.example.com\tFALSE\t/\tFALSE\t" + "9" * 400 + "\tlong\t7",
        "#HttpOnly_www.example.com\tFALSE\t/\tFALSE\t0\thttp-only\t8",
        "#www.example.com\tFALSE\t/\tFALSE\t0\tcomment\t9",
        "$www.example.com\tFALSE\t/\tFALSE\t0\tdollar\t9",
        "www.example.com\tFALSE\t/\tFALSE\t0\t\t",
        "\tFALSE\t/\tFALSE\t0\tnobody\t9",
        "www.example.com\tFALSE\t/\tFALSE\t0\tcon\x01trol\t9",
        "www.example.com FALSE / FALSE 0 blanks 9",
        "",
        "www.example.com\tFALSE\t/\tFALSE\t0\tone\ttoo\tmany",
        "www.example.com\tFALSE\t/\tFALSE\t0\tlast\t10",
    ]
    path.write_text("\n".join(lines))
    jar = HttpCookieJar(path)
    assert (
        sent(jar, SITE)
        == "curl-session=1; session=2; no-dot=3; wrong-dot=4; trimmed=; never=6; long=7; http-only=8; last=10"
    )
    assert [cookie.domain for cookie in jar if cookie.name in ("no-dot", "wrong-dot")] == [
        ".example.com",
        "www.example.com",
    ]
    assert sum(cookie.discard for cookie in jar) == 6
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(HttpCookieJar(path)) == len(jar)


def test_files_that_are_none(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cookies.txt"
    path.write_text("something else\n" + SITE)
    with pytest.raises(http.cookiejar.LoadError):
        HttpCookieJar(path)
    jar = after(SITE, "a=1")
    with pytest.raises(http.cookiejar.LoadError):
        jar.revert(path)
    assert jar_strings(jar) == ["a=1"]
    path.write_text("# HTTP Cookie File\nwww.example.com\tFALSE\t/\tFALSE\t0\tb\t2\n")
    jar.revert(path, ignore_discard=True)
    assert jar_strings(jar) == ["b=2"]
    with pytest.raises(FileNotFoundError):
        jar.load(tmp_path / "missing")
    for call in (jar.save, jar.load, jar.revert):
        with pytest.raises(ValueError, match="no file"):
            call()
    assert len(HttpCookieJar(tmp_path / "missing")) == 0
    assert not (tmp_path / "missing").exists()


def test_saving_replaces_a_file_at_once_or_not_at_all(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cookies.txt"
    path.write_text("precious")
    path.chmod(0o644)
    (tmp_path / "link").symlink_to("cookies.txt")
    with path.open() as old:
        after(SITE, "a=1").save(tmp_path / "link", ignore_discard=True)
        assert old.read() == "precious"
    assert (tmp_path / "link").is_symlink()
    assert jar_strings(HttpCookieJar(path)) == ["a=1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    jar = after(SITE, "a=2")
    for cookie in jar:
        cookie.expires = Unwritable()
    with pytest.raises(ZeroDivisionError):
        jar.save(path, ignore_discard=True, ignore_expires=True)
    with pytest.raises(OSError, match="not a file"):
        after(SITE, "a=1").save(tmp_path)
    with pytest.raises(FileNotFoundError):
        after(SITE, "a=1").save(tmp_path / "missing" / "file")
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["cookies.txt", "link"]


def test_what_fails_half_way_leaves_nothing(tmp_path: pathlib.Path) -> None:
    def lines() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_file(str(tmp_path / "cookies.txt"), lines())
    assert os.listdir(tmp_path) == []


class Unwritable(int):
    def __str__(self) -> str:
        raise ZeroDivisionError


def test_a_cookie_stays_one_line(tmp_path: pathlib.Path) -> None:
    jar = HttpCookieJar()
    jar.set_cookie(made("good", value="\u20ac"))
    for bad in ("1\nwww.example.com\tFALSE\t/\tFALSE\t0\tinjected\t1", "a\tb", "\r", "\0"):
        jar.set_cookie(made("bad1", value=bad))
        jar.set_cookie(made("bad2" + bad))
        jar.set_cookie(made("bad3", path="/" + bad))
        jar.set_cookie(made("bad4", domain="x" + bad))
    jar.set_cookie(made("bad5", domain="#x"))
    jar.set_cookie(made("bad6", domain=""))
    jar.set_cookie(made("specified", "example.com", domain_specified=True))
    jar.save(tmp_path / "file", ignore_discard=True)
    again = HttpCookieJar(tmp_path / "file")
    assert [cookie.name for cookie in again] == ["good", "specified"]
    assert sent(again, "https://x.example.com/") == "specified=1"
    assert sent(again, SITE).encode("latin-1") == "good=\u20ac; specified=1".encode()


def test_curl_reads_our_files_and_we_read_its(tmp_path: pathlib.Path, scripted: ScriptedServers) -> None:
    seen: list[str | None] = []
    server = scripted(responder(seen, ["given=5; Max-Age=1000; HttpOnly", "session=6"]))
    jar = after(server.url + "/", "a=1; Max-Age=1000", "b=; HttpOnly", "c=\u4f60")
    jar.save(tmp_path / "jar", ignore_discard=True)
    file = str(tmp_path / "jar")
    subprocess.run(["curl", "--silent", "--fail", "--noproxy", "*", "-b", file, "-c", file, server.url], check=True)
    assert sorted((seen[0] or "").encode("latin-1").split(b"; ")) == [b"a=1", b"b=", "c=\u4f60".encode()]
    again = HttpCookieJar(file)
    assert sorted(jar_strings(again)) == ["a=1", "b=", "c=\u4f60".encode().decode("latin-1"), "given=5", "session=6"]
    assert {c.name: c.discard for c in again} == {"a": False, "b": True, "c": True, "given": False, "session": True}


# Other jars, and other users of ours


def responder(seen: list[str | None], fields: list[str]) -> Callable[[Connection], None]:
    """A server that notes the cookies it gets, and sets some."""

    def handler(connection: Connection) -> None:
        while True:
            request = connection.receive_request()
            if request is None:
                return
            seen.append(request.value("Cookie"))
            connection.respond(b"ok", fields=[("Set-Cookie", field) for field in fields])

    return handler


def test_requests_uses_the_jar(scripted: ScriptedServers) -> None:
    seen: list[str | None] = []
    fields = [
        "a=1; Path=/",
        "b=2; Path=/deep",
        "c=3; Domain=com",
        "d=4; Domain=0.0.1",
        "bad",
        "e=; Max-Age=0",
        "__Host-f=1",
    ]
    server = scripted(responder(seen, fields))
    jar = HttpCookieJar()
    with requests.Session() as session:
        session.trust_env = False
        session.cookies = jar  # type: ignore[assignment]
        session.get(server.url + "/deep/er")
        session.get(server.url + "/deep/er")
        session.get(server.url)
        session.cookies.set_cookie(made("mine", "127.0.0.1"))
        session.get(server.url, cookies={"once": "1"})
    assert seen[:3] == [None, "b=2; a=1", "a=1"]
    assert sorted((seen[3] or "").split("; ")) == ["a=1", "mine=1", "once=1"]
    assert jar_strings(jar) == ["a=1", "b=2", "mine=1"]
    assert sent(jar, server.url) == "a=1; mine=1"


def test_urllib_uses_the_jar(scripted: ScriptedServers) -> None:
    seen: list[str | None] = []
    server = scripted(responder(seen, ["a=1", "b=2; Domain=localhost", "c=3; Domain=local"]))
    jar = HttpCookieJar()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
    url = server.url.replace("127.0.0.1", "localhost")
    for _ in range(2):
        with opener.open(url) as response:
            assert response.read() == b"ok"
    assert seen == [None, "a=1; b=2"]
    assert sent(jar, url) == "a=1; b=2"
    # A URL that isn't one has no cookies.
    odd = urllib.request.Request("http://localhost\\@evil.org/")
    jar.add_cookie_header(odd)
    assert not odd.has_header("Cookie")


@pytest.mark.parametrize("make", [CookieJar, MozillaCookieJar, requests.cookies.RequestsCookieJar])
def test_any_jar_will_do(make: type[CookieJar]) -> None:
    jar = make()
    assert sent(jar, SITE) == ""
    store(jar, "https://user:secret@www.example.com:444/a/", "a=1; Path=/", "b=2; Path=/a; Domain=example.com")
    store(jar, "http://localhost/", "c=3")
    store(jar, "http://[::1]:8080/", "d=4")
    assert sent(jar, f"{SITE}a/") == sent(jar, "https://me@www.example.com/a/x?y") == "b=2; a=1"
    assert sent(jar, "http://localhost:81/") == "c=3"
    assert sent(jar, "http://[::1]:9090/") == "d=4"
    assert sorted(jar_strings(jar)) == ["a=1", "b=2", "c=3", "d=4"]
    store(jar, SITE, "a=1; Expires=" + "x" * 20_000, "", "=", ";;;", "z")
    assert len(jar) <= 5


def test_a_jar_that_fails_is_no_reason_to_fail() -> None:
    class Broken(CookieJar):
        def extract_cookies(self, response: object, request: object) -> None:
            raise ZeroDivisionError

    store(Broken(), SITE, "a=1")


def test_policies_of_others_get_their_way() -> None:
    """A policy that wants to know about the request can ask."""

    class Curious(http.cookiejar.DefaultCookiePolicy):
        asked: tuple[object, ...] = ()

        def set_ok(self, cookie: Cookie, request: urllib.request.Request) -> bool:
            Curious.asked = (
                *(request.get_full_url(), request.host, request.type, request.unverifiable, request.origin_req_host),
                *(request.has_header("Cookie"), request.get_header("Cookie"), request.get_header("X", "-")),
                request.header_items(),
            )
            return super().set_ok(cookie, request)

    jar = CookieJar(Curious(rfc2965=True))
    store(jar, "https://u:p@www.example.com:444/a?b#c", "a=1")
    assert Curious.asked == (
        *("https://www.example.com:444/a?b", "www.example.com:444", "https", False, "www.example.com"),
        *(False, None, "-", []),
    )
    assert sent(jar, SITE) == "a=1"


def test_jar_from(tmp_path: pathlib.Path) -> None:
    for given in (CookieJar(), HttpCookieJar()):
        assert jar_from(given) is given
    assert isinstance(jar_from(None), HttpCookieJar)
    path = tmp_path / "cookies.txt"
    after(SITE, "a=1").save(path, ignore_discard=True)
    for given_path in (path, str(path)):
        jar = jar_from(given_path)
        assert jar_strings(jar) == ["a=1"]
        assert isinstance(jar, HttpCookieJar)
        assert jar.filename == str(path)
    for wrong in ({"a": "1"}, ["a=1"], 1, b"x"):
        with pytest.raises(TypeError, match="CookieJar"):
            jar_from(wrong)  # type: ignore[arg-type]
