"""Ports that don't answer as they should: refused, silent, or different over IPv4 and IPv6."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Literal, NamedTuple

from .scripted import ScriptedServer, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .scripted import Handler

    Behaviour = Handler | Literal["refused", "silent"]

_MANY = 64


@contextlib.contextmanager
def refused_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that refuses connections for as long as the context lasts: bound, but not listening."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as bound:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        yield bound.getsockname()[1]


@contextlib.contextmanager
def silent_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port where connecting neither succeeds nor fails, as behind a firewall that drops packets.

    Linux drops the SYN for a listening socket whose queue of connections to accept is full, so a queue of the
    smallest size is filled and never emptied.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(host, port, backlog=0))
        address = listener.getsockname()
        for _ in range(_MANY):
            filler = stack.enter_context(socket.socket(listener.family))
            filler.settimeout(0.2)
            try:
                filler.connect(address)
            except TimeoutError:
                # The SYN of the filler itself is repeated for as long as it is open, and found a full queue.
                break
        else:
            raise AssertionError(f"the queue of a listening socket took {_MANY} connections")
        yield address[1]


class DualPort(NamedTuple):
    """The same port number on 127.0.0.1 and on ::1.

    :ivar ipv4: the server on 127.0.0.1, where there is one.
    :ivar ipv6: the server on ::1, where there is one.
    """

    port: int
    ipv4: ScriptedServer | None
    ipv6: ScriptedServer | None


@contextlib.contextmanager
def dual_port(ipv4: Behaviour, ipv6: Behaviour) -> Iterator[DualPort]:
    """The same port number with one behaviour over IPv4 and another over IPv6.

    :param ipv4: a handler, ``"refused"`` or ``"silent"``, on 127.0.0.1.
    :param ipv6: the same on ::1.
    """
    with contextlib.ExitStack() as stack:
        for _ in range(_MANY):
            port, server4 = _behave(stack, "127.0.0.1", 0, ipv4)
            try:
                _, server6 = _behave(stack, "::1", port, ipv6)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            yield DualPort(port, server4, server6)
            return
        raise AssertionError("no port number is free on both addresses")


def _behave(
    stack: contextlib.ExitStack, host: str, port: int, behaviour: Behaviour
) -> tuple[int, ScriptedServer | None]:
    if behaviour == "refused":
        return stack.enter_context(refused_port(host, port)), None
    if behaviour == "silent":
        return stack.enter_context(silent_port(host, port)), None
    server = stack.enter_context(ScriptedServer(behaviour, listener=listen(host, port)))
    return server.port, server
