"""Compare declarations made with ctypes to the C headers that they stand for.

:func:`abi_differences` writes one C program that prints every size, offset and constant asked for, compiles it with gcc
against the headers, runs it, and returns what differs::

    def test_abi() -> None:
        assert abi_differences(
            headers=["sys/epoll.h"],
            structs={"struct epoll_event": epoll_event, "epoll_data_t": epoll_data},
            constants={"EPOLLIN": EPOLLIN, "EPOLLET": EPOLLET},
            types={"sigset_t": sigset_t},
        ) == []

What is compared:

``structs``
    C type -> ctypes ``Structure`` or ``Union``: the size of the whole, and offset, size and (of whole numbers)
    signedness of every field in ``_fields_``. A field whose name starts with an underscore is private and not looked
    at; its room counts all the same. Where names differ, or more or fewer fields shall be looked at, give a pair
    ``(ctypes type, {python field: C field})``; both sides may be dotted paths (``"data.ptr"``), and the mapping then
    says which fields are compared. :func:`fields_of` gives the default mapping, to change a name or two::

        "struct in6_addr": (in6_addr, fields_of(in6_addr) | {"s6_addr": "__in6_u.__u6_addr8"})

``constants``
    C expression -> value, for macros and enumerators alike: ``int``, or ``bytes``/``str`` for string constants. Whole
    numbers are compared as numbers: an unsigned ``1u << 31`` is 2147483648, never negative.
    :func:`constants_of` collects them from a module by prefix.

``optional``
    as ``constants``, but a macro that these headers don't define is passed over (``#ifdef``: it works for macros only).

``types``
    C type -> ctypes type: size, and signedness of whole numbers (``{"socklen_t": c_uint, "void *": c_void_p}``).

``prototypes``
    C function -> its prototype as the binding understands it, ``{"epoll_create1": "int (int)"}``: the compiler says
    whether the header's is compatible (qualifiers of what a pointer points at count).
"""

from __future__ import annotations

import ctypes
import pathlib
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

FieldNames = Mapping[str, str]
Struct = type[ctypes.Structure] | type[ctypes.Union]


class AbiProgramError(AssertionError):
    """The C program could not be compiled or run: a name that the headers don't have, or no headers."""


def fields_of(struct: Struct) -> dict[str, str]:
    """Return the public fields of *struct*, each under its own name in C."""
    return {field[0]: field[0] for field in struct._fields_ if not field[0].startswith("_")}


def constants_of(module: ModuleType, *prefixes: str, without: Iterable[str] = ()) -> dict[str, int]:
    """Return the whole numbers in *module* whose names start with one of *prefixes*, except those in *without*."""
    excluded = set(without)
    return {
        name: value
        for name, value in vars(module).items()
        if name.startswith(prefixes) and name not in excluded and isinstance(value, int)
    }


def abi_differences(
    *,
    headers: Sequence[str],
    structs: Mapping[str, Struct | tuple[Struct, FieldNames]] | None = None,
    constants: Mapping[str, int | bytes | str] | None = None,
    optional: Mapping[str, int | bytes | str] | None = None,
    types: Mapping[str, Any] | None = None,
    prototypes: Mapping[str, str] | None = None,
    defines: Sequence[str] = ("_GNU_SOURCE",),
    options: Sequence[str] = (),
) -> list[str]:
    """Return one line for each difference between C and ctypes; see the module's text for the parameters.

    :param headers: for ``#include <...>``, in order.
    :param defines: macros defined before the first header; ``NAME`` or ``NAME=value``.
    :param options: more options for gcc, such as ``-I``.
    :raises AbiProgramError: gcc refused; its messages are in the text.
    """
    program = _Program()
    for c_type, given in (structs or {}).items():
        struct, names = given if isinstance(given, tuple) else (given, fields_of(given))
        program.number(f"sizeof({c_type})", f"sizeof({c_type})", ctypes.sizeof(struct))
        for python_path, c_path in names.items():
            offset, field_type, size = _field(struct, python_path)
            what = f"{c_type}.{c_path}"
            member = f"((({c_type} *)0)->{c_path})"
            program.number(f"offset of {what}", f"offsetof({c_type}, {c_path})", offset)
            program.number(f"size of {what}", f"sizeof({member})", size)
            signed = _signed(field_type)
            if signed is not None:
                program.number(f"{what} is signed", f"((__typeof__{member})-1 < 0)", signed)
    for c_type, python_type in (types or {}).items():
        program.number(f"sizeof({c_type})", f"sizeof({c_type})", ctypes.sizeof(python_type))
        signed = _signed(python_type)
        if signed is not None:
            program.number(f"{c_type} is signed", f"(({c_type})-1 < 0)", signed)
    for expression, value in (constants or {}).items():
        program.value(expression, value)
    for expression, value in (optional or {}).items():
        program.lines.append(f"#ifdef {expression}")
        program.value(expression, value)
        program.lines.append("#endif")
    for function, prototype in (prototypes or {}).items():
        result, _, parameters = prototype.partition("(")
        pointer = f"{result.strip()} (*)({parameters}"
        test = f"__builtin_types_compatible_p(__typeof__(&{function}), {pointer})"
        program.number(f"{function} is compatible with {prototype}", test, 1)
    return program.differences(headers, defines, options)


class _Program:
    """The C program while it is written: each line prints one numbered answer."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.expected: list[tuple[str, int | bytes]] = []

    def number(self, what: str, expression: str, value: int) -> None:
        index = len(self.expected)
        self.expected.append((what, int(value)))
        # A negative number and its unsigned twin have the same bits, so the sign is printed beside them.
        self.lines.append(
            f'printf("{index} n %d %llu\\n", ({expression}) < 0, (unsigned long long)({expression}));',
        )

    def value(self, expression: str, value: int | bytes | str) -> None:
        if isinstance(value, int):
            self.number(expression, expression, value)
            return
        index = len(self.expected)
        self.expected.append((expression, value.encode() if isinstance(value, str) else value))
        self.lines.append(f'printf("{index} s %s\\n", ({expression}));')

    def differences(self, headers: Sequence[str], defines: Sequence[str], options: Sequence[str]) -> list[str]:
        source = "\n".join(
            [
                *(f"#define {define.replace('=', ' ', 1)}" for define in defines),
                *(f"#include <{header}>" for header in headers),
                "#include <stddef.h>",
                "#include <stdio.h>",
                "int main(void) {",
                *self.lines,
                "return 0; }",
                "",
            ]
        )
        different = []
        for line in _run(source, options).splitlines():
            index, kind, answer = line.split(b" ", 2)
            what, expected = self.expected[int(index)]
            actual: int | bytes = answer
            if kind == b"n":
                negative, bits = map(int, answer.split())
                actual = bits - (1 << 64) if negative else bits
            if actual != expected:
                different.append(f"{what}: {actual!r} in C, {expected!r} in Python")
        return different


def _run(source: str, options: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="abi") as directory:
        program = pathlib.Path(directory, "abi")
        # -w: comparing an unsigned constant with 0 is meant, and a test of deprecated names is no use of them.
        command = ["gcc", "-w", "-x", "c", "-", *options, "-o", str(program)]
        compiled = subprocess.run(command, input=source.encode(), capture_output=True, check=False)
        if compiled.returncode != 0:
            raise AbiProgramError(compiled.stderr.decode(errors="replace"))
        finished = subprocess.run([str(program)], capture_output=True, check=False)
        if finished.returncode != 0:
            raise AbiProgramError(f"the program ended with {finished.returncode}: {finished.stderr!r}")
        return finished.stdout


def _field(struct: Any, path: str) -> tuple[int, Any, int]:
    """Return offset, type and size of a field, given as a path such as ``"data.ptr"``."""
    offset = 0
    size = 0
    for name in path.split("."):
        descriptor = getattr(struct, name)
        offset += descriptor.offset
        size = descriptor.size
        struct = _field_type(struct, name)
    return offset, struct, size


def _field_type(struct: Any, name: str) -> Any:
    for base in struct.__mro__:
        for field in getattr(base, "_fields_", ()):
            if field[0] == name:
                return field[1]
    # A field of an anonymous member: ctypes makes a descriptor for it, but says its type nowhere else.
    for anonymous in getattr(struct, "_anonymous_", ()):
        inner = _field_type(_field_type(struct, anonymous), name)
        if inner is not None:
            return inner
    return None


def _signed(python_type: Any) -> bool | None:
    """Say whether a ctypes type is a signed whole number; ``None`` for everything else."""
    code = getattr(python_type, "_type_", None)
    if not isinstance(code, str):
        return None
    # c_char is left out: whether C's is signed depends on the processor, and ctypes gives bytes anyway.
    if code in "bhilq":
        return True
    if code in "BHILQ":
        return False
    return None
