"""Optional packages, as if they weren't installed."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def hide(patch: pytest.MonkeyPatch, package: str) -> None:
    """Have ``import package`` fail, also where it has been imported before."""
    real_import = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == package:
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    patch.setattr(builtins, "__import__", without)
