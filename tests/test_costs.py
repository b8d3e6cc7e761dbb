"""What a warm request and an idle connection cost, counted and not timed: system calls, C and Python functions; memory.

The limits are some 10 % above what was counted when they were set (Python 3.11), or more where it depends on how the
threads take turns. Who passes one has made every request dearer: for a reason, or by mistake.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.costs import WARM

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.servers.nginx import Nginx

ROOT = Path(__file__).parents[1]

COUNT = 300


class Limits(NamedTuple):
    """The most for one request."""

    site: str
    way: str
    system: float
    c: float
    python: float


LIMITS = {
    "HTTP/1.1": Limits("http", "one", 3.1, 3.3, 21),
    "HTTP/1.1, fields of its own": Limits("http", "own", 3.1, 3.3, 50),
    "TLS": Limits("https1", "one", 3.1, 6.6, 24.5),
    "HTTP/2": Limits("https", "one", 2.2, 11, 44),
    "HTTP/2, 100 streams": Limits("https", "streams", 1.5, 4, 39),
    "connections": Limits("http", "connections", 4.5, 3.4, 36),
    "new TLS connection": Limits("https1", "new", 25.3, 31, 113),
}

both = pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)


def command(limits: Limits, nginx: Nginx, certificates: Certificates, count: int) -> list[str]:
    url = nginx.url(limits.site, "/1k")
    return [sys.executable, "-m", "tests.costs", limits.way, url, str(certificates.ca_file), str(count)]


@both
def test_functions(limits: Limits, nginx: Nginx, certificates: Certificates) -> None:
    line = [*command(limits, nginx, certificates, COUNT), "count"]
    found = json.loads(subprocess.run(line, cwd=ROOT, check=True, capture_output=True, timeout=60).stdout)
    assert 0 < found["c"] <= limits.c
    assert 0 < found["python"] <= limits.python


def system_calls(line: list[str], report: Path) -> int:
    """Run a program and count the system calls of all its threads, but for waiting for each other."""
    strace = ["strace", "-f", "-qq", "-c", "-e", "trace=!futex,sched_yield", "-o", str(report)]
    subprocess.run([*strace, *line], cwd=ROOT, check=True, capture_output=True, timeout=60)
    found = re.findall(r"^ *[0-9.]+ +[0-9.]+ +[0-9]+ +([0-9]+) .*total$", report.read_text(), re.MULTILINE)
    return int(found[-1])


@both
def test_system_calls(limits: Limits, nginx: Nginx, certificates: Certificates, tmp_path: Path) -> None:
    assert shutil.which("strace"), "the tests need strace: scripts/test installs it"
    if subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("processes may not be traced here (ptrace)")
    few, many = (
        system_calls(command(limits, nginx, certificates, count), tmp_path / "calls") for count in (0, COUNT)
    )
    assert WARM >= COUNT  # everything has been done once before
    assert 0 < (many - few) / COUNT <= limits.system


class Memory(NamedTuple):
    """The most bytes for an idle connection: Python's, and all of the process's."""

    site: str
    python: int
    resident: int


MEMORY = {"HTTP/1.1": Memory("http", 1650, 2048), "TLS": Memory("https1", 2700, 24 * 1024)}


@pytest.mark.parametrize("limits", MEMORY.values(), ids=MEMORY)
def test_memory_of_idle_connections(limits: Memory, nginx: Nginx, certificates: Certificates) -> None:
    """Of 800 that were opened at once: what was taken meanwhile has been used again."""
    url = nginx.url(limits.site, "/1k")
    line = [sys.executable, "-m", "tests.held", url, str(certificates.ca_file), "800"]
    for whose, limit in (("python", limits.python), ("resident", limits.resident)):
        done = subprocess.run([*line, whose], cwd=ROOT, check=True, capture_output=True, timeout=120)
        assert 0 < float(done.stdout) <= limit, whose
