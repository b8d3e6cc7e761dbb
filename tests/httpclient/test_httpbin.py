"""All of httpbin, as a user would use it: blocking and not, in the clear and over TLS.

The server is that of pytest-httpbin: the Flask application on wsgiref. It answers each request on a connection of its
own, reads no chunked bodies, and sends no chunks of its own; those are met at nginx and the scripted server in
``test_client_blocking``. It ends TLS without close_notify, which makes a body that ends with the connection incomplete
(RFC 9112 section 9.8): over TLS, what streams is asked of nginx and the scripted server, too (``test_client_failures``,
``test_client_stream``), and here the error is looked at.
"""

from __future__ import annotations

import base64
import importlib
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import (
    BasicAuthentication,
    BearerAuthentication,
    DigestAuthentication,
    HttpStatusError,
    RedirectError,
    RemoteClosedError,
    TgoHttpClient,
    TooManyRedirectsError,
)
from tests.httpclient.ways import LIMIT, Way, both_ways

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from httpclient import HttpResponse

# By their names, because they have no type hints.
CA_FILE: str = importlib.import_module("pytest_httpbin.certs").where()


class Bin:
    """A client, and the address of the server."""

    def __init__(self, way: Way, url: str, client: TgoHttpClient) -> None:
        self.way = way
        self.url = url
        self.http = client

    def request(self, method: str, path: str, **options: Any) -> HttpResponse:
        return self.way.request(self.http, method, self.url + path, **options)

    def get(self, path: str, **options: Any) -> HttpResponse:
        return self.request("GET", path, **options)

    def fail(self, path: str) -> Exception:
        return self.way.fail(self.http, "GET", self.url + path)


@pytest.fixture(params=["http", "https"])
def site(request: pytest.FixtureRequest) -> str:
    """The address of the server, in the clear and over TLS."""
    server = request.getfixturevalue("httpbin" if request.param == "http" else "httpbin_secure")
    return str(server.url)


@pytest.fixture
def make(site: str) -> Iterator[Any]:
    """Makes clients: ``make(way, **options)``."""
    clients = []

    def new(way: Way, **options: Any) -> Bin:
        client = TgoHttpClient(False, way.blocking, ca_file=CA_FILE, recv_timeout=LIMIT, **options)
        clients.append(client)
        return Bin(way, site, client)

    yield new
    for client in clients:
        client.close()


# Methods and what was sent


@both_ways
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_methods(way: Way, method: str, make: Any) -> None:
    web = make(way)
    response = way.result(getattr(web.http, method)(f"{web.url}/{method}?a=1&b=2&b=3"))
    said = response.json()
    assert said["args"] == {"a": "1", "b": ["2", "3"]}
    assert said["url"] == f"{web.url}/{method}?a=1&b=2&b=3"


@both_ways
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("data", [None, b"", b"\x00\xff", "Grüße", b"x" * 100_000])
def test_anything(way: Way, method: str, data: bytes | str | None, make: Any) -> None:
    if method == "TRACE" and data is not None:
        data = None  # RFC 9110 section 9.3.8: no content in a TRACE request
    said = make(way).request(method, "/anything/deep/path?q", data=data).json()
    assert said["method"] == method
    body = said["data"]
    sent = base64.b64decode(body.partition(",")[2]) if body.startswith("data:") else body.encode()
    assert sent == (data.encode() if isinstance(data, str) else data or b"")


@both_ways
def test_head_and_options(way: Way, make: Any) -> None:
    web = make(way)
    response = web.request("HEAD", "/get")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0
    response = web.request("OPTIONS", "/get")
    assert {"GET", "HEAD", "OPTIONS"} <= set(response.headers["allow"].split(", "))
    assert web.request("POST", "/get").status_code == 405


@both_ways
def test_forms_by_hand(way: Way, make: Any) -> None:
    web = make(way)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    said = web.request("POST", "/post", data=b"a=1&b=%C3%A4", headers=headers).json()
    assert said["form"] == {"a": "1", "b": "ä"}
    said = web.request(
        "POST", "/post", data=json.dumps({"x": [1]}), headers={"Content-Type": "application/json"}
    ).json()
    assert said["json"] == {"x": [1]}
    assert web.get("/forms/post").text.lstrip().lower().startswith("<!doctype html>")


@both_ways
def test_headers_and_user_agent(way: Way, make: Any) -> None:
    web = make(way)
    web.http.user_agent = "a client/1.0"
    said = web.get("/headers", headers={"X-Own": "a, b", "x-other": "ü"}).json()["headers"]
    assert said["X-Own"] == "a, b"
    assert said["X-Other"] == "ü"
    assert said["Host"] == web.url.partition("//")[2]
    assert web.get("/user-agent").json() == {"user-agent": "a client/1.0"}
    assert web.get("/ip").json()["origin"].startswith("127.0.0.1")


@both_ways
@pytest.mark.parametrize(
    "status", [200, 201, 202, 203, 204, 304, 400, 402, 404, 405, 406, 410, 418, 429, 500, 502, 503]
)
def test_status(way: Way, status: int, make: Any) -> None:
    response = make(way).get(f"/status/{status}")
    assert response.status_code == status
    assert response.ok is (status < 400)
    if status >= 400:
        with pytest.raises(HttpStatusError, match=str(status)):
            response.raise_for_status()
    else:
        assert response.raise_for_status() is response
    if status in {204, 304}:
        assert response.content == b""


@both_ways
def test_response_headers(way: Way, make: Any) -> None:
    response = make(way).get("/response-headers?X-A=1&X-B=b%20c&X-B=d&Server=x")
    assert response.headers["x-a"] == "1"
    assert response.headers.get_all("X-B") == ["b c", "d"]


# Content


@both_ways
@pytest.mark.parametrize(("path", "key", "coding"), [("/gzip", "gzipped", "gzip"), ("/deflate", "deflated", "deflate"), ("/brotli", "brotli", "br")])  # fmt: skip  # noqa: E501
def test_content_codings(way: Way, path: str, key: str, coding: str, make: Any) -> None:
    response = make(way).get(path)
    assert response.headers["content-encoding"] == coding
    said = response.json()
    assert said[key] is True
    assert coding in said["headers"]["Accept-Encoding"]
    assert b"".join(response.iter_raw()) != response.content


@both_ways
def test_text_and_documents(way: Way, make: Any) -> None:
    web = make(way)
    response = web.get("/encoding/utf8")
    assert response.charset == "utf-8"
    assert "∮ E⋅da = Q" in response.text
    assert "Herman Melville" in web.get("/html").text
    assert web.get("/robots.txt").text == "User-agent: *\nDisallow: /deny\n"
    assert "YOU SHOULDN'T BE HERE" in web.get("/deny").text
    assert web.get("/xml").text.startswith("<?xml version='1.0'")
    assert web.get("/xml").headers["content-type"] == "application/xml"
    assert web.get("/json").json()["slideshow"]["title"] == "Sample Slide Show"
    assert web.get("/base64/" + base64.urlsafe_b64encode("Grüße".encode()).decode()).text == "Grüße"
    assert uuid.UUID(web.get("/uuid").json()["uuid"]).version == 4
    assert web.get("/").status_code == 200


@both_ways
@pytest.mark.parametrize(
    ("kind", "start"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8\xff"), ("webp", b"RIFF"), ("svg", b"<svg")]
)
def test_images(way: Way, kind: str, start: bytes, make: Any) -> None:
    web = make(way)
    response = web.get(f"/image/{kind}")
    assert response.headers["content-type"].startswith(f"image/{kind}")
    assert response.content.startswith(start)
    assert len(response.content) == int(response.headers["content-length"])
    chosen = web.get("/image", headers={"Accept": f"image/{'svg+xml' if kind == 'svg' else kind}"})
    assert chosen.content == response.content


@both_ways
def test_bytes_and_streams(way: Way, make: Any) -> None:
    web = make(way)
    first = web.get("/bytes/5000?seed=1").content
    assert len(first) == 5000
    assert web.get("/bytes/5000?seed=1").content == first
    assert web.get("/bytes/0").content == b""
    if web.url.startswith("https:"):
        for path in ("/stream-bytes/5000?seed=1", "/stream/20"):
            assert isinstance(web.fail(path), RemoteClosedError)
        return
    streamed = web.get("/stream-bytes/5000?seed=1&chunk_size=7").content
    assert len(streamed) == 5000
    lines = web.get("/stream/20").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(20))


def test_streams_piece_by_piece(httpbin: Any) -> None:
    site = str(httpbin.url)
    with TgoHttpClient(False, recv_timeout=LIMIT) as http:
        with http.stream("GET", f"{site}/stream-bytes/100000?seed=2&chunk_size=1000") as response:
            assert sum(len(piece) for piece in response.iter_bytes()) == 100_000
        with http.stream("GET", f"{site}/stream/50") as response:
            assert [json.loads(line)["id"] for line in response.iter_lines()] == list(range(50))
        with http.stream("GET", f"{site}/stream/100") as response:
            next(iter(response.iter_bytes()))  # and no more: the rest is given up
        assert http.get(f"{site}/get").status_code == 200


@both_ways
def test_delay_and_drip(way: Way, make: Any) -> None:
    web = make(way)
    assert web.get("/delay/0.1").json()["url"].endswith("/delay/0.1")
    assert web.request("POST", "/delay/0.1", data=b"x").json()["data"] == "x"
    response = web.get("/drip?numbytes=5&duration=0.2&code=206")
    assert (response.status_code, response.content) == (206, b"*****")


@both_ways
def test_ranges(way: Way, make: Any) -> None:
    web = make(way)
    whole = web.get("/range/1000?chunk_size=100").content
    assert len(whole) == 1000
    response = web.get("/range/1000", headers={"Range": "bytes=10-19"})
    assert (response.status_code, response.content) == (206, whole[10:20])
    assert response.headers["content-range"] == "bytes 10-19/1000"
    web.http.range = "bytes=-5"
    assert web.get("/range/1000").content == whole[-5:]
    web.http.range = "bytes=2000-"
    assert web.get("/range/1000").status_code == 416


@both_ways
def test_caches(way: Way, make: Any) -> None:
    web = make(way)
    first = web.get("/cache")
    assert first.status_code == 200
    again = web.get("/cache", headers={"If-Modified-Since": first.headers["last-modified"]})
    assert (again.status_code, again.content) == (304, b"")
    assert web.get("/cache/60").headers["cache-control"] == "public, max-age=60"
    assert web.get("/etag/abc").headers["etag"] == "abc"
    assert web.get("/etag/abc", headers={"If-None-Match": '"abc"'}).status_code == 304
    assert web.get("/etag/abc", headers={"If-Match": '"other"'}).status_code == 412


@both_ways
def test_links(way: Way, make: Any) -> None:
    web = make(way)
    response = web.get("/links/3")
    assert response.url.endswith("/links/3/0")
    assert response.history[0].status_code == 302
    assert response.text.count("<a href=") == 2


# Redirects


@both_ways
@pytest.mark.parametrize("kind", ["redirect", "relative-redirect", "absolute-redirect"])
def test_redirects(way: Way, kind: str, make: Any) -> None:
    web = make(way)
    response = web.get(f"/{kind}/3")
    assert response.url == web.url + "/get"
    assert [step.status_code for step in response.history] == [302, 302, 302]
    assert all(step.is_redirect for step in response.history)


@both_ways
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_redirect_to(way: Way, method: str, status: int, make: Any) -> None:
    """RFC 9110 section 15.4: which methods become GET, and which bodies are sent again."""
    web = make(way)
    data = None if method == "GET" else b"body"
    response = web.request(method, f"/redirect-to?url=/anything&status_code={status}", data=data)
    kept = method == "GET" or status in {307, 308} or (method == "PUT" and status != 303)
    said = response.json()
    assert said["method"] == (method if kept else "GET")
    assert said["data"] == ("body" if kept and data else "")
    assert ("Content-Length" in said["headers"]) is (kept and data is not None)


@both_ways
def test_redirects_to_another_origin(way: Way, httpbin: Any, httpbin_secure: Any, make: Any) -> None:
    """Credentials stay behind, and https isn't left for http unless that is allowed."""
    web = make(way)
    other = httpbin_secure.url if web.url == httpbin.url else httpbin.url
    path = f"/redirect-to?url={other}/headers"
    headers = {"Authorization": "Bearer s3cr3t", "X-Kept": "1"}
    if web.url == httpbin_secure.url:
        assert isinstance(web.fail(path), RedirectError)
        web.http.allow_insecure_redirects = True
    response = web.get(path, headers=headers)
    assert response.url == other + "/headers"
    said = response.json()["headers"]
    assert "Authorization" not in said
    assert said["X-Kept"] == "1"
    assert said["Host"] == other.partition("//")[2]


@both_ways
def test_too_many_redirects(way: Way, make: Any) -> None:
    web = make(way, max_redirects=3)
    assert web.get("/redirect/3").status_code == 200
    assert isinstance(web.fail("/redirect/4"), TooManyRedirectsError)
    web.http.follow_redirects = False
    assert web.get("/redirect/4").status_code == 302


# Passwords


@both_ways
def test_basic(way: Way, make: Any) -> None:
    web = make(way)
    assert web.get("/basic-auth/user/pass").status_code == 401
    web.http.user_name, web.http.password = "user", "pass"
    assert web.get("/basic-auth/user/pass").json() == {"authenticated": True, "user": "user"}
    assert web.get("/hidden-basic-auth/user/pass").json() == {"authenticated": True, "user": "user"}
    assert web.get("/basic-auth/user/other").status_code == 401
    assert web.get("/hidden-basic-auth/user/other").status_code == 404
    web.http.user_name = web.http.password = ""
    inside = web.url.replace("//", "//user:p%40ss@")
    assert way.get(web.http, inside + "/basic-auth/user/p%40ss").status_code == 200


@both_ways
def test_on_password(way: Way, make: Any) -> None:
    web = make(way)
    asked = []

    def on_password(client: TgoHttpClient) -> bool:
        asked.append(client.user_name)
        client.user_name, client.password = "user", "pass"
        return True

    web.http.on_password = on_password
    assert web.get("/basic-auth/user/pass").status_code == 200
    assert asked == [""]


@both_ways
def test_bearer(way: Way, make: Any) -> None:
    web = make(way)
    assert web.get("/bearer").status_code == 401
    web.http.authorization = "Bearer t0ken"
    assert web.get("/bearer").json() == {"authenticated": True, "token": "t0ken"}


# Cookies by hand


@both_ways
def test_cookies_that_are_sent(way: Way, make: Any) -> None:
    web = make(way, follow_redirects=False)
    assert web.get("/cookies", headers={"Cookie": "a=1; b=2"}).json()["cookies"] == {"a": "1", "b": "2"}
    response = web.get("/cookies/set/name/value")
    assert response.status_code == 302
    assert response.headers["set-cookie"] == "name=value; Path=/" or "name=value" in response.headers["set-cookie"]
    response = web.get("/cookies/set?a=1&b=2")
    assert len(response.headers.get_all("Set-Cookie")) == 2
    assert "a=" in web.get("/cookies/delete?a=").headers["set-cookie"]


# Cookies that are kept


@both_ways
def test_cookies_that_are_kept(way: Way, make: Any) -> None:
    web = make(way)
    response = web.get("/cookies/set/name/value")
    assert response.url == web.url + "/cookies"
    assert response.json() == {"cookies": {"name": "value"}}
    assert web.get("/cookies/set?other=1&third=a%20b").json()["cookies"] == {
        "name": "value",
        "other": "1",
        "third": "a b",
    }
    assert web.get("/cookies/delete?name=").json()["cookies"] == {"other": "1", "third": "a b"}
    assert web.get("/cookies", cookies={"once": "2"}).json()["cookies"] == {"other": "1", "third": "a b", "once": "2"}
    assert web.get("/cookies").json()["cookies"] == {"other": "1", "third": "a b"}
    assert {cookie.name for cookie in web.http.cookie_jar} == {"other", "third"}
    # Another client has a jar of its own.
    assert make(way).get("/cookies").json()["cookies"] == {}
    assert make(way, cookie_jar=web.http.cookie_jar).get("/cookies").json()["cookies"] == {"other": "1", "third": "a b"}
    web.http.cookie_jar = None
    assert web.get("/cookies/set/name/value").json()["cookies"] == {}


# Parameters, forms, JSON, files


@both_ways
def test_params(way: Way, make: Any) -> None:
    web = make(way)
    assert web.get("/get?a=1", params={"b": "ä &=?#+", "c": ["1", "2"], "d": 3}).json()["args"] == {
        "a": "1",
        "b": "ä &=?#+",
        "c": ["1", "2"],
        "d": "3",
    }
    assert web.get("/get", params=[("x", "1"), ("x", "2")]).json()["args"] == {"x": ["1", "2"]}


@both_ways
def test_forms(way: Way, make: Any) -> None:
    web = make(way)
    said = web.request("POST", "/post", data={"a": "1", "b": "ä &=?+", "c": ["2", "3"]}).json()
    assert said["form"] == {"a": "1", "b": "ä &=?+", "c": ["2", "3"]}
    assert said["headers"]["Content-Type"].startswith("application/x-www-form-urlencoded")
    said = web.request("PUT", "/put", data=[("x", "1"), ("x", "2")]).json()
    assert said["form"] == {"x": ["1", "2"]}


@both_ways
@pytest.mark.parametrize("value", [{"a": [1, None, "ä"]}, [], "text", 5, False])
def test_json_bodies(way: Way, value: Any, make: Any) -> None:
    said = make(way).request("POST", "/post", json=value).json()
    assert json.loads(said["data"]) == value
    assert said["json"] == value
    assert said["headers"]["Content-Type"] == "application/json"


@both_ways
def test_files(way: Way, make: Any, tmp_path: Path) -> None:
    web = make(way)
    path = tmp_path / "grüße.txt"
    path.write_bytes(b"from a path")
    with path.open("rb") as file:
        said = web.request(
            "POST",
            "/post",
            files={"one": file, "two": ("name.bin", b"\x00\xff", "application/x-own"), "three": ("t.txt", b"text")},
            data={"field": "value", "more": ["1", "2"]},
        ).json()
    assert said["files"]["one"] == "from a path"
    assert base64.b64decode(said["files"]["two"].partition(",")[2]) == b"\x00\xff"
    assert said["files"]["two"].startswith("data:application/")
    assert said["files"]["three"] == "text"
    assert said["form"] == {"field": "value", "more": ["1", "2"]}
    assert said["headers"]["Content-Type"].startswith("multipart/form-data; boundary=")


# Authentication


@both_ways
def test_auth(way: Way, make: Any) -> None:
    web = make(way)
    assert web.get("/basic-auth/user/pass", auth=("user", "pass")).json()["user"] == "user"
    assert web.get("/basic-auth/us%C3%A9r/p%C3%A4ss", auth=("usér", "päss")).status_code == 200
    assert web.get("/basic-auth/user/pass", auth=("user", "wrong")).status_code == 401
    assert web.get("/bearer", auth=BearerAuthentication("t0ken")).json()["token"] == "t0ken"
    other = make(way, auth=BasicAuthentication("user", "pass"))
    assert other.get("/hidden-basic-auth/user/pass").status_code == 200


@both_ways
@pytest.mark.parametrize("qop", ["auth", "auth-int", "none"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512"])
def test_digest(way: Way, qop: str, algorithm: str, make: Any) -> None:
    """httpbin wants its cookies back, as a server may that keeps its nonces in them.

    Its SHA-512 isn't one of RFC 7616, which has SHA-512-256, so it isn't answered.
    """
    web = make(way, auth=DigestAuthentication("user", "pass"))
    path = f"/digest-auth/{qop}/user/pass/{algorithm}"
    expected = 401 if algorithm == "SHA-512" else 200
    for _ in range(3):
        response = web.get(path)
        assert response.status_code == expected
    if expected == 200:
        assert response.json() == {"authenticated": True, "user": "user"}
        assert web.get(path, auth=DigestAuthentication("user", "wrong")).status_code == 401
        # A nonce that has become stale is replaced by the new one.
        assert web.get(path + "/1").status_code == 200
        assert web.get(path + "/1").status_code == 200


@both_ways
def test_digest_from_the_url(way: Way, make: Any) -> None:
    web = make(way)
    url = web.url.replace("//", "//user:pass@") + "/digest-auth/auth/user/pass"
    assert way.get(web.http, url).status_code == 200
