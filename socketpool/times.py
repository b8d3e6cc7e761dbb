"""When a connection was made, step by step."""

from __future__ import annotations

import time


class ConnectTimes:
    """The moments of becoming connected, in seconds of ``time.monotonic()``; 0 for what hasn't happened.

    :ivar started: somebody wanted a connection.
    :ivar looked_up: the addresses were known.
    :ivar connected: TCP was connected; with a host in between, to that one.
    :ivar established: everything was done, TLS and what a host in between asks for included.
    """

    __slots__ = ("connected", "established", "looked_up", "started")

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.looked_up = self.connected = self.established = 0.0
