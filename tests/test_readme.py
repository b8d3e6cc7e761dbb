"""The examples of README and guide run as they stand; only the addresses are those of the test's own servers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.servers.nginx import Nginx
    from tests.servers.redis import Redis

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
_find_examples = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL).findall
EXAMPLES = _find_examples(README)
GUIDE_EXAMPLES = _find_examples(GUIDE)

# What each of them prints, in their order.
OUTPUT = [
    r"200\n",
    r"200 text/plain The quick brown fox .*",
    r"(message: 200 22500 None\n|2250000\n){101}",
    r"10485760\n",
    r"1 1 0 0\n",
    r"\{'2'\}\n",
    r"200 \d+\n",
    r"b'\+PONG\\r\\n'\n",
]

GUIDE_OUTPUT = [
    r"/path\?q=black%20%26%20white&page=2\n\{'answer': 42\}\nname=Ada&tags=a&tags=b\nmultipart/form-data True\n",
    r"200 text/plain \d+\nTLSv1\.3 True True\n\d+\n",
    r"\[\('first', '1'\), \('second', '2'\)\]\n",
    r"503 2\n",
    r"200 b'ping pong'\n\[\(1, 0\)\]\n",
    r"ConnectError connect\n",
]


@pytest.mark.parametrize("number", range(len(OUTPUT)))
def test_examples_run(number: int, nginx: Nginx, redis: Redis, certificates: Certificates) -> None:
    assert len(EXAMPLES) == len(OUTPUT)
    source = EXAMPLES[number]
    for written, here in {
        '"https://example.org/"': f'"{nginx.url("https", "/text.txt")}"',
        '"https://example.org/large"': f'"{nginx.url("https", "/10m")}"',
        "6379": str(redis.port),
    }.items():
        source = source.replace(written, here)
    run(source, OUTPUT[number], certificates, ROOT)


@pytest.mark.parametrize("number", range(len(GUIDE_OUTPUT)))
def test_examples_of_the_guide_run(number: int, nginx: Nginx, certificates: Certificates, tmp_path: Path) -> None:
    assert len(GUIDE_EXAMPLES) == len(GUIDE_OUTPUT)
    source = GUIDE_EXAMPLES[number].replace("https://example.org/large", nginx.url("https", "/10m"))
    run(source.replace("https://example.org", nginx.url("https", "")), GUIDE_OUTPUT[number], certificates, tmp_path)


def run(source: str, output: str, certificates: Certificates, directory: Path) -> None:
    assert "example.org" not in source
    # The variable is OpenSSL's own: where the authorities are that it trusts.
    environment = {**os.environ, "SSL_CERT_FILE": str(certificates.ca_file), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", source]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(output, done.stdout, re.DOTALL), done.stdout


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_scripts_that_are_named_exist() -> None:
    named = set(re.findall(r"^ *((?:scripts|\.ci)/\w+)", README, re.MULTILINE))
    assert {"scripts/demo", "scripts/test", ".ci/run"} <= named
    assert [name for name in named if not os.access(ROOT / name, os.X_OK)] == []


def test_the_tests_that_show_the_differences_exist() -> None:
    text = (ROOT / "docs" / "differences.md").read_text()
    named = set(re.findall(r"`(\w+/test_\w+\.py)`", text))
    assert len(named) > 20
    assert sorted(name for name in named if not (ROOT / "tests" / name).exists()) == []
