"""Connecting through another host: what is said to it before the peer itself can be spoken to.

A :class:`Detour` names the host and how to speak to it, a :class:`Tunnel` knows what to say: CONNECT of HTTP, SOCKS.
Tunnels do no I/O. :func:`advance` is what a thread and a worker have in common that drive one over a stream: it reads
no byte that belongs to what follows.

No Delphi origin.
"""

from __future__ import annotations

from errno import EAGAIN, ECONNRESET, EINTR

from linuxapi.socketconst import AF_INET, MSG_DONTWAIT, MSG_PEEK

from ._syscalls import get_errno
from ._syscalls import recv as recv_now
from .memorypool import MemoryBlock
from .stream import connection_lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from openssl_api import TlsContext

    from .resolver import Address
    from .stream import Stream

    class Tunnel(Protocol):
        """What is said to the host in between. Used by one thread at a time; what it raises ends the connecting.

        :ivar done: from here on the bytes belong to the peer.
        :ivar again: the connection is of no use for it any more; another one is to be made, and :meth:`start` called.
        """

        done: bool
        again: bool

        def start(self, addresses: list[bytes]) -> bytes:
            """A new connection is there: return what to send first.

            :param addresses: those of the peer, of four or sixteen bytes each, where the detour looks them up.
            """

        def receive(self, data: bytes) -> tuple[int, bytes]:
            """Take in what has arrived; ``b""`` for its end.

            :return: how many of the bytes belong to the tunnel: all, unless it is done; and what to send.
            """

        def pause(self) -> None:
            """Nothing more is there for the moment."""


#: How much is looked at in one step.
_STEP = 4096


class Detour:
    """The host through which a peer is reached.

    :param hostname: its name or literal address.
    :param port: its TCP port.
    :param new_tunnel: makes what is said to it, for each connection anew.
    :param tls_context: speak TLS with it; ``None`` for clear text.
    :param look_up_peer: look up the peer's addresses for the tunnel.
    """

    __slots__ = ("hostname", "look_up_peer", "new_tunnel", "port", "tls_context")

    def __init__(
        self,
        hostname: str,
        port: int,
        new_tunnel: Callable[[], Tunnel],
        *,
        tls_context: TlsContext | None = None,
        look_up_peer: bool = False,
    ) -> None:
        self.hostname = hostname
        self.port = port
        self.new_tunnel = new_tunnel
        self.tls_context = tls_context
        self.look_up_peer = look_up_peer

    def new_stream(self, fd: int, address: Address) -> Stream:
        """Return the stream to the host for a connected descriptor."""
        from .stream import Stream

        if self.tls_context is None:
            return Stream(fd, address)
        from openssl_api import TlsEngine

        from .tls_stream import TlsStream

        return TlsStream(fd, address, TlsEngine(self.tls_context, self.hostname, self.port, descriptor=fd))


def packed_addresses(addresses: Sequence[Address]) -> list[bytes]:
    """Return the bytes of IPv4 and IPv6 addresses, without ports and zones."""
    return [address.sockaddr[4:8] if address.family == AF_INET else address.sockaddr[8:24] for address in addresses]


def advance(stream: Stream, tunnel: Tunnel) -> bool:
    """Go on with a tunnel as far as possible without waiting.

    :param stream: to the host in between, in non-blocking mode.
    :return: ``True`` when it is done, or wants another connection.
    :raises OSError: it failed, or the connection did.
    """
    block = MemoryBlock(_STEP if stream.engine is None else 1)
    while not (tunnel.done or tunnel.again):
        if stream.engine is None:
            # A look, and only then the reading of what turns out to be the tunnel's.
            count: int = recv_now(stream.fd, block.pointer, block.size, MSG_PEEK | MSG_DONTWAIT)
            if count < 0:
                code = get_errno()
                if code == ECONNRESET:
                    count = 0  # an end, too, and the tunnel knows whose it was
                elif code not in (EAGAIN, EINTR):
                    raise connection_lost(code, "receiving")
        else:
            # What has been decrypted can't be put back. Byte by byte, then: there are few.
            count = stream.receive_now(block)
        if count < 0:
            tunnel.pause()
            return False
        used, output = tunnel.receive(bytes(block.view[:count]))
        if stream.engine is None and used:
            recv_now(stream.fd, block.pointer, used, MSG_DONTWAIT)
        if output:
            stream.send(output)
    return True
