"""The TLS options of clients: what they mean to OpenSSL, and contexts that are shared by clients with equal ones.

Sessions are resumed within one context only, and making one costs as much as several handshakes; so all clients whose
options are the same share one, for as long as any of them is open; the latest of those that know no secrets stays until
another takes its place. Clients that differ in anything (whom they trust, who they are, what they pin) never do, so a
session of one is never resumed for another.

No Delphi origin: the original makes an ``SSL_CTX`` for each connection.
"""

from __future__ import annotations

import os
import sys
import threading
from _weakref import ref

from linuxapi.forks import after_fork_in_child

from .errors import InsecureTlsWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from openssl_api import TlsContext

#: TLS versions by the names that ``minimum_tls_version`` has for them.
_VERSIONS = {"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304}

_SECRETS = ("certificate", "private_key", "password")
#: Options whose values must not be seen: a key that is printed in some log would be lost.
_HIDDEN = frozenset({*_SECRETS, "ca_data"})
#: Options that may name a file, whose content counts and not its name.
_FILES = ("ca_file", "ca_directory", "certificate", "private_key")

_lock = threading.Lock()
#: The contexts in use. An entry goes with its context.
_contexts: dict[object, ref[TlsContext]] = {}
#: The one that was asked for last, unless it knows secrets. So a program that makes a client for each request doesn't
#: read the authorities for each, and resumes.
_latest: TlsContext | None = None
_warned = False


class Hidden:
    """A value that can be compared, and isn't shown."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and type(self._value) is type(other._value) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "<hidden>"


def options_key(options: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    """Return what is equal for equal options only, can be hashed, and shows no secrets.

    :param options: values by name: text, bytes, paths, numbers, or tuples of such.
    """
    key: list[tuple[str, object]] = []
    for name, given in sorted(options.items()):
        value = os.fspath(given) if isinstance(given, os.PathLike) else given
        key.append((name, Hidden(value) if value and name in _HIDDEN else value))
    return tuple(key)


def shared_context(alpn: tuple[bytes, ...], options: Mapping[str, object]) -> TlsContext:
    """Return the context of all clients with these options; it lives at least as long as anybody holds it.

    May be called from any thread. Nobody may close the context.

    :param alpn: the protocols to offer.
    :param options: keyword arguments for ``openssl_api.TlsContext``, but ``minimum_version`` as text.
    :raises openssl_api.TlsConfigurationError: one of them can't be used.
    """
    from openssl_api import TlsConfigurationError, TlsContext

    arguments: dict[str, object] = dict(options)
    version = arguments.get("minimum_version", "1.2")
    if not isinstance(version, str) or version not in _VERSIONS:
        raise TlsConfigurationError(
            f"{version!r} is no minimum_tls_version: '1.2' and '1.3' are, and for servers that speak nothing newer, "
            "'1.0' and '1.1' with ciphers that allow them"
        )
    arguments["minimum_version"] = _VERSIONS[version]
    log = key_log_path()
    key = alpn, options_key(options), _files_key(options), _environment_key(options), log
    try:
        context = _find(key)
    except TypeError as error:
        raise TlsConfigurationError(f"a TLS option has a value of a wrong type: {error}") from error
    if context is None:
        # Without the lock: files are read meanwhile.
        made = TlsContext(alpn=alpn, keylog=_key_log(log), **arguments)  # type: ignore[arg-type]
        with _lock:
            context = _find(key)
            if context is None:
                context = made
                _contexts[key] = ref(context, lambda reference: _forget(key, reference))
    if not log and not any(options.get(name) for name in _SECRETS):
        global _latest
        _latest = context
    return context


def _find(key: object) -> TlsContext | None:
    reference = _contexts.get(key)
    return None if reference is None else reference()


def _forget(key: object, reference: ref[TlsContext]) -> None:
    """A context is gone. No lock, since this runs wherever its last user lets go of it.

    At worst it takes out the entry of one that another thread has just made, which is then shared no further.
    """
    if _contexts.get(key) is reference:
        _contexts.pop(key, None)


def _files_key(options: Mapping[str, object]) -> tuple[object, ...]:
    """Return which files, in which state, the options name; a file that has changed must be read again."""
    found: list[object] = []
    for name in _FILES:
        path = options.get(name)
        if isinstance(path, (str, os.PathLike)):
            try:
                status = os.stat(path)
            except (OSError, ValueError):  # whoever reads it will say what is wrong
                found.append((name, None))
            else:
                found.append((name, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _environment_key(options: Mapping[str, object]) -> tuple[str, ...]:
    """Return what the environment says about the authorities, where these are asked for."""
    if any(options.get(name) is not None for name in ("ca_file", "ca_directory", "ca_data")):
        return ()
    return os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")


# Key material for tools such as Wireshark


def key_log_path() -> str:
    """Return the file that the keys of all connections are appended to, as SSLKEYLOGFILE says; empty for none."""
    return "" if sys.flags.ignore_environment else os.environ.get("SSLKEYLOGFILE", "")


class KeyLog:
    """Appends lines to a file, which only its owner may read. Thread-safe.

    It is opened for each line: so nothing has to be closed, it can be moved away, and a forked child needs nothing
    of its own.

    :param path: the file.
    :raises OSError: it can't be written to.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path
        os.close(self._open())

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_CLOEXEC, 0o600)

    def __call__(self, line: bytes) -> None:
        """Append a line, in one piece. What goes wrong is passed over: a request must not fail for it."""
        try:
            descriptor = self._open()
            try:
                os.write(descriptor, line + b"\n")
            finally:
                os.close(descriptor)
        except OSError:
            pass


def _key_log(path: str) -> KeyLog | None:
    if not path:
        return None
    try:
        return KeyLog(path)
    except (OSError, ValueError) as error:
        import warnings

        warnings.warn(f"SSLKEYLOGFILE can't be used: {error}", UserWarning, stacklevel=_stack_level())
        return None


# Verification that is switched off


def check_verify(verify: object, fingerprints: object) -> None:
    """Warn, once in a process, of a client that doesn't verify servers. With fingerprints it does, in its own way.

    :raises TypeError: *verify* is neither ``True`` nor ``False``.
    """
    global _warned
    if not isinstance(verify, bool):
        raise TypeError(
            f"verify is True or False, not {verify!r}; authorities to trust go into ca_file or ca_directory"
        )
    if not verify and not fingerprints and not _warned:
        import warnings

        warnings.warn(
            "verify=False: TLS connections are encrypted, but may be with anybody. Trust the server's authority by "
            "ca_file, or name the server's certificate in fingerprints",
            InsecureTlsWarning,
            stacklevel=_stack_level(),
        )
        _warned = True


def _stack_level() -> int:
    """Return how many frames above this function's caller the first one outside of this package is."""
    package = __name__.rpartition(".")[0] + "."
    frame = sys._getframe(1)
    level = 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(package):
        frame = frame.f_back
        level += 1
    return level


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


after_fork_in_child(_after_fork_in_child)
