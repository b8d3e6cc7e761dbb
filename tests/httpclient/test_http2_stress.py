"""Everything at once on one connection: threads, Futures, streams, uploads, resets and cancellations."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from h2.exceptions import StreamClosedError, StreamIDTooLowError

from httpclient import Http2StreamError, TgoHttpClient
from tests.servers.files import content
from tests.servers.http2 import ErrorCodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpclient import HttpResponse
    from tests.certificates import Certificates
    from tests.conftest import Http2Servers
    from tests.servers.http2 import Http2Session
    from tests.servers.nghttpd import Nghttpd
    from tests.servers.nginx import Nginx

#: Seconds after which nothing new is begun.
TIME = 8.0
THREADS = 64
FUTURES = 1000


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.mark.parametrize("server", ["nghttpd", "nghttpd-clear", "nginx", "nginx-clear"])
@pytest.mark.usefixtures("nginx", "no_leaks")
def test_everything_at_once(
    server: str, nghttpd: Nghttpd, nghttpd_clear: Nghttpd, nginx: Nginx, certificates: Certificates
) -> None:
    url = {
        "nghttpd": nghttpd.url,
        "nghttpd-clear": nghttpd_clear.url,
        "nginx": nginx.url("https"),
        "nginx-clear": nginx.url("h2c"),
    }[server]
    names = ("1k", "100k")
    expected = {name: digest(content(name)) for name in names}
    errors: list[BaseException] = []
    done = [0] * 6
    until = time.monotonic() + TIME

    def work(seed: int) -> None:
        choice = random.Random(seed)
        try:
            for _ in range(12):
                if time.monotonic() > until:
                    return
                kind = choice.randrange(5)
                if kind == 0:  # a body echoed
                    body = choice.randbytes(choice.randrange(1, 150_000))
                    assert http.post(url + "/echo", data=body).content == body
                elif kind == 1:  # a stream read to its end
                    with http.stream("GET", url + "/100k") as response:
                        assert digest(b"".join(response.iter_bytes())) == expected["100k"]
                elif kind == 2:  # a stream given up
                    with http.stream("GET", url + "/100k") as response:
                        next(response.iter_bytes())
                elif kind == 3:  # both directions at once, to the end or not
                    with http.open_stream("POST", url + "/echo") as both:
                        pieces = [choice.randbytes(choice.randrange(1, 5000)) for _ in range(5)]
                        for piece in pieces:
                            both.send(piece)
                        if choice.random() < 0.7:
                            both.end()
                            assert b"".join(both) == b"".join(pieces)
                else:
                    name = choice.choice(names)
                    assert digest(http.get(f"{url}/{name}").content) == expected[name]
                done[kind] += 1
        except BaseException as error:
            errors.append(error)

    ca_file = str(certificates.ca_file)
    with (
        TgoHttpClient(True, ca_file=ca_file, recv_timeout=30) as http,
        TgoHttpClient(True, False, ca_file=ca_file, recv_timeout=30) as later,
    ):
        http.get(url + "/1k")
        later._pool = http._pool
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
        for thread in threads:
            thread.start()
        futures = []
        for number in range(FUTURES):
            future = later.get(f"{url}/{names[number % 2]}")
            futures.append((names[number % 2], future))
            if number % 10 == 0:
                future.cancel()
        cancelled = 0
        for name, future in futures:
            try:
                assert digest(future.result(60).content) == expected[name]
                done[5] += 1
            except CancelledError:
                cancelled += 1
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not errors, errors[:3]
        (statistics,) = http.http2_statistics()
        assert statistics.streams_open == 0
        later._pool = None
    assert min(done) > 0
    assert cancelled <= FUTURES // 10
    assert done[5] + cancelled == FUTURES
    # One connection has carried all of it.
    assert statistics.streams_opened >= sum(done[:5]) + done[5]


def test_resets_from_the_server_beside_answers(http2_scripted: Http2Servers) -> None:
    """Each request gets its own answer, or its own error, whatever happens to the others."""
    refused: set[str] = set()

    def handler(session: Http2Session) -> None:
        while (request := session.receive_request()) is not None:
            path = request.value(":path") or ""
            with contextlib.suppress(StreamClosedError, StreamIDTooLowError):  # cancelled meanwhile, and forgotten
                if "broken" in path:
                    session.reset_stream(request.stream_id, ErrorCodes.INTERNAL_ERROR)
                elif "refused" in path and path not in refused:
                    refused.add(path)
                    session.reset_stream(request.stream_id, ErrorCodes.REFUSED_STREAM)
                else:
                    session.respond(request.stream_id, path.encode() * 100)

    server = http2_scripted(handler)

    def path(number: int) -> str:
        return f"/{('well', 'broken', 'refused')[number % 3]}/{number}"

    def check(number: int, result: Callable[[], HttpResponse]) -> bool:
        if number % 3 == 1:
            with pytest.raises(Http2StreamError, match="INTERNAL_ERROR"):
                result()
            return True
        return bool(result().content == path(number).encode() * 100)

    with (
        TgoHttpClient(True) as http,
        TgoHttpClient(True, False) as later,
        ThreadPoolExecutor(32) as threads,
    ):
        futures = [later.get(server.url + path(number)) for number in range(1000, 1300)]
        for future in futures[::7]:
            future.cancel()
        done = threads.map(lambda number: check(number, lambda: http.get(server.url + path(number))), range(600))
        assert all(done)
        for number, future in enumerate(futures, 1000):
            if not future.cancelled():
                assert check(number, lambda future=future: future.result(30))  # type: ignore[misc]
        assert [each.streams_open for each in http.http2_statistics()] == [0]
        assert len(later.http2_statistics()) == 1
    assert refused
