"""A look at the connections of a client.

No Delphi origin: each client of the original held one connection.
"""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .pooling.pool import ConnectionPool


@dataclass(frozen=True, slots=True)
class OriginStatistics:
    """The connections to one origin at one moment.

    :ivar open: connections, in use or idle.
    :ivar idle: those of them that no request uses.
    :ivar opening: connections that are being made.
    :ivar waiting: requests that wait for a connection.
    """

    open: int = 0
    idle: int = 0
    opening: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """The connections of a client at one moment; of all clients of its manager, where it shares that one's.

    Each origin is looked at by itself, so the sums may be those of slightly different moments.

    :ivar open: connections, in use or idle.
    :ivar idle: those of them that no request uses.
    :ivar opening: connections that are being made.
    :ivar waiting: requests that wait for a connection.
    :ivar origins: the same by origin, ``"https://example.org:443"``; origins that nothing was asked of for long may be
        missing.
    """

    open: int
    idle: int
    opening: int
    waiting: int
    origins: Mapping[str, OriginStatistics]


def pool_statistics(pool: ConnectionPool | None) -> PoolStatistics:
    """Return the numbers of a pool; ``None`` stands for one without connections."""
    counts = {} if pool is None else pool.statistics()
    open_, idle, opening, waiting = (sum(each[number] for each in counts.values()) for number in range(4))
    return PoolStatistics(
        open_, idle, opening, waiting, {origin: OriginStatistics(*each) for origin, each in counts.items()}
    )
