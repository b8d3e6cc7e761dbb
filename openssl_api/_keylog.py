"""The key log: OpenSSL calls back with each line of key material, in the middle of a handshake.

An exception cannot pass through C: what strikes the callback is kept, and raised by whoever made the call into OpenSSL.
"""

from __future__ import annotations

from linuxapi.interrupts import CallbackGuard

from .api import SSL_connect
from .client_api import TKeylogCallback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import c_void_p


class KeyLog:
    """The key log of a context. Thread-safe.

    :param write: called with each line.

    :ivar callback: what OpenSSL calls; it must live as long as the context.
    """

    __slots__ = ("_struck", "callback")

    def __init__(self, write: Callable[[bytes], object]) -> None:
        #: SSL -> what has struck the callback, while a handshake is under way.
        struck = self._struck = dict[int, list[BaseException]]()

        def on_line(ssl: int, line: bytes) -> None:
            try:
                write(line)
            except BaseException as error:
                if ssl in struck:
                    struck[ssl].append(error)

        self.callback = TKeylogCallback(on_line)

    def connect(self, ssl: c_void_p) -> int:
        """Call ``SSL_connect``; return what it returns.

        :raises BaseException: what the callback has raised.
        """
        address = ssl.value or 0
        failures = self._struck[address] = []
        try:
            result = int(CallbackGuard(failures).call(SSL_connect, ssl))
        finally:
            del self._struck[address]
        if failures:
            raise failures.pop()
        return result
