"""A site: a function that answers requests, over HTTP/1.1 or HTTP/2, for tests that expect the same of both."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .http2 import Http2Session
    from .scripted import Connection

    Responder = Callable[["Asked"], "Answer"]


class Asked(NamedTuple):
    """A request, whichever way it came.

    :ivar fields: the header fields in order, names in lower case; no pseudo fields, but ``host``.
    """

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes

    def value(self, name: str) -> str | None:
        """Return the value of the only field of that name, or ``None``; more than one is an error."""
        values = [value for field, value in self.fields if field == name]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class Answer(NamedTuple):
    """A response; without a body, the target that was asked for is it."""

    status: int = 200
    fields: Iterable[tuple[str, str]] = ()
    body: bytes | None = None


class Site:
    """Answers with what a function says, and keeps what was asked.

    :param respond: the function; it may be called in several threads at once.
    :ivar asked: the requests so far, in the order in which they arrived.
    """

    def __init__(self, respond: Responder) -> None:
        self.asked: list[Asked] = []
        self._respond = respond
        self._lock = threading.Lock()

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.asked[-1]

    @property
    def targets(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.target for asked in self.asked]

    def _answer(self, asked: Asked) -> tuple[int, list[tuple[str, str]], bytes]:
        with self._lock:
            self.asked.append(asked)
        answer = self._respond(asked)
        body = asked.target.encode() if answer.body is None else answer.body
        return answer.status, list(answer.fields), body

    def http1(self, connection: Connection) -> None:
        """Serve a connection of a :class:`ScriptedServer`."""
        while request := connection.receive_request():
            fields = [(name.lower(), value) for name, value in request.fields]
            status, answered, body = self._answer(Asked(request.method, request.target, fields, request.body))
            connection.respond(body if request.method != "HEAD" else b"", f"{status} X", answered)

    def http2(self, session: Http2Session) -> None:
        """Serve a connection of a :class:`Http2Server`."""
        while request := session.receive_request():
            pseudo = {name: value for name, value in request.fields if name[0] == ":"}
            fields = [(name, value) for name, value in request.fields if name[0] != ":"]
            fields.append(("host", pseudo[":authority"]))
            asked = Asked(pseudo[":method"], pseudo[":path"], fields, request.body)
            status, answered, body = self._answer(asked)
            session.respond(request.stream_id, body if asked.method != "HEAD" else b"", status, answered)
