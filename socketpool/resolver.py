"""Host names to socket addresses, with a time limit.

``getaddrinfo`` blocks for as long as the system's resolver pleases, so it runs in a thread of its own, and whoever
asked stops waiting when the time is up. Literal addresses need no thread. Look-ups of the same name that overlap
share one thread, so a resolver that hangs costs one thread per name, not one per request.

No Delphi origin: the original calls ``gethostbyname``, takes the first IPv4 address and waits without limit.
"""

from __future__ import annotations

import sys
import threading
import time

from linuxapi.syssocket import AF_INET, AF_INET6

from .errors import ConnectionTimeoutError, NameLookupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Address:
    """One address to connect to.

    :ivar family: ``AF_INET``, ``AF_INET6`` or ``AF_UNIX``.
    :ivar sockaddr: the C structure, as bytes.
    :ivar text: for messages: ``127.0.0.1:80``, ``[::1]:80``.
    """

    __slots__ = ("family", "sockaddr", "text")

    def __init__(self, family: int, sockaddr: bytes, text: str) -> None:
        self.family = family
        self.sockaddr = sockaddr
        self.text = text

    def __repr__(self) -> str:
        return f"<Address {self.text}>"


def ipv4_address(packed: bytes, port: int, text: str) -> Address:
    """Return the ``sockaddr_in`` of four address bytes and a port."""
    return Address(
        AF_INET, AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + packed + bytes(8), f"{text}:{port}"
    )


def ipv6_address(packed: bytes, port: int, text: str, flowinfo: int = 0, scope_id: int = 0) -> Address:
    """Return the ``sockaddr_in6`` of sixteen address bytes, a port and, for link-local addresses, a scope."""
    sockaddr = (
        AF_INET6.to_bytes(2, sys.byteorder)
        + port.to_bytes(2, "big")
        + flowinfo.to_bytes(4, "big")
        + packed
        + scope_id.to_bytes(4, sys.byteorder)
    )
    return Address(AF_INET6, sockaddr, f"[{text}]:{port}")


def literal_address(host: str, port: int) -> Address | None:
    """Return the address that *host* spells out, or ``None`` where it is a name (or has a zone id)."""
    if ":" in host:
        if "%" in host:
            return None  # a zone's name is for getaddrinfo to turn into a number
        packed = _parse_ipv6(host)
        return None if packed is None else ipv6_address(packed, port, host)
    parts = host.split(".")
    if len(parts) != 4:
        return None
    try:
        # Only the plain form: "010.1" and "1" mean an address to inet_aton, and something else to the reader.
        if any(not part.isascii() or not part.isdigit() or (part[0] == "0" and len(part) > 1) for part in parts):
            return None
        return ipv4_address(bytes(map(int, parts)), port, host)
    except ValueError:
        return None


def _parse_ipv6(host: str) -> bytes | None:
    import _socket  # the C part of `socket`, whose Python part costs more to import than a whole request

    try:
        return _socket.inet_pton(AF_INET6, host)
    except (OSError, ValueError):
        return None


class _Lookup:
    """One running ``getaddrinfo`` and those who wait for it."""

    __slots__ = ("addresses", "done", "error", "listeners", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.addresses: list[Address] = []
        self.error: OSError | None = None
        self.listeners: list[Callable[[list[Address], OSError | None], object]] = []


_running: dict[tuple[str, int], _Lookup] = {}
_running_lock = threading.Lock()


def reset_after_fork() -> None:
    """In a forked child: forget the look-ups whose threads stayed in the parent."""
    global _running_lock
    _running_lock = threading.Lock()
    _running.clear()


def _getaddrinfo(host: str, port: int) -> list[Address]:
    import socket

    addresses = []
    for family, _, _, _, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG):
        if family == AF_INET:
            addresses.append(ipv4_address(socket.inet_aton(str(sockaddr[0])), port, str(sockaddr[0])))
        elif family == AF_INET6:
            text = str(sockaddr[0])
            packed = socket.inet_pton(AF_INET6, text.partition("%")[0])
            addresses.append(ipv6_address(packed, port, text, int(sockaddr[2]), int(sockaddr[3])))  # type: ignore[misc]
    return addresses


def _run(key: tuple[str, int], lookup: _Lookup) -> None:
    host, port = key
    try:
        lookup.addresses = _getaddrinfo(host, port)
        if not lookup.addresses:
            lookup.error = NameLookupError(f"cannot resolve the host name {host!r}: it has no address")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        lookup.error = NameLookupError(f"cannot resolve the host name {host!r}: {reason}")
        lookup.error.__cause__ = error
    with _running_lock:
        if _running.get(key) is lookup:
            del _running[key]
    with lookup.lock:
        lookup.done.set()
        listeners, lookup.listeners = lookup.listeners, []
    for listener in listeners:
        listener(lookup.addresses, lookup.error)


def _start(host: str, port: int) -> _Lookup:
    key = host, port
    with _running_lock:
        lookup = _running.get(key)
        if lookup is not None:
            return lookup
        lookup = _running[key] = _Lookup()
    try:
        threading.Thread(target=_run, args=(key, lookup), name=f"resolve {host}", daemon=True).start()
    except BaseException:
        with _running_lock:
            _running.pop(key, None)
        raise
    return lookup


def resolve(host: str, port: int, deadline: float) -> list[Address]:
    """Return the addresses of *host*, in the order in which to try them.

    :param host: a name or a literal IPv4 or IPv6 address.
    :param deadline: when to give up, in ``time.monotonic()`` seconds.
    :raises NameLookupError: the name has no address, or the resolver failed.
    :raises ConnectionTimeoutError: the resolver did not answer in time.
    """
    literal = literal_address(host, port)
    if literal is not None:
        return [literal]
    lookup = _start(host, port)
    if not lookup.done.wait(max(0.0, deadline - time.monotonic())):
        raise ConnectionTimeoutError(f"the host name {host!r} was not resolved within the connect time limit")
    if lookup.error is not None:
        raise NameLookupError(str(lookup.error)) from lookup.error
    return lookup.addresses


def resolve_later(host: str, port: int, listener: Callable[[list[Address], OSError | None], object]) -> None:
    """Have *listener* called with the addresses of *host*, or an error: at once, or from another thread."""
    literal = literal_address(host, port)
    if literal is not None:
        listener([literal], None)
        return
    lookup = _start(host, port)
    with lookup.lock:
        if not lookup.done.is_set():
            lookup.listeners.append(listener)
            return
    listener(lookup.addresses, lookup.error)
