"""Authentication: who gets which credentials, in every way of calling and over both protocols."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from httpclient import InvalidRequestError, TgoHttpClient
from httpclient.authentication.schemes import BearerAuthentication, DigestAuthentication
from tests.httpclient.ways import everywhere
from tests.servers.site import Answer, Asked, Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ScriptedServers, Served
    from tests.httpclient.ways import Way


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


class DigestSite:
    """Accepts ``user`` with ``secret`` by Digest (RFC 7616), and no nonce count twice."""

    def __init__(self) -> None:
        self.counts: set[str] = set()

    def __call__(self, asked: Asked) -> Answer:
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', (asked.value("authorization") or "").partition(" ")[2]))
        if not self.accepts(asked, given):
            challenge = 'Digest realm="here", qop="auth", nonce="n0", algorithm=SHA-256'
            return Answer(401, [("www-authenticate", challenge)], b"no")
        return Answer(307, [("location", "/home")]) if asked.target == "/move" else Answer()

    def accepts(self, asked: Asked, given: dict[str, str]) -> bool:
        if not given or given.get("uri") != asked.target or given["nc"] in self.counts:
            return False

        def sha(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        expected = sha(
            f"{sha('user:here:secret')}:{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:"
            + sha(f"{asked.method}:{asked.target}")
        )
        accepted = given["response"] == expected
        if accepted:
            self.counts.add(given["nc"])
        return accepted


@everywhere
@pytest.mark.parametrize("kind", ["pair", "object", "properties", "url"])
def test_digest(way: Way, served: Served, kind: str) -> None:
    site, url = served(DigestSite())
    options: dict[str, object] = {}
    with way.client(http2=served.http2) as http:
        if kind == "pair":
            options["auth"] = ("user", "secret")
        elif kind == "object":
            http.auth = DigestAuthentication("user", "secret")
        elif kind == "properties":
            http.user_name, http.password = "user", "secret"
        else:
            url = url.replace("//", "//user:secret@")
        response = way.request(http, "POST", f"{url}/a", data=b"body", **options)
        assert (response.status_code, site.last.body) == (200, b"body")
        assert [earlier.status_code for earlier in response.history] == [401]
        # The nonce is known now, and counted; a redirect has its own count, too.
        if kind != "pair":
            response = way.get(http, f"{url}/move")
            assert [earlier.status_code for earlier in response.history] == [307]
            assert site.targets == ["/a", "/a", "/move", "/home"]
    assert "secret" not in repr(http.auth)


@everywhere
def test_a_wrong_password_is_not_tried_for_ever(way: Way, served: Served) -> None:
    site, url = served(DigestSite())
    with way.client(http2=served.http2, auth=DigestAuthentication("user", "wrong")) as http:
        response = way.get(http, f"{url}/")
    assert (response.status_code, response.content) == (401, b"no")
    assert len(site.asked) == 2


@everywhere
def test_the_order_of_credentials(way: Way, served: Served, tmp_path: Path) -> None:
    site, url = served(lambda asked: Answer())
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login from password netrc\n")
    netrc.chmod(0o600)
    with way.client(http2=served.http2) as http:

        def sent(url: str, **options: object) -> str | None:
            way.get(http, url, **options)
            return site.last.value("authorization")

        assert sent(url) is None
        http.netrc = str(netrc)
        assert sent(url) == basic("from:netrc")
        http.authorization = "Own scheme"
        assert sent(url) == "Own scheme"
        http.user_name, http.password = "property", "p"
        assert sent(url) == basic("property:p")
        http.auth = ("client", "c")
        assert sent(url) == basic("client:c")
        assert sent(url, auth=BearerAuthentication("t0ken")) == "Bearer t0ken"
        assert sent(url.replace("//", "//url:u@"), auth=("call", "x")) == basic("url:u")
        assert sent(url, headers={"Authorization": "field"}) == "field"


@everywhere
def test_credentials_stay_with_their_origin(way: Way, served: Served, tmp_path: Path) -> None:
    other, other_url = served(lambda asked: Answer())
    other_url = other_url.replace("127.0.0.1", "localhost")
    site, url = served(lambda asked: Answer(302, [("location", f"{other_url}{asked.target}")]))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login from password netrc\n")
    netrc.chmod(0o600)
    with way.client(http2=served.http2, auth=("client", "c")) as http:
        way.get(http, f"{url}/a")
        assert (site.last.value("authorization"), other.last.value("authorization")) == (basic("client:c"), None)
        way.get(http, f"{url}/b", headers={"Authorization": "field", "Proxy-Authorization": "field"})
        assert (site.last.value("authorization"), other.last.value("authorization")) == ("field", None)
        assert other.last.value("proxy-authorization") is None
        http.netrc = str(netrc)
        way.get(http, f"{url}/c")
        assert other.last.value("authorization") == basic("from:netrc")


@everywhere
def test_a_corrected_password_answers_the_challenge(way: Way, served: Served) -> None:
    site, url = served(DigestSite())
    asked = []

    def correct(client: TgoHttpClient) -> bool:
        asked.append(client)
        client.user_name, client.password = "user", "secret" if len(asked) > 1 else "wrong"
        return True

    with way.client(http2=served.http2) as http:
        http.on_password = correct
        assert way.get(http, f"{url}/").status_code == 200
        assert len(asked) == 2
    # Basic was never asked for, so the password was never sent.
    assert not any((request.value("authorization") or "").startswith("Basic") for request in site.asked)


def test_credentials_that_cannot_be_sent() -> None:
    with TgoHttpClient() as http:
        for auth in (("a:b", "c"), ("a", "b\nc")):
            with pytest.raises(InvalidRequestError):
                http.get("http://127.0.0.1:9/", auth=auth)
        with pytest.raises(TypeError):
            http.get("http://127.0.0.1:9/", auth="name:password")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="headers"):
            http.get("http://127.0.0.1:9/", header={"A": "b"})  # type: ignore[call-arg]


def test_requests_with_a_pair_are_kept_until_digest_is_asked_for(scripted: ScriptedServers) -> None:
    plain, digest = Site(lambda asked: Answer()), Site(DigestSite())
    with TgoHttpClient(auth=("user", "secret")) as http:
        url, digest_url = scripted(plain.http1).url, scripted(digest.http1).url
        assert http.get(url).request is http.get(url).request
        for _ in range(3):
            assert http.get(digest_url).status_code == 200
        assert http.get(url).request is not http.get(url).request
    assert {request.value("authorization") for request in plain.asked} == {basic("user:secret")}


def test_requests_with_basic_are_kept(scripted: ScriptedServers) -> None:
    site = Site(lambda asked: Answer())
    with TgoHttpClient(auth=BearerAuthentication("one")) as http:
        url = scripted(site.http1).url
        assert http.get(url).request is http.get(url).request
        http.auth = BearerAuthentication("two")
        http.get(url)
    assert [request.value("authorization") for request in site.asked] == ["Bearer one"] * 2 + ["Bearer two"]
