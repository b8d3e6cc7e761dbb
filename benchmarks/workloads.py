"""What is measured: the table of workloads, and what a client is told about each."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks import content
from benchmarks.server import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.server import Server


@dataclass(frozen=True, slots=True)
class Unit:
    """What a workload's CPU time is divided by, and how the result is written."""

    name: str
    scale: float
    cpu: str
    rate: str


REQUEST = Unit("request", 1e6, "CPU µs per request", "requests/s")
CONNECTION = Unit("connection", 1e6, "CPU µs per connection", "connections/s")
GIGABYTE = Unit("GB", 1.0, "CPU s per GB", "GB/s")
PROCESS = Unit("process", 1e3, "CPU ms per process", "processes/s")


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the result.

    `operation` names the function of a client's module that does it (see benchmarks/clients/__init__.py);
    `concurrency` is how many requests, threads or connections there are at a time, `response_size` how many bytes of a
    body or of header fields come back. `grows` says which of the two is the workload's size, for which `{size}` stands
    in the title and the path. `{bulk}` stands for the MiB of a long body. A quick run has less.
    """

    id: str
    title: str
    operation: str
    unit: Unit
    tls: bool = False
    http2: bool = False
    resume: bool = False
    concurrency: int = 1
    response_size: int = 0
    grows: str = "concurrency"
    path: str = "/small"
    # Fewer than the other workloads get, for those that take long and repeat well.
    most_rounds: int = 100
    # Seconds for a measurement and all that comes before it; who needs more did not finish.
    time_limit: float = 20.0

    @property
    def group(self) -> str:
        """W7 for W7-upload-tls, W5 for W5@100."""
        return re.split("[-@]", self.id)[0]

    @property
    def size(self) -> int:
        return int(getattr(self, self.grows))

    def needs(self) -> list[str]:
        """What a client must be able to do, from the general to the special."""
        features = [name for name in ("tls", "http2", "resume") if getattr(self, name)] or ["plain"]
        return [self.operation, *features, self.id.partition("@")[0]]


WORKLOADS = (
    Workload("W1", "HTTP/1.1, one at a time", "one_at_a_time", REQUEST),
    Workload("W2", "HTTP/1.1 over TLS, one at a time", "one_at_a_time", REQUEST, tls=True),
    Workload("W3", "HTTP/2, one at a time", "one_at_a_time", REQUEST, tls=True, http2=True),
    Workload("W4", "HTTP/2, {size:,} streams", "at_once", REQUEST, tls=True, http2=True, concurrency=100),
    Workload("W5", "HTTP/1.1, {size:,} connections", "at_once", REQUEST, concurrency=1000),
    Workload("W5t", "HTTP/1.1, {size:,} threads, one client", "in_threads", REQUEST, concurrency=32),
    Workload(
        "W6-plain",
        "{size:,} connections opened and held",
        "hold",
        CONNECTION,
        concurrency=10_000,
        most_rounds=2,
        time_limit=15.0,
    ),
    Workload(
        "W6-tls", "the same, TLS", "hold", CONNECTION, tls=True, concurrency=10_000, most_rounds=1, time_limit=30.0
    ),
    Workload("W7-download", "{bulk} MiB download", "download", GIGABYTE),
    Workload("W7-download-tls", "the same, TLS", "download", GIGABYTE, tls=True),
    Workload("W7-download-h2", "the same, HTTP/2", "download", GIGABYTE, tls=True, http2=True),
    Workload("W7-upload", "{bulk} MiB upload", "upload", GIGABYTE),
    Workload("W7-upload-tls", "the same, TLS", "upload", GIGABYTE, tls=True),
    Workload("W7-upload-h2", "the same, HTTP/2", "upload", GIGABYTE, tls=True, http2=True),
    Workload("W8-full", "new TLS connection and one GET", "new_connections", REQUEST, tls=True, path="/session"),
    Workload(
        "W8-resumed", "the same, session resumed", "new_connections", REQUEST, tls=True, resume=True, path="/session"
    ),
    Workload("W9-plain", "cold process: import, one GET, exit", "cold", PROCESS),
    Workload("W9-tls", "the same, TLS", "cold", PROCESS, tls=True),
)

# Those that there are only as points of a growth curve (benchmarks/growth.py).
_SIZE = "response_size"
GROWING = (
    Workload("body", "HTTP/1.1, body of {size:,} bytes", "one_at_a_time", REQUEST, grows=_SIZE, path="/body"),
    Workload("headers", "HTTP/1.1, header fields, {size:,} bytes", "headers", REQUEST, grows=_SIZE, path="/headers"),
)


def select(names: Iterable[str]) -> list[Workload]:
    """The workloads of these identifiers; W7 means all of W7. All of them when there are no names."""
    wanted = list(names)
    known = {name for workload in WORKLOADS for name in (workload.id, workload.group)}
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no workload {name!r}; there are {', '.join(w.id for w in WORKLOADS)}")
    return [workload for workload in WORKLOADS if not wanted or {workload.id, workload.group} & set(wanted)]


def find(identifier: str, size: int) -> Workload:
    """The workload of this identifier at this size; W5@100 is W5 as a point of a growth curve."""
    known = {workload.id: workload for workload in (*WORKLOADS, *GROWING)}
    workload = known[identifier.partition("@")[0]]
    if workload.grows == "response_size":
        return replace(workload, id=identifier, response_size=size, path=f"{workload.path}-{size}")
    return replace(workload, id=identifier, concurrency=size)


@dataclass(frozen=True, slots=True)
class Target:
    """What a client is told: where to connect, how, and what must come back."""

    url: str
    ca_file: str
    tls: bool
    http2: bool
    resume: bool
    concurrency: int
    body: bytes
    # Of the header fields of content.field(), where the workload is about them.
    fields: int

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


def target(workload: Workload, server: Server) -> Target:
    body, fields = content.SMALL, 0
    if workload.path == "/session":
        body = content.SESSION_RESUMED if workload.resume else content.SESSION_FULL
    elif workload.operation == "headers":
        fields = workload.response_size // content.FIELD_SIZE
    elif workload.response_size:
        body = content.piece(0, workload.response_size)
    return Target(
        url=server.url(workload.path, tls=workload.tls),
        ca_file=server.ca_file,
        tls=workload.tls,
        http2=workload.http2,
        resume=workload.resume,
        concurrency=workload.concurrency,
        body=body,
        fields=fields,
    )


def spread(workload: Workload, server: Server) -> list[str]:
    """As many URLs as connections, spread over all addresses but the first, which is for warming up."""
    hosts = HOSTS[1:]
    return [
        server.url(workload.path, tls=workload.tls, host=hosts[number % len(hosts)])
        for number in range(workload.concurrency)
    ]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done in each measurement."""

    rounds: int
    seconds: float
    bulk_size: int
    processes: int
    most_connections: int
    patience: float

    def title(self, workload: Workload) -> str:
        return workload.title.format(size=workload.size, bulk=self.bulk_size // content.MIB)

    def limit(self, workload: Workload) -> Workload:
        """The workload, made smaller where this effort is; a point of a growth curve keeps its size, which names it."""
        growth_point = "@" in workload.id
        return replace(
            workload,
            concurrency=workload.concurrency if growth_point else min(workload.concurrency, self.most_connections),
            most_rounds=min(workload.most_rounds, self.rounds),
            time_limit=workload.time_limit * self.patience,
        )


NORMAL = Effort(rounds=3, seconds=0.5, bulk_size=content.BULK_SIZE, processes=5, most_connections=10_000, patience=1.0)
# For a growth curve: many points, of which only the ratios count.
GROWTH = replace(NORMAL, seconds=0.4)
QUICK = Effort(
    rounds=1, seconds=0.15, bulk_size=content.BULK_QUICK_SIZE, processes=2, most_connections=1000, patience=0.25
)
