"""The Redis example, against a real redis-server, plain and over TLS."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from examples.redis_client import Push, RedisClient, RedisError, Reply, ReplyParser, encode_command
from openssl_api import TlsCertificateError, TlsContext
from socketpool import ConnectionFailedError, TgoClientSocketManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.conftest import ScriptedServers
    from tests.servers.redis import Redis
    from tests.servers.scripted import Connection

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["plain", "tls"])
def client(request: pytest.FixtureRequest, redis: Redis, certificates: Certificates) -> Iterator[RedisClient]:
    tls = request.param == "tls"
    context = TlsContext(ca_file=str(certificates.ca_file))
    port = redis.tls_port if tls else redis.port
    host = "localhost" if tls else "127.0.0.1"
    with TgoClientSocketManager() as manager, RedisClient(manager, host, port, tls=tls, tls_context=context) as one:
        one.call("FLUSHALL")
        yield one
    context.close()


def test_commands_and_their_replies(client: RedisClient) -> None:
    assert client.call("PING") == b"PONG"
    assert client.call("SET", "key", b"\x00\xff\r\n") == b"OK"
    assert client.call("GET", "key") == b"\x00\xff\r\n"
    assert client.call("GET", "no such key") is None
    assert client.call("RPUSH", "list", 1, 2, 3) == 3
    assert client.call("LRANGE", "list", 0, -1) == [b"1", b"2", b"3"]
    with pytest.raises(RedisError, match="WRONGTYPE"):
        client.call("INCR", "list")
    assert client.call("PING") == b"PONG"


def test_commands_follow_each_other_without_waiting(client: RedisClient) -> None:
    futures = [client.send("INCR", "counter") for _ in range(5000)]
    assert [future.result(20) for future in futures] == list(range(1, 5001))


def test_large_values_both_ways(client: RedisClient) -> None:
    value = bytes(range(256)) * 40_000
    assert client.call("SET", "large", value) == b"OK"
    assert client.call("GET", "large") == value


def test_many_threads_share_one_connection(client: RedisClient) -> None:
    def count() -> None:
        for _ in range(200):
            client.call("INCR", "shared")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.call("GET", "shared") == b"1600"


def test_the_end_of_the_connection_fails_what_waits(client: RedisClient) -> None:
    waiting = client.send("BLPOP", "nothing", 0)
    client.close()
    with pytest.raises(ConnectionError):
        waiting.result(20)
    with pytest.raises(ConnectionError):
        client.call("PING")


def test_what_is_published_reaches_the_subscriber(client: RedisClient) -> None:
    """In version 3 of the protocol, messages and replies come over the same connection."""
    messages: list[object] = []
    arrived = threading.Semaphore(0)

    def on_push(message: list[Reply]) -> None:
        messages.append(message)
        arrived.release()

    hello = client.call("HELLO", 3)
    assert isinstance(hello, dict)
    assert (hello[b"server"], hello[b"proto"]) == (b"redis", 3)
    client.on_push = on_push
    client.subscribe("news")
    assert arrived.acquire(timeout=20)
    for number in range(3):
        assert client.call("PUBLISH", "news", number) == 1
    for _ in range(3):
        assert arrived.acquire(timeout=20)
    assert messages == [
        [b"subscribe", b"news", 1],
        *([b"message", b"news", b"%d" % number] for number in range(3)),
    ]
    client.call("HSET", "hash", "field", "value")
    assert client.call("HGETALL", "hash") == {b"field": b"value"}


def test_a_reply_that_nobody_wants_any_more_takes_its_place(client: RedisClient) -> None:
    futures = [client.send("ECHO", number) for number in range(100)]
    cancelled = {number for number in range(0, 100, 3) if futures[number].cancel()}
    for number, future in enumerate(futures):
        if number not in cancelled:
            assert future.result(20) == b"%d" % number
    assert client.call("PING") == b"PONG"


def test_a_server_that_speaks_something_else_is_an_error(scripted: ScriptedServers) -> None:
    def handler(connection: Connection) -> None:
        connection.receive_some()
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.hold()

    with TgoClientSocketManager() as manager, scripted(handler) as server:
        client = RedisClient(manager, "127.0.0.1", server.port)
        with pytest.raises(ConnectionError, match="isn't RESP"):
            client.call("PING")


def test_failures_say_why(redis: Redis, refused_port: int) -> None:
    with TgoClientSocketManager() as manager:
        with pytest.raises(ConnectionFailedError, match="Connection refused"):
            RedisClient(manager, "127.0.0.1", refused_port).call("PING")
        with pytest.raises(TlsCertificateError):
            RedisClient(manager, "localhost", redis.tls_port, tls=True).call("PING")


def test_the_parser_takes_any_pieces() -> None:
    wire = b"+OK\r\n:-7\r\n$5\r\nab\r\nc\r\n$-1\r\n*3\r\n:1\r\n*1\r\n+x\r\n$0\r\n\r\n*-1\r\n"
    expected = [b"OK", -7, b"ab\r\nc", None, [1, [b"x"], b""], None]
    for size in range(1, len(wire) + 1):
        parser = ReplyParser()
        pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
        assert [reply for piece in pieces for reply in parser.feed(piece)] == expected

    parser = ReplyParser()
    wire = b"_\r\n#t\r\n#f\r\n,1.5\r\n(12345678901234567890\r\n=7\r\ntxt:abc\r\n%1\r\n+k\r\n~1\r\n:2\r\n>1\r\n+p\r\n"
    replies = list(parser.feed(wire))
    assert replies == [None, True, False, 1.5, 12345678901234567890, b"abc", {b"k": [2]}, [b"p"]]
    assert isinstance(replies[-1], Push)
    (error,) = parser.feed(b"!8\r\nERR a\r\nb\r\n")
    assert isinstance(error, RedisError)
    assert str(error) == "ERR a\r\nb"
    assert encode_command("SET", b"k", 1) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n"


def test_the_program(redis: Redis) -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "redis_client.py"), "127.0.0.1", str(redis.port)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[0] == "b'OK' b'hello'"
