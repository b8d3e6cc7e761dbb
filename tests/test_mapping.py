"""The mapping between the Delphi original and this port is complete, true and documented.

``data/delphi_api.tsv`` lists every public declaration of the original units. Each package records in its ``_delphi.py``
what became of them (``PORTED``), and which of its names are new (``NEW``).
"""

from __future__ import annotations

import _ctypes
import csv
import enum
import importlib
import inspect
import pathlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from linuxapi._mapping import PACKAGES, Ported, parameter_name, private_name, python_name, snake_case

ROOT = pathlib.Path(__file__).parent.parent
NAMES = list(dict.fromkeys(PACKAGES.values()))


class Row(NamedTuple):
    """One line of the table."""

    unit: str
    kind: str
    owner: str
    name: str

    @property
    def full_name(self) -> str:
        return ".".join(part for part in (self.unit, self.owner, self.name) if part)


def table() -> list[Row]:
    with open(ROOT / "tests/data/delphi_api.tsv", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["unit", "kind", "owner", "name"]
    return [Row(*row) for row in rows[1:]]


ROWS = {(row.full_name, row.kind): row for row in table()}


def ported(package: str) -> tuple[Ported, ...]:
    entries: tuple[Ported, ...] = importlib.import_module(f"{package}._delphi").PORTED
    return entries


def new(package: str) -> dict[str, str]:
    names: dict[str, str] = importlib.import_module(f"{package}._delphi").NEW
    return names


class NotFoundError(Exception):
    """A dotted name leads nowhere."""


def resolve(path: str) -> Any:
    """Return the object of that dotted name: the longest part that is a module, then attributes.

    A member that only instances have (a slot, an annotation) gives its descriptor, or the annotation.

    :raises NotFoundError: there is none.
    """
    parts = path.split(".")
    target: Any = importlib.import_module(parts[0])
    for index, part in enumerate(parts[1:], 1):
        if isinstance(target, type):
            target = member(target, part, path)
        elif hasattr(target, part):
            target = getattr(target, part)
        else:
            try:
                target = importlib.import_module(".".join(parts[: index + 1]))
            except ImportError:
                raise NotFoundError(path) from None
    return target


def below_modules(path: str) -> str:
    """Return what remains of a dotted name without its modules: which of them it is in makes no difference."""
    package, *parts = path.split(".")
    target: Any = importlib.import_module(package)
    while isinstance(target, ModuleType) and len(parts) > 1:
        name = parts[0]
        target = (
            getattr(target, name) if hasattr(target, name) else importlib.import_module(f"{target.__name__}.{name}")
        )
        if isinstance(target, ModuleType):
            del parts[0]
    return ".".join(parts)


def member(owner: type, name: str, path: str) -> Any:
    for base in owner.__mro__:
        if base is not object and name in vars(base):
            return vars(base)[name]
        if name in vars(base).get("__annotations__", {}):
            return vars(base)["__annotations__"][name]
    raise NotFoundError(path)


def is_ours(value: object, package: str) -> bool:
    """Say whether *value* is a class or function that is written in *package* (and not made by ctypes)."""
    if not isinstance(value, type) and not inspect.isfunction(value):
        return False
    if isinstance(value, type) and issubclass(value, _ctypes._Pointer | _ctypes.CFuncPtr):
        return False
    return value.__module__.partition(".")[0] == package


def public_members(owner: type, package: str) -> Iterator[str]:
    """Yield the public members of a class of ours, with those that it inherits from other classes of ours."""
    for base in owner.__mro__:
        if base is owner or is_ours(base, package):
            names = {*vars(base), *vars(base).get("__annotations__", {})}
            yield from (name for name in names if not name.startswith("_"))


def docstring_of(entry: Ported) -> str | None:
    """Return the text that has to name the origin of *entry*; ``None`` where Python offers no place for one."""
    package = entry.python.partition(".")[0]
    target = resolve(entry.python)
    if entry.kind in ("constructor", "destructor"):
        # Both are described with the class where there is nothing more to say.
        owner = resolve(entry.python.rpartition(".")[0])
        return f"{inspect.getdoc(target) or ''} {inspect.getdoc(owner) or ''}"
    if isinstance(target, staticmethod | classmethod):
        target = target.__func__
    if is_ours(target, package) or isinstance(target, property):
        return target.__doc__ or ""
    return None


# The rule


@pytest.mark.parametrize(
    ("delphi", "python"),
    [
        ("ResponseStatusCode", "response_status_code"),
        ("OnRecv", "on_recv"),
        ("ALPN", "alpn"),
        ("OpenSSL", "open_ssl"),
        ("LoadSSL", "load_ssl"),
        ("SSLHelper", "ssl_helper"),
        ("IdleTime", "idle_time"),
        ("UserName", "user_name"),
        ("Username", "username"),
        ("AsNgHttp2Array", "as_ng_http2_array"),
        ("NameAsISO8859", "name_as_iso8859"),
        ("HMAC_SHA256", "hmac_sha256"),
        ("Sign_RSASHA256", "sign_rsasha256"),
        ("stream_id", "stream_id"),
        ("u32", "u32"),
    ],
)
def test_words(delphi: str, python: str) -> None:
    assert snake_case(delphi) == python


@pytest.mark.parametrize(
    ("delphi", "python"),
    [
        ("AConnectTimeout", "connect_timeout"),
        ("AURL", "url"),
        ("Sender", "sender"),
        ("epfd", "epfd"),
        ("Again", "again"),
    ],
)
def test_parameters_lose_their_a(delphi: str, python: str) -> None:
    assert parameter_name(delphi) == python


@pytest.mark.parametrize(("delphi", "python"), [("FState", "_state"), ("FOpenSSL", "_open_ssl"), ("Fds", "_fds")])
def test_private_fields_lose_their_f(delphi: str, python: str) -> None:
    assert private_name(delphi) == python


@pytest.mark.parametrize(
    ("kind", "owner", "name", "python"),
    [
        ("function", "", "epoll_ctl", "epoll_ctl"),
        ("function", "", "EventToString", "EventToString"),
        ("class", "", "TgoHttpClient", "TgoHttpClient"),
        ("const", "", "DEFAULT_BLOCK_SIZE", "DEFAULT_BLOCK_SIZE"),
        ("function", "TgoHttpClient", "Get", "TgoHttpClient.get"),
        ("property", "TgoHttpClient", "OnRecv", "TgoHttpClient.on_recv"),
        ("constructor", "TgoHttpClient", "Create", "TgoHttpClient.__init__"),
        ("destructor", "TgoHttpClient", "Destroy", "TgoHttpClient.close"),
        ("enumvalue", "TgoSocketPoolBehavior", "CreateAndDestroy", "TgoSocketPoolBehavior.CREATE_AND_DESTROY"),
        ("enumvalue", "TgoHttpClientState", "None", "TgoHttpClientState.NONE"),
        ("field", "nghttp2_nv", "namelen", "nghttp2_nv.namelen"),
    ],
)
def test_the_naming_rule(kind: str, owner: str, name: str, python: str) -> None:
    assert python_name(kind, name, owner) == python


# The table


def test_the_table_is_whole() -> None:
    rows = table()
    assert len(ROWS) == len(rows) == 473
    assert {row.unit for row in rows} == set(PACKAGES)
    # Members belong to types that are there too.
    types = {(row.unit, row.name) for row in rows if not row.owner}
    assert {(row.unit, row.owner) for row in rows if row.owner} <= types


@pytest.mark.parametrize("package", NAMES)
def test_every_declaration_appears_exactly_once(package: str) -> None:
    expected = Counter(key for key, row in ROWS.items() if PACKAGES[row.unit] == package)
    actual = Counter((entry.delphi, entry.kind) for entry in ported(package))
    assert (sorted((expected - actual).elements()), sorted((actual - expected).elements())) == ([], [])


# What it leads to


@pytest.mark.parametrize("package", NAMES)
def test_every_target_exists(package: str) -> None:
    missing = []
    for entry in ported(package):
        assert entry.python.partition(".")[0] == package
        try:
            resolve(entry.python)
        except NotFoundError:
            missing.append(f"{entry.delphi} -> {entry.python}")
    assert missing == []


@pytest.mark.parametrize("package", NAMES)
def test_the_rule_gives_the_name_or_the_note_says_why_not(package: str) -> None:
    wrong = []
    for entry in ported(package):
        row = ROWS[entry.delphi, entry.kind]
        expected = python_name(row.kind, row.name, row.owner)
        if not entry.note and below_modules(entry.python) != expected:
            wrong.append(f"{entry.delphi}: {entry.python} instead of {expected}, and no note")
    assert wrong == []


@pytest.mark.parametrize("package", NAMES)
def test_every_public_name_is_mapped_or_new(package: str) -> None:
    module = importlib.import_module(package)
    known = {below_modules(entry.python) for entry in ported(package)} | set(new(package))
    names = set(module.__all__)
    for entry in ported(package):
        target = resolve(entry.python)
        if isinstance(target, type) and is_ours(target, package):
            names |= {f"{below_modules(entry.python)}.{name}" for name in public_members(target, package)}
    assert sorted(names - known) == []


@pytest.mark.parametrize("package", NAMES)
def test_what_is_called_new_exists_and_is_new(package: str) -> None:
    mapped = {below_modules(entry.python) for entry in ported(package)}
    for name, reason in new(package).items():
        resolve(f"{package}.{name}")
        assert name not in mapped, f"{name} has a Delphi origin"
        assert reason.strip(), f"{name}: no word why it exists"


@pytest.mark.parametrize("package", NAMES)
def test_docstrings_name_the_origin(package: str) -> None:
    silent = []
    for entry in ported(package):
        text = docstring_of(entry)
        if text is None:
            continue
        _, label, after = " ".join(text.split()).partition("Delphi: ")
        # A class speaks for its constructor and destructor.
        owner = entry.delphi.rpartition(".")[0] if entry.kind in ("constructor", "destructor") else entry.delphi
        if not label or owner not in after:
            silent.append(f"{entry.python}: Delphi: {entry.delphi}")
    assert silent == []


# How the tests themselves find things


class Sample:
    """What resolve can find."""

    __slots__ = ("slot",)
    annotated: int

    @property
    def computed(self) -> int:
        return 1

    def method(self) -> None: ...


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


def test_members_are_found() -> None:
    for name in ("slot", "annotated", "computed", "method"):
        member(Sample, name, name)
    assert member(Colour, "RED", "RED")
    for name in ("absent", "__doc__s", "mro"):
        with pytest.raises(NotFoundError):
            member(Sample, name, name)


def test_names_are_found() -> None:
    assert resolve("linuxapi.epoll_event.data") is resolve("linuxapi.epoll.epoll_event.data")
    for name in ("linuxapi.no_such_name", "linuxapi.epoll_event.no_such_field", "linuxapi.epoll.no_such_name"):
        with pytest.raises(NotFoundError):
            resolve(name)


def test_modules_make_no_difference() -> None:
    for path in ("linuxapi.epoll_event.data", "linuxapi.epoll.epoll_event.data"):
        assert below_modules(path) == "epoll_event.data"
    assert below_modules("linuxapi.eventfd") == "eventfd"


# The documentation


def test_the_documentation_is_current() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "scripts/mapping"), "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_outdated_document_is_found_out(tmp_path: pathlib.Path) -> None:
    document = tmp_path / "mapping.md"
    command = [sys.executable, str(ROOT / "scripts/mapping"), "--output", str(document)]
    subprocess.run(command, check=True)
    subprocess.run([*command, "--check"], check=True)
    document.write_text(document.read_text().replace("epoll_ctl", "epoll_control"))
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 1
    document.unlink()
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 1
