"""What many TLS connections share: trust, identity, protocols, and the sessions that servers have offered.

Making a context takes far longer than making a connection from it, and sessions are only resumed within one context;
so programs make one and keep it.

No Delphi origin as a class; the original makes an ``SSL_CTX`` for each connection, in ``TgoOpenSSL.Connect``.
"""

from __future__ import annotations

import os
from _thread import RLock
from _weakrefset import WeakSet

from linuxapi.forks import after_fork_in_child

from ._library import VERSION
from ._sessions import SessionCache
from .api import (
    SSL_OP_ALL,
    SSL_OP_NO_COMPRESSION,
    SSL_VERIFY_NONE,
    SSL_CTX_ctrl,
    SSL_CTX_free,
    SSL_CTX_get_cert_store,
    SSL_CTX_load_verify_locations,
    SSL_CTX_new,
    SSL_CTX_set_alpn_protos,
    SSL_CTX_set_verify,
    SSL_new,
    TSetVerify_cb,
)
from .client_api import (
    SSL_CTRL_MODE,
    SSL_CTRL_SET_MIN_PROTO_VERSION,
    SSL_CTRL_SET_READ_AHEAD,
    SSL_CTRL_SET_SESS_CACHE_MODE,
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
    SSL_MODE_RELEASE_BUFFERS,
    SSL_OP_NO_RENEGOTIATION,
    SSL_OP_NO_TICKET,
    SSL_SESS_CACHE_OFF,
    SSL_VERIFY_PEER,
    TLS1_1_VERSION,
    TLS1_2_VERSION,
    ERR_clear_error,
    SSL_CTX_get_security_level,
    SSL_CTX_set1_cert_store,
    SSL_CTX_set_cipher_list,
    SSL_CTX_set_ciphersuites,
    SSL_CTX_set_default_read_buffer_len,
    SSL_CTX_set_keylog_callback,
    SSL_CTX_set_options,
    TLS_client_method,
    X509_STORE_add_cert,
)
from .errors import TlsClosedError, TlsConfigurationError, TlsError, queued_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from ._keylog import KeyLog
    from ._pins import Pins

    Path = str | os.PathLike[str]

#: The buffer that OpenSSL reads into, so that one system call brings several records. Only held while it has data.
#: Exactly four of the largest of TLS 1.3 (RFC 8446 section 5.2: 16,384 bytes and 22 around them), behind the 3 bytes
#: that OpenSSL leaves free for alignment: where the buffer ends in the middle of a record, it reads the rest of that
#: record alone, and every other system call is for a few bytes.
READ_BUFFER_SIZE = 3 + 4 * (16384 + 22)

_NO_CALLBACK = TSetVerify_cb()


class TlsContext:
    """What TLS client connections share. Owns an ``SSL_CTX``.

    Thread-safe: any number of threads may make connections from one context at the same time.

    :param verify: check each server's certificate chain and that it is for the host that was asked for. Off, the
        connection is encrypted but may be with anybody.
    :param ca_file: a PEM file of the authorities to trust, instead of the system's.
    :param ca_directory: a directory of such, named by hash as ``openssl rehash`` does, instead of the system's.
    :param ca_data: authorities to trust, instead of the system's: PEM, or DER certificates one after the other.
    :param certificate: the client's own certificate, followed by its chain: PEM, or the path of a file.
    :param private_key: its key: PEM, or the path of a file. Default: it is with the certificate.
    :param password: opens the private key, if that is encrypted.
    :param alpn: the application protocols to offer, the preferred one first: ``(b"h2", b"http/1.1")`` (RFC 7301).
    :param minimum_version: the oldest version to speak, ``TLS1_2_VERSION`` or ``TLS1_3_VERSION``.
        TLS 1.0 and 1.1 (RFC 8996: not to be used any more) need ciphers that allow them as well, as
        ``DEFAULT:@SECLEVEL=0`` does.
    :param ciphers: which ciphers to offer, as OpenSSL's cipher list; names that start with ``TLS_`` are the cipher
        suites of TLS 1.3. Default: OpenSSL's, or the system administrator's.
    :param keylog: called with each line of key material, in the form of SSLKEYLOGFILE, for tools such as Wireshark;
        whoever has these can read the traffic. Called in the thread that makes the handshake.
    :param resumption: resume sessions. Off, none is offered to a server, or kept.
    :param fingerprints: the server's certificate or public key must also have one of these SHA-256 fingerprints:
        ``sha256:AB:CD:...`` of the certificate, or ``sha256//...`` (base64, as curl's ``--pinnedpubkey``) of its
        key. Together with ``verify=False``, that is all it has to have, and all the protection that there is.
    :raises TlsConfigurationError: one of these cannot be used.

    Without ``ca_*``, the system's authorities are loaded when the first connection needs them; ``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR`` are honoured. Renegotiation, compression and TLS before 1.2 are refused.

    No Delphi origin.
    """

    __slots__ = (
        "__weakref__",
        "_handle",
        "_lock",
        "alpn",
        "keylog",
        "pins",
        "resumption",
        "sessions",
        "trust_pending",
        "verify",
    )

    def __init__(
        self,
        *,
        verify: bool = True,
        ca_file: Path | None = None,
        ca_directory: Path | None = None,
        ca_data: bytes | str | None = None,
        certificate: bytes | Path | None = None,
        private_key: bytes | Path | None = None,
        password: str = "",
        alpn: tuple[bytes, ...] = (),
        minimum_version: int = TLS1_2_VERSION,
        ciphers: str | None = None,
        keylog: Callable[[bytes], object] | None = None,
        resumption: bool = True,
        fingerprints: str | Iterable[str] = (),
    ) -> None:
        self._handle: int | None = None
        self._lock = RLock()
        _contexts.add(self)
        #: The system's authorities are to be loaded before the first handshake, and aren't yet.
        self.trust_pending = verify and ca_file is None and ca_directory is None and ca_data is None
        #: Whether servers are verified.
        self.verify = verify
        #: The protocols offered by ALPN.
        self.alpn = alpn
        #: Whether sessions are resumed.
        self.resumption = resumption
        #: What the server's certificate or key must be, beyond what verification asks for.
        self.pins: Pins | None = None
        if fingerprints:
            from ._pins import Pins

            self.pins = Pins(fingerprints)
        #: The sessions that can be resumed.
        self.sessions = SessionCache()
        #: Who is told the keys, if anybody.
        self.keylog: KeyLog | None = None
        wire = alpn_wire(alpn)

        ERR_clear_error()
        handle = SSL_CTX_new(TLS_client_method())
        if not handle:
            raise TlsError(f"OpenSSL could not make a context: {queued_reason()}")
        self._handle = handle
        try:
            options = SSL_OP_ALL | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION
            SSL_CTX_set_options(handle, options if resumption else options | SSL_OP_NO_TICKET)
            if not SSL_CTX_ctrl(handle, SSL_CTRL_SET_MIN_PROTO_VERSION, minimum_version, None):
                raise TlsConfigurationError(f"{minimum_version:#06x} is no version of TLS that this OpenSSL speaks")
            # No SSL_MODE_ENABLE_PARTIAL_WRITE: output goes to memory, which takes all of it in one call.
            mode = SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS
            SSL_CTX_ctrl(handle, SSL_CTRL_MODE, mode, None)
            SSL_CTX_ctrl(handle, SSL_CTRL_SET_READ_AHEAD, 1, None)
            SSL_CTX_set_default_read_buffer_len(handle, READ_BUFFER_SIZE)
            # Connections are asked for their sessions instead: cheaper than being called back for each ticket.
            SSL_CTX_ctrl(handle, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, None)
            SSL_CTX_set_verify(handle, SSL_VERIFY_PEER if verify else SSL_VERIFY_NONE, _NO_CALLBACK)
            if wire and SSL_CTX_set_alpn_protos(handle, wire, len(wire)):
                raise TlsError(f"OpenSSL did not take the ALPN protocols: {queued_reason()}")
            if ciphers is not None:
                _set_ciphers(handle, ciphers)
            if minimum_version < TLS1_2_VERSION:
                _check_security_level(handle, minimum_version)
            _load_authorities(handle, ca_file, ca_directory, ca_data)
            if certificate is not None:
                pem = read_file(certificate, "the certificate")
                key = pem if private_key is None else read_file(private_key, "the private key")
                from ._pem import use_certificate

                use_certificate(handle, pem, key, password)
            elif private_key is not None:
                raise TlsConfigurationError("a private key is of no use without its certificate")
            if keylog is not None:
                from ._keylog import KeyLog

                self.keylog = KeyLog(keylog)
                SSL_CTX_set_keylog_callback(handle, self.keylog.callback)
        except BaseException:
            self.close()
            ERR_clear_error()
            raise

    @property
    def handle(self) -> int:
        """The ``SSL_CTX *``, for the functions of :mod:`openssl_api.api`.

        :raises TlsClosedError: the context has been closed.
        """
        handle = self._handle
        if handle is None:
            raise self._closed_error()
        return handle

    @staticmethod
    def _closed_error() -> TlsClosedError:
        return TlsClosedError("the TLS context has been closed")

    def load_trust(self) -> None:
        """Load the system's authorities now, if they are needed and not loaded yet. Takes some 30 ms once a process.

        :raises TlsConfigurationError: there are none.
        """
        if self.trust_pending:
            from ._trust import system_store

            with self._lock:
                if self.trust_pending:
                    SSL_CTX_set1_cert_store(self.handle, system_store())
                    self.trust_pending = False

    def new_connection(self) -> int:
        """Return a new ``SSL *``, which the caller must free.

        :raises TlsClosedError: the context has been closed.
        """
        with self._lock:  # nobody must free the context meanwhile
            handle = self._handle
            ssl = None if handle is None else SSL_new(handle)
        if handle is None:
            raise self._closed_error()
        if not ssl:
            raise TlsError(f"OpenSSL could not make a connection: {queued_reason()}")
        return int(ssl)

    def close(self) -> None:
        """Free the context. Connections made from it go on; it cannot make new ones. May be called again."""
        with self._lock:
            handle, self._handle = self._handle, None
        self.sessions.clear()
        if handle is not None:
            SSL_CTX_free(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # The default argument keeps the function at hand when the module is already being taken apart.
    def __del__(self, free: Callable[[int], None] = SSL_CTX_free) -> None:
        handle = getattr(self, "_handle", None)  # there is none if the arguments were wrong
        self._handle = None
        if handle is not None:
            free(handle)


def alpn_wire(protocols: tuple[bytes, ...]) -> bytes:
    """Return protocol names as RFC 7301 section 3.1 lists them: each with its length before it.

    :raises TlsConfigurationError: one is no name.
    """
    for protocol in protocols:
        if not isinstance(protocol, bytes) or not 0 < len(protocol) < 256:
            raise TlsConfigurationError(f"{protocol!r} is no ALPN protocol name: 1 to 255 bytes are")
    return b"".join(bytes((len(protocol),)) + protocol for protocol in protocols)


def _set_ciphers(handle: int, ciphers: str) -> None:
    if not isinstance(ciphers, str):
        raise TlsConfigurationError(f"the cipher list must be text, not {type(ciphers).__name__}")
    names = ciphers.replace(",", ":").split(":")
    suites = ":".join(name for name in names if name.startswith("TLS_"))
    others = ":".join(name for name in names if name and not name.startswith("TLS_"))
    try:
        good = (not suites or SSL_CTX_set_ciphersuites(handle, suites.encode("ascii"))) and (
            not others or SSL_CTX_set_cipher_list(handle, others.encode("ascii"))
        )
    except UnicodeEncodeError:
        good = False
    if not good or not (suites or others):
        reason = queued_reason()
        raise TlsConfigurationError(f"the cipher list {ciphers!r} cannot be used: {reason}", reason=reason)


def _check_security_level(handle: int, minimum_version: int) -> None:
    """Refuse an old version that OpenSSL would leave out without a word, because its ciphers are too weak."""
    level = SSL_CTX_get_security_level(handle)
    # SSL_CTX_set_security_level(3)
    highest = 0 if VERSION >= 0x30000000 else 2 if minimum_version < TLS1_1_VERSION else 3
    if level > highest:
        name = "TLS 1.0" if minimum_version < TLS1_1_VERSION else "TLS 1.1"
        raise TlsConfigurationError(
            f"{name} cannot be used at OpenSSL's security level {level}: choose ciphers that end in "
            f"':@SECLEVEL={highest}', such as 'DEFAULT:@SECLEVEL={highest}', if a server speaks nothing newer"
        )


def _load_authorities(
    handle: int, ca_file: Path | None, ca_directory: Path | None, ca_data: bytes | str | None
) -> None:
    if ca_directory is not None and not os.path.isdir(ca_directory):
        # OpenSSL would only find out when it looks for an issuer, and then not say so.
        raise TlsConfigurationError(f"the CA directory {os.fspath(ca_directory)} does not exist")
    for path, what in ((ca_file, "file"), (ca_directory, "directory")):
        if path is None:
            continue
        name = os.fsencode(path)
        arguments = (name, None) if what == "file" else (None, name)
        if not SSL_CTX_load_verify_locations(handle, *arguments):
            reason = queued_reason()
            raise TlsConfigurationError(f"the CA {what} {os.fspath(path)} cannot be used: {reason}", reason=reason)
    if ca_data is not None:
        data = ca_data.encode("utf-8") if isinstance(ca_data, str) else ca_data
        from ._pem import free_certificates, read_certificates

        certificates = read_certificates(data, "the CA data")
        try:
            store = SSL_CTX_get_cert_store(handle)
            for certificate in certificates:
                if not X509_STORE_add_cert(store, certificate):
                    reason = queued_reason()
                    raise TlsConfigurationError(f"the CA data cannot be used: {reason}", reason=reason)
        finally:
            free_certificates(certificates)
    ERR_clear_error()


def read_file(given: bytes | Path, what: str) -> bytes:
    """Return *given* itself, or the content of the file that it names.

    :param what: what it is, for the message of an error.
    :raises TlsConfigurationError: the file cannot be read.
    """
    if isinstance(given, bytes):
        return given
    if isinstance(given, str) and "-----BEGIN" in given:
        # PEM as text. As a path, it would only get a private key into the message of an error.
        return given.encode("utf-8")
    try:
        with open(given, "rb") as file:
            return file.read()
    except OSError as error:
        raise TlsConfigurationError(f"{what} cannot be read: {error}", reason=str(error)) from error


_contexts: WeakSet[TlsContext] = WeakSet()


def _after_fork_in_child() -> None:
    for context in list(_contexts):
        # Another thread of the parent may have held the lock; nobody would ever release it here.
        context._lock = RLock()
        # The sessions are the parent's: a ticket that both use links their connections (RFC 8446 appendix C.4).
        context.sessions.clear()


after_fork_in_child(_after_fork_in_child)
