"""Host names to socket addresses, with a time limit.

``getaddrinfo`` blocks for as long as the system's resolver pleases, so it runs in a thread of its own, and whoever
asked stops waiting when the time is up, or when the connection isn't wanted any more. Literal addresses and
``localhost`` need no thread. Look-ups of the same name that overlap share one thread, so a resolver that hangs costs
one thread per name, not one per request.

No Delphi origin: the original calls ``gethostbyname``, takes the first IPv4 address and waits without limit.
"""

from __future__ import annotations

import sys
import threading
from functools import lru_cache

from linuxapi.socketconst import AF_INET, AF_INET6

from .errors import NameLookupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: Gets the addresses, or what went wrong.
    Listener = Callable[[list["Address"], OSError | None], object]


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


@lru_cache(256)
def literal_address(host: str, port: int) -> Address | None:
    """Return the address that *host* spells out, or ``None`` where it is a name (or has a zone id).

    The same object for the same address, as a rule, since nothing changes it: there may be thousands of connections.
    """
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


def known_addresses(host: str, port: int) -> list[Address] | None:
    """Return the addresses of a host that no resolver has to be asked for; ``None`` where one has to."""
    literal = literal_address(host, port)
    if literal is not None:
        return [literal]
    # RFC 6761 section 6.3: these names always mean the loopback addresses, whatever a resolver would say.
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return [ipv6_address(bytes(15) + b"\1", port, "::1"), ipv4_address(b"\x7f\0\0\1", port, "127.0.0.1")]
    return None


class Lookup:
    """One running ``getaddrinfo`` and those who wait for it. All methods may be called from any thread."""

    __slots__ = ("_addresses", "_cause", "_host", "_listeners", "_lock", "_problem")

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._addresses: list[Address] = []
        self._problem = ""
        self._cause: BaseException | None = None
        #: ``None`` once there is an answer.
        self._listeners: list[Listener] | None = []

    def add(self, listener: Listener) -> None:
        """Have *listener* called with the answer: at once if it is there, or else from another thread."""
        with self._lock:
            if self._listeners is not None:
                self._listeners.append(listener)
                return
        self._tell(listener)

    def forget(self, listener: Listener) -> None:
        """Somebody doesn't wait any more: a resolver that hangs must not hold on to all who ever asked."""
        with self._lock:
            if self._listeners is not None and listener in self._listeners:
                self._listeners.remove(listener)

    def finish(self, addresses: list[Address], problem: str = "", cause: BaseException | None = None) -> None:
        """The answer is there: tell those who wait."""
        with self._lock:
            self._addresses = addresses
            self._problem = problem
            self._cause = cause
            listeners, self._listeners = self._listeners, None
        for listener in listeners or ():
            self._tell(listener)

    def _tell(self, listener: Listener) -> None:
        if self._addresses:
            listener(self._addresses, None)
            return
        # An error of their own for each: whoever raises it adds its traceback.
        error = NameLookupError(f"cannot resolve the host name {self._host!r}: {self._problem}")
        error.hostname = self._host
        error.__cause__ = self._cause
        listener([], error)


_running: dict[tuple[str, int], Lookup] = {}
_running_lock = threading.Lock()


def reset_after_fork() -> None:
    """In a forked child: forget the look-ups whose threads stayed in the parent."""
    global _running_lock
    _running_lock = threading.Lock()
    _running.clear()


def _getaddrinfo(host: str, port: int) -> list[Address]:
    import socket

    addresses = []
    # No IPv6 addresses where this machine has none itself.
    flags = socket.AI_ADDRCONFIG
    for family, _, _, _, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags):
        if family == AF_INET:
            addresses.append(ipv4_address(socket.inet_aton(str(sockaddr[0])), port, str(sockaddr[0])))
        elif family == AF_INET6:
            text = str(sockaddr[0]).partition("%")[0]
            packed = socket.inet_pton(AF_INET6, text)
            scope_id = int(sockaddr[3])  # type: ignore[misc]
            if scope_id:
                text += f"%{scope_id}"
            addresses.append(ipv6_address(packed, port, text, int(sockaddr[2]), scope_id))  # type: ignore[misc]
    return addresses


def _run(key: tuple[str, int], lookup: Lookup) -> None:
    addresses: list[Address] = []
    problem = "it has no address"
    cause = None
    try:
        addresses = _getaddrinfo(*key)
    except Exception as error:
        # Besides the resolver's own errors, names that cannot be one: too long, with NUL inside, ...
        problem = getattr(error, "strerror", None) or str(error)
        cause = error
    with _running_lock:
        if _running.get(key) is lookup:
            del _running[key]
    lookup.finish(addresses, problem, cause)


def look_up(host: str, port: int, listener: Listener) -> Lookup:
    """Have *listener* called with the addresses of *host*, in the order in which to try them, or with an error.

    :param host: a name, or an address with a zone id.
    :return: the look-up under way, for those who want to be forgotten.
    """
    key = host, port
    with _running_lock:
        lookup = _running.get(key)
        started = lookup is not None
        if lookup is None:
            lookup = _running[key] = Lookup(host)
    lookup.add(listener)
    if not started:
        try:
            threading.Thread(target=_run, args=(key, lookup), name=f"resolve {host}", daemon=True).start()
        except RuntimeError as error:  # too many threads
            with _running_lock:
                _running.pop(key, None)
            lookup.finish([], str(error), error)
    return lookup


class Answer:
    """The addresses of a host, for a thread that waits for them.

    :param host: a name, or an address with a zone id.
    """

    __slots__ = ("_addresses", "_error", "_event", "_lookup")

    def __init__(self, host: str, port: int) -> None:
        self._event = threading.Event()
        self._addresses: list[Address] = []
        self._error: OSError | None = None
        self._lookup = look_up(host, port, self._answered)

    def _answered(self, addresses: list[Address], error: OSError | None) -> None:
        self._addresses = addresses
        self._error = error
        self._event.set()

    def wait(self, timeout: float) -> list[Address]:
        """Wait for the addresses.

        :param timeout: seconds.
        :return: the addresses, in the order in which to try them; none if there was no answer.
        :raises NameLookupError: the name has no address, or the resolver failed.
        """
        try:
            self._event.wait(min(max(timeout, 0.0), threading.TIMEOUT_MAX))
        finally:
            self._lookup.forget(self._answered)
        if self._error is not None:
            raise self._error
        return self._addresses

    def give_up(self) -> None:
        """Have :meth:`wait` return without an answer. Any thread may call this."""
        self._event.set()
