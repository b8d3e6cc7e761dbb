"""Which libssl and libcrypto are loaded. Each case in a fresh Python, because a process loads them once."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import textwrap

import pytest

from .processes import compile_library, python

SHOW = """
from openssl_api import _library
print(_library.libssl.path, _library.libcrypto.path, hex(_library.VERSION), sep="|")
"""


def shown(code: str = "", **environment: str) -> tuple[str, str, int]:
    """Return the paths of libssl and libcrypto, and the version, in a Python that has run *code* before."""
    result = python(textwrap.dedent(code) + SHOW, **environment)
    assert result.returncode == 0, result.stderr
    ssl_path, crypto_path, version = result.stdout.strip().split("|")
    return ssl_path, crypto_path, int(version, 16)


def import_error(code: str = "", **environment: str) -> str:
    result = python(textwrap.dedent(code) + "\nimport openssl_api", **environment)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: "), result.stderr
    return last


@pytest.fixture(scope="module")
def system() -> tuple[str, str]:
    """The files that are loaded where nothing else is said."""
    ssl_path, crypto_path, _ = shown()
    return ssl_path, crypto_path


@pytest.fixture
def copies(tmp_path: pathlib.Path, system: tuple[str, str]) -> tuple[str, str]:
    """Copies of these files in a directory of their own."""
    return str(shutil.copy(system[0], tmp_path)), str(shutil.copy(system[1], tmp_path))


def test_a_pair_of_one_version(system: tuple[str, str]) -> None:
    ssl_path, crypto_path, version = shown()
    assert version >= 0x10101000
    assert ssl_path.replace("libssl", "libcrypto") == crypto_path
    assert os.path.isabs(ssl_path)


def test_the_same_files_as_pythons_own() -> None:
    code = """
    import sys
    if {before}: import _hashlib
    if {before}: import _ssl
    from openssl_api import _library
    assert {before} or "_ssl" not in sys.modules
    import _ssl, _hashlib
    for line in open("/proc/self/maps"):
        path = line.split()[-1]
        if "libssl" in path or "libcrypto" in path:
            print(path)
    """
    for before in (True, False):
        result = python(code.format(before=before))
        assert result.returncode == 0, result.stderr
        assert len(set(result.stdout.split())) == 2, "one libssl, one libcrypto"


def test_only_libcrypto_is_there_already(system: tuple[str, str]) -> None:
    assert shown("import _hashlib")[:2] == system


def test_ssl_is_not_imported() -> None:
    result = python(
        "import sys, openssl_api; print([name for name in ('ssl', '_ssl', 'hashlib') if name in sys.modules])"
    )
    assert result.stdout.strip() == "[]", result.stderr


class TestVariables:
    def test_both(self, copies: tuple[str, str]) -> None:
        assert shown(OPENSSL_API_LIBSSL=copies[0], OPENSSL_API_LIBCRYPTO=copies[1])[:2] == copies

    def test_libcrypto_alone(self, copies: tuple[str, str]) -> None:
        """The libssl beside it is taken."""
        assert shown(OPENSSL_API_LIBCRYPTO=copies[1])[:2] == copies

    def test_libssl_alone(self, copies: tuple[str, str], system: tuple[str, str]) -> None:
        """The libcrypto that it is linked with is taken."""
        ssl_path, crypto_path, _ = shown(OPENSSL_API_LIBSSL=copies[0])
        assert ssl_path == copies[0]
        assert os.path.basename(crypto_path) == os.path.basename(system[1])

    def test_missing(self) -> None:
        for variable in ("OPENSSL_API_LIBSSL", "OPENSSL_API_LIBCRYPTO"):
            message = import_error(**{variable: "/nowhere/libother.so.3"})
            for word in ("/nowhere/libother.so.3", variable, "apt install libssl3", "TLS"):
                assert word in message

    def test_another_library(self) -> None:
        message = import_error(OPENSSL_API_LIBSSL="libc.so.6")
        assert "is not the libssl of OpenSSL" in message
        assert "OPENSSL_API_LIBSSL" in message

    def test_libcrypto_for_libssl(self, system: tuple[str, str]) -> None:
        assert "is not the libssl of OpenSSL" in import_error(OPENSSL_API_LIBSSL=system[1])

    def test_libcrypto_of_another_libssl(self, copies: tuple[str, str], system: tuple[str, str]) -> None:
        """The system's libcrypto is in the process, so the system's libssl uses that one."""
        message = import_error(
            f"import ctypes; ctypes.CDLL({system[1]!r})",
            OPENSSL_API_LIBSSL=system[0],
            OPENSSL_API_LIBCRYPTO=copies[1],
        )
        for word in (copies[1], "of the same version", "OPENSSL_API_LIBSSL", "OPENSSL_API_LIBCRYPTO"):
            assert word in message


class TestPlaces:
    def test_the_lib_directory_of_this_python(self, tmp_path: pathlib.Path, copies: tuple[str, str]) -> None:
        """As with conda, whose Python would refuse to import ssl after another libssl."""
        (tmp_path / "lib").symlink_to(tmp_path)
        ssl_path, _, _ = shown(f"import sys; sys.base_prefix = {str(tmp_path)!r}")
        assert os.path.samefile(ssl_path, copies[0])

    def test_a_file_that_was_replaced_under_the_process(self, copies: tuple[str, str]) -> None:
        code = f"""
        import ctypes, os
        library = ctypes.CDLL({copies[0]!r})
        os.unlink({copies[0]!r})
        """
        ssl_path, _, _ = shown(code)
        assert ssl_path.startswith(copies[0])

    def test_no_library_at_all(self) -> None:
        # A loader that finds nothing: the sonames are looked up in no directory.
        result = python(
            """
            import ctypes
            real = ctypes.CDLL.__init__
            def init(self, name, *args, **kwargs):
                if name and "libssl" in name:
                    raise OSError("not found")
                real(self, name, *args, **kwargs)
            ctypes.CDLL.__init__ = init
            import openssl_api
            """
        )
        assert result.returncode == 1
        message = result.stderr.strip().splitlines()[-1]
        for word in ("libssl.so.3", "libssl.so.1.1", "OPENSSL_API_LIBSSL", "apt install libssl3"):
            assert word in message


IMPOSTOR = """
unsigned long OpenSSL_version_num(void) { return NUMBER; }
const char *OpenSSL_version(int what) { return "Impostor 1.0"; }
int OPENSSL_init_ssl(unsigned long long options, void *settings) { return 1; }
int OPENSSL_init_crypto(unsigned long long options, void *settings) { return 1; }
"""


@pytest.mark.parametrize(
    ("number", "good"), [(0x20000000, False), (0x1010009F, False), (0x1000215F, False), (0x10101000, True)]
)
def test_versions(tmp_path: pathlib.Path, number: int, good: bool) -> None:
    """LibreSSL and what is older than 1.1.1 is refused, by the number, whatever the text says."""
    path = compile_library(tmp_path / "libssl.so.9", IMPOSTOR, f"-DNUMBER={number}UL")
    if good:
        # It is let in, and then found to have no functions.
        result = python("import openssl_api", OPENSSL_API_LIBSSL=path)
        assert re.search(rf"MissingSymbolError: \w+ is not in {re.escape(path)}", result.stderr)
    else:
        message = import_error(OPENSSL_API_LIBSSL=path)
        for word in (path, "Impostor 1.0", "OpenSSL 1.1.1 or 3.x is needed", "OPENSSL_API_LIBSSL"):
            assert word in message


CARRIED = """
#include <unistd.h>
static void *crossed(void) { _exit(99); }
void *CRYPTO_zalloc(void) { return crossed(); }
void *CRYPTO_malloc(void) { return crossed(); }
void *OPENSSL_init_crypto(void) { return crossed(); }
void *OPENSSL_sk_new(void) { return crossed(); }
void *EVP_MD_CTX_new(void) { return crossed(); }
"""


@pytest.mark.parametrize(("prepare", "code"), [("", 0), ("import os; del os.RTLD_DEEPBIND", 99)])
def test_a_python_that_carries_an_openssl(tmp_path: pathlib.Path, prepare: str, code: int) -> None:
    """Its functions are visible to all libraries; libssl must call those of its own libcrypto all the same.

    The second case shows that without the precaution it would not.
    """
    carried = compile_library(tmp_path / "carried.so", CARRIED)
    result = python(f"{prepare}\nimport openssl_api\nopenssl_api.TlsContext(verify=False)\n", LD_PRELOAD=carried)
    assert result.returncode == code, result.stderr


def test_symbols_stay_local() -> None:
    code = """
    import ctypes, openssl_api
    try:
        ctypes.CDLL(None).SSL_new
    except AttributeError:
        print("local")
    """
    assert python(code).stdout.strip() == "local"
