"""What an HTTP/2 connection has done so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import frame_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..pooling.pool import ConnectionPool
    from .session import Http2Session


@dataclass(frozen=True, slots=True)
class Http2Statistics:
    """One connection at one moment.

    :ivar origin: scheme, host and port.
    :ivar peer: address and port of the server.
    :ivar streams_opened: requests so far.
    :ivar streams_open: requests whose response isn't complete.
    :ivar streams_limit: how many the server allows at once.
    :ivar resets_sent: streams that this side has reset.
    :ivar resets_received: streams that the server has reset.
    :ivar bytes_sent: of frames, before TLS.
    :ivar bytes_received: the same.
    :ivar pings_answered: by the server.
    :ivar round_trip_time: seconds that the last PING took; ``None`` before the first.
    :ivar frames_sent: by type, as ``{"HEADERS": 3}``; empty unless frames are traced.
    :ivar frames_received: the same.
    """

    origin: str
    peer: str
    streams_opened: int
    streams_open: int
    streams_limit: int
    resets_sent: int
    resets_received: int
    bytes_sent: int
    bytes_received: int
    pings_answered: int
    round_trip_time: float | None
    frames_sent: dict[str, int] = field(default_factory=dict)
    frames_received: dict[str, int] = field(default_factory=dict)


def session_statistics(session: Http2Session, origin: str, peer: str) -> Http2Statistics:
    """Return what a session has done, which nobody may use meanwhile."""
    sent, received = session.frame_counts
    return Http2Statistics(
        origin=origin,
        peer=peer,
        streams_opened=session.streams_opened,
        streams_open=session.open_streams,
        streams_limit=session.max_concurrent_streams,
        resets_sent=session.resets_sent,
        resets_received=session.resets_received,
        bytes_sent=session.bytes_sent,
        bytes_received=session.bytes_received,
        pings_answered=session.pings_answered,
        round_trip_time=session.round_trip_time,
        frames_sent={frame_name(kind): count for kind, count in sorted(sent.items())},
        frames_received={frame_name(kind): count for kind, count in sorted(received.items())},
    )


def pool_http2_statistics(pool: ConnectionPool | None) -> list[Http2Statistics]:
    """Return the statistics of every HTTP/2 connection that is open."""
    return [] if pool is None else [connection.statistics() for connection in pool.http2_connections()]
