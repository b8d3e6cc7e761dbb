"""``python -m httpclient``, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.scripted import hold
from tests.servers.site import Answer, Asked, Site

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


def test_bodies_parameters_and_credentials(scripted: ScriptedServers, tmp_path: Path) -> None:
    def respond(asked: Asked) -> Answer:
        if not (asked.value("authorization") or "").startswith(("Digest ", "Bearer ")):
            return Answer(401, [("www-authenticate", 'Digest realm="r", nonce="n", qop="auth"')])
        return Answer(200, [("set-cookie", "kept=1;Max-Age=1000")])

    site = Site(respond)
    url = scripted(site.http1).url
    upload, jar = tmp_path / "upload", tmp_path / "cookies"
    upload.write_bytes(b"content")
    result = run("-F", "a=b", "-F", f"file=@{upload}", "-G", "q=1 2", "-u", "me:s3cret", "-b", str(jar), f"{url}/form")
    assert (result.returncode, result.stderr) == (0, b"")
    assert [asked.target for asked in site.asked] == ["/form?q=1%202"] * 2
    assert b'name="file"; filename="upload"' in site.last.body
    assert b"content" in site.last.body
    assert (site.last.value("authorization") or "").startswith("Digest ")
    assert run("--json", '{"a": [1, 2]}', "--bearer", "t0ken", "-b", str(jar), url).returncode == 0
    assert (site.last.body, site.last.value("content-type")) == (b'{"a":[1,2]}', "application/json")
    assert site.last.value("authorization") == "Bearer t0ken"
    assert site.last.value("cookie") == "kept=1"
    assert run("--json", "{", url).returncode == 1


def test_a_download_is_continued(nginx: Nginx, tmp_path: Path) -> None:
    output = tmp_path / "file"
    assert run("-C", "-o", str(output), nginx.url("http", "/1k")).returncode == 0
    assert output.stat().st_size == 1024
    shown = run("-v", "-o", "/dev/null", nginx.url("http", "/1k"))
    assert (shown.returncode, b"* ms: lookup" in shown.stderr) == (0, True)


def test_retries_and_pins(refused_port: int, nginx: Nginx, certificates: Certificates) -> None:
    assert run("--retry", "1", f"http://127.0.0.1:{refused_port}/").returncode == 1
    result = run("--pin", "sha256:" + "00" * 32, "--cacert", str(certificates.ca_file), nginx.url("https", "/1k"))
    assert (result.returncode, b"HttpCertificateError" in result.stderr) == (1, True)
