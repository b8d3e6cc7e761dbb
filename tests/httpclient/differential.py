"""Serves the responses of ``differential_cases`` to this client, http.client, urllib3 and httpx, and compares.

``python -m tests.httpclient.differential`` writes docs/differential.md anew.
"""

from __future__ import annotations

import contextlib
import http.client
import pathlib
import platform
import threading
from typing import TYPE_CHECKING, NamedTuple

import httpx
import urllib3

import httpclient
from tests.httpclient.differential_cases import CASES, Case
from tests.httpclient.differential_reasons import EXPLANATIONS
from tests.servers.scripted import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.connection import Connection

    #: Makes the request of a case and the one that follows it.
    Runner = Callable[[Case], "Outcome"]

DOCUMENT = pathlib.Path(__file__).parent.parent.parent / "docs" / "differential.md"

#: Seconds; only what nobody expects takes so long.
PATIENCE = 20.0

# Kinds of failure.
REFUSED = "refused"
CUT_OFF = "cut off"
UNDECODABLE = "undecodable"
WAITING = "waits for more"

# What became of the connection.
USED_AGAIN = "used again"
NOT_USED_AGAIN = "not used again"
POISONED = "surplus taken for the next answer"
SPOILT = "the next request fails"


class Outcome(NamedTuple):
    """What a client makes of a response."""

    #: "" for a response, or the kind of failure.
    failure: str
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | str = b""
    #: "" where the server has closed the connection, or the client has failed.
    connection: str = ""


class Server:
    """Answers ``/N`` with the case of that number, and ``/after/N`` with a plain response."""

    def __init__(self) -> None:
        self._scripted = ScriptedServer(self._handle, aborts=True)
        self._lock = threading.Lock()
        #: Cases whose connection has brought another request.
        self.again: set[int] = set()

    def __enter__(self) -> Server:
        self._scripted.__enter__()
        self.url = self._scripted.url
        self.port = self._scripted.port
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._scripted.__exit__(None, None, None)

    def _handle(self, connection: Connection) -> None:
        served = -1
        while (request := connection.receive_request()) is not None:
            number = int(request.target.rpartition("/")[2])
            if request.target.startswith("/after/"):
                if served == number:
                    with self._lock:
                        self.again.add(number)
                connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecond")
                return
            served = number
            connection.send(CASES[number].data)
            if CASES[number].closes:
                return


def _connection(server: Server, number: int, second: bytes) -> str:
    if second != b"second":
        return POISONED
    with server._lock:
        again = number in server.again
        server.again.discard(number)
    return USED_AGAIN if again else NOT_USED_AGAIN


def _fields(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in pairs)


@contextlib.contextmanager
def ours(server: Server, blocking: bool) -> Iterator[Runner]:
    """This client."""
    # Only what has been decided for httpx and urllib3, too: no redirects, no environment.
    with httpclient.TgoHttpClient(
        False, blocking, follow_redirects=False, recv_timeout=PATIENCE, trust_environment=False
    ) as client:

        def get(method: str, path: str) -> httpclient.HttpResponse:
            made = client.request(method, server.url + path)
            response = made if blocking else made.result(PATIENCE * 2)
            assert isinstance(response, httpclient.HttpResponse)
            return response

        def run(case: Case) -> Outcome:
            number = CASES.index(case)
            try:
                response = get(case.method, f"/{number}")
                body = response.text if case.text else response.content
            except httpclient.HttpProtocolError:
                return Outcome(REFUSED)
            except httpclient.RemoteClosedError:
                return Outcome(CUT_OFF)
            except httpclient.DecodingError:
                return Outcome(UNDECODABLE)
            connection = ""
            if not case.closes:
                try:
                    connection = _connection(server, number, get("GET", f"/after/{number}").content)
                except httpclient.HttpClientError:
                    connection = SPOILT
            return Outcome("", response.status_code, _fields(response.headers.items()), body, connection)

        yield run


@contextlib.contextmanager
def standard(server: Server) -> Iterator[Runner]:
    """Python's own http.client."""

    def run(case: Case) -> Outcome:
        number = CASES.index(case)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                connection.request(case.method, f"/{number}")
                response = connection.getresponse()
                headers = response.getheaders()
                body = response.read()
            except TimeoutError:
                return Outcome(WAITING)
            except (http.client.IncompleteRead, ConnectionError):
                return Outcome(CUT_OFF)
            except http.client.HTTPException:
                return Outcome(REFUSED)
            except Exception as error:
                return Outcome(type(error).__name__)
            state = ""
            if not case.closes:
                try:
                    connection.request("GET", f"/after/{number}")
                    state = _connection(server, number, connection.getresponse().read())
                except (http.client.HTTPException, OSError, ValueError):
                    state = SPOILT
            return Outcome("", response.status, _fields(headers), body, state)

    yield run


@contextlib.contextmanager
def by_urllib3(server: Server) -> Iterator[Runner]:
    """The library urllib3, which stands on http.client."""

    def run(case: Case) -> Outcome:
        number = CASES.index(case)
        # A new one for each, because it may not notice at once that a server has closed a connection.
        with urllib3.HTTPConnectionPool("127.0.0.1", server.port, timeout=PATIENCE, retries=False) as pool:
            try:
                response = pool.request(case.method, f"/{number}", redirect=False)
                body = response.data
            except urllib3.exceptions.TimeoutError:
                return Outcome(WAITING)
            except urllib3.exceptions.DecodeError:
                return Outcome(UNDECODABLE)
            except (urllib3.exceptions.InvalidChunkLength, urllib3.exceptions.InvalidHeader):
                return Outcome(REFUSED)
            except urllib3.exceptions.HTTPError as error:
                cause = error.args[-1] if error.args else None
                invalid = isinstance(cause, urllib3.exceptions.InvalidChunkLength)
                incomplete = isinstance(cause, (http.client.IncompleteRead, ConnectionError)) and not invalid
                return Outcome(CUT_OFF if incomplete else REFUSED)
            except Exception as error:
                return Outcome(type(error).__name__)
            state = ""
            if not case.closes:
                try:
                    state = _connection(server, number, pool.request("GET", f"/after/{number}").data)
                except urllib3.exceptions.HTTPError:
                    state = SPOILT
            return Outcome("", response.status, _fields(list(response.headers.iteritems())), body, state)

    yield run


@contextlib.contextmanager
def by_httpx(server: Server) -> Iterator[Runner]:
    """The library httpx, which stands on h11."""

    def run(case: Case) -> Outcome:
        number = CASES.index(case)
        with httpx.Client(verify=False, trust_env=False, timeout=PATIENCE) as client:
            try:
                response = client.request(case.method, f"{server.url}/{number}")
                body = response.text if case.text else response.content
            except httpx.TimeoutException:
                return Outcome(WAITING)
            except httpx.DecodingError:
                return Outcome(UNDECODABLE)
            except httpx.RemoteProtocolError as error:
                cut = "disconnected" in str(error) or "closed connection" in str(error)
                return Outcome(CUT_OFF if cut else REFUSED)
            except httpx.TransportError:
                return Outcome(REFUSED)
            except Exception as error:
                return Outcome(type(error).__name__)
            state = ""
            if not case.closes:
                try:
                    state = _connection(server, number, client.get(f"{server.url}/after/{number}").content)
                except httpx.TransportError:
                    state = SPOILT
            headers = _fields(response.headers.multi_items())
            return Outcome("", response.status_code, headers, body, state)

    yield run


#: Those that this client is compared with.
OTHERS: dict[str, Callable[[Server], contextlib.AbstractContextManager[Runner]]] = {
    "http.client": standard,
    "urllib3": by_urllib3,
    "httpx": by_httpx,
}


def versions() -> str:
    """Return what was compared."""
    from importlib.metadata import version

    return (
        f"http.client of Python {platform.python_version()}, urllib3 {version('urllib3')}, "
        f"httpx {version('httpx')} on h11 {version('h11')}"
    )


def run_all() -> tuple[list[Outcome], list[Outcome], dict[str, list[Outcome]]]:
    """Return the outcomes of this client, blocking and not, and of each other."""
    with Server() as server:
        with ours(server, True) as run:
            blocking = [run(case) for case in CASES]
        with ours(server, False) as run:
            non_blocking = [run(case) for case in CASES]
        others = {}
        for name, make in OTHERS.items():
            with make(server) as run:
                others[name] = [run(case) for case in CASES]
    return blocking, non_blocking, others


def difference(case: Case, mine: Outcome, other: Outcome, name: str) -> str:
    """Say what another client does instead; empty where it does the same."""
    if mine.failure or other.failure:
        return (
            ""
            if mine.failure == other.failure
            else other.failure or f"status {other.status}, {_shown(case, other.body)}"
        )
    parts = []
    if mine.status != other.status:
        parts.append(f"status {other.status}")
    if mine.headers != other.headers:
        missing = [item for item in mine.headers if item not in other.headers]
        more = [item for item in other.headers if item not in mine.headers]
        parts += [f"lacks {_field(item)}" for item in missing[:2]] + [f"has {_field(item)}" for item in more[:2]]
        if not missing and not more:
            parts.append("another order of fields")
    if mine.body != other.body and (not case.text or name == "httpx"):
        parts.append(_shown(case, other.body))
    if mine.connection != other.connection:
        parts.append(other.connection)
    return "; ".join(parts)


def _field(item: tuple[str, str]) -> str:
    text = f"{item[0]}: {item[1]}"
    return f"{text if len(text) <= 40 else text[:37] + '...'!a}"


def _shown(case: Case, body: bytes | str) -> str:
    if body and isinstance(body, bytes) and not body.isascii() and case.data.endswith(body):
        return "the body as it came"
    if len(body) <= 30:
        return f"body {body!a}"
    return f"a body of {len(body)} {'characters' if isinstance(body, str) else 'bytes'}"


def summary(case: Case, outcome: Outcome) -> str:
    """Say in few words what a client does."""
    if outcome.failure:
        return outcome.failure
    parts = [f"status {outcome.status}", _shown(case, outcome.body)]
    if outcome.connection:
        parts.append(outcome.connection)
    return ", ".join(parts)


def explained() -> dict[tuple[str, str], str]:
    """Return the reason for each difference that is known, by case and client."""
    reasons = {}
    for explanation in EXPLANATIONS:
        for clients, names in explanation.cases.items():
            for client in clients.split(", "):
                for name in names:
                    key = (f"{explanation.group}/{name}", client)
                    assert key not in reasons, key
                    reasons[key] = explanation.reason
    return reasons


def differences(mine: list[Outcome], others: dict[str, list[Outcome]]) -> dict[tuple[str, str], str]:
    """Return what each other client does differently, by case and client."""
    found = {}
    for number, case in enumerate(CASES):
        for name, outcomes in others.items():
            what = difference(case, mine[number], outcomes[number], name)
            if what:
                found[case.name, name] = what
    return found


def document(mine: list[Outcome], others: dict[str, list[Outcome]]) -> str:
    """Return the differences as a page."""
    found = differences(mine, others)
    reasons = explained()
    lines = [
        "# What other clients make of the same responses",
        "",
        f"{len(CASES)} responses, sent byte for byte by the same server to this client, blocking and non-blocking with",
        "the same outcome, and to others: compared by failure, status, header fields, body, and whether the connection",
        "is used for another request. An empty cell means: the same as here.",
        "",
        f"Compared: {versions()}.",
        "",
        "Written by `python -m tests.httpclient.differential`; `tests/httpclient/test_differential.py` fails on any",
        "difference that isn't explained here. *Cut off* is the error of a connection that ends too early, *refused*",
        "that of a response that breaks the rules, *undecodable* that of a content coding.",
    ]
    group = ""
    for number, case in enumerate(CASES):
        cells = {name: found.get((case.name, name), "") for name in others}
        if not any(cells.values()):
            continue
        if case.group != group:
            group = case.group
            notes: dict[str, int] = {}
            rows = [other for other in CASES if other.group == group]
            for other in rows:
                for name in others:
                    if (other.name, name) in found:
                        notes.setdefault(reasons.get((other.name, name), "not explained"), len(notes) + 1)
            lines += ["", f"## {group[0].upper()}{group[1:]}", ""]
            lines += [f"{index}. {reason}" for reason, index in notes.items()]
            lines += ["", f"| response | here | {' | '.join(others)} |", f"|---|---|{'---|' * len(others)}"]
        texts = [
            f"{_cell(what)} ({notes[reasons.get((case.name, name), 'not explained')]})" if what else ""
            for name, what in cells.items()
        ]
        short = case.name.partition("/")[2]
        lines.append(f"| {short} | {_cell(summary(case, mine[number]))} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def main() -> None:
    """Write the page anew."""
    blocking, _, others = run_all()
    DOCUMENT.write_text(document(blocking, others))


if __name__ == "__main__":
    main()
