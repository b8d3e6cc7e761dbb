"""gRPC on the HTTP client: all four kinds of calls, with messages as bytes.

    python examples/grpc_client.py URL /package.Service/Method [MESSAGE]...

A gRPC call is an HTTP/2 stream (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Each message goes
behind five bytes: whether it is compressed, and its length. The result of the call is in the trailer fields::

    open_stream("POST", ...) ──> messages ──> end()          the request
    head, messages, trailers: grpc-status, grpc-message      the response

Turning objects into bytes and back is what protobuf does, and is left to whoever calls. Over ``https`` HTTP/2 is
negotiated; on ``http`` URLs it is spoken without asking.
"""

from __future__ import annotations

import struct
import sys
import threading
from typing import TYPE_CHECKING
from urllib.parse import unquote

from httpclient import DeadlineError, Http2StreamError, TgoHttpClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self, Unpack

    from httpclient import ClientOptions
    from httpclient.duplex import DuplexStream

#: What the numbers of grpc-status mean.
STATUS = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip

#: What an answer without grpc-status means, by its HTTP status.
STATUS_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}

#: The largest message that is taken in.
MAX_MESSAGE = 4 << 20


class GrpcError(Exception):
    """A call that didn't end with OK.

    :ivar code: the number of the status.
    :ivar message: what the server says about it.
    """

    def __init__(self, code: int, message: str) -> None:
        name = STATUS[code] if 0 <= code < len(STATUS) else str(code)
        super().__init__(f"{name}: {message}")
        self.code = code
        self.message = message


class GrpcClient:
    """Calls the methods of one server. May be used by any number of threads.

    :param url: scheme, host and port.
    :param options: for the HTTP client: ``ca_file``, ``recv_timeout`` and so on.
    """

    def __init__(self, url: str, **options: Unpack[ClientOptions]) -> None:
        self._url = url.rstrip("/")
        self._http = TgoHttpClient(True, **options)

    def unary(self, method: str, message: bytes, timeout: float = 0.0) -> bytes:
        """Send one message, and return the one that is the answer."""
        return _single(self.call(method, [message], timeout))

    def server_streaming(self, method: str, message: bytes, timeout: float = 0.0) -> Iterator[bytes]:
        """Send one message, and yield those of the answer."""
        return self.call(method, [message], timeout)

    def client_streaming(self, method: str, messages: Iterable[bytes], timeout: float = 0.0) -> bytes:
        """Send many messages, and return the one that is the answer."""
        return _single(self.call(method, messages, timeout))

    def call(self, method: str, messages: Iterable[bytes], timeout: float = 0.0) -> Iterator[bytes]:
        """Send and receive messages at the same time.

        :param method: ``/package.Service/Method``.
        :param messages: taken by a thread of their own, so that an answer may be the reason for the next one.
        :param timeout: seconds for the call, of which the server is told; 0 for no limit.
        :raises GrpcError: the call ended with another status than OK.
        """
        headers = {"content-type": "application/grpc", "te": "trailers"}
        if timeout:
            headers["grpc-timeout"] = f"{max(1, int(timeout * 1000))}m"
        try:
            with self._http.open_stream("POST", self._url + method, headers=headers, timeout=timeout) as stream:
                if isinstance(messages, (list, tuple)) and len(messages) == 1:
                    _send(stream, messages)
                else:
                    threading.Thread(target=_send, args=(stream, messages), daemon=True).start()
                _check_head(stream)
                yield from _messages(stream)
                _check_status(dict(stream.trailers) or stream.headers)
        except DeadlineError as error:
            raise GrpcError(4, "the time for the call is up") from error
        except Http2StreamError as error:
            # What RST_STREAM stands for: 8 is CANCEL, 7 REFUSED_STREAM, 11 ENHANCE_YOUR_CALM.
            raise GrpcError({8: 1, 7: 14, 11: 8}.get(error.error_code, 13), str(error)) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def frame(message: bytes) -> bytes:
    """Return a message as it is sent."""
    return struct.pack(">BI", 0, len(message)) + message


def _send(stream: DuplexStream, messages: Iterable[bytes]) -> None:
    try:
        for message in messages:
            stream.send(frame(message))
        stream.end()
    except OSError:
        pass  # the server wants no more of them; why, the response says
    except BaseException:
        stream.reset()
        raise


def _messages(stream: DuplexStream) -> Iterator[bytes]:
    """Take the response apart."""
    buffer = bytearray()
    for piece in stream:
        buffer += piece
        while len(buffer) >= 5:
            compressed, size = struct.unpack_from(">BI", buffer)
            if compressed or size > MAX_MESSAGE:
                raise GrpcError(13, "a compressed message" if compressed else f"a message of {size} bytes")
            if len(buffer) < 5 + size:
                break
            message = bytes(buffer[5 : 5 + size])
            del buffer[: 5 + size]
            yield message
    if buffer:
        raise GrpcError(13, "the response ends inside a message")


def _check_head(stream: DuplexStream) -> None:
    if stream.status_code != 200:
        raise GrpcError(STATUS_OF_HTTP.get(stream.status_code, 2), f"HTTP status {stream.status_code}")


def _check_status(fields: object) -> None:
    assert hasattr(fields, "get")
    code = int(fields.get("grpc-status") or 2)
    if code:
        raise GrpcError(code, unquote(fields.get("grpc-message") or ""))


def _single(answer: Iterator[bytes]) -> bytes:
    messages = list(answer)
    if len(messages) != 1:
        raise GrpcError(13, f"{len(messages)} messages where one was expected")
    return messages[0]


def main() -> None:
    url, method, *messages = sys.argv[1:]
    with GrpcClient(url) as client:
        for answer in client.call(method, [message.encode() for message in messages] or [b""]):
            print(answer)


if __name__ == "__main__":
    main()
