"""A network with delay, loss and reordering, for servers of the tests: a namespace of its own, and a wire to it.

The wire is two TUN devices, one here and one there, and a process that carries packets from one to the other, late or
never. TCP on both sides is the kernel's, so it does what it does on a bad network: it waits, repeats, and slows down.
Unlike the kernel's own emulator (netem) this needs no module that a kernel may lack, and the fate of packets is the
same in every run. Nothing is left behind, however the process ends: the devices and the namespace end with it.

It needs root and ``/dev/net/tun``; :func:`unavailable` says whether both are there.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._process import START_LIMIT, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

_TUN = "/dev/net/tun"
#: linux/if_tun.h
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
#: sched.h
_CLONE_NEWNET = 0x40000000

#: Packets that wait in a device.
_QUEUE = 10_000
#: Packets carried at a time, before those of the other direction are looked at.
_BATCH = 64


def unavailable() -> str:
    """Return why there can't be such a network here; empty if there can."""
    if os.geteuid() != 0:
        return "a network of its own needs root"
    try:
        descriptor = os.open(_TUN, os.O_RDWR)
    except OSError as error:
        return f"{_TUN}: {error.strerror}"
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"probe%d", _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        return f"a TUN device can't be made: {error.strerror}"
    finally:
        os.close(descriptor)
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "a network namespace can't be made"


class Network(ServerProcess):
    """A namespace that servers can be started in (see :attr:`ServerProcess.network`), and the way to it.

    :param directory: a directory of its own.
    :param delay: seconds that a packet takes, in each direction.
    :param loss: the share of packets that are lost, from 0 to 1.
    :param reorder: the share of packets that are overtaken by others.
    :param mtu: bytes of a packet.
    """

    def __init__(
        self, directory: Path, *, delay: float = 0.0, loss: float = 0.0, reorder: float = 0.0, mtu: int = 1500
    ) -> None:
        super().__init__(directory, port_count=0)
        number = random.randrange(1 << 14) * 4
        base = f"198.18.{number >> 8}." if number < 1 << 15 else f"198.19.{number >> 8 & 127}."
        #: Where servers in it listen, and this side of the way to them.
        self.there, self.here = f"{base}{(number & 255) + 2}", f"{base}{(number & 255) + 1}"
        self.delay = delay
        self.loses = loss > 0
        self._options = (delay, loss, reorder, mtu)

    def command(self) -> Sequence[str | Path]:
        options = map(str, (self.here, self.there, *self._options))
        return [sys.executable, "-c", f"from {__name__} import main; main()", *options]

    @property
    def namespace(self) -> str:
        """The file that stands for the namespace."""
        return f"/proc/{self.pid}/ns/net"

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + START_LIMIT
        while self.running and time.monotonic() < deadline:
            if self.log().startswith("ready"):
                return True
            time.sleep(0.005)
        return False


def main() -> None:
    """Make the network and carry packets: the process of a :class:`Network`."""
    here, there = sys.argv[1:3]
    delay, loss, reorder = map(float, sys.argv[3:6])
    mtu = int(sys.argv[6])
    near = _device(here, there, mtu)
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # What a server that sends far is set to: its kernel is not to be what limits a download.
    Path("/proc/sys/net/ipv4/tcp_wmem").write_text("4096 16384 67108864\n")
    far = _device(there, here, mtu)
    print("ready", flush=True)
    _carry(near, far, delay, loss, reorder)


def _device(address: str, peer: str, mtu: int) -> int:
    """Make a TUN device in the current namespace; return the descriptor of its other end."""
    descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    made = fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"bad%d", _IFF_TUN | _IFF_NO_PI))
    name = made[:16].rstrip(b"\0").decode()
    for command in (
        f"ip address add {address} peer {peer} dev {name}",
        f"ip link set {name} mtu {mtu} txqueuelen {_QUEUE} up",
    ):
        subprocess.run(command.split(), check=True)
    return descriptor


def _carry(near: int, far: int, delay: float, loss: float, reorder: float) -> None:
    chance = random.Random(1).random
    poll = select.epoll()
    poll.register(near, select.EPOLLIN)
    poll.register(far, select.EPOLLIN)
    other = {near: far, far: near}
    number = 0
    under_way: list[tuple[float, int, int, bytes]] = []
    while True:
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            _, _, target, packet = heapq.heappop(under_way)
            _write(target, packet)
        # Rounded down, or each packet would be up to a millisecond late. What is left of it is waited for actively.
        timeout = max(0.0, under_way[0][0] - now - 0.0005) if under_way else -1.0
        for descriptor, _ in poll.poll(timeout):
            target = other[descriptor]
            now = time.monotonic()
            for _ in range(_BATCH):
                try:
                    packet = os.read(descriptor, 65536)
                except BlockingIOError:
                    break
                if loss and chance() < loss:
                    continue
                due = now + delay
                if reorder and chance() < reorder:
                    due += delay / 4 + 0.001
                if due <= now:
                    _write(target, packet)
                else:
                    number += 1
                    heapq.heappush(under_way, (due, number, target, packet))


def _write(target: int, packet: bytes) -> None:
    try:
        os.write(target, packet)
    except BlockingIOError:
        pass  # as on any network


if __name__ == "__main__":
    main()
