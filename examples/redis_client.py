"""A small Redis client on the socket pool: a protocol that isn't HTTP, with nothing but the four events.

    python examples/redis_client.py [HOST [PORT]]

In Redis's protocol (RESP, versions 2 and 3) a command is an array of strings, and replies come in the order of the
commands, so any number of commands can be under way. Here each command returns a ``concurrent.futures.Future``, and the
replies that arrive are matched with the futures that wait::

    on_connected ──> commands sent meanwhile go out
    on_recv ───────> ReplyParser ──> the oldest waiting future, or on_push
    on_disconnected > every waiting future fails, with the reason

After ``client.call("HELLO", 3)`` the server speaks version 3, and can say something without being asked: what is
published to channels that the connection has subscribed to, for instance. That is what ``on_push`` gets.

The parser does no I/O, and can be tested with bytes alone.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Union

from socketpool import TgoClientSocketManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openssl_api import TlsContext

#: What Redis answers: a string, a number, a truth value, nothing, arrays and maps of these, or an error.
Reply = Union[bytes, int, float, bool, None, list["Reply"], dict[bytes, "Reply"], "RedisError", "Push"]


class RedisError(Exception):
    """An error that Redis has answered with."""


class Push(list[Reply]):
    """An array that is no reply, but a message that the server sends of its own accord."""


def encode_command(*parts: str | bytes | int) -> bytes:
    """Return a command as Redis wants it: an array of bulk strings.

    >>> encode_command("GET", "key")
    b'*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n'
    """
    strings = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"*%d\r\n" % len(strings) + b"".join(b"$%d\r\n%b\r\n" % (len(string), string) for string in strings)


class ReplyParser:
    """Takes replies out of bytes that arrive in any pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that *data* completes."""
        self._buffer += data
        position = 0
        try:
            while position < len(self._buffer):
                reply, position = self._parse(position)
                yield reply
        except IndexError:
            pass  # the rest is still to come
        finally:
            del self._buffer[:position]

    def _parse(self, start: int) -> tuple[Reply, int]:
        """Return the reply at *start* and where the next one begins; IndexError if it isn't all there."""
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            raise IndexError
        kind, line = self._buffer[start : start + 1], bytes(self._buffer[start + 1 : end])
        end += 2
        if kind == b"+":
            return line, end
        if kind == b"-":
            return RedisError(line.decode(errors="replace")), end
        if kind in b":(":
            return int(line), end
        if kind == b"_":
            return None, end
        if kind == b"#":
            return line == b"t", end
        if kind == b",":
            return float(line), end
        if kind not in b"$=!*~>%":
            raise RedisError(f"the server sent something that isn't RESP: {bytes(kind)!r}")
        length = int(line)
        if length < 0:
            return None, end
        if kind in b"$=!":
            if len(self._buffer) < end + length + 2:
                raise IndexError
            string = bytes(self._buffer[end : end + length])
            end += length + 2
            if kind == b"!":
                return RedisError(string.decode(errors="replace")), end
            return string[4:] if kind == b"=" else string, end  # "=" has its format in front: "txt:"
        items: list[Reply] = []
        for _ in range(2 * length if kind == b"%" else length):
            item, end = self._parse(end)
            items.append(item)
        if kind == b"%":
            return dict(zip(items[::2], items[1::2], strict=True)), end  # type: ignore[arg-type]
        return Push(items) if kind == b">" else items, end


class RedisClient:
    """One connection to a Redis server. Every method may be called from any thread.

    :param manager: whose worker serves the connection.
    :param tls: speak TLS.
    :param tls_context: what to trust and present in TLS; the system's authorities by default.
    :param timeout: seconds for connecting, and for a reply that :meth:`call` waits for.
    """

    def __init__(
        self,
        manager: TgoClientSocketManager,
        host: str = "127.0.0.1",
        port: int = 6379,
        *,
        tls: bool = False,
        tls_context: TlsContext | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._waiting: deque[Future[Reply]] = deque()
        #: Commands from before the connection is there; ``None`` once it is.
        self._early: list[bytes] | None = []
        self._failure: Exception | None = None
        self._parser = ReplyParser()
        #: Called with each message that is no reply, in the worker's thread: ``[b"message", channel, data]``.
        self.on_push: Callable[[list[Reply]], object] | None = None
        self._connection = manager.request(host, port, ssl=tls)
        self._connection.tls_context = tls_context
        self._connection.on_connected = self._on_connected
        self._connection.on_recv = self._on_recv
        self._connection.on_disconnected = self._on_disconnected
        self._connection.connect(use_nagle=False, timeout=timeout)

    def send(self, *command: str | bytes | int) -> Future[Reply]:
        """Send a command and return the Future of its reply: commands can follow each other without waiting."""
        future: Future[Reply] = Future()
        data = encode_command(*command)
        with self._lock:  # replies come in the order of commands, so the two queues must agree
            if self._failure is not None:
                future.set_exception(self._failure)
                return future
            self._waiting.append(future)
            if not self._write(data):
                self._waiting.pop()
                future.set_exception(ConnectionError("the connection has ended, or too much is waiting to be sent"))
        return future

    def _write(self, data: bytes) -> bool:
        if self._early is None:
            return self._connection.send(data)
        self._early.append(data)
        return True

    def call(self, *command: str | bytes | int) -> Reply:
        """Send a command, wait for its reply and return it.

        :raises RedisError: Redis answered with an error.
        :raises OSError: the connection failed.
        """
        return self.send(*command).result(self._timeout)

    def subscribe(self, *channels: str) -> None:
        """Have :attr:`on_push` called with what is published to some channels, in version 3 of the protocol.

        There is no reply to wait for: what Redis says to this goes to :attr:`on_push` too.
        """
        with self._lock:
            self._write(encode_command("SUBSCRIBE", *channels))

    def close(self) -> None:
        """End the connection; commands that wait for a reply fail."""
        self._connection.disconnect()

    def __enter__(self) -> RedisClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Events, in the worker's thread

    def _on_connected(self) -> None:
        with self._lock:
            early, self._early = self._early, None
            self._connection.send(b"".join(early or ()))

    def _on_recv(self, data: bytes) -> None:
        try:
            for reply in self._parser.feed(data):
                self._take(reply)
        except (RedisError, ValueError) as error:
            self._connection.abort(ConnectionError(f"what the server sent cannot be understood: {error}"))

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, Push):
            if self.on_push is not None:
                self.on_push(reply)
            return
        if not self._waiting:
            raise RedisError("a reply to no command")
        future = self._waiting.popleft()
        if not future.set_running_or_notify_cancel():
            return  # whoever sent the command doesn't want to know any more
        if isinstance(reply, RedisError):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def _on_disconnected(self) -> None:
        with self._lock:
            self._failure = self._connection.error or ConnectionError("the connection was closed")
            waiting = list(self._waiting)
            self._waiting.clear()
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(self._failure)


def main(host: str = "127.0.0.1", port: str = "6379") -> None:
    """Count to a thousand, in one go."""
    with TgoClientSocketManager() as manager, RedisClient(manager, host, int(port)) as redis:
        print(redis.call("SET", "greeting", "hello"), redis.call("GET", "greeting"))
        futures = [redis.send("INCR", "counter") for _ in range(1000)]
        print("counted from", futures[0].result(5), "to", futures[-1].result(5))
        redis.call("DEL", "greeting", "counter")


if __name__ == "__main__":
    main(*sys.argv[1:3])
