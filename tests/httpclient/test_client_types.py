"""What type checkers know of a client. The assertions about types are mypy's to check; here they only have to run."""

from __future__ import annotations

import inspect
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, assert_type

from httpclient import ClientOptions, HttpResponse, TgoHttpClient

if TYPE_CHECKING:
    from tests.servers.nginx import Nginx


def test_a_blocking_client_returns_responses(nginx: Nginx) -> None:
    with TgoHttpClient(recv_timeout=10) as http:
        assert_type(http, TgoHttpClient[HttpResponse])
        response = assert_type(http.get(nginx.url("http", "/1k")), HttpResponse)
        assert response.status_code == 200
        assert_type(http.request("HEAD", nginx.url("http", "/1k")), HttpResponse)


def test_a_non_blocking_client_returns_futures(nginx: Nginx) -> None:
    with TgoHttpClient(blocking=False) as http:
        assert_type(http, TgoHttpClient[Future[HttpResponse]])
        future = assert_type(http.get(nginx.url("http", "/1k")), Future[HttpResponse])
        assert assert_type(future.result(30), HttpResponse).status_code == 200


def test_a_client_of_either_kind() -> None:
    def kind(http: TgoHttpClient) -> Any:
        return assert_type(http, TgoHttpClient[Any])

    for blocking in (True, False):
        with TgoHttpClient(None, blocking) as http:
            assert kind(http) is http


def test_options_out_of_a_dictionary() -> None:
    options: ClientOptions = {"recv_timeout": 5, "verify": True}
    with TgoHttpClient(**options) as http:
        assert http.recv_timeout == 5


def test_the_listed_options_are_those_of_the_client() -> None:
    parameters = inspect.signature(TgoHttpClient).parameters.values()
    assert list(ClientOptions.__annotations__) == [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def test_a_subscript_costs_nothing_when_a_program_runs() -> None:
    assert TgoHttpClient[HttpResponse] is TgoHttpClient
