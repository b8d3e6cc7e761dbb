"""HTTP/2 near and far: many streams on one connection, and long transfers, with and without delay.

    python -m benchmarks.http2              # 256 MiB each way, three rounds: some five minutes
    python -m benchmarks.http2 --mib 64 --rounds 1 --clients ours,pycurl

Compares this client, pycurl and httpx in the same run, each measurement in a process of its own and in turn, and prints
a table for docs/performance.md. What is far is behind a network of the tests' own (:mod:`tests.servers.network`), which
needs root; it delays packets and loses none.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent

if TYPE_CHECKING:
    from collections.abc import Callable

    Operation = Callable[[str, int], None]

CLIENTS = ("ours", "pycurl", "httpx")
#: Seconds that a measurement may take.
LIMIT = 30
#: The round trip time of what is far, in seconds, and bytes of a packet on the way.
FAR, MTU = 0.05, 16000
STREAMS, THREADS = 100, 64

#: What is measured: its title, where, the path, how much of it, and the unit of CPU time with its scale.
WORKLOADS: dict[str, tuple[str, str, int, str, float]] = {
    "streams": ("100 streams at a time, GET 1 KiB", "/1k", 5000, "µs/request", 1e6),
    "threads": ("64 threads, one connection, GET 1 KiB", "/1k", 5000, "µs/request", 1e6),
    "download": ("download", "/bulk", 0, "s/GB", 1e9),
    "upload": ("upload", "/uploads/bulk", 0, "s/GB", 1e9),
    "stalled": ("100 GET of 1 MiB beside a download that nobody reads", "/1m", 100, "ms/request", 1e3),
}


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.http2", description="HTTP/2 near and far, with others.")
    parser.add_argument("--mib", type=int, default=256, help="how long a long transfer is (256)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default=",".join(CLIENTS))
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads: " + ", ".join(WORKLOADS))
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        client, workload, url, amount = options.measure
        print(json.dumps(measure(client, workload, url, int(amount))))
        return 0
    print(compare(options.clients.split(","), options.only.split(","), options.mib << 20, options.rounds))
    return 0


def compare(names: list[str], workloads: list[str], size: int, rounds: int) -> str:
    """Measure everything in turn; return the table."""
    from tests.certificates import Certificates
    from tests.servers.network import Network, unavailable
    from tests.servers.nginx import Nginx

    # In memory, where uploads are stored.
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        directory = Path(name)
        (directory / "certificates").mkdir()
        nginx = Nginx(directory / "near", Certificates(directory / "certificates"), ["h2c"])
        places = [(nginx, "near")]
        why_not = unavailable()
        network = None
        if why_not:
            print(f"nothing far: {why_not}", file=sys.stderr)
        else:
            network = Network(directory / "network", delay=FAR / 2, mtu=MTU)
            far = Nginx(directory / "far", Certificates(directory / "certificates"), ["h2c"])
            far.network = network
            places.append((far, f"{FAR * 1000:.0f} ms"))
        try:
            if network:
                network.start()
            results = {}
            for server, _ in places:
                server.start()
                files = server.directory / "files"
                (files / "1m").write_bytes(bytes(1 << 20))
                with (files / "bulk").open("wb") as bulk:
                    bulk.truncate(size)
            for workload in workloads:
                for server, place in places:
                    results[workload, place] = _measure_all(
                        names, workload, server.url("h2c", WORKLOADS[workload][1], server.address), size, rounds
                    )
        finally:
            for server, _ in places:
                server.stop()
            if network:
                network.stop()
    return table(results, names, size)


def _measure_all(names: list[str], workload: str, url: str, size: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in [*names[turn:], *names[:turn]]:
            if number and not samples[name]:
                continue  # it can't, or takes too long
            amount = WORKLOADS[workload][2] or size
            command = [sys.executable, "-m", "benchmarks.http2", "--measure", name, workload, url, str(amount)]
            try:
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=True)
                sample = json.loads(done.stdout)
                if sample:
                    samples[name].append(sample)
                print(workload, url, name, done.stdout.strip(), file=sys.stderr)
            except subprocess.TimeoutExpired:
                print(f"{workload} {url} {name}: not done within {LIMIT} s", file=sys.stderr)
            except subprocess.CalledProcessError as error:
                print(f"{workload} {url} {name}: {error.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    return samples


def table(results: dict[tuple[str, str], dict[str, list[dict[str, Any]]]], names: list[str], size: int) -> str:
    """Return the results as Markdown: wall time, CPU time and the most memory, as the medians of the rounds."""
    lines = [
        "| | " + " | ".join(f"{name}: wall, CPU, memory" for name in names) + " |",
        "|---|" + "---:|" * len(names),
    ]
    for (workload, place), samples in results.items():
        title, _, amount, unit, scale = WORKLOADS[workload]
        title = title if amount else f"{size >> 20} MiB {title}"
        cells = []
        for name in names:
            of_client = samples[name]
            if not of_client:
                cells.append("-")
                continue
            wall, cpu, memory = (median(sample[key] for sample in of_client) for key in ("wall", "cpu", "peak_mb"))
            cells.append(f"{wall:.2f} s, {cpu / (amount or size) * scale:.3g} {unit}, {memory:.0f} MB")
        lines.append(f"| {title}, {place} | " + " | ".join(cells) + " |")
    versions = ", ".join(f"{name} {_version(name)}" for name in names if name != "ours")
    lines += ["", f"Versions: {versions}; Python {sys.version.split()[0]}."]
    return "\n".join(lines)


def _version(name: str) -> str:
    if name == "pycurl":
        import pycurl

        return " ".join(word for word in pycurl.version.split() if word.startswith(("PycURL", "libcurl", "nghttp2")))
    version = importlib.metadata.version(name)
    return f"{version} with h2 {importlib.metadata.version('h2')}" if name == "httpx" else version


def measure(client: str, workload: str, url: str, amount: int) -> dict[str, float]:
    """Measure one client, in this process."""
    operations = globals()[f"_{client}"](url)
    if workload not in operations:
        return {}
    operation: Operation = operations[workload]
    wall, cpu = time.perf_counter(), time.process_time()
    operation(url, amount)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    # Not getrusage: that would tell the peak of the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    return {"wall": wall, "cpu": cpu, "peak_mb": peak * 1024 / 1e6}


class Count:
    """Counts bytes, and throws them away."""

    def __init__(self) -> None:
        self.size = 0

    def __call__(self, data: bytes) -> None:
        self.size += len(data)


def zeros(size: int) -> Any:
    """Return an upload, in pieces."""
    piece = bytes(1 << 16)
    return (piece for _ in range(size >> 16))


def _in_threads(get: Callable[[], int], count: int) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        assert all(threads.map(lambda _: get(), range(count)))


# This client


def _ours(url: str) -> dict[str, Operation]:
    from httpclient import TgoHttpClient

    base = url.rpartition("/")[0]
    client = TgoHttpClient(True, recv_timeout=LIMIT)
    assert len(client.get(f"{base.removesuffix('/uploads')}/1k").content) == 1024

    def streams(url: str, count: int) -> None:
        client = TgoHttpClient(True, False, recv_timeout=LIMIT)
        done = threading.Event()
        left = [count, count]
        lock = threading.Lock()

        def start() -> None:
            client.get(url).add_done_callback(finished)

        def finished(future: Any) -> None:
            assert len(future.result().content) == 1024
            with lock:
                left[1] -= 1
                more, left[0] = left[0] > 0, left[0] - 1
                over = left[1] == 0
            if more:
                start()
            if over:
                done.set()

        left[0] -= STREAMS
        for _ in range(STREAMS):
            start()
        done.wait()

    def download(url: str, size: int) -> None:
        count = Count()
        with client.stream("GET", url) as response:
            for piece in response.iter_bytes():
                count(piece)
        assert count.size == size

    def upload(url: str, size: int) -> None:
        client.put(url, data=zeros(size), headers={"Content-Length": str(size)}).raise_for_status()

    def stalled(url: str, count: int) -> None:
        with client.stream("GET", url.replace("/1m", "/bulk")) as response, ThreadPoolExecutor(10) as threads:
            next(response.iter_bytes())
            assert all(threads.map(lambda _: len(client.get(url).content) == 1 << 20, range(count)))

    def threads(url: str, count: int) -> None:
        _in_threads(lambda: len(client.get(url).content), count)

    return {"streams": streams, "threads": threads, "download": download, "upload": upload, "stalled": stalled}


# pycurl: connections can't be shared by threads


def _pycurl(url: str) -> dict[str, Operation]:
    import io

    import pycurl

    def handle(url: str, write: Callable[[bytes], object]) -> Any:
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        curl.setopt(pycurl.WRITEFUNCTION, write)
        curl.setopt(pycurl.PIPEWAIT, 1)
        return curl

    def run(multi: Any, urls: Any, at_once: int, size: int) -> None:
        """As many transfers at once, until there are no more URLs."""
        free = []
        for _ in range(at_once):
            buffer = io.BytesIO()
            free.append((handle(url, buffer.write), buffer))
        buffers = dict(free)
        unused = [curl for curl, _ in free]
        running = 0
        urls = iter(urls)
        more = True
        while True:
            while more and unused:
                following = next(urls, None)
                if following is None:
                    more = False
                    break
                curl = unused.pop()
                curl.setopt(pycurl.URL, following)
                multi.add_handle(curl)
                running += 1
            if not running:
                return
            multi.perform()
            _, finished, failed = multi.info_read(at_once)
            assert not failed, failed
            for curl in finished:
                assert len(buffers[curl].getbuffer()) == size
                buffers[curl].seek(0)
                buffers[curl].truncate()
                multi.remove_handle(curl)
                unused.append(curl)
                running -= 1
            if not finished:
                multi.select(1.0)

    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
    multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
    run(multi, [f"{url.rpartition('/')[0].removesuffix('/uploads')}/1k"], 1, 1024)

    def streams(url: str, count: int) -> None:
        run(multi, (url for _ in range(count)), STREAMS, 1024)

    def single(curl: Any) -> None:
        multi.add_handle(curl)
        while True:
            _, running = multi.perform()
            if not running:
                break
            multi.select(1.0)
        _, finished, failed = multi.info_read()
        assert finished == [curl], failed
        assert 200 <= curl.getinfo(pycurl.RESPONSE_CODE) < 300
        multi.remove_handle(curl)

    def download(url: str, size: int) -> None:
        count = Count()
        single(handle(url, count))
        assert count.size == size

    def upload(url: str, size: int) -> None:
        curl = handle(url, Count())
        piece, left = bytes(1 << 16), [size]

        def read(most: int) -> bytes:
            data = piece[: min(most, left[0])]
            left[0] -= len(data)
            return data

        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, 1 << 16)
        curl.setopt(pycurl.INFILESIZE_LARGE, size)
        curl.setopt(pycurl.READFUNCTION, read)
        single(curl)

    def stalled(url: str, count: int) -> None:
        lazy = handle(url.replace("/1m", "/bulk"), lambda _: pycurl.WRITEFUNC_PAUSE)
        multi.add_handle(lazy)
        run(multi, (url for _ in range(count)), 10, 1 << 20)

    return {"streams": streams, "download": download, "upload": upload, "stalled": stalled}


# httpx


def _httpx(url: str) -> dict[str, Operation]:
    import httpx

    client = httpx.Client(http1=False, http2=True, timeout=LIMIT, limits=httpx.Limits(max_connections=1))
    assert len(client.get(f"{url.rpartition('/')[0].removesuffix('/uploads')}/1k").content) == 1024

    def streams(url: str, count: int) -> None:
        import asyncio

        async def run() -> None:
            limits = httpx.Limits(max_connections=1)
            async with httpx.AsyncClient(http1=False, http2=True, timeout=LIMIT, limits=limits) as client:
                await client.get(url)
                left = iter(range(count))

                async def chain() -> None:
                    for _ in left:
                        assert len((await client.get(url)).content) == 1024

                await asyncio.gather(*(chain() for _ in range(STREAMS)))

        asyncio.run(run())

    def download(url: str, size: int) -> None:
        count = Count()
        with client.stream("GET", url) as response:
            for piece in response.iter_raw():
                count(piece)
        assert count.size == size

    def upload(url: str, size: int) -> None:
        client.put(url, content=zeros(size), headers={"Content-Length": str(size)}).raise_for_status()

    def stalled(url: str, count: int) -> None:
        with client.stream("GET", url.replace("/1m", "/bulk")) as response, ThreadPoolExecutor(10) as threads:
            next(response.iter_raw())
            assert all(threads.map(lambda _: len(client.get(url).content) == 1 << 20, range(count)))

    def threads(url: str, count: int) -> None:
        _in_threads(lambda: len(client.get(url).content), count)

    return {"streams": streams, "threads": threads, "download": download, "upload": upload, "stalled": stalled}


if __name__ == "__main__":
    sys.exit(main())
