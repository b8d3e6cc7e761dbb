"""The files that the servers serve: random, so that lost, repeated or swapped bytes show, but the same in every run."""

from __future__ import annotations

import os
import random
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024
MIB = 1024 * KIB

#: Names and sizes of the files with random content.
SIZES = {"1k": KIB, "100k": 100 * KIB, "10m": 10 * MIB}

#: The large file is a hole between a random first and last mebibyte, so it costs neither disk nor time to make.
LARGE = "256m"
LARGE_SIZE = 256 * MIB

#: A text that compresses well.
TEXT = "The quick brown fox jumps over the lazy dog.\n" * 500


@cache
def content(name: str) -> bytes:
    """Return what the file *name* holds: ``1k``, ``100k``, ``10m``, or the ``edge`` at both ends of ``256m``."""
    return random.Random(name).randbytes(MIB if name == "edge" else SIZES[name])


def write_files(directory: Path) -> Path:
    """Write the files into *directory*, which is made if needed, and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in SIZES:
        (directory / name).write_bytes(content(name))
    (directory / "text.txt").write_text(TEXT)
    (directory / "empty").write_bytes(b"")
    with (directory / LARGE).open("wb") as large:
        large.write(content("edge"))
        os.truncate(large.fileno(), LARGE_SIZE)
        large.seek(-MIB, os.SEEK_END)
        large.write(content("edge"))
    return directory
