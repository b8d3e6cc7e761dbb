"""Nothing leaks: OpenSSL's own allocations are counted, in a process where a counter hands them out.

Each operation runs until what it needs once is there (error texts, caches), and then as many times again: at the end
there must be as many allocations as before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .processes import ROOT, compile_library, sent_certificates

if TYPE_CHECKING:
    from tests.certificates import Certificates

#: Allocates for OpenSSL, and counts what has not been freed. In C: OpenSSL also frees where Python must not run.
COUNTER = """
#include <stdlib.h>
static long live;
long live_allocations(void) { return __atomic_load_n(&live, __ATOMIC_SEQ_CST); }
void counting_free(void *memory, const char *file, int line) {
    if (memory) __atomic_sub_fetch(&live, 1, __ATOMIC_SEQ_CST);
    free(memory);
}
void *counting_malloc(size_t size, const char *file, int line) {
    void *memory = size ? malloc(size) : NULL;
    if (memory) __atomic_add_fetch(&live, 1, __ATOMIC_SEQ_CST);
    return memory;
}
void *counting_realloc(void *memory, size_t size, const char *file, int line) {
    if (!memory) return counting_malloc(size, file, line);
    if (size) return realloc(memory, size);
    counting_free(memory, file, line);
    return NULL;
}
"""

COUNT = r"""
import ctypes, gc, os
from linuxapi.binding import load_library

library = load_library(
    [os.environ.get("OPENSSL_API_LIBCRYPTO") or "libcrypto.so.3", "libcrypto.so.1.1"],
    package="libssl3", variable="OPENSSL_API_LIBCRYPTO",
)
counter = ctypes.CDLL(os.environ["COUNTER"])
counter.live_allocations.restype = ctypes.c_long
functions = (counter.counting_malloc, counter.counting_realloc, counter.counting_free)
assert library.cdll.CRYPTO_set_mem_functions(*functions) == 1, "OpenSSL has allocated before"

import contextlib
from openssl_api import *
from openssl_api.api import SSL_CTX_new, SSL_CTX_free, SSLv23_method
from tests.openssl_api.peers import Handler, Pair
from tests.servers._tls import tls_context
from tests.openssl_api.processes import received_certificates

certificates = received_certificates()

def check(operation, repeat=50):
    for _ in range(repeat):
        operation()
    gc.collect()
    before = counter.live_allocations()
    for _ in range(repeat):
        operation()
    gc.collect()
    after = counter.live_allocations()
    # Less than one in every fourth round: not a leak, but a cache that has still grown.
    assert after - before < repeat // 4, f"{after - before} allocations left by {repeat} rounds"
    print("counted", before)

def fails(operation):
    def attempt():
        with contextlib.suppress(TlsError):
            operation()
            raise AssertionError("that was to fail")
    return attempt
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compile_library(tmp_path_factory.mktemp("counter") / "counter.so", COUNTER)


def run(code: str, counter: str, certificates: Certificates, *names: str) -> None:
    given = {"PYTHONPATH": str(ROOT), "COUNTER": counter, **sent_certificates(certificates, *names)}
    result = subprocess.run(
        [sys.executable, "-c", COUNT + code],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert result.returncode == 0, result.stderr
    assert "counted" in result.stdout
    assert result.stderr == ""


def test_leaks_are_found(counter: str, certificates: Certificates) -> None:
    """That the test can fail."""
    code = "check(lambda: SSL_CTX_new(SSLv23_method()))"
    with pytest.raises(AssertionError, match=r"allocations left by 50 rounds"):
        run(code, counter, certificates)


def test_signatures_and_codes(counter: str, certificates: Certificates) -> None:
    code = """
key = certificates.server_rsa.key_pem
encrypted = certificates.client_encrypted.key_pem
check(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", key), 1000)
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", b"garbage")))
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", key[:500])))
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", certificates.client.key_pem)))
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", encrypted)))
check(lambda: TgoSSLHelper.hmac_sha256(b"key", b"data"))
check(lambda: TgoSSLHelper.hmac_sha1(b"key", b"data"))
"""
    run(code, counter, certificates, "server_rsa", "client", "client_encrypted")


def test_contexts(counter: str, certificates: Certificates) -> None:
    code = """
def context(**options):
    TlsContext(**options).close()

client, encrypted = certificates.client_big_chain, certificates.client_encrypted
check(lambda: context(ca_file=certificates.ca_file, certificate=client.certificate, private_key=client.key))
check(lambda: context(ca_data=certificates.ca_file.read_bytes() * 3, alpn=(b"h2",), keylog=print, verify=False))
check(lambda: context(certificate=encrypted.certificate, private_key=encrypted.key, password=encrypted.password))
check(lambda: TlsContext())  # not closed
check(fails(lambda: context(ca_file="/nowhere")))
check(fails(lambda: context(ca_data=certificates.ca_file.read_bytes() + b"-----BEGIN CERTIFICATE-----\\nAA")))
check(fails(lambda: context(ca_data=b"\\x30\\x03abc")))
check(fails(lambda: context(certificate=client.certificate, private_key=encrypted.key)))
check(fails(lambda: context(certificate=client.certificate, private_key=certificates.server.key)))
check(fails(lambda: context(ciphers="nonsense")))
check(fails(lambda: context(minimum_version=1)))

def set_certificate(certificate, key):
    raw = SSL_CTX_new(SSLv23_method())
    try:
        TgoSSLHelper.set_certificate(raw, certificate, key)
    finally:
        SSL_CTX_free(raw)

check(lambda: set_certificate(client.certificate, client.key))
check(fails(lambda: set_certificate(client.certificate, certificates.server.key)))
check(fails(lambda: set_certificate(client.certificate, b"garbage")))
check(fails(lambda: set_certificate(b"garbage", client.key)))
"""
    run(code, counter, certificates, "server", "client_big_chain", "client_encrypted")


def test_connections(counter: str, certificates: Certificates) -> None:
    code = """
server, expired = tls_context(certificates.server), tls_context(certificates.expired)
context = TlsContext(ca_file=certificates.ca_file)

def connect(context=context, server=server, close=True, **options):
    pair = Pair(server, context, **options)
    try:
        pair.handshake()
        pair.engine.write(b"x" * 100_000)
        pair.to_server()
        pair.server.tls.write(b"answer")
        pair.to_client()
        pair.read_all()
        pair.engine.peer_certificate()
        pair.engine.shutdown()
        if close:
            pair.close()
    finally:
        pair.close_sockets()

def damaged():
    with Pair(server, context).handshake() as pair:
        pair.settle()
        pair.feed(b"\\x17\\x03\\x03\\x00\\x20" + b"x" * 32)
        pair.read()

def handler():
    peer = Handler(server, TgoOpenSSL(context))
    peer.handler.connect()
    peer.exchange()
    peer.handler.write(b"x" * 1000)
    peer.handler.release()

check(connect)
check(lambda: connect(through_socket=True))
check(lambda: connect(close=False))
check(lambda: connect(TlsContext(ca_file=certificates.ca_file)))  # a new context each time
check(fails(lambda: connect(server=expired)))
check(fails(lambda: TlsEngine(context, "", 443)))
check(fails(damaged))
check(lambda: TlsEngine(context, "localhost", 443))
check(handler)
"""
    run(code, counter, certificates, "server", "expired")
