"""The gRPC example, against a real grpcio server, in clear text and over TLS."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from examples.grpc_client import GrpcClient, GrpcError, frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.conftest import Http2Servers
    from tests.servers.http2 import Http2Session


class Service(grpc.GenericRpcHandler):
    """Messages are bytes here too."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.deadlines: list[float] = []

    def service(self, details: Any) -> Any:
        kinds: dict[str, Any] = {
            "/test/Unary": grpc.unary_unary_rpc_method_handler(lambda message, context: message.upper()),
            "/test/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/test/Slow": grpc.unary_unary_rpc_method_handler(self.slow),
            "/test/Count": grpc.unary_stream_rpc_method_handler(
                lambda message, context: (b"%d" % number for number in range(int(message)))
            ),
            "/test/Sum": grpc.stream_unary_rpc_method_handler(
                lambda messages, context: b"%d" % sum(len(message) for message in messages)
            ),
            "/test/Echo": grpc.stream_stream_rpc_method_handler(lambda messages, context: messages),
            "/test/Refuse": grpc.stream_unary_rpc_method_handler(self.fail),
        }
        return kinds.get(details.method)

    def fail(self, message: Any, context: Any) -> bytes:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not like this: äöü")
        raise AssertionError("abort() raises")

    def slow(self, message: bytes, context: Any) -> bytes:
        self.deadlines.append(context.time_remaining())
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(20)
        return b"late"


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=["clear", "tls"])
def client(request: pytest.FixtureRequest, service: Service, certificates: Certificates) -> Iterator[GrpcClient]:
    server = grpc.server(ThreadPoolExecutor(8), handlers=[service], options=[("grpc.so_reuseport", 0)])
    if request.param == "tls":
        pair = certificates.server
        credentials = grpc.ssl_server_credentials([(pair.key_pem, pair.certificate_pem)])
        url = f"https://localhost:{server.add_secure_port('localhost:0', credentials)}"
    else:
        url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        with GrpcClient(url, ca_file=str(certificates.ca_file)) as one:
            yield one
    finally:
        server.stop(0).wait(10)


def test_unary(client: GrpcClient) -> None:
    assert client.unary("/test/Unary", b"hello") == b"HELLO"
    assert client.unary("/test/Unary", b"") == b""
    large = b"x" * 1_000_000
    assert client.unary("/test/Unary", large) == large.upper()


def test_server_streaming(client: GrpcClient) -> None:
    assert list(client.server_streaming("/test/Count", b"1000")) == [b"%d" % number for number in range(1000)]
    assert list(client.server_streaming("/test/Count", b"0")) == []


def test_client_streaming(client: GrpcClient) -> None:
    assert client.client_streaming("/test/Sum", (b"x" * 10_000 for _ in range(300))) == b"3000000"
    assert client.client_streaming("/test/Sum", []) == b"0"


def test_bidirectional(client: GrpcClient) -> None:
    questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    answers = client.call("/test/Echo", iter(questions.get, None))
    for number in range(100):
        questions.put(b"%d" % number)
        assert next(answers) == b"%d" % number  # each before the next question is asked
    questions.put(None)
    assert list(answers) == []


def test_many_calls_share_a_connection(client: GrpcClient) -> None:
    def call(number: int) -> list[bytes]:
        return list(client.call("/test/Echo", (b"%d-%d" % (number, turn) for turn in range(50))))

    with ThreadPoolExecutor(6) as pool:
        for number, answer in enumerate(pool.map(call, range(12))):
            assert answer == [b"%d-%d" % (number, turn) for turn in range(50)]


def test_an_error_status(client: GrpcClient) -> None:
    with pytest.raises(GrpcError, match="INVALID_ARGUMENT: not like this: äöü") as caught:
        client.unary("/test/Fail", b"x")
    assert caught.value.code == 3
    with pytest.raises(GrpcError, match="UNIMPLEMENTED"):
        client.unary("/test/Missing", b"x")


def test_an_error_while_messages_are_sent(client: GrpcClient) -> None:
    with pytest.raises(GrpcError, match="INVALID_ARGUMENT"):
        client.client_streaming("/test/Refuse", (b"x" * 100_000 for _ in range(1000)))
    assert client.unary("/test/Unary", b"still") == b"STILL"


def test_a_deadline(client: GrpcClient, service: Service) -> None:
    started = time.monotonic()
    with pytest.raises(GrpcError, match="DEADLINE_EXCEEDED"):
        client.unary("/test/Slow", b"x", timeout=0.5)
    assert time.monotonic() - started < 15
    assert service.cancelled.wait(10)  # the server has been told
    assert 0 < service.deadlines[0] <= 0.5
    assert client.unary("/test/Unary", b"next") == b"NEXT"


@pytest.mark.parametrize(
    ("status", "code"), [("401", 16), ("403", 7), ("404", 12), ("429", 14), ("503", 14), ("500", 2)]
)
def test_an_answer_that_isnt_grpc(status: str, code: int, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_request()
        assert head is not None
        session.respond(head.stream_id, b"what?", int(status))
        session.receive_head()

    with GrpcClient(http2_scripted(handler).url) as client:
        with pytest.raises(GrpcError) as caught:
            client.unary("/test/Unary", b"x")
        assert caught.value.code == code


@pytest.mark.parametrize("wire", [frame(b"half")[:-1], b"\1\0\0\0\1x", b"\0\xff\xff\xff\xff"])
def test_a_broken_message(wire: bytes, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        head = session.receive_request()
        assert head is not None
        session.respond(head.stream_id, wire, trailers=[("grpc-status", "0")])
        session.receive_head()

    with GrpcClient(http2_scripted(handler).url) as client, pytest.raises(GrpcError, match="INTERNAL"):
        client.unary("/test/Unary", b"x")
