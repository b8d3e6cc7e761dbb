"""Fixtures for the tests of the socket pool. Every test here is watched for threads and descriptors left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from openssl_api import TlsContext
from socketpool import TgoClientSocketManager, TgoSocketConnection
from tests.certificates import Certificates
from tests.servers.leaks import watch
from tests.servers.scripted import Connection, ScriptedServer, tls_context

from .events import Events

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers

Managers = Callable[..., TgoClientSocketManager]
Contexts = Callable[..., TlsContext]


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Compares threads and descriptors before and after each test."""
    with watch():
        yield


@pytest.fixture
def make_manager() -> Iterator[Managers]:
    """Makes managers that last as long as the test; arguments are those of the class."""
    with contextlib.ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> TgoClientSocketManager:
            return stack.enter_context(TgoClientSocketManager(*arguments, **options))

        yield make


@pytest.fixture
def manager(make_manager: Managers) -> TgoClientSocketManager:
    """A manager with the default settings."""
    return make_manager()


@pytest.fixture
def make_context(certificates: Certificates) -> Iterator[Contexts]:
    """Makes TLS contexts that trust the tests' authority; other arguments are those of the class."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> TlsContext:
            return stack.enter_context(TlsContext(ca_file=certificates.ca_file, **options))

        yield make


@pytest.fixture
def context(make_context: Contexts) -> TlsContext:
    """A TLS context that trusts the tests' authority."""
    return make_context()


@pytest.fixture(params=["tcp", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    """Whether the test's connections speak TLS; the test runs with and without."""
    return bool(request.param == "tls")


class Peers:
    """Servers, and connections to them, with TLS or without, as the test wants it."""

    def __init__(
        self,
        manager: TgoClientSocketManager,
        scripted: ScriptedServers,
        certificates: Certificates,
        context: TlsContext | None,
    ) -> None:
        self.manager = manager
        self._scripted = scripted
        self._certificates = certificates
        self._context = context

    def serve(self, handler: Callable[[Connection], object] | list[Any], **options: Any) -> ScriptedServer:
        """Start a server that lasts as long as the test."""
        tls = tls_context(self._certificates.server) if self._context else None
        return self._scripted(handler, tls=tls, **options)

    def request(self, server: ScriptedServer, manager: TgoClientSocketManager | None = None) -> TgoSocketConnection:
        """Return a connection to a server, not connected yet."""
        return (manager or self.manager).request(
            "localhost", server.port, ssl=self._context is not None, tls_context=self._context
        )

    def connect(
        self, server: ScriptedServer, manager: TgoClientSocketManager | None = None, **actions: Any
    ) -> tuple[TgoSocketConnection, Events]:
        """Connect to a server by a worker; *actions* are those of :class:`Events`."""
        connection = self.request(server, manager)
        events = Events(connection, **actions)
        connection.connect()
        events.wait_for("connected")
        return connection, events


@pytest.fixture
def peers(
    tls: bool,
    manager: TgoClientSocketManager,
    scripted: ScriptedServers,
    certificates: Certificates,
    request: pytest.FixtureRequest,
) -> Peers:
    """Servers and connections, with TLS and without."""
    context: TlsContext | None = request.getfixturevalue("context") if tls else None
    return Peers(manager, scripted, certificates, context)
