"""The system's certification authorities, loaded once per process.

Reading the usual file of some 150 authorities costs about 30 ms, many times a handshake. So there is one
``X509_STORE`` for all contexts that trust the system, and it is made when the first of them has a certificate to
verify.
"""

from __future__ import annotations

import os
from _thread import RLock

from linuxapi.forks import after_fork_in_child

from .client_api import (
    ERR_clear_error,
    X509_get_default_cert_dir,
    X509_get_default_cert_file,
    X509_STORE_free,
    X509_STORE_load_locations,
    X509_STORE_new,
)
from .errors import TlsConfigurationError, TlsError, queued_reason

#: Where distributions keep the authorities, for an OpenSSL that was built elsewhere and looks in the wrong place.
_KNOWN_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, CentOS
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine
)

_ADVICE = (
    "Install the system's authorities (Debian and Ubuntu: the package ca-certificates), name others in SSL_CERT_FILE "
    "or SSL_CERT_DIR, or pass ca_file, ca_directory or ca_data"
)

_lock = RLock()
#: One store for each setting of the two environment variables; kept to the end of the process.
_stores: dict[tuple[str, str], int] = {}


def system_store() -> int:
    """Return the ``X509_STORE *`` with the system's authorities; it stays this module's.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace OpenSSL's built-in file and directories, as for every program that
    uses OpenSSL.

    :raises TlsConfigurationError: no authorities are to be found.
    """
    key = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    with _lock:
        store = _stores.get(key)
        if store is None:
            store = _stores[key] = _load(*key)
        return store


def _load(file: str, directories: str) -> int:
    store = X509_STORE_new()
    if not store:
        raise TlsError(f"OpenSSL could not make a certificate store: {queued_reason()}")
    try:
        _fill(store, file, directories)
    except BaseException:
        X509_STORE_free(store)
        raise
    ERR_clear_error()
    return int(store)


def _fill(store: int, file: str, directories: str) -> None:
    found = False
    tried = []
    if file:
        if not X509_STORE_load_locations(store, os.fsencode(file), None):
            reason = queued_reason()
            raise TlsConfigurationError(
                f"the file {file}, which SSL_CERT_FILE names, cannot be used: {reason}. {_ADVICE}", reason=reason
            )
        found = True
    else:
        default = os.fsdecode(X509_get_default_cert_file())
        tried.append(default)
        found = bool(os.path.exists(default) and X509_STORE_load_locations(store, os.fsencode(default), None))
    if directories and not any(map(os.path.isdir, directories.split(":"))):
        # OpenSSL would pass over it, and find no issuer for any server.
        reason = "there is no such directory"
        raise TlsConfigurationError(
            f"the directory {directories}, which SSL_CERT_DIR names, cannot be used: {reason}. {_ADVICE}", reason=reason
        )
    for directory in (directories or os.fsdecode(X509_get_default_cert_dir())).split(":"):
        tried.append(directory)
        if (found and os.path.isdir(directory)) or _has_hashed_certificates(directory):
            # Nothing is read yet: OpenSSL looks up <hash>.0 in there when it needs an issuer.
            found = bool(X509_STORE_load_locations(store, None, os.fsencode(directory))) or found
    # Not instead of a directory that was asked for.
    for known in () if found or directories else _KNOWN_FILES:
        tried.append(known)
        if os.path.exists(known) and X509_STORE_load_locations(store, os.fsencode(known), None):
            return
    if not found:
        raise TlsConfigurationError(
            f"no certification authorities found to verify peers with; looked at: {', '.join(tried)}. {_ADVICE}"
        )


def _has_hashed_certificates(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(_is_hashed(entry.name) for entry in entries)
    except OSError:
        return False


def _is_hashed(name: str) -> bool:
    """Tell whether a file name has the form that OpenSSL looks for: 5ed36f99.0."""
    stem, _, number = name.partition(".")
    return len(stem) == 8 and number.isdigit() and not stem.strip("0123456789abcdef")


def _after_fork_in_child() -> None:
    global _lock
    _lock = RLock()  # another thread of the parent may have held it


after_fork_in_child(_after_fork_in_child)
