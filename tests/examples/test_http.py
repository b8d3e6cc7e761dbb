"""The HTTP examples, run as a reader would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from examples.download_with_progress import by_event, by_stream
from httpclient import TgoHttpClient
from tests.servers.files import content

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.servers.nginx import Nginx

ROOT = Path(__file__).parents[2]


def test_the_program_of_the_original(nginx: Nginx, certificates: Certificates) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(certificates.ca_file)}
    urls = [nginx.url("http", "/1k"), nginx.url("https", "/1k")]
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "delphi_scalable_http.py"), *urls],
        capture_output=True, text=True, env=environment, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert f"{urls[0]}: HTTP/1.1 200, 1024 bytes" in run.stdout
    assert f"{urls[1]}: HTTP/2 200, 1024 bytes" in run.stdout


def test_both_ways_to_download(nginx: Nginx, tmp_path: Path) -> None:
    url = nginx.url("http", "/10m")
    for way in (by_stream, by_event):
        path = tmp_path / way.__name__
        with TgoHttpClient() as http, path.open("wb") as file:
            assert way(http, url, file) == 10 * 1024 * 1024
        assert path.read_bytes() == content("10m")
