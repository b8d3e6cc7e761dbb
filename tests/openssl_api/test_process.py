"""The end of the process, and its beginning: nothing crashes, nothing is said, and children can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .processes import compile_library, python, sent_certificates

if TYPE_CHECKING:
    import pathlib

    from tests.certificates import Certificates

PRELUDE = """
import os, sys, threading
from openssl_api import *
from tests.openssl_api.peers import Pair
from tests.servers._tls import tls_context
from tests.openssl_api.processes import received_certificates
certificates = received_certificates()
server = tls_context(certificates.server)
context = TlsContext(ca_file=certificates.ca_file)
"""


def run(code: str, certificates: Certificates) -> str:
    result = python(PRELUDE + code, **sent_certificates(certificates, "server"))
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_objects_left_open(certificates: Certificates) -> None:
    code = """
pair = Pair(server, context).handshake()
half = Pair(server, context)
half.engine.handshake()
import builtins
class Holder: pass
# In a cycle, and in a module that is taken apart last.
holder = Holder(); holder.me = holder; holder.pair = Pair(server, context).handshake()
builtins.kept = Pair(server, TlsContext(ca_file=certificates.ca_file)).handshake()
"""
    run(code, certificates)


def test_threads_in_the_middle_of_handshakes() -> None:
    """Daemon threads go on while the process ends: OpenSSL must not be cleaned up under their feet.

    Python's ssl, which the tests' own server needs, would have OpenSSL clean up; so there is none in this process.
    """
    code = """
import os, sys, threading, time
from openssl_api import *
context = TlsContext(verify=False)
assert "_ssl" not in sys.modules
def work():
    while True:
        engine = TlsEngine(context, "localhost", 443)
        engine.handshake()
        engine.close()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
"""
    for _ in range(5):
        result = python(code)
        assert (result.returncode, result.stderr) == (0, "")


AT_EXIT = """
#include <stdlib.h>
#include <unistd.h>
void *(*method)(void);
void *(*new_context)(void *);
static void look(void) { _exit(new_context(method()) ? 42 : 43); }
void arrange(void) { atexit(look); }
"""


def test_openssl_is_usable_to_the_very_end(tmp_path: pathlib.Path) -> None:
    """What is arranged first runs last: after OpenSSL's own clean-up at exit, if it were to clean up."""
    code = """
    import ctypes, os
    look = ctypes.CDLL(os.environ["LOOK"])
    look.arrange()
    from openssl_api import TlsContext, api
    from openssl_api._library import libssl
    for name, symbol in (("method", "TLS_method"), ("new_context", "SSL_CTX_new")):
        address = ctypes.cast(libssl.cdll[symbol], ctypes.c_void_p).value
        ctypes.c_void_p.in_dll(look, name).value = address
    context = TlsContext(verify=False)
    """
    result = python(code, LOOK=compile_library(tmp_path / "look.so", AT_EXIT))
    assert (result.returncode, result.stderr) == (42, "")


def test_after_fork(certificates: Certificates) -> None:
    code = """
before = Pair(server, context).handshake()
child = os.fork()
if not child:
    with Pair(server, context).handshake() as pair:
        pair.engine.write(b"child")
        pair.to_server()
        assert pair.server.received() == b"child"
    before.engine.close()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
before.engine.write(b"parent")
before.to_server()
assert before.server.received() == b"parent"
print("both")
"""
    assert run(code, certificates) == "both\n"


def test_import_is_quiet_and_cheap() -> None:
    """No module that costs more than it is worth; tests/test_floors.py has the list, this is for the whole package."""
    result = python("import openssl_api, sys; print(*sorted(sys.modules))")
    assert result.stderr == ""
    loaded = set(result.stdout.split())
    assert not loaded & {"ssl", "_ssl", "socket", "typing", "threading", "inspect", "dataclasses", "enum"}
    assert "openssl_api._delphi" not in loaded
