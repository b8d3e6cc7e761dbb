"""Where the names of this package come from: unit Nghttp2, and nghttp2.h for what the unit leaves out.

Used by tests and documentation tools only.
"""

from __future__ import annotations

from linuxapi._mapping import Ported

from . import __all__ as _public
from . import callbacks, constants, structs

PORTED: tuple[Ported, ...] = (
    Ported(
        "Nghttp2.NGHTTP2_LIB",
        "const",
        "nghttp2_api.NGHTTP2_LIB",
        "the soname: libnghttp2.so exists only where headers are installed",
    ),
    Ported("Nghttp2.NGHTTP2_NO_ERROR", "const", "nghttp2_api.NGHTTP2_NO_ERROR"),
    Ported("Nghttp2.NGHTTP2_ERR_CALLBACK_FAILURE", "const", "nghttp2_api.NGHTTP2_ERR_CALLBACK_FAILURE"),
    Ported("Nghttp2.NGHTTP2_DATA", "const", "nghttp2_api.NGHTTP2_DATA"),
    Ported(
        "Nghttp2._NGHTTP2_HEADERS",
        "const",
        "nghttp2_api.NGHTTP2_HEADERS",
        "its C name, which Delphi cannot tell from the record nghttp2_headers",
    ),
    Ported("Nghttp2.NGHTTP2_HCAT_REQUEST", "const", "nghttp2_api.NGHTTP2_HCAT_REQUEST"),
    Ported("Nghttp2.NGHTTP2_HCAT_RESPONSE", "const", "nghttp2_api.NGHTTP2_HCAT_RESPONSE"),
    Ported("Nghttp2.NGHTTP2_NV_FLAG_NONE", "const", "nghttp2_api.NGHTTP2_NV_FLAG_NONE"),
    Ported("Nghttp2.NGHTTP2_NV_FLAG_NO_INDEX", "const", "nghttp2_api.NGHTTP2_NV_FLAG_NO_INDEX"),
    Ported("Nghttp2.NGHTTP2_NV_FLAG_NO_COPY_NAME", "const", "nghttp2_api.NGHTTP2_NV_FLAG_NO_COPY_NAME"),
    Ported("Nghttp2.NGHTTP2_NV_FLAG_NO_COPY_VALUE", "const", "nghttp2_api.NGHTTP2_NV_FLAG_NO_COPY_VALUE"),
    Ported(
        "Nghttp2.NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS",
        "const",
        "nghttp2_api.NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS",
    ),
    Ported("Nghttp2.NGHTTP2_FLAG_NONE", "const", "nghttp2_api.NGHTTP2_FLAG_NONE"),
    Ported("Nghttp2.NGHTTP2_DATA_FLAG_NONE", "const", "nghttp2_api.NGHTTP2_DATA_FLAG_NONE"),
    Ported("Nghttp2.NGHTTP2_DATA_FLAG_EOF", "const", "nghttp2_api.NGHTTP2_DATA_FLAG_EOF"),
    Ported("Nghttp2.size_t", "type", "nghttp2_api.size_t"),
    Ported("Nghttp2.ssize_t", "type", "nghttp2_api.ssize_t"),
    Ported("Nghttp2.puint8", "type", "nghttp2_api.puint8"),
    Ported("Nghttp2.puint32", "type", "nghttp2_api.puint32"),
    Ported("Nghttp2.pnghttp2_session", "type", "nghttp2_api.pnghttp2_session", "void *, so that an address is an int"),
    Ported(
        "Nghttp2.pnghttp2_session_callbacks",
        "type",
        "nghttp2_api.pnghttp2_session_callbacks",
        "void *, so that an address is an int",
    ),
    Ported("Nghttp2.nghttp2_nv", "record", "nghttp2_api.nghttp2_nv"),
    Ported("Nghttp2.nghttp2_nv.name", "field", "nghttp2_api.nghttp2_nv.name"),
    Ported("Nghttp2.nghttp2_nv.value", "field", "nghttp2_api.nghttp2_nv.value"),
    Ported("Nghttp2.nghttp2_nv.namelen", "field", "nghttp2_api.nghttp2_nv.namelen"),
    Ported("Nghttp2.nghttp2_nv.valuelen", "field", "nghttp2_api.nghttp2_nv.valuelen"),
    Ported("Nghttp2.nghttp2_nv.flags", "field", "nghttp2_api.nghttp2_nv.flags"),
    Ported("Nghttp2.pnghttp2_nv", "type", "nghttp2_api.pnghttp2_nv"),
    Ported("Nghttp2.nghttp2_priority_spec", "record", "nghttp2_api.nghttp2_priority_spec"),
    Ported("Nghttp2.nghttp2_priority_spec.stream_id", "field", "nghttp2_api.nghttp2_priority_spec.stream_id"),
    Ported("Nghttp2.nghttp2_priority_spec.weight", "field", "nghttp2_api.nghttp2_priority_spec.weight"),
    Ported("Nghttp2.nghttp2_priority_spec.exclusive", "field", "nghttp2_api.nghttp2_priority_spec.exclusive"),
    Ported("Nghttp2.pnghttp2_priority_spec", "type", "nghttp2_api.pnghttp2_priority_spec"),
    Ported("Nghttp2.nghttp2_settings_entry", "record", "nghttp2_api.nghttp2_settings_entry"),
    Ported("Nghttp2.nghttp2_settings_entry.settings_id", "field", "nghttp2_api.nghttp2_settings_entry.settings_id"),
    Ported("Nghttp2.nghttp2_settings_entry.value", "field", "nghttp2_api.nghttp2_settings_entry.value"),
    Ported("Nghttp2.pnghttp2_settings_entry", "type", "nghttp2_api.pnghttp2_settings_entry"),
    Ported("Nghttp2.nghttp2_frame_hd", "record", "nghttp2_api.nghttp2_frame_hd"),
    Ported("Nghttp2.nghttp2_frame_hd.length", "field", "nghttp2_api.nghttp2_frame_hd.length"),
    Ported("Nghttp2.nghttp2_frame_hd.stream_id", "field", "nghttp2_api.nghttp2_frame_hd.stream_id"),
    Ported("Nghttp2.nghttp2_frame_hd.type", "field", "nghttp2_api.nghttp2_frame_hd.type"),
    Ported("Nghttp2.nghttp2_frame_hd.flags", "field", "nghttp2_api.nghttp2_frame_hd.flags"),
    Ported("Nghttp2.nghttp2_frame_hd.reserved", "field", "nghttp2_api.nghttp2_frame_hd.reserved"),
    Ported("Nghttp2.nghttp2_headers", "record", "nghttp2_api.nghttp2_headers"),
    Ported("Nghttp2.nghttp2_headers.hd", "field", "nghttp2_api.nghttp2_headers.hd"),
    Ported("Nghttp2.nghttp2_headers.padlen", "field", "nghttp2_api.nghttp2_headers.padlen"),
    Ported("Nghttp2.nghttp2_headers.pri_spec", "field", "nghttp2_api.nghttp2_headers.pri_spec"),
    Ported("Nghttp2.nghttp2_headers.nva", "field", "nghttp2_api.nghttp2_headers.nva"),
    Ported("Nghttp2.nghttp2_headers.nvlen", "field", "nghttp2_api.nghttp2_headers.nvlen"),
    Ported("Nghttp2.nghttp2_headers.cat", "field", "nghttp2_api.nghttp2_headers.cat"),
    Ported("Nghttp2.nghttp2_frame", "record", "nghttp2_api.nghttp2_frame"),
    Ported("Nghttp2.nghttp2_frame.hd", "field", "nghttp2_api.nghttp2_frame.hd"),
    Ported("Nghttp2.nghttp2_frame.headers", "field", "nghttp2_api.nghttp2_frame.headers"),
    Ported("Nghttp2.pnghttp2_frame", "type", "nghttp2_api.pnghttp2_frame"),
    Ported("Nghttp2.nghttp2_data_source", "record", "nghttp2_api.nghttp2_data_source"),
    Ported("Nghttp2.nghttp2_data_source.fd", "field", "nghttp2_api.nghttp2_data_source.fd"),
    Ported("Nghttp2.nghttp2_data_source.ptr", "field", "nghttp2_api.nghttp2_data_source.ptr"),
    Ported("Nghttp2.pnghttp2_data_source", "type", "nghttp2_api.pnghttp2_data_source"),
    Ported("Nghttp2.nghttp2_data_source_read_callback", "type", "nghttp2_api.nghttp2_data_source_read_callback"),
    Ported("Nghttp2.nghttp2_data_provider", "record", "nghttp2_api.nghttp2_data_provider"),
    Ported("Nghttp2.nghttp2_data_provider.source", "field", "nghttp2_api.nghttp2_data_provider.source"),
    Ported("Nghttp2.nghttp2_data_provider.read_callback", "field", "nghttp2_api.nghttp2_data_provider.read_callback"),
    Ported("Nghttp2.pnghttp2_data_provider", "type", "nghttp2_api.pnghttp2_data_provider"),
    Ported("Nghttp2.nghttp2_on_header_callback", "type", "nghttp2_api.nghttp2_on_header_callback"),
    Ported("Nghttp2.nghttp2_on_frame_recv_callback", "type", "nghttp2_api.nghttp2_on_frame_recv_callback"),
    Ported("Nghttp2.nghttp2_on_data_chunk_recv_callback", "type", "nghttp2_api.nghttp2_on_data_chunk_recv_callback"),
    Ported("Nghttp2.nghttp2_on_stream_close_callback", "type", "nghttp2_api.nghttp2_on_stream_close_callback"),
    Ported("Nghttp2.nghttp2_submit_settings", "import", "nghttp2_api.nghttp2_submit_settings"),
    Ported("Nghttp2.nghttp2_session_client_new", "import", "nghttp2_api.nghttp2_session_client_new"),
    Ported("Nghttp2.nghttp2_session_callbacks_new", "import", "nghttp2_api.nghttp2_session_callbacks_new"),
    Ported("Nghttp2.nghttp2_session_callbacks_del", "import", "nghttp2_api.nghttp2_session_callbacks_del"),
    Ported(
        "Nghttp2.nghttp2_session_callbacks_set_on_header_callback",
        "import",
        "nghttp2_api.nghttp2_session_callbacks_set_on_header_callback",
    ),
    Ported(
        "Nghttp2.nghttp2_session_callbacks_set_on_frame_recv_callback",
        "import",
        "nghttp2_api.nghttp2_session_callbacks_set_on_frame_recv_callback",
    ),
    Ported(
        "Nghttp2.nghttp2_session_callbacks_set_on_data_chunk_recv_callback",
        "import",
        "nghttp2_api.nghttp2_session_callbacks_set_on_data_chunk_recv_callback",
    ),
    Ported(
        "Nghttp2.nghttp2_session_callbacks_set_on_stream_close_callback",
        "import",
        "nghttp2_api.nghttp2_session_callbacks_set_on_stream_close_callback",
    ),
    Ported("Nghttp2.nghttp2_session_terminate_session", "import", "nghttp2_api.nghttp2_session_terminate_session"),
    Ported("Nghttp2.nghttp2_submit_request", "import", "nghttp2_api.nghttp2_submit_request"),
    Ported(
        "Nghttp2.nghttp2_session_get_stream_user_data", "import", "nghttp2_api.nghttp2_session_get_stream_user_data"
    ),
    Ported("Nghttp2.nghttp2_session_mem_recv", "import", "nghttp2_api.nghttp2_session_mem_recv"),
    Ported("Nghttp2.nghttp2_session_mem_send", "import", "nghttp2_api.nghttp2_session_mem_send"),
    Ported("Nghttp2.nghttp2_session_want_read", "import", "nghttp2_api.nghttp2_session_want_read"),
    Ported("Nghttp2.nghttp2_session_want_write", "import", "nghttp2_api.nghttp2_session_want_write"),
)

_PORTED_NAMES = {row.python.split(".")[1] for row in PORTED}


def _reason(name: str) -> str:
    """Say what a name is that the Delphi unit doesn't have."""
    if name == "libnghttp2":
        return "the loaded library, for messages and for callers that bind functions in their own way"
    if name in vars(constants):
        return "constant of nghttp2.h that the Delphi unit leaves out"
    if name in vars(callbacks) and not name.startswith("p"):
        return "callback type or holder of callbacks of nghttp2.h that the Delphi unit leaves out"
    if hasattr(structs, name) or name in vars(callbacks):
        return "type of nghttp2.h that the Delphi unit leaves out"
    return "function of nghttp2.h that the Delphi unit leaves out"


NEW: dict[str, str] = {
    **{name: _reason(name) for name in _public if name not in _PORTED_NAMES},
    **{
        f"nghttp2_frame.{member}": "a member of the C union that the Delphi unit leaves out"
        for member in (
            "data", "ext", "goaway", "ping", "priority", "push_promise", "rst_stream", "settings", "window_update",
        )
    },
}
