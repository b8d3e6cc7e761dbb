"""Who may import whom, what importing costs, and what the packages show to the outside.

The floors, lowest first::

    linuxapi  <  openssl_api, nghttp2_api  <  socketpool  <  httpclient  <  its adapters

A package knows those on lower floors only, also inside functions and for types. The source is read for this, nothing
is imported; what an import really loads is asked of a fresh Python.
"""

from __future__ import annotations

import ast
import ctypes
import functools
import importlib
import inspect
import pathlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from types import FunctionType
from typing import NamedTuple

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FLOORS = {"linuxapi": 1, "openssl_api": 2, "nghttp2_api": 2, "socketpool": 3, "httpclient": 4}

#: Costly to import, so no module may do it before it is needed.
COSTLY = {
    *("asyncio", "concurrent", "dataclasses", "email", "http", "inspect", "json", "logging", "socket", "ssl"),
    *("typing", "urllib", "collections.abc"),
}
#: What must not be loaded after ``import httpclient``; collections.abc is another name of what Python always loads.
NOT_LOADED = sorted(COSTLY - {"collections.abc"} | {"concurrent.futures", "urllib.parse", "urllib.request"})

#: Only tests and tools import these.
FOR_TOOLS = {"_delphi", "_mapping"}
#: Modules of httpclient that turn bytes into responses and back: they do no I/O, so they know nothing that does.
SANS_IO = {
    *("errors", "head", "headers", "uri", "_http_date"),
    *("http1._head", "http1._patterns", "http1.limits", "http1.request", "http1.response"),
    *("http2.errors", "http2.health", "http2.output", "http2.session", "http2.trace"),
    *("content._decoders", "content._large_body", "content.decoding", "content.forms"),
    *("cookies._set_cookie", "authentication._challenges", "authentication._digest"),
    *("proxies.choice", "proxies.connect_tunnel", "proxies.socks5"),
}
DOES_IO = {
    *("linuxapi", "openssl_api", "socketpool", "_socket", "_ssl", "_thread", "asyncio", "os", "queue", "select"),
    *("selectors", "signal", "socket", "ssl", "subprocess", "threading", "time"),
}


class Import(NamedTuple):
    """One import statement's effect: *module* is loaded, *name* taken from it (empty for ``import module``)."""

    module: str
    name: str
    line: int
    #: Inside a function, or for type checkers only.
    later: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    def loads(self, module: str) -> bool:
        """Say whether this loads *module* or something inside it."""
        names = (self.module, f"{self.module}.{self.name}")
        return any(name == module or name.startswith(f"{module}.") for name in names)


class Module(NamedTuple):
    """The source of one module."""

    name: str
    path: pathlib.Path
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def short_name(self) -> str:
        """The name inside the package; ``__init__`` for the package itself."""
        return self.name.partition(".")[2] or "__init__"


def parse(name: str, source: str, path: pathlib.Path = pathlib.Path()) -> Module:
    return Module(name, path, ast.parse(source))


def modules_of(package: str) -> list[Module]:
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append(parse(name, path.read_text(encoding="utf-8"), path))
    return found


MODULES = {module.name: module for package in FLOORS for module in modules_of(package)}
ALL = pytest.mark.parametrize("module", MODULES.values(), ids=list(MODULES))
PACKAGES = pytest.mark.parametrize("package", FLOORS)
#: What :func:`imports` has found, because most tests ask for it.
IMPORTS: dict[ast.Module, list[Import]] = {}


def is_for_types(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports(module: Module) -> list[Import]:
    if module.tree not in IMPORTS:
        IMPORTS[module.tree] = list(_imports(module, module.tree, False))
    return IMPORTS[module.tree]


def _imports(module: Module, node: ast.AST, later: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, "", child.lineno, later)
        elif isinstance(child, ast.ImportFrom):
            source = absolute(module, child)
            for alias in child.names:
                yield Import(source, alias.name, child.lineno, later)
        elif isinstance(child, ast.If) and is_for_types(child.test):
            for part in child.body:
                yield from _imports(module, ast.Module([part], []), True)
            for part in child.orelse:
                yield from _imports(module, ast.Module([part], []), later)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, later or inside)


def absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    if module.path.name != "__init__.py":
        parts = parts[:-1]
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


@functools.cache
def adapters() -> set[str]:
    """Return the modules of httpclient on the fifth floor: the command line, and those at home in another library."""
    found = {"httpclient.cli", "httpclient.__main__"}
    for module in MODULES.values():
        if module.package == "httpclient" and any(
            not item.later and item.top in {"argparse", "asyncio", "httpx", "requests"} for item in imports(module)
        ):
            found.add(module.name)
    return found & set(MODULES)


# Floors


@ALL
def test_only_lower_floors_are_known(module: Module) -> None:
    floor = FLOORS[module.package]
    wrong = [
        f"line {item.line}: {item.module}"
        for item in imports(module)
        if item.top in FLOORS and item.top != module.package and FLOORS[item.top] >= floor
    ]
    assert wrong == []


@ALL
def test_nothing_of_the_repository_is_known_besides_the_packages(module: Module) -> None:
    outside = {path.name for path in ROOT.iterdir() if path.is_dir()} - set(FLOORS)
    assert [f"line {item.line}: {item.module}" for item in imports(module) if item.top in outside] == []


@ALL
def test_adapters_are_imported_by_nobody_but_main(module: Module) -> None:
    if module.name == "httpclient.__main__":
        return
    wrong = [
        f"line {item.line}: {adapter}"
        for item in imports(module)
        for adapter in adapters()
        if adapter != module.name and item.loads(adapter)
    ]
    assert wrong == []


def test_protocol_modules_exist() -> None:
    assert {f"httpclient.{name}" for name in SANS_IO} <= set(MODULES)


@ALL
def test_protocol_modules_do_no_input_and_output(module: Module) -> None:
    if module.package != "httpclient" or module.short_name not in SANS_IO:
        return
    assert [f"line {item.line}: {item.module}" for item in imports(module) if item.top in DOES_IO] == []


@ALL
def test_tools_alone_use_the_mapping(module: Module) -> None:
    if module.short_name in FOR_TOOLS:
        return
    wrong = [
        item.line
        for item in imports(module)
        if {item.module.rpartition(".")[2], item.name.partition(".")[0]} & FOR_TOOLS
    ]
    assert wrong == []


# The cost of an import


@functools.cache
def loaded_at_once() -> set[str]:
    """Return the modules that importing the packages loads, as far as their source tells.

    A module that others import inside functions only may itself import what it likes: it is late already.
    """
    found: set[str] = set()
    waiting = set(FLOORS) & set(MODULES)
    while waiting:
        name = waiting.pop()
        found.add(name)
        for item in imports(MODULES[name]):
            if not item.later:
                waiting |= {each for each in MODULES if item.loads(each)} - found
    return found


@ALL
def test_nothing_costly_is_imported_before_it_is_needed(module: Module) -> None:
    if module.name not in loaded_at_once():
        return
    wrong = [
        f"line {item.line}: {costly}"
        for item in imports(module)
        for costly in COSTLY
        if not item.later and item.loads(costly)
    ]
    assert wrong == []


@PACKAGES
def test_what_an_import_loads(package: str) -> None:
    # -S and -E: neither the site module nor the environment shall have loaded something before.
    code = f"import sys, {package}; print(*sys.modules)"
    command = [sys.executable, "-S", "-E", "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    loaded = set(result.stdout.split())
    assert package in loaded
    assert sorted(loaded & set(NOT_LOADED)) == []
    assert sorted(loaded & adapters()) == []
    assert [name for name in sorted(loaded) if FLOORS.get(name, 0) > FLOORS[package]] == []
    assert [name for name in sorted(loaded) if name.rpartition(".")[2] in FOR_TOOLS] == []


# What the packages show


@PACKAGES
def test_types_are_announced(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


@ALL
def test_init_only_re_exports(module: Module) -> None:
    if module.path.name != "__init__.py":
        return
    docstring, *rest = module.tree.body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    assert isinstance(docstring.value.value, str)
    exported = None
    for node in rest:
        if isinstance(node, ast.ImportFrom):
            assert node.module == "__future__" or absolute(module, node).startswith(module.name), f"line {node.lineno}"
        elif isinstance(node, ast.Assign):
            (target,) = node.targets
            assert isinstance(target, ast.Name), f"line {node.lineno}"
            assert target.id in ("__all__", "TYPE_CHECKING"), f"line {node.lineno}"
            if target.id == "__all__":
                exported = node.value
        elif isinstance(node, ast.If):
            assert is_for_types(node.test), f"line {node.lineno}"
            assert all(isinstance(item, ast.ImportFrom) for item in node.body), f"line {node.lineno}"
        elif isinstance(node, ast.FunctionDef):
            # PEP 562: a re-export that waits until somebody asks.
            assert node.name in ("__getattr__", "__dir__"), f"line {node.lineno}"
        else:
            pytest.fail(f"line {node.lineno}: more than a re-export")
    assert exported is not None or "." in module.name, "no __all__"


@PACKAGES
def test_every_name_is_exported_once(package: str) -> None:
    module = importlib.import_module(package)
    names = Counter(module.__all__)
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if name.startswith("_")] == []
    assert [name for name in names if not hasattr(module, name)] == []
    # One thing has one name, and its package is the one that it is written in.
    things: dict[int, list[str]] = {}
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            things.setdefault(id(value), []).append(name)
            if isinstance(value, type) and issubclass(value, ctypes._Pointer):
                continue  # ctypes keeps one pointer type for all who ask, named for who asked first
            home = value.__module__.partition(".")[0]
            assert home == package or home not in FLOORS, f"{name} is at home in {home}"
            if inspect.isfunction(value):
                assert value.__name__ == name, f"{name} is called {value.__name__}"
    doubled = [names for names in things.values() if len(names) > 1 and getattr(module, names[0]).__module__ in MODULES]
    assert doubled == []


@ALL
def test_docstrings(module: Module) -> None:
    """Every module has one, and so has every public class and function on the top level of a public module."""
    assert ast.get_docstring(module.tree), "the module has none"
    if module.short_name != "__init__" and any(part.startswith("_") for part in module.short_name.split(".")):
        return
    without = [
        node.name
        for node in module.tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert without == []


@PACKAGES
def test_exported_names_have_docstrings(package: str) -> None:
    """Exported functions and classes, and what is public in those classes; also those from private modules.

    A method that stands for one of a base class shares its docstring. Constants, and what ctypes makes, can have none.
    """
    module = importlib.import_module(package)
    without = []
    for name in module.__all__:
        value = getattr(module, name)
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ in MODULES and written(value):
            without += [name] if not value.__doc__ else []
            without += [f"{name}.{member}" for member in silent_members(value)]
    assert without == []


def written(value: type | FunctionType) -> bool:
    """Say whether it is written in its module as a class or function, and not made by a call."""
    body = MODULES[value.__module__].tree.body
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return any(isinstance(node, kinds) and node.name == value.__name__ for node in body)


def silent_members(value: object) -> Iterator[str]:
    if not isinstance(value, type):
        return
    for name, item in vars(value).items():
        described = inspect.isfunction(item) or isinstance(item, property | classmethod | staticmethod)
        if described and not name.startswith("_") and not inspect.getdoc(getattr(value, name)):
            yield name


# How the tests themselves read imports


SOURCE = """
from __future__ import annotations
import os.path
from . import sibling
from .cousin import thing
from collections import abc
TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing
else:
    import json
try:
    import ssl
except ImportError:
    pass
def function():
    import http.client
    from asyncio import run
class Class:
    import email
"""


def test_imports_are_read() -> None:
    found = {(item.module, item.name, item.later) for item in imports(parse("a.b", SOURCE, pathlib.Path("a/b.py")))}
    assert found == {
        ("__future__", "annotations", False),
        ("os.path", "", False),
        ("a", "sibling", False),
        ("a.cousin", "thing", False),
        ("collections", "abc", False),
        ("typing", "", True),
        ("json", "", False),
        ("ssl", "", False),
        ("http.client", "", True),
        ("asyncio", "run", True),
        ("email", "", False),
    }
    package = parse("a", "from .cousin import thing\nfrom . import sibling", pathlib.Path("a/__init__.py"))
    assert [(item.module, item.name) for item in imports(package)] == [("a.cousin", "thing"), ("a", "sibling")]


def test_what_an_import_statement_loads() -> None:
    assert Import("collections", "abc", 1, False).loads("collections.abc")
    assert not Import("collections", "deque", 1, False).loads("collections.abc")
    assert Import("http.client", "", 1, False).loads("http")
    assert not Import("httpclient", "", 1, False).loads("http")
