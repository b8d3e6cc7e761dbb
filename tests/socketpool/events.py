"""Listens to all events of one connection, and checks the rule that they obey: one at a time, in order, once ended."""

from __future__ import annotations

import threading
from collections.abc import Callable

from socketpool import TgoSocketConnection

#: How long something may take that has to happen, in seconds: long enough to mean "never".
LIMIT = 10.0


class Events:
    """The events of a connection, written down as they are called.

    :param connection: whose events these are; they are taken from here on.
    :param connected: called with the connection in the event of that name, after it is written down; so are the
        others, *received* and *sent* with the data as well.

    :ivar names: the events so far, in order.
    :ivar received: the data of all ``on_recv``.
    :ivar sent: the data of each ``on_sent``.
    :ivar errors: violations of the rule.
    """

    def __init__(
        self,
        connection: TgoSocketConnection,
        *,
        connected: Callable[[TgoSocketConnection], object] | None = None,
        received: Callable[[TgoSocketConnection, bytes], object] | None = None,
        sent: Callable[[TgoSocketConnection, bytes], object] | None = None,
        disconnected: Callable[[TgoSocketConnection], object] | None = None,
    ) -> None:
        self.connection = connection
        self.names: list[str] = []
        self.received = bytearray()
        self.sent: list[bytes] = []
        self.threads: set[int] = set()
        self.errors: list[str] = []
        self._actions: dict[str, Callable[..., object] | None] = {
            "connected": connected,
            "recv": received,
            "sent": sent,
            "disconnected": disconnected,
        }
        #: The threads that are in an event; one that ends the connection from an event is in two.
        self._busy: list[int] = []
        self._changed = threading.Condition()
        connection.on_connected = lambda: self._called("connected")
        connection.on_recv = lambda data: self._called("recv", data)
        connection.on_sent = lambda data: self._called("sent", data)
        connection.on_disconnected = lambda: self._called("disconnected")

    def _called(self, name: str, *data: bytes) -> None:
        thread = threading.get_ident()
        with self._changed:
            if any(busy != thread for busy in self._busy):
                self.errors.append(f"{name} while another event was running")
            if "disconnected" in self.names:
                self.errors.append(f"{name} after the connection had ended")
            if name == "connected" and self.names:
                self.errors.append(f"connected after {self.names}")
            self._busy.append(thread)
            self.threads.add(thread)
            self.names.append(name)
            if name == "recv":
                self.received += data[0]
            elif name == "sent":
                self.sent.append(data[0])
            self._changed.notify_all()
        try:
            action = self._actions[name]
            if action is not None:
                action(self.connection, *data)
        finally:
            with self._changed:
                self._busy.pop()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds, looking after each event."""
        with self._changed:
            done = self._changed.wait_for(condition, LIMIT)
        assert done, f"events so far: {self.summary()}, error: {self.connection.error!r}"
        assert self.errors == []

    def wait_for(self, name: str, count: int = 1) -> None:
        """Wait until the event of that name has been called *count* times."""
        self.wait_until(lambda: self.names.count(name) >= count)

    def wait_for_data(self, size: int) -> bytes:
        """Wait until that many bytes have been received, and return all of them."""
        self.wait_until(lambda: len(self.received) >= size)
        return bytes(self.received)

    def summary(self) -> list[str]:
        """Return the events, with repetitions of the same one left out."""
        return [name for index, name in enumerate(self.names) if index == 0 or name != self.names[index - 1]]
