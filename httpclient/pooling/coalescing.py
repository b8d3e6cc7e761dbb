"""Requests for one host on the HTTP/2 connection of another, where both are the same server (RFC 9113 section 9.1.1).

An option, because it saves handshakes with some sites and is of no use with most. It takes three things: the other
connection's certificate, which has been verified, is for this host as well; this host's name leads to the address that
the other connection is with; and the port is the same. A server that doesn't want it says so with 421.

No Delphi origin.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from socketpool import Address

    from ..http2.connection import Http2Connection
    from .origin import Origin


class SharedElsewhereError(OSError):
    """No connection is needed: there is one of another origin that will do.

    :ivar connection: that one.
    """

    def __init__(self, connection: Http2Connection) -> None:
        super().__init__("another connection is good for this origin, too")
        self.connection = connection


def look_elsewhere(origin: Origin, addresses: Sequence[Address]) -> None:
    """Find a connection of another origin that is good for this one.

    :param addresses: where the host's name leads.
    :raises SharedElsewhereError: there is one.
    """
    places = {address.text for address in addresses}
    for connection in origin.pool.http2_connections():
        other = connection.origin
        if (
            connection.accepts_streams
            and other.tls
            and other.route is None
            and other.port == origin.port
            and connection.peer in places
            and connection.engine is not None
            and (certificate := connection.engine.certificate) is not None
            and certificate.is_for(origin.host)
        ):
            raise SharedElsewhereError(connection)


def may_coalesce(origin: Origin) -> bool:
    """Tell whether an origin is one that may use another's connection."""
    pool = origin.pool
    return bool(
        pool.http2_options.get("coalesce") and origin.tls and origin.route is None and not origin.stands_alone
        and pool.http2 is not False and pool.verifies
    )  # fmt: skip
