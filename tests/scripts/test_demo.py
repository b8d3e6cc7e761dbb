"""The demo shows what it promises, ends by itself or on Ctrl-C, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.nginx import Nginx

ROOT = Path(__file__).parents[2]
LIMIT = 60


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "scripts.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_shows_everything_and_leaves_nothing(tmp_path: Path) -> None:
    demo = start(tmp_path)
    output = demo.communicate(timeout=LIMIT)[0]
    assert demo.returncode == 0, output
    for version in (r"HTTP/1\.1$", r"HTTP/1\.1 over TLSv1", r"HTTP/2 over TLSv1", r"HTTP/2$"):
        assert re.search(version, output, re.MULTILINE), output
    assert "message: status 200, 102400 bytes" in output
    assert "Future: <HttpResponse [200]>, HTTP/2, 102400 bytes" in output
    assert "10485760 of 10485760 bytes" in output
    events = re.findall(r"^  (on_\w+)", output, re.MULTILINE)
    assert (events[0], events[-1]) == ("on_connected", "on_disconnected")
    assert {"on_sent", "on_recv"} <= set(events)
    # Every layer says something, and names a routine of the original.
    for layer, routine in (("httpclient", "nghttp2_Send"), ("socketpool", "TgoOpenSSL.Write")):
        assert re.search(rf"{layer} .*\[Delphi: [^\]]*\b{re.escape(routine)}\b[^\]]*\]", output), output
    server = re.search(r"process (\d+)", output)
    assert server
    assert not Path(f"/proc/{server[1]}").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path) as demo:
        assert demo.stdout
        server = re.search(r"process (\d+)", demo.stdout.readline())
        assert server
        pidfd = os.pidfd_open(int(server[1]))
        try:
            demo.send_signal(number)
            assert demo.wait(LIMIT) == 128 + number
            assert select.select([pidfd], [], [], LIMIT)[0]
        finally:
            os.close(pidfd)
        assert "Traceback" not in demo.stdout.read()
    assert list(tmp_path.iterdir()) == []


def test_it_fetches_urls_instead(tmp_path: Path, nginx: Nginx, refused_port: int) -> None:
    demo = start(tmp_path, nginx.url("http", "/1k"), f"http://127.0.0.1:{refused_port}/")
    output = demo.communicate(timeout=LIMIT)[0]
    assert demo.returncode == 1
    assert "1024 bytes from 127.0.0.1" in output
    assert "TgoHttpClient.DoRequest" in output
    assert "ConnectError" in output
    assert "Traceback" not in output
