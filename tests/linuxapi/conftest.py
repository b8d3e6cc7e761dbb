"""Fixtures for the tests of linuxapi."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    """Every test closes what it opens; so a call that leaks one is found out."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    # The listing itself opened one in both cases, and closed it again.
    left = [name for name in set(os.listdir("/proc/self/fd")) - before if os.path.exists(f"/proc/self/fd/{name}")]
    assert left == []
