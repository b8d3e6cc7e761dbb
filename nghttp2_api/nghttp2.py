"""The functions of libnghttp2 (nghttp2.h), bound to the loaded library under their C names.

What the header declares beside them is in :mod:`.constants`, :mod:`.structs` and :mod:`.callbacks`; the package gives
it all. A function is bound when its name is first asked for: binding all of them at once would take longer than some
programs run. Those that a client's session does without are declared in :mod:`._functions`, which is loaded for the
first of them. A function that the loaded library is too old for is falsy, and says so when called.

A session, and everything that belongs to it, may be used by one thread at a time. Functions that can call back into
Python release the GIL around the call; the others are short and keep it.

- Pointers are ``int`` addresses, ctypes objects or, where the library only reads, ``bytes``.
- Functions that answer ``int`` give 0 or a negative ``NGHTTP2_ERR_`` number; :func:`nghttp2_strerror` has a text.
- The ``ssize_t`` functions that 1.60 deprecated, and those of the same name with a 2 that replace them, are the same
  at the machine's level. The ones without the 2 work with every version.

Delphi: unit Nghttp2, the variables that ``LoadNGHTTP2`` fills.
"""

from __future__ import annotations

from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_uint8, c_uint32, c_void_p

from linuxapi.binding import bind, load_library

from .constants import NGHTTP2_LIB
from .structs import pnghttp2_option, pnghttp2_session, pnghttp2_session_callbacks, pnghttp2_settings_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The library that is in use.
libnghttp2 = load_library((NGHTTP2_LIB,), package="libnghttp2-14", variable="NGHTTP2_API_LIBNGHTTP2", purpose="HTTP/2")

_session = pnghttp2_session
_callbacks = pnghttp2_session_callbacks
_option = pnghttp2_option

#: What a client's session needs: result type, parameter types in the order of the C prototype, and the version that
#: introduced the function, where not every ``libnghttp2.so.14`` has it.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    # Callbacks of a session. They are copied when a session is made, so one set serves any number of sessions.
    "nghttp2_session_callbacks_new": (c_int, (POINTER(pnghttp2_session_callbacks),)),
    "nghttp2_session_callbacks_del": (None, (_callbacks,)),
    # Options of a session, copied likewise
    "nghttp2_option_new": (c_int, (POINTER(pnghttp2_option),)),
    "nghttp2_option_del": (None, (_option,)),
    "nghttp2_option_set_no_auto_window_update": (None, (_option, c_int)),
    "nghttp2_option_set_peer_max_concurrent_streams": (None, (_option, c_uint32)),
    "nghttp2_option_set_max_send_header_block_length": (None, (_option, c_size_t), "1.12.0"),
    "nghttp2_option_set_max_deflate_dynamic_table_size": (None, (_option, c_size_t), "1.15.0"),
    "nghttp2_option_set_no_closed_streams": (None, (_option, c_int), "1.20.0"),
    "nghttp2_option_set_max_outbound_ack": (None, (_option, c_size_t), "1.39.2"),
    "nghttp2_option_set_max_settings": (None, (_option, c_size_t), "1.41.0"),
    "nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation": (None, (_option, c_int), "1.50.0"),
    "nghttp2_option_set_max_continuations": (None, (_option, c_size_t), "1.61.0"),
    # Sessions
    "nghttp2_session_client_new2": (c_int, (POINTER(pnghttp2_session), _callbacks, c_void_p, _option)),
    "nghttp2_session_del": (None, (_session,)),
    # Names of errors
    "nghttp2_strerror": (c_char_p, (c_int,)),
    # Messages and frames to send; they are queued until the session sends
    "nghttp2_submit_settings": (c_int, (_session, c_uint8, pnghttp2_settings_entry, c_size_t)),
    # Windows and extension frames
    "nghttp2_session_set_local_window_size": (c_int, (_session, c_uint8, c_int32, c_int32), "1.12.0"),
    "nghttp2_submit_priority_update": (c_int, (_session, c_uint8, c_int32, c_void_p, c_size_t), "1.48.0"),
    # Helpers without a session
    "nghttp2_check_header_name": (c_int, (c_void_p, c_size_t)),
    "nghttp2_check_header_value": (c_int, (c_void_p, c_size_t)),
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
