"""What a request looks like on the wire, and what is refused before it gets there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from httpclient.errors import InvalidRequestError
from httpclient.http2.request import MAX_REQUEST_HEADER_SIZE, HeaderTemplate, TemplateCache
from httpclient.http2.session import Http2Session
from tests.httpclient.http2_peer import (
    CONTINUATION,
    HEADERS,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    Fields,
    Server,
    exchange,
    get,
    split_frames,
)


@pytest.fixture
def session() -> Iterator[Http2Session]:
    session = Http2Session()
    yield session
    session.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def sent(session: Http2Session, server: Server, **request: object) -> Fields:
    """Send a request and return its fields as the server sees them."""
    sink = get(session, **request)  # type: ignore[arg-type]
    exchange(session, server)
    stream_id: int = sink.stream_id
    return server.requests[stream_id].fields


def test_connection_starts_with_preface_settings_and_window() -> None:
    session = Http2Session(max_header_list_size=12345, stream_window=1 << 21, connection_window=1 << 25)
    wire = session.data_to_send()
    assert wire.startswith(PREFACE)
    frames = split_frames(wire)
    assert [kind for kind, _, _, _ in frames] == [SETTINGS, WINDOW_UPDATE]
    payload = frames[0][3]
    entries = {
        int.from_bytes(payload[i : i + 2], "big"): int.from_bytes(payload[i + 2 : i + 6], "big")
        for i in range(0, len(payload), 6)
    }
    assert entries == {2: 0, 4: 1 << 21, 6: 12345}, "no push, window, header list size"
    assert frames[1][2:] == (0, ((1 << 25) - 65535).to_bytes(4, "big"))
    assert session.data_to_send() == b""
    session.close()


def test_pseudo_fields_come_first_and_path_has_its_query(session: Http2Session, server: Server) -> None:
    fields = sent(session, server, path="/a/b?c=d&e=%20f", fields=[("User-Agent", "x"), ("RANGE", "bytes=0-1")])
    assert fields == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"example.org"),
        (b":path", b"/a/b?c=d&e=%20f"),
        (b"user-agent", b"x"),
        (b"range", b"bytes=0-1"),
    ]


def test_host_becomes_authority(session: Http2Session, server: Server) -> None:
    fields = sent(session, server, fields=[("Host", "other.example:8443"), ("a", "b")])
    assert (b":authority", b"other.example:8443") in fields
    assert b"host" not in dict(fields)


def test_connection_fields_are_not_sent(session: Http2Session, server: Server) -> None:
    fields = sent(
        session,
        server,
        fields=[
            ("X-Hop", "1"),
            ("Connection", "keep-alive, X-Hop"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
            ("TE", "gzip"),
            ("Kept", "1"),
        ],
    )
    assert fields[4:] == [(b"kept", b"1")]


def test_te_trailers_is_sent(session: Http2Session, server: Server) -> None:
    assert sent(session, server, fields=[("TE", "trailers")])[4:] == [(b"te", b"trailers")]


def test_repeated_fields_and_cookies_are_kept_in_order(session: Http2Session, server: Server) -> None:
    fields = sent(session, server, fields=[("A", "1"), ("Cookie", "a=b; c=d"), ("a", "2"), ("Content-Type", "t/t")])
    assert fields[4:] == [(b"a", b"1"), (b"cookie", b"a=b; c=d"), (b"a", b"2"), (b"content-type", b"t/t")]


def test_values_are_trimmed_and_encoded_as_over_http1(session: Http2Session, server: Server) -> None:
    fields = sent(session, server, fields=[("a", " \tx y\t "), ("b", ""), ("c", "caf\xe9"), ("d", "\u20ac")])
    assert fields[4:] == [(b"a", b"x y"), (b"b", b""), (b"c", b"caf\xe9"), (b"d", b"\xe2\x82\xac")]


def test_other_methods(session: Http2Session, server: Server) -> None:
    assert sent(session, server, method="OPTIONS", path="*")[0::3] == [(b":method", b"OPTIONS"), (b":path", b"*")]
    assert sent(session, server, method="PROPFIND")[0] == (b":method", b"PROPFIND")
    # RFC 9113 section 8.5
    assert sent(session, server, method="CONNECT", authority="host:22", path="") == [
        (b":method", b"CONNECT"),
        (b":authority", b"host:22"),
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"method": "GE T"}, "method"),
        ({"method": ""}, "method"),
        ({"method": "GET\r\n"}, "method"),
        ({"scheme": "ftp"}, "scheme"),
        ({"authority": ""}, "authority"),
        ({"authority": "user@host"}, "authority"),
        ({"authority": "a b"}, "authority"),
        ({"authority": "a\r\nb"}, "authority"),
        ({"authority": "b\xfccher.example"}, "authority"),
        ({"path": ""}, "path|target"),
        ({"path": "a"}, "path"),
        ({"path": "/a b"}, "target"),
        ({"path": "/a\r\nb"}, "target"),
        ({"path": "/a\0"}, "target"),
        ({"path": "/\xe9"}, "target"),
        ({"fields": [("", "x")]}, "name"),
        ({"fields": [(":path", "/x")]}, "name"),
        ({"fields": [("a b", "x")]}, "name"),
        ({"fields": [("a\n", "x")]}, "name"),
        ({"fields": [("a", "x\r\ny: z")]}, "control character"),
        ({"fields": [("a", "x\0")]}, "control character"),
        ({"fields": [("a", "x\ny")]}, "control character"),
        ({"fields": [("Host", "a/b")]}, "authority"),
        ({"fields": [("a", "x" * MAX_REQUEST_HEADER_SIZE)]}, "larger"),
        ({"path": "/" + "x" * MAX_REQUEST_HEADER_SIZE}, "larger"),
    ],
)
def test_what_may_not_be_sent_is_refused(session: Http2Session, server: Server, change: object, what: str) -> None:
    """Nothing of it goes on the wire, and the connection carries the next request."""
    with pytest.raises(InvalidRequestError, match=what):
        get(session, **change)  # type: ignore[arg-type]
    assert session.open_streams == 0
    assert session.accepts_streams
    assert sent(session, server, path="/next")[3] == (b":path", b"/next")
    assert list(server.requests) == [1]


def test_large_request_header_is_sent_with_continuation(session: Http2Session, server: Server) -> None:
    """Larger than a frame: nghttp2 splits it, and so must the code that collects frames."""
    value = "v" * 60_000
    sink = get(session, fields=[("a", value)])
    session_wire = session.data_to_send()
    kinds = [kind for kind, _, _, _ in split_frames(session_wire)]
    assert kinds[2] == HEADERS
    assert len(kinds) > 4
    assert set(kinds[3:]) == {CONTINUATION}
    server.receive(session_wire)
    assert server.requests[sink.stream_id].fields[4] == (b"a", value.encode())


def test_requests_that_differ_in_anything_keep_apart(session: Http2Session, server: Server) -> None:
    """What is kept from one request doesn't leak into another."""
    fields = [("a", "1")]
    changes: list[dict[str, object]] = [
        {"path": "/1"},
        {"path": "/2"},
        {"path": "/2", "method": "DELETE"},
        {"path": "/2", "scheme": "http"},
        {"path": "/2", "authority": "other"},
        {"path": "/longer/than/before", "fields": [("a", "2")]},
        {"path": "/1", "fields": [("b", "2")]},
        {"path": "/1"},
    ]
    base = {"method": "GET", "scheme": "https", "authority": "example.org", "fields": fields}
    for change in changes:
        request = {**base, **change}
        got = sent(session, server, **request)
        assert got == [
            (b":method", str(request["method"]).encode()),
            (b":scheme", str(request["scheme"]).encode()),
            (b":authority", str(request["authority"]).encode()),
            (b":path", str(request["path"]).encode()),
            *[(name.encode(), value.encode()) for name, value in request["fields"]],  # type: ignore[attr-defined]
        ]


def test_list_of_fields_may_be_changed_and_used_again(session: Http2Session, server: Server) -> None:
    fields = [("a", "1")]
    assert sent(session, server, fields=fields)[4:] == [(b"a", b"1")]
    fields[0] = ("a", "2")
    fields.append(("b", "3"))
    assert sent(session, server, fields=fields)[4:] == [(b"a", b"2"), (b"b", b"3")]


def test_failed_path_leaves_the_template_as_it_was() -> None:
    template = HeaderTemplate("GET", "https", "h", [])
    template.set_path("/a")
    with pytest.raises(InvalidRequestError):
        template.set_path("/b c")
    template.set_path("/a")
    assert template.array[3].value == b"/a"
    assert template.array[3].valuelen == 2


def test_templates_are_bounded_and_the_least_used_goes() -> None:
    cache = TemplateCache()
    first = cache.get("GET", "https", "h", [])
    for i in range(cache.KEPT - 1):
        cache.get("GET", "https", f"h{i}", [])
    assert cache.get("GET", "https", "h", []) is first
    cache.get("GET", "https", "one-more", [])
    assert cache.get("GET", "https", "h", []) is first
    assert len(cache._templates) == cache.KEPT


def test_streams_are_numbered_and_limited_by_the_peer(server: Server) -> None:
    session = Http2Session(max_concurrent_streams=3)
    sinks = [get(session, f"/{i}") for i in range(5)]
    assert [sink.stream_id for sink in sinks] == [1, 3, 5, 7, 9]
    assert (session.open_streams, session.max_concurrent_streams) == (5, 3)
    server.receive(session.data_to_send())
    assert sorted(server.requests) == [1, 3, 5], "the rest waits for the server's SETTINGS or for an answer"
    server.respond(3, [(b":status", b"204")])
    exchange(session, server)
    assert sorted(server.requests) == [1, 3, 5, 7, 9], "a server that says nothing allows any number"
    assert session.max_concurrent_streams > 1000
    session.close()


def test_peers_limit_is_seen(session: Http2Session) -> None:
    server = Server((3, 17))
    exchange(session, server)
    assert session.max_concurrent_streams == 17
    server.close()


def test_stream_numbers_run_out(session: Http2Session, server: Server) -> None:
    import nghttp2_api
    from httpclient.errors import RefusedStreamError

    exchange(session, server)
    assert nghttp2_api.nghttp2_session_set_next_stream_id(session._pointer, (1 << 31) - 1) == 0
    last = get(session)
    assert last.stream_id == (1 << 31) - 1
    for _ in range(2):
        with pytest.raises(RefusedStreamError) as caught:
            get(session)
        assert caught.value.retry_safe
    assert not session.accepts_streams
    exchange(session, server)
    server.respond((1 << 31) - 1, [(b":status", b"200")])
    exchange(session, server)
    assert last.status == 200
