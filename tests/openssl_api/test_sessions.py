"""TLS sessions are resumed where that is right, and only there."""

from __future__ import annotations

import gc
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from openssl_api import TlsCertificateError, TlsContext, _sessions
from openssl_api._sessions import Session, SessionCache

from .peers import Pair

if TYPE_CHECKING:
    from tests.certificates import Certificates

    from .conftest import Contexts, ServerContexts

V12 = ssl.TLSVersion.TLSv1_2
V13 = ssl.TLSVersion.TLSv1_3
both_versions = pytest.mark.parametrize("maximum", [V12, V13], ids=["1.2", "1.3"])
PLACE = ("localhost", 443)


def connect(server: ssl.SSLContext, context: TlsContext, host: str = "localhost", port: int = 443) -> bool:
    """Make a connection and end it; return whether a session was resumed."""
    with Pair(server, context, host, port).handshake() as pair:
        pair.settle()
        return pair.engine.session_reused


@both_versions
def test_a_shared_context_resumes(maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts) -> None:
    server = server_context(maximum=maximum)
    assert [connect(server, context) for _ in range(4)] == [False, True, True, True]
    assert server.session_stats()["hits"] == 3


@both_versions
def test_a_context_of_its_own_does_not(
    maximum: ssl.TLSVersion, make_context: Contexts, server_context: ServerContexts
) -> None:
    server = server_context(maximum=maximum)
    assert [connect(server, make_context()) for _ in range(3)] == [False, False, False]


@both_versions
def test_resumption_can_be_switched_off(
    maximum: ssl.TLSVersion, make_context: Contexts, server_context: ServerContexts
) -> None:
    context = make_context(resumption=False)
    server = server_context(maximum=maximum)
    for _ in range(3):
        with Pair(server, context).handshake() as pair:
            pair.settle()
            assert not pair.engine.session_reused
            assert pair.server.tls.session_reused is False
    assert context.sessions.count(("localhost", 443)) == 0
    # RFC 5077 section 3.2: not even asked for. TLS 1.3 has no such extension, and servers just send tickets.
    assert (b"\x00\x23\x00\x00" in pair.flights[0]) is False


@both_versions
def test_places_are_kept_apart(maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts) -> None:
    server = server_context(maximum=maximum)
    assert not connect(server, context)
    assert not connect(server, context, port=444)
    assert not connect(server, context, host="127.0.0.1")
    assert connect(server, context, host="LOCALHOST.")
    assert connect(server, context, port=444)


@both_versions
def test_data_flows_on_a_resumed_connection(
    maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts, certificates: Certificates
) -> None:
    server = server_context(maximum=maximum, alpn=["h2"])
    with Pair(server, context, alpn=(b"h2",)).handshake() as pair:
        pair.settle()
        certificate = pair.engine.peer_certificate()
    with Pair(server, context, alpn=(b"h2",)).handshake() as pair:
        assert pair.engine.session_reused
        assert pair.engine.alpn == b"h2"
        assert pair.engine.peer_certificate() == certificate
        pair.engine.write(b"hello")
        pair.to_server()
        assert pair.server.received() == b"hello"


def test_a_ticket_of_tls_1_3_is_used_once(context: TlsContext, server_context: ServerContexts) -> None:
    """RFC 8446 appendix C.4. Each connection has one for another: two at once may be resumed, a third may not."""
    server = server_context()
    firsts = [Pair(server, context).handshake() for _ in range(2)]
    for pair in firsts:
        pair.settle()
        pair.close()
    assert context.sessions.count(PLACE) == 2
    pairs = [Pair(server, context) for _ in range(3)]
    assert context.sessions.count(PLACE) == 0
    assert [pair.handshake().engine.session_reused for pair in pairs] == [True, True, False]
    for pair in pairs:
        pair.close()


def test_a_session_of_tls_1_2_is_used_again(context: TlsContext, server_context: ServerContexts) -> None:
    server = server_context(maximum=V12)
    assert not connect(server, context)
    pairs = [Pair(server, context) for _ in range(3)]
    assert [pair.handshake().engine.session_reused for pair in pairs] == [True, True, True]
    for pair in pairs:
        pair.close()


@both_versions
def test_a_connection_dropped_without_goodbye_is_resumed(
    maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts
) -> None:
    """connect() never sends close_notify; here the object isn't even closed."""
    server = server_context(maximum=maximum)
    pair = Pair(server, context).handshake()
    pair.settle()
    pair.engine.close()
    del pair
    assert connect(server, context)


def test_after_a_goodbye(context: TlsContext, server_context: ServerContexts) -> None:
    server = server_context()
    with Pair(server, context).handshake() as pair:
        pair.settle()
        pair.engine.shutdown()
        pair.to_server()
    assert connect(server, context)


@both_versions
def test_a_server_that_forgot(maximum: ssl.TLSVersion, context: TlsContext, server_context: ServerContexts) -> None:
    """Another server context has other ticket keys: the handshake is a full one, with verification."""
    assert not connect(server_context(maximum=maximum), context)
    assert not connect(server_context(maximum=maximum), context)


@both_versions
def test_a_server_that_forgot_is_verified_again(
    maximum: ssl.TLSVersion, context: TlsContext, certificates: Certificates, server_context: ServerContexts
) -> None:
    assert not connect(server_context(maximum=maximum), context)
    other = server_context(certificates.wrong_host, maximum=maximum)
    with Pair(other, context) as pair, pytest.raises(TlsCertificateError):
        pair.handshake()


def test_no_session_from_a_server_that_was_refused(
    context: TlsContext, certificates: Certificates, server_context: ServerContexts
) -> None:
    for maximum in (V12, V13):
        server = server_context(certificates.expired, maximum=maximum)
        with Pair(server, context) as pair, pytest.raises(TlsCertificateError):
            pair.handshake()
    assert context.sessions.count(PLACE) == 0


def test_damage_does_not_spoil_other_sessions(context: TlsContext, server_context: ServerContexts) -> None:
    """The session of a connection that failed is not offered again; those of others are."""
    server = server_context()
    with Pair(server, context).handshake() as pair:
        pair.settle()
        pair.feed(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        with pytest.raises(OSError):
            pair.read()
    assert not connect(server, context)
    assert connect(server, context)


class TestCache:
    """The store itself."""

    @pytest.fixture
    def session(self, context: TlsContext, server_context: ServerContexts) -> Session:
        connect(server_context(), context)
        session = context.sessions.take(PLACE)
        assert session is not None
        return session

    def test_bounded_for_each_place(self, session: Session) -> None:
        cache = SessionCache()
        for _ in range(100):
            cache.add(PLACE, session)
        assert cache.count(PLACE) == _sessions._MAXIMUM_SESSIONS

    def test_bounded_in_places(self, session: Session) -> None:
        cache = SessionCache()
        for port in range(1000):
            cache.add(("localhost", port), session)
        assert sum(cache.count(("localhost", port)) for port in range(1000)) == _sessions._MAXIMUM_PLACES
        assert cache.count(("localhost", 999)) == 1
        assert cache.count(("localhost", 0)) == 0

    def test_places_in_use_stay(self, session: Session) -> None:
        cache = SessionCache()
        for port in range(1000):
            cache.add(PLACE, session)
            cache.add(PLACE, session)
            cache.add(("localhost", port), session)
            assert cache.take(PLACE) is not None
        assert cache.count(PLACE) > 0

    def test_newest_first(self, session: Session) -> None:
        cache = SessionCache()
        newest = Session(session.pointer)
        cache.add(PLACE, session)
        cache.add(PLACE, newest)
        assert cache.take(PLACE) is newest
        assert cache.take(PLACE) is session
        assert cache.take(PLACE) is None

    def test_sessions_that_cannot_be_resumed_are_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, session: Session
    ) -> None:
        cache = SessionCache()
        bad = Session(session.pointer)
        pointers = iter([False, True])
        monkeypatch.setattr(_sessions, "SSL_SESSION_is_resumable", lambda pointer: next(pointers))
        cache.add(PLACE, session)
        cache.add(PLACE, bad)
        assert cache.take(PLACE) is session

    def test_many_threads(self, session: Session) -> None:
        cache = SessionCache()
        problems: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for step in range(2000):
                    place = ("localhost", (number + step) % 300)
                    cache.add(place, Session(session.pointer))
                    cache.take(("localhost", step % 300))
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []
        cache.clear()
        gc.collect()
        assert cache.take(PLACE) is None

    def test_sessions_go_with_the_context(self, make_context: Contexts, server_context: ServerContexts) -> None:
        context = make_context()
        connect(server_context(), context)
        context.close()
        assert context.sessions.count(PLACE) == 0
