"""Finds the packages that undo the content codings which Python itself doesn't."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def brotli_module() -> Any:
    """Return the module for br; ``None`` where there is none that can limit what it gives."""
    for name in ("brotli", "brotlicffi"):
        module = import_module(name)
        if module is not None and hasattr(module.Decompressor, "can_accept_more_data"):
            return module
    return None


def zstd_module_name() -> str:
    """Return the name of the module for zstd, which isn't imported: that takes longer than many a request."""
    if sys.version_info >= (3, 14) and _exists("_zstd"):
        return "compression.zstd"
    for name in ("backports.zstd", "zstandard"):
        if _exists(name):
            return name
    return ""


def import_module(name: str) -> Any:
    """Import a module, by its name because not all have type hints; ``None`` where it is missing."""
    try:
        return __import__(name, fromlist=["__name__"])
    except ImportError:
        return None


def _exists(name: str) -> bool:
    """Say whether a module can be imported, without doing it. ``importlib.util`` takes long to import, too."""
    if name in sys.modules:
        return sys.modules[name] is not None
    return _spec(name) is not None


def _spec(name: str) -> Any:
    path: Any = None
    parent = name.rpartition(".")[0]
    if parent:
        found = _spec(parent)
        path = found and found.submodule_search_locations
        if path is None:
            return None
    specs = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)
