"""What OpenSSL is told about the server before a handshake, and tells about it afterwards."""

from __future__ import annotations

from ctypes import addressof, byref, c_uint, c_void_p, create_string_buffer, string_at

from linuxapi.binding import bind_untyped

from ._library import libssl
from ._names import peer_name
from .api import SSL_set_tlsext_host_name, X509_free
from .client_api import (
    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
    SSL_get0_param,
    X509_check_host,
    X509_up_ref,
    X509_VERIFY_PARAM_set1_host,
    X509_VERIFY_PARAM_set1_ip_asc,
    X509_VERIFY_PARAM_set_hostflags,
    i2d_X509,
)
from .errors import TlsConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# For each connection; as in the engine: the handle is a c_void_p object.
_SSL_get0_alpn_selected = bind_untyped(libssl, "SSL_get0_alpn_selected", None)

# RFC 9525 sections 2 and 6.3: the subject doesn't count, and a wildcard stands for a whole label.
_FLAGS = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT


def set_server(ssl: int, host: str, *, verify: bool) -> str:
    """Say which server to ask for, and which to accept. Return its name or address in its one form.

    :param verify: whether the server is to be verified.
    :raises TlsConfigurationError: *host* is neither a name nor an address.
    """
    name, is_address = peer_name(host)
    if verify:
        parameters = SSL_get0_param(ssl)
        if is_address:
            done = X509_VERIFY_PARAM_set1_ip_asc(parameters, name.encode("ascii"))
        else:
            X509_VERIFY_PARAM_set_hostflags(parameters, _FLAGS)
            done = X509_VERIFY_PARAM_set1_host(parameters, name.encode("ascii"), 0)
        if not done:
            raise TlsConfigurationError(f"{host!r} is no host that a certificate can be for", host=host)
    # RFC 6066 section 3: literal addresses are not permitted.
    if not is_address and not SSL_set_tlsext_host_name(ssl, name):
        raise TlsConfigurationError(f"{host!r} cannot be sent as a server name", host=host)
    return name


class PeerCertificate:
    """The server's certificate: one reference to it, given back when the object goes. Any thread may use it, also
    after the connection has ended.

    :param pointer: the ``X509 *``.
    """

    __slots__ = ("pointer",)

    def __init__(self, pointer: int) -> None:
        X509_up_ref(pointer)
        self.pointer = pointer

    def der(self) -> bytes:
        """Return it as DER."""
        buffer = create_string_buffer(i2d_X509(self.pointer, None))
        # i2d_X509 moves the position behind what it has written.
        position = c_void_p(addressof(buffer))
        i2d_X509(self.pointer, byref(position))
        return buffer.raw

    def is_for(self, host: str) -> bool:
        """Tell whether it is for a host name, as the verification of a connection does. Not for addresses."""
        try:
            name, is_address = peer_name(host)
        except TlsConfigurationError:
            return False
        return not is_address and X509_check_host(self.pointer, name.encode("ascii"), 0, _FLAGS, None) == 1

    # The default argument keeps the function at hand when the module is already being taken apart.
    def __del__(self, free: Callable[[int], None] = X509_free) -> None:
        free(self.pointer)


def selected_protocol(ssl: c_void_p) -> bytes:
    """Return the protocol that the server chose by ALPN; empty if none."""
    data = c_void_p()
    size = c_uint()
    _SSL_get0_alpn_selected(ssl, byref(data), byref(size))
    return string_at(data.value, size.value) if data.value else b""
