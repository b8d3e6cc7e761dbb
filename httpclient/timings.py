"""Where the time of a request went. No Delphi origin."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import ConnectTimes

    from .exchange import Exchange


class Timings:
    """The seconds that each phase of a request took. Immutable.

    They are about the attempt that led to the response; :attr:`total` covers redirects, challenges and repeats before
    it, too. What was spared because a connection was there already is 0.

    :param exchange: the attempt.
    :param started: when the call began, in ``time.monotonic()`` seconds.
    :param ended: when the response was complete, likewise.

    :ivar waiting: in the queue for a connection.
    :ivar lookup: the name lookup.
    :ivar connect: TCP, to the fastest of the addresses; where there is a proxy, to that one.
    :ivar tls: the TLS handshake, and what is said to a proxy.
    :ivar response: from then on until the head of the response was there: sending the request, and the server's work.
    :ivar body: from the head to the end of the body; 0 for a stream, whose pace is that of its reader.
    :ivar total: from the call to the end of the response; of its head, for a stream.
    """

    __slots__ = ("body", "connect", "lookup", "response", "tls", "total", "waiting")

    def __init__(self, exchange: Exchange, started: float, ended: float) -> None:
        times: ConnectTimes | None = getattr(exchange, "times", None)
        self.waiting: float = getattr(exchange, "waited", 0.0)
        self.lookup = self.connect = self.tls = 0.0
        ready = getattr(exchange, "began", started) + self.waiting
        if times is not None:
            self.lookup = times.looked_up - times.started
            self.connect = times.connected - times.looked_up
            self.tls = times.established - times.connected
            ready = times.established
        head_at = getattr(exchange, "head_at", ready)
        self.response = max(0.0, head_at - ready)
        self.body = max(0.0, ended - head_at)
        self.total = ended - started

    def __repr__(self) -> str:
        return f"<Timings {', '.join(f'{name}={getattr(self, name):.6f}' for name in self.__slots__)}>"
