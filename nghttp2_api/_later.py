"""The names of the package: where they are found when they are first asked for."""

from __future__ import annotations

from . import callbacks, constants, nghttp2, structs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def load(name: str) -> Any:
    """Return what a public name stands for.

    :param name: one of the package's ``__all__``.
    """
    # A name that stands for one thing is the same wherever it is found; functions are asked for last, and bound then.
    for module in (constants, callbacks, structs):
        try:
            return getattr(module, name)
        except AttributeError:
            pass
    return getattr(nghttp2, name)
