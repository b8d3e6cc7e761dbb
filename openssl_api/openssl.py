"""TLS with events, and helpers for certificates and signatures: what the Delphi unit ``Grijjy.OpenSSL`` offers.

:class:`TgoOpenSSL` is told what came from the peer and calls back with what it means and with what has to be sent. It
is built on :class:`~openssl_api.engine.TlsEngine`, which does the same by plain calls, faster.

Delphi: Grijjy.OpenSSL
"""

from __future__ import annotations

import os
from ctypes import addressof, byref, c_size_t, c_uint, create_string_buffer, string_at

from ._pem import read_private_key, use_certificate
from .api import (
    HMAC,
    EVP_DigestSignFinal,
    EVP_DigestSignInit,
    EVP_DigestUpdate,
    EVP_MD_CTX_create,
    EVP_MD_CTX_destroy,
    EVP_PKEY_free,
    EVP_sha1,
    EVP_sha256,
    SSLFinalize,
    SSLInitialize,
)
from .client_api import EVP_PKEY_RSA, ERR_clear_error, EVP_PKEY_base_id
from .context import TlsContext, read_file
from .engine import TlsEngine
from .errors import TlsClosedError, TlsConfigurationError, TlsError, queued_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self, TypeAlias

#: The original's block size. Differs from Delphi: larger blocks are used, because 4 KiB cost twice the time.
DEFAULT_BLOCK_SIZE = 4096

#: Called without arguments.
TgoOpenSSLNotify: TypeAlias = "Callable[[], object]"
#: Called with data. Differs from Delphi: bytes, instead of a pointer and a size.
TgoOpenSSLData: TypeAlias = "Callable[[bytes], object]"

#: Room for one record of ciphertext with all that surrounds it (RFC 8446 section 5.2).
_BUFFER_SIZE = 18 * 1024
#: How much is encrypted, or taken from the peer, before the results are passed on: bounds the memory.
_CHUNK_SIZE = 64 * 1024

_H2 = b"h2"

_default_context: TlsContext | None = None


class TgoOpenSSL:
    """The client's side of TLS on a connection that somebody else reads and writes.

    Set :attr:`host`, :attr:`port` and the events, call :meth:`connect`, pass what the peer sends to :meth:`read`, and
    send what :attr:`on_write` is called with. Events are called in the thread that called the method. For one thread
    at a time.

    :param context: what to trust, to offer and to present. Default: one that all handlers share, or one for this
        handler where it has options of its own.
    :param verify: check the server's certificate.
    :param ca_file: a PEM file of authorities to trust instead of the system's.
    :param ca_data: PEM or DER of authorities to trust instead of the system's.

    Differs from Delphi: the server is verified by default; contexts are shared and sessions resumed; failures are
    raised; everything that is to be sent is passed to :attr:`on_write` at once, however much it is.

    Delphi: Grijjy.OpenSSL.TgoOpenSSL
    """

    __slots__ = (
        "_buffer",
        "_context",
        "_engine",
        "_handshaking",
        "_identity",
        "_options",
        "_own_context",
        "_shown",
        "certificate",
        "ended",
        "host",
        "on_connected",
        "on_read",
        "on_write",
        "password",
        "port",
        "private_key",
    )

    def __init__(
        self,
        context: TlsContext | None = None,
        *,
        verify: bool = True,
        ca_file: str | os.PathLike[str] | None = None,
        ca_data: bytes | str | None = None,
    ) -> None:
        self._context = context
        self._options: dict[str, Any] = {"verify": verify, "ca_file": ca_file, "ca_data": ca_data}
        self._own_context: TlsContext | None = None
        self._identity: tuple[bytes, bytes, str] = (b"", b"", "")
        self._engine: TlsEngine | None = None
        self._shown: TlsEngine | None = None
        self._handshaking = False
        self._buffer = create_string_buffer(_BUFFER_SIZE)
        #: The server's name or IP address: what its certificate must be for.
        self.host = ""
        #: The server's port; only used to find sessions to resume.
        self.port = 0
        #: The client's certificate and its chain, PEM; empty for none.
        self.certificate = b""
        #: Its private key, PEM; empty if it is with the certificate.
        self.private_key = b""
        #: Opens the private key, if that is encrypted.
        self.password = ""
        #: The server has ended the stream: no more data will come. See :attr:`truncated`.
        self.ended = False
        #: Called when the connection is established and data can be written.
        self.on_connected: TgoOpenSSLNotify | None = None
        #: Called with data from the server.
        self.on_read: TgoOpenSSLData | None = None
        #: Called with what has to be sent to the server.
        self.on_write: TgoOpenSSLData | None = None

    def connect(self, alpn: bool = False) -> bool:
        """Start the handshake: :attr:`on_write` is called with its first message.

        :param alpn: offer HTTP/2, and nothing else, by ALPN (RFC 7301).
        :return: ``True``.
        :raises TlsConfigurationError: the host, the certificate or the authorities cannot be used.
        :raises TlsError: already connected.

        Differs from Delphi: raises instead of returning ``False``.
        Delphi: Grijjy.OpenSSL.TgoOpenSSL.Connect
        """
        if self._engine is not None:
            raise TlsError("this handler is connected already: release it first")
        self._engine = TlsEngine(self._choose_context(), self.host, self.port, alpn=(_H2,) if alpn else None)
        self._handshaking = True
        self.ended = False
        self.read()
        return True

    def release(self) -> None:
        """End the connection: the server is told by close_notify through :attr:`on_write`; everything is freed.

        May be called again, and :meth:`connect` after it.

        Differs from Delphi: there, close_notify was made but never sent.
        Delphi: Grijjy.OpenSSL.TgoOpenSSL.Release
        """
        engine = self._engine
        if engine is not None:
            self._handshaking = False
            try:
                engine.shutdown()
                self._send_output(engine)
            finally:
                self._engine = None
                engine.close()

    def close(self) -> None:
        """Free everything. May be called again.

        Delphi: Grijjy.OpenSSL.TgoOpenSSL.Destroy
        """
        try:
            self.release()
        finally:
            context, self._own_context = self._own_context, None
            if context is not None:
                context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def read(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Take what came from the server; the events are called with what it means.

        :raises TlsCertificateError: the server could not be verified.
        :raises TlsHandshakeError: the handshake failed otherwise.
        :raises TlsClosedError: not connected.
        :raises TlsError: the connection failed, or the server broke the protocol.

        Differs from Delphi: raises, after the alert for the server was passed to :attr:`on_write`.
        Delphi: Grijjy.OpenSSL.TgoOpenSSL.Read
        """
        engine = self._connected()
        if not data:
            self._process(engine)
        for start in range(0, len(data), _CHUNK_SIZE):
            chunk = bytes(data[start : start + _CHUNK_SIZE])
            # As char array, whose address can be asked for; from_buffer would need something writable.
            source = create_string_buffer(chunk, len(chunk))
            engine.feed(addressof(source), len(chunk))
            self._process(engine)
            if self._engine is not engine:
                return

    def read_eof(self) -> None:
        """Take notice that the connection below has ended. :attr:`truncated` tells whether that was announced.

        :raises TlsHandshakeError: it ended in the middle of the handshake.
        :raises TlsClosedError: not connected.
        """
        engine = self._connected()
        engine.feed_eof()
        self._process(engine)

    def _process(self, engine: TlsEngine) -> None:
        try:
            if self._handshaking and not self._shake_hands(engine):
                return
            self._receive(engine)
        finally:
            if self._engine is engine:
                self._send_output(engine)

    def _shake_hands(self, engine: TlsEngine) -> bool:
        """Go on with the handshake. Return whether data may be received."""
        if not engine.handshake():
            return False
        self._handshaking = False
        self._send_output(engine)
        if self.on_connected is not None:
            self.on_connected()
        return self._engine is engine

    def _receive(self, engine: TlsEngine) -> None:
        address = addressof(self._buffer)
        while self._engine is engine:
            count = engine.read_into(address, _BUFFER_SIZE)
            if count <= 0:
                self.ended = count == 0
                return
            if self.on_read is not None:
                self.on_read(string_at(address, count))

    def write(self, data: bytes) -> bool:
        """Encrypt *data*; :attr:`on_write` is called with all that has to be sent.

        :return: ``False``, with nothing done, while the handshake is not finished.
        :raises TlsClosedError: not connected.
        :raises TlsError: the connection failed.

        Delphi: Grijjy.OpenSSL.TgoOpenSSL.Write
        """
        engine = self._connected()
        if self._handshaking:
            return False
        for start in range(0, len(data), _CHUNK_SIZE):
            engine.write(data[start : start + _CHUNK_SIZE])
            self._send_output(engine)
            if self._engine is not engine:
                raise TlsClosedError("the connection was released while data was being written")
        return True

    def _send_output(self, engine: TlsEngine) -> None:
        """Pass on everything that is to be sent."""
        address = addressof(self._buffer)
        while self.on_write is not None and (count := engine.drain_into(address, _BUFFER_SIZE)):
            self.on_write(string_at(address, count))
            if self._engine is not engine:
                return

    def alpn(self) -> bool:
        """Tell whether the server agreed to HTTP/2 by ALPN.

        Delphi: Grijjy.OpenSSL.TgoOpenSSL.ALPN
        """
        engine = self.engine
        return engine is not None and engine.alpn == _H2

    @property
    def engine(self) -> TlsEngine | None:
        """The TLS connection, which knows more about it; ``None`` while there is none.

        One that is set here is somebody else's, a socket connection's: it can be asked about by :meth:`alpn` and
        :attr:`truncated`, but is neither driven nor closed by this handler.
        """
        return self._engine or self._shown

    @engine.setter
    def engine(self, value: TlsEngine | None) -> None:
        self._shown = value

    @property
    def truncated(self) -> bool:
        """The connection ended without close_notify: data may be missing."""
        engine = self.engine
        return engine is not None and engine.truncated

    def _connected(self) -> TlsEngine:
        if self._engine is None:
            raise TlsClosedError("not connected")
        return self._engine

    def _choose_context(self) -> TlsContext:
        identity = (self.certificate, self.private_key, self.password)
        if self._context is not None:
            if self.certificate or self.private_key:
                raise TlsConfigurationError("a certificate belongs into the context, if one is given")
            return self._context
        if not any(identity) and self._options == _NO_OPTIONS:
            return _shared_context()
        if self._own_context is None or self._identity != identity:
            if self._own_context is not None:
                self._own_context.close()
            self._own_context = TlsContext(
                **self._options,
                certificate=self.certificate or None,
                private_key=self.private_key or None,
                password=self.password,
            )
            self._identity = identity
        return self._own_context


_NO_OPTIONS = {"verify": True, "ca_file": None, "ca_data": None}


def _shared_context() -> TlsContext:
    global _default_context
    context = _default_context
    if context is None:
        # Two threads may both make one; the loser's is freed when its connection ends.
        context = _default_context = TlsContext()
    return context


class TgoSSLHelper:
    """Certificates for contexts, signatures, and message authentication codes. Thread-safe.

    Delphi: Grijjy.OpenSSL.TgoSSLHelper
    """

    __slots__ = ()

    @staticmethod
    def load_ssl() -> None:
        """Initialise OpenSSL, which it would do by itself at the first use. It was loaded by the import.

        Delphi: Grijjy.OpenSSL.TgoSSLHelper.LoadSSL
        """
        SSLInitialize()

    @staticmethod
    def unload_ssl() -> None:
        """Do nothing: OpenSSL stays, because Python's own :mod:`ssl` may be using the same copy.

        Delphi: Grijjy.OpenSSL.TgoSSLHelper.UnloadSSL
        """
        SSLFinalize()

    @staticmethod
    def set_certificate(
        ctx: int | TlsContext,
        certificate: bytes | str | os.PathLike[str],
        private_key: bytes | str | os.PathLike[str],
        password: str = "",
    ) -> None:
        """Give a context a certificate and its private key.

        :param ctx: the ``SSL_CTX *``, or a :class:`TlsContext` that no connection has been made from yet.
        :param certificate: PEM as bytes, or the path of a file: the certificate, then those of its issuers.
        :param private_key: PEM as bytes, or the path of a file.
        :param password: opens the key, if that is encrypted.
        :raises TlsConfigurationError: one cannot be read, or they don't belong together.

        Differs from Delphi: the issuers' certificates are sent as well, and errors are not passed over.
        Delphi: Grijjy.OpenSSL.TgoSSLHelper.SetCertificate
        """
        handle = ctx.handle if isinstance(ctx, TlsContext) else ctx
        pem = read_file(certificate, "the certificate")
        use_certificate(handle, pem, read_file(private_key, "the private key"), password)

    @staticmethod
    def sign_rsa_sha256(data: bytes, private_key: bytes, password: str = "") -> bytes:
        """Sign *data* (RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 section 8.2; ``RS256`` of RFC 7518).

        :param private_key: an RSA key, PEM.
        :param password: opens the key, if that is encrypted.
        :return: the signature.
        :raises TlsConfigurationError: the key cannot be used.

        Differs from Delphi: returns the signature and raises where it returned ``False``; refuses keys that are not
        RSA; nothing leaks.
        Delphi: Grijjy.OpenSSL.TgoSSLHelper.Sign_RSASHA256
        """
        key = read_private_key(private_key, password)
        try:
            if EVP_PKEY_base_id(key) != EVP_PKEY_RSA:
                raise TlsConfigurationError("the private key is not an RSA key")
            context = EVP_MD_CTX_create()
            if not context:
                raise TlsError(f"OpenSSL could not sign: {queued_reason()}")
            try:
                return _sign(context, key, data)
            finally:
                EVP_MD_CTX_destroy(context)
        finally:
            EVP_PKEY_free(key)

    @staticmethod
    def hmac_sha256(key: bytes, data: bytes) -> str:
        """Return the HMAC (RFC 2104) of *data* with SHA-256, in hexadecimal small letters.

        Delphi: Grijjy.OpenSSL.TgoSSLHelper.HMAC_SHA256
        """
        return _hmac(EVP_sha256(), key, data).hex()

    @staticmethod
    def hmac_sha1(key: bytes, data: bytes) -> bytes:
        """Return the HMAC (RFC 2104) of *data* with SHA-1, 20 bytes.

        Delphi: Grijjy.OpenSSL.TgoSSLHelper.HMAC_SHA1
        """
        return _hmac(EVP_sha1(), key, data)


def _sign(context: int, key: int, data: bytes) -> bytes:
    ERR_clear_error()
    size = c_size_t()
    if (
        EVP_DigestSignInit(context, None, EVP_sha256(), None, key) != 1
        or EVP_DigestUpdate(context, data, len(data)) != 1
        or EVP_DigestSignFinal(context, None, byref(size)) != 1
    ):
        raise TlsError(f"OpenSSL could not sign: {queued_reason()}")
    signature = create_string_buffer(size.value)
    if EVP_DigestSignFinal(context, signature, byref(size)) != 1:
        raise TlsError(f"OpenSSL could not sign: {queued_reason()}")
    return signature.raw[: size.value]


#: EVP_MAX_MD_SIZE: the largest digest there is.
_MAXIMUM_DIGEST = 64


def _hmac(digest: int, key: bytes, data: bytes) -> bytes:
    ERR_clear_error()
    result = create_string_buffer(_MAXIMUM_DIGEST)
    size = c_uint(_MAXIMUM_DIGEST)
    if not HMAC(digest, key, len(key), data, len(data), result, byref(size)):
        raise TlsError(f"OpenSSL could not compute the HMAC: {queued_reason()}")
    return result.raw[: size.value]
