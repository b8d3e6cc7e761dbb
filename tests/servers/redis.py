"""redis-server, plain and over TLS: a protocol that is not HTTP, for the socket pool alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._process import ServerProcess, program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.certificates import Certificates


class Redis(ServerProcess):
    """One empty redis-server in memory, on a plain and on a TLS port.

    :param directory: a directory of its own.
    :param certificates: its TLS port uses their ``server`` identity; client certificates are welcome, not required.
    """

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        super().__init__(directory, port_count=2)
        self._certificates = certificates

    def command(self) -> Sequence[str | Path]:
        identity = self._certificates.server
        settings: dict[str, str | Path] = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "tls-port": str(self.tls_port),
            "tls-cert-file": identity.certificate,
            "tls-key-file": identity.key,
            "tls-ca-cert-file": self._certificates.ca_file,
            "tls-auth-clients": "optional",
            "dir": self.directory,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [program("redis-server", "redis-server"), *options]

    @property
    def port(self) -> int:
        """The plain port."""
        return self.ports[0]

    @property
    def tls_port(self) -> int:
        """The TLS port."""
        return self.ports[1]
