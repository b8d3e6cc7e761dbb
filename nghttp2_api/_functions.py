"""The functions of libnghttp2 with structs or callbacks among their parameters, but for what every session needs.

:mod:`.nghttp2` binds them when they are asked for. Making their types takes longer than a small request.
"""

from __future__ import annotations

from ctypes import POINTER, c_int, c_int32, c_size_t, c_ssize_t, c_uint8, c_void_p

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
    "nghttp2_rcbuf_get_buf": (nghttp2_vec, (pnghttp2_rcbuf,), "1.9.0"),
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
    # Sessions
    "nghttp2_session_client_new3": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option, pnghttp2_mem)),
    "nghttp2_session_server_new3": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option, pnghttp2_mem)),
    # Priorities of RFC 7540, deprecated by RFC 9113
    "nghttp2_session_change_stream_priority": (c_int, (_session, c_int32, pnghttp2_priority_spec), "1.5.0"),
    "nghttp2_session_create_idle_stream": (c_int, (_session, c_int32, pnghttp2_priority_spec), "1.6.0"),
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
    "nghttp2_submit_push_promise": (c_int32, (_session, c_uint8, c_int32, pnghttp2_nv, c_size_t, c_void_p)),
    # Windows and extension frames
    "nghttp2_submit_origin": (c_int, (_session, c_uint8, pnghttp2_origin_entry, c_size_t), "1.33.0"),
    # Extensible priorities (RFC 9218)
    "nghttp2_session_change_extpri_stream_priority": (c_int, (_session, c_int32, pnghttp2_extpri, c_int), "1.48.0"),
    "nghttp2_session_get_extpri_stream_priority": (c_int, (_session, pnghttp2_extpri, c_int32), "1.59.0"),
    "nghttp2_extpri_parse_priority": (c_int, (pnghttp2_extpri, c_void_p, c_size_t), "1.59.0"),
    # Helpers without a session
    "nghttp2_nv_compare_name": (c_int, (pnghttp2_nv, pnghttp2_nv)),
    "nghttp2_version": (pnghttp2_info, (c_int,)),
    # Header compression (RFC 7541)
    "nghttp2_hd_deflate_new2": (c_int, (POINTER(pnghttp2_hd_deflater), c_size_t, pnghttp2_mem)),
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
    "nghttp2_hd_deflate_get_table_entry": (pnghttp2_nv, (pnghttp2_hd_deflater, c_size_t), "1.4.0"),
    # Header decompression (RFC 7541)
    "nghttp2_hd_inflate_new2": (c_int, (POINTER(pnghttp2_hd_inflater), pnghttp2_mem)),
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
    "nghttp2_hd_inflate_get_table_entry": (pnghttp2_nv, (pnghttp2_hd_inflater, c_size_t), "1.4.0"),
    # Debug output, in libraries that were built with it
    "nghttp2_set_debug_vprintf_callback": (None, (nghttp2_debug_vprintf_callback,), "1.16.0"),
}
