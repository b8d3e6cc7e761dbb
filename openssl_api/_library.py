"""Loads libssl and libcrypto: always a pair of one build, and the pair that Python itself uses.

Which files, in this order:

1. those named by ``OPENSSL_API_LIBSSL`` and ``OPENSSL_API_LIBCRYPTO`` (either may be left out);
2. those already in the process because ``_ssl`` or ``_hashlib`` was imported;
3. those in this Python's own ``lib`` directory (conda and other relocatable Pythons), because an ``import ssl`` that
   comes later expects that very build under the same soname;
4. what the dynamic linker finds for the sonames of OpenSSL 3 and 1.1.

libcrypto is never searched for on its own: it is the file that the loaded libssl is linked with, so the two cannot
differ. :mod:`ssl` is not imported for any of this: that alone costs more than a request.

No Delphi origin; it stands where ``Grijjy.OpenSSL.API`` keeps its two module handles.
"""

from __future__ import annotations

import ctypes
import os
import sys

from linuxapi._libc import libc
from linuxapi.binding import Library, bind, load_library, mapped_file

LIBSSL_VARIABLE = "OPENSSL_API_LIBSSL"
LIBCRYPTO_VARIABLE = "OPENSSL_API_LIBCRYPTO"

_SONAMES = ("libssl.so.3", "libssl.so.1.1")
_PACKAGE = "libssl3"
_PURPOSE = "TLS"

#: The oldest version that has all that this package relies on (``SSL_CTX_set1_cert_store``, TLS 1.3).
_OLDEST = 0x10101000
#: What LibreSSL answers to OpenSSL_version_num: another library under the same names.
_LIBRESSL = 0x20000000

_OPENSSL_INIT_NO_ATEXIT = 0x00080000


class _DlInfo(ctypes.Structure):
    """``Dl_info`` of <dlfcn.h>."""

    _fields_ = (
        ("dli_fname", ctypes.c_char_p),
        ("dli_fbase", ctypes.c_void_p),
        ("dli_sname", ctypes.c_char_p),
        ("dli_saddr", ctypes.c_void_p),
    )


def _address(library: Library, symbol: str) -> int:
    """Where *symbol* is when it is looked up in *library* and in what that is linked with; 0 if it isn't there."""
    try:
        return ctypes.cast(library.pydll[symbol], ctypes.c_void_p).value or 0
    except AttributeError:
        return 0


def _file_of(address: int) -> str:
    """The file that the code at *address* was loaded from."""
    info = _DlInfo()
    if not libc.cdll["dladdr"](ctypes.c_void_p(address), ctypes.byref(info)) or not info.dli_fname:
        raise ImportError(f"cannot tell which file the code at {address:#x} belongs to")
    return os.fsdecode(info.dli_fname)


def _loadable(path: str) -> str:
    """*path*, or its bare name where a package upgrade has replaced the file under the running process."""
    path = path.removesuffix(" (deleted)")
    return path if os.path.exists(path) else os.path.basename(path)


def _candidates(libcrypto_path: str | None) -> list[str]:
    """The names of libssl to try, given the libcrypto that was asked for."""
    if libcrypto_path is None:
        mapped = mapped_file("libssl.so", "libcrypto.so")
        if mapped and os.path.basename(mapped).startswith("libssl.so"):
            return [_loadable(mapped)]
        libcrypto_path = mapped
    if libcrypto_path:
        directory, name = os.path.split(libcrypto_path)
        return [_loadable(os.path.join(directory, name.replace("libcrypto", "libssl", 1))), *_SONAMES]
    own = [os.path.join(sys.base_prefix, "lib", soname) for soname in _SONAMES]
    return [*(path for path in own if os.path.exists(path)), *_SONAMES]


def _mode() -> int:
    """How to load: with local symbols, and shielded from an OpenSSL that sits inside the Python executable.

    Such a Python exports its own copy's functions to everything in the process, and libssl would call those instead
    of its own libcrypto's: two versions crossing, which crashes. RTLD_DEEPBIND prevents it; it is used only there,
    because it also hides a replaced ``malloc`` from the library.
    """
    try:
        _ = libc.cdll["OPENSSL_init_crypto"]  # where Python looks for what is in the process
    except AttributeError:
        return ctypes.DEFAULT_MODE
    return ctypes.DEFAULT_MODE | getattr(os, "RTLD_DEEPBIND", 0)


def _load() -> tuple[Library, Library]:
    mode = _mode()
    chosen = None
    if os.environ.get(LIBCRYPTO_VARIABLE):
        # First, because the linker satisfies libssl's need of "libcrypto.so.3" with one that is already there.
        chosen = load_library((), package=_PACKAGE, variable=LIBCRYPTO_VARIABLE, purpose=_PURPOSE, mode=mode)
    names = _candidates(chosen.path if chosen is not None else None)
    ssl = load_library(names, package=_PACKAGE, variable=LIBSSL_VARIABLE, purpose=_PURPOSE, mode=mode)
    address = _address(ssl, "OpenSSL_version_num")
    if not address or not _address(ssl, "OPENSSL_init_ssl"):
        raise ImportError(f"{ssl.path} is not the libssl of OpenSSL 1.1.1 or 3.x; set {LIBSSL_VARIABLE} to one that is")
    if chosen is not None and _address(chosen, "OpenSSL_version_num") != address:
        raise ImportError(
            f"{LIBCRYPTO_VARIABLE} names {chosen.path}, but {ssl.path} is linked with {_file_of(address)}: "
            f"name a libssl and a libcrypto of the same version, in {LIBSSL_VARIABLE} and {LIBCRYPTO_VARIABLE}"
        )
    if chosen is None:
        path = _file_of(address)
        chosen = Library(ctypes.CDLL(path, mode=mode), path, _PACKAGE, LIBCRYPTO_VARIABLE)
    return ssl, chosen


libssl, libcrypto = _load()

_version_num = bind(libcrypto, "OpenSSL_version_num", ctypes.c_ulong, [], hold_gil=True)
_version_text = bind(libcrypto, "OpenSSL_version", ctypes.c_char_p, [ctypes.c_int], hold_gil=True)

#: The version as a number, 0xMNN00PP0 from 3.0 on (0x30000160 is 3.0.22), 0x1010117f for 1.1.1w.
VERSION: int = _version_num()


def _describe() -> str:
    return str(_version_text(0).decode("ascii", "replace"))


libssl.version = libcrypto.version = _describe

if VERSION < _OLDEST or VERSION == _LIBRESSL:
    raise ImportError(
        f"{libssl.path} is {_describe()}: OpenSSL 1.1.1 or 3.x is needed. "
        f"Install {_PACKAGE}, or set {LIBSSL_VARIABLE} to the path of the file."
    )

# Without this, OpenSSL frees everything it has in an exit handler, under the feet of daemon threads that are still
# inside a handshake: a crash at the end of the process. It has no effect where Python's ssl has initialised first.
bind(libcrypto, "OPENSSL_init_crypto", ctypes.c_int, [ctypes.c_uint64, ctypes.c_void_p])(_OPENSSL_INIT_NO_ATEXIT, None)
