"""The functions of libnghttp2 (nghttp2.h), bound to the loaded library under their C names.

What the header declares beside them is in :mod:`.constants`, :mod:`.structs` and :mod:`.callbacks`; the package gives
it all. A function is bound when its name is first asked for: binding all of them at once would take longer than some
programs run. Those with types that a client's session does without are declared in :mod:`._functions`, which is loaded
for the first of them. A function that the loaded library is too old for is falsy, and says so when called.

A session, and everything that belongs to it, may be used by one thread at a time. Functions that can call back into
Python release the GIL around the call; the others are short and keep it.

- Pointers are ``int`` addresses, ctypes objects or, where the library only reads, ``bytes``.
- Functions that answer ``int`` give 0 or a negative ``NGHTTP2_ERR_`` number; :func:`nghttp2_strerror` has a text.
- The ``ssize_t`` functions that 1.60 deprecated, and those of the same name with a 2 that replace them, are the same
  at the machine's level. The ones without the 2 work with every version.

Delphi: unit Nghttp2, the variables that ``LoadNGHTTP2`` fills.
"""

from __future__ import annotations

from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_ssize_t, c_uint, c_uint8, c_uint32, c_uint64, c_void_p

from linuxapi.binding import bind, load_library

from .constants import NGHTTP2_LIB
from .structs import (
    pnghttp2_hd_deflater,
    pnghttp2_hd_inflater,
    pnghttp2_option,
    pnghttp2_rcbuf,
    pnghttp2_session,
    pnghttp2_session_callbacks,
    pnghttp2_settings_entry,
    pnghttp2_stream,
    puint8,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The library that is in use.
libnghttp2 = load_library((NGHTTP2_LIB,), package="libnghttp2-14", variable="NGHTTP2_API_LIBNGHTTP2", purpose="HTTP/2")

_session = pnghttp2_session
_callbacks = pnghttp2_session_callbacks
_option = pnghttp2_option

#: Result type, parameter types in the order of the C prototype, and the version that introduced the function, where
#: not every ``libnghttp2.so.14`` has it.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    # Reference-counted buffers: what the header callbacks whose names end in 2 get
    "nghttp2_rcbuf_incref": (None, (pnghttp2_rcbuf,), "1.9.0"),
    "nghttp2_rcbuf_decref": (None, (pnghttp2_rcbuf,), "1.9.0"),
    "nghttp2_rcbuf_is_static": (c_int, (pnghttp2_rcbuf,), "1.25.0"),
    # Callbacks of a session. They are copied when a session is made, so one set serves any number of sessions.
    "nghttp2_session_callbacks_new": (c_int, (POINTER(pnghttp2_session_callbacks),)),
    "nghttp2_session_callbacks_del": (None, (_callbacks,)),
    # Options of a session, copied likewise
    "nghttp2_option_new": (c_int, (POINTER(pnghttp2_option),)),
    "nghttp2_option_del": (None, (_option,)),
    "nghttp2_option_set_no_auto_window_update": (None, (_option, c_int)),
    "nghttp2_option_set_peer_max_concurrent_streams": (None, (_option, c_uint32)),
    "nghttp2_option_set_no_recv_client_magic": (None, (_option, c_int)),
    "nghttp2_option_set_no_http_messaging": (None, (_option, c_int)),
    "nghttp2_option_set_max_reserved_remote_streams": (None, (_option, c_uint32), "1.3.0"),
    "nghttp2_option_set_user_recv_extension_type": (None, (_option, c_uint8), "1.8.0"),
    "nghttp2_option_set_builtin_recv_extension_type": (None, (_option, c_uint8), "1.10.0"),
    "nghttp2_option_set_no_auto_ping_ack": (None, (_option, c_int), "1.9.0"),
    "nghttp2_option_set_max_send_header_block_length": (None, (_option, c_size_t), "1.12.0"),
    "nghttp2_option_set_max_deflate_dynamic_table_size": (None, (_option, c_size_t), "1.15.0"),
    "nghttp2_option_set_no_closed_streams": (None, (_option, c_int), "1.20.0"),
    "nghttp2_option_set_max_outbound_ack": (None, (_option, c_size_t), "1.39.2"),
    "nghttp2_option_set_max_settings": (None, (_option, c_size_t), "1.41.0"),
    "nghttp2_option_set_server_fallback_rfc7540_priorities": (None, (_option, c_int), "1.48.0"),
    "nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation": (None, (_option, c_int), "1.50.0"),
    "nghttp2_option_set_stream_reset_rate_limit": (None, (_option, c_uint64, c_uint64), "1.57.0"),
    "nghttp2_option_set_max_continuations": (None, (_option, c_size_t), "1.61.0"),
    "nghttp2_option_set_glitch_rate_limit": (None, (_option, c_uint64, c_uint64), "1.67.0"),
    # Sessions
    "nghttp2_session_client_new": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p)),
    "nghttp2_session_server_new": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p)),
    "nghttp2_session_client_new2": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option)),
    "nghttp2_session_server_new2": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option)),
    "nghttp2_session_del": (None, (_session,)),
    # Bytes in, bytes out. These call back, so they release the GIL.
    "nghttp2_session_send": (c_int, (_session,)),
    "nghttp2_session_mem_send": (c_ssize_t, (_session, POINTER(c_void_p))),
    "nghttp2_session_mem_send2": (c_ssize_t, (_session, POINTER(c_void_p)), "1.60.0"),
    "nghttp2_session_recv": (c_int, (_session,)),
    "nghttp2_session_mem_recv": (c_ssize_t, (_session, c_void_p, c_size_t)),
    "nghttp2_session_mem_recv2": (c_ssize_t, (_session, c_void_p, c_size_t), "1.60.0"),
    # State of a session and its streams
    "nghttp2_session_resume_data": (c_int, (_session, c_int32)),
    "nghttp2_session_want_read": (c_int, (_session,)),
    "nghttp2_session_want_write": (c_int, (_session,)),
    "nghttp2_session_get_stream_user_data": (c_void_p, (_session, c_int32)),
    "nghttp2_session_set_stream_user_data": (c_int, (_session, c_int32, c_void_p)),
    "nghttp2_session_set_user_data": (None, (_session, c_void_p), "1.31.0"),
    "nghttp2_session_get_outbound_queue_size": (c_size_t, (_session,)),
    "nghttp2_session_get_stream_effective_recv_data_length": (c_int32, (_session, c_int32)),
    "nghttp2_session_get_stream_effective_local_window_size": (c_int32, (_session, c_int32)),
    "nghttp2_session_get_stream_local_window_size": (c_int32, (_session, c_int32), "1.15.0"),
    "nghttp2_session_get_effective_recv_data_length": (c_int32, (_session,)),
    "nghttp2_session_get_effective_local_window_size": (c_int32, (_session,)),
    "nghttp2_session_get_local_window_size": (c_int32, (_session,), "1.15.0"),
    "nghttp2_session_get_stream_remote_window_size": (c_int32, (_session, c_int32)),
    "nghttp2_session_get_remote_window_size": (c_int32, (_session,)),
    "nghttp2_session_get_stream_local_close": (c_int, (_session, c_int32)),
    "nghttp2_session_get_stream_remote_close": (c_int, (_session, c_int32)),
    "nghttp2_session_get_hd_inflate_dynamic_table_size": (c_size_t, (_session,), "1.15.0"),
    "nghttp2_session_get_hd_deflate_dynamic_table_size": (c_size_t, (_session,), "1.15.0"),
    # Ending a session
    "nghttp2_session_terminate_session": (c_int, (_session, c_uint32)),
    "nghttp2_session_terminate_session2": (c_int, (_session, c_int32, c_uint32)),
    "nghttp2_submit_shutdown_notice": (c_int, (_session,)),
    # Settings
    "nghttp2_session_get_remote_settings": (c_uint32, (_session, c_int)),
    "nghttp2_session_get_local_settings": (c_uint32, (_session, c_int), "1.15.0"),
    # Stream numbers
    "nghttp2_session_set_next_stream_id": (c_int, (_session, c_int32)),
    "nghttp2_session_get_next_stream_id": (c_uint32, (_session,)),
    # Flow control by hand, for sessions with nghttp2_option_set_no_auto_window_update
    "nghttp2_session_consume": (c_int, (_session, c_int32, c_size_t)),
    "nghttp2_session_consume_connection": (c_int, (_session, c_size_t)),
    "nghttp2_session_consume_stream": (c_int, (_session, c_int32, c_size_t)),
    # Upgrade from HTTP/1.1 (RFC 7540 section 3.2)
    "nghttp2_session_upgrade": (c_int, (_session, c_void_p, c_size_t, c_void_p)),
    "nghttp2_session_upgrade2": (c_int, (_session, c_void_p, c_size_t, c_int, c_void_p), "1.5.0"),
    "nghttp2_pack_settings_payload": (c_ssize_t, (c_void_p, c_size_t, pnghttp2_settings_entry, c_size_t)),
    "nghttp2_pack_settings_payload2": (c_ssize_t, (c_void_p, c_size_t, pnghttp2_settings_entry, c_size_t), "1.60.0"),
    # Names of errors
    "nghttp2_strerror": (c_char_p, (c_int,)),
    "nghttp2_http2_strerror": (c_char_p, (c_uint32,), "1.9.0"),
    # Messages and frames to send; they are queued until the session sends
    "nghttp2_submit_rst_stream": (c_int, (_session, c_uint8, c_int32, c_uint32)),
    "nghttp2_submit_settings": (c_int, (_session, c_uint8, pnghttp2_settings_entry, c_size_t)),
    "nghttp2_submit_ping": (c_int, (_session, c_uint8, c_void_p)),
    "nghttp2_submit_goaway": (c_int, (_session, c_uint8, c_int32, c_uint32, c_void_p, c_size_t)),
    # What a session may do
    "nghttp2_session_get_last_proc_stream_id": (c_int32, (_session,)),
    "nghttp2_session_check_request_allowed": (c_int, (_session,), "1.5.0"),
    "nghttp2_session_check_server_session": (c_int, (_session,), "1.5.0"),
    # Windows and extension frames
    "nghttp2_submit_window_update": (c_int, (_session, c_uint8, c_int32, c_int32)),
    "nghttp2_session_set_local_window_size": (c_int, (_session, c_uint8, c_int32, c_int32), "1.12.0"),
    "nghttp2_submit_extension": (c_int, (_session, c_uint8, c_uint8, c_int32, c_void_p), "1.8.0"),
    "nghttp2_submit_altsvc": (c_int, (_session, c_uint8, c_int32, c_void_p, c_size_t, c_void_p, c_size_t), "1.10.0"),
    "nghttp2_submit_priority_update": (c_int, (_session, c_uint8, c_int32, c_void_p, c_size_t), "1.48.0"),
    # Helpers without a session
    "nghttp2_select_next_protocol": (c_int, (POINTER(c_void_p), puint8, c_void_p, c_uint)),
    "nghttp2_select_alpn": (c_int, (POINTER(c_void_p), puint8, c_void_p, c_uint), "1.59.0"),
    "nghttp2_is_fatal": (c_int, (c_int,)),
    "nghttp2_check_header_name": (c_int, (c_void_p, c_size_t)),
    "nghttp2_check_header_value": (c_int, (c_void_p, c_size_t)),
    "nghttp2_check_header_value_rfc9113": (c_int, (c_void_p, c_size_t), "1.49.0"),
    "nghttp2_check_method": (c_int, (c_void_p, c_size_t), "1.45.0"),
    "nghttp2_check_path": (c_int, (c_void_p, c_size_t), "1.45.0"),
    "nghttp2_check_authority": (c_int, (c_void_p, c_size_t), "1.40.0"),
    # Header compression (RFC 7541)
    "nghttp2_hd_deflate_new": (c_int, (POINTER(pnghttp2_hd_deflater), c_size_t)),
    "nghttp2_hd_deflate_del": (None, (pnghttp2_hd_deflater,)),
    "nghttp2_hd_deflate_change_table_size": (c_int, (pnghttp2_hd_deflater, c_size_t)),
    "nghttp2_hd_deflate_get_num_table_entries": (c_size_t, (pnghttp2_hd_deflater,), "1.4.0"),
    "nghttp2_hd_deflate_get_dynamic_table_size": (c_size_t, (pnghttp2_hd_deflater,), "1.4.0"),
    "nghttp2_hd_deflate_get_max_dynamic_table_size": (c_size_t, (pnghttp2_hd_deflater,), "1.4.0"),
    # Header decompression (RFC 7541)
    "nghttp2_hd_inflate_new": (c_int, (POINTER(pnghttp2_hd_inflater),)),
    "nghttp2_hd_inflate_del": (None, (pnghttp2_hd_inflater,)),
    "nghttp2_hd_inflate_change_table_size": (c_int, (pnghttp2_hd_inflater, c_size_t)),
    "nghttp2_hd_inflate_end_headers": (c_int, (pnghttp2_hd_inflater,)),
    "nghttp2_hd_inflate_get_num_table_entries": (c_size_t, (pnghttp2_hd_inflater,), "1.4.0"),
    "nghttp2_hd_inflate_get_dynamic_table_size": (c_size_t, (pnghttp2_hd_inflater,), "1.4.0"),
    "nghttp2_hd_inflate_get_max_dynamic_table_size": (c_size_t, (pnghttp2_hd_inflater,), "1.4.0"),
    # Streams. nghttp2 1.61 and later keep no dependency tree; the functions about it answer 0 or NULL there.
    "nghttp2_session_find_stream": (pnghttp2_stream, (_session, c_int32), "1.3.0"),
    "nghttp2_stream_get_state": (c_int, (pnghttp2_stream,), "1.3.0"),
    "nghttp2_session_get_root_stream": (pnghttp2_stream, (_session,), "1.3.0"),
    "nghttp2_stream_get_parent": (pnghttp2_stream, (pnghttp2_stream,), "1.3.0"),
    "nghttp2_stream_get_stream_id": (c_int32, (pnghttp2_stream,), "1.3.0"),
    "nghttp2_stream_get_next_sibling": (pnghttp2_stream, (pnghttp2_stream,), "1.3.0"),
    "nghttp2_stream_get_previous_sibling": (pnghttp2_stream, (pnghttp2_stream,), "1.3.0"),
    "nghttp2_stream_get_first_child": (pnghttp2_stream, (pnghttp2_stream,), "1.3.0"),
    "nghttp2_stream_get_weight": (c_int32, (pnghttp2_stream,), "1.3.0"),
    "nghttp2_stream_get_sum_dependency_weight": (c_int32, (pnghttp2_stream,), "1.3.0"),
}

#: These run callbacks.
_CALLING_BACK = frozenset(
    {
        "nghttp2_session_mem_recv",
        "nghttp2_session_mem_recv2",
        "nghttp2_session_mem_send",
        "nghttp2_session_mem_send2",
        "nghttp2_session_recv",
        "nghttp2_session_send",
    }
)


def __getattr__(name: str) -> Any:
    """Bind the function *name* at its first use (PEP 562)."""
    declared = _FUNCTIONS.get(name)
    if declared is None and name.startswith("nghttp2_"):
        declared = _all_functions().get(name)
    if declared is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    restype, argtypes, *since = declared
    function = bind(
        libnghttp2, name, restype, argtypes, since=since[0] if since else "", hold_gil=name not in _CALLING_BACK
    )
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*globals(), *_all_functions()})


def _all_functions() -> dict[str, tuple[Any, ...]]:
    """Return what is declared here and in :mod:`._functions`."""
    from ._functions import FUNCTIONS

    return {**_FUNCTIONS, **FUNCTIONS}


def _version() -> str:
    number = __getattr__("nghttp2_version")(0).contents.version_num
    return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"


libnghttp2.version = _version
