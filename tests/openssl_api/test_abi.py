"""Declarations agree with OpenSSL's headers. The headers are those of the system, 3.x."""

from __future__ import annotations

from ctypes import c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p, sizeof

from openssl_api import api, client_api
from tests.abi import abi_differences

HEADERS = ["openssl/ssl.h", "openssl/err.h", "openssl/x509v3.h", "openssl/pem.h", "openssl/hmac.h", "openssl/rsa.h"]
DEFINES = ["OPENSSL_SUPPRESS_DEPRECATED"]

#: Constants of the Delphi unit that the headers don't have under that name, or that aren't numbers of OpenSSL.
NOT_IN_HEADERS = {"SSL_ST_OK", "BIO_FLAGS_RWS"}


def constants(module: object) -> dict[str, int]:
    return {
        name: value
        for name, value in vars(module).items()
        if type(value) is int and not name.startswith("_") and name not in NOT_IN_HEADERS
    }


def test_constants_of_the_unit() -> None:
    names = constants(api)
    assert {"SSL_ERROR_WANT_READ", "SSL_OP_ALL", "BIO_CTRL_PENDING", "CRYPTO_LOCK"} <= set(names)
    assert abi_differences(headers=HEADERS, defines=DEFINES, constants=names) == []


def test_constants_under_other_names() -> None:
    expected = {"TLS_ST_OK": api.SSL_ST_OK, "BIO_FLAGS_RWS": api.BIO_FLAGS_RWS}
    assert abi_differences(headers=HEADERS, defines=DEFINES, constants=expected) == []


def test_constants_beyond_the_unit() -> None:
    names = constants(client_api)
    for foreign in constants(api):
        names.pop(foreign, None)
    names.pop("VERSION")
    assert len(names) > 40
    assert abi_differences(headers=HEADERS, defines=DEFINES, constants=names) == []


def test_flags_that_are_put_together() -> None:
    expected = {
        "XN_FLAG_RFC2253": client_api.XN_FLAG_RFC2253,
        "SSL_OP_CRYPTOPRO_TLSEXT_BUG | SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS | SSL_OP_TLSEXT_PADDING"
        " | SSL_OP_SAFARI_ECDHE_ECDSA_BUG": api.SSL_OP_ALL,
    }
    assert abi_differences(headers=HEADERS, defines=DEFINES, constants=expected) == []


def test_records() -> None:
    fields = {"length": "length", "type_": "type", "data": "data", "flags": "flags"}
    assert abi_differences(headers=HEADERS, structs={"ASN1_STRING": (api.TASN1_STRING, fields)}) == []
    assert abi_differences(headers=HEADERS, structs={"ASN1_BIT_STRING": (api.TASN1_BIT_STRING, fields)}) == []
    assert sizeof(api.TCRYPTO_dynlock_value) == sizeof(c_void_p)


def test_types() -> None:
    types = {"int": c_int, "long": c_long, "unsigned long": c_ulong, "size_t": c_size_t, "unsigned int": c_uint}
    assert abi_differences(headers=HEADERS, types=types) == []


#: How C declares functions in which numbers of different sizes, or numbers and pointers, could be mixed up.
PROTOTYPES = {
    "SSL_CTX_ctrl": "long (SSL_CTX *, int, long, void *)",
    "SSL_ctrl": "long (SSL *, int, long, void *)",
    "SSL_CTX_set_options": "uint64_t (SSL_CTX *, uint64_t)",
    "SSL_CTX_set_verify": "void (SSL_CTX *, int, SSL_verify_cb)",
    "SSL_CTX_set_alpn_protos": "int (SSL_CTX *, const unsigned char *, unsigned int)",
    "SSL_set_alpn_protos": "int (SSL *, const unsigned char *, unsigned int)",
    "SSL_get0_alpn_selected": "void (const SSL *, const unsigned char **, unsigned int *)",
    "SSL_read": "int (SSL *, void *, int)",
    "SSL_write": "int (SSL *, const void *, int)",
    "SSL_has_pending": "int (const SSL *)",
    "SSL_rstate_string": "const char *(const SSL *)",
    "SSL_get_error": "int (const SSL *, int)",
    "SSL_get_verify_result": "long (const SSL *)",
    "SSL_CTX_set_default_read_buffer_len": "void (SSL_CTX *, size_t)",
    "SSL_CTX_set_keylog_callback": "void (SSL_CTX *, void (*)(const SSL *, const char *))",
    "SSL_set_session": "int (SSL *, SSL_SESSION *)",
    "BIO_ctrl": "long (BIO *, int, long, void *)",
    "BIO_read": "int (BIO *, void *, int)",
    "BIO_write": "int (BIO *, const void *, int)",
    "BIO_ctrl_pending": "size_t (BIO *)",
    "BIO_new_mem_buf": "BIO *(const void *, int)",
    "BIO_new_socket": "BIO *(int, int)",
    "BIO_test_flags": "int (const BIO *, int)",
    "X509_check_host": "int (X509 *, const char *, size_t, unsigned int, char **)",
    "X509_VERIFY_PARAM_set1_host": "int (X509_VERIFY_PARAM *, const char *, size_t)",
    "X509_VERIFY_PARAM_set1_ip_asc": "int (X509_VERIFY_PARAM *, const char *)",
    "X509_VERIFY_PARAM_set_hostflags": "void (X509_VERIFY_PARAM *, unsigned int)",
    "X509_verify_cert_error_string": "const char *(long)",
    "X509_NAME_print_ex": "int (BIO *, const X509_NAME *, int, unsigned long)",
    "X509V3_EXT_print": "int (BIO *, X509_EXTENSION *, unsigned long, int)",
    "X509_cmp_current_time": "int (const ASN1_TIME *)",
    "X509_get_ext_by_NID": "int (const X509 *, int, int)",
    "X509_STORE_load_locations": "int (X509_STORE *, const char *, const char *)",
    "d2i_X509": "X509 *(X509 **, const unsigned char **, long)",
    "i2d_X509": "int (const X509 *, unsigned char **)",
    "PEM_read_bio_X509": "X509 *(BIO *, X509 **, pem_password_cb *, void *)",
    "PEM_read_bio_PrivateKey": "EVP_PKEY *(BIO *, EVP_PKEY **, pem_password_cb *, void *)",
    "EVP_DigestSignInit": "int (EVP_MD_CTX *, EVP_PKEY_CTX **, const EVP_MD *, ENGINE *, EVP_PKEY *)",
    "EVP_DigestUpdate": "int (EVP_MD_CTX *, const void *, size_t)",
    "EVP_DigestSignFinal": "int (EVP_MD_CTX *, unsigned char *, size_t *)",
    "EVP_DigestVerifyFinal": "int (EVP_MD_CTX *, const unsigned char *, size_t)",
    "HMAC": "unsigned char *(const EVP_MD *, const void *, int, const unsigned char *, size_t, unsigned char *,"
    " unsigned int *)",
    "CRYPTO_malloc": "void *(size_t, const char *, int)",
    "CRYPTO_free": "void (void *, const char *, int)",
    "ERR_get_error": "unsigned long (void)",
    "ERR_get_error_all": "unsigned long (const char **, int *, const char **, const char **, int *)",
    "ERR_get_error_line_data": "unsigned long (const char **, int *, const char **, int *)",
    "ERR_error_string_n": "void (unsigned long, char *, size_t)",
    "ERR_remove_thread_state": "void (void *)",
    "ERR_remove_state": "void (unsigned long)",
    "ASN1_BIT_STRING_get_bit": "int (const ASN1_BIT_STRING *, int)",
    "OPENSSL_sk_value": "void *(const OPENSSL_STACK *, int)",
    "SSL_CTX_set1_cert_store": "void (SSL_CTX *, X509_STORE *)",
}


def test_prototypes() -> None:
    assert abi_differences(headers=HEADERS, defines=DEFINES, prototypes=PROTOTYPES) == []


def test_bindings_follow_the_prototypes() -> None:
    """Each binding has as many parameters as C, of the same sizes."""
    sizes = {"int": 4, "unsigned int": 4, "long": sizeof(c_long), "unsigned long": sizeof(c_long)}
    sizes |= {"size_t": sizeof(c_size_t), "uint64_t": 8}
    for name, prototype in PROTOTYPES.items():
        function = getattr(api, name, None) or getattr(client_api, name, None)
        if not function:
            continue
        result, _, rest = prototype.partition("(")
        parameters = [] if rest == "void)" else split(rest[:-1])
        assert len(function.argtypes) == len(parameters), name
        for binding, parameter in zip(function.argtypes, parameters, strict=True):
            assert sizeof(binding) == sizes.get(parameter, sizeof(c_void_p)), f"{name}: {parameter}"
        if result.strip() == "void":
            assert function.restype is None, name
        else:
            assert sizeof(function.restype) == sizes.get(result.strip(), sizeof(c_void_p)), name


def split(parameters: str) -> list[str]:
    """Split at the commas that are not inside parentheses."""
    parts, depth = [""], 0
    for mark in parameters:
        depth += (mark == "(") - (mark == ")")
        if mark == "," and not depth:
            parts.append("")
        else:
            parts[-1] += mark
    return [part.strip() for part in parts]
