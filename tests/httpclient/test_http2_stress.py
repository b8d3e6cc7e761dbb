"""Everything at once on one connection: threads, Futures, streams, uploads, resets and cancellations."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from httpclient import TgoHttpClient
from tests.servers.files import content

if TYPE_CHECKING:
    from tests.certificates import Certificates
    from tests.servers.nghttpd import Nghttpd

#: Seconds after which nothing new is begun.
TIME = 8.0
THREADS = 64
FUTURES = 1000


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
@pytest.mark.usefixtures("no_leaks")
def test_everything_at_once(tls: bool, nghttpd: Nghttpd, nghttpd_clear: Nghttpd, certificates: Certificates) -> None:
    server = nghttpd if tls else nghttpd_clear
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
                    assert http.post(server.url + "/", data=body).content == body
                elif kind == 1:  # a stream read to its end
                    with http.stream("GET", server.url + "/100k") as response:
                        assert digest(b"".join(response.iter_bytes())) == expected["100k"]
                elif kind == 2:  # a stream given up
                    with http.stream("GET", server.url + "/100k") as response:
                        next(response.iter_bytes())
                elif kind == 3:  # both directions at once, to the end or not
                    with http.open_stream("POST", server.url + "/") as both:
                        pieces = [choice.randbytes(choice.randrange(1, 5000)) for _ in range(5)]
                        for piece in pieces:
                            both.send(piece)
                        if choice.random() < 0.7:
                            both.end()
                            assert b"".join(both) == b"".join(pieces)
                else:
                    name = choice.choice(names)
                    assert digest(http.get(f"{server.url}/{name}").content) == expected[name]
                done[kind] += 1
        except BaseException as error:
            errors.append(error)

    ca_file = str(certificates.ca_file)
    with (
        TgoHttpClient(True, ca_file=ca_file, recv_timeout=30) as http,
        TgoHttpClient(True, False, ca_file=ca_file, recv_timeout=30) as later,
    ):
        http.get(server.url + "/1k")
        later._pool = http._pool
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
        for thread in threads:
            thread.start()
        futures = []
        for number in range(FUTURES):
            future = later.get(f"{server.url}/{names[number % 2]}")
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
