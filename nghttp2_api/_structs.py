"""The structs of nghttp2.h that a client's sessions do without, and the pointers to structs.

:mod:`.structs` hands them out when they are asked for: a class takes 25 us to make, and few programs want these.
"""

from __future__ import annotations

from ctypes import (
    POINTER,
    Structure,
    Union,
    c_char_p,
    c_int,
    c_int32,
    c_size_t,
    c_uint8,
    c_uint32,
    c_void_p,
)

from .structs import (
    nghttp2_frame_hd,
    nghttp2_goaway,
    nghttp2_nv,
    nghttp2_rst_stream,
    pnghttp2_settings_entry,
    puint8,
)


class nghttp2_info(Structure):
    """What :func:`nghttp2_version` says about the library that was loaded."""

    _fields_ = (
        ("age", c_int),
        ("version_num", c_int),
        ("version_str", c_char_p),
        ("proto_str", c_char_p),
    )


class nghttp2_vec(Structure):
    """A place in memory: ``len`` bytes at ``base``."""

    _fields_ = (("base", puint8), ("len", c_size_t))


class nghttp2_priority_spec(Structure):
    """Dependency of a stream (RFC 7540 section 5.3, deprecated by RFC 9113).

    Delphi: ``Nghttp2.nghttp2_priority_spec``.
    """

    _fields_ = (("stream_id", c_int32), ("weight", c_int32), ("exclusive", c_uint8))


class nghttp2_extpri(Structure):
    """Extensible priority of a stream (RFC 9218)."""

    _fields_ = (("urgency", c_uint32), ("inc", c_int))


pnghttp2_info = POINTER(nghttp2_info)
pnghttp2_vec = POINTER(nghttp2_vec)
pnghttp2_nv = POINTER(nghttp2_nv)
pnghttp2_priority_spec = POINTER(nghttp2_priority_spec)
pnghttp2_extpri = POINTER(nghttp2_extpri)
pnghttp2_frame_hd = POINTER(nghttp2_frame_hd)


# Frames (RFC 9113 section 6). All of them start with ``hd``.


class nghttp2_data(Structure):
    """DATA; the payload goes to the data chunk callback."""

    _fields_ = (("hd", nghttp2_frame_hd), ("padlen", c_size_t))


class nghttp2_headers(Structure):
    """HEADERS; received fields go to the header callback, ``nva`` is NULL then. Delphi: ``Nghttp2.nghttp2_headers``."""

    _fields_ = (
        ("hd", nghttp2_frame_hd),
        ("padlen", c_size_t),
        ("pri_spec", nghttp2_priority_spec),
        ("nva", pnghttp2_nv),
        ("nvlen", c_size_t),
        ("cat", c_int),
    )


class nghttp2_priority(Structure):
    """PRIORITY."""

    _fields_ = (("hd", nghttp2_frame_hd), ("pri_spec", nghttp2_priority_spec))


class nghttp2_settings(Structure):
    """SETTINGS."""

    _fields_ = (("hd", nghttp2_frame_hd), ("niv", c_size_t), ("iv", pnghttp2_settings_entry))


class nghttp2_push_promise(Structure):
    """PUSH_PROMISE."""

    _fields_ = (
        ("hd", nghttp2_frame_hd),
        ("padlen", c_size_t),
        ("nva", pnghttp2_nv),
        ("nvlen", c_size_t),
        ("promised_stream_id", c_int32),
        ("reserved", c_uint8),
    )


class nghttp2_ping(Structure):
    """PING."""

    _fields_ = (("hd", nghttp2_frame_hd), ("opaque_data", c_uint8 * 8))


class nghttp2_window_update(Structure):
    """WINDOW_UPDATE."""

    _fields_ = (("hd", nghttp2_frame_hd), ("window_size_increment", c_int32), ("reserved", c_uint8))


class nghttp2_extension(Structure):
    """A frame of an extension; ``payload`` points to one of the ``nghttp2_ext_`` structs."""

    _fields_ = (("hd", nghttp2_frame_hd), ("payload", c_void_p))


class nghttp2_frame(Union):
    """Any frame; ``hd.type`` says which member holds it. Delphi: ``Nghttp2.nghttp2_frame``."""

    _fields_ = (
        ("hd", nghttp2_frame_hd),
        ("data", nghttp2_data),
        ("headers", nghttp2_headers),
        ("priority", nghttp2_priority),
        ("rst_stream", nghttp2_rst_stream),
        ("settings", nghttp2_settings),
        ("push_promise", nghttp2_push_promise),
        ("ping", nghttp2_ping),
        ("goaway", nghttp2_goaway),
        ("window_update", nghttp2_window_update),
        ("ext", nghttp2_extension),
    )


pnghttp2_frame = POINTER(nghttp2_frame)


# Payloads of extension frames


class nghttp2_ext_altsvc(Structure):
    """ALTSVC (RFC 7838 section 4)."""

    _fields_ = (
        ("origin", puint8),
        ("origin_len", c_size_t),
        ("field_value", puint8),
        ("field_value_len", c_size_t),
    )


class nghttp2_origin_entry(Structure):
    """One origin of an ORIGIN frame."""

    _fields_ = (("origin", puint8), ("origin_len", c_size_t))


pnghttp2_origin_entry = POINTER(nghttp2_origin_entry)


class nghttp2_ext_origin(Structure):
    """ORIGIN (RFC 8336)."""

    _fields_ = (("nov", c_size_t), ("ov", pnghttp2_origin_entry))


class nghttp2_ext_priority_update(Structure):
    """PRIORITY_UPDATE (RFC 9218 section 7.1)."""

    _fields_ = (("stream_id", c_int32), ("field_value", puint8), ("field_value_len", c_size_t))


class nghttp2_data_source(Union):
    """Where a read callback takes its data from; the library only hands it through.

    Delphi: ``Nghttp2.nghttp2_data_source``.
    """

    _fields_ = (("fd", c_int), ("ptr", c_void_p))


pnghttp2_data_source = POINTER(nghttp2_data_source)
