"""User names and passwords out of a .netrc file, for clients that were told to look there.

The format is that of Python's ``netrc``, which is ftp(1)'s. No Delphi origin.
"""

from __future__ import annotations

import os

from ..errors import InvalidRequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    #: By host: user name and password.
    Entries = dict[str, tuple[str, str]]

#: The entry for hosts that have none of their own.
_DEFAULT = "default"

#: The last file that was read, as it was then: it isn't read for each request. Replaced as a whole, so that no lock is
#: needed.
_last: tuple[tuple[object, ...], Entries] | None = None


def netrc_credentials(host: str, path: str | None = None) -> tuple[str, str] | None:
    """Return user name and password for a host; ``None`` where the file has none for it.

    The file in the home directory, which nobody has chosen, must be the user's own and closed to everybody else, as
    ftp(1) and Python have it, and need not exist. A file that is named is taken as it is: passwords that are mounted
    into containers are often readable by a group.

    May be called from any thread. Reads the file where it has changed.

    :param host: the name or address, without a port.
    :param path: the file; by default the one that the environment variable ``NETRC`` names, or ``~/.netrc``.
    :raises InvalidRequestError: the file can't be read, is not a .netrc file, or is open to others.
    """
    global _last
    named = path or os.environ.get("NETRC") or ""
    file = os.path.expanduser(named or "~/.netrc")
    try:
        status = os.stat(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        if named:
            _refuse(file, error.strerror)
        return None
    except (OSError, ValueError) as error:
        _refuse(file, getattr(error, "strerror", None) or "its name has a NUL in it")
    key = (file, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    last = _last
    if last is not None and last[0] == key:
        entries = last[1]
    else:
        entries = _read(file)
        _last = (key, entries)
    if not named and any(password for _, password in entries.values()):
        _check_privacy(file, status)
    host = host.removeprefix("[").removesuffix("]").lower()
    return entries.get(host) or entries.get(_DEFAULT)


def _read(file: str) -> Entries:
    from netrc import NetrcParseError, netrc

    why: str | None = ""
    try:
        hosts = netrc(file).hosts
    except NetrcParseError as error:
        # Its message quotes the file, which may be a password.
        why = f"what is near line {error.lineno} can't be there"
    except UnicodeDecodeError:
        why = "it is not text in UTF-8"
    except OSError as error:
        why = error.strerror
    if why:  # here, where the error above is not the context of this one
        _refuse(file, why)
    entries = {}
    for name, (login, account, password) in hosts.items():
        user = login or account or ""
        if user or password:
            entries[name.removeprefix("[").removesuffix("]").lower()] = (user, password or "")
    return entries


def _check_privacy(file: str, status: os.stat_result) -> None:
    if status.st_uid not in (os.getuid(), 0):
        _refuse(file, "it has passwords in it, and belongs to another user")
    if status.st_mode & 0o077:
        _refuse(file, "it has passwords in it, and is open to other users", "Close it with: chmod 600")


def _refuse(file: str, why: str | None, advice: str = "") -> NoReturn:
    raise InvalidRequestError(f"the netrc file {file!a} can't be used: {why}", advice=advice)
