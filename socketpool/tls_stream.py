"""A connected socket with TLS.

Ciphertext is read by OpenSSL itself, straight from the descriptor (one copy less, and no buffer of ours per
connection), but in the middle of a large body, where larger reads than its own save more than a copy costs. It is
written to a memory BIO and sent from there, because OpenSSL's own socket BIO doesn't pass MSG_NOSIGNAL, and because
everything that is pending then goes out in one system call.
"""

from __future__ import annotations

import time
from ctypes import c_void_p
from errno import EAGAIN, EINTR

from linuxapi.socketconst import MSG_DONTWAIT, POLLIN, POLLOUT
from openssl_api.engine import AHEAD

from ._syscalls import get_errno, send_shared
from ._syscalls import recv as recv_now
from ._syscalls import recv_blocking as recv_shared
from ._syscalls import send as send_now
from .errors import ConnectionTimeoutError, TransferTimeoutError
from .stream import _SEND_FLAGS, PEEK, PEEK_POINTER, Stream, callers, connection_lost, free_blocks, read_blocks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openssl_api import TlsEngine

    from .memorypool import MemoryBlock
    from .resolver import Address

#: The most that one record of TLS holds (RFC 8446 section 5.1).
_RECORD_SIZE = 16384

#: How much plaintext is encrypted at once: bounds the memory that a large message takes a second time.
_WRITE_SIZE = 256 * 1024

#: The most that is received at once where several may share the connection: more gives one stream of HTTP/2 a whole
#: window in one go while the others wait.
_READ_SIZE = 256 * 1024

class TlsStream(Stream):
    """A connected socket with TLS: the same operations as :class:`Stream`, on plaintext.

    :param fd: the connected descriptor, in non-blocking mode.
    :param address: the peer.
    :param engine: the TLS connection on it, made with ``descriptor=fd``; the stream owns and closes it.
    """

    __slots__ = ("_drained", "_ended", "_flowing", "_partial", "_stopped", "engine")

    engine: TlsEngine

    def __init__(self, fd: int, address: Address, engine: TlsEngine) -> None:
        self.engine = engine  # first: closing needs it, and nothing is to be closed before there is a descriptor
        super().__init__(fd, address)
        #: Our close_notify has been made.
        self._ended = False
        #: Behind the data that was returned last there is an end or an error, to be met by the next call.
        self._stopped = False
        #: A part of a record was all there was when somebody looked last, and found no data.
        self._partial = False
        #: All that had arrived has been returned, but for a part of a record: epoll announces what follows.
        self._drained = False
        #: More than a record was there at once when somebody received last: a large body is arriving.
        self._flowing = False

    def send(self, data: bytes) -> bool:
        """As :meth:`Stream.send`. What the engine has to say by itself goes out too, and alone with ``b""``."""
        if len(data) > _WRITE_SIZE:
            return [self.send(data[start : start + _WRITE_SIZE]) for start in range(0, len(data), _WRITE_SIZE)][-1]
        try:
            block = free_blocks.pop()
        except IndexError:
            block = read_blocks.request_mem()
        try:
            size = self.engine.write_into(data, block.address, block.size)
            sent = 0
            if size and not self.backlog_size:
                send = send_shared if self._blocking and len(callers) > 1 else send_now
                sent = send(self.fd, block.pointer, size, _SEND_FLAGS)
                if sent == size < block.size:
                    return True
                if sent < 0:
                    code = get_errno()
                    if code not in (EAGAIN, EINTR):
                        raise connection_lost(code, "sending")
                    sent = 0
            if not size:
                return not self.backlog_size
            pieces = [bytes(block.view[sent:size])]
            while size == block.size:
                size = self.engine.drain_into(block.address, block.size)
                pieces.append(bytes(block.view[:size]))
        finally:
            free_blocks.append(block)
        rest = b"".join(pieces)
        if not rest:
            return not self.backlog_size
        self._queue(rest, 0)
        return self.flush()

    def wait_in_sends(self) -> None:
        pass  # encryption takes most of the time

    def send_waiting(self, data: bytes) -> bool:
        return self.send(data)

    def send_two(self, first: bytes, second: bytes) -> bool:
        self.engine.write(first)  # encrypting copies: they needn't be put together before
        return self.send(second)

    def receive(self, block: MemoryBlock, timeout: float) -> int:
        if not self._blocking or timeout != self._receive_timeout:
            self._wait_inside(timeout)
        deadline = time.monotonic() + timeout
        if self._flowing and (count := self._receive_flowing(block, 0, block.size, 0)):
            return count
        count = self.engine.read_into_blocking(block.address, block.size)
        self._drained = False
        if count >= _RECORD_SIZE and self.engine.has_pending():
            # A full record, and more has been read ahead: a large body. Take it along, but don't wait for the rest of
            # a record that is there in part.
            return count + self._receive_flowing(block, count, block.size, MSG_DONTWAIT)
        if count >= 0:
            return count
        # Either the kernel's time limit, a signal, or records without data (tickets, key updates).
        while True:
            if self.engine.pending_output():
                self.send(b"")
            count = self.receive_now(block)
            if count >= 0:
                return count
            if not self.wait(POLLIN, deadline - time.monotonic()):
                raise TransferTimeoutError(f"nothing was received for {timeout:g} s")

    def receive_now(self, block: MemoryBlock, offset: int = 0) -> int:
        if self._flowing and (count := self._receive_flowing(block, offset, _READ_SIZE, MSG_DONTWAIT)):
            return count
        if self._blocking:
            self.set_blocking(False)
        engine = self.engine
        count = engine.read_into(block.address + offset, block.size - offset)
        self._stopped = False
        if count <= 0:
            if engine.pending_output():
                self.send(b"")
            self._partial = count < 0 and not engine.between_records()
            self._drained = count < 0
            return count
        # A record holds at most 16 KiB: take more, if it is there.
        if count < _RECORD_SIZE and not engine.has_pending():
            self._drained = True
            return count
        return count + self._receive_flowing(block, offset + count, _READ_SIZE, MSG_DONTWAIT)

    def _receive_flowing(self, block: MemoryBlock, offset: int, most: int, flags: int) -> int:
        """Receive in the middle of a large body: read many records at once, and have them decrypted from memory.
        OpenSSL reads four at most, and each read tells the peer of new room.

        :param most: how many bytes to read.
        :param flags: without MSG_DONTWAIT, the descriptor must be in blocking mode: then this waits for data.
        :return: 0 where no whole record is there, or only what the other ways of receiving have to see: an end, an
            error, a record without data.
        :raises TransferTimeoutError: nothing has come within the descriptor's time limit.
        """
        self._flowing = False
        engine = self.engine
        plaintext = block.address + offset
        ciphertext = plaintext + AHEAD
        size = min(block.size - offset - AHEAD, most)
        if size < _RECORD_SIZE:
            self._drained = False
            return 0
        received = recv_shared(self.fd, c_void_p(ciphertext), size, flags)
        ended = received == 0
        if received < 0:
            received = 0
            code = get_errno()
            if code == EAGAIN:
                if not flags:
                    raise TransferTimeoutError(f"nothing was received for {self._receive_timeout:g} s")
            elif code != EINTR:
                engine.lose(code)
                ended = True
        count, last = engine.read_received_into(plaintext, AHEAD + received, ciphertext, received)
        self._stopped = ended or not last
        self._drained = last < 0
        self._flowing = count >= _RECORD_SIZE and not self._stopped
        if last < 0:
            self._partial = not engine.between_records()
            if engine.pending_output():
                self.send(b"")
        return count

    def is_quiet(self) -> bool:
        # As in Stream: super() costs as much as the look.
        quiet = recv_now(self.fd, PEEK_POINTER, 1, PEEK) < 0 and get_errno() == EAGAIN
        if quiet and not self._partial and not self.engine.has_pending():
            return True
        # Something is there: session tickets are fine and expected, everything else is not.
        block = read_blocks.request_mem()
        try:
            # Nor may there be a part of a record: its rest would come when somebody waits for an answer.
            return self.receive_now(block) < 0 and not self._partial
        except OSError:
            return False
        finally:
            read_blocks.release_mem(block)

    @property
    def has_buffered_input(self) -> bool:
        return self._stopped or (not self._drained and self.engine.has_pending())

    @property
    def truncated(self) -> bool:
        return self.engine.truncated

    def handshake_step(self) -> bool:
        try:
            done = self.engine.handshake()
        except OSError:
            try:
                self.send(b"")  # the alert tells the peer why
            except OSError:
                pass  # the first error is the one that explains
            raise
        self.send(b"")
        return done

    def handshake(self, deadline: float) -> None:
        while not self.handshake_step():
            events = POLLIN | POLLOUT if self.backlog_size else POLLIN
            if not self.wait(events, deadline - time.monotonic()):
                raise self._late()
            if self.backlog_size:
                self.flush()
        # Who only receives from here on would never send the rest, for which the peer may be waiting.
        while self.backlog_size and not self.flush():
            if not self.wait(POLLOUT, deadline - time.monotonic()):
                raise self._late()

    def _late(self) -> ConnectionTimeoutError:
        return ConnectionTimeoutError(
            f"the TLS handshake with {self.address.text} was not finished within the connect time limit"
        )

    def say_goodbye(self) -> None:
        # RFC 8446 section 6.1. As far as the kernel takes it: nobody waits for a goodbye.
        try:
            if not self._ended:  # OpenSSL would take a second one for a wish to hear the peer's
                self._ended = True
                self.engine.shutdown()
            if not self.backlog_size:
                self.send(b"")
        except OSError:
            pass

    def close(self) -> None:
        super().close()
        self.engine.close()

    def abandon(self) -> None:
        # Another thread may have been inside OpenSSL with it at the fork: freeing it is not safe.
        _abandoned.append(self.engine)
        super().abandon()


#: Engines of the parent, in a forked child.
_abandoned: list[TlsEngine] = []
