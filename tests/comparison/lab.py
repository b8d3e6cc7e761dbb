"""Where a probe finds servers and the client that it is about."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tests.certificates import Certificates
from tests.comparison import curl
from tests.comparison.jobs import CURL, Ask, Got, NotOffered, Options, Session
from tests.servers.nginx import Nginx
from tests.servers.proxies import Microsocks, Stunnel, Tinyproxy
from tests.servers.scripted import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.servers.connection import Connection, Request

ROOT = Path(__file__).parent.parent.parent

#: Seconds that a client may take where nothing is to be waited for, and where waiting is the question.
PATIENCE = 20.0
CAP = 3.0

WAITS = "waits on"

#: What a server answers to a request: a status ("200 OK"), fields and a body.
Answer = tuple[str, "Iterable[tuple[str, str]]", bytes]

#: What this machine's environment may say, which isn't what the probes are about.
VARIABLES = (
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "curl_ca_bundle",
    "requests_ca_bundle", "sslkeylogfile", "netrc",
)  # fmt: skip


class Probe(NamedTuple):
    """A row of the table."""

    group: str
    point: str
    run: Callable[[Lab], str]


#: Every row, in the order of the table.
PROBES: list[Probe] = []


def probe(group: str, point: str) -> Callable[[Callable[[Lab], str]], Callable[[Lab], str]]:
    """Make a function a row: it gets a :class:`Lab` and returns what the client's cell says."""

    def register(run: Callable[[Lab], str]) -> Callable[[Lab], str]:
        assert all(point != known.point for known in PROBES), point
        PROBES.append(Probe(group, point, run))
        return run

    return register


class Stage:
    """What all clients' probes share: certificates and real servers, started for the run; a context manager."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        for name in (*VARIABLES, *map(str.upper, VARIABLES)):
            if (value := os.environ.pop(name, None)) is not None:
                self._stack.callback(os.environ.__setitem__, name, value)
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        make = self._make
        self.certificates = Certificates(make("certificates"))
        self.nginx = self._stack.enter_context(Nginx(make("nginx"), self.certificates))
        self.tinyproxy = self._stack.enter_context(Tinyproxy(make("tinyproxy")))
        self.tinyproxy_password = self._stack.enter_context(Tinyproxy(make("password"), password=True))
        self.stunnel = self._stack.enter_context(
            Stunnel(make("stunnel"), self.certificates.server, self.tinyproxy.port)
        )
        self.microsocks = self._stack.enter_context(Microsocks(make("microsocks")))
        # Each is made when it is first asked for, which only one thread may do.
        assert self.certificates.client
        return self

    def _make(self, name: str) -> Path:
        (self.directory / name).mkdir()
        return self.directory / name

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


class Lab:
    """One client, and servers that last as long as one probe."""

    def __init__(self, stage: Stage, client: str) -> None:
        self.stage = stage
        self.client = client
        self.directory = stage.directory / client
        self.directory.mkdir()
        self._stack = contextlib.ExitStack()
        self._worker: subprocess.Popen[bytes] | None = None

    @property
    def ca(self) -> str:
        """What to trust."""
        return str(self.stage.certificates.ca_file)

    def measure(self, one: Probe) -> str:
        """Return what the client's cell says."""
        with contextlib.ExitStack() as self._stack:
            try:
                return one.run(self)
            except NotOffered as reason:
                return str(reason)

    # Servers

    def serve(self, handler: Callable[[Connection], object], **options: Any) -> ScriptedServer:
        """A server for this probe; what clients do to it is not an error."""
        server = ScriptedServer(handler, aborts=True, handshakes_fail=True, **options)
        self.closing(server)
        return server

    def site(self, respond: Callable[[Request], Answer], **options: Any) -> tuple[ScriptedServer, list[Request]]:
        """A server that answers requests, and what they were."""
        asked: list[Request] = []

        def handler(connection: Connection) -> None:
            while request := connection.receive_request():
                asked.append(request)
                status, fields, body = respond(request)
                connection.respond(body if request.method != "HEAD" else b"", status, fields)

        return self.serve(handler, **options), asked

    def bytes_for(self, *answers: bytes, closes: bool = False) -> ScriptedServer:
        """A server that answers the first request it gets with these bytes, piece by piece, and others with "plain"."""
        first = threading.Event()

        def handler(connection: Connection) -> None:
            while connection.receive_request():
                if first.is_set():
                    connection.respond(b"plain")
                    continue
                first.set()
                for data in answers:
                    connection.send(data)
                if closes:
                    return

        return self.serve(handler)

    def closing(self, server: ScriptedServer) -> None:
        """Close a server with the probe, whatever its handlers say of what clients sent."""
        self._stack.callback(server.close)

    # The client

    def ask(self, asked: Ask | str, *, patience: float = PATIENCE, **options: Any) -> Got:
        """Make one request; an error that is a wait without end is called :data:`WAITS`."""
        session = self.session([Ask(asked) if isinstance(asked, str) else asked], patience=patience, **options)
        return Got(WAITS) if session.hung else session.got[0]

    def session(self, asks: list[Ask], *, patience: float = PATIENCE, **options: Any) -> Session:
        """Make requests with one client."""
        if self.client == CURL:
            session = curl.run(asks, Options(**options), patience)
        else:
            session = self._ask_worker(asks, Options(**options), patience)
        if session.not_offered:
            raise NotOffered(session.not_offered)
        return session

    def _ask_worker(self, asks: list[Ask], options: Options, patience: float) -> Session:
        worker = self._worker
        if worker is None:
            worker = self._worker = subprocess.Popen(
                [sys.executable, "-m", "tests.comparison.worker", self.client],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert worker.stdin
        assert worker.stdout
        job = pickle.dumps((asks, options))
        worker.stdin.write(struct.pack("!I", len(job)) + job)
        worker.stdin.flush()
        if not select.select([worker.stdout], [], [], patience)[0]:
            self._end_worker()
            return Session(hung=True)
        head = worker.stdout.read(4)
        if not head:
            self._end_worker()
            return Session([Got("the process ended")])
        answer = pickle.loads(worker.stdout.read(*struct.unpack("!I", head)))
        assert isinstance(answer, Session)
        return answer

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            worker.communicate()

    def close(self) -> None:
        """End the client's process."""
        self._end_worker()


def told(got: Got) -> str:
    """Return what a cell says of a request that failed, or of its status."""
    if got.error == WAITS:
        return f"{WAITS} (> {CAP:g} s)"
    return f"error ({got.error})" if got.error else f"{got.status}"

