"""nghttpd, the HTTP/2 server of nghttp2: over TLS, or in the clear with prior knowledge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._process import ServerProcess, program
from .files import write_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.certificates import Identity


class Nghttpd(ServerProcess):
    """One nghttpd; it serves the files of :mod:`tests.servers.files` and echoes the body of POST and PUT.

    :param directory: a directory of its own.
    :param identity: its certificate; ``None`` for HTTP/2 in the clear.
    :param options: further options of nghttpd, for instance ``--max-concurrent-streams=1``.
    """

    def __init__(self, directory: Path, identity: Identity | None, *options: str) -> None:
        super().__init__(directory)
        self._identity = identity
        self._options = options

    def command(self) -> Sequence[str | Path]:
        documents = write_files(self.directory / "files")
        command: list[str | Path] = [program("nghttpd", "nghttp2-server"), f"--address={self.address}", "--echo-upload"]
        command += [f"--htdocs={documents}", *self._options]
        if self._identity:
            return [*command, str(self.port), self._identity.key, self._identity.certificate]
        return [*command, "--no-tls", str(self.port)]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.ports[0]

    @property
    def url(self) -> str:
        """Its address without a trailing slash."""
        return f"{'https' if self._identity else 'http'}://{self.address}:{self.port}"
