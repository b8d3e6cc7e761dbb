"""A client session and a server session that talk to each other in memory, through the raw binding alone."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import byref, c_int, c_uint8, c_void_p, string_at
from typing import Any

import pytest

from nghttp2_api import (
    NGHTTP2_CANCEL,
    NGHTTP2_CLIENT_MAGIC,
    NGHTTP2_DATA,
    NGHTTP2_DATA_FLAG_EOF,
    NGHTTP2_DATA_FLAG_NO_END_STREAM,
    NGHTTP2_ERR_CALLBACK_FAILURE,
    NGHTTP2_ERR_DEFERRED,
    NGHTTP2_ERR_INVALID_ARGUMENT,
    NGHTTP2_FLAG_END_STREAM,
    NGHTTP2_FLAG_NONE,
    NGHTTP2_GOAWAY,
    NGHTTP2_HCAT_HEADERS,
    NGHTTP2_HCAT_REQUEST,
    NGHTTP2_HCAT_RESPONSE,
    NGHTTP2_HD_INFLATE_EMIT,
    NGHTTP2_HD_INFLATE_FINAL,
    NGHTTP2_HEADERS,
    NGHTTP2_INITIAL_WINDOW_SIZE,
    NGHTTP2_NO_ERROR,
    NGHTTP2_NV_FLAG_NONE,
    NGHTTP2_PING,
    NGHTTP2_RST_STREAM,
    NGHTTP2_SETTINGS,
    NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
    NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
    NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL,
    NGHTTP2_STREAM_STATE_OPEN,
    nghttp2_check_authority,
    nghttp2_check_header_name,
    nghttp2_check_header_value,
    nghttp2_check_path,
    nghttp2_data_provider,
    nghttp2_data_source_read_callback,
    nghttp2_error_callback2,
    nghttp2_hd_deflate_bound,
    nghttp2_hd_deflate_del,
    nghttp2_hd_deflate_hd,
    nghttp2_hd_deflate_new,
    nghttp2_hd_inflate_del,
    nghttp2_hd_inflate_end_headers,
    nghttp2_hd_inflate_hd2,
    nghttp2_hd_inflate_new,
    nghttp2_http2_strerror,
    nghttp2_is_fatal,
    nghttp2_nv,
    nghttp2_on_data_chunk_recv_callback,
    nghttp2_on_frame_recv_callback,
    nghttp2_on_header_callback,
    nghttp2_on_header_callback2,
    nghttp2_on_stream_close_callback,
    nghttp2_option_del,
    nghttp2_option_new,
    nghttp2_option_set_no_auto_window_update,
    nghttp2_option_set_peer_max_concurrent_streams,
    nghttp2_pack_settings_payload,
    nghttp2_priority_spec,
    nghttp2_priority_spec_default_init,
    nghttp2_rcbuf_get_buf,
    nghttp2_recv_callback,
    nghttp2_select_next_protocol,
    nghttp2_send_callback,
    nghttp2_session_callbacks_del,
    nghttp2_session_callbacks_new,
    nghttp2_session_callbacks_set_error_callback2,
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback,
    nghttp2_session_callbacks_set_on_frame_recv_callback,
    nghttp2_session_callbacks_set_on_header_callback,
    nghttp2_session_callbacks_set_on_header_callback2,
    nghttp2_session_callbacks_set_on_stream_close_callback,
    nghttp2_session_callbacks_set_recv_callback,
    nghttp2_session_callbacks_set_send_callback,
    nghttp2_session_check_server_session,
    nghttp2_session_client_new,
    nghttp2_session_client_new2,
    nghttp2_session_consume,
    nghttp2_session_del,
    nghttp2_session_find_stream,
    nghttp2_session_get_remote_settings,
    nghttp2_session_get_stream_effective_recv_data_length,
    nghttp2_session_get_stream_user_data,
    nghttp2_session_mem_recv,
    nghttp2_session_mem_send,
    nghttp2_session_recv,
    nghttp2_session_resume_data,
    nghttp2_session_send,
    nghttp2_session_server_new,
    nghttp2_session_terminate_session,
    nghttp2_session_want_read,
    nghttp2_session_want_write,
    nghttp2_settings_entry,
    nghttp2_stream_get_state,
    nghttp2_strerror,
    nghttp2_submit_ping,
    nghttp2_submit_request,
    nghttp2_submit_response,
    nghttp2_submit_rst_stream,
    nghttp2_submit_settings,
    nghttp2_submit_trailer,
)

Fields = list[tuple[bytes, bytes]]

REQUEST: Fields = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"example.org"),
    (b":path", b"/a?b=c"),
    (b"user-agent", b"test"),
]


def field_array(fields: Fields) -> ctypes.Array[nghttp2_nv]:
    return (nghttp2_nv * len(fields))(
        *[nghttp2_nv(name, value, len(name), len(value), NGHTTP2_NV_FLAG_NONE) for name, value in fields]
    )


class Peer:
    """One side of a connection; notes all that happens to it."""

    def __init__(self, server: bool, no_auto_window_update: bool = False) -> None:
        self.fields: dict[int, Fields] = {}
        self.data: dict[int, bytes] = {}
        self.frames: list[tuple[int, int, int]] = []
        self.categories: list[int] = []
        self.closed: dict[int, int] = {}
        self.errors: list[bytes] = []
        self.fail_on_data = False
        self.session = c_void_p()
        self.kept = [
            nghttp2_on_header_callback(self.on_header),
            nghttp2_on_frame_recv_callback(self.on_frame_recv),
            nghttp2_on_data_chunk_recv_callback(self.on_data_chunk_recv),
            nghttp2_on_stream_close_callback(self.on_stream_close),
            nghttp2_error_callback2(self.on_error),
        ]
        callbacks = c_void_p()
        assert nghttp2_session_callbacks_new(byref(callbacks)) == 0
        nghttp2_session_callbacks_set_on_header_callback(callbacks, self.kept[0])
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, self.kept[1])
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, self.kept[2])
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, self.kept[3])
        nghttp2_session_callbacks_set_error_callback2(callbacks, self.kept[4])
        if server:
            assert nghttp2_session_server_new(byref(self.session), callbacks, 0x1234) == 0
        else:
            options = c_void_p()
            assert nghttp2_option_new(byref(options)) == 0
            nghttp2_option_set_no_auto_window_update(options, no_auto_window_update)
            nghttp2_option_set_peer_max_concurrent_streams(options, 7)
            assert nghttp2_session_client_new2(byref(self.session), callbacks, 0x1234, options) == 0
            nghttp2_option_del(options)
        nghttp2_session_callbacks_del(callbacks)
        assert nghttp2_session_check_server_session(self.session) == server
        assert nghttp2_submit_settings(self.session, NGHTTP2_FLAG_NONE, None, 0) == 0

    def on_header(self, session, frame, name, namelen, value, valuelen, flags, user_data):  # type: ignore[no-untyped-def]
        assert user_data == 0x1234
        assert session == self.session.value
        field = string_at(name, namelen), string_at(value, valuelen)
        self.fields.setdefault(frame.contents.hd.stream_id, []).append(field)
        return 0

    def on_frame_recv(self, session, frame, user_data):  # type: ignore[no-untyped-def]
        header = frame.contents.hd
        self.frames.append((header.type, header.flags, header.stream_id))
        if header.type == NGHTTP2_HEADERS:
            self.categories.append(frame.contents.headers.cat)
        return 0

    def on_data_chunk_recv(self, session, flags, stream_id, data, size, user_data):  # type: ignore[no-untyped-def]
        if self.fail_on_data:
            return NGHTTP2_ERR_CALLBACK_FAILURE
        self.data[stream_id] = self.data.get(stream_id, b"") + string_at(data, size)
        return 0

    def on_stream_close(self, session, stream_id, error_code, user_data):  # type: ignore[no-untyped-def]
        self.closed[stream_id] = error_code
        return 0

    def on_error(self, session, code, message, size, user_data):  # type: ignore[no-untyped-def]
        assert len(message) == size
        self.errors.append(message)
        return 0

    def output(self) -> bytes:
        place = c_void_p()
        out = b""
        while (size := nghttp2_session_mem_send(self.session, byref(place))) > 0:
            out += string_at(place, size)
        assert size == 0
        return out

    def input(self, data: bytes) -> int:
        result: int = nghttp2_session_mem_recv(self.session, data, len(data))
        return result


class Connection:
    def __init__(self, **options: bool) -> None:
        self.client = Peer(server=False, **options)
        self.server = Peer(server=True)

    def exchange(self) -> None:
        """Let both sides say all they have to say."""
        while True:
            request, response = self.client.output(), self.server.output()
            if not request and not response:
                return
            assert self.server.input(request) == len(request)
            assert self.client.input(response) == len(response)

    def close(self) -> None:
        nghttp2_session_del(self.client.session)
        nghttp2_session_del(self.server.session)


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.close()


def read_from(data: bytes, piece: int = 1000, trailers: Fields | None = None) -> nghttp2_data_provider:
    """Return a provider that gives *data* in pieces, and then *trailers*. It holds on to its callback."""
    position = 0

    def read(session, stream_id, buffer, size, flags, source, user_data):  # type: ignore[no-untyped-def]
        nonlocal position
        part = data[position : position + min(size, piece)]
        position += len(part)
        ctypes.memmove(buffer, part, len(part))
        if position == len(data):
            flags[0] |= NGHTTP2_DATA_FLAG_EOF
            if trailers:
                flags[0] |= NGHTTP2_DATA_FLAG_NO_END_STREAM
                assert nghttp2_submit_trailer(session, stream_id, field_array(trailers), len(trailers)) == 0
        return len(part)

    provider = nghttp2_data_provider()
    provider.read_callback = nghttp2_data_source_read_callback(read)
    return provider


def submit(connection: Connection, fields: Fields = REQUEST, provider: nghttp2_data_provider | None = None) -> int:
    reference = None if provider is None else byref(provider)
    stream_id: int = nghttp2_submit_request(
        connection.client.session, None, field_array(fields), len(fields), reference, None
    )
    return stream_id


def respond(
    connection: Connection, stream_id: int, fields: Fields, provider: nghttp2_data_provider | None = None
) -> None:
    reference = None if provider is None else byref(provider)
    array = field_array(fields)
    assert nghttp2_submit_response(connection.server.session, stream_id, array, len(fields), reference) == 0


def test_request_and_response(connection: Connection) -> None:
    stream_id = submit(connection)
    assert stream_id == 1
    first = connection.client.output()
    assert first.startswith(NGHTTP2_CLIENT_MAGIC)
    assert connection.server.input(first) == len(first)
    assert connection.server.fields == {1: REQUEST}
    assert connection.server.categories == [NGHTTP2_HCAT_REQUEST]
    body = bytes(range(256)) * 40
    response: Fields = [(b":status", b"200"), (b"content-length", b"%d" % len(body)), (b"x", b"\xc3\xa9")]
    provider = read_from(body)
    respond(connection, stream_id, response, provider)
    connection.exchange()
    client = connection.client
    assert client.fields == {1: response}
    assert client.data == {1: body}
    assert client.categories == [NGHTTP2_HCAT_RESPONSE]
    assert client.closed == connection.server.closed == {1: NGHTTP2_NO_ERROR}
    assert client.frames[-1] == (NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1)
    assert client.frames[0] == (NGHTTP2_SETTINGS, 0, 0)


def test_request_body_that_is_deferred(connection: Connection) -> None:
    answers: list[Any] = [NGHTTP2_ERR_DEFERRED, b"first ", NGHTTP2_ERR_DEFERRED, b"second"]

    def read(session, stream_id, buffer, size, flags, source, user_data):  # type: ignore[no-untyped-def]
        answer = answers.pop(0)
        if isinstance(answer, int):
            return answer
        ctypes.memmove(buffer, answer, len(answer))
        if not answers:
            flags[0] = NGHTTP2_DATA_FLAG_EOF
        return len(answer)

    provider = nghttp2_data_provider()
    provider.read_callback = nghttp2_data_source_read_callback(read)
    stream_id = submit(connection, [(b":method", b"POST"), *REQUEST[1:]], provider)
    connection.exchange()
    assert connection.server.data == {}
    assert nghttp2_session_resume_data(connection.client.session, stream_id) == 0
    connection.exchange()
    assert connection.server.data == {1: b"first "}
    assert nghttp2_session_resume_data(connection.client.session, stream_id) == 0
    connection.exchange()
    assert connection.server.data == {1: b"first second"}
    assert connection.server.frames[-1] == (NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1)


def test_trailers(connection: Connection) -> None:
    stream_id = submit(connection)
    connection.exchange()
    trailers: Fields = [(b"checksum", b"1")]
    provider = read_from(b"body", trailers=trailers)
    respond(connection, stream_id, [(b":status", b"200")], provider)
    connection.exchange()
    assert connection.client.fields[1] == [(b":status", b"200"), *trailers]
    assert connection.client.categories == [NGHTTP2_HCAT_RESPONSE, NGHTTP2_HCAT_HEADERS]
    assert connection.client.data == {1: b"body"}


def test_many_streams(connection: Connection) -> None:
    """More than the option allows before the server's SETTINGS are there: the rest waits."""
    streams = [submit(connection, [*REQUEST[:3], (b":path", b"/%d" % i), *REQUEST[4:]]) for i in range(50)]
    assert streams == list(range(1, 101, 2))
    request = connection.client.output()
    assert connection.server.input(request) == len(request)
    assert sorted(connection.server.fields) == streams[:7]
    connection.exchange()
    assert sorted(connection.server.fields) == streams
    for stream_id in streams:
        respond(connection, stream_id, [(b":status", b"204")])
    connection.exchange()
    assert connection.client.closed == dict.fromkeys(streams, NGHTTP2_NO_ERROR)


def test_flow_control_by_hand() -> None:
    connection = Connection(no_auto_window_update=True)
    try:
        stream_id = submit(connection)
        connection.exchange()
        body = b"x" * (NGHTTP2_INITIAL_WINDOW_SIZE + 1000)
        provider = read_from(body, piece=1 << 14)
        respond(connection, stream_id, [(b":status", b"200")], provider)
        connection.exchange()
        client = connection.client
        assert len(client.data[1]) == NGHTTP2_INITIAL_WINDOW_SIZE
        assert nghttp2_session_get_stream_effective_recv_data_length(client.session, 1) == NGHTTP2_INITIAL_WINDOW_SIZE
        assert nghttp2_session_consume(client.session, 1, NGHTTP2_INITIAL_WINDOW_SIZE) == 0
        connection.exchange()
        assert client.data == {1: body}
    finally:
        connection.close()


def test_settings(connection: Connection) -> None:
    entries = (nghttp2_settings_entry * 2)(
        nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 99),
        nghttp2_settings_entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20),
    )
    assert nghttp2_submit_settings(connection.server.session, NGHTTP2_FLAG_NONE, entries, 2) == 0
    connection.exchange()
    session = connection.client.session
    assert nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 99
    assert nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) == 1 << 20
    buffer = (c_uint8 * 12)()
    assert nghttp2_pack_settings_payload(buffer, 12, entries, 2) == 12
    assert bytes(buffer) == b"\x00\x03\x00\x00\x00\x63\x00\x04\x00\x10\x00\x00"


def test_streams_and_user_data(connection: Connection) -> None:
    client = connection.client
    provider = read_from(b"x")
    fields = field_array(REQUEST)
    assert nghttp2_submit_request(client.session, None, fields, len(REQUEST), byref(provider), 0xABCDEF012345) == 1
    assert nghttp2_submit_request(client.session, None, fields, len(REQUEST), None, None) == 3
    assert not nghttp2_session_find_stream(client.session, 1), "not sent yet"
    connection.exchange()
    assert nghttp2_session_get_stream_user_data(client.session, 1) == 0xABCDEF012345
    assert nghttp2_session_get_stream_user_data(client.session, 3) is None
    stream = nghttp2_session_find_stream(client.session, 3)
    assert nghttp2_stream_get_state(stream) == NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL
    server_stream = nghttp2_session_find_stream(connection.server.session, 3)
    assert nghttp2_stream_get_state(server_stream) not in {NGHTTP2_STREAM_STATE_OPEN, 0}


def test_reset_ping_and_goaway(connection: Connection) -> None:
    stream_id = submit(connection)
    connection.exchange()
    server = connection.server.session
    assert nghttp2_submit_rst_stream(server, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL) == 0
    assert nghttp2_submit_ping(server, NGHTTP2_FLAG_NONE, b"12345678") == 0
    connection.exchange()
    assert connection.client.closed == {1: NGHTTP2_CANCEL}
    assert [kind for kind, _, _ in connection.client.frames][-2:] == [NGHTTP2_PING, NGHTTP2_RST_STREAM]
    assert nghttp2_session_want_read(server)
    assert nghttp2_session_terminate_session(server, NGHTTP2_NO_ERROR) == 0
    assert nghttp2_session_want_write(server)
    connection.exchange()
    assert connection.client.frames[-1][0] == NGHTTP2_GOAWAY
    assert not nghttp2_session_want_read(server)
    assert not nghttp2_session_want_write(server)


def test_callback_failure_ends_the_call(connection: Connection) -> None:
    stream_id = submit(connection)
    connection.exchange()
    provider = read_from(b"x")
    respond(connection, stream_id, [(b":status", b"200")], provider)
    connection.client.fail_on_data = True
    assert connection.client.input(connection.server.output()) == NGHTTP2_ERR_CALLBACK_FAILURE
    assert nghttp2_is_fatal(NGHTTP2_ERR_CALLBACK_FAILURE)


def test_peers_mistake_is_explained(connection: Connection) -> None:
    stream_id = submit(connection)
    connection.exchange()
    respond(connection, stream_id, [(b":status", b"200"), (b"content-length", b"abc")])
    connection.client.input(connection.server.output())
    assert any(b"content-length" in message for message in connection.client.errors)


def test_reference_counted_headers() -> None:
    seen = []

    def on_header(session, frame, name, value, flags, user_data):  # type: ignore[no-untyped-def]
        name, value = nghttp2_rcbuf_get_buf(name), nghttp2_rcbuf_get_buf(value)
        seen.append((string_at(name.base, name.len), string_at(value.base, value.len)))
        return 0

    kept = nghttp2_on_header_callback2(on_header)
    callbacks, session = c_void_p(), c_void_p()
    nghttp2_session_callbacks_new(byref(callbacks))
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, kept)
    assert nghttp2_session_server_new(byref(session), callbacks, None) == 0
    nghttp2_session_callbacks_del(callbacks)
    connection = Connection()
    submit(connection)
    data = connection.client.output()
    assert nghttp2_session_mem_recv(session, data, len(data)) == len(data)
    nghttp2_session_del(session)
    connection.close()
    assert seen == REQUEST


def test_send_and_recv_callbacks() -> None:
    """The other way to move bytes: the library asks for input and hands out output."""
    sent = bytearray()
    incoming = bytearray()

    def send(session, data, size, flags, user_data):  # type: ignore[no-untyped-def]
        sent.extend(string_at(data, size))
        return size

    def recv(session, buffer, size, flags, user_data):  # type: ignore[no-untyped-def]
        part = bytes(incoming[:size])
        del incoming[:size]
        ctypes.memmove(buffer, part, len(part))
        return len(part) or -504  # NGHTTP2_ERR_WOULDBLOCK

    kept = nghttp2_send_callback(send), nghttp2_recv_callback(recv)
    callbacks, session = c_void_p(), c_void_p()
    nghttp2_session_callbacks_new(byref(callbacks))
    nghttp2_session_callbacks_set_send_callback(callbacks, kept[0])
    nghttp2_session_callbacks_set_recv_callback(callbacks, kept[1])
    assert nghttp2_session_client_new(byref(session), callbacks, None) == 0
    nghttp2_session_callbacks_del(callbacks)
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, None, 0)
    nghttp2_submit_request(session, None, field_array(REQUEST), len(REQUEST), None, None)
    assert nghttp2_session_send(session) == 0
    server = Peer(server=True)
    assert server.input(bytes(sent)) == len(sent)
    assert server.fields == {1: REQUEST}
    incoming += server.output()
    assert nghttp2_session_recv(session) == 0
    assert not incoming
    nghttp2_session_del(session)
    nghttp2_session_del(server.session)


def test_header_compression() -> None:
    deflater, inflater = c_void_p(), c_void_p()
    assert nghttp2_hd_deflate_new(byref(deflater), 4096) == 0
    assert nghttp2_hd_inflate_new(byref(inflater)) == 0
    sizes = []
    for _ in range(2):
        fields = field_array(REQUEST)
        room = nghttp2_hd_deflate_bound(deflater, fields, len(REQUEST))
        buffer = (c_uint8 * room)()
        size = nghttp2_hd_deflate_hd(deflater, buffer, room, fields, len(REQUEST))
        sizes.append(size)
        data = bytes(buffer[:size])
        entry, flags = nghttp2_nv(), c_int()
        decoded = []
        while not flags.value & NGHTTP2_HD_INFLATE_FINAL:
            used = nghttp2_hd_inflate_hd2(inflater, byref(entry), byref(flags), data, len(data), 1)
            assert used >= 0
            data = data[used:]
            if flags.value & NGHTTP2_HD_INFLATE_EMIT:
                assert (len(entry.name), len(entry.value)) == (entry.namelen, entry.valuelen)
                decoded.append((entry.name, entry.value))
        assert nghttp2_hd_inflate_end_headers(inflater) == 0
        assert decoded == REQUEST
    assert sizes[1] < sizes[0], "the second block refers to the first"
    nghttp2_hd_deflate_del(deflater)
    nghttp2_hd_inflate_del(inflater)


def test_helpers() -> None:
    assert nghttp2_strerror(NGHTTP2_ERR_INVALID_ARGUMENT) == b"Invalid argument"
    assert nghttp2_http2_strerror(NGHTTP2_CANCEL) == b"CANCEL"
    assert nghttp2_check_header_name(b"accept", 6)
    assert not nghttp2_check_header_name(b"Accept", 6)
    assert nghttp2_check_header_value(b"a b", 3)
    assert not nghttp2_check_header_value(b"a\nb", 3)
    if nghttp2_check_path:
        assert nghttp2_check_path(b"/a", 2)
        assert not nghttp2_check_path(b"/a b", 4)
    assert not nghttp2_check_authority(b"a b", 3)
    spec = nghttp2_priority_spec()
    nghttp2_priority_spec_default_init(byref(spec))
    assert (spec.stream_id, spec.weight, spec.exclusive) == (0, 16, 0)
    out, size = c_void_p(), c_uint8()
    offered = b"\x08http/1.1\x02h2"
    assert nghttp2_select_next_protocol(byref(out), byref(size), offered, len(offered)) == 1
    assert string_at(out, size.value) == b"h2"
