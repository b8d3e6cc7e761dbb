"""What a client is asked to do, and what came of it; sent between processes, so plain values only."""

from __future__ import annotations

from dataclasses import dataclass, field

OURS, REQUESTS, HTTPX, CURL = CLIENTS = ("ours", "requests", "httpx", "curl")


class NotOffered(Exception):
    """The client has no such thing; the message says what its documentation has instead, where there is anything."""


@dataclass
class Ask:
    """One request.

    :ivar body: the body, or what ``kind`` makes of it.
    :ivar kind: ``bytes``; ``json`` (the text of a JSON value), ``file`` or ``multipart`` (the path of a file),
        ``generator`` (given in two pieces, without a length).
    :ivar pause: seconds to do nothing before it.
    """

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    kind: str = ""
    pause: float = 0.0


@dataclass
class Options:
    """How a session of requests is set up; what is left as it is here is left to the client's defaults.

    :ivar auth: ``basic`` or ``digest`` with user and password, ``bearer`` with a token.
    :ivar env: environment variables to set.
    :ivar together: all requests at the same time, by one client: ``threads``, or ``futures`` for whatever the client
        offers that needs no thread per request.
    :ivar decoded: how many bytes a response may become by decoding it.
    :ivar http2: ``True`` for nothing else, ``None`` for what the client does by itself.
    :ivar memory: how many bytes of address space the client may take besides what it has; 0 for no limit.
    :ivar verbose: let curl say what it does, where it has no other way to tell.
    :ivar retries: how often to repeat after a response that says so.
    """

    auth: tuple[str, ...] = ()
    ca: str = ""
    certificate: tuple[str, str] | None = None
    ciphers: str = ""
    decoded: int = 0
    env: dict[str, str] = field(default_factory=dict)
    follow: bool = True
    http2: bool | None = False
    max_redirects: int = 0
    memory: int = 0
    minimum_tls: str = ""
    netrc: str = ""
    pin: str = ""
    proxy: str = ""
    retries: int = 0
    together: str = ""
    total: float = 0.0
    unix: str = ""
    verbose: bool = False
    verify: bool = True


@dataclass
class Got:
    """What came of one request.

    :ivar error: the name of the error; empty for a response.
    :ivar body: its beginning.
    :ivar size: how long it was altogether.
    :ivar extra: what else the client tells: ``peer``, ``tls``, ``timings``, ``phases``, ``trailers``,
        ``informational``, ``version``.
    """

    error: str = ""
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    text: str = ""
    size: int = 0
    url: str = ""
    extra: dict[str, str] = field(default_factory=dict)


@dataclass
class Session:
    """What came of a session.

    :ivar growth: by how many bytes the memory in use grew at its highest (curl: all of it).
    :ivar warned: the names of the warnings given, or what was written to standard error.
    :ivar hung: it had to be ended.
    """

    got: list[Got] = field(default_factory=list)
    growth: int = 0
    warned: str = ""
    hung: bool = False
    not_offered: str = ""
