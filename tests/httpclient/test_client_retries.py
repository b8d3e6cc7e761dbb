"""Retry policies: what is repeated, when, and what is not, in every way of calling and over both protocols."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from httpclient import ConnectError, DeadlineError, HttpClientError, RequestAbortedError, TgoHttpClient
from httpclient.retrying import RetryPolicy
from tests.httpclient.ways import LIMIT, everywhere
from tests.servers.site import Answer, Asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import ScriptedServers, Served
    from tests.httpclient.ways import Way

QUICK = RetryPolicy(3, backoff=0.001)


def failing(times: int, *fields: tuple[str, str], status: int = 503) -> Callable[[Asked], Answer]:
    """Return what refuses so many requests, and accepts the next ones."""
    left = [times]

    def respond(asked: Asked) -> Answer:
        left[0] -= 1
        return Answer(status, fields, b"not yet") if left[0] >= 0 else Answer()

    return respond


@everywhere
@pytest.mark.parametrize("body", [None, b"bytes", ["pie", "ces"]])
def test_a_response_that_asks_for_patience(way: Way, served: Served, body: Any) -> None:
    site, url = served(failing(2, ("retry-after", "0")))
    with way.client(http2=served.http2, retry=QUICK) as http:
        response = way.request(http, "PUT", f"{url}/x", data=body)
    assert (response.status_code, response.content) == (200, b"/x")
    assert [earlier.status_code for earlier in response.history] == [503, 503]
    assert [asked.body for asked in site.asked] == [b"".join(part.encode() for part in body or []) if isinstance(
        body, list) else body or b""] * 3  # fmt: skip


@everywhere
def test_the_last_response_is_the_result(way: Way, served: Served) -> None:
    site, url = served(failing(9))
    with way.client(http2=served.http2) as http:
        assert way.get(http, url, retry=RetryPolicy(2, backoff=0)).content == b"not yet"
        assert len(site.asked) == 3
        assert way.get(http, url).status_code == 503
    assert len(site.asked) == 4


@everywhere
def test_what_is_not_repeated(way: Way, served: Served) -> None:
    site, url = served(lambda asked: Answer(int(asked.target[1:]), [("retry-after", "100000")]))
    with way.client(http2=served.http2, retry=QUICK) as http:
        assert way.get(http, f"{url}/503").status_code == 503  # it asks for more patience than there is
        assert way.get(http, f"{url}/500").status_code == 500
        assert way.request(http, "POST", f"{url}/503", data=b"x").status_code == 503
        assert way.request(http, "PUT", f"{url}/503", data=iter([b"x"])).status_code == 503
        assert way.get(http, f"{url}/404", retry=0).status_code == 404
    assert len(site.asked) == 5


@everywhere
def test_a_pause_that_would_outlast_the_deadline_is_not_made(way: Way, served: Served) -> None:
    site, url = served(failing(9))
    with way.client(http2=served.http2, retry=RetryPolicy(2, backoff=LIMIT, max_backoff=LIMIT)) as http:
        started = time.monotonic()
        assert way.get(http, url, timeout=5).status_code == 503
        assert time.monotonic() - started < LIMIT / 2
    assert len(site.asked) == 1


@everywhere
def test_on_recv_gets_the_body_that_counts(way: Way, served: Served) -> None:
    if way.streamed:
        return  # it has no such event
    _, url = served(failing(1))
    received = []
    with way.client(http2=served.http2, retry=QUICK) as http:
        http.on_recv = lambda client, data: received.append(data)
        way.get(http, f"{url}/body")
    assert b"".join(received) == b"/body"


def test_a_refused_connection_is_tried_again(refused_port: int) -> None:
    tries = []

    class Counting(RetryPolicy):
        def delay_after_failure(self, request: Any, error: HttpClientError, attempt: int) -> float | None:
            tries.append(attempt)
            return super().delay_after_failure(request, error, attempt)

    for blocking in (True, False):
        with TgoHttpClient(False, blocking, retry=Counting(2, backoff=0.001)) as http, pytest.raises(ConnectError):
            made = http.post(f"http://127.0.0.1:{refused_port}/", data=b"x")
            made.result(LIMIT)
        assert tries == [1, 2, 3]
        tries.clear()


def test_the_end_of_a_client_ends_its_pauses(served_once: str) -> None:
    slow = RetryPolicy(1, backoff=LIMIT, max_backoff=LIMIT, jitter=0)
    failures: list[BaseException] = []
    with TgoHttpClient(False, retry=slow) as http:

        def get() -> None:
            with pytest.raises(RequestAbortedError) as caught:
                http.get(served_once)
            failures.append(caught.value)

        thread = threading.Thread(target=get)
        thread.start()
        while http._ending is None and thread.is_alive():
            time.sleep(0.001)
    thread.join(LIMIT)
    assert len(failures) == 1
    other = TgoHttpClient(False, False, retry=slow)
    cancelled, closed = other.get(served_once), other.get(served_once)
    while other.idle_time > 0.5:
        time.sleep(0.001)
    assert cancelled.cancel()
    other.close()
    assert isinstance(closed.exception(LIMIT), RequestAbortedError)


def test_a_deadline_holds_over_all_tries(served_once: str) -> None:
    with TgoHttpClient(False, retry=RetryPolicy(100, backoff=0.05, jitter=0)) as http:
        try:
            assert http.get(served_once, timeout=0.5).status_code == 503
        except DeadlineError:
            pass


@pytest.fixture
def served_once(scripted: ScriptedServers) -> str:
    """The URL of a site that always refuses."""
    from tests.servers.site import Site

    return scripted(Site(lambda asked: Answer(503)).http1).url
