"""What a process loads that makes one request, counted and not timed.

A module costs 0.1 ms and more, at the start and at the end of the process. Who passes one of these limits has made
every cold start dearer: for a reason, or by mistake.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.test_floors import FLOORS, NOT_LOADED

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.servers.nginx import Nginx

ROOT = Path(__file__).parents[1]

#: Loaded when they are used, and not by a plain request: of Python's own, besides those that cost most of all.
NEVER = {
    *("_bisect", "_socket", "binascii", "bisect", "enum", "heapq", "importlib", "math", "queue", "random", "re"),
    *("selectors", "signal", "subprocess", "tempfile", "warnings", "weakref"),
    *NOT_LOADED,
}

PROGRAM = """
import sys
before = set(sys.modules)
from httpclient import TgoHttpClient
imported = set(sys.modules)
with TgoHttpClient(ca_file={ca_file!r}) as http:
    assert http.get({url!r}).status_code == 200
print(*sys.modules.keys() - before)
print(*imported - before)
"""


class Limits(NamedTuple):
    """The most modules: of the packages here, and of Python's own, some of which it may have loaded already."""

    site: str
    own: int
    others: int


LIMITS = {
    "HTTP/1.1": Limits("http", 63, 30),
    "TLS": Limits("https1", 79, 30),
    "HTTP/2": Limits("https", 90, 30),
}

#: What HTTP/2 does without until there is a body to send, a trace, or a name from the package.
NOT_FOR_HTTP2 = {
    *("httpclient._later", "httpclient.http2.statistics", "httpclient.http2.trace", "httpclient.http2.upload"),
    *("nghttp2_api._functions", "nghttp2_api._later", "nghttp2_api._structs", "nghttp2_api.callbacks"),
}

#: How requests look is checked for either version.
HTTP1 = {
    f"httpclient.http1.{name}" for name in ("_head", "caller", "connection", "limits", "link", "response", "upload")
}


@cache
def python_loads() -> set[str]:
    """Return what this Python loads by itself with the modules that can't be done without."""
    command = [sys.executable, "-S", "-E", "-c", "import sys, ctypes, threading; print(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split())


def run(url: str, ca_file: str) -> tuple[set[str], set[str]]:
    """Return what is loaded by a request, and what by the import alone."""
    program = PROGRAM.format(url=url, ca_file=ca_file)
    # -S and -E: neither the site module nor the environment shall have loaded something before.
    command = [sys.executable, "-S", "-E", "-c", program]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    loaded, imported = (set(line.split()) for line in done.stdout.splitlines())
    return loaded, imported


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_one_request(limits: Limits, nginx: Nginx, certificates: Certificates) -> None:
    loaded, imported = run(nginx.url(limits.site, "/1k"), str(certificates.ca_file))
    assert sorted(loaded & (NEVER | NOT_FOR_HTTP2) - python_loads()) == []
    own = {name for name in loaded if name.partition(".")[0] in FLOORS}
    assert len(own) <= limits.own, sorted(own)
    assert len(loaded - own) <= limits.others, sorted(loaded - own)
    # Each version of HTTP is for servers that choose it, and TLS for those that speak it.
    later = {name for name in imported if name.partition(".")[0] in {"nghttp2_api", "openssl_api"}}
    assert sorted(later) == []
    later = {name for name in own if "http2" in name and name != "httpclient.http2_options"}
    assert sorted(later) == [] or limits.site == "https"
    assert sorted((loaded if limits.site == "https" else imported) & HTTP1) == []
