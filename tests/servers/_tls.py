"""The server's end of TLS over a socket, by Python's ``ssl`` in memory.

Unlike an ``SSLSocket`` it can end its side of the stream (close_notify) without touching the other side, and the
socket below stays free for bytes that aren't TLS.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from tests.certificates import Identity

_CHUNK = 1 << 16


class TlsStream:
    """TLS over a connected socket; it blocks where the socket does.

    :ivar close_notify: whether the client has ended its side in order.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.close_notify = False
        self._socket = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def handshake(self) -> None:
        """Do the handshake; where it fails, the client gets the alert."""
        while not self._try_handshake():
            if not self._receive():
                raise ssl.SSLEOFError("the client closed the connection in the handshake")

    def recv(self, size: int) -> bytes:
        """Return clear text, or ``b""`` at the end, in order (:attr:`close_notify`) or not."""
        while True:
            data = self._read(size)
            if data is not None:
                return data
            if not self._receive():
                return b""

    def sendall(self, data: bytes) -> None:
        """Encrypt and send all of *data*."""
        for start in range(0, len(data), _CHUNK):
            self.tls.write(data[start : start + _CHUNK])
            self._flush()

    def end(self) -> bytes:
        """Send close_notify, and return the clear text that had arrived before."""
        arrived = b""
        while data := self._read(_CHUNK):
            arrived += data
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            # It has sent its own close_notify and wants the client's.
            pass
        finally:
            self._flush()
        return arrived

    def _try_handshake(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    def _read(self, size: int) -> bytes | None:
        try:
            data = self.tls.read(size)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            data = b""
        finally:
            # Reading may write: an alert, or the answer to a KeyUpdate.
            self._flush()
        self.close_notify = not data
        return data

    def _receive(self) -> bool:
        data = self._socket.recv(_CHUNK)
        self._incoming.write(data)
        return bool(data)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._socket.sendall(self._outgoing.read())


def tls_context(
    identity: Identity,
    *,
    alpn: Sequence[str] = (),
    client_ca: Path | None = None,
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """Return a context for one :class:`.scripted.ScriptedServer`.

    :param alpn: the protocols it accepts, the preferred one first.
    :param client_ca: the file of an authority: a client certificate of its is required then.
    :param maximum: the newest version of TLS it speaks.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key, identity.password or None)
    context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(alpn)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context
