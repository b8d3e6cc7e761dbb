"""``openssl s_server`` as a peer: another OpenSSL process, told by its standard input what to do on the connection."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from typing import TYPE_CHECKING, Self

from .peers import LIMIT

if TYPE_CHECKING:
    import pathlib

    from tests.certificates import Identity


class SServer:
    """A running ``openssl s_server`` on a free loopback port.

    :param arguments: more arguments; with ``-rev`` it sends every line back, reversed.
    """

    def __init__(self, identity: Identity, *arguments: str | pathlib.Path) -> None:
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", identity.certificate]
        command += ["-cert_chain", identity.certificate, "-key", identity.key, *arguments]
        self._output = b""
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = 0

    def __enter__(self) -> Self:
        try:
            self.port = int(self.wait_for(rb"ACCEPT 127\.0\.0\.1:(\d+)")[1])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait(LIMIT)
        self._reader.join(LIMIT)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def _read(self) -> None:
        assert self._process.stdout
        while data := os.read(self._process.stdout.fileno(), 1 << 16):
            with self._changed:
                self._output += data
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until the server has printed *pattern*."""
        found: list[re.Match[bytes] | None] = [None]

        def look() -> bool:
            found[0] = re.search(pattern, self._output)
            return found[0] is not None or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(look, LIMIT)
            match = found[0]
            assert match is not None, f"{pattern!r} did not come: {self._output.decode(errors='replace')}"
            return match

    def type(self, text: bytes) -> None:
        """Type *text*: lines are sent to the client; single letters at the start of a line are commands."""
        assert self._process.stdin
        self._process.stdin.write(text)
        self._process.stdin.flush()
