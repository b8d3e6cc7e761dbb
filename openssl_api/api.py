"""Raw declarations of OpenSSL: everything that the Delphi unit ``Grijjy.OpenSSL.API`` declares, under its names.

Of the 85 functions that the unit loads, 19 are no symbols of OpenSSL 3 any more (17 of them none of 1.1.1 either).
They are all here: bound to the function that replaced them, or, where OpenSSL now does by itself what they were
called for, as functions that do nothing. ``docs/openssl.md`` says for each what became of it.

The functions are the C functions: opaque pointers are ``int`` or ``None``, nothing is freed by itself, and a failure
is a return value. They release the GIL. What a verifying client needs beyond this unit is in
:mod:`openssl_api.client_api`; the classes on top are in :mod:`openssl_api.context` and :mod:`openssl_api.engine`.

Delphi: Grijjy.OpenSSL.API
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_long,
    c_size_t,
    c_ubyte,
    c_uint,
    c_uint64,
    c_ulong,
    c_void_p,
    create_string_buffer,
)

from linuxapi.binding import bind, bind_later

from ._library import libcrypto, libssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# --- Constants ------------------------------------------------------------------------------------------------------

#: The files that were loaded. Delphi: fixed names of OpenSSL 1.0.
SSLEAY_DLL = libssl.name
LIBEAY_DLL = libcrypto.name

SSL_ERROR_NONE = 0
SSL_ERROR_SSL = 1
SSL_ERROR_WANT_READ = 2
SSL_ERROR_WANT_WRITE = 3
SSL_ERROR_WANT_X509_LOOKUP = 4
SSL_ERROR_SYSCALL = 5
SSL_ERROR_ZERO_RETURN = 6
SSL_ERROR_WANT_CONNECT = 7
SSL_ERROR_WANT_ACCEPT = 8

#: What SSL_state answers once the handshake is done: ``TLS_ST_OK``. Differs from Delphi: 3 there, as in OpenSSL 1.0.
SSL_ST_OK = 1
SSL_VERIFY_NONE = 0

# Differs from Delphi: the bits were dealt out anew in OpenSSL 1.1. The unit's $000FFFFF would now, among others,
# allow unsafe legacy renegotiation and switch session tickets off; its $01000000 has another meaning.
SSL_OP_ALL = 0x80000850
SSL_OP_NO_SSLv2 = 0  # SSL 2.0 is gone: there is nothing left to switch off
SSL_OP_NO_SSLv3 = 0x02000000
SSL_OP_NO_COMPRESSION = 0x00020000

BIO_CTRL_INFO = 3
BIO_CTRL_PENDING = 10

# Modes of the locking callbacks, which OpenSSL has not called since 1.1.
CRYPTO_LOCK = 1
CRYPTO_UNLOCK = 2
CRYPTO_READ = 4
CRYPTO_WRITE = 8

BIO_FLAGS_READ = 1
BIO_FLAGS_WRITE = 2
BIO_FLAGS_IO_SPECIAL = 4
BIO_FLAGS_RWS = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL
BIO_FLAGS_SHOULD_RETRY = 8
BIO_NOCLOSE = 0
BIO_CLOSE = 1

# --- Types ----------------------------------------------------------------------------------------------------------

PSSL_METHOD = c_void_p
PSSL_CTX = c_void_p
PBIO = c_void_p
PSSL = c_void_p
PX509_STORE = c_void_p
PEVP_PKEY = c_void_p
PPEVP_PKEY = POINTER(PEVP_PKEY)
PEVP_PKEY_CTX = c_void_p
PEVP_MD_CTX = c_void_p
PEVP_MD = c_void_p
PENGINE = c_void_p
PX509 = c_void_p
PPX509 = POINTER(PX509)


class TASN1_STRING(Structure):
    """``ASN1_STRING``: the bytes of an ASN.1 value and their type.

    Delphi: Grijjy.OpenSSL.API.TASN1_STRING, and its other name Grijjy.OpenSSL.API.TASN1_BIT_STRING. Differs from
    Delphi: ``flags`` is a C long, 8 bytes wide.
    """

    _fields_ = (
        ("length", c_int),
        ("type_", c_int),
        ("data", POINTER(c_ubyte)),
        ("flags", c_long),
    )


PASN1_STRING = POINTER(TASN1_STRING)
TASN1_BIT_STRING = TASN1_STRING
PASN1_BIT_STRING = POINTER(TASN1_BIT_STRING)

#: ``SSL_verify_cb``: (ok, X509_STORE_CTX) -> 1 to go on, 0 to fail. Must hold for as long as the context lives.
TSetVerify_cb = CFUNCTYPE(c_int, c_int, c_void_p)

PBIO_METHOD = c_void_p
PX509_NAME = c_void_p
PSTACK = c_void_p
PASN1_OBJECT = c_void_p
#: ``pem_password_cb``: (buffer, size, writing, user data) -> length of the password put into the buffer.
TPemPasswordCallback = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_void_p)

#: The C functions, each bound when it is first asked for: library, result, parameters, options of :func:`bind`.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {}

# --- libssl: initialisation -----------------------------------------------------------------------------------------

_OPENSSL_INIT_LOAD_CRYPTO_STRINGS = 0x00000002
_OPENSSL_INIT_LOAD_SSL_STRINGS = 0x00200000

_OPENSSL_init_ssl = bind(libssl, "OPENSSL_init_ssl", c_int, [c_uint64, c_void_p])


def SSL_library_init() -> int:
    """``OPENSSL_init_ssl(0, NULL)``, as the C macro of this name: returns 1. OpenSSL does it by itself since 1.1.

    Delphi: Grijjy.OpenSSL.API.SSL_library_init
    """
    return int(_OPENSSL_init_ssl(0, None))


def SSL_load_error_strings() -> None:
    """Load the texts of the errors, as the C macro of this name does. OpenSSL does it by itself since 1.1.

    Delphi: Grijjy.OpenSSL.API.SSL_load_error_strings
    """
    _OPENSSL_init_ssl(_OPENSSL_INIT_LOAD_SSL_STRINGS | _OPENSSL_INIT_LOAD_CRYPTO_STRINGS, None)


# --- libssl: methods and contexts -----------------------------------------------------------------------------------

_FUNCTIONS |= {
    # Missing, and falsy, wherever OpenSSL was built without SSL 3.0, which RFC 7568 forbids: use SSLv23_method.
    "SSLv3_method": (libssl, PSSL_METHOD, [], {"since": "of a build with enable-ssl3-method, 1.1.0"}),
    "SSLv23_method": (libssl, PSSL_METHOD, [], {"alternatives": ["TLS_method"]}),
    "TLSv1_method": (libssl, PSSL_METHOD, []),
    "TLSv1_1_method": (libssl, PSSL_METHOD, []),
}

_FUNCTIONS |= {
    "SSL_CTX_new": (libssl, PSSL_CTX, [PSSL_METHOD]),
    "SSL_CTX_free": (libssl, None, [PSSL_CTX]),
    "SSL_CTX_set_verify": (libssl, None, [PSSL_CTX, c_int, TSetVerify_cb]),
    "SSL_CTX_use_PrivateKey": (libssl, c_int, [PSSL_CTX, PEVP_PKEY]),
    "SSL_CTX_use_RSAPrivateKey": (libssl, c_int, [PSSL_CTX, c_void_p]),
    "SSL_CTX_use_certificate": (libssl, c_int, [PSSL_CTX, PX509]),
    "SSL_CTX_check_private_key": (libssl, c_int, [PSSL_CTX]),
    "SSL_CTX_use_certificate_file": (libssl, c_int, [PSSL_CTX, c_char_p, c_int]),
    "SSL_CTX_use_RSAPrivateKey_file": (libssl, c_int, [PSSL_CTX, c_char_p, c_int]),
    "SSL_CTX_get_cert_store": (libssl, PX509_STORE, [PSSL_CTX]),
    "SSL_CTX_ctrl": (libssl, c_long, [PSSL_CTX, c_int, c_long, c_void_p]),
    "SSL_CTX_load_verify_locations": (libssl, c_int, [PSSL_CTX, c_char_p, c_char_p]),
    "SSL_CTX_use_certificate_chain_file": (libssl, c_int, [PSSL_CTX, c_char_p]),
    # Unlike the others it returns 0 for success.
    "SSL_CTX_set_alpn_protos": (libssl, c_int, [PSSL_CTX, c_char_p, c_uint]),
}

# --- libssl: connections --------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "SSL_new": (libssl, PSSL, [PSSL_CTX]),
    "SSL_set_bio": (libssl, None, [PSSL, PBIO, PBIO]),
    "SSL_get_peer_certificate": (libssl, PX509, [PSSL], {"alternatives": ["SSL_get1_peer_certificate"]}),
}
SSL_get_error = bind(libssl, "SSL_get_error", c_int, [PSSL, c_int])
_FUNCTIONS |= {
    "SSL_shutdown": (libssl, c_int, [PSSL]),
    "SSL_free": (libssl, None, [PSSL]),
    "SSL_connect": (libssl, c_int, [PSSL]),
    "SSL_set_connect_state": (libssl, None, [PSSL]),
    "SSL_set_accept_state": (libssl, None, [PSSL]),
    "SSL_read": (libssl, c_int, [PSSL, c_void_p, c_int]),
    "SSL_write": (libssl, c_int, [PSSL, c_void_p, c_int]),
    "SSL_state": (libssl, c_int, [PSSL], {"alternatives": ["SSL_get_state"]}),
    "SSL_pending": (libssl, c_int, [PSSL]),
    "SSL_set_cipher_list": (libssl, c_int, [PSSL, c_char_p]),
    "SSL_get0_alpn_selected": (libssl, None, [PSSL, POINTER(c_void_p), POINTER(c_uint)]),
    "SSL_clear": (libssl, c_int, [PSSL]),
}
SSL_ctrl = bind(libssl, "SSL_ctrl", c_long, [PSSL, c_int, c_long, c_void_p])

# --- libcrypto: locks and clean-up ----------------------------------------------------------------------------------
#
# OpenSSL locks by itself, and cleans up by itself at the end of a thread and of the process, since 1.1. The C headers
# turned these functions into macros that do nothing; so they do here.


def CRYPTO_num_locks() -> int:
    """Return 1, as the C macro of this name does. OpenSSL makes its own locks since 1.1.

    Delphi: Grijjy.OpenSSL.API.CRYPTO_num_locks
    """
    return 1


def CRYPTO_set_locking_callback(callback: Any) -> None:
    """Do nothing: OpenSSL has not called back for locks since 1.1.

    Delphi: Grijjy.OpenSSL.API.CRYPTO_set_locking_callback
    """


def CRYPTO_set_dynlock_create_callback(callback: Any) -> None:
    """Do nothing: OpenSSL has not called back for locks since 1.1.

    Delphi: Grijjy.OpenSSL.API.CRYPTO_set_dynlock_create_callback
    """


def CRYPTO_set_dynlock_lock_callback(callback: Any) -> None:
    """Do nothing: OpenSSL has not called back for locks since 1.1.

    Delphi: Grijjy.OpenSSL.API.CRYPTO_set_dynlock_lock_callback
    """


def CRYPTO_set_dynlock_destroy_callback(callback: Any) -> None:
    """Do nothing: OpenSSL has not called back for locks since 1.1.

    Delphi: Grijjy.OpenSSL.API.CRYPTO_set_dynlock_destroy_callback
    """


def CRYPTO_cleanup_all_ex_data() -> None:
    """Do nothing: OpenSSL frees this data by itself since 1.1.

    Delphi: Grijjy.OpenSSL.API.CRYPTO_cleanup_all_ex_data
    """


def ERR_free_strings() -> None:
    """Do nothing: OpenSSL frees the texts of its errors by itself since 1.1.

    Delphi: Grijjy.OpenSSL.API.ERR_free_strings
    """


def EVP_cleanup() -> None:
    """Do nothing: OpenSSL frees its tables of algorithms by itself since 1.1.

    Delphi: Grijjy.OpenSSL.API.EVP_cleanup
    """


# --- libcrypto: errors ----------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    # Still a symbol, but an empty function since 1.1: a thread's queue is freed when the thread ends.
    "ERR_remove_state": (libcrypto, None, [c_ulong]),
    # Still a symbol, but an empty function since 1.1: a thread's queue is freed when the thread ends.
    "ERR_remove_thread_state": (libcrypto, None, [c_void_p]),
}
ERR_error_string_n = bind(libcrypto, "ERR_error_string_n", None, [c_ulong, c_char_p, c_size_t])
ERR_get_error = bind(libcrypto, "ERR_get_error", c_ulong, [])
_FUNCTIONS |= {
    "ERR_load_BIO_strings": (libcrypto, c_int, []),
}

# --- libcrypto: BIO -------------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "BIO_new": (libcrypto, PBIO, [PBIO_METHOD]),
    "BIO_ctrl": (libcrypto, c_long, [PBIO, c_int, c_long, c_void_p]),
    # The BIO reads the caller's memory in place: it must live as long as the BIO.
    "BIO_new_mem_buf": (libcrypto, PBIO, [c_void_p, c_int]),
    "BIO_free": (libcrypto, c_int, [PBIO]),
    "BIO_s_mem": (libcrypto, PBIO_METHOD, []),
    "BIO_read": (libcrypto, c_int, [PBIO, c_void_p, c_int]),
    "BIO_write": (libcrypto, c_int, [PBIO, c_void_p, c_int]),
    "BIO_new_socket": (libcrypto, PBIO, [c_int, c_int]),
}

# --- libcrypto: certificates ----------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "X509_get_issuer_name": (libcrypto, PX509_NAME, [PX509]),
    "X509_get_subject_name": (libcrypto, PX509_NAME, [PX509]),
    "X509_free": (libcrypto, None, [PX509]),
    "X509_NAME_print_ex": (libcrypto, c_int, [PBIO, PX509_NAME, c_int, c_ulong]),
    "sk_num": (libcrypto, c_int, [PSTACK], {"alternatives": ["OPENSSL_sk_num"]}),
    "sk_pop": (libcrypto, c_void_p, [PSTACK], {"alternatives": ["OPENSSL_sk_pop"]}),
    "ASN1_BIT_STRING_get_bit": (libcrypto, c_int, [PASN1_BIT_STRING, c_int]),
    "OBJ_obj2nid": (libcrypto, c_int, [PASN1_OBJECT]),
    "OBJ_nid2sn": (libcrypto, c_char_p, [c_int]),
    "ASN1_STRING_data": (libcrypto, POINTER(c_ubyte), [PASN1_STRING], {"alternatives": ["ASN1_STRING_get0_data"]}),
    "PEM_read_bio_X509": (libcrypto, PX509, [PBIO, PPX509, TPemPasswordCallback, c_void_p]),
}

# --- libcrypto: keys, digests, signatures ---------------------------------------------------------------------------

_FUNCTIONS |= {
    "PEM_read_bio_PrivateKey": (libcrypto, PEVP_PKEY, [PBIO, PPEVP_PKEY, TPemPasswordCallback, c_void_p]),
    # Returns an ``RSA *``, not an ``EVP_PKEY *``; deprecated in OpenSSL 3, where PEM_read_bio_PrivateKey reads any key.
    "PEM_read_bio_RSAPrivateKey": (libcrypto, c_void_p, [PBIO, POINTER(c_void_p), TPemPasswordCallback, c_void_p]),
    "EVP_PKEY_free": (libcrypto, None, [PEVP_PKEY]),
    "EVP_PKEY_size": (libcrypto, c_int, [PEVP_PKEY], {"alternatives": ["EVP_PKEY_get_size"]}),
    "EVP_MD_CTX_create": (libcrypto, PEVP_MD_CTX, [], {"alternatives": ["EVP_MD_CTX_new"]}),
    "EVP_MD_CTX_destroy": (libcrypto, None, [PEVP_MD_CTX], {"alternatives": ["EVP_MD_CTX_free"]}),
    "EVP_sha256": (libcrypto, PEVP_MD, []),
    "EVP_sha1": (libcrypto, PEVP_MD, []),
    "EVP_DigestSignInit": (libcrypto, c_int, [PEVP_MD_CTX, POINTER(PEVP_PKEY_CTX), PEVP_MD, PENGINE, PEVP_PKEY]),
    "EVP_DigestUpdate": (libcrypto, c_int, [PEVP_MD_CTX, c_void_p, c_size_t]),
    "EVP_DigestSignFinal": (libcrypto, c_int, [PEVP_MD_CTX, c_void_p, POINTER(c_size_t)]),
    "EVP_DigestVerifyInit": (libcrypto, c_int, [PEVP_MD_CTX, POINTER(PEVP_PKEY_CTX), PEVP_MD, PENGINE, PEVP_PKEY]),
    "EVP_DigestVerifyFinal": (libcrypto, c_int, [PEVP_MD_CTX, c_void_p, c_size_t]),
    "CRYPTO_malloc": (libcrypto, c_void_p, [c_size_t, c_char_p, c_int]),
    # Takes the place in the source as well since OpenSSL 1.1: ``CRYPTO_free(pointer, None, 0)``.
    "CRYPTO_free": (libcrypto, None, [c_void_p, c_char_p, c_int]),
    "HMAC": (libcrypto, c_void_p, [PEVP_MD, c_void_p, c_int, c_void_p, c_size_t, c_void_p, POINTER(c_uint)]),
}

# --- Helpers of the unit --------------------------------------------------------------------------------------------

_BIO_test_flags = bind(libcrypto, "BIO_test_flags", c_int, [PBIO, c_int], hold_gil=True)
_SSL_CTX_set_options = bind(libssl, "SSL_CTX_set_options", c_uint64, [PSSL_CTX, c_uint64])

_SSL_CTRL_SET_TLSEXT_HOSTNAME = 55
_TLSEXT_NAMETYPE_host_name = 0


def BIOGetFlags(bio: int) -> int:
    """Return the ``BIO_FLAGS_*`` of a BIO that say what it waits for and whether to try again.

    Delphi: Grijjy.OpenSSL.API.BIOGetFlags. Differs from Delphi: asks OpenSSL (``BIO_test_flags``) instead of reading
    OpenSSL's private record at an offset that is wrong since 1.1.
    """
    return int(_BIO_test_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY))


def BIORetry(bio: int) -> bool:
    """Tell whether the last operation of a BIO failed only for now.

    Delphi: Grijjy.OpenSSL.API.BIORetry
    """
    return bool(_BIO_test_flags(bio, BIO_FLAGS_SHOULD_RETRY))


def SetSSLCTXOptions(ctx: int, op: int) -> int:
    """Add ``SSL_OP_*`` options to a context; return all that it has now.

    Delphi: Grijjy.OpenSSL.API.SetSSLCTXOptions. Differs from Delphi: ``SSL_CTX_set_options`` instead of
    ``SSL_CTX_ctrl``, which has not taken options since 1.1.
    """
    return int(_SSL_CTX_set_options(ctx, op))


def SSLErrorFatal(error: int) -> bool:
    """Tell whether a result of SSL_get_error ends the connection: not success and not a wait for the peer.

    Delphi: Grijjy.OpenSSL.API.SSLErrorFatal
    """
    return error not in (
        SSL_ERROR_NONE,
        SSL_ERROR_WANT_READ,
        SSL_ERROR_WANT_WRITE,
        SSL_ERROR_WANT_CONNECT,
        SSL_ERROR_WANT_ACCEPT,
    )


def SSLError(ssl: int, return_code: int) -> tuple[int, str]:
    """Classify the failure of a call on *ssl* in this thread; empties the thread's error queue.

    :param return_code: what the call returned.
    :return: the result of SSL_get_error, and the texts of the queued errors, the first cause first, joined with
        "; " (empty if there are none).

    Delphi: Grijjy.OpenSSL.API.SSLError, with the ``out`` parameter as second result. Differs from Delphi: keeps all
    texts instead of the last one, and does not print the number of the class as if it were an error code.
    """
    error = SSL_get_error(ssl, return_code)
    texts = []
    if error != SSL_ERROR_NONE:
        buffer = create_string_buffer(512)
        while code := ERR_get_error():
            ERR_error_string_n(code, buffer, len(buffer))
            texts.append(buffer.value.decode("utf-8", "replace"))
    return error, "; ".join(texts)


def SSL_set_tlsext_host_name(s: int, name: str) -> int:
    """Set the name that the client asks for (SNI, RFC 6066 section 3); return 1, or 0 if OpenSSL refuses it.

    :param name: an ASCII host name, no IP address.

    Delphi: Grijjy.OpenSSL.API.SSL_set_tlsext_host_name
    """
    return int(SSL_ctrl(s, _SSL_CTRL_SET_TLSEXT_HOSTNAME, _TLSEXT_NAMETYPE_host_name, name.encode("ascii")))


def LoadSSLEAY() -> None:
    """Do nothing: libssl is loaded when this module is imported, and each function bound when it is first used.

    Delphi: Grijjy.OpenSSL.API.LoadSSLEAY
    """


def UnloadSSLEAY() -> None:
    """Do nothing: libssl stays, because Python's own :mod:`ssl` may be using the same copy.

    Delphi: Grijjy.OpenSSL.API.UnloadSSLEAY
    """


def LoadLIBEAY() -> None:
    """Do nothing: libcrypto is loaded when this module is imported, and each function bound when it is first used.

    Delphi: Grijjy.OpenSSL.API.LoadLIBEAY
    """


def UnloadLIBEAY() -> None:
    """Do nothing: libcrypto stays, because Python's own :mod:`ssl` and :mod:`hashlib` may be using the same copy.

    Delphi: Grijjy.OpenSSL.API.UnloadLIBEAY
    """


def SSLInitialize() -> None:
    """Initialise OpenSSL, which it would do by itself at the first use.

    Delphi: Grijjy.OpenSSL.API.SSLInitialize. Differs from Delphi: no locks to make, OpenSSL has its own.
    """
    SSL_load_error_strings()
    SSL_library_init()


def SSLFinalize() -> None:
    """Do nothing: OpenSSL 1.1 and later, once finalised, cannot be used again in the same process.

    Delphi: Grijjy.OpenSSL.API.SSLFinalize
    """


# --- What is made when it is first asked for ------------------------------------------------------------------------

_LOCK_TYPES = frozenset((
    "PCRYPTO_dynlock_value", "TCRYPTO_dynlock_value", "TDynLockCreateCallback", "TDynLockDestroyCallback",
    "TDynLockLockCallback", "TStatLockLockCallback",
))  # fmt: skip
_bind_function = bind_later(globals(), _FUNCTIONS)


def _make(name: str) -> Any:
    if name not in _LOCK_TYPES:
        return _bind_function(name)
    from ._locks import LOCK_TYPES

    return LOCK_TYPES[name]


__getattr__ = _make


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS, *_LOCK_TYPES})
