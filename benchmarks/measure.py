"""One measurement: this client, that workload, in a process that does nothing else (`python -m benchmarks.measure`).

Reads the task as JSON from the command line and writes the outcome as JSON to standard output: a sample, or why there
is none. Only what happens inside `Measured` counts; imports, connecting and warming up come before it.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import clients, content
from benchmarks.server import Server
from benchmarks.workloads import Effort, Target, Workload, find, spread, target

if TYPE_CHECKING:
    from collections.abc import Callable

# How often a run is lengthened at most to find out how many requests fill the time.
_MOST_TRIALS = 12


class UnfairError(AssertionError):
    """The client did something else than the workload says, so that its numbers can't be compared."""


@dataclass(slots=True)
class Sample:
    """What one measurement found; times in seconds."""

    units: float
    cpu: float
    user_cpu: float
    system_cpu: float
    server_cpu: float
    wall: float
    context_switches: int
    connections: int
    # When it began, by CLOCK_MONOTONIC: what a recording of the whole process has before that isn't meant.
    began: float
    versions: dict[str, str] = field(default_factory=dict)
    # What only some workloads have: KiB per connection, threads, megabytes at the peak.
    more: dict[str, float] = field(default_factory=dict)


class Measured:
    """The measured part, as a context manager.

    CPU time is that of the whole process, all its threads included, in the kernel and outside of it, to the nanosecond
    (CLOCK_PROCESS_CPUTIME_ID); getrusage divides it into user and system time.
    """

    def __init__(self, server: Server, who: int = resource.RUSAGE_SELF) -> None:
        self._server = server
        self._who = who

    def __enter__(self) -> Measured:
        gc.collect()
        self._accepted = self._server.connections()[1]
        self._server_cpu = self._server.cpu()
        self._usage = resource.getrusage(self._who)
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu = time.process_time() - self._cpu
        self.wall = time.perf_counter() - self._wall
        usage = resource.getrusage(self._who)
        self.user_cpu = usage.ru_utime - self._usage.ru_utime
        self.system_cpu = usage.ru_stime - self._usage.ru_stime
        self.context_switches = usage.ru_nvcsw + usage.ru_nivcsw - self._usage.ru_nvcsw - self._usage.ru_nivcsw
        self.server_cpu = self._server.cpu() - self._server_cpu
        self.connections, accepted = self._server.connections()
        # The question itself was one.
        self.opened = accepted - self._accepted - 1

    def sample(self, units: float, **more: float) -> Sample:
        return Sample(
            units=units,
            cpu=self.cpu,
            user_cpu=self.user_cpu,
            system_cpu=self.system_cpu,
            server_cpu=self.server_cpu,
            wall=self.wall,
            context_switches=self.context_switches,
            connections=self.connections,
            began=self._wall,
            more=more,
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What to measure."""

    client: str
    workload: Workload
    server: Server
    effort: Effort

    @property
    def target(self) -> Target:
        return target(self.workload, self.server)


def measure_requests(task: Task, prepare: Callable[[Target], Callable[[int], None]]) -> Sample:
    """run(count): as many requests as fill the time, after as long a warm-up as it takes to know how many that is."""
    run = prepare(task.target)
    run(1)
    count = max(10, 2 * task.workload.concurrency)
    for _ in range(_MOST_TRIALS):
        start = time.perf_counter()
        run(count)
        elapsed = time.perf_counter() - start
        if elapsed > task.effort.seconds / 8:
            break
        count *= 2
    count = max(10, 2 * task.workload.concurrency, int(count * task.effort.seconds / elapsed))
    with Measured(task.server) as measured:
        run(count)
    _check_connections(task.workload, measured, count)
    return measured.sample(count)


def _check_connections(workload: Workload, measured: Measured, count: int) -> None:
    """Connections that are to be kept must be, and HTTP/2 must use one of them."""
    if workload.operation == "new_connections":
        most, fewest_opened, most_opened = 0, count, count
    else:
        # A pool may get by with fewer than it could have, and may open the last of them late.
        most = 1 if workload.http2 else workload.concurrency
        fewest_opened, most_opened = 0, most - 1 + count // 100
    if measured.connections > most or not fewest_opened <= measured.opened <= most_opened:
        raise UnfairError(
            f"{measured.opened} connections were opened for {count} requests (expected: {fewest_opened} to "
            f"{most_opened}), and {measured.connections} were open at the end (expected: at most {most})"
        )


def measure_hold(task: Task, prepare: Callable[[Target], Callable[[list[str]], None]]) -> Sample:
    """run(urls): what it costs to open connections, and what it costs to have them."""
    run = prepare(task.target)
    run([task.target.url] * min(20, task.workload.concurrency))
    gc.collect()
    before, _ = task.server.connections()
    memory = _resident_memory()
    urls = spread(task.workload, task.server)
    with Measured(task.server) as measured:
        run(urls)
    held = measured.connections - before
    if held < len(urls):
        raise UnfairError(f"{held} connections were open instead of {len(urls)}")
    gc.collect()
    kib = (_resident_memory() - memory) / content.KIB / held
    return measured.sample(held, kib_per_connection=kib, threads=_threads())


def measure_download(task: Task, prepare: Callable[[Target], Callable[[str, content.Receiver], None]]) -> Sample:
    """run(url, receive): one long download; a short one is compared byte for byte first."""
    run = prepare(task.target)
    tls, size = task.workload.tls, task.effort.bulk_size
    first = content.Receiver(thorough=True)
    run(task.server.url(f"/bulk-{content.BULK_SHORT_SIZE}", tls=tls), first)
    first.finish(content.BULK_SHORT_SIZE)
    url = task.server.url(f"/bulk-{size}", tls=tls)
    receiver = content.Receiver(thorough=False)
    with Measured(task.server) as measured:
        run(url, receiver)
    receiver.finish(size)
    return measured.sample(size / 1e9, peak_mb=_peak_memory())


def measure_upload(task: Task, prepare: Callable[[Target], Callable[[str, content.Source], None]]) -> Sample:
    """run(url, source): one long upload, after a short one; what was stored is compared afterwards."""
    run = prepare(task.target)
    names = {f"short-{os.getpid()}": content.BULK_SHORT_SIZE, f"long-{os.getpid()}": task.effort.bulk_size}
    for name, size in names.items():
        with Measured(task.server) as measured:
            run(task.server.url(f"/upload/{name}", tls=task.workload.tls), content.Source(size))
        stored = task.server.upload_file(name)
        content.check_file(stored, size)
        stored.unlink()
    return measured.sample(task.effort.bulk_size / 1e9, peak_mb=_peak_memory())


def measure_cold(task: Task, prepare: Callable[[Target], str]) -> Sample:
    """The program that the client's module returns, each time in a new interpreter."""
    command = [sys.executable, "-c", prepare(task.target)]
    # Who develops may have told Python to leave no bytecode behind; who uses a client has it compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(count: int) -> None:
        for _ in range(count):
            done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
            content.check_small(done.stdout, task.target.body)

    run(1)
    with Measured(task.server, resource.RUSAGE_CHILDREN) as measured:
        run(task.effort.processes)
    measured.cpu = measured.user_cpu + measured.system_cpu
    return measured.sample(task.effort.processes, peak_mb=_peak_memory_of(command))


def _peak_memory_of(command: list[str]) -> float:
    """Megabytes at the most, as the program itself sees it: getrusage would tell those of this process before exec."""
    *interpreter, program = command
    program += "\nsys.stderr.write(open('/proc/self/status').read())"
    done = subprocess.run([*interpreter, program], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    return int(done.stderr.partition("VmHWM:")[2].split()[0]) * content.KIB / 1e6


_MEASURES: dict[str, Callable[[Task, Any], Sample]] = {
    "one_at_a_time": measure_requests,
    "at_once": measure_requests,
    "in_threads": measure_requests,
    "headers": measure_requests,
    "new_connections": measure_requests,
    "hold": measure_hold,
    "download": measure_download,
    "upload": measure_upload,
    "cold": measure_cold,
}


def outcome(task: Task) -> dict[str, object]:
    """A sample as {"sample": ...}, or {"cannot": why} or {"failed": why}."""
    try:
        module = clients.load(task.client)
    except ImportError as error:
        return {"cannot": f"not installed ({error})"}
    for feature in task.workload.needs():
        if feature in module.CANNOT:
            return {"cannot": module.CANNOT[feature]}
    prepare = getattr(module, task.workload.operation, None)
    if prepare is None:
        return {"cannot": f"benchmarks/clients/{task.client}.py has no {task.workload.operation}()"}
    try:
        sample = _MEASURES[task.workload.operation](task, prepare)
        sample.versions = module.versions()
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}
    return {"sample": asdict(sample)}


def _resident_memory() -> int:
    """Bytes of memory that this process has in use."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _peak_memory() -> float:
    """Megabytes at the most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * content.KIB / 1e6


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def main() -> None:
    task = json.loads(sys.argv[1])
    result = outcome(
        Task(
            client=task["client"],
            workload=find(task["workload"], task["size"]),
            server=Server(**task["server"]),
            effort=Effort(**task["effort"]),
        )
    )
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    # Without saying goodbye to thousands of connections, and without interpreters' complaints about it.
    os._exit(0)


if __name__ == "__main__":
    main()
