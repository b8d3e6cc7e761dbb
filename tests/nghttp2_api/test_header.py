"""The binding against the installed nghttp2.h: everything that the header declares is there, and agrees with it."""

from __future__ import annotations

import ctypes
import os
import pathlib
import re
import subprocess
import sys

import pytest

import nghttp2_api
from linuxapi.binding import MissingFunction, MissingSymbolError
from nghttp2_api import _structs, callbacks, constants, structs
from nghttp2_api import nghttp2 as unit
from tests.abi import abi_differences, constants_of, fields_of

HEADERS = ["nghttp2/nghttp2.h"]

#: Macros that say how to compile, not what the library can do.
COMPILE_MACROS = {
    "NGHTTP2_EXTERN",
    "NGHTTP2_H",
    "NGHTTP2_NO_SSIZE_T",
    "NGHTTP2_STATICLIB",
}
#: Objects that C programs know by their address only; the binding has a pointer type for each.
OPAQUE = {
    "nghttp2_hd_deflater",
    "nghttp2_hd_inflater",
    "nghttp2_option",
    "nghttp2_rcbuf",
    "nghttp2_session",
    "nghttp2_session_callbacks",
    "nghttp2_stream",
}


@pytest.fixture(scope="module")
def header() -> str:
    text = pathlib.Path("/usr/include/nghttp2/nghttp2.h").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def declared_functions(header: str) -> dict[str, tuple[str, list[str]]]:
    """Return result type and parameter types of every function in the header."""
    functions = {}
    for head, parameters in re.findall(r"NGHTTP2_EXTERN\s+([^;(]+?)\s*\(([^;]*?)\)\s*;", header):
        *result, name = re.split(r"\s+|(?<=\*)(?=\w)", head.strip())
        types = [re.sub(r"\s*\w+$", "", parameter.strip()) for parameter in parameters.split(",")]
        functions[name] = (" ".join(result), types)
    return functions


def enumerations(header: str) -> dict[str, set[str]]:
    """Return the names in every enum of the header."""
    return {
        name: set(re.findall(r"\bNGHTTP2_\w+", body))
        for body, name in re.findall(r"typedef enum\s*\{(.*?)\}\s*(\w+)\s*;", header, flags=re.DOTALL)
    }


def library_is_another() -> bool:
    """Say whether a library is being tested that isn't the header's, and may lack some of what that declares."""
    version = pathlib.Path("/usr/include/nghttp2/nghttp2ver.h").read_text(encoding="utf-8")
    number = int(re.findall(r"define NGHTTP2_VERSION_NUM (\w+)", version)[0], 16)
    return bool(unit.nghttp2_version(0).contents.version_num != number)


def test_every_function_is_bound(header: str) -> None:
    functions = declared_functions(header)
    assert len(functions) >= 160
    assert set(functions) - set(nghttp2_api.__all__) == set()
    for name in functions:
        function = getattr(nghttp2_api, name)
        assert function or library_is_another(), f"{name} is in the header, but not in the library"
        assert function is getattr(unit, name), "bound once"


def test_prototypes_agree(header: str) -> None:
    """Pointers with pointers, sizes with sizes, signs with signs, for every function of the header."""
    wrong = []
    for name, (result, parameters) in declared_functions(header).items():
        function = getattr(unit, name)
        if not function and library_is_another():
            continue
        bound = [function.restype, *function.argtypes]
        declared = [result, *parameters]
        assert len(bound) == len(declared), name
        wrong += [
            f"{name}: {c} is bound as {python}"
            for c, python in zip(declared, bound, strict=True)
            if not agree(c, python)
        ]
    assert wrong == []


def agree(c: str, python: object) -> bool:
    c = c.removeprefix("const ").strip()
    if c == "void":
        return python is None
    if c == "nghttp2_vec":
        return python is structs.nghttp2_vec
    if c.endswith("*"):
        target = c.rstrip("* ").strip()
        if target in OPAQUE:
            return python in (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))
        if target.startswith("nghttp2_"):
            return python is ctypes.POINTER(getattr(nghttp2_api, target))
        return python in (
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.POINTER(ctypes.c_int),
            ctypes.POINTER(ctypes.c_uint8),
            ctypes.POINTER(ctypes.c_void_p),
        )
    if c.endswith(("_callback", "_callback2")):
        return python is getattr(callbacks, c)
    plain = {
        "int": ctypes.c_int,
        "int32_t": ctypes.c_int32,
        "nghttp2_settings_id": ctypes.c_int,
        "nghttp2_ssize": ctypes.c_ssize_t,
        "nghttp2_stream_proto_state": ctypes.c_int,
        "size_t": ctypes.c_size_t,
        "ssize_t": ctypes.c_ssize_t,
        "uint8_t": ctypes.c_uint8,
        "uint32_t": ctypes.c_uint32,
        "uint64_t": ctypes.c_uint64,
        "unsigned int": ctypes.c_uint,
    }
    return python is plain[c]


def declared_structs(header: str) -> set[str]:
    """Return the names of all structs and unions whose members the header shows."""
    return set(re.findall(r"^\}\s*(nghttp2_\w+);", header, flags=re.MULTILINE)) - set(enumerations(header))


def test_every_type_is_there(header: str) -> None:
    named = declared_structs(header)
    pointed = set(re.findall(r"typedef [^;{}]*?\(\*(nghttp2_\w+)\)\s*\(", header))
    opaque = set(re.findall(r"typedef struct \w+ (nghttp2_\w+);", header))
    assert len(named) >= 25
    assert len(pointed) >= 29
    assert opaque == OPAQUE
    for name in named | pointed | {f"p{name}" for name in opaque}:
        assert name in nghttp2_api.__all__, name
        assert isinstance(getattr(nghttp2_api, name), type), name


def test_callbacks_agree(header: str) -> None:
    """The number of parameters of every callback type, and the size of what it returns."""
    checked = 0
    for result, name, parameters in re.findall(
        r"typedef ([^;{}()]*?)\(\*(nghttp2_\w+)\)\s*\(([^;]*?)\)\s*;", header, flags=re.DOTALL
    ):
        prototype = getattr(callbacks, name)
        assert len(prototype._argtypes_) == parameters.count(",") + 1, name
        expected = {
            "int": ctypes.c_int,
            "ssize_t": ctypes.c_ssize_t,
            "nghttp2_ssize": ctypes.c_ssize_t,
            "void": None,
            "void *": ctypes.c_void_p,
        }[result.strip()]
        assert prototype._restype_ is expected, name
        checked += 1
    assert checked >= 29


def test_every_constant_is_there(header: str) -> None:
    macros = set(re.findall(r"^#\s*define (NGHTTP2_\w+)", header, flags=re.MULTILINE)) - COMPILE_MACROS
    names = macros.union(*enumerations(header).values())
    assert len(names) >= 115
    assert names - set(nghttp2_api.__all__) == set()


def test_abi(header: str) -> None:
    values: dict[str, int | bytes | str] = dict(constants_of(constants, "NGHTTP2_"))
    assert len(values) >= 115
    for name, text in vars(constants).items():
        if isinstance(text, bytes):
            values |= {f"sizeof({name}) - 1": len(text), **{f"{name}[{i}]": byte for i, byte in enumerate(text)}}
    compared = {
        name: value
        for module in (structs, _structs, callbacks)
        for name, value in vars(module).items()
        if name.startswith("nghttp2_") and isinstance(value, type) and hasattr(value, "_fields_")
    }
    newer = {"nghttp2_data_provider2"}
    assert declared_structs(header) - newer == compared.keys() - newer
    assert (
        abi_differences(
            headers=HEADERS,
            structs={
                # GCC takes an unsigned type for an enum without negative members; the size is what counts.
                name: (value, {key: key for key in fields_of(value) if (name, key) != ("nghttp2_headers", "cat")})
                for name, value in compared.items()
                if name not in newer
            },
            constants=values,
            types={
                "nghttp2_headers_category": ctypes.c_uint,
                "size_t": structs.size_t,
                "ssize_t": structs.ssize_t,
                "uint8_t *": structs.puint8,
                "uint32_t *": structs.puint32,
            },
        )
        == []
    )


FUNCTIONS = unit._all_functions()
NEWER = [name for name, row in FUNCTIONS.items() if len(row) == 3]


@pytest.mark.parametrize("name", NEWER)
def test_function_that_the_library_lacks_says_so(name: str) -> None:
    function = getattr(nghttp2_api, name)
    if function:
        assert function.argtypes is not None
        return
    since = FUNCTIONS[name][2]
    assert isinstance(function, MissingFunction)
    with pytest.raises(MissingSymbolError) as caught:
        function()
    message = str(caught.value)
    assert name in message
    assert since in message
    assert unit.libnghttp2.path in message
    assert unit.libnghttp2.version() in message
    assert "NGHTTP2_API_LIBNGHTTP2" in message


def test_some_functions_are_too_new_for_version_1_52() -> None:
    """So that the test before this one has something to test."""
    number = unit.nghttp2_version(0).contents.version_num
    assert bool(unit.nghttp2_session_mem_recv2) == (number >= 0x013C00)
    assert bool(unit.nghttp2_option_set_glitch_rate_limit) == (number >= 0x014300)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="nghttp2_nonsense"):
        nghttp2_api.nghttp2_nonsense
    with pytest.raises(AttributeError, match="'nghttp2_api' has no attribute 'bind'"):
        nghttp2_api.bind


def test_public_names() -> None:
    assert sorted(nghttp2_api.__all__) == sorted(set(nghttp2_api.__all__))
    for name in nghttp2_api.__all__:
        assert getattr(nghttp2_api, name) is not None
    assert set(nghttp2_api.__all__) <= set(dir(nghttp2_api))
    namespace: dict[str, object] = {}
    exec("from nghttp2_api import *", namespace)
    assert set(nghttp2_api.__all__) <= set(namespace)


def test_library() -> None:
    library = nghttp2_api.libnghttp2
    assert library.name == os.environ.get("NGHTTP2_API_LIBNGHTTP2", nghttp2_api.NGHTTP2_LIB)
    assert library.version() == nghttp2_api.nghttp2_version(0).contents.version_str.decode()
    assert not nghttp2_api.nghttp2_version(0x7F0000), "a version that isn't there yet"


def test_missing_library() -> None:
    """In a process of its own: the message says what was tried and what to do."""
    finished = subprocess.run(
        [sys.executable, "-c", "import nghttp2_api"],
        env={**os.environ, "NGHTTP2_API_LIBNGHTTP2": "/nowhere/libnghttp2.so.14"},
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    last = finished.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    for part in ("/nowhere/libnghttp2.so.14", "libnghttp2-14", "NGHTTP2_API_LIBNGHTTP2", "HTTP/2"):
        assert part in last
