"""The raw declarations: all of the Delphi unit's are there, do what they did, and the documentation tells the truth."""

from __future__ import annotations

import csv
import pathlib
import re
import ssl
from ctypes import byref, c_size_t, c_ubyte, c_uint, c_void_p, create_string_buffer, string_at
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from linuxapi.binding import MissingFunction, MissingSymbolError
from openssl_api import TlsContext, api, client_api
from openssl_api._library import VERSION, libcrypto, libssl

from .peers import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import ServerContexts

ROOT = pathlib.Path(__file__).parents[2]
UNIT = "Grijjy.OpenSSL.API"


def declared(*kinds: str) -> list[str]:
    with open(ROOT / "tests/data/delphi_api.tsv", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [name for unit, kind, owner, name in rows if unit == UNIT and kind in kinds and not owner]


IMPORTS = declared("import")


class Row(NamedTuple):
    """A line of the documentation's table."""

    name: str
    in_1_1_1: str
    in_3: str
    here: str


def documented() -> list[Row]:
    text = (ROOT / "docs/openssl.md").read_text()
    table = text.partition("| `Grijjy.OpenSSL.API` imports |")[2].partition("\n\n")[0]
    lines = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return [Row(*(cell.strip() for cell in line)) for line in lines]


DOCUMENTED = {row.name.strip("`"): row for row in documented()}


def has_symbol(name: str) -> bool:
    for library in (libssl, libcrypto):
        try:
            library.cdll[name]
        except AttributeError:
            continue
        return True
    return False


class TestCompleteness:
    def test_85_imports(self) -> None:
        assert len(IMPORTS) == 85
        for name in declared("import", "const", "type", "record", "function", "procedure"):
            assert hasattr(api, name), name

    def test_all_imports_can_be_called(self) -> None:
        missing = [name for name in IMPORTS if not getattr(api, name)]
        assert missing == ([] if has_symbol("SSLv3_method") else ["SSLv3_method"])

    def test_the_missing_one_explains_itself(self) -> None:
        if has_symbol("SSLv3_method"):  # a build that still speaks SSL 3.0
            assert api.SSLv3_method()
            return
        with pytest.raises(MissingSymbolError, match=r"SSLv3_method is not in .*libssl") as caught:
            api.SSLv3_method()
        assert "enable-ssl3-method" in str(caught.value)

    def test_19_are_no_symbols_of_openssl_3(self) -> None:
        gone = [name for name in IMPORTS if not has_symbol(name)]
        assert len(gone) == (19 if VERSION >= 0x30000000 else 17)

    def test_nothing_else_is_missing(self) -> None:
        """A library that lacks something may do so only where the code asks for it first."""
        missing = {name for name in dir(client_api) if isinstance(getattr(client_api, name), MissingFunction)}
        assert missing <= {"ERR_get_error_all", "ERR_get_error_line_data"}
        assert len(missing) < 2


class TestDocumentation:
    def test_every_import_is_in_the_table_once_and_in_order(self) -> None:
        assert [row.name for row in documented()] == [f"`{name}`" for name in IMPORTS]

    @pytest.mark.parametrize("name", IMPORTS)
    def test_the_table_is_true_of_the_loaded_library(self, name: str) -> None:
        row = DOCUMENTED[name]
        statement = row.in_3 if VERSION >= 0x30000000 else row.in_1_1_1
        if statement == "function" or re.fullmatch(r"function, deprecated since \d\.\d(\.\d)?", statement):
            assert has_symbol(name)
        elif match := re.fullmatch(r"(macro for|renamed) `(\w+)`", statement):
            assert not has_symbol(name)
            assert has_symbol(match[2])
        elif statement == "macro without a function":
            assert not has_symbol(name)
            assert not hasattr(getattr(api, name), "argtypes"), "a function of ours stands in for it"
        else:
            assert statement == "only in builds with SSL 3.0"

    @pytest.mark.parametrize("name", IMPORTS)
    def test_what_is_bound_is_what_the_table_says(self, name: str) -> None:
        row = DOCUMENTED[name]
        function = getattr(api, name)
        if row.here.startswith(("does nothing", "returns 1", "calls `")):
            assert function.__module__ == "openssl_api.api"
        elif function:
            statement = row.in_3 if VERSION >= 0x30000000 else row.in_1_1_1
            replaced = re.fullmatch(r"(macro for|renamed) `(\w+)`", statement)
            assert function.__name__ == (replaced[2] if replaced else name)

    def test_the_notes_agree_on_what_does_nothing(self) -> None:
        from openssl_api._delphi import PORTED

        notes = {entry.delphi.rpartition(".")[2]: entry.note for entry in PORTED if entry.kind == "import"}
        for name, row in DOCUMENTED.items():
            assert ("does nothing" in row.here) == ("does nothing" in notes[name]), name
            changed = row.in_3 != "function" or row.in_1_1_1 != "function"
            if changed and "deprecated" not in row.in_3:
                assert notes[name], name

    def test_the_constants_that_changed(self) -> None:
        text = (ROOT / "docs/openssl.md").read_text()
        assert f"| `SSL_OP_ALL` | `$000FFFFF` | `{api.SSL_OP_ALL:#010x}` |" in text
        assert f"| `SSL_ST_OK` | 3 | {api.SSL_ST_OK} |" in text
        assert f"| `SSL_OP_NO_SSLv2` | `$01000000` | {api.SSL_OP_NO_SSLv2} |" in text


class TestWhatBecameUnnecessary:
    def test_initialisation(self) -> None:
        assert api.SSL_library_init() == 1
        api.SSL_load_error_strings()
        api.ERR_load_BIO_strings()
        api.SSLInitialize()

    def test_locks(self) -> None:
        assert api.CRYPTO_num_locks() == 1
        lock = api.TStatLockLockCallback(lambda mode, n, file, line: None)
        api.CRYPTO_set_locking_callback(lock)
        for set_callback in (
            api.CRYPTO_set_dynlock_create_callback,
            api.CRYPTO_set_dynlock_lock_callback,
            api.CRYPTO_set_dynlock_destroy_callback,
        ):
            set_callback(None)

    def test_clean_up_leaves_everything_usable(self) -> None:
        api.LoadLIBEAY()
        api.LoadSSLEAY()
        api.EVP_cleanup()
        api.CRYPTO_cleanup_all_ex_data()
        api.ERR_remove_state(0)
        api.ERR_remove_thread_state(None)
        api.ERR_free_strings()
        api.SSLFinalize()
        api.UnloadSSLEAY()
        api.UnloadLIBEAY()
        TlsContext(verify=False).close()

    def test_the_files_that_were_loaded(self) -> None:
        assert "libssl" in api.SSLEAY_DLL
        assert "libcrypto" in api.LIBEAY_DLL


@pytest.fixture
def ssl_object() -> Iterator[int]:
    """An SSL on two memory BIOs, made with nothing but the functions of the Delphi unit."""
    context = api.SSL_CTX_new(api.SSLv23_method())
    assert context
    ssl_object = api.SSL_new(context)
    api.SSL_set_bio(ssl_object, api.BIO_new(api.BIO_s_mem()), api.BIO_new(api.BIO_s_mem()))
    yield ssl_object
    api.SSL_free(ssl_object)
    api.SSL_CTX_free(context)


class TestHelpers:
    def test_bio_flags(self) -> None:
        bio = api.BIO_new(api.BIO_s_mem())
        try:
            assert api.BIOGetFlags(bio) == 0
            assert not api.BIORetry(bio)
            buffer = create_string_buffer(10)
            assert api.BIO_read(bio, buffer, 10) == -1
            assert api.BIOGetFlags(bio) == api.BIO_FLAGS_READ | api.BIO_FLAGS_SHOULD_RETRY
            assert api.BIORetry(bio)
            assert api.BIO_write(bio, b"hello", 5) == 5
            assert not api.BIORetry(bio)
            assert api.BIO_ctrl(bio, api.BIO_CTRL_PENDING, 0, None) == 5
            assert api.BIO_read(bio, buffer, 10) == 5
            assert buffer.raw[:5] == b"hello"
        finally:
            assert api.BIO_free(bio) == 1

    def test_options(self) -> None:
        context = api.SSL_CTX_new(api.SSLv23_method())
        try:
            before = api.SetSSLCTXOptions(context, 0)
            assert not before & api.SSL_OP_NO_SSLv3 or before & api.SSL_OP_NO_COMPRESSION
            after = api.SetSSLCTXOptions(context, api.SSL_OP_ALL | api.SSL_OP_NO_SSLv2 | api.SSL_OP_NO_SSLv3)
            assert after == before | api.SSL_OP_ALL | api.SSL_OP_NO_SSLv3
            # As the original did it, nothing happens (any more).
            assert api.SSL_CTX_ctrl(context, 32, api.SSL_OP_NO_SSLv3, None) in (0, 1)
        finally:
            api.SSL_CTX_free(context)

    def test_fatal_errors(self) -> None:
        harmless = {
            api.SSL_ERROR_NONE,
            api.SSL_ERROR_WANT_READ,
            api.SSL_ERROR_WANT_WRITE,
            api.SSL_ERROR_WANT_CONNECT,
            api.SSL_ERROR_WANT_ACCEPT,
        }
        assert {error for error in range(9) if not api.SSLErrorFatal(error)} == harmless

    def test_error_texts(self, ssl_object: int) -> None:
        api.SSL_set_connect_state(ssl_object)
        result = api.SSL_connect(ssl_object)
        assert api.SSLError(ssl_object, result) == (api.SSL_ERROR_WANT_READ, "")
        assert api.SSLError(ssl_object, 1) == (api.SSL_ERROR_NONE, "")
        # No BIO can be read with a server name that is too long, so this leaves an error in the queue.
        assert api.SSL_set_cipher_list(ssl_object, b"nonsense") == 0
        error, text = api.SSLError(ssl_object, -1)
        assert error == api.SSL_ERROR_SSL
        assert "no cipher match" in text
        assert api.ERR_get_error() == 0

    def test_server_name(self, ssl_object: int) -> None:
        assert api.SSL_set_tlsext_host_name(ssl_object, "www.example.org") == 1
        assert api.SSL_set_tlsext_host_name(ssl_object, "x" * 300) == 0
        client_api.ERR_clear_error()
        with pytest.raises(UnicodeEncodeError):
            api.SSL_set_tlsext_host_name(ssl_object, "bücher")

    def test_state(self, context: TlsContext, server_context: ServerContexts) -> None:
        with Pair(server_context(), context) as pair:
            assert api.SSL_state(pair.engine._handle) != api.SSL_ST_OK
            pair.handshake()
            assert api.SSL_state(pair.engine._handle) == api.SSL_ST_OK


class TestTheOriginalsWay:
    """A connection by the Delphi unit's functions alone, as TgoOpenSSL.Connect of the original makes it."""

    def test_a_connection(self, ssl_object: int, server_context: ServerContexts) -> None:
        server = server_context(alpn=["h2"])
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = server.wrap_bio(incoming, outgoing, server_side=True)
        context = api.SSL_CTX_new(api.SSLv23_method())
        api.SSL_CTX_set_verify(context, api.SSL_VERIFY_NONE, api.TSetVerify_cb())
        assert api.SSL_CTX_set_alpn_protos(context, b"\x02h2", 3) == 0
        tls = api.SSL_new(context)
        api.SSL_CTX_free(context)
        rbio, wbio = api.BIO_new(api.BIO_s_mem()), api.BIO_new(api.BIO_s_mem())
        api.SSL_set_bio(tls, rbio, wbio)
        assert api.SSL_set_tlsext_host_name(tls, "localhost") == 1
        api.SSL_set_connect_state(tls)
        buffer = create_string_buffer(65536)
        try:
            for _ in range(10):
                count = api.SSL_read(tls, buffer, len(buffer))
                assert not api.SSLErrorFatal(api.SSL_get_error(tls, count))
                while api.BIO_ctrl(wbio, api.BIO_CTRL_PENDING, 0, None):
                    count = api.BIO_read(wbio, buffer, len(buffer))
                    incoming.write(buffer.raw[:count])
                try:
                    peer.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                data = outgoing.read()
                if data:
                    api.BIO_write(rbio, data, len(data))
                if api.SSL_state(tls) == api.SSL_ST_OK and not data:
                    break
            selected, size = c_void_p(), c_uint()
            api.SSL_get0_alpn_selected(tls, byref(selected), byref(size))
            assert selected.value
            assert string_at(selected.value, size.value) == b"h2"
            certificate = api.SSL_get_peer_certificate(tls)
            assert certificate
            assert b"CN=server" in self.printed(api.X509_get_subject_name(certificate))
            assert b"CN=intermediate" in self.printed(api.X509_get_issuer_name(certificate))
            api.X509_free(certificate)
            assert api.SSL_write(tls, b"hello", 5) == 5
            count = api.BIO_read(wbio, buffer, len(buffer))
            incoming.write(buffer.raw[:count])
            assert peer.read(10) == b"hello"
            peer.write(b"goodbye")
            data = outgoing.read()
            api.BIO_write(rbio, data, len(data))
            assert api.SSL_read(tls, buffer, 4) == 4
            assert api.SSL_pending(tls) == 3
            assert api.SSL_shutdown(tls) == 0
        finally:
            api.SSL_free(tls)

    def printed(self, name: int) -> bytes:
        bio = api.BIO_new(api.BIO_s_mem())
        api.X509_NAME_print_ex(bio, name, 0, client_api.XN_FLAG_RFC2253)
        buffer = create_string_buffer(1000)
        count = api.BIO_read(bio, buffer, 1000)
        api.BIO_free(bio)
        return buffer.raw[:count]

    def test_signatures(self, rsa_pem: bytes) -> None:
        bio = api.BIO_new_mem_buf(rsa_pem, len(rsa_pem))
        key = api.PEM_read_bio_PrivateKey(bio, None, api.TPemPasswordCallback(), b"")
        api.BIO_free(bio)
        assert api.EVP_PKEY_size(key) == 256
        context = api.EVP_MD_CTX_create()
        assert api.EVP_DigestSignInit(context, None, api.EVP_sha256(), None, key) == 1
        assert api.EVP_DigestUpdate(context, b"data", 4) == 1
        size = c_size_t()
        assert api.EVP_DigestSignFinal(context, None, byref(size)) == 1
        signature = create_string_buffer(size.value)
        assert api.EVP_DigestSignFinal(context, signature, byref(size)) == 1
        api.EVP_MD_CTX_destroy(context)
        for data, verdict in ((b"data", 1), (b"datA", 0)):
            context = api.EVP_MD_CTX_create()
            assert api.EVP_DigestVerifyInit(context, None, api.EVP_sha256(), None, key) == 1
            assert api.EVP_DigestUpdate(context, data, 4) == 1
            assert api.EVP_DigestVerifyFinal(context, signature, size) == verdict
            api.EVP_MD_CTX_destroy(context)
        api.EVP_PKEY_free(key)
        client_api.ERR_clear_error()

    def test_rsa_keys(self, rsa_pem: bytes) -> None:
        bio = api.BIO_new_mem_buf(rsa_pem, len(rsa_pem))
        key = api.PEM_read_bio_RSAPrivateKey(bio, None, api.TPemPasswordCallback(), b"")
        api.BIO_free(bio)
        assert key
        context = api.SSL_CTX_new(api.SSLv23_method())
        assert api.SSL_CTX_use_RSAPrivateKey(context, key) == 1
        api.SSL_CTX_free(context)
        client_api.RSA_free(key)

    def test_files(self, tmp_path: pathlib.Path, rsa_pem: bytes, rsa_certificate: pathlib.Path) -> None:
        key = tmp_path / "rsa.key"
        key.write_bytes(rsa_pem)
        context = api.SSL_CTX_new(api.SSLv23_method())
        pem = client_api.SSL_FILETYPE_PEM
        assert api.SSL_CTX_use_certificate_file(context, bytes(rsa_certificate), pem) == 1
        assert api.SSL_CTX_use_certificate_chain_file(context, bytes(rsa_certificate)) == 1
        assert api.SSL_CTX_use_RSAPrivateKey_file(context, bytes(key), pem) == 1
        assert api.SSL_CTX_check_private_key(context) == 1
        assert api.SSL_CTX_load_verify_locations(context, bytes(rsa_certificate), None) == 1
        assert api.SSL_CTX_get_cert_store(context)
        api.SSL_CTX_free(context)

    def test_memory_and_objects(self) -> None:
        memory = api.CRYPTO_malloc(16, None, 0)
        assert memory
        api.CRYPTO_free(memory, None, 0)
        assert api.OBJ_nid2sn(client_api.NID_subject_alt_name) == b"subjectAltName"
        string = api.TASN1_STRING(length=2, data=(c_ubyte * 2)(0x80, 0x01))
        assert api.ASN1_STRING_data(byref(string))[0] == 0x80
        assert [api.ASN1_BIT_STRING_get_bit(byref(string), bit) for bit in (0, 1, 15)] == [1, 0, 1]

    def test_stacks(self) -> None:
        store = client_api.X509_STORE_new()
        objects = client_api.X509_STORE_get0_objects(store)
        assert api.sk_num(objects) == 0
        assert api.sk_pop(objects) is None
        client_api.X509_STORE_free(store)

    def test_hmac(self) -> None:
        import hmac

        size = c_uint(64)
        buffer = create_string_buffer(64)
        assert api.HMAC(api.EVP_sha1(), b"key", 3, b"data", 4, buffer, byref(size))
        assert buffer.raw[: size.value] == hmac.digest(b"key", b"data", "sha1")

    def test_errors(self) -> None:
        assert api.ERR_get_error() == 0
        buffer = create_string_buffer(256)
        api.ERR_error_string_n(0, buffer, len(buffer))
        assert buffer.value.startswith(b"error:00000000")

    def test_reset(self, ssl_object: int) -> None:
        api.SSL_set_accept_state(ssl_object)
        assert api.SSL_clear(ssl_object) == 1
        assert api.SSL_ctrl(ssl_object, client_api.SSL_CTRL_MODE, 0, None) >= 0

    def test_socket_bio(self) -> None:
        import socket

        near, far = socket.socketpair()
        with near, far:
            bio = api.BIO_new_socket(near.fileno(), api.BIO_NOCLOSE)
            assert api.BIO_write(bio, b"hello", 5) == 5
            assert far.recv(10) == b"hello"
            api.BIO_free(bio)
            near.send(b"still open")


@pytest.fixture
def rsa_pem(rsa_key: Any) -> bytes:
    from .conftest import key_pem

    return key_pem(rsa_key, pkcs8=False)


@pytest.fixture
def rsa_certificate(tmp_path: pathlib.Path, rsa_key: Any) -> pathlib.Path:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "rsa")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = x509.CertificateBuilder(
        name, name, rsa_key.public_key(), 1, now - datetime.timedelta(1), now + datetime.timedelta(1)
    ).sign(rsa_key, hashes.SHA256())
    path = tmp_path / "rsa.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path
