"""Closing, threads, interrupts, forks and the end of the process."""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import HttpClientError, RequestAbortedError, TgoHttpClient
from tests.httpclient.ways import BLOCKING, LIMIT, NON_BLOCKING, Way, both_ways
from tests.servers.files import content
from tests.servers.scripted import answer, expect, hold, script, send, tls_context, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.certificates import Certificates
    from tests.conftest import Http2Servers, ScriptedServers
    from tests.servers.connection import Connection
    from tests.servers.nginx import Nginx

ROOT = Path(__file__).parents[2]

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"


# Closing with everything under way


def start(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Make a call in a thread of its own, and collect its error."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def ended(thread: threading.Thread, errors: list[BaseException]) -> None:
    """Check that a call has ended because its client was closed."""
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [RequestAbortedError], errors


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 2", HALF, b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_who_receives(
    sent: bytes, tls: bool, scripted: ScriptedServers, certificates: Certificates
) -> None:
    arrived = threading.Event()
    server = scripted(
        script(expect(b"\r\n\r\n"), send(sent), lambda c: arrived.set(), hold()),
        tls=tls_context(certificates.server) if tls else None, aborts=True,
    )  # fmt: skip
    for way in (BLOCKING, NON_BLOCKING):
        http = way.client(certificates, recv_timeout=600.0)
        call = start(lambda http=http, way=way: way.get(http, server.url))  # type: ignore[misc]
        assert arrived.wait(LIMIT)
        arrived.clear()
        http.close()
        ended(*call)


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_who_connects(way: Way, silent_port: int) -> None:
    http = way.client(connect_timeout=600.0)
    call = start(lambda: way.get(http, f"http://127.0.0.1:{silent_port}/"))
    while not (http._pool and http._pool._origins and next(iter(http._pool._origins.values()))._opening):
        time.sleep(0.001)
    http.close()
    ended(*call)


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_who_shakes_hands(way: Way, scripted: ScriptedServers) -> None:
    greeted = threading.Event()
    server = scripted(script(lambda c: c.receive(100), lambda c: greeted.set(), hold()), aborts=True)
    http = way.client(verify=False, connect_timeout=600.0)
    call = start(lambda: way.get(http, f"https://127.0.0.1:{server.port}/"))
    assert greeted.wait(LIMIT)
    http.close()
    ended(*call)


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_who_sends(way: Way, scripted: ScriptedServers) -> None:
    def forever() -> Iterator[bytes]:
        while True:
            yield b"x" * 100_000

    arrived, over = threading.Event(), threading.Event()
    steps = script(expect(b"\r\n\r\n"), lambda c: arrived.set(), wait(over))
    server = scripted(steps, receive_buffer=4096, aborts=True)
    http = way.client(recv_timeout=600.0)
    call = start(lambda: way.request(http, "PUT", server.url, data=forever()))
    assert arrived.wait(LIMIT)
    http.close()
    ended(*call)
    over.set()


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_who_waits_for_a_connection(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(script(expect(b"\r\n\r\n"), send(HALF), hold()), aborts=True)
    http = way.client(max_connections_per_origin=1, connect_timeout=600.0, recv_timeout=600.0)
    response = http.stream("GET", server.url)
    calls = [start(lambda: way.get(http, server.url)) for _ in range(5)]
    origin = next(iter(http._pool._origins.values()))  # type: ignore[union-attr]
    while len(origin._waiting) < 5:
        time.sleep(0.001)
    http.close()
    for call in calls:
        ended(*call)
    response.close()


@pytest.mark.usefixtures("no_leaks")
def test_every_future_is_done_when_close_returns(scripted: ScriptedServers, silent_port: int) -> None:
    server = scripted(script(expect(b"\r\n\r\n"), send(HALF), hold()), aborts=True)
    for _ in range(20):
        http = NON_BLOCKING.client(max_connections_per_origin=3, connect_timeout=600.0, recv_timeout=600.0)
        futures = [http.get(server.url) for _ in range(20)] + [
            http.get(f"http://127.0.0.1:{silent_port}/") for _ in range(5)
        ]
        http.close()
        assert all(future.done() for future in futures)
        assert all(isinstance(future.exception(), RequestAbortedError) for future in futures)


@pytest.mark.usefixtures("no_leaks")
def test_closing_from_a_callback(scripted: ScriptedServers) -> None:
    server = scripted([answer(b"x")] + [script(expect(b"\r\n\r\n"), send(HALF), hold())] * 10, aborts=True)
    http = NON_BLOCKING.client(recv_timeout=600.0)
    first = http.get(server.url)
    assert first.result(LIMIT).content == b"x"
    others = [http.get(server.url) for _ in range(5)]
    server.wait_for_connections(5)
    closed = threading.Event()

    def close(_: object) -> None:
        http.close()
        closed.set()

    others[0].add_done_callback(close)
    others[0].cancel()
    assert closed.wait(LIMIT)
    assert all(future.done() for future in others)


@pytest.mark.usefixtures("no_leaks")
def test_closing_while_threads_make_requests(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x" * 1000), aborts=True)
    for round_number in range(10):
        http = TgoHttpClient(False, blocking=round_number % 2 == 0, max_connections_per_origin=3)
        way = BLOCKING if round_number % 2 == 0 else NON_BLOCKING
        busy = threading.Barrier(9, timeout=LIMIT)
        strange: list[BaseException] = []

        def work() -> None:
            way.get(http, server.url)  # noqa: B023
            busy.wait()  # noqa: B023
            try:
                while True:
                    way.get(http, server.url)  # noqa: B023
            except HttpClientError as error:
                if not http.closed:  # noqa: B023
                    strange.append(error)  # noqa: B023
            except BaseException as error:
                strange.append(error)  # noqa: B023

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        busy.wait()
        http.close()
        for thread in threads:
            thread.join(LIMIT)
            assert not thread.is_alive()
        assert strange == []
        assert not http._running


@both_ways
def test_the_other_clients_go_on(way: Way, scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))
    with way.client() as first, way.client() as second:
        for _ in range(3):
            assert way.get(first, server.url).content == b"x"
            assert way.get(second, server.url).content == b"x"
        first.close()
        assert way.get(second, server.url).content == b"x"
    with way.client() as third:
        assert way.get(third, server.url).content == b"x"


def test_a_client_that_is_forgotten_is_freed(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))
    http = TgoHttpClient(False)
    http.get(server.url)
    gone = weakref.ref(http)
    del http
    assert gone() is None  # at once: nothing in it refers to it
    server.wait_until_finished()


def test_finished_calls_leave_no_circles(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))
    with NON_BLOCKING.client() as http:
        http.get(server.url).result(LIMIT)
        gc.collect()
        gc.disable()
        try:
            future: Any = http.get(server.url)
            future.result(LIMIT)
            while http._running:
                time.sleep(0.001)
            call = weakref.ref(future)
            del future
            deadline = time.monotonic() + LIMIT
            while call() is not None:  # the worker may still be on its way out
                assert time.monotonic() < deadline
                time.sleep(0.001)
        finally:
            gc.enable()


# Threads


@pytest.mark.parametrize("connections", [1, 4, 32])
@pytest.mark.usefixtures("nginx", "certificates", "no_leaks")
def test_threads_share_a_client(connections: int, nginx: Nginx, certificates: Certificates) -> None:
    wrong: list[object] = []
    with BLOCKING.client(certificates, http2=None, max_connections_per_origin=connections) as http:

        def work(thread: int) -> None:
            try:
                for number in range(12):
                    for site in ("http", "https1", "https"):
                        path = f"/path?{thread}-{number}-{site}"
                        if http.get(nginx.url(site, path)).text != path:
                            wrong.append(path)
                    if number % 4 == 0:
                        body = content("100k")[thread * 100 :]
                        if http.post(nginx.url("http", "/echo"), data=body).content != body:
                            wrong.append(number)
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        for origin in http._pool._origins.values():  # type: ignore[union-attr]
            assert len(origin._connections) <= connections
            assert not origin._opening
            assert not origin._waiting


def test_the_first_requests_of_threads_make_one_pool(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"))
    for _ in range(20):
        with TgoHttpClient(False) as http:
            go = threading.Barrier(8, timeout=LIMIT)
            pools: list[object] = []

            def work() -> None:
                go.wait()  # noqa: B023
                http.get(server.url)
                pools.append(http._pool)  # noqa: B023

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert set(pools) == {http._pool}
    server.wait_until_finished()


# In a process of their own


def run(code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a Python with some code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        start_new_session=True, **options,
    )  # fmt: skip


def outcome(process: subprocess.Popen[str]) -> str:
    """Wait for a process, which has to end well and without a word on standard error; return its output."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its forks too
        out, err = process.communicate()
        raise AssertionError(f"the process does not end; it wrote {out!r} and {err!r}") from None
    assert (process.returncode, err) == (0, "")
    return out


INTERRUPTED = """
import signal, sys
from httpclient import TgoHttpClient
what, url, good, ca_file = sys.argv[1:]
http = TgoHttpClient(False, connect_timeout=600.0, recv_timeout=600.0, max_connections_per_origin=1, ca_file=ca_file)
def forever():
    while True:
        yield b"x" * 100_000
def interrupt(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupt)
try:
    if what == "wait":
        response = http.stream("GET", url)
        http.get(url)
    elif what == "stream":
        for _ in http.stream("GET", url).iter_bytes():
            pass
    elif what == "upload":
        http.put(url, data=forever())
    else:
        http.get(url)
except KeyboardInterrupt:
    print("interrupted", flush=True)
if what == "wait":
    response.close()
origins = http._pool._origins.values()
assert all(not o._connections and not o._opening and not o._waiting for o in origins), what
for _ in range(3):
    assert http.get(good).content == b"good"
http.close()
"""


@pytest.mark.parametrize("what", ["connect", "handshake", "head", "body", "tls", "stream", "upload", "wait", "100"])
def test_an_interrupt_ends_a_call_at_once(
    what: str, scripted: ScriptedServers, certificates: Certificates, request: pytest.FixtureRequest
) -> None:
    good = scripted(answer(b"good"))
    ready = threading.Event()
    sent = {"body": HALF, "stream": HALF, "wait": HALF, "100": b"HTTP/1.1 100 Continue\r\n\r\n"}.get(what, b"")
    ending = wait(threading.Event()) if what == "upload" else hold()
    start_with = script(lambda c: c.receive(100)) if what == "handshake" else expect(b"\r\n\r\n")
    server = scripted(
        script(start_with, send(sent), lambda c: ready.set(), ending), aborts=True,
        tls=tls_context(certificates.server) if what == "tls" else None, receive_buffer=4096,
    )  # fmt: skip
    url = server.url
    if what == "connect":
        url = f"http://127.0.0.1:{request.getfixturevalue('silent_port')}/"
    if what == "handshake":
        url = url.replace("http:", "https:")
    process = run(INTERRUPTED, what, url, good.url, str(certificates.ca_file))
    if what == "connect":
        # It has begun to connect when there is a socket.
        while not any(link.startswith("socket:") for link in links(process.pid)) and process.poll() is None:
            time.sleep(0.005)
    else:
        assert ready.wait(LIMIT)
    deadline = time.monotonic() + LIMIT
    # More than once: a signal in the moment before a system call begins doesn't interrupt it, in any Python program.
    assert process.stdout is not None
    while not select.select([process.stdout], [], [], 0.05)[0] and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
    assert outcome(process) == "interrupted\n"


def links(pid: int) -> list[str]:
    """Return what the descriptors of a process are."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    return found


EXITS = {
    "idle": """
http = TgoHttpClient(ca_file=ca_file)
assert http.get(good).content == b"good"
""",
    "idle in a worker": """
http = TgoHttpClient(blocking=False, ca_file=ca_file)
assert http.get(good).result(30).content == b"good"
""",
    "non-blocking": """
http = TgoHttpClient(blocking=False, ca_file=ca_file, recv_timeout=600.0)
futures = [http.get(url) for _ in range(10)]
reached()
""",
    "non-blocking, connecting": """
http = TgoHttpClient(blocking=False, connect_timeout=600.0)
futures = [http.get(silent) for _ in range(10)]
""",
    "stream": """
http = TgoHttpClient(ca_file=ca_file, recv_timeout=600.0)
response = http.stream("GET", url)
""",
    "daemon thread": """
import threading
http = TgoHttpClient(ca_file=ca_file, recv_timeout=600.0)
def work():
    try:
        http.get(url)
    except Exception:
        pass
threading.Thread(target=work, daemon=True).start()
reached()
""",
    "in a function": """
def main():
    http = TgoHttpClient(blocking=False, ca_file=ca_file, recv_timeout=600.0)
    http.on_recv = lambda client, data: None
    http.get(url)
    reached()
main()
""",
    "manager": """
from httpclient import HttpClientManager, TgoHttpClientManager
manager = TgoHttpClientManager(workers=2)
http = TgoHttpClient(blocking=False, manager=manager, ca_file=ca_file, recv_timeout=600.0)
http.get(url)
other = TgoHttpClient(blocking=False, ca_file=ca_file, recv_timeout=600.0)
other.get(url)
HttpClientManager.release(other)
del other
reached()
""",
    "closed by atexit": """
import atexit
http = TgoHttpClient(blocking=False, ca_file=ca_file, recv_timeout=600.0)
atexit.register(http.close)
http.get(url)
reached()
""",
    "sys.exit": """
http = TgoHttpClient(blocking=False, ca_file=ca_file, recv_timeout=600.0)
http.get(url)
reached()
sys.exit(0)
""",
}


@pytest.mark.parametrize("name", EXITS)
@pytest.mark.parametrize("protocol", ["http", "https", "h2"])
def test_a_process_ends_with_requests_under_way(
    name: str, protocol: str, scripted: ScriptedServers, http2_scripted: Http2Servers, certificates: Certificates,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    arrived = threading.Event()
    if protocol == "h2":

        def silent(session: Any) -> None:
            head = session.receive_head()
            arrived.set()
            session.send_headers(head.stream_id, [(":status", "200"), ("content-length", "10")])
            session.send_data(head.stream_id, b"half")
            while session.pump():
                pass

        def good(session: Any) -> None:
            while head := session.receive_request():
                session.respond(head.stream_id, b"good")

        def context() -> Any:
            return tls_context(certificates.server, alpn=["h2"])

        server = http2_scripted(silent, tls=context(), aborts=True)
        friendly = http2_scripted(good, tls=context(), aborts=True)
    else:

        def handler(connection: Connection) -> None:
            assert connection.receive_request()
            arrived.set()
            connection.send(HALF)
            connection.hold()

        tls = tls_context(certificates.server) if protocol == "https" else None
        server = scripted(handler, tls=tls, aborts=True)  # type: ignore[assignment]
        tls = tls_context(certificates.server) if protocol == "https" else None
        friendly = scripted(answer(b"good"), tls=tls)  # type: ignore[assignment]
    code = f"""
import sys
from httpclient import TgoHttpClient
url, good, silent, ca_file = sys.argv[1:]
def reached():
    print("reached", flush=True)
    sys.stdin.readline()
{EXITS[name]}
"""
    silent_port = request.getfixturevalue("silent_port") if "connecting" in name else 0
    process = run(
        code, server.url, friendly.url, f"http://127.0.0.1:{silent_port}/", str(certificates.ca_file),
        stdin=subprocess.PIPE,
    )  # fmt: skip
    if "reached()" in EXITS[name]:
        assert process.stdout is not None
        assert process.stdout.readline() == "reached\n"
        assert arrived.wait(LIMIT)
    outcome(process)


FORK = """
import os, sys, threading, warnings
from httpclient import TgoHttpClient
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads is what this is about
url, ca_file, way, http2 = sys.argv[1:]
blocking = way == "blocking"
protocol = {"None": None, "False": False}[http2]
def get(http, path):
    made = http.get(url + path)
    response = made if blocking else made.result(30)
    assert response.text.startswith("connection=") or response.text == path, response.text
    return response.text
with TgoHttpClient(protocol, blocking, ca_file=ca_file) as http:
    first = get(http, "/connection").splitlines()[0]
    for number in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                # The same object, with connections of its own; and a new one.
                assert get(http, "/connection").splitlines()[0] != first
                get(http, "/path?child")
                with TgoHttpClient(protocol, blocking, ca_file=ca_file) as other:
                    get(other, "/path?other")
                    get(http, "/path?again")
                http.close()
                code = 0
            finally:
                sys.stdout.flush()
                os._exit(code)
        if number:
            get(http, "/path?beside")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        # Nothing of the child has touched the parent's connection.
        assert get(http, "/connection").splitlines()[0] == first
print("ok")
"""


@both_ways
@pytest.mark.parametrize(("site", "http2"), [("http", False), ("https1", False), ("https", None)])
def test_a_fork(way: Way, site: str, http2: bool | None, nginx: Nginx, certificates: Certificates) -> None:
    name = "blocking" if way.blocking else "non-blocking"
    process = run(FORK, nginx.url(site), str(certificates.ca_file), name, str(http2))
    assert outcome(process) == "ok\n"


FORK_BUSY = """
import os, sys, threading, warnings
from httpclient import TgoHttpClient
warnings.simplefilter("ignore", DeprecationWarning)
url = sys.argv[1]
stop = threading.Event()
with TgoHttpClient(False, max_connections_per_origin=2) as http, TgoHttpClient(False, False) as other:
    def work():
        while not stop.is_set():
            assert http.get(url + "/path?a").text == "/path?a"
            assert other.get(url + "/path?b").result(30).text == "/path?b"
    # Once beforehand: a fork while another thread imports leaves that module locked in the child, in any program.
    http.get(url + "/path?a").text, other.get(url + "/path?b").result(30).text
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        child = os.fork()
        if child == 0:
            # In the middle of what other threads were doing, whatever they had locked.
            code = 1
            try:
                for _ in range(3):
                    assert http.get(url + "/path?c").text == "/path?c"
                    assert other.get(url + "/path?d").result(30).text == "/path?d"
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    for thread in threads:
        thread.join()
print("ok")
"""


def test_forks_in_the_middle_of_everything(nginx: Nginx) -> None:
    assert outcome(run(FORK_BUSY, nginx.url("http"))) == "ok\n"
