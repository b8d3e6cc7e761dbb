"""What can go wrong below a protocol: name lookup, connecting, sending and receiving.

Every error is an :class:`OSError`, so code that catches what ``socket`` raises catches these too.
"""

from __future__ import annotations


class SocketPoolError(OSError):
    """Root of the errors of this package."""


class NameLookupError(SocketPoolError):
    """A host name could not be resolved to an address.

    :ivar hostname: the name.
    """

    hostname = ""


class ConnectionFailedError(SocketPoolError, ConnectionError):
    """No address of the peer could be connected; the message says what each attempt met."""


class ConnectionTimeoutError(SocketPoolError, TimeoutError):
    """Looking up, connecting or the TLS handshake took longer than the connect time limit."""


class TransferTimeoutError(SocketPoolError, TimeoutError):
    """Nothing could be received, or nothing more sent, within the time limit."""


class ConnectionLostError(SocketPoolError, ConnectionError):
    """The peer reset the connection, or it failed while data was being moved."""


class ManagerClosedError(SocketPoolError):
    """The connection or its manager was closed by this side while it was in use."""
