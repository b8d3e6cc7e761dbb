"""Clients from beginning to end: threads, closing, interrupts, forks, and the end of the interpreter."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from httpclient import ClientClosedError, RequestAbortedError, TgoHttpClient
from tests.httpclient.ways import LIMIT, Way, both_ways
from tests.servers.scripted import hold

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.nginx import Nginx

ROOT = Path(__file__).parents[2]


def program(text: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a Python program that can import the packages."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Wait for a program; return its exit status and what it wrote."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, out.decode(), err.decode()


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_many_threads_share_one_client(nginx: Nginx) -> None:
    url = nginx.url("http", "/1k")
    with TgoHttpClient(max_connections_per_origin=8) as http:
        expected = http.get(url).content
        good = []

        def fetch() -> None:
            good.extend(http.get(url).content == expected for _ in range(20))

        threads = [threading.Thread(target=fetch) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert good == [True] * 640


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_what_is_under_way(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(hold(), aborts=True)
    http = way.client(recv_timeout=LIMIT)
    errors: list[BaseException] = []
    if way.blocking:

        def fetch() -> None:
            with pytest.raises(RequestAbortedError) as caught:
                http.get(server.url)
            errors.append(caught.value)

        threads = [threading.Thread(target=fetch) for _ in range(5)]
        for thread in threads:
            thread.start()
        server.wait_for_connections(5)
        http.close()
        for thread in threads:
            thread.join(LIMIT)
    else:
        futures = [http.get(server.url) for _ in range(5)]
        server.wait_for_connections(5)
        http.close()
        errors += [future.exception(LIMIT) for future in futures]
    assert [type(error) for error in errors] == [RequestAbortedError] * 5
    assert server.url in str(errors[0])


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_who_is_connecting(way: Way, silent_port: int) -> None:
    http = way.client()
    url = f"http://127.0.0.1:{silent_port}/"
    if way.blocking:
        errors: list[BaseException] = []

        def fetch() -> None:
            try:
                http.get(url)
            except (RequestAbortedError, ClientClosedError) as error:
                errors.append(error)

        thread = threading.Thread(target=fetch)
        thread.start()
        while not any(origin._opening for origin in list((http._pool or _NONE)._origins.values())):
            pass
        http.close()
        thread.join(LIMIT)
        assert len(errors) == 1
    else:
        future = http.get(url)
        http.close()
        assert isinstance(future.exception(LIMIT), (RequestAbortedError, ClientClosedError))


class _NONE:
    _origins: dict[str, object] = {}  # noqa: RUF012 - never changed


@both_ways
def test_a_closed_client_says_so(way: Way, nginx: Nginx) -> None:
    http = way.client()
    way.get(http, nginx.url("http", "/1k"))
    http.close()
    http.close()
    assert http.closed
    assert isinstance(way.fail(http, "GET", nginx.url("http", "/1k")), ClientClosedError)


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_closing_from_a_callback(nginx: Nginx) -> None:
    http = TgoHttpClient(blocking=False)
    closed = threading.Event()

    def close(future: object) -> None:
        http.close()
        closed.set()

    http.get(nginx.url("http", "/1k")).add_done_callback(close)
    assert closed.wait(LIMIT)


def test_the_interpreter_ends_cleanly_with_everything_open(
    nginx: Nginx, scripted: ScriptedServers, certificates: Certificates
) -> None:
    server = scripted(hold(), aborts=True)
    process = program(
        """
        import sys, threading
        from httpclient import TgoHttpClient
        ca, plain, tls, silent = sys.argv[1:]
        idle = TgoHttpClient(ca_file=ca)
        assert idle.get(plain).ok and idle.get(tls).ok
        later = TgoHttpClient(None, False, ca_file=ca)
        assert later.get(tls).result().ok and later.get(plain).result().ok
        later.get(silent, recv_timeout=60)
        threading.Thread(target=lambda: idle.get(silent, recv_timeout=60), daemon=True).start()
        stream = idle.stream("GET", tls)
        print("end")
        """,
        str(certificates.ca_file), nginx.url("http", "/1k"), nginx.url("https", "/1k"), server.url,
    )  # fmt: skip
    status, out, err = finish(process)
    assert (status, out, err) == (0, "end\n", "")


@pytest.mark.parametrize("phase", ["connect", "handshake", "receive", "upload", "http2"])
def test_sigint_interrupts_a_blocking_call_at_once(
    phase: str, scripted: ScriptedServers, silent_port: int, nginx: Nginx, certificates: Certificates
) -> None:
    server = scripted(hold(), aborts=True)
    url = {
        "connect": f"http://127.0.0.1:{silent_port}/",
        "handshake": server.url.replace("http:", "https:"),
        "http2": nginx.url("https", "/slow/10m"),
    }.get(phase, server.url)
    process = program(
        """
        import os, signal, sys, threading, time
        from httpclient import TgoHttpClient
        phase, url, ca = sys.argv[1:]
        main = threading.get_ident()

        def interrupt():
            time.sleep(0.3)  # long enough for the call to be where it waits
            os.kill(os.getpid(), signal.SIGINT)

        http = TgoHttpClient(ca_file=ca, recv_timeout=60, connect_timeout=60)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            http.post(url, data=bytes(64 << 20) if phase == "upload" else None)
            while phase == "http2":
                http.get(url)
        except KeyboardInterrupt:
            http.close()
            print("interrupted")
        """,
        phase, url, str(certificates.ca_file),
    )  # fmt: skip
    status, out, err = finish(process)
    assert (status, out, err) == (0, "interrupted\n", "")


@pytest.mark.parametrize("tls", [False, True])
def test_a_forked_child_makes_its_own_requests(tls: bool, nginx: Nginx, certificates: Certificates) -> None:
    process = program(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what this is about
        from httpclient import TgoHttpClient
        ca, url = sys.argv[1:]
        http, later = TgoHttpClient(ca_file=ca), TgoHttpClient(None, False, ca_file=ca)

        def check(number):
            assert len(http.get(url).content) == 1024
            assert len(later.get(url).result(20).content) == 1024

        check(0)
        children = []
        for number in range(3):
            child = os.fork()
            if child == 0:
                check(number)
                with TgoHttpClient(ca_file=ca) as fresh:
                    assert fresh.get(url).ok
                http.close()
                later.close()
                os._exit(0)
            check(number)
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
            check(child)
        print("parent and children are well")
        """,
        str(certificates.ca_file), nginx.url("https" if tls else "http", "/1k"),
    )  # fmt: skip
    status, out, err = finish(process)
    assert (status, out, err) == (0, "parent and children are well\n", "")


def test_a_signal_handler_that_returns_lets_the_call_go_on(scripted: ScriptedServers) -> None:
    from tests.servers.scripted import Connection

    go_on = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_until(b"\r\n\r\n")
        assert go_on.wait(LIMIT)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = scripted(handler)
    seen = []

    def on_alarm(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) == 3:
            go_on.set()

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with TgoHttpClient() as http:
            assert http.get(server.url).content == b"ok"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) >= 3


def test_a_client_that_nobody_closes_is_closed_with_its_last_reference(nginx: Nginx) -> None:
    http = TgoHttpClient()
    http.get(nginx.url("http", "/1k"))
    (connection,) = next(iter(http._pool._origins.values()))._idle  # type: ignore[union-attr]
    descriptor = connection.connection.socket
    assert select.select([descriptor], [], [], 0) == ([], [], [])
    del connection, http
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
