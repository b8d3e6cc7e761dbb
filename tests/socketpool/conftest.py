"""Fixtures for the tests of the socket pool. Every test here is watched for threads and descriptors left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openssl_api import TlsContext
from socketpool import TgoClientSocketManager
from tests.certificates import Certificates
from tests.servers.leaks import watch

Managers = Callable[..., TgoClientSocketManager]
Contexts = Callable[..., TlsContext]


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Compares threads and descriptors before and after each test."""
    with watch():
        yield


@pytest.fixture
def make_manager() -> Iterator[Managers]:
    """Makes managers that last as long as the test; arguments are those of the class."""
    with contextlib.ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> TgoClientSocketManager:
            return stack.enter_context(TgoClientSocketManager(*arguments, **options))

        yield make


@pytest.fixture
def manager(make_manager: Managers) -> TgoClientSocketManager:
    """A manager with the default settings."""
    return make_manager()


@pytest.fixture
def make_context(certificates: Certificates) -> Iterator[Contexts]:
    """Makes TLS contexts that trust the tests' authority; other arguments are those of the class."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> TlsContext:
            return stack.enter_context(TlsContext(ca_file=certificates.ca_file, **options))

        yield make


@pytest.fixture
def context(make_context: Contexts) -> TlsContext:
    """A TLS context that trusts the tests' authority."""
    return make_context()
