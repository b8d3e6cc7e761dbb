"""A certificate that has been verified isn't verified again for a while, and nothing else is spared."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from openssl_api import TlsCertificateError, TlsContext, _verified
from openssl_api.client_api import X509_verify_cert

from .peers import Pair

if TYPE_CHECKING:
    import ssl

    from tests.certificates import Certificates, Identity

    from .conftest import Contexts, ServerContexts


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What each call of X509_verify_cert has returned."""
    results: list[int] = []

    def verify(store_context: int) -> int:
        results.append(X509_verify_cert(store_context))
        return results[-1]

    monkeypatch.setattr("openssl_api._handshakes.X509_verify_cert", verify)
    return results


@pytest.fixture
def context(make_context: Contexts) -> TlsContext:
    return make_context(resumption=False)


def connect(server: ssl.SSLContext, context: TlsContext, host: str = "localhost") -> None:
    with Pair(server, context, host).handshake() as pair:
        assert not pair.engine.session_reused
        assert pair.engine.peer_certificate()
        pair.engine.write(b"hello")
        pair.to_server()
        assert pair.server.received() == b"hello"


def refused(server: ssl.SSLContext, context: TlsContext, host: str = "localhost") -> str:
    with Pair(server, context, host) as pair, pytest.raises(TlsCertificateError) as caught:
        pair.handshake()
    return str(caught.value)


def test_from_the_third_connection_on(
    verifications: list[int], context: TlsContext, server_context: ServerContexts
) -> None:
    """Nothing is remembered of the first: most programs make only one."""
    server = server_context()
    for _ in range(5):
        connect(server, context)
    assert verifications == [1, 1]


def test_each_host_and_each_certificate(
    verifications: list[int], context: TlsContext, certificates: Certificates, server_context: ServerContexts
) -> None:
    server, other = server_context(), server_context(certificates.server_rsa)
    for _ in range(3):
        connect(server, context)
    assert len(verifications) == 2
    connect(server, context, "127.0.0.1")
    assert len(verifications) == 3
    connect(other, context)
    assert len(verifications) == 4
    for _ in range(3):
        connect(server, context)
        connect(server, context, "127.0.0.1")
        connect(other, context)
    assert len(verifications) == 4
    refused(server, context, "elsewhere.example")
    assert verifications[4:] == [0]


def test_each_context(
    verifications: list[int], context: TlsContext, make_context: Contexts, server_context: ServerContexts
) -> None:
    server = server_context()
    for _ in range(3):
        connect(server, context)
    stranger = make_context(ca_directory="/", resumption=False)
    for _ in range(3):
        refused(server, stranger)
    assert verifications == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("name", ["wrong_host", "expired", "not_yet_valid", "self_signed", "unknown_authority"])
def test_a_refusal_is_not_remembered(
    name: str, verifications: list[int], context: TlsContext, certificates: Certificates, server_context: ServerContexts
) -> None:
    bad: Identity = getattr(certificates, name)
    messages = {refused(server_context(bad), context) for _ in range(4)}
    assert len(messages) == 1
    assert verifications == [0, 0, 0, 0]
    for _ in range(3):
        connect(server_context(), context)
    assert refused(server_context(bad), context) in messages


def test_for_ten_minutes(
    monkeypatch: pytest.MonkeyPatch, verifications: list[int], context: TlsContext, server_context: ServerContexts
) -> None:
    server = server_context()
    now = time.time()
    for moment, expected in [(0, 1), (0, 2), (599, 2), (601, 3), (1200, 3), (1300, 4), (1299, 5), (1300, 5)]:
        monkeypatch.setattr(time, "time", lambda moment=moment: now + moment)
        connect(server, context)
        assert len(verifications) == expected, moment


def test_until_the_first_of_the_chain_expires(
    monkeypatch: pytest.MonkeyPatch, verifications: list[int], context: TlsContext, server_context: ServerContexts
) -> None:
    server = server_context()
    connect(server, context)
    connect(server, context)
    assert context.verified is not None
    ((since, until),) = context.verified._known.values()
    assert until - since == _verified._LONGEST  # all of them are valid for longer

    def soon(days: object, seconds: object, start: None, end: int) -> int:
        calls.append(end)
        days._obj.value, seconds._obj.value = 0, 700 - 200 * len(calls)  # type: ignore[attr-defined]
        return 1

    calls: list[int] = []
    monkeypatch.setattr(_verified, "ASN1_TIME_diff", soon)
    connect(server, context, "127.0.0.1")
    since, until = context.verified._known[next(key for key in context.verified._known if key[0] == "127.0.0.1")]
    assert len(calls) == len(set(calls)) >= 2
    assert until - since == 700 - 200 * len(calls)

    monkeypatch.setattr(_verified, "ASN1_TIME_diff", lambda *arguments: 0)
    context.verified._known.clear()
    verifications.clear()
    connect(server, context)
    connect(server, context)
    assert verifications == [1, 1]  # whose end can't be read isn't remembered


def test_bounded(
    monkeypatch: pytest.MonkeyPatch, verifications: list[int], context: TlsContext, server_context: ServerContexts
) -> None:
    monkeypatch.setattr(_verified, "_MAXIMUM", 2)
    server = server_context()
    for host in ("localhost", "localhost", "127.0.0.1", "::1", "localhost"):
        connect(server, context, host)
        assert context.verified is None or len(context.verified._known) <= 2


def test_pins_and_resumption_are_as_ever(make_context: Contexts, server_context: ServerContexts) -> None:
    pinned = make_context(resumption=False, fingerprints="sha256:" + "00" * 32)
    for _ in range(4):
        assert "pinned" in refused(server_context(), pinned)
    resuming = make_context()
    server = server_context()
    for number in range(4):
        with Pair(server, resuming).handshake() as pair:
            pair.settle()
            assert pair.engine.session_reused is (number > 0)
