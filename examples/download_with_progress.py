"""Download to a file, with progress, in constant memory: the Python way and the original's way.

    python examples/download_with_progress.py URL FILE
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from httpclient import TgoHttpClient

if TYPE_CHECKING:
    from typing import BinaryIO


def by_stream(http: TgoHttpClient, url: str, file: BinaryIO) -> int:
    """Pull the body: nothing is read from the network that the loop has not asked for."""
    received = 0
    with http.stream("GET", url) as response:
        response.raise_for_status()
        for piece in response.iter_bytes():
            received += file.write(piece)
            print(f"\r{received} of {response.headers.get('content-length', '?')} bytes", end="", file=sys.stderr)
    print(file=sys.stderr)
    return received


def by_event(http: TgoHttpClient, url: str, file: BinaryIO) -> int:
    """Have the body pushed: OnRecv, with ACreateResponse set to False so that nothing is kept in memory."""
    received = 0

    def on_recv(client: TgoHttpClient, data: bytes) -> bool:
        nonlocal received
        received += file.write(data)
        return False

    http.on_recv = on_recv
    try:
        http.get(url).raise_for_status()
    finally:
        http.on_recv = None
    return received


def main(url: str, path: str) -> None:
    with TgoHttpClient() as http, open(path, "wb") as file:
        print(by_stream(http, url, file), "bytes in", path)


if __name__ == "__main__":
    main(*sys.argv[1:3])
