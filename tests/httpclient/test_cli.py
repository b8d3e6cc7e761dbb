"""``python -m httpclient``, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.scripted import hold

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.nginx import Nginx

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "httpclient", *arguments], capture_output=True, cwd=ROOT, timeout=60, check=False
    )


def test_http_1_1(nginx: Nginx) -> None:
    result = run("-i", nginx.url("http", "/1k"))
    assert result.returncode == 0
    assert result.stdout.startswith(b"HTTP/1.1 200 OK\n")
    head, _, body = result.stdout.partition(b"\n\n")
    assert b"Content-Length: 1024" in head
    assert len(body) == 1024


def test_tls_and_what_verbose_shows(nginx: Nginx, certificates: Certificates, tmp_path: Path) -> None:
    output = tmp_path / "body"
    result = run("-v", "-o", str(output), "--cacert", str(certificates.ca_file), "-u", "me:secret", "--http1.1",
                 nginx.url("https", "/1k"))  # fmt: skip
    assert result.returncode == 0
    assert len(output.read_bytes()) == 1024
    shown = result.stderr.decode()
    assert "> GET /1k HTTP/1.1\n" in shown
    assert "< HTTP/1.1 200 OK\n" in shown
    assert "TLSv1." in shown
    assert "> Authorization: ***\n" in shown
    assert "secret" not in shown


def test_http_2_and_what_a_trace_shows(nghttpd: Nghttpd, certificates: Certificates) -> None:
    result = run("--trace", "--http2", "--cacert", str(certificates.ca_file), nghttpd.url + "/1k")
    assert result.returncode == 0
    assert len(result.stdout) == 1024
    trace = result.stderr.decode()
    for routine in ("TgoHttpClient.CreateRequest", "TgoOpenSSL.Connect", "nghttp2_submit_request", "TgoOpenSSL.Read"):
        assert f"[Delphi: {routine}]" in trace


def test_prior_knowledge(nghttpd_clear: Nghttpd) -> None:
    result = run("-I", "--http2", nghttpd_clear.url + "/1k")
    assert result.returncode == 0
    assert result.stdout.startswith(b"HTTP/2 200")


def test_a_bad_certificate(nginx: Nginx, certificates: Certificates) -> None:
    result = run("--cacert", str(certificates.ca_file), nginx.url("expired", "/1k"))
    assert result.returncode == 1
    assert result.stdout == b""
    assert b"HttpCertificateError" in result.stderr
    assert b"expired" in result.stderr
    assert b"Traceback" not in result.stderr
    assert run("-k", nginx.url("expired", "/1k")).returncode == 0


def test_a_refused_port(refused_port: int) -> None:
    result = run(f"http://127.0.0.1:{refused_port}/")
    assert result.returncode == 1
    assert b"ConnectError" in result.stderr
    assert b"Connection refused" in result.stderr
    assert f"http://127.0.0.1:{refused_port}/".encode() in result.stderr


def test_a_server_that_never_answers(scripted: ScriptedServers, silent_port: int) -> None:
    server = scripted(hold(), aborts=True)
    result = run("--recv-timeout", "0.3", server.url)
    assert result.returncode == 1
    assert b"ReceiveTimeoutError: nothing was received for 0.3 s" in result.stderr
    result = run("--connect-timeout", "0.3", f"http://127.0.0.1:{silent_port}/")
    assert result.returncode == 1
    assert b"ConnectTimeoutError" in result.stderr


def test_data_methods_fields_and_failing_statuses(nginx: Nginx, tmp_path: Path) -> None:
    body = tmp_path / "data"
    body.write_bytes(b"x" * 10)
    assert run("-d", f"@{body}", "-X", "POST", nginx.url("http", "/1k")).returncode == 0
    result = run("-f", nginx.url("http", "/no-such-file"))
    assert result.returncode == 22


def test_bad_urls() -> None:
    result = run("ftp://example.org/")
    assert result.returncode == 1
    assert b"InvalidUrlError" in result.stderr
    assert run().returncode == 2
