"""One TLS client connection, without its socket: ciphertext in and out through memory.

The owner moves the bytes: :meth:`TlsEngine.handshake` until it says ``True``, then :meth:`TlsEngine.write` and
:meth:`TlsEngine.read_into`; after each of them, and also after a failure, :meth:`TlsEngine.drain_into` yields what has
to be sent. As a short cut the engine can read from the connection's descriptor itself.

An engine is used by one thread at a time; the GIL does not give that. Different engines are independent.

OpenSSL's error queue
    ``SSL_get_error`` looks at the thread's error queue before anything else. What another library left in there
    would turn "would block" into "failed", so the books say to clear the queue before each call, which would cost
    as much as the calls themselves. Here nothing is cleared before reading and writing, because a result above 0
    is final without looking at the queue. Only when ``SSL_get_error`` reports an error, the queue is read, which
    empties it, and the call is made once more: after an error of its own OpenSSL refuses to go on (and the errors
    read first are reported), but an error of somebody else's is gone, and the second answer is the right one.

No Delphi origin as a class; it is the part of ``TgoOpenSSL`` below its events.
"""

from __future__ import annotations

from ctypes import ArgumentError, c_void_p

from linuxapi._libc import get_errno
from linuxapi.binding import bind_untyped

from ._failures import (
    are_about_tls,
    handshake_error,
    is_end_of_transport,
    is_refused_renegotiation,
    joined,
    place,
    transfer_error,
    transport_error,
)
from ._library import VERSION, libcrypto, libssl
from ._negotiated import NONE, Negotiated
from ._peer import set_server
from .api import (
    BIO_NOCLOSE,
    SSL_ERROR_SSL,
    SSL_ERROR_SYSCALL,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_ZERO_RETURN,
    BIO_ctrl,
    BIO_free,
    BIO_new,
    BIO_new_mem_buf,
    BIO_new_socket,
    BIO_s_mem,
    SSL_connect,
    SSL_free,
    SSL_set_bio,
    SSL_shutdown,
)
from .client_api import (
    BIO_C_SET_BUF_MEM_EOF_RETURN,
    SSL_RECEIVED_SHUTDOWN,
    SSL_SENT_SHUTDOWN,
    BIO_ctrl_pending,
    BIO_up_ref,
    ERR_clear_error,
    SSL_get_rbio,
    SSL_rstate_string,
    SSL_set0_rbio,
    SSL_set0_wbio,
    SSL_set_alpn_protos,
    SSL_set_session,
    SSL_set_shutdown,
)
from .context import READ_BUFFER_SIZE, alpn_wire
from .errors import TlsError, queued_errors, queued_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._sessions import Session
    from .context import TlsContext

# The hot path, bound without argtypes, which halves the cost of a call. Handles and addresses are c_void_p objects,
# sizes are below 2**31. They keep the GIL: they work on memory, or on a socket that does not block.
_SSL_read = bind_untyped(libssl, "SSL_read")
_SSL_read_blocking = bind_untyped(libssl, "SSL_read", hold_gil=False)
_SSL_write = bind_untyped(libssl, "SSL_write")
_SSL_write_large = bind_untyped(libssl, "SSL_write", hold_gil=False)
_SSL_has_pending = bind_untyped(libssl, "SSL_has_pending")
_SSL_get_error = bind_untyped(libssl, "SSL_get_error")
_SSL_free_buffers = bind_untyped(libssl, "SSL_free_buffers")
_BIO_read = bind_untyped(libcrypto, "BIO_read")
_BIO_write = bind_untyped(libcrypto, "BIO_write")

#: From this size on, encryption takes long enough (some 50 us) to let other threads run meanwhile.
_LARGE = 64 * 1024
#: The most that one SSL_write is given; its size is a C int.
_WRITE_LIMIT = 1 << 30

#: More than OpenSSL has ever read ahead.
AHEAD = 80 * 1024
assert AHEAD > READ_BUFFER_SIZE

#: The kind of BIO that keeps what is written to it.
_MEMORY = BIO_s_mem()

#: SSL_free_buffers looks itself whether a part of a record is in them: since CVE-2024-4741.
_LOOKS = {0x300: 0x300000E0, 0x301: 0x30100060, 0x302: 0x30200020}.get(VERSION >> 20, 0x30300010) <= VERSION

#: The results of SSL_get_error that end a connection.
_FAILURES = (SSL_ERROR_SSL, SSL_ERROR_SYSCALL)


class TlsEngine(Negotiated):
    """One TLS client connection: verified, encrypted, and without any I/O but the reading that it is asked to do.

    For one thread at a time.

    :param context: what this connection shares with others. May be closed before the engine.
    :param host: the server's name, or its IP address: what its certificate must be for, and what SNI asks for
        (a name only, RFC 6066 section 3).
    :param port: its port: together with *host*, the place whose sessions are resumed.
    :param descriptor: a connected socket to read from, which stays the caller's, and must not block during the
        handshake. Without one (-1), ciphertext comes through :meth:`feed`.
    :param alpn: the application protocols to offer, instead of the context's.
    :raises TlsConfigurationError: *host* is neither a name nor an address.

    No Delphi origin.
    """

    __slots__ = (
        "_failed",
        "_feedable",
        "_grown",
        "_offered_session",
        "_pointer",
        "_problem",
        "_readable",
        "_ssl",
        "_wbio",
        "truncated",
    )

    def __init__(
        self, context: TlsContext, host: str, port: int, *, descriptor: int = -1, alpn: tuple[bytes, ...] | None = None
    ) -> None:
        super().__init__(context, host, port, context.alpn if alpn is None else alpn)
        self._ssl = NONE  # the SSL, once data may pass
        self._readable = NONE  # the SSL, once data has come
        self._wbio = NONE
        self._feedable = NONE
        self._failed = False
        self._grown = False
        #: What is to be resumed; until the handshake is finished.
        self._offered_session: Session | None = None
        self._pointer = c_void_p()
        self._problem: TlsError | None = None
        #: The stream ended without close_notify: somebody may have cut it short (RFC 8446 section 6.1).
        self.truncated = False

        ssl = context.new_connection()
        self._handle = c_void_p(ssl)
        try:
            name = set_server(ssl, host, verify=context.verify)
            self._set_bios(ssl, descriptor)
            if alpn is not None:
                wire = alpn_wire(alpn)
                if SSL_set_alpn_protos(ssl, wire, len(wire)):
                    raise TlsError(f"OpenSSL did not take the ALPN protocols: {queued_reason()}")
            if context.resumption:
                self._place = name, port
                session = self._offered_session = context.sessions.take(self._place)
                if session is not None:
                    SSL_set_session(ssl, session.pointer)
        except BaseException:
            self.close()
            ERR_clear_error()
            raise

    def _set_bios(self, ssl: int, descriptor: int) -> None:
        wbio = BIO_new(_MEMORY)
        rbio = BIO_new(_MEMORY) if descriptor < 0 else BIO_new_socket(descriptor, BIO_NOCLOSE)
        if not wbio or not rbio:
            BIO_free(wbio)
            BIO_free(rbio)
            raise TlsError(f"OpenSSL could not make a buffer: {queued_reason()}")
        SSL_set_bio(ssl, rbio, wbio)  # the SSL owns them from here on
        self._wbio = c_void_p(wbio)
        if descriptor < 0:
            self._feedable = c_void_p(rbio)

    # --- Handshake --------------------------------------------------------------------------------------------------

    def handshake(self) -> bool:
        """Take the handshake as far as the input allows. Drain the output after it, even when it raises.

        Releases the GIL.

        :return: ``True`` when the connection is established; ``False`` if more input is needed.
        :raises TlsCertificateError: the server could not be verified.
        :raises TlsHandshakeError: it failed otherwise.
        :raises TlsConfigurationError: there are no authorities to verify the server with.
        """
        ssl = self._handle
        if ssl is NONE:
            raise self._closed_error()
        if self._ssl is not NONE:
            return True
        if self._problem is not None:
            raise self._problem
        if self._context.trust_pending:
            self._context.load_trust()
        ERR_clear_error()
        keylog = self._context.keylog
        result = SSL_connect(ssl) if keylog is None else keylog.connect(ssl)
        if result == 1:
            problem = self._check_peer(ssl, self._offered_session)
        else:
            error = _SSL_get_error(ssl, result)
            if error == SSL_ERROR_WANT_READ:
                return False
            code = get_errno() if error == SSL_ERROR_SYSCALL else 0
            errors = queued_errors()
            self.truncated = is_end_of_transport(code, errors)
            problem = handshake_error(ssl, self.host, self.port, code, errors, verify=self._context.verify)
        if problem is not None:
            self._failed = True
            self._problem = problem
            try:
                raise problem
            finally:
                del problem  # its traceback holds this frame: they would keep each other, and the engine, alive
        self._offered_session = None
        self._ssl = ssl
        return True

    # --- Data -------------------------------------------------------------------------------------------------------

    def feed(self, address: int, size: int) -> None:
        """Take ciphertext that came from the peer.

        :param address: where it is.
        :param size: how many bytes, below 2**31.
        :raises TlsError: the engine reads from a descriptor, or out of memory.
        """
        pointer = self._pointer
        pointer.value = address
        try:
            taken = _BIO_write(self._feedable, pointer, size) if size > 0 else size
        except ArgumentError:
            self._open_handle()
            raise TlsError("this TLS connection reads from its descriptor; it cannot be fed") from None
        if taken != size:
            raise TlsError(f"OpenSSL did not take the input: {queued_reason()}")

    def feed_eof(self) -> None:
        """Say that no more ciphertext will come: the transport has ended.

        :raises TlsError: the engine reads from a descriptor, and notices by itself.
        """
        if self._feedable is NONE:
            self._open_handle()
            raise TlsError("this TLS connection reads from its descriptor; it cannot be fed")
        BIO_ctrl(self._feedable, BIO_C_SET_BUF_MEM_EOF_RETURN, 0, None)

    def read_into(self, address: int, size: int) -> int:
        """Decrypt at most one record (16 KiB) into memory. Keeps the GIL; the descriptor must not block.

        :param address: where to put the plaintext.
        :param size: how much room there is, above 0 and below 2**31.
        :return: how many bytes; 0 at the end of the stream (see :attr:`truncated`); -1 if nothing is there yet.
        :raises TlsError: the connection failed, or is closed. An alert may have to be drained.
        """
        pointer = self._pointer
        pointer.value = address
        ssl = self._readable
        count: int = _SSL_read(ssl, pointer, size) if ssl is not NONE else self._read_first(_SSL_read, size)
        if count > 0:
            if self._grown:
                self._shrink()
            return count
        return self._read_failed(_SSL_read, count, size)

    def read_into_blocking(self, address: int, size: int) -> int:
        """Do as :meth:`read_into`, waiting for data where the descriptor is in blocking mode. Releases the GIL.

        :return: as :meth:`read_into`; -1 if the descriptor's time limit (``SO_RCVTIMEO``) is over, if a signal
            interrupted, or if the peer sent something that is no data.
        :raises TlsError: the connection failed, or is closed. An alert may have to be drained.
        """
        pointer = self._pointer
        pointer.value = address
        ssl = self._readable
        count: int = (
            _SSL_read_blocking(ssl, pointer, size) if ssl is not NONE else self._read_first(_SSL_read_blocking, size)
        )
        if count > 0:
            if self._grown:
                self._shrink()
            return count
        return self._read_failed(_SSL_read_blocking, count, size)

    def read_received_into(self, address: int, size: int, received: int, count: int) -> tuple[int, int]:
        """Decrypt what the owner has read from the descriptor, record after record, all there is of it. Keeps the GIL.

        For a connection of which :meth:`read_into` has returned data: a large body is arriving. The owner's reads can
        be larger than OpenSSL's own.

        :param address: where to put the plaintext. It may lie before the ciphertext, as close as :data:`AHEAD`:
            plaintext takes less room than what it was made from.
        :param size: how much room there is: more than *count* by :data:`AHEAD`, and below 2**31.
        :param received: where the ciphertext is, which OpenSSL copies before anything is written in its place.
        :param count: how many bytes; with 0, what OpenSSL had read ahead is decrypted.
        :return: how many bytes of plaintext, and why there are no more: 0 at an end or a failure, which the next read
            repeats; -1 if nothing is there yet.
        """
        pointer = self._pointer
        ssl = self._readable
        pointer.value = received
        memory = BIO_new_mem_buf(pointer, count)
        if not memory:
            raise TlsError(f"OpenSSL could not make a buffer: {queued_reason()}")
        BIO_ctrl(memory, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, None)
        descriptor = SSL_get_rbio(ssl)
        BIO_up_ref(descriptor)  # or taking its place would free it
        SSL_set0_rbio(ssl, memory)
        at = address
        end = address + size
        try:
            while True:
                pointer.value = at
                last = _SSL_read(ssl, pointer, end - at)
                if last <= 0:
                    break
                at += last
            try:
                last = self._read_failed(_SSL_read, last, end - at)
            except TlsError:
                last = 0
        finally:
            SSL_set0_rbio(ssl, descriptor)
        return at - address, last

    def _read_first(self, read: Callable[[c_void_p, c_void_p, int], int], size: int) -> int:
        """Read where no data has come yet: session tickets come before it."""
        if self._ssl is NONE:
            raise self._not_open()
        count: int = read(self._ssl, self._pointer, size)
        if count > 0:
            self._readable = self._ssl
            self.free_buffers()
            if self._place is not None:
                self._look_for_session(self._ssl)
        return count

    def free_buffers(self) -> None:
        """Have OpenSSL give its buffers back if nothing is in them. It keeps them (16 and 64 KiB) through a handshake,
        and makes one anew with each session ticket, to keep it until something is written.
        """
        if _LOOKS or self.between_records():
            _SSL_free_buffers(self._handle)

    def _read_failed(self, read: Callable[[c_void_p, c_void_p, int], int], count: int, size: int) -> int:
        """Find out why SSL_read gave no data."""
        if self._failed:
            # Asked again, OpenSSL would call an alert from the peer an end in order.
            ERR_clear_error()
            if self._problem is not None:
                raise self._problem
            return 0
        ssl = self._ssl
        error = _SSL_get_error(ssl, count)
        if error in _FAILURES:
            code = get_errno()
            errors = queued_errors()
            if errors:
                # Perhaps somebody else's errors: see the module's text.
                count = read(ssl, self._pointer, size)
                if count > 0:
                    return count
                again = _SSL_get_error(ssl, count)
                ERR_clear_error()
                # An end is believed only where the errors cannot have been OpenSSL's own: after a fatal alert from
                # the peer, which is one, it goes on to say that the stream has ended in order.
                if again == SSL_ERROR_WANT_READ or (again == SSL_ERROR_ZERO_RETURN and not are_about_tls(errors)):
                    error = again
            if error in _FAILURES:
                return self._failed_for_good(code if error == SSL_ERROR_SYSCALL else 0, errors)
        return 0 if error == SSL_ERROR_ZERO_RETURN else -1

    def lose(self, code: int) -> None:
        """Note that the descriptor has failed, as its owner's read has found out: the next read raises it.

        :param code: ``errno``.
        """
        self._failed = True
        self._problem = transport_error(self.host, self.port, code, "receiving")

    def _failed_for_good(self, code: int, errors: list[tuple[int, str]]) -> int:
        self._failed = True
        if is_end_of_transport(code, errors):
            self.truncated = True
            return 0
        if errors:
            reason = joined(errors)
            if is_refused_renegotiation(errors) and self.version != "TLSv1.3":
                # RFC 5246 section 7.4.1.1
                reason = (
                    "the server ended the connection, probably because it asked for a renegotiation, which is refused; "
                    "a client certificate must be asked for in the first handshake, or TLS 1.3 be used"
                )
            self._problem = transfer_error(self.host, self.port, "receiving", reason)
        else:
            self._problem = transport_error(self.host, self.port, code, "receiving")
        raise self._problem

    def write(self, data: bytes) -> None:
        """Encrypt *data* into the output, all of it. Releases the GIL for 64 KiB and more.

        :raises TlsError: the connection failed or is closed, or the handshake isn't finished.
        """
        size = len(data)
        try:
            if size < _LARGE:
                if _SSL_write(self._ssl, data, size) == size or not size:
                    return
                done = 0
            else:
                done = self._write_large(data, size)
        except ArgumentError:
            raise self._not_open() from None
        if done != size:
            reason = queued_reason()
            raise self._problem or transfer_error(self.host, self.port, "sending", reason)

    def write_into(self, data: bytes, address: int, size: int) -> int:
        """Do as :meth:`write`, unless *data* is empty, and then as :meth:`drain_into`; small data in one go."""
        if 0 < len(data) < _LARGE:
            pointer = self._pointer
            pointer.value = address
            try:
                if _SSL_write(self._ssl, data, len(data)) > 0:
                    count: int = _BIO_read(self._wbio, pointer, size)
                    return count
            except ArgumentError:
                pass  # and once more, for the error
        if data:
            self.write(data)
        return self.drain_into(address, size)

    def _write_large(self, data: bytes, size: int) -> int:
        self._grown = True
        if size <= _WRITE_LIMIT:
            return size if _SSL_write_large(self._ssl, data, size) == size else 0
        for start in range(0, size, _WRITE_LIMIT):
            piece = data[start : start + _WRITE_LIMIT]
            if _SSL_write_large(self._ssl, piece, len(piece)) != len(piece):
                return 0
        return size

    def drain_into(self, address: int, size: int) -> int:
        """Move ciphertext that is to be sent into memory.

        :param address: where to put it.
        :param size: how much room there is, above 0 and below 2**31.
        :return: how many bytes; 0 if there are none. Less than *size* means that there are no more.
        :raises TlsClosedError: the engine is closed.
        """
        pointer = self._pointer
        pointer.value = address
        try:
            count: int = _BIO_read(self._wbio, pointer, size)
        except ArgumentError:
            raise self._closed_error() from None
        return count if count > 0 else 0

    def _shrink(self) -> None:
        """Replace the output buffer, if it is empty: it never gives back the memory it once grew to.

        Done when input arrives, not while a large upload goes on.
        """
        wbio = 0 if BIO_ctrl_pending(self._wbio) else BIO_new(_MEMORY)
        if wbio:
            SSL_set0_wbio(self._handle, wbio)  # frees the old one
            self._wbio = c_void_p(wbio)
            self._grown = False

    def pending_output(self) -> int:
        """How many bytes of ciphertext there are to be sent; 0 for a closed engine."""
        return 0 if self._wbio is NONE else int(BIO_ctrl_pending(self._wbio))

    def has_pending(self) -> bool:
        """Tell whether input has been read that is not decrypted, or not returned, yet: no descriptor announces it.

        :raises TlsClosedError: the engine is closed.
        """
        try:
            pending: int = _SSL_has_pending(self._handle)
        except ArgumentError:
            raise self._closed_error() from None
        return pending != 0

    def between_records(self) -> bool:
        """Tell whether no part of a record is there whose rest is still to come.

        :raises TlsClosedError: the engine is closed.
        """
        return not self.has_pending() and bool(SSL_rstate_string(self._handle) == b"RH")

    # --- End --------------------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Tell the peer that nothing more will be sent: close_notify is put into the output, to be drained.

        Does nothing before the end of the handshake, after a failure, or once closed.
        """
        if self._ssl is not NONE and not self._failed and SSL_shutdown(self._ssl) < 0:
            ERR_clear_error()

    def close(self) -> None:
        """Free everything. Sends nothing; the session stays resumable. May be called again."""
        ssl, self._handle = self._handle, NONE
        finished = self._ssl is not NONE
        self._ssl = self._readable = self._wbio = self._feedable = NONE
        self._problem = None
        if ssl is NONE:
            return
        if finished and not self._failed:
            # Otherwise OpenSSL takes the end for an accident, and the session for spoilt.
            SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
            if self._place is not None:
                self._look_for_session(ssl)
        SSL_free(ssl)

    # The default arguments keep these at hand when the modules are already being taken apart.
    def __del__(self, free: Callable[[c_void_p], None] = SSL_free, none: Any = NONE) -> None:
        ssl = getattr(self, "_handle", none)  # there is none if the arguments were wrong
        self._handle = none
        if ssl is not none:
            free(ssl)

    def _not_open(self) -> TlsError:
        """Why no data can pass."""
        if self._handle is NONE:
            return self._closed_error()
        text = f"TLS with {place(self.host, self.port)} carries no data before the handshake is finished"
        return self._problem or TlsError(text, host=self.host, port=self.port)
