"""Load a shared C library and bind its functions: the one helper that every binding package uses.

A library is found by its *soname* (``libnghttp2.so.14``), not by its development name, which exists only where
headers are installed. A function that the loaded library lacks binds to a :class:`MissingFunction`: falsy, so that
code can ask ``if SSL_set1_groups_list:``, and calling it raises an error that says what is missing and what to do.

No Delphi origin; it stands where the Delphi units write ``external libc name`` and ``GetProc``.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class MissingSymbolError(AttributeError):
    """A function was called that the loaded library does not have."""


class Library:
    """A loaded shared library, with what an error message needs to say about it.

    Both call styles share one handle: :attr:`cdll` releases the GIL around a call and suits anything that can
    block; :attr:`pydll` keeps it and suits short calls that cannot.

    :param cdll: the loaded library.
    :param name: the soname that was loaded, or the path.
    :param package: the Debian package that provides it.
    :param variable: the environment variable that overrides which file is loaded.
    """

    __slots__ = ("cdll", "name", "package", "pydll", "variable", "version")

    def __init__(self, cdll: ctypes.CDLL, name: str, package: str, variable: str) -> None:
        self.cdll = cdll
        self.pydll = ctypes.PyDLL(name, handle=cdll._handle)
        self.name = name
        self.package = package
        self.variable = variable
        #: Asks the library for its version, as text; set by the binding package, never parsed.
        self.version: Callable[[], str] = lambda: "unknown"

    @property
    def path(self) -> str:
        """The file that the library was loaded from, or its soname where the system doesn't tell."""
        return mapped_file(os.path.basename(self.name)) or self.name

    def __repr__(self) -> str:
        return f"<Library {self.path} version {self.version()}>"


class MissingFunction:
    """Stands for a function that the loaded library does not have: falsy, and an error when called."""

    __slots__ = ("__name__", "_library", "_since")

    def __init__(self, library: Library, name: str, since: str) -> None:
        self.__name__ = name
        self._library = library
        self._since = since

    def __bool__(self) -> bool:
        return False

    def __call__(self, *args: object) -> Any:
        library = self._library
        needed = f"; it needs version {self._since} or later" if self._since else ""
        raise MissingSymbolError(
            f"{self.__name__} is not in {library.path} (version {library.version()}){needed}. "
            f"Install a suitable {library.package}, or name another file in {library.variable}."
        )

    def __repr__(self) -> str:
        return f"<missing function {self.__name__}>"


def mapped_file(*prefixes: str) -> str | None:
    """Return the path of a file mapped into this process whose name starts with one of *prefixes*, or ``None``.

    What is found for an earlier prefix goes before what is found for a later one.
    """
    try:
        with open("/proc/self/maps", "rb") as maps:
            text = maps.read()
    except OSError:
        return None
    for start in map(os.fsencode, prefixes):
        if b"/" + start not in text:
            continue
        for line in text.splitlines():
            slash = line.find(b"/")
            if slash >= 0 and line[line.rfind(b"/") + 1 :].startswith(start):
                return os.fsdecode(line[slash:])
    return None


def load_library(
    names: Sequence[str], *, package: str, variable: str, purpose: str = "", mode: int = ctypes.DEFAULT_MODE
) -> Library:
    """Load the first of *names* that the dynamic linker finds.

    :param names: sonames or paths, the preferred one first.
    :param package: the Debian package that provides the library, for the error message.
    :param variable: an environment variable; where it is set, it names the only file that is tried.
    :param purpose: what the library is needed for, for the error message.
    :param mode: ``RTLD_*`` flags; symbols stay local by default, so that two versions can live in one process.
    :raises ImportError: none could be loaded; the message lists what was tried and what to do.
    """
    override = os.environ.get(variable)
    tried = []
    for name in [override] if override else names:
        try:
            return Library(ctypes.CDLL(name, mode=mode), name, package, variable)
        except OSError as error:
            tried.append(f"{name} ({error})")
    needed = f" for {purpose}" if purpose else ""
    raise ImportError(
        f"cannot load the C library needed{needed}; tried: {'; '.join(tried)}. "
        f"Install it (Debian/Ubuntu: apt install {package}), or set {variable} to the path of the file."
    )


def bind(
    library: Library,
    name: str,
    restype: Any,
    argtypes: Sequence[Any],
    *,
    alternatives: Sequence[str] = (),
    since: str = "",
    errcheck: Callable[..., Any] | None = None,
    hold_gil: bool = False,
) -> Any:
    """Bind a C function with its prototype.

    :param name: the C name; also the Python name that the result should get.
    :param restype: the ctypes result type, ``None`` for ``void``.
    :param argtypes: the ctypes parameter types.
    :param alternatives: other symbols of the same prototype, tried in turn (a function that was renamed).
    :param since: the library version that introduced the function, for the error message.
    :param errcheck: called by ctypes with ``(result, function, arguments)``; its result is returned.
    :param hold_gil: keep the GIL during the call: only for short calls that cannot block or call back.
    :return: the function, or a falsy :class:`MissingFunction`.
    """
    dll: ctypes.CDLL = library.pydll if hold_gil else library.cdll
    for symbol in (name, *alternatives):
        try:
            # Item access makes a new function object each time, so two bindings of one symbol
            # never change each other's prototype.
            function: Any = dll[symbol]
        except AttributeError:
            continue
        function.restype = restype
        function.argtypes = list(argtypes)
        if errcheck is not None:
            function.errcheck = errcheck
        return function
    return MissingFunction(library, name, since)


def import_later(package: str, modules: Mapping[str, str], name: str) -> object:
    """Return what a public name of a package stands for whose module is imported when it is first asked for: for the
    ``__getattr__`` of the package (PEP 562).

    :param modules: the module of each such name.
    :raises AttributeError: the package has no such name.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
    from importlib import import_module

    return getattr(import_module(f".{modules[name]}", package), name)


def bind_later(namespace: dict[str, Any], functions: Mapping[str, tuple[Any, ...]]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module (PEP 562) that binds each of its C functions when it is first asked for.

    A function that is bound takes 5 us and a dozen objects, and most programs need few of those that a module declares.

    :param namespace: the module's ``globals()``, where the function is then found.
    :param functions: by name: the library, ``restype``, ``argtypes``, and a dict of :func:`bind`'s options, if any.
    """

    def bind_now(name: str) -> Any:
        declared = functions.get(name)
        if declared is None:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}", name=name)
        library, restype, argtypes, *options = declared
        function = namespace[name] = bind(library, name, restype, argtypes, **(options[0] if options else {}))
        return function

    return bind_now


def bind_untyped(library: Library, name: str, restype: Any = ctypes.c_int, *, hold_gil: bool = True) -> Any:
    """Bind a C function for a hot path: no ``argtypes``, so ctypes converts nothing and checks nothing.

    A call costs half of a checked one, and the caller answers for every argument: an ``int`` is passed as a
    32-bit C int, so pointers and sizes of 2**31 and more must be ctypes objects, and so must every integer after
    the sixth argument; ``bytes`` is passed as ``char *``.

    :raises MissingSymbolError: the library does not have it.
    """
    dll: ctypes.CDLL = library.pydll if hold_gil else library.cdll
    try:
        function: Any = dll[name]
    except AttributeError:
        return MissingFunction(library, name, "")()
    function.restype = restype
    return function
