"""The manager of clients: clients that are released, and connections that are shared."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from httpclient import (
    ClientClosedError,
    HttpClientManager,
    ReceiveTimeoutError,
    RequestAbortedError,
    TgoHttpClient,
    TgoHttpClientManager,
    TgoHttpClientState,
)
from tests.httpclient.ways import LIMIT
from tests.servers.scripted import Connection, hold

if TYPE_CHECKING:
    from tests.conftest import ScriptedServers
    from tests.servers.nginx import Nginx


def closed(http: TgoHttpClient) -> bool:
    """Wait until a client is closed, for as long as a test may take."""
    waiting = threading.Event()
    for _ in range(int(LIMIT / 0.01)):
        if http.closed:
            return True
        waiting.wait(0.01)
    return False


def test_there_is_one_for_everybody() -> None:
    assert isinstance(HttpClientManager, TgoHttpClientManager)


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_a_released_client_is_closed_at_once_when_it_is_idle(nginx: Nginx) -> None:
    with TgoHttpClientManager() as manager:
        http = TgoHttpClient()
        http.get(nginx.url("http", "/1k"))
        manager.release(http)
        assert http.closed


@pytest.mark.usefixtures("no_leaks")
def test_a_released_client_finishes_what_it_has_begun(scripted: ScriptedServers) -> None:
    go_on = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.wait(go_on)
        connection.respond(b"late")

    server = scripted(handler)
    with TgoHttpClientManager() as manager:
        http = TgoHttpClient(blocking=False)
        future = http.get(server.url)
        manager.release(http)
        assert not http.closed
        go_on.set()
        assert future.result(LIMIT).content == b"late"
        assert closed(http)
        assert http.state is TgoHttpClientState.FINISHED


@pytest.mark.usefixtures("no_leaks")
def test_a_released_client_whose_server_is_silent_times_out(scripted: ScriptedServers) -> None:
    server = scripted(hold(), aborts=True)
    with TgoHttpClientManager() as manager:
        http = TgoHttpClient(blocking=False, recv_timeout=0.1)
        future = http.get(server.url)
        manager.release(http)
        assert isinstance(future.exception(LIMIT), ReceiveTimeoutError)
        assert closed(http)
        assert http.state is TgoHttpClientState.ERROR


@pytest.mark.usefixtures("no_leaks")
def test_closing_the_manager_ends_released_clients(scripted: ScriptedServers) -> None:
    server = scripted(hold(), aborts=True)
    manager = TgoHttpClientManager()
    http = TgoHttpClient(blocking=False, recv_timeout=LIMIT)
    future = http.get(server.url)
    server.wait_for_connections(1)
    manager.release(http)
    manager.close()
    assert isinstance(future.exception(LIMIT), RequestAbortedError)
    assert http.closed
    late = TgoHttpClient()
    manager.release(late)
    assert late.closed


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_clients_of_one_manager_share_connections(nginx: Nginx) -> None:
    url = nginx.url("http", "/connection")

    def our_port(http: TgoHttpClient) -> str:
        text: str = http.get(url).text
        return next(line for line in text.splitlines() if line.startswith("client="))

    with TgoHttpClientManager() as manager:
        connections = set()
        for _ in range(5):
            with TgoHttpClient(manager=manager) as http:
                connections.add(our_port(http))
        assert len(connections) == 1
        with TgoHttpClient() as alone:
            assert our_port(alone) not in connections


@pytest.mark.usefixtures("nginx", "no_leaks")
def test_closing_one_client_leaves_the_others_of_its_manager(nginx: Nginx, scripted: ScriptedServers) -> None:
    server = scripted(hold(), aborts=True)
    with TgoHttpClientManager() as manager:
        first = TgoHttpClient(blocking=False, manager=manager, recv_timeout=LIMIT)
        second = TgoHttpClient(blocking=False, manager=manager)
        future = first.get(server.url)
        server.wait_for_connections(1)
        first.close()
        assert isinstance(future.exception(LIMIT), RequestAbortedError)
        assert second.get(nginx.url("http", "/1k")).result(LIMIT).ok
        second.close()


def test_a_closed_manager_says_so(nginx: Nginx) -> None:
    manager = TgoHttpClientManager()
    http = TgoHttpClient(manager=manager)
    manager.close()
    with pytest.raises(ClientClosedError):
        http.get(nginx.url("http", "/1k"))
