"""TLS inside of TLS: with the peer, through a host in between with whom TLS is spoken as well.

Ciphertext for the peer is plaintext for the host in between. It passes through memory: the inner engine has no
descriptor to read from.
"""

from __future__ import annotations

import time

from linuxapi.socketconst import POLLIN

from .errors import TransferTimeoutError
from .stream import Stream, read_blocks
from .tls_stream import _RECORD_SIZE, _WRITE_SIZE, TlsStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openssl_api import TlsEngine

    from .memorypool import MemoryBlock


class NestedTlsStream(TlsStream):
    """TLS over a stream with TLS: the same operations, on the inner plaintext.

    :param outer: to the host in between, its handshake done; belongs to this stream from here on.
    :param engine: the TLS connection with the peer, made without a descriptor.
    """

    __slots__ = ("_more", "_outer")

    def __init__(self, outer: TlsStream, engine: TlsEngine) -> None:
        self._outer = outer  # first: closing needs it
        super().__init__(outer.fd, outer.address, engine)
        #: There may be data in memory that no ``receive`` has returned.
        self._more = True
        self._count()

    def _count(self) -> None:
        """What waits to be sent waits in the outer stream."""
        self.backlog_size = self._outer.backlog_size
        self.queued = self._outer.queued

    def send(self, data: bytes) -> bool:
        engine, outer = self.engine, self._outer
        try:
            for start in range(0, len(data), _WRITE_SIZE):
                engine.write(data[start : start + _WRITE_SIZE])
            if engine.pending_output():
                block = read_blocks.request_mem()
                try:
                    while size := engine.drain_into(block.address, block.size):
                        outer.engine.write(bytes(block.view[:size]))
                finally:
                    read_blocks.release_mem(block)
            return outer.send(b"")
        finally:
            self._count()

    def flush(self) -> bool:
        try:
            return self._outer.flush()
        finally:
            self._count()

    def receive(self, block: MemoryBlock, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while True:
            count = self.receive_now(block)
            if count >= 0:
                return count
            if not self.wait(POLLIN, deadline - time.monotonic()):
                raise TransferTimeoutError(f"nothing was received for {timeout:g} s")

    def receive_now(self, block: MemoryBlock, offset: int = 0) -> int:
        engine = self.engine
        total = 0
        room = block.size - offset
        while not total or room - total >= _RECORD_SIZE:
            try:
                count = engine.read_into(block.address + offset + total, room - total)
            except OSError:
                if not total:
                    raise
                break  # and the next call meets it again
            if count > 0:
                total += count
                continue
            if count == 0:
                if not total:
                    return 0
                break
            if engine.pending_output():
                self.send(b"")
            try:
                fed = self._feed()
            except OSError:
                if not total:
                    raise
                break
            if not fed:
                self._more = False
                self._partial = self._outer._partial or not engine.between_records()
                return total or -1
        self._more = True
        return total

    def _feed(self) -> bool:
        """Give the inner engine what has arrived. ``False`` if nothing has."""
        engine, outer = self.engine, self._outer
        block = read_blocks.request_mem()
        try:
            count = outer.receive_now(block)
            if count > 0:
                engine.feed(block.address, count)
            elif count == 0:
                engine.feed_eof()
        finally:
            read_blocks.release_mem(block)
            self._count()
        return count >= 0

    def is_quiet(self) -> bool:
        if Stream.is_quiet(self) and not self._more and not self._partial:
            return True
        block = read_blocks.request_mem()
        try:
            return self.receive_now(block) < 0 and not self._partial
        except OSError:
            return False
        finally:
            read_blocks.release_mem(block)

    @property
    def has_buffered_input(self) -> bool:
        return self._more

    def handshake_step(self) -> bool:
        while not super().handshake_step():
            if not self._feed():
                return False
        return True

    def say_goodbye(self) -> None:
        super().say_goodbye()
        self._outer.say_goodbye()
        self._count()

    def close(self) -> None:
        self.fd = -1
        self._outer.close()
        self.engine.close()

    def abandon(self) -> None:
        super().abandon()
        self._outer.fd = -1
        self._outer.abandon()
