"""Addresses of Unix domain sockets (man 7 unix)."""

from __future__ import annotations

import os
import sys

from linuxapi.socketconst import AF_UNIX

from .resolver import Address

#: The most bytes that ``sun_path`` holds.
MAX_PATH_SIZE = 108


def unix_address(path: str | bytes | os.PathLike[str]) -> Address:
    """Return the address of a Unix domain socket.

    :param path: where it is in the file system; ``@name``, or the name behind a NUL, for an abstract socket, which is
        in no file system. A file whose name starts with ``@`` is ``./@name``.
    :return: an address to put into :attr:`TgoSocketConnection.addresses`.
    :raises ValueError: there can't be such a socket.
    """
    name = os.fsencode(path)
    if name[:1] == b"@":
        name = b"\0" + name[1:]
    shown = os.fsdecode(b"@" + name[1:] if name[:1] == b"\0" else name)
    if not name.strip(b"\0"):
        raise ValueError("the path of the Unix domain socket is empty")
    if name[:1] == b"\0":
        # The size says where the name ends: a NUL at its end would be part of it.
        limit, stored = MAX_PATH_SIZE, name
    elif b"\0" in name:
        raise ValueError(f"the path of the Unix domain socket has a NUL in it: {shown!a}")
    else:
        limit, stored = MAX_PATH_SIZE - 1, name + b"\0"
    if len(name) > limit:
        raise ValueError(
            f"the path of the Unix domain socket has {len(name)} bytes, and Linux allows {limit}: {shown!a}"
        )
    return Address(AF_UNIX, AF_UNIX.to_bytes(2, sys.byteorder) + stored, shown)
