"""Requests through Unix domain sockets, in every way of calling and over both protocols."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import ConnectError, ConnectTimeoutError, HttpCertificateError, TgoHttpClient
from tests.servers.scripted import Connection, answer

from .ways import Way, both_ways

if TYPE_CHECKING:
    from pathlib import Path

    from tests.certificates import Certificates
    from tests.servers.nginx import Nginx

pytestmark = pytest.mark.usefixtures("nginx", "no_leaks")


class UnixServer:
    """A scripted connection over a Unix domain socket: one, which says hello until the client closes it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(30)
        connection = Connection(sock, ("", 0), None, self._stopping)
        try:
            answer(b"hello")(connection)
        finally:
            connection.close()

    def __enter__(self) -> UnixServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._listener.close()
        assert not self._thread.is_alive()


@both_ways
@pytest.mark.parametrize(
    ("site", "url", "version"),
    [
        ("http", "http://localhost/", "1.1"),
        ("http", "http://name.only:81/", "1.1"),
        ("h2c", "http://name.only/", "2"),
        ("https1", "https://localhost:444/", "1.1"),
        ("https", "https://localhost/", "2"),
    ],
)
def test_requests(way: Way, site: str, url: str, version: str, nginx: Nginx, certificates: Certificates) -> None:
    body = bytes(range(256)) * 4000
    http2 = True if site == "h2c" else None
    with way.client(certificates, http2=http2, unix_socket=str(nginx.unix_socket(site))) as client:
        for _ in range(3):
            response = way.get(client, url + "request?a=b")
            assert response.http_version == version
            assert "uri=/request?a=b\n" in response.text
            assert f"host={url.split('/')[2]}\n" in response.text
        assert way.request(client, "POST", url + "echo", data=body).content == body
        with client.stream("GET", url + "10m") as stream:
            assert sum(map(len, stream.iter_bytes())) == 10 << 20
        assert way.get(client, url + "redirect/302").status_code == 200


@both_ways
def test_the_name_of_the_url_is_verified(way: Way, nginx: Nginx, certificates: Certificates) -> None:
    with way.client(certificates, unix_socket=str(nginx.unix_socket("https1"))) as client:
        assert "name=localhost\n" in way.get(client, "https://localhost/connection").text
        error = way.fail(client, "GET", "https://other.example/")
        assert isinstance(error, HttpCertificateError)
        assert "other.example" in str(error)


@both_ways
def test_proxies_don_t_matter(way: Way, nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    given: list[dict[str, Any]] = [{}, {"proxy": "http://127.0.0.1:1"}]
    for options in given:
        with way.client(unix_socket=str(nginx.unix_socket("http")), **options) as client:
            assert way.get(client, "http://localhost/path").text == "/path"


@both_ways
@pytest.mark.parametrize("name", ["@{}", "\0{}"])
def test_abstract_socket(way: Way, name: str, tmp_path: Path) -> None:
    path = name.format(tmp_path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path.replace("@", "\0"))
    listener.listen()
    with UnixServer(listener), way.client(unix_socket=path) as client:
        for _ in range(2):
            response = way.get(client, "http://localhost/")
            assert response.text == "hello"
        assert response.peer == path.replace("\0", "@")


@both_ways
def test_no_server(way: Way, tmp_path: Path) -> None:
    missing = tmp_path / "missing.socket"
    with way.client(unix_socket=str(missing)) as client:
        error = way.fail(client, "GET", "http://localhost/")
        assert isinstance(error, ConnectError)
        assert f"cannot connect to {missing}: No such file or directory" in str(error)
        # And it is looked for again with the next request.
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(missing))
            assert "Connection refused" in str(way.fail(client, "GET", "http://localhost/"))
    plain = tmp_path / "file"
    plain.write_text("no socket")
    with way.client(unix_socket=str(plain)) as client:
        assert f"cannot connect to {plain}: Connection refused" in str(way.fail(client, "GET", "http://localhost/"))


@both_ways
def test_a_server_that_accepts_nobody(way: Way, tmp_path: Path) -> None:
    path = str(tmp_path / "full.socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(path)
        listener.listen(0)
        filler.connect(path)
        with way.client(unix_socket=path) as client:
            error = way.fail(client, "GET", "http://localhost/", connect_timeout=0.2)
            assert isinstance(error, ConnectTimeoutError)
            assert path in str(error)


@both_ways
def test_a_queue_that_moves_on(way: Way, tmp_path: Path) -> None:
    path = str(tmp_path / "busy.socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    filler = socket.socket(socket.AF_UNIX)
    filler.connect(path)
    made: list[str] = []
    with way.client(unix_socket=path) as client:
        thread = threading.Thread(target=lambda: made.append(way.get(client, "http://localhost/").text))
        thread.start()
        first, _ = listener.accept()
        with UnixServer(listener):
            thread.join(30)
            client.close()
        first.close()
        filler.close()
    assert made == ["hello"]


def test_paths_that_can_t_be_used() -> None:
    for path, what in (
        ("", "empty"),
        ("@", "empty"),
        ("\0", "empty"),
        ("/tmp/a\0b", "NUL"),
        ("/tmp/" + "x" * 103, "108 bytes, and Linux allows 107"),
        ("@" + "x" * 108, "109 bytes, and Linux allows 108"),
    ):
        with pytest.raises(ValueError, match=what):
            TgoHttpClient(unix_socket=path)


def test_the_longest_path() -> None:
    with TgoHttpClient(unix_socket="/" + "x" * 106) as client:
        error = Way(True).fail(client, "GET", "http://localhost/")
    assert "No such file or directory" in str(error)
