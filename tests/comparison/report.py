"""docs/comparison.md: run the probes with every client, and write the table."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

# Each registers its probes, in the order of the table.
from tests.comparison import legitimate, messages, safety, semantics, transport  # noqa: F401
from tests.comparison.jobs import CLIENTS
from tests.comparison.lab import PROBES, Lab, Probe, Stage

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "comparison.md"

#: The subjects, in the order of the page.
GROUPS = (
    "Redirects", "Cookies", "Authentication", "Request bodies", "Responses", "Allowed, but rare",
    "Request targets", "Framing", "Injection", "Limits", "Made again", "Proxies",
    "Addresses", "TLS", "HTTP/2", "Many at once",
)  # fmt: skip

HEAD = """\
# What this client, requests, httpx and curl do

Measured, not remembered: every cell is what happened when `scripts/comparison` ran that client against a server of its
own on this machine. `scripts/comparison` writes this page anew; a test runs the probes again with this client, and
fails where a cell of the column *ours* is no longer true.

Compared: {versions}.

## How to read it

Each client is as it comes, with what the point itself names switched on. curl is given `--location`, `--compressed` and
a cookie engine, which the others have switched on by themselves; its session is one run of the command, with `--next`.
*yes*, or a status, is an answer; *error (Name)* is an exception of that name, or curl's exit code: whether that is good
depends on the point. CAPITALS mark what makes a program go wrong silently, or leaves it open to attack. *waits on* says
that nothing had come of it after some seconds. *not offered* is for what a client has no option for.
Servers that break the rules do so byte for byte as the point says, and answer "plain" to the request that follows.
"""


def versions() -> str:
    """The versions of everything that has a part in it."""
    packages = ("requests", "urllib3", "httpx", "httpcore", "h11", "h2")
    curl = subprocess.run([shutil.which("curl") or "curl", "--version"], capture_output=True, text=True, check=True)
    # The program's own name comes first, then the platform.
    first = ", ".join([curl.stdout.partition(" (")[0], *re.findall(r"(?:OpenSSL|nghttp2|libpsl)/[\d.]+", curl.stdout)])
    others = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"this client, {others}, {first}; Python {platform.python_version()}"


def measure(clients: tuple[str, ...] = CLIENTS, probes: list[Probe] | None = None) -> dict[str, dict[str, str]]:
    """Return by point, and then by client, what the cell says. The clients run at the same time."""
    chosen = PROBES if probes is None else probes
    table: dict[str, dict[str, str]] = {probe.point: {} for probe in chosen}
    with Stage() as stage, ThreadPoolExecutor(len(clients)) as threads:

        def run(client: str) -> None:
            lab = Lab(stage, client)
            try:
                for probe in chosen:
                    table[probe.point][client] = lab.measure(probe)
            finally:
                lab.close()

        list(threads.map(run, clients))
    return table


def page(table: dict[str, dict[str, str]]) -> str:
    """The whole of docs/comparison.md."""
    made = [HEAD.format(versions=versions())]
    for group in GROUPS:
        made += [f"## {group}\n", f"| | {' | '.join(CLIENTS)} |", "|---|" + "---|" * len(CLIENTS)]
        for probe in PROBES:
            if probe.group == group:
                cells = (cell(table[probe.point][client]) for client in CLIENTS)
                made.append(f"| {cell(probe.point)} | {' | '.join(cells)} |")
        made.append("")
    return "\n".join(made).rstrip("\n") + "\n"


def cell(text: str) -> str:
    """Return *text* so that it stays in one cell, and says the same each time."""
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", " ".join(text.split())).replace("|", "\\|")


def read(text: str) -> dict[str, list[str]]:
    """Return the rows of a page by point."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| |"):
            point, *cells = re.split(r" (?<!\\)\| ", line.removeprefix("| ").removesuffix(" |"))
            rows[point] = cells
    return rows
