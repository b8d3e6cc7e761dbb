"""The public names that most programs don't use: their modules are imported when they are first asked for."""

from __future__ import annotations

#: The module of each.
LATER = {
    "DEFAULT_BLOCK_SIZE": "openssl",
    "TgoOpenSSL": "openssl",
    "TgoOpenSSLData": "openssl",
    "TgoOpenSSLNotify": "openssl",
    "TgoSSLHelper": "openssl",
}


def load(name: str) -> object:
    """Import the module of a name, and return what it stands for.

    :raises AttributeError: the package has no such name.
    """
    if name not in LATER:
        raise AttributeError(f"module {__package__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{LATER[name]}", __package__), name)
