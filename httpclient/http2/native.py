"""The functions of nghttp2 that a client session calls all the time, and how the library's session is made.

The functions are bound without ``argtypes``: a call costs half of a checked one. The caller answers for the arguments:
the session is a ``c_void_p``, all else an ``int`` below 2**31, ``None`` or a ctypes object. The GIL is kept: none of
them can block, and a callback works with it as well as without.
"""

from __future__ import annotations

from ctypes import byref, c_int, c_ssize_t, c_uint32, c_void_p

from linuxapi.binding import bind_untyped

# For http2, which does no I/O and so knows nothing of the package that does.
from linuxapi.interrupts import CallbackGuard as CallbackGuard  # noqa: PLC0414
from nghttp2_api import nghttp2
from nghttp2_api.constants import (
    NGHTTP2_DEFAULT_HEADER_TABLE_SIZE,
    NGHTTP2_ERR_NOMEM,
    NGHTTP2_FLAG_NONE,
    NGHTTP2_SETTINGS_ENABLE_PUSH,
    NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
    NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
)
from nghttp2_api.structs import nghttp2_settings_entry

from ..errors import HttpClientError
from .callbacks import MAX_CONTINUATIONS
from .errors import library_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _bind(name: str, restype: Any = c_int) -> Any:
    return bind_untyped(nghttp2.libnghttp2, name, restype)


mem_recv = _bind("nghttp2_session_mem_recv", c_ssize_t)
mem_send = _bind("nghttp2_session_mem_send", c_ssize_t)
want_read = _bind("nghttp2_session_want_read")
want_write = _bind("nghttp2_session_want_write")
submit_request = _bind("nghttp2_submit_request")
submit_rst_stream = _bind("nghttp2_submit_rst_stream")
submit_trailer = _bind("nghttp2_submit_trailer")
submit_ping = _bind("nghttp2_submit_ping")
resume_data = _bind("nghttp2_session_resume_data")
consume_connection = _bind("nghttp2_session_consume_connection")
consume_stream = _bind("nghttp2_session_consume_stream")
set_local_window_size = _bind("nghttp2_session_set_local_window_size")
find_stream = _bind("nghttp2_session_find_stream", c_void_p)
get_remote_settings = _bind("nghttp2_session_get_remote_settings", c_uint32)
terminate_session = _bind("nghttp2_session_terminate_session")

#: ACKs of PING and SETTINGS that may wait to be sent: what arrives in one read.
_MAX_OUTBOUND_ACK = 1000
#: Entries of one SETTINGS frame.
_MAX_SETTINGS = 32
#: Bytes of a compressed request header block. Above what request.py lets through.
_MAX_SEND_HEADER_BLOCK = 512 * 1024


def check(result: int, doing: str) -> None:
    """Raise what a negative result of the library stands for.

    :param doing: what was attempted, for the message.
    :raises MemoryError: no memory.
    :raises HttpClientError: anything else. It takes wrong arguments, so it is this package's fault.
    """
    if result == NGHTTP2_ERR_NOMEM:
        raise MemoryError(f"nghttp2: {doing}")
    if result < 0:
        raise HttpClientError(f"nghttp2 failed at {doing}: {library_text(result)}")


def _make_options(max_concurrent_streams: int) -> c_void_p:
    options = c_void_p()
    check(nghttp2.nghttp2_option_new(byref(options)), "making options")
    nghttp2.nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2.nghttp2_option_set_peer_max_concurrent_streams(options, max_concurrent_streams)
    # A library that has no setter for a limit has its own, or none; the one for CONTINUATION is then ours.
    for setter, value in (
        (nghttp2.nghttp2_option_set_max_send_header_block_length, _MAX_SEND_HEADER_BLOCK),
        (nghttp2.nghttp2_option_set_max_deflate_dynamic_table_size, NGHTTP2_DEFAULT_HEADER_TABLE_SIZE),
        (nghttp2.nghttp2_option_set_no_closed_streams, 1),
        (nghttp2.nghttp2_option_set_max_outbound_ack, _MAX_OUTBOUND_ACK),
        (nghttp2.nghttp2_option_set_max_settings, _MAX_SETTINGS),
        (nghttp2.nghttp2_option_set_max_continuations, MAX_CONTINUATIONS),
    ):
        if setter:
            setter(options, value)
    return options


def make_session(
    callbacks: c_void_p,
    *,
    max_header_list_size: int,
    stream_window: int,
    connection_window: int,
    max_concurrent_streams: int,
) -> c_void_p:
    """Make a client session, and queue what a connection starts with (RFC 9113 section 3.4).

    :param callbacks: made by ``nghttp2_session_callbacks_new``; copied.
    :param max_header_list_size: bytes of header fields that the peer is told to keep to.
    :param stream_window: bytes that may be under way on a stream.
    :param connection_window: bytes that may be under way on all streams together.
    :param max_concurrent_streams: how many streams are taken to be allowed until the peer's SETTINGS say.
    :return: the session, for ``nghttp2_session_del``.
    """
    session = c_void_p()
    options = _make_options(max_concurrent_streams)
    try:
        check(nghttp2.nghttp2_session_client_new2(byref(session), callbacks, None, options), "making a session")
    finally:
        nghttp2.nghttp2_option_del(options)
    settings = (nghttp2_settings_entry * 3)(
        nghttp2_settings_entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0),
        nghttp2_settings_entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, stream_window),
        nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, max_header_list_size),
    )
    try:
        check(nghttp2.nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, len(settings)), "queueing SETTINGS")
        check(
            nghttp2.nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, connection_window),
            "setting the connection's window",
        )
    except BaseException:
        nghttp2.nghttp2_session_del(session)
        raise
    return session
