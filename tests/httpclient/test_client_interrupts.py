"""KeyboardInterrupt, or whatever else a signal handler raises, at any point of a blocking call: nothing is lost by it.

Python runs signal handlers between two instructions: where a function begins, after a call, and where a loop goes
round. The tests here raise at each of these points in turn, by means of a trace function, and with real signals at
random moments.
"""

from __future__ import annotations

import dis
import gc
import random
import signal
import sys
import threading
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import TgoHttpClient
from tests.httpclient.ways import BLOCKING, LIMIT
from tests.servers.leaks import descriptors
from tests.servers.scripted import answer, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.connection import Connection

ROOT = Path(__file__).parents[2]

PACKAGES = tuple(str(ROOT / name) for name in ("httpclient", "socketpool"))


#: Of ``sys.monitoring``: one that neither a debugger nor coverage takes.
TOOL = 3


class Interrupt(BaseException):
    """What the signal handlers here raise."""


@cache
def interruptible(code: CodeType) -> frozenset[int]:
    """Return the offsets of the instructions before which Python may run a signal handler."""
    found = set()
    after = False
    for instruction in dis.get_instructions(code):
        if after or instruction.opname == "RESUME":
            found.add(instruction.offset)
        after = instruction.opname in {"CALL", "CALL_FUNCTION_EX", "CALL_KW"}
        if instruction.opname.startswith("JUMP_BACKWARD") and "NO_INTERRUPT" not in instruction.opname:
            found.add(instruction.argval)
    return frozenset(found)


def is_struck(code: CodeType) -> bool:
    """Say whether a function is one of ours that may be interrupted."""
    return code.co_filename.startswith(PACKAGES) and code.co_name != "__del__"


@cache
def struck_functions(_: int) -> frozenset[CodeType]:
    """Return all of them; anew, when there are more modules."""
    return frozenset(
        each.__code__ for each in gc.get_objects() if type(each) is FunctionType and is_struck(each.__code__)
    )


class Striker:
    """Raises :class:`Interrupt` at the n-th point at which a signal handler might.

    :ivar where: the point.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.where = ""
        self._thread = 0

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not is_struck(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            self.instruction(frame.f_code, frame.f_lasti)
        return self.trace

    def instruction(self, code: CodeType, offset: int) -> None:
        """Raise if this is the point."""
        if self._thread == threading.get_ident() and offset in interruptible(code):
            self.left -= 1
            if self.left < 0:
                self._thread = 0
                self.where = f"{code.co_qualname}, offset {offset}"
                raise Interrupt

    def strike(self, call: Callable[[], object]) -> bool:
        """Make a call. ``False`` if it was over before it could be interrupted."""
        with self._watch():
            self._thread = threading.get_ident()
            try:
                call()
            except Interrupt:
                return True
            finally:
                self._thread = 0
        return bool(self.where)

    @contextmanager
    def _watch(self) -> Iterator[None]:
        """Have each instruction told of."""
        if sys.version_info < (3, 12):
            before = sys.gettrace()
            sys.settrace(self.trace)
            try:
                yield
            finally:
                sys.settrace(before)
            return
        # A trace function would be told of an instruction only where an earlier call has asked for it.
        monitoring = sys.monitoring
        codes = struck_functions(len(sys.modules))
        monitoring.use_tool_id(TOOL, "strikes")
        monitoring.register_callback(TOOL, monitoring.events.INSTRUCTION, self.instruction)
        try:
            for code in codes:
                monitoring.set_local_events(TOOL, code, monitoring.events.INSTRUCTION)
            yield
        finally:
            for code in codes:
                monitoring.set_local_events(TOOL, code, monitoring.events.NO_EVENTS)
            monitoring.register_callback(TOOL, monitoring.events.INSTRUCTION, None)
            monitoring.free_tool_id(TOOL)


def check(http: TgoHttpClient, where: str) -> None:
    """Check that everything has been given back: at once, but for what is closed because it is forgotten."""
    deadline = time.monotonic() + LIMIT / 2
    while True:
        try:
            look(http, where)
        except AssertionError:
            if time.monotonic() > deadline or threading.active_count() == 1:
                raise
            time.sleep(0.001)
        else:
            return


def look(http: TgoHttpClient, where: str) -> None:
    """Check that everything has been given back, and that nothing idle is broken."""
    pool = http._pool
    if pool is None:
        return
    found = 0
    for origin in pool._origins.values():
        assert not origin._lock.locked(), where
        assert not origin._opening, where
        assert not origin._waiting, where
        assert not origin._unsettled, where
        assert origin._connections == set(origin.idle()), where
        found += len(origin._connections)
    assert pool.places.used == found, where
    assert pool.places.first_starved() is None, where


def everywhere(http: TgoHttpClient, prepare: Callable[[], object], call: Callable[[], object], step: int = 1) -> int:
    """Interrupt a call at each point in turn; return at how many."""
    prepare()
    call()
    http.close_idle_connections()
    before = len(descriptors())
    struck = 0
    for number in range(0, 1_000_000, step):
        prepare()
        striker = Striker(number)
        if not striker.strike(call):
            break
        struck += 1
        check(http, striker.where)
        http.close_idle_connections()
        deadline = time.monotonic() + LIMIT
        while len(descriptors()) > before:  # a worker may be about to close one
            assert time.monotonic() < deadline, f"{striker.where}: {descriptors()}"
            time.sleep(0.001)
    call()
    return struck


@pytest.mark.parametrize("tls", [False, True])
def test_a_request_on_an_idle_connection(tls: bool, scripted: ScriptedServers, certificates: Certificates) -> None:
    server = scripted(answer(b"x" * 100), tls=tls_context(certificates.server) if tls else None, aborts=True)
    with BLOCKING.client(certificates) as http:
        # One of them after the other, until it is over; each takes a new connection first.
        assert everywhere(http, lambda: http.get(server.url), lambda: http.get(server.url), 3 if tls else 1) > 15


def test_a_request_that_connects(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"), aborts=True)
    with BLOCKING.client() as http:
        assert everywhere(http, lambda: None, lambda: http.get(server.url)) > 100


def test_a_request_that_connects_with_tls(scripted: ScriptedServers, certificates: Certificates) -> None:
    server = scripted(answer(b"x"), tls=tls_context(certificates.server), aborts=True, handshakes_fail=True)
    with BLOCKING.client(certificates) as http:
        assert everywhere(http, lambda: None, lambda: http.get(server.url), 7) > 20


def test_an_upload(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"), aborts=True)
    with BLOCKING.client() as http:

        def upload() -> None:
            http.put(server.url, data=[b"x" * 1000] * 3)

        assert everywhere(http, upload, upload, 2) > 50


def test_a_stream(scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            connection.send(b"abc")
            connection.send(b"def")

    server = scripted(handler, aborts=True)
    with BLOCKING.client() as http:

        def stream() -> None:
            with http.stream("GET", server.url) as response:
                for _ in response.iter_bytes():
                    pass

        assert everywhere(http, stream, stream) > 50


def test_a_request_that_takes_the_place_of_an_idle_connection(scripted: ScriptedServers) -> None:
    servers = [scripted(answer(b"x"), aborts=True) for _ in range(2)]
    with BLOCKING.client(max_connections=1) as http:
        assert everywhere(http, lambda: http.get(servers[0].url), lambda: http.get(servers[1].url)) > 100


def test_closing_idle_connections(scripted: ScriptedServers) -> None:
    servers = [scripted(answer(b"x"), aborts=True) for _ in range(2)]

    def prepare() -> None:
        for server in servers:
            assert http.get(server.url).content == b"x"

    def close() -> None:
        try:
            http.close_idle_connections()
        except Interrupt:
            http._pool.tell_again()  # type: ignore[union-attr]  # as whoever is interrupted next does
            http.close_idle_connections()
            raise

    with BLOCKING.client() as http:
        assert everywhere(http, prepare, close) > 10


def test_giving_back_what_another_thread_waits_for(scripted: ScriptedServers) -> None:
    server = scripted(answer(b"x"), aborts=True)
    with BLOCKING.client(max_connections_per_origin=1, connect_timeout=LIMIT) as http, TgoHttpClient(False) as other:
        struck = number = 0
        while True:
            got: list[bytes] = []
            response = http.stream("GET", server.url + "/")
            origin: Any = next(iter(http._pool._origins.values()))  # type: ignore[union-attr]
            with origin._lock:
                held = next(iter(origin._connections))
            # A response that is over gives its connection back at once; take it again, to give it back on the spot.
            response.close()
            taken = origin._take(response._exchange)
            assert taken is held
            thread = threading.Thread(target=lambda: got.append(http.get(server.url).content))  # noqa: B023
            thread.start()
            while not origin._waiting:
                time.sleep(0.0005)
            striker = Striker(number)

            def give_back() -> None:
                try:
                    origin.give_back(taken)  # noqa: B023
                except BaseException:
                    origin.interrupted(response._exchange)  # noqa: B023
                    raise

            interrupted = striker.strike(give_back)
            thread.join(LIMIT / 2)
            assert got == [b"x"], striker.where
            check(http, striker.where)
            if not interrupted:
                break
            struck += 1
            number += 1
        assert struck > 5
        assert other.get(server.url).content == b"x"


# What is raised within a __del__ goes no further.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("tls", [False, True])
def test_signals_at_random_moments(tls: bool, scripted: ScriptedServers, certificates: Certificates) -> None:
    def handler(connection: Connection) -> None:
        while connection.receive_request():
            time.sleep(0.001)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            time.sleep(0.001)
            connection.send(b"def")

    def interrupt(*_: object) -> None:
        raise Interrupt

    context = tls_context(certificates.server) if tls else None
    server = scripted(handler, tls=context, aborts=True, handshakes_fail=True)
    generator = random.Random(5)
    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        with BLOCKING.client(certificates, max_connections=2, max_connections_per_origin=2) as http:
            for number in range(250):
                try:
                    try:
                        signal.setitimer(signal.ITIMER_REAL, generator.uniform(0.00005, 0.006))
                        if number % 3:
                            http.get(server.url)
                        else:
                            with http.stream("GET", server.url) as response:
                                assert response.content == b"abcdef"
                    finally:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                except Interrupt:
                    interrupted += 1
                check(http, f"round {number}")
            assert http.get(server.url).content == b"abcdef"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 50
