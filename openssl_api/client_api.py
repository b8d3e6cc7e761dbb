"""Raw declarations of OpenSSL that a verifying client needs beyond the Delphi unit (:mod:`openssl_api.api`).

Same rules: C names, C results, opaque pointers are ``int`` or ``None``, nothing is freed by itself. Functions that are
too short to be worth releasing the GIL keep it; those that may run long or call back release it.

No Delphi origin.
"""

from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_long, c_size_t, c_uint, c_uint64, c_ulong, c_void_p

from linuxapi.binding import bind_later

from ._library import VERSION, libcrypto, libssl
from .api import PASN1_STRING, PBIO, PBIO_METHOD, PEVP_PKEY, PSSL, PSSL_CTX, PSSL_METHOD, PSTACK, PX509, PX509_STORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# --- Constants ------------------------------------------------------------------------------------------------------

TLS1_VERSION = 0x0301
TLS1_1_VERSION = 0x0302
TLS1_2_VERSION = 0x0303
TLS1_3_VERSION = 0x0304

SSL_VERIFY_PEER = 1
X509_V_OK = 0

SSL_OP_NO_TICKET = 0x00004000
SSL_OP_NO_RENEGOTIATION = 0x40000000

SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x02
SSL_MODE_RELEASE_BUFFERS = 0x10

SSL_SESS_CACHE_OFF = 0x000
SSL_SESS_CACHE_CLIENT = 0x001
SSL_SESS_CACHE_NO_INTERNAL = 0x300

SSL_SENT_SHUTDOWN = 1
SSL_RECEIVED_SHUTDOWN = 2

SSL_CTRL_MODE = 33
SSL_CTRL_SET_READ_AHEAD = 41
SSL_CTRL_SET_SESS_CACHE_MODE = 44
SSL_CTRL_CHAIN = 88
SSL_CTRL_CHAIN_CERT = 89
SSL_CTRL_SET_MIN_PROTO_VERSION = 123
SSL_CTRL_SET_MAX_PROTO_VERSION = 124

SSL_FILETYPE_PEM = 1

BIO_C_SET_BUF_MEM_EOF_RETURN = 130

X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 0x04
X509_CHECK_FLAG_NEVER_CHECK_SUBJECT = 0x20

X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT = 2
X509_V_ERR_CERT_NOT_YET_VALID = 9
X509_V_ERR_CERT_HAS_EXPIRED = 10
X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT = 18
X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN = 19
X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20
X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21
X509_V_ERR_HOSTNAME_MISMATCH = 62
X509_V_ERR_IP_ADDRESS_MISMATCH = 64

NID_subject_alt_name = 85
EVP_PKEY_RSA = 6

ERR_LIB_SYS = 2
ERR_LIB_PEM = 9
ERR_LIB_SSL = 20
PEM_R_NO_START_LINE = 108
SSL_R_UNEXPECTED_EOF_WHILE_READING = 294
SSL_AD_REASON_OFFSET = 1000
SSL_AD_HANDSHAKE_FAILURE = 40

EVP_MAX_MD_SIZE = 64

XN_FLAG_RFC2253 = 0x1110317

PSSL_SESSION = c_void_p
PX509_VERIFY_PARAM = c_void_p

#: ``SSL_CTX_keylog_cb_func``: (SSL, line).
TKeylogCallback = CFUNCTYPE(None, c_void_p, c_char_p)

#: The C functions, each bound when it is first asked for: library, result, parameters, options of :func:`bind`.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {}
#: The option of those that keep the GIL.
_SHORT = {"hold_gil": True}

# --- Contexts -------------------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "TLS_client_method": (libssl, PSSL_METHOD, [], _SHORT),
    "SSL_CTX_set_options": (libssl, c_uint64, [PSSL_CTX, c_uint64], _SHORT),
    "SSL_CTX_set_cipher_list": (libssl, c_int, [PSSL_CTX, c_char_p]),
    "SSL_CTX_set_ciphersuites": (libssl, c_int, [PSSL_CTX, c_char_p], {"since": "1.1.1"}),
    "SSL_CTX_set_default_read_buffer_len": (libssl, None, [PSSL_CTX, c_size_t], _SHORT),
    "SSL_CTX_get_security_level": (libssl, c_int, [PSSL_CTX], _SHORT),
    "SSL_CTX_set_default_verify_paths": (libssl, c_int, [PSSL_CTX]),
    "SSL_CTX_set1_cert_store": (libssl, None, [PSSL_CTX, PX509_STORE], {"since": "1.1.1"}),
    "SSL_CTX_set_keylog_callback": (libssl, None, [PSSL_CTX, TKeylogCallback], {"since": "1.1.1", "hold_gil": True}),
}

# --- Connections ----------------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    # As SSL_CTX_set_alpn_protos for one connection; returns 0 for success.
    "SSL_set_alpn_protos": (libssl, c_int, [PSSL, c_char_p, c_uint], _SHORT),
    "SSL_set0_wbio": (libssl, None, [PSSL, PBIO], _SHORT),
    "SSL_set0_rbio": (libssl, None, [PSSL, PBIO], _SHORT),
    "SSL_get_rbio": (libssl, PBIO, [PSSL], _SHORT),
    "BIO_up_ref": (libcrypto, c_int, [PBIO], _SHORT),
    "SSL_free_buffers": (libssl, c_int, [PSSL], {"since": "1.1.1", "hold_gil": True}),
    "SSL_has_pending": (libssl, c_int, [PSSL], _SHORT),
    # "RH" between records, "RB" where the header of one has been read and not all of it is there.
    "SSL_rstate_string": (libssl, c_char_p, [PSSL], _SHORT),
    "SSL_set_shutdown": (libssl, None, [PSSL, c_int], _SHORT),
    "SSL_get_shutdown": (libssl, c_int, [PSSL], _SHORT),
    "SSL_get_version": (libssl, c_char_p, [PSSL], _SHORT),
    "SSL_get_current_cipher": (libssl, c_void_p, [PSSL], _SHORT),
    "SSL_CIPHER_get_name": (libssl, c_char_p, [c_void_p], _SHORT),
    "SSL_alert_desc_string_long": (libssl, c_char_p, [c_int], _SHORT),
}

# --- Verification ---------------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "SSL_set1_host": (libssl, c_int, [PSSL, c_char_p], _SHORT),
    "SSL_get0_param": (libssl, PX509_VERIFY_PARAM, [PSSL], _SHORT),
    "X509_VERIFY_PARAM_set1_host": (libcrypto, c_int, [PX509_VERIFY_PARAM, c_char_p, c_size_t], _SHORT),
    "X509_check_host": (libcrypto, c_int, [PX509, c_char_p, c_size_t, c_uint, c_void_p], _SHORT),
    "X509_VERIFY_PARAM_set1_ip_asc": (libcrypto, c_int, [PX509_VERIFY_PARAM, c_char_p], _SHORT),
    "X509_VERIFY_PARAM_set_hostflags": (libcrypto, None, [PX509_VERIFY_PARAM, c_uint], _SHORT),
    "SSL_get_verify_result": (libssl, c_long, [PSSL], _SHORT),
    "X509_verify_cert_error_string": (libcrypto, c_char_p, [c_long], _SHORT),
    # The chain as the peer sent it; on a failed handshake only from OpenSSL 3.0 on. Owned by the SSL.
    "SSL_get_peer_cert_chain": (libssl, PSTACK, [PSSL], _SHORT),
}

# --- Sessions -------------------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "SSL_set_session": (libssl, c_int, [PSSL, PSSL_SESSION], _SHORT),
    "SSL_get_session": (libssl, PSSL_SESSION, [PSSL], _SHORT),
    "SSL_session_reused": (libssl, c_int, [PSSL], _SHORT),
    "SSL_SESSION_free": (libssl, None, [PSSL_SESSION], _SHORT),
    "SSL_SESSION_up_ref": (libssl, c_int, [PSSL_SESSION], _SHORT),
    "SSL_SESSION_is_resumable": (libssl, c_int, [PSSL_SESSION], {"since": "1.1.1", "hold_gil": True}),
    "SSL_SESSION_get_protocol_version": (libssl, c_int, [PSSL_SESSION], _SHORT),
    "SSL_SESSION_get0_cipher": (libssl, c_void_p, [PSSL_SESSION], _SHORT),
    "SSL_SESSION_get0_peer": (libssl, PX509, [PSSL_SESSION], _SHORT),
}

# --- Certificates and their store -----------------------------------------------------------------------------------

_FUNCTIONS |= {
    "X509_STORE_new": (libcrypto, PX509_STORE, []),
    "X509_STORE_free": (libcrypto, None, [PX509_STORE]),
    "X509_STORE_add_cert": (libcrypto, c_int, [PX509_STORE, PX509]),
    "X509_STORE_load_locations": (libcrypto, c_int, [PX509_STORE, c_char_p, c_char_p]),
    "X509_STORE_set_default_paths": (libcrypto, c_int, [PX509_STORE]),
    "X509_STORE_get0_objects": (libcrypto, PSTACK, [PX509_STORE]),
    "X509_get_default_cert_file": (libcrypto, c_char_p, []),
    "X509_get_default_cert_dir": (libcrypto, c_char_p, []),
    "d2i_X509": (libcrypto, PX509, [c_void_p, POINTER(c_void_p), c_long]),
    "i2d_X509": (libcrypto, c_int, [PX509, POINTER(c_void_p)]),
    "X509_digest": (libcrypto, c_int, [PX509, c_void_p, c_char_p, POINTER(c_uint)], _SHORT),
    "X509_get_X509_PUBKEY": (libcrypto, c_void_p, [PX509], _SHORT),
    "i2d_X509_PUBKEY": (libcrypto, c_int, [c_void_p, POINTER(c_void_p)], _SHORT),
    "EVP_Digest": (
        libcrypto,
        c_int,
        [c_char_p, c_size_t, c_char_p, POINTER(c_uint), c_void_p, c_void_p],
        _SHORT,
    ),
    "X509_get0_notBefore": (libcrypto, c_void_p, [PX509]),
    "X509_get0_notAfter": (libcrypto, c_void_p, [PX509]),
    "X509_cmp_current_time": (libcrypto, c_int, [c_void_p]),
    "X509_up_ref": (libcrypto, c_int, [PX509], _SHORT),
    "ASN1_TIME_print": (libcrypto, c_int, [PBIO, c_void_p]),
    "ASN1_STRING_length": (libcrypto, c_int, [PASN1_STRING]),
    "X509_get_ext_by_NID": (libcrypto, c_int, [PX509, c_int, c_int]),
    "X509_get_ext": (libcrypto, c_void_p, [PX509, c_int]),
    "X509V3_EXT_print": (libcrypto, c_int, [PBIO, c_void_p, c_ulong, c_int]),
    "OPENSSL_sk_value": (libcrypto, c_void_p, [PSTACK, c_int]),
    "EVP_PKEY_base_id": (libcrypto, c_int, [PEVP_PKEY], {"alternatives": ["EVP_PKEY_get_base_id"], "hold_gil": True}),
    "RSA_free": (libcrypto, None, [c_void_p]),
}

# --- BIO ------------------------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "BIO_s_secmem": (libcrypto, PBIO_METHOD, []),
    "BIO_ctrl_pending": (libcrypto, c_size_t, [PBIO], _SHORT),
}

# --- Errors ---------------------------------------------------------------------------------------------------------

_FUNCTIONS |= {
    "ERR_clear_error": (libcrypto, None, [], _SHORT),
    "ERR_peek_error": (libcrypto, c_ulong, [], _SHORT),
    "ERR_reason_error_string": (libcrypto, c_char_p, [c_ulong], _SHORT),
    # Takes one more parameter (the name of the C function) than the function of 1.1.1.
    "ERR_get_error_all": (
        libcrypto,
        c_ulong,
        [POINTER(c_char_p), POINTER(c_int), POINTER(c_char_p), POINTER(c_char_p), POINTER(c_int)],
        {"since": "3.0", "hold_gil": True},
    ),
    "ERR_get_error_line_data": (
        libcrypto,
        c_ulong,
        [POINTER(c_char_p), POINTER(c_int), POINTER(c_char_p), POINTER(c_int)],
        _SHORT,
    ),
}

_SYSTEM_FLAG = 0x80000000


def ERR_GET_LIB(code: int) -> int:
    """Return the number of the library part that an error code comes from, as the C macro of this name does."""
    if VERSION < 0x30000000:
        return (code >> 24) & 0xFF
    return ERR_LIB_SYS if code & _SYSTEM_FLAG else (code >> 23) & 0xFF


def ERR_GET_REASON(code: int) -> int:
    """Return the reason in an error code, as the C macro of this name does: an ``errno`` for ``ERR_LIB_SYS``."""
    if VERSION < 0x30000000:
        return code & 0xFFF
    return code & 0x7FFFFFFF if code & _SYSTEM_FLAG else code & 0x7FFFFF


__getattr__ = bind_later(globals(), _FUNCTIONS)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS})
