"""Structs and unions of nghttp2.h, with the pointer types that go with them.

The library's own objects (session, options, compressors, ...) are opaque: their pointer types are ``void *``, so that
an address passes through as an ``int``.

Here is what every client's session needs; the rest is made when it is first asked for, see :mod:`._structs`.

Delphi: the ``type`` section of unit Nghttp2.
"""

from __future__ import annotations

from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_int32,
    c_size_t,
    c_ssize_t,
    c_uint8,
    c_uint32,
    c_void_p,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._structs import *  # noqa: F403

size_t = c_size_t
ssize_t = c_ssize_t
#: The signed size of the functions whose names end in 2 (nghttp2 1.60 and later).
nghttp2_ssize = c_ssize_t
puint8 = POINTER(c_uint8)
puint32 = POINTER(c_uint32)

# Opaque objects

pnghttp2_session = c_void_p
pnghttp2_session_callbacks = c_void_p
pnghttp2_option = c_void_p
pnghttp2_rcbuf = c_void_p
pnghttp2_stream = c_void_p
pnghttp2_hd_deflater = c_void_p
pnghttp2_hd_inflater = c_void_p


class nghttp2_nv(Structure):
    """A header field. ``name`` must be in lower case.

    Set ``namelen`` and ``valuelen`` to the lengths in bytes. Reading ``name`` or ``value`` gives the bytes up to the
    first NUL; header fields that the library let through have none inside. Delphi: ``Nghttp2.nghttp2_nv``.
    """

    _fields_ = (
        ("name", c_char_p),
        ("value", c_char_p),
        ("namelen", c_size_t),
        ("valuelen", c_size_t),
        ("flags", c_uint8),
    )


class nghttp2_settings_entry(Structure):
    """One setting and its value. Delphi: ``Nghttp2.nghttp2_settings_entry``."""

    _fields_ = (("settings_id", c_int32), ("value", c_uint32))


class nghttp2_frame_hd(Structure):
    """The header of a frame (RFC 9113 section 4.1). Delphi: ``Nghttp2.nghttp2_frame_hd``."""

    _fields_ = (
        ("length", c_size_t),
        ("stream_id", c_int32),
        ("type", c_uint8),
        ("flags", c_uint8),
        ("reserved", c_uint8),
    )


class nghttp2_rst_stream(Structure):
    """RST_STREAM."""

    _fields_ = (("hd", nghttp2_frame_hd), ("error_code", c_uint32))


class nghttp2_goaway(Structure):
    """GOAWAY; ``opaque_data`` is the peer's explanation, for people."""

    _fields_ = (
        ("hd", nghttp2_frame_hd),
        ("last_stream_id", c_int32),
        ("error_code", c_uint32),
        ("opaque_data", puint8),
        ("opaque_data_len", c_size_t),
        ("reserved", c_uint8),
    )


pnghttp2_settings_entry = POINTER(nghttp2_settings_entry)


def __getattr__(name: str) -> object:
    """Hand out one of :mod:`._structs` (PEP 562)."""
    if "nghttp2_" not in name:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _structs

    value = globals()[name] = getattr(_structs, name)
    return value
