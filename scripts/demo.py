"""The client at work: against a web server of its own on this machine, or fetching the URLs given as arguments.

Started by ``scripts/demo``, which sees to what it needs. It ends by itself and leaves nothing behind.
"""

from __future__ import annotations

import io
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from httpclient import HttpClientError, TgoHttpClient, TgoHttpResponseMessage, TMessageManager
from httpclient.trace import install
from socketpool import TgoClientSocketManager
from tests.certificates import Certificates
from tests.servers.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from httpclient import HttpResponse

#: How long to wait for what arrives in another thread, in seconds; on this machine it takes milliseconds.
LIMIT = 10.0

STEPS = 40


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def wait_for(event: threading.Event) -> None:
    """Wait for what another thread does."""
    if not event.wait(LIMIT):
        raise TimeoutError(f"nothing has happened for {LIMIT} seconds")


def show(response: HttpResponse) -> None:
    tls = f" over {response.tls_description}" if response.tls_description else ""
    print(f"  {response.method} {response.url}")
    print(f"    {response.status_code} {response.reason}, HTTP/{response.http_version}{tls}")
    print(f"    {len(response.content)} bytes from {response.peer} in {response.elapsed * 1000:.1f} ms")


def traced(work: Callable[[], HttpResponse]) -> tuple[HttpResponse, str]:
    """Return what *work* returns, and what the layers did meanwhile."""
    steps = io.StringIO()
    stop = install(steps)
    try:
        return work(), steps.getvalue()
    finally:
        stop()


def blocking(nginx: Nginx, ca_file: str) -> None:
    heading("1. Blocking: get() returns the response")
    for http2, site in ((False, "http"), (False, "https"), (None, "https"), (True, "h2c")):
        with TgoHttpClient(http2, ca_file=ca_file) as http:
            show(http.get(nginx.url(site, "/100k")))
    print("  The certificate was made for this run, and verified: its authority is the only one trusted here.")


def non_blocking(nginx: Nginx, ca_file: str) -> None:
    heading("2. Non-blocking: the result comes as a message, and as a Future")
    arrived = threading.Event()

    def listener(_: object, message: TgoHttpResponseMessage) -> None:
        thread = threading.current_thread().name
        print(f"  message: status {message.response_status_code}, {len(message.response)} bytes, in thread {thread!r}")
        arrived.set()

    messages = TMessageManager.default_manager
    subscription = messages.subscribe_to_message(TgoHttpResponseMessage, listener)
    try:
        with TgoHttpClient(blocking=False, ca_file=ca_file) as http:
            future = http.get(nginx.url("https", "/100k"))
            print("  get() has returned; the main thread does something else")
            response = future.result(LIMIT)
            wait_for(arrived)
            print(f"  Future: {response!r}, HTTP/{response.http_version}, {len(response.content)} bytes")
    finally:
        messages.unsubscribe(TgoHttpResponseMessage, subscription)


def incremental(nginx: Nginx, ca_file: str) -> None:
    heading("3. Incremental: the body in pieces, as it arrives")
    with (
        TgoHttpClient(ca_file=ca_file) as http,
        http.stream("GET", nginx.url("https", "/10m")) as response,
    ):
        total = int(response.headers["content-length"])
        received = pieces = shown = 0
        for piece in response.iter_bytes():
            received += len(piece)
            pieces += 1
            step = received * STEPS // total
            if sys.stdout.isatty() and step > shown:
                shown = step
                print(f"\r  [{'#' * step:<{STEPS}}] {received / total:4.0%}", end="", flush=True)
        if shown:
            print()
        print(f"  {received} of {total} bytes in {pieces} pieces over HTTP/{response.http_version}")


def raw_tcp(nginx: Nginx) -> None:
    heading("4. Raw TCP through the socket pool: any protocol, four events")
    ended = threading.Event()
    with TgoClientSocketManager() as manager:
        connection = manager.request("127.0.0.1", nginx.port("http"))

        def on_connected() -> None:
            print(f"  on_connected     {connection.hostname}:{connection.port}")
            connection.send(b"GET /path HTTP/1.0\r\n\r\n")

        def on_sent(data: bytes) -> None:
            print(f"  on_sent          {len(data)} bytes")

        def on_recv(data: bytes) -> None:
            print(f"  on_recv          {len(data)} bytes: {data.splitlines()[0].decode()}")

        def on_disconnected() -> None:
            print("  on_disconnected")
            ended.set()

        connection.on_connected = on_connected
        connection.on_sent = on_sent
        connection.on_recv = on_recv
        connection.on_disconnected = on_disconnected
        connection.connect()
        wait_for(ended)
        manager.release(connection)


def layers(nginx: Nginx, ca_file: str) -> None:
    heading("5. The layers: what each of them did for one request, and the Delphi routine that does it there")
    with TgoHttpClient(ca_file=ca_file) as http:
        print(traced(lambda: http.get(nginx.url("https", "/1k")))[1], end="")


def demonstrate() -> None:
    """Show everything, with a server that lives as long as this takes."""
    with tempfile.TemporaryDirectory(prefix="scalable-client-sockets-") as directory:
        certificates = Certificates(Path(directory))
        ca_file = str(certificates.ca_file)
        with Nginx(Path(directory) / "nginx", certificates, ["http", "h2c", "https"]) as nginx:
            print(f"A web server (nginx, process {nginx.pid}) runs for this demo: {nginx.url('http')} for HTTP/1.1,")
            print(f"{nginx.url('h2c')} for HTTP/2, and {nginx.url('https')} for both over TLS.")
            blocking(nginx, ca_file)
            non_blocking(nginx, ca_file)
            incremental(nginx, ca_file)
            raw_tcp(nginx)
            layers(nginx, ca_file)
    print("\nThe server has been stopped, and its files are gone.")


def fetch(urls: list[str]) -> int:
    """Fetch each URL and show how; return the exit status."""
    status = 0
    with TgoHttpClient() as http:
        for url in urls:
            try:
                response, steps = traced(lambda url=url: http.get(url))  # type: ignore[misc]
            except HttpClientError as error:
                print(f"  {type(error).__name__}: {error}")
                status = 1
            else:
                show(response)
                print(steps, end="")
    return status


def end(number: int, _: FrameType | None) -> None:
    """End in order on a signal: the server is stopped on the way out."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run the demo, or fetch the URLs of the command line."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        if len(sys.argv) > 1:
            return fetch(sys.argv[1:])
        demonstrate()
    except KeyboardInterrupt:
        print("\nInterrupted; the server has been stopped." if len(sys.argv) == 1 else "\nInterrupted.")
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
