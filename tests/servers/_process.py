"""A server program as a child process: started on free loopback ports, watched until it listens, stopped by its PID."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .network import Network

START_LIMIT = 10.0
STOP_LIMIT = 5.0
ATTEMPTS = 5

#: TCP_LISTEN as /proc/net/tcp writes it.
_LISTEN = "0A"


class ServerError(RuntimeError):
    """A server program could not be started, or ended by itself; the message holds the end of its log."""


def free_ports(count: int) -> list[int]:
    """Return *count* different TCP ports that are free on 127.0.0.1 right now."""
    sockets = []
    try:
        for _ in range(count):
            probe = socket.socket()
            sockets.append(probe)
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports that a process, or a child of it, listens on over IPv4."""
    held = set()
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # Those of its own network, which may be another than ours.
        sockets = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        # It has ended.
        return set()
    for each in (pid, *children):
        with contextlib.suppress(OSError):
            for entry in os.listdir(f"/proc/{each}/fd"):
                with contextlib.suppress(OSError):
                    held.add(os.readlink(f"/proc/{each}/fd/{entry}"))
    ports = set()
    for line in sockets:
        _, local, _, state, *_, inode = line.split()[:10]
        if state == _LISTEN and f"socket:[{inode}]" in held:
            ports.add(int(local.rpartition(":")[2], 16))
    return ports


def program(name: str, package: str) -> str:
    """Return the path of an installed program; the directories of system programs are searched as well.

    :raises ServerError: it isn't installed; the message names the Debian package.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if not found:
        raise ServerError(f"{name} is not installed (Debian/Ubuntu: apt install {package})")
    return found


class ServerProcess:
    """Base of the servers that are programs of their own.

    A subclass says how many ports it needs and what to run (:meth:`command`). A free port can be
    taken by another process before the server binds it; starting is then tried again with other ports.

    Start it from a thread that outlives it: the kernel ends the server when that thread ends, which is what keeps
    a killed test run from leaving servers behind.

    :param directory: a directory of the server's own, for its configuration, data and log.
    :param port_count: how many ports the server listens on.

    :ivar network: where to start it instead of this machine's own network; to be set before, for a server that listens
        on :attr:`address`.
    """

    network: Network | None = None

    def __init__(self, directory: Path, port_count: int = 1) -> None:
        self.directory = directory
        self._port_count = port_count
        self.ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str | Path]:
        """Return the command line that serves :attr:`ports`; may write configuration files first."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """The address to listen on."""
        return self.network.there if self.network else "127.0.0.1"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise ServerError(f"{type(self).__name__} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """Return what the server has written to its log and its standard output and error."""
        path = self.directory / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Self:
        """Start the server and wait until it listens on every port.

        :raises ServerError: it didn't start.
        """
        for attempt in range(ATTEMPTS):
            self.ports = free_ports(self._port_count)
            try:
                self._spawn()
                if self._wait_until_ready():
                    return self
            except BaseException:
                # Ctrl-C in between, for instance: nobody else would stop it.
                self.stop()
                raise
            self.stop()
            if attempt == ATTEMPTS - 1 or "in use" not in self.log():
                break
        raise ServerError(f"{type(self).__name__} did not start:\n{self.log()[-4000:]}")

    def stop(self) -> None:
        """Stop the server and wait until it is gone; harmless when it isn't running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self) -> None:
        command = list(self.command())
        if self.network:
            command = ["nsenter", f"--net={self.network.namespace}", *command]
        setpriv = shutil.which("setpriv")
        if setpriv:
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with (self.directory / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C reaches only the user of the server, who then stops it in order.
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str] | None:
        """Return the environment of the process; ``None`` for that of this one."""
        return None

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + START_LIMIT
        while self.running and time.monotonic() < deadline:
            # Not by connecting: that would count as a connection, and could meet another process on the port.
            if set(self.ports) <= listening_ports(self.pid):
                return True
            time.sleep(0.005)
        return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
