"""Proxies: tinyproxy for HTTP and CONNECT, stunnel to speak TLS in front of it, microsocks for SOCKS 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._process import ServerProcess, program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.certificates import Identity

#: The credentials that the proxies ask for which ask for any.
USER, PASSWORD = "proxy user", "p@ss:word"


class _Proxy(ServerProcess):
    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.ports[0]


class Tinyproxy(_Proxy):
    """One tinyproxy: HTTP proxy, with tunnels to any port.

    :param directory: a directory of its own.
    :param password: ask for :data:`USER` and :data:`PASSWORD`; tinyproxy allows no blank and no colon in them, so it
        is ``user`` and ``password`` that it asks for.
    """

    USER, PASSWORD = "user", "password"

    def __init__(self, directory: Path, *, password: bool = False) -> None:
        super().__init__(directory)
        self._password = password

    def command(self) -> Sequence[str | Path]:
        configuration = self.directory / "tinyproxy.conf"
        configuration.write_text(
            f"Port {self.port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\nLogLevel Info\n"
            + (f"BasicAuth {self.USER} {self.PASSWORD}\n" if self._password else "")
        )
        return [program("tinyproxy", "tinyproxy-bin"), "-d", "-c", configuration]


class Stunnel(_Proxy):
    """One stunnel: TLS in front of a port of this machine.

    :param directory: a directory of its own.
    :param identity: its certificate.
    :param port: the port that it passes what it decrypts on to.
    """

    def __init__(self, directory: Path, identity: Identity, port: int) -> None:
        super().__init__(directory)
        self._identity = identity
        self._behind = port

    def command(self) -> Sequence[str | Path]:
        configuration = self.directory / "stunnel.conf"
        configuration.write_text(
            f"foreground = yes\npid =\nsyslog = no\ndebug = info\n[proxy]\naccept = 127.0.0.1:{self.port}\n"
            f"connect = 127.0.0.1:{self._behind}\ncert = {self._identity.certificate}\nkey = {self._identity.key}\n"
        )
        return [program("stunnel", "stunnel4"), configuration]


class Microsocks(_Proxy):
    """One microsocks: SOCKS 5.

    :param directory: a directory of its own.
    :param password: ask for :data:`USER` and :data:`PASSWORD`.
    """

    def __init__(self, directory: Path, *, password: bool = False) -> None:
        super().__init__(directory)
        self._password = password

    def command(self) -> Sequence[str | Path]:
        command: list[str | Path] = [program("microsocks", "microsocks"), "-i", "127.0.0.1", "-p", str(self.port)]
        return [*command, "-u", USER, "-P", PASSWORD] if self._password else command
