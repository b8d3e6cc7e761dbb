"""The functions of libnghttp2 that a client's session does without, as :mod:`.nghttp2` binds them.

That loads them for the first of them: making the types of their parameters takes longer than a small request.
"""

from __future__ import annotations

from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_ssize_t, c_uint, c_uint8, c_uint32, c_uint64, c_void_p

from ._structs import (
    nghttp2_vec,
    pnghttp2_extpri,
    pnghttp2_info,
    pnghttp2_nv,
    pnghttp2_origin_entry,
    pnghttp2_priority_spec,
    pnghttp2_vec,
)
from .callbacks import (
    nghttp2_before_frame_send_callback,
    nghttp2_data_source_read_length_callback,
    nghttp2_data_source_read_length_callback2,
    nghttp2_debug_vprintf_callback,
    nghttp2_error_callback,
    nghttp2_error_callback2,
    nghttp2_on_begin_frame_callback,
    nghttp2_on_begin_headers_callback,
    nghttp2_on_data_chunk_recv_callback,
    nghttp2_on_extension_chunk_recv_callback,
    nghttp2_on_frame_not_send_callback,
    nghttp2_on_frame_recv_callback,
    nghttp2_on_frame_send_callback,
    nghttp2_on_header_callback,
    nghttp2_on_header_callback2,
    nghttp2_on_invalid_frame_recv_callback,
    nghttp2_on_invalid_header_callback,
    nghttp2_on_invalid_header_callback2,
    nghttp2_on_stream_close_callback,
    nghttp2_pack_extension_callback,
    nghttp2_pack_extension_callback2,
    nghttp2_rand_callback,
    nghttp2_recv_callback,
    nghttp2_recv_callback2,
    nghttp2_select_padding_callback,
    nghttp2_select_padding_callback2,
    nghttp2_send_callback,
    nghttp2_send_callback2,
    nghttp2_send_data_callback,
    nghttp2_unpack_extension_callback,
    pnghttp2_data_provider,
    pnghttp2_data_provider2,
    pnghttp2_mem,
)
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

_session = pnghttp2_session
_callbacks = pnghttp2_session_callbacks
_option = pnghttp2_option

#: Result type, parameter types in the order of the C prototype, and the version that introduced the function, where
#: not every ``libnghttp2.so.14`` has it.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    # Reference-counted buffers: what the header callbacks whose names end in 2 get
    "nghttp2_rcbuf_incref": (None, (pnghttp2_rcbuf,), "1.9.0"),
    "nghttp2_rcbuf_decref": (None, (pnghttp2_rcbuf,), "1.9.0"),
    "nghttp2_rcbuf_get_buf": (nghttp2_vec, (pnghttp2_rcbuf,), "1.9.0"),
    "nghttp2_rcbuf_is_static": (c_int, (pnghttp2_rcbuf,), "1.25.0"),
    # Callbacks of a session. They are copied when a session is made, so one set serves any number of sessions.
    "nghttp2_session_callbacks_set_send_callback": (None, (_callbacks, nghttp2_send_callback)),
    "nghttp2_session_callbacks_set_send_callback2": (None, (_callbacks, nghttp2_send_callback2), "1.60.0"),
    "nghttp2_session_callbacks_set_recv_callback": (None, (_callbacks, nghttp2_recv_callback)),
    "nghttp2_session_callbacks_set_recv_callback2": (None, (_callbacks, nghttp2_recv_callback2), "1.60.0"),
    "nghttp2_session_callbacks_set_on_frame_recv_callback": (None, (_callbacks, nghttp2_on_frame_recv_callback)),
    "nghttp2_session_callbacks_set_on_invalid_frame_recv_callback": (
        None,
        (_callbacks, nghttp2_on_invalid_frame_recv_callback),
    ),
    "nghttp2_session_callbacks_set_on_data_chunk_recv_callback": (
        None,
        (_callbacks, nghttp2_on_data_chunk_recv_callback),
    ),
    "nghttp2_session_callbacks_set_before_frame_send_callback": (
        None,
        (_callbacks, nghttp2_before_frame_send_callback),
    ),
    "nghttp2_session_callbacks_set_on_frame_send_callback": (None, (_callbacks, nghttp2_on_frame_send_callback)),
    "nghttp2_session_callbacks_set_on_frame_not_send_callback": (
        None,
        (_callbacks, nghttp2_on_frame_not_send_callback),
    ),
    "nghttp2_session_callbacks_set_on_stream_close_callback": (None, (_callbacks, nghttp2_on_stream_close_callback)),
    "nghttp2_session_callbacks_set_on_begin_headers_callback": (None, (_callbacks, nghttp2_on_begin_headers_callback)),
    "nghttp2_session_callbacks_set_on_header_callback": (None, (_callbacks, nghttp2_on_header_callback)),
    "nghttp2_session_callbacks_set_on_header_callback2": (None, (_callbacks, nghttp2_on_header_callback2), "1.9.0"),
    "nghttp2_session_callbacks_set_on_invalid_header_callback": (
        None,
        (_callbacks, nghttp2_on_invalid_header_callback),
        "1.14.0",
    ),
    "nghttp2_session_callbacks_set_on_invalid_header_callback2": (
        None,
        (_callbacks, nghttp2_on_invalid_header_callback2),
        "1.14.0",
    ),
    "nghttp2_session_callbacks_set_select_padding_callback": (None, (_callbacks, nghttp2_select_padding_callback)),
    "nghttp2_session_callbacks_set_select_padding_callback2": (
        None,
        (_callbacks, nghttp2_select_padding_callback2),
        "1.60.0",
    ),
    "nghttp2_session_callbacks_set_data_source_read_length_callback": (
        None,
        (_callbacks, nghttp2_data_source_read_length_callback),
    ),
    "nghttp2_session_callbacks_set_data_source_read_length_callback2": (
        None,
        (_callbacks, nghttp2_data_source_read_length_callback2),
        "1.60.0",
    ),
    "nghttp2_session_callbacks_set_on_begin_frame_callback": (None, (_callbacks, nghttp2_on_begin_frame_callback)),
    "nghttp2_session_callbacks_set_send_data_callback": (None, (_callbacks, nghttp2_send_data_callback)),
    "nghttp2_session_callbacks_set_pack_extension_callback": (
        None,
        (_callbacks, nghttp2_pack_extension_callback),
        "1.8.0",
    ),
    "nghttp2_session_callbacks_set_pack_extension_callback2": (
        None,
        (_callbacks, nghttp2_pack_extension_callback2),
        "1.60.0",
    ),
    "nghttp2_session_callbacks_set_unpack_extension_callback": (
        None,
        (_callbacks, nghttp2_unpack_extension_callback),
        "1.8.0",
    ),
    "nghttp2_session_callbacks_set_on_extension_chunk_recv_callback": (
        None,
        (_callbacks, nghttp2_on_extension_chunk_recv_callback),
        "1.8.0",
    ),
    "nghttp2_session_callbacks_set_error_callback": (None, (_callbacks, nghttp2_error_callback), "1.9.0"),
    "nghttp2_session_callbacks_set_error_callback2": (None, (_callbacks, nghttp2_error_callback2), "1.28.0"),
    "nghttp2_session_callbacks_set_rand_callback": (None, (_callbacks, nghttp2_rand_callback), "1.67.0"),
    # Options of a session, copied likewise
    "nghttp2_option_set_no_recv_client_magic": (None, (_option, c_int)),
    "nghttp2_option_set_no_http_messaging": (None, (_option, c_int)),
    "nghttp2_option_set_max_reserved_remote_streams": (None, (_option, c_uint32), "1.3.0"),
    "nghttp2_option_set_user_recv_extension_type": (None, (_option, c_uint8), "1.8.0"),
    "nghttp2_option_set_builtin_recv_extension_type": (None, (_option, c_uint8), "1.10.0"),
    "nghttp2_option_set_no_auto_ping_ack": (None, (_option, c_int), "1.9.0"),
    "nghttp2_option_set_server_fallback_rfc7540_priorities": (None, (_option, c_int), "1.48.0"),
    "nghttp2_option_set_stream_reset_rate_limit": (None, (_option, c_uint64, c_uint64), "1.57.0"),
    "nghttp2_option_set_glitch_rate_limit": (None, (_option, c_uint64, c_uint64), "1.67.0"),
    # Sessions
    "nghttp2_session_client_new": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p)),
    "nghttp2_session_server_new": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p)),
    "nghttp2_session_server_new2": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option)),
    "nghttp2_session_client_new3": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option, pnghttp2_mem)),
    "nghttp2_session_server_new3": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option, pnghttp2_mem)),
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
    # Priorities of RFC 7540, deprecated by RFC 9113
    "nghttp2_session_change_stream_priority": (c_int, (_session, c_int32, pnghttp2_priority_spec), "1.5.0"),
    "nghttp2_session_create_idle_stream": (c_int, (_session, c_int32, pnghttp2_priority_spec), "1.6.0"),
    # Upgrade from HTTP/1.1 (RFC 7540 section 3.2)
    "nghttp2_session_upgrade": (c_int, (_session, c_void_p, c_size_t, c_void_p)),
    "nghttp2_session_upgrade2": (c_int, (_session, c_void_p, c_size_t, c_int, c_void_p), "1.5.0"),
    "nghttp2_pack_settings_payload": (c_ssize_t, (c_void_p, c_size_t, pnghttp2_settings_entry, c_size_t)),
    "nghttp2_pack_settings_payload2": (c_ssize_t, (c_void_p, c_size_t, pnghttp2_settings_entry, c_size_t), "1.60.0"),
    # Names of errors
    "nghttp2_http2_strerror": (c_char_p, (c_uint32,), "1.9.0"),
    # Priority specifications
    "nghttp2_priority_spec_init": (None, (pnghttp2_priority_spec, c_int32, c_int32, c_int)),
    "nghttp2_priority_spec_default_init": (None, (pnghttp2_priority_spec,)),
    "nghttp2_priority_spec_check_default": (c_int, (pnghttp2_priority_spec,)),
    # Messages and frames to send; they are queued until the session sends
    "nghttp2_submit_request": (
        c_int32,
        (_session, pnghttp2_priority_spec, pnghttp2_nv, c_size_t, pnghttp2_data_provider, c_void_p),
    ),
    "nghttp2_submit_request2": (
        c_int32,
        (_session, pnghttp2_priority_spec, pnghttp2_nv, c_size_t, pnghttp2_data_provider2, c_void_p),
        "1.60.0",
    ),
    "nghttp2_submit_response": (c_int, (_session, c_int32, pnghttp2_nv, c_size_t, pnghttp2_data_provider)),
    "nghttp2_submit_response2": (c_int, (_session, c_int32, pnghttp2_nv, c_size_t, pnghttp2_data_provider2), "1.60.0"),
    "nghttp2_submit_trailer": (c_int, (_session, c_int32, pnghttp2_nv, c_size_t)),
    "nghttp2_submit_headers": (
        c_int32,
        (_session, c_uint8, c_int32, pnghttp2_priority_spec, pnghttp2_nv, c_size_t, c_void_p),
    ),
    "nghttp2_submit_data": (c_int, (_session, c_uint8, c_int32, pnghttp2_data_provider)),
    "nghttp2_submit_data2": (c_int, (_session, c_uint8, c_int32, pnghttp2_data_provider2), "1.60.0"),
    "nghttp2_submit_priority": (c_int, (_session, c_uint8, c_int32, pnghttp2_priority_spec)),
    "nghttp2_submit_rst_stream": (c_int, (_session, c_uint8, c_int32, c_uint32)),
    "nghttp2_submit_push_promise": (c_int32, (_session, c_uint8, c_int32, pnghttp2_nv, c_size_t, c_void_p)),
    "nghttp2_submit_ping": (c_int, (_session, c_uint8, c_void_p)),
    "nghttp2_submit_goaway": (c_int, (_session, c_uint8, c_int32, c_uint32, c_void_p, c_size_t)),
    # What a session may do
    "nghttp2_session_get_last_proc_stream_id": (c_int32, (_session,)),
    "nghttp2_session_check_request_allowed": (c_int, (_session,), "1.5.0"),
    "nghttp2_session_check_server_session": (c_int, (_session,), "1.5.0"),
    # Windows and extension frames
    "nghttp2_submit_window_update": (c_int, (_session, c_uint8, c_int32, c_int32)),
    "nghttp2_submit_extension": (c_int, (_session, c_uint8, c_uint8, c_int32, c_void_p), "1.8.0"),
    "nghttp2_submit_altsvc": (c_int, (_session, c_uint8, c_int32, c_void_p, c_size_t, c_void_p, c_size_t), "1.10.0"),
    "nghttp2_submit_origin": (c_int, (_session, c_uint8, pnghttp2_origin_entry, c_size_t), "1.33.0"),
    # Extensible priorities (RFC 9218)
    "nghttp2_session_change_extpri_stream_priority": (c_int, (_session, c_int32, pnghttp2_extpri, c_int), "1.48.0"),
    "nghttp2_session_get_extpri_stream_priority": (c_int, (_session, pnghttp2_extpri, c_int32), "1.59.0"),
    "nghttp2_extpri_parse_priority": (c_int, (pnghttp2_extpri, c_void_p, c_size_t), "1.59.0"),
    # Helpers without a session
    "nghttp2_nv_compare_name": (c_int, (pnghttp2_nv, pnghttp2_nv)),
    "nghttp2_select_next_protocol": (c_int, (POINTER(c_void_p), puint8, c_void_p, c_uint)),
    "nghttp2_select_alpn": (c_int, (POINTER(c_void_p), puint8, c_void_p, c_uint), "1.59.0"),
    "nghttp2_version": (pnghttp2_info, (c_int,)),
    "nghttp2_is_fatal": (c_int, (c_int,)),
    "nghttp2_check_header_value_rfc9113": (c_int, (c_void_p, c_size_t), "1.49.0"),
    "nghttp2_check_method": (c_int, (c_void_p, c_size_t), "1.45.0"),
    "nghttp2_check_path": (c_int, (c_void_p, c_size_t), "1.45.0"),
    "nghttp2_check_authority": (c_int, (c_void_p, c_size_t), "1.40.0"),
    # Header compression (RFC 7541)
    "nghttp2_hd_deflate_new": (c_int, (POINTER(pnghttp2_hd_deflater), c_size_t)),
    "nghttp2_hd_deflate_new2": (c_int, (POINTER(pnghttp2_hd_deflater), c_size_t, pnghttp2_mem)),
    "nghttp2_hd_deflate_del": (None, (pnghttp2_hd_deflater,)),
    "nghttp2_hd_deflate_change_table_size": (c_int, (pnghttp2_hd_deflater, c_size_t)),
    "nghttp2_hd_deflate_hd": (c_ssize_t, (pnghttp2_hd_deflater, c_void_p, c_size_t, pnghttp2_nv, c_size_t)),
    "nghttp2_hd_deflate_hd2": (c_ssize_t, (pnghttp2_hd_deflater, c_void_p, c_size_t, pnghttp2_nv, c_size_t), "1.60.0"),
    "nghttp2_hd_deflate_hd_vec": (
        c_ssize_t,
        (pnghttp2_hd_deflater, pnghttp2_vec, c_size_t, pnghttp2_nv, c_size_t),
        "1.14.0",
    ),
    "nghttp2_hd_deflate_hd_vec2": (
        c_ssize_t,
        (pnghttp2_hd_deflater, pnghttp2_vec, c_size_t, pnghttp2_nv, c_size_t),
        "1.60.0",
    ),
    "nghttp2_hd_deflate_bound": (c_size_t, (pnghttp2_hd_deflater, pnghttp2_nv, c_size_t)),
    "nghttp2_hd_deflate_get_num_table_entries": (c_size_t, (pnghttp2_hd_deflater,), "1.4.0"),
    "nghttp2_hd_deflate_get_table_entry": (pnghttp2_nv, (pnghttp2_hd_deflater, c_size_t), "1.4.0"),
    "nghttp2_hd_deflate_get_dynamic_table_size": (c_size_t, (pnghttp2_hd_deflater,), "1.4.0"),
    "nghttp2_hd_deflate_get_max_dynamic_table_size": (c_size_t, (pnghttp2_hd_deflater,), "1.4.0"),
    # Header decompression (RFC 7541)
    "nghttp2_hd_inflate_new": (c_int, (POINTER(pnghttp2_hd_inflater),)),
    "nghttp2_hd_inflate_new2": (c_int, (POINTER(pnghttp2_hd_inflater), pnghttp2_mem)),
    "nghttp2_hd_inflate_del": (None, (pnghttp2_hd_inflater,)),
    "nghttp2_hd_inflate_change_table_size": (c_int, (pnghttp2_hd_inflater, c_size_t)),
    "nghttp2_hd_inflate_hd": (
        c_ssize_t,
        (pnghttp2_hd_inflater, pnghttp2_nv, POINTER(c_int), c_void_p, c_size_t, c_int),
    ),
    "nghttp2_hd_inflate_hd2": (
        c_ssize_t,
        (pnghttp2_hd_inflater, pnghttp2_nv, POINTER(c_int), c_void_p, c_size_t, c_int),
        "1.11.0",
    ),
    "nghttp2_hd_inflate_hd3": (
        c_ssize_t,
        (pnghttp2_hd_inflater, pnghttp2_nv, POINTER(c_int), c_void_p, c_size_t, c_int),
        "1.60.0",
    ),
    "nghttp2_hd_inflate_end_headers": (c_int, (pnghttp2_hd_inflater,)),
    "nghttp2_hd_inflate_get_num_table_entries": (c_size_t, (pnghttp2_hd_inflater,), "1.4.0"),
    "nghttp2_hd_inflate_get_table_entry": (pnghttp2_nv, (pnghttp2_hd_inflater, c_size_t), "1.4.0"),
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
    # Debug output, in libraries that were built with it
    "nghttp2_set_debug_vprintf_callback": (None, (nghttp2_debug_vprintf_callback,), "1.16.0"),
}
