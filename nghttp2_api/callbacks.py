"""Callback types of nghttp2.h, and the structs that hold callbacks.

Make a callback by calling its type with a function: ``nghttp2_on_header_callback(function)``. Keep the result for as
long as C may call it: a callback object that nobody holds any more crashes the process.

A callback that returns an integer must return one in every case and let no exception out. Python could only print the
exception, and C would see a number that nobody chose. Store the exception, return ``NGHTTP2_ERR_CALLBACK_FAILURE``, and
raise it again after the session function has returned.

Parameters are listed as in the C prototype; ``user_data`` is what the session was created with.

Delphi: the procedural types of unit Nghttp2.
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_int32,
    c_size_t,
    c_ssize_t,
    c_uint8,
    c_uint32,
    c_void_p,
)

from ._structs import nghttp2_data_source, pnghttp2_data_source, pnghttp2_frame, pnghttp2_frame_hd
from .structs import nghttp2_ssize, pnghttp2_rcbuf, pnghttp2_session, puint8, puint32

# Data to send. (session, stream_id, buf, length, data_flags, source, user_data) -> bytes put into buf,
# NGHTTP2_ERR_DEFERRED to be asked again after nghttp2_session_resume_data, or another negative error.

nghttp2_data_source_read_callback = CFUNCTYPE(
    c_ssize_t, pnghttp2_session, c_int32, puint8, c_size_t, puint32, pnghttp2_data_source, c_void_p
)
nghttp2_data_source_read_callback2 = CFUNCTYPE(
    nghttp2_ssize, pnghttp2_session, c_int32, puint8, c_size_t, puint32, pnghttp2_data_source, c_void_p
)

# Input and output of nghttp2_session_recv and nghttp2_session_send

# (session, data, length, flags, user_data) -> bytes sent
nghttp2_send_callback = CFUNCTYPE(c_ssize_t, pnghttp2_session, puint8, c_size_t, c_int, c_void_p)
nghttp2_send_callback2 = CFUNCTYPE(nghttp2_ssize, pnghttp2_session, puint8, c_size_t, c_int, c_void_p)
# (session, frame, framehd, length, source, user_data)
nghttp2_send_data_callback = CFUNCTYPE(
    c_int, pnghttp2_session, pnghttp2_frame, puint8, c_size_t, pnghttp2_data_source, c_void_p
)
# (session, buf, length, flags, user_data) -> bytes received
nghttp2_recv_callback = CFUNCTYPE(c_ssize_t, pnghttp2_session, puint8, c_size_t, c_int, c_void_p)
nghttp2_recv_callback2 = CFUNCTYPE(nghttp2_ssize, pnghttp2_session, puint8, c_size_t, c_int, c_void_p)

# Frames, received and sent

# (session, frame, user_data)
nghttp2_on_frame_recv_callback = CFUNCTYPE(c_int, pnghttp2_session, pnghttp2_frame, c_void_p)
# (session, frame, lib_error_code, user_data)
nghttp2_on_invalid_frame_recv_callback = CFUNCTYPE(c_int, pnghttp2_session, pnghttp2_frame, c_int, c_void_p)
# (session, flags, stream_id, data, len, user_data)
nghttp2_on_data_chunk_recv_callback = CFUNCTYPE(c_int, pnghttp2_session, c_uint8, c_int32, puint8, c_size_t, c_void_p)
# (session, frame, user_data)
nghttp2_before_frame_send_callback = CFUNCTYPE(c_int, pnghttp2_session, pnghttp2_frame, c_void_p)
nghttp2_on_frame_send_callback = CFUNCTYPE(c_int, pnghttp2_session, pnghttp2_frame, c_void_p)
# (session, frame, lib_error_code, user_data)
nghttp2_on_frame_not_send_callback = CFUNCTYPE(c_int, pnghttp2_session, pnghttp2_frame, c_int, c_void_p)
# (session, stream_id, error_code, user_data)
nghttp2_on_stream_close_callback = CFUNCTYPE(c_int, pnghttp2_session, c_int32, c_uint32, c_void_p)
# (session, hd, user_data)
nghttp2_on_begin_frame_callback = CFUNCTYPE(c_int, pnghttp2_session, pnghttp2_frame_hd, c_void_p)

# Header fields

# (session, frame, user_data)
nghttp2_on_begin_headers_callback = CFUNCTYPE(c_int, pnghttp2_session, pnghttp2_frame, c_void_p)
# (session, frame, name, namelen, value, valuelen, flags, user_data)
nghttp2_on_header_callback = CFUNCTYPE(
    c_int, pnghttp2_session, pnghttp2_frame, puint8, c_size_t, puint8, c_size_t, c_uint8, c_void_p
)
nghttp2_on_invalid_header_callback = CFUNCTYPE(
    c_int, pnghttp2_session, pnghttp2_frame, puint8, c_size_t, puint8, c_size_t, c_uint8, c_void_p
)
# (session, frame, name, value, flags, user_data)
nghttp2_on_header_callback2 = CFUNCTYPE(
    c_int, pnghttp2_session, pnghttp2_frame, pnghttp2_rcbuf, pnghttp2_rcbuf, c_uint8, c_void_p
)
nghttp2_on_invalid_header_callback2 = CFUNCTYPE(
    c_int, pnghttp2_session, pnghttp2_frame, pnghttp2_rcbuf, pnghttp2_rcbuf, c_uint8, c_void_p
)

# Sizes to choose

# (session, frame, max_payloadlen, user_data) -> length with padding
nghttp2_select_padding_callback = CFUNCTYPE(c_ssize_t, pnghttp2_session, pnghttp2_frame, c_size_t, c_void_p)
nghttp2_select_padding_callback2 = CFUNCTYPE(nghttp2_ssize, pnghttp2_session, pnghttp2_frame, c_size_t, c_void_p)
# (session, frame_type, stream_id, session_remote_window_size, stream_remote_window_size, remote_max_frame_size,
#  user_data) -> how much to read at most
nghttp2_data_source_read_length_callback = CFUNCTYPE(
    c_ssize_t, pnghttp2_session, c_uint8, c_int32, c_int32, c_int32, c_uint32, c_void_p
)
nghttp2_data_source_read_length_callback2 = CFUNCTYPE(
    nghttp2_ssize, pnghttp2_session, c_uint8, c_int32, c_int32, c_int32, c_uint32, c_void_p
)

# Extension frames

# (session, hd, data, len, user_data)
nghttp2_on_extension_chunk_recv_callback = CFUNCTYPE(
    c_int, pnghttp2_session, pnghttp2_frame_hd, puint8, c_size_t, c_void_p
)
# (session, payload, hd, user_data)
nghttp2_unpack_extension_callback = CFUNCTYPE(c_int, pnghttp2_session, POINTER(c_void_p), pnghttp2_frame_hd, c_void_p)
# (session, buf, len, frame, user_data) -> bytes written
nghttp2_pack_extension_callback = CFUNCTYPE(c_ssize_t, pnghttp2_session, puint8, c_size_t, pnghttp2_frame, c_void_p)
nghttp2_pack_extension_callback2 = CFUNCTYPE(
    nghttp2_ssize, pnghttp2_session, puint8, c_size_t, pnghttp2_frame, c_void_p
)

# Diagnosis, for people

# (session, msg, len, user_data)
nghttp2_error_callback = CFUNCTYPE(c_int, pnghttp2_session, c_char_p, c_size_t, c_void_p)
# (session, lib_error_code, msg, len, user_data)
nghttp2_error_callback2 = CFUNCTYPE(c_int, pnghttp2_session, c_int, c_char_p, c_size_t, c_void_p)
# (format, args); args is a va_list, which the supported ABIs pass as an address
nghttp2_debug_vprintf_callback = CFUNCTYPE(None, c_char_p, c_void_p)

# (dest, destlen): fill with random bytes
nghttp2_rand_callback = CFUNCTYPE(None, puint8, c_size_t)

# Memory. The last parameter is nghttp2_mem's mem_user_data.

nghttp2_malloc = CFUNCTYPE(c_void_p, c_size_t, c_void_p)
nghttp2_free = CFUNCTYPE(None, c_void_p, c_void_p)
nghttp2_calloc = CFUNCTYPE(c_void_p, c_size_t, c_size_t, c_void_p)
nghttp2_realloc = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_void_p)


class nghttp2_data_provider(Structure):
    """The body of a request or response: a source, and the callback that reads it.

    Delphi: ``Nghttp2.nghttp2_data_provider``.
    """

    _fields_ = (("source", nghttp2_data_source), ("read_callback", nghttp2_data_source_read_callback))


class nghttp2_data_provider2(Structure):
    """As :class:`nghttp2_data_provider`, for the functions of nghttp2 1.60 and later whose names end in 2."""

    _fields_ = (("source", nghttp2_data_source), ("read_callback", nghttp2_data_source_read_callback2))


class nghttp2_mem(Structure):
    """A memory allocator to use instead of malloc."""

    _fields_ = (
        ("mem_user_data", c_void_p),
        ("malloc", nghttp2_malloc),
        ("free", nghttp2_free),
        ("calloc", nghttp2_calloc),
        ("realloc", nghttp2_realloc),
    )


pnghttp2_data_provider = POINTER(nghttp2_data_provider)
pnghttp2_data_provider2 = POINTER(nghttp2_data_provider2)
pnghttp2_mem = POINTER(nghttp2_mem)
