"""The server programs do what the tests that use them rely on; looked at with clients that are not this project's."""

from __future__ import annotations

import gzip
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from h2.events import RemoteSettingsChanged

from ._clients import H2Client, Response, ask, connect, http_client, trusting
from ._process import ServerError, ServerProcess, free_ports, program
from .files import LARGE_SIZE, MIB, SIZES, TEXT, content
from .http2 import DATA, GOAWAY, ErrorCodes, SettingCodes
from .nginx import PASSWORD, USER, Nginx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.certificates import Certificates

    from .nghttpd import Nghttpd
    from .redis import Redis


@pytest.fixture
def trust(certificates: Certificates) -> ssl.SSLContext:
    return trusting(certificates)


@pytest.fixture
def trust_h2(certificates: Certificates) -> ssl.SSLContext:
    return trusting(certificates, ["h2", "http/1.1"])


def get(nginx: Nginx, path: str, site: str = "http", **fields: str) -> Response:
    with http_client(nginx, site, None) as client:
        return ask(client, path, fields=fields)


# nginx


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("site", ["http", "https", "https1", "tls12", "rsa", "big_chain", "one_stream"])
def test_nginx_serves_the_files(nginx: Nginx, trust: ssl.SSLContext, site: str, name: str) -> None:
    with http_client(nginx, site, trust) as client:
        response = ask(client, f"/{name}")
    assert (response.status, response.value("content-length")) == (200, str(SIZES[name]))
    assert response.body == content(name)


def test_nginx_serves_the_large_file(nginx: Nginx) -> None:
    body = get(nginx, "/256m").body
    assert len(body) == LARGE_SIZE
    assert body[:MIB] == body[-MIB:] == content("edge")
    assert not any(body[MIB : 2 * MIB])


@pytest.mark.parametrize(
    ("site", "offer", "chosen"),
    [
        ("https", ["h2", "http/1.1"], "h2"),
        ("https", ["http/1.1"], "http/1.1"),
        ("https", [], None),
        ("https1", ["h2", "http/1.1"], "http/1.1"),
    ],
)
def test_nginx_negotiates(
    nginx: Nginx, certificates: Certificates, site: str, offer: Sequence[str], chosen: str | None
) -> None:
    with connect(nginx.port(site), trusting(certificates, offer)) as client:
        assert isinstance(client, ssl.SSLSocket)
        assert client.selected_alpn_protocol() == chosen


def test_nginx_speaks_http2_over_tls(nginx: Nginx, trust_h2: ssl.SSLContext) -> None:
    with H2Client(nginx.port("https"), trust_h2) as client:
        first, second = client.request("/100k"), client.request("/request?q=1")
        assert client.response(first).body == content("100k")
        assert client.response(second).lines["protocol"] == "HTTP/2.0"
        assert client.response(second).lines["uri"] == "/request?q=1"
        body = content("100k")
        assert client.response(client.request("/echo", "POST", body)).body == body


def test_nginx_speaks_http2_in_the_clear(nginx: Nginx) -> None:
    with H2Client(nginx.port("h2c")) as client:
        assert client.response(client.request("/10m")).body == content("10m")


@pytest.mark.parametrize("site", ["http", "https1"])
def test_nginx_echoes_large_bodies(nginx: Nginx, trust: ssl.SSLContext, site: str) -> None:
    with http_client(nginx, site, trust) as client:
        response = ask(client, "/echo", "POST", content("10m"), {"Content-Type": "image/x"})
        assert (response.status, response.value("content-type")) == (200, "image/x")
        assert response.value("transfer-encoding") == "chunked"
        assert response.body == content("10m")


def test_nginx_says_what_it_understood(nginx: Nginx) -> None:
    lines = get(nginx, "/request?a=b", **{"User-Agent": "me", "Cookie": "c=d", "Accept-Encoding": "", "X": "y"}).lines
    assert lines == {
        "method": "GET",
        "uri": "/request?a=b",
        "protocol": "HTTP/1.1",
        "host": f"localhost:{nginx.port('http')}",
        "length": "",
        "type": "",
        "agent": "me",
        "accept": "",
        "encoding": "",
        "authorization": "",
        "cookie": "c=d",
        "referer": "",
        "range": "",
        "x": "y",
    }
    assert get(nginx, "/path?%41=%00&b=+").status == 200


def test_nginx_describes_the_connection(nginx: Nginx, trust: ssl.SSLContext) -> None:
    with http_client(nginx, "https1", trust) as client:
        first, second = (ask(client, "/connection").lines for _ in range(2))
    assert first["connection"] == second["connection"]
    assert (first["requests"], second["requests"]) == ("1", "2")
    assert (first["name"], first["tls"], first["reused"], first["certificate"]) == ("localhost", "TLSv1.3", ".", "")
    with http_client(nginx, "tls12", trust) as client:
        other = ask(client, "/connection").lines
    assert other["connection"] != first["connection"]
    assert other["tls"] == "TLSv1.2"


@pytest.mark.parametrize("site", ["https1", "tls12"])
def test_nginx_resumes_tls_sessions(nginx: Nginx, trust: ssl.SSLContext, site: str) -> None:
    reused = []
    session = None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", nginx.port(site)), 20) as raw,
            trust.wrap_socket(raw, server_hostname="localhost", session=session) as client,
        ):
            client.sendall(b"GET /connection HTTP/1.0\r\n\r\n")
            answer = b""
            while data := client.recv(4096):
                answer += data
            reused.append((b"reused=r" in answer, client.session_reused))
            session = client.session
    assert reused == [(False, False), (True, True)]


def test_nginx_asks_for_client_certificates(nginx: Nginx, certificates: Certificates) -> None:
    with http_client(nginx, "client_required", trusting(certificates)) as client:
        assert ask(client, "/connection").status == 400
    for identity in (certificates.client, certificates.client_encrypted, certificates.client_big_chain):
        trust = trusting(certificates)
        trust.load_cert_chain(*identity)
        with http_client(nginx, "client_required", trust) as client:
            assert "CN=client" in ask(client, "/connection").lines["certificate"]


@pytest.mark.parametrize("site", ["wrong_host", "expired", "self_signed"])
def test_nginx_serves_bad_certificates(nginx: Nginx, trust: ssl.SSLContext, site: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError), http_client(nginx, site, trust) as client:
        ask(client, "/1k")
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    with http_client(nginx, site, trust) as client:
        assert ask(client, "/1k").body == content("1k")


def test_nginx_closes_when_asked_to(nginx: Nginx) -> None:
    with http_client(nginx, "http", None) as client:
        assert ask(client, "/close/1k").value("connection") == "close"
    with http_client(nginx, "http", None) as client:
        assert [ask(client, "/three/1k").value("connection") for _ in range(3)] == ["keep-alive", "keep-alive", "close"]
    with http_client(nginx, "few", None) as client:
        assert [ask(client, "/1k").value("connection") for _ in range(5)] == ["keep-alive"] * 4 + ["close"]


def test_nginx_goes_away(nginx: Nginx, trust_h2: ssl.SSLContext) -> None:
    with H2Client(nginx.port("few2"), trust_h2) as client:
        for _ in range(4):
            assert client.response(client.request("/1k")).body == content("1k")
        last = client.request("/1k")
        # GOAWAY comes before the last response, which the h2 package doesn't expect: so these are raw frames.
        received = b""
        while data := client.socket.recv(1 << 16):
            received += data
    frames = {}
    while received:
        size, kind, stream_id = int.from_bytes(received[:3]), received[3], int.from_bytes(received[5:9])
        frames[kind, stream_id] = received[9 : 9 + size]
        received = received[9 + size :]
    assert frames[DATA, last] == content("1k")
    assert frames[GOAWAY, 0][:8] == last.to_bytes(4) + ErrorCodes.NO_ERROR.to_bytes(4)


def test_nginx_allows_one_stream(nginx: Nginx, trust_h2: ssl.SSLContext) -> None:
    with H2Client(nginx.port("one_stream"), trust_h2) as client:
        settings = client.wait_for(RemoteSettingsChanged)
        assert isinstance(settings, RemoteSettingsChanged)
        assert settings.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS].new_value == 1


def test_nginx_compresses(nginx: Nginx) -> None:
    response = get(nginx, "/gzip/text.txt", **{"Accept-Encoding": "gzip"})
    assert response.value("content-encoding") == "gzip"
    assert gzip.decompress(response.body).decode() == TEXT
    assert get(nginx, "/gzip/text.txt", **{"Accept-Encoding": "identity"}).body.decode() == TEXT


def test_nginx_chunks(nginx: Nginx) -> None:
    response = get(nginx, "/chunked/100k")
    assert response.value("transfer-encoding") == "chunked"
    assert response.body == content("100k")


def test_nginx_serves_ranges(nginx: Nginx) -> None:
    response = get(nginx, "/1k", Range="bytes=10-19")
    assert (response.status, response.body) == (206, content("1k")[10:20])


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_nginx_redirects(nginx: Nginx, code: int) -> None:
    response = get(nginx, f"/redirect/{code}")
    assert (response.status, response.value("location")) == (code, "/request")


def test_nginx_redirects_in_chains_and_circles_and_elsewhere(nginx: Nginx) -> None:
    assert get(nginx, "/redirect/chain/10").value("location") == "/redirect/chain/9"
    assert get(nginx, "/redirect/chain/0").value("location") == "/request"
    assert get(nginx, "/redirect/loop").value("location") == "/redirect/loop"
    assert get(nginx, "/redirect/relative").value("location") == "../1k?from=relative#part"
    elsewhere = nginx.url("few", "/request", host="127.0.0.1")
    assert get(nginx, f"/redirect/to?url={elsewhere}").value("location") == elsewhere


@pytest.mark.parametrize("code", [204, 304, 400, 404, 500, 503])
def test_nginx_gives_statuses(nginx: Nginx, code: int) -> None:
    assert get(nginx, f"/status/{code}").status == code


def test_nginx_asks_for_a_password(nginx: Nginx) -> None:
    assert get(nginx, "/private/1k").value("www-authenticate") == 'Basic realm="the tests"'
    with_password = get(nginx, "/private/1k", Authorization="Basic dXNlcjpzZWNyZXQ=")
    assert (USER, PASSWORD) == ("user", "secret")
    assert with_password.body == content("1k")


def test_nginx_sets_two_cookies(nginx: Nginx) -> None:
    fields = get(nginx, "/cookies").fields
    cookies = [value for name, value in fields if name == "set-cookie"]
    assert cookies == ["first=1; Path=/", "second=2; Path=/"]


def test_nginx_takes_uploads(nginx: Nginx) -> None:
    with http_client(nginx, "http", None) as client:
        assert ask(client, "/uploads/deep/file", "PUT", content("10m")).status == 201
        assert (nginx.uploads / "deep" / "file").read_bytes() == content("10m")
        assert ask(client, "/uploads/deep/file", "DELETE").status == 204
    assert not (nginx.uploads / "deep" / "file").exists()


def test_nginx_can_be_slow(nginx: Nginx) -> None:
    assert get(nginx, "/late").body == b"late\n"
    # 100 KiB at 20 KiB a second: the first bytes are there long before the last.
    with connect(nginx.port("http")) as client:
        client.sendall(b"GET /slow/100k HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while b"\r\n\r\n" not in received:
            received += client.recv(1 << 20)
        assert 0 < len(received) < 50_000


def test_nginx_logs_requests_only_where_asked(nginx: Nginx, certificates: Certificates, tmp_path: Path) -> None:
    assert not (nginx.directory / "access.log").exists()
    with Nginx(tmp_path, certificates, ["few"], access_log=True) as own:
        assert get(own, "/1k?logged", "few").status == 200
    assert ["GET /1k?logged HTTP/1.1" in line for line in own.access()] == [True]


# nghttpd and redis


def test_nghttpd_serves_and_echoes(nghttpd: Nghttpd, nghttpd_clear: Nghttpd, trust_h2: ssl.SSLContext) -> None:
    for server, context in ((nghttpd, trust_h2), (nghttpd_clear, None)):
        with H2Client(server.port, context) as client:
            files = {name: client.request(f"/{name}") for name in SIZES}
            echo = client.request("/", "POST", content("100k"))
            assert all(client.response(stream).body == content(name) for name, stream in files.items())
            assert client.response(echo).body == content("100k")
    assert nghttpd.url == f"https://127.0.0.1:{nghttpd.port}"
    assert nghttpd_clear.url == f"http://127.0.0.1:{nghttpd_clear.port}"


def test_redis_answers_on_both_ports(redis: Redis, certificates: Certificates) -> None:
    for port, context in ((redis.port, None), (redis.tls_port, trusting(certificates))):
        with connect(port, context) as client:
            client.sendall(b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n")
            assert client.recv(100) == b"$5\r\nhello\r\n"


# Processes


class Python(ServerProcess):
    """Any Python program as a server; the port is its argument."""

    def __init__(self, directory: Path, source: str) -> None:
        super().__init__(directory)
        self.source = source

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, "-S", "-c", f"import socket, sys, time, signal\n{self.source}", str(self.ports[0])]


LISTEN = "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"


def test_a_server_is_gone_after_its_block(tmp_path: Path) -> None:
    with Python(tmp_path, LISTEN + "print('up', flush=True)\ntime.sleep(600)") as server:
        pid = server.pid
        assert server.running
        assert Path(f"/proc/{pid}").exists()
    assert not server.running
    assert not Path(f"/proc/{pid}").exists()
    assert server.log() == "up\n"
    with pytest.raises(ServerError, match="not running"):
        _ = server.pid
    server.stop()


def test_a_server_that_ignores_the_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers._process.STOP_LIMIT", 0.1)
    source = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LISTEN + "time.sleep(600)"
    with Python(tmp_path, source) as server:
        pid = server.pid
    assert not Path(f"/proc/{pid}").exists()


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = Python(tmp_path, "raise SystemExit('no licence')")
    with pytest.raises(ServerError, match="Python did not start:\nno licence"):
        server.start()
    assert not server.running


def test_starting_is_tried_again_on_another_port(tmp_path: Path) -> None:
    source = (
        "import pathlib\nfirst = pathlib.Path('first')\n"
        "if not first.exists(): first.touch(); sys.exit('Address already in use')\n" + LISTEN + "time.sleep(600)"
    )
    with Python(tmp_path, source) as server:
        assert (tmp_path / "first").exists()
        assert server.running


def test_a_port_of_another_process_is_not_taken_for_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr("tests.servers._process.free_ports", lambda count: [taken] * count)
        with pytest.raises(ServerError, match="Address already in use"):
            Python(tmp_path, "time.sleep(0.05)\n" + LISTEN + "time.sleep(600)").start()


def test_a_server_dies_with_its_user(tmp_path: Path) -> None:
    source = (
        "import sys, time, pathlib\nfrom tests.servers.test_servers import *\n"
        "server = Python(pathlib.Path(sys.argv[1]), LISTEN + 'time.sleep(600)').start()\n"
        "print(server.pid, flush=True)\ntime.sleep(600)"
    )
    command = [sys.executable, "-c", source, str(tmp_path)]
    user = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert user.stdout
    with user.stdout as output:
        pid = int(output.readline())
    # Its end is the event to wait for: a pidfd becomes readable then, whoever the parent is.
    pidfd = os.pidfd_open(pid)
    try:
        user.send_signal(signal.SIGKILL)
        user.wait()
        assert select.select([pidfd], [], [], 20)[0]
    finally:
        os.close(pidfd)


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(ServerError, match=r"no-such-program is not installed .*apt install some-package"):
        program("no-such-program", "some-package")


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(50))) == 50
