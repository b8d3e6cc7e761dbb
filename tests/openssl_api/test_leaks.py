"""Nothing leaks: OpenSSL's own allocations are counted, in a process where Python hands them out.

Each operation runs until what it needs once is there (error texts, caches), and then as many times again: at the end
there must be as many allocations as before.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .test_library import ROOT

if TYPE_CHECKING:
    from tests.certificates import Certificates

COUNT = r"""
import ctypes, gc, os, sys
from linuxapi.binding import load_library

library = load_library(
    [os.environ.get("OPENSSL_API_LIBCRYPTO") or "libcrypto.so.3", "libcrypto.so.1.1"],
    package="libssl3", variable="OPENSSL_API_LIBCRYPTO",
)
libc = ctypes.PyDLL(None)
for name, restype, argtypes in (
    ("malloc", ctypes.c_void_p, [ctypes.c_size_t]),
    ("realloc", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]),
    ("free", None, [ctypes.c_void_p]),
):
    function = getattr(libc, name)
    function.restype, function.argtypes = restype, argtypes
live = set()

def on_malloc(size, file, line):
    address = libc.malloc(size)
    live.add(address)
    return address

def on_realloc(old, size, file, line):
    address = libc.realloc(old, size)
    live.discard(old)
    live.add(address)
    return address

def on_free(address, file, line):
    live.discard(address)
    libc.free(address)

P, S, N = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
callbacks = (
    ctypes.CFUNCTYPE(P, S, P, N)(on_malloc),
    ctypes.CFUNCTYPE(P, P, S, P, N)(on_realloc),
    ctypes.CFUNCTYPE(None, P, P, N)(on_free),
)
assert library.cdll.CRYPTO_set_mem_functions(*callbacks) == 1, "OpenSSL has allocated before"

import contextlib, pathlib
from openssl_api import *
from openssl_api.api import SSL_CTX_new, SSL_CTX_free, SSLv23_method
from tests.openssl_api.peers import Handler, Pair
from tests.servers._tls import tls_context
from tests.certificates import Certificates

certificates = Certificates(pathlib.Path(sys.argv[1]))

def check(operation, repeat=30):
    for _ in range(repeat):
        operation()
    gc.collect()
    before = len(live)
    for _ in range(repeat):
        operation()
    gc.collect()
    after = len(live)
    # Less than one in every second round: not a leak, but a cache that has still grown.
    assert after - before < repeat // 2, f"{after - before} allocations left by {repeat} rounds"
    print("counted", before)

def fails(operation):
    def attempt():
        with contextlib.suppress(TlsError):
            operation()
            raise AssertionError("that was to fail")
    return attempt
"""

END = """
sys.stdout.flush()
# Without the interpreter's end, after which OpenSSL must not call back any more.
os._exit(0)
"""


def run(code: str, certificates: Certificates) -> None:
    result = subprocess.run(
        [sys.executable, "-c", COUNT + code + END, str(certificates.directory)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert result.returncode == 0, result.stderr
    assert "counted" in result.stdout
    assert result.stderr == ""


def test_leaks_are_found(certificates: Certificates) -> None:
    """That the test can fail."""
    code = "check(lambda: SSL_CTX_new(SSLv23_method()))"
    with pytest.raises(AssertionError, match=r"allocations left by 30 rounds"):
        run(code, certificates)


def test_signatures_and_codes(certificates: Certificates) -> None:
    identity = certificates.server_rsa
    assert identity.key.exists()
    assert certificates.client_encrypted.key.exists()
    code = """
key = certificates.server_rsa.key_pem
encrypted = certificates.client_encrypted.key_pem
check(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", key), 300)
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", b"garbage")), 300)
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", key[:500])), 300)
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", certificates.client.key_pem)), 300)
check(fails(lambda: TgoSSLHelper.sign_rsa_sha256(b"data", encrypted)))
check(lambda: TgoSSLHelper.hmac_sha256(b"key", b"data"), 300)
check(lambda: TgoSSLHelper.hmac_sha1(b"key", b"data"), 300)
"""
    run(code, certificates)


def test_contexts(certificates: Certificates) -> None:
    assert certificates.client_big_chain.key.exists()
    assert certificates.client_encrypted.key.exists()
    assert certificates.server.key.exists()
    code = """
def context(**options):
    TlsContext(**options).close()

client, encrypted = certificates.client_big_chain, certificates.client_encrypted
check(lambda: context(ca_file=certificates.ca_file, certificate=client.certificate, private_key=client.key))
check(lambda: context(ca_data=certificates.ca_pem * 3, alpn=(b"h2",), keylog=print, verify=False))
check(lambda: context(certificate=encrypted.certificate, private_key=encrypted.key, password=encrypted.password))
check(lambda: TlsContext())  # not closed
check(fails(lambda: context(ca_file="/nowhere")))
check(fails(lambda: context(ca_data=certificates.ca_pem + b"-----BEGIN CERTIFICATE-----\\nAA")))
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
    run(code, certificates)


def test_connections(certificates: Certificates) -> None:
    assert certificates.server.key.exists()
    assert certificates.expired.key.exists()
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
    run(code, certificates)
