"""The callbacks through which nghttp2 tells a client session what arrived.

They are the hottest code of HTTP/2: one call per header field, and four more per response. So they do nothing but
append to lists, and :class:`~.session.Http2Session` acts on the lists when the library's function has returned.
That also means that no sink runs below C: its exceptions can't get lost there, and it may call anything.

What makes a callback cheap (measured):

- Parameters nobody needs are declared ``c_bool``, for which ctypes makes no new object, and those at the end are left
  out: the caller removes the arguments, in every calling convention of Linux, so a callback may declare fewer.
- ``c_char_p`` makes the ``bytes`` of a header field in one step. nghttp2 ends names and values with NUL, and doesn't
  pass on one with a NUL inside (RFC 9113 section 8.2.1).
- A session always receives into the same place, so the struct that looks at the received frame is made once.

No Delphi origin; stands for ``nghttp2_on_header_callback``, ``nghttp2_on_frame_recv_callback`` and
``nghttp2_on_data_chunk_recv_callback`` in Grijjy.Http.TgoHttpClient. Its ``nghttp2_on_stream_close_callback`` isn't
needed: frames tell how a stream ends, those that arrive and those that are sent.
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    byref,
    c_bool,
    c_char_p,
    c_int,
    c_int32,
    c_size_t,
    c_ssize_t,
    c_void_p,
    string_at,
)

from linuxapi.binding import bind_untyped
from nghttp2_api.constants import (
    NGHTTP2_CONTINUATION,
    NGHTTP2_DATA,
    NGHTTP2_ERR_CALLBACK_FAILURE,
    NGHTTP2_ERR_PAUSE,
    NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE,
    NGHTTP2_FLAG_ACK,
    NGHTTP2_FLAG_END_STREAM,
    NGHTTP2_FLAG_PADDED,
    NGHTTP2_GOAWAY,
    NGHTTP2_HEADERS,
    NGHTTP2_RST_STREAM,
    NGHTTP2_SETTINGS,
)
from nghttp2_api.nghttp2 import (
    libnghttp2,
    nghttp2_check_header_name,
    nghttp2_check_header_value,
    nghttp2_option_set_max_continuations,
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation,
    nghttp2_session_callbacks_del,
    nghttp2_session_callbacks_new,
)
from nghttp2_api.structs import nghttp2_frame_hd, nghttp2_goaway, nghttp2_rst_stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Kinds of events. An event is a tuple (kind, stream id, a, b).

#: A piece of a body: a = address, b = size.
EVENT_DATA = 0
#: A complete header block: a = list of (name, value), the same object as before where it is equal; b = its size on the
#: wire << 8 | flags of its frame.
EVENT_HEADERS = 1
#: The last DATA frame of a stream is complete.
EVENT_END = 2
#: RST_STREAM: a = error code.
EVENT_RESET = 3
#: The library has ended the stream with RST_STREAM: a = error code, never NO_ERROR.
EVENT_CLOSED = 4
#: The library doesn't accept a frame: a = its error code, b = frame type.
EVENT_INVALID = 5
#: A frame could not be sent: a = the library's error code, b = frame type.
EVENT_NOT_SENT = 6
#: A header block has more fields than allowed.
EVENT_TOO_MANY_FIELDS = 7
#: GOAWAY: stream id = the last one that the peer has processed or will process, a = error code, b = debug data.
EVENT_GOAWAY = 8
#: SETTINGS of the peer, not its acknowledgement of ours.
EVENT_SETTINGS = 9
#: Any other frame that arrived, or one that gives a response nothing: a = frame type, b = its flags.
EVENT_CONTROL = 10
#: A header block has more CONTINUATION frames than allowed; the library's function fails.
EVENT_TOO_MANY_CONTINUATIONS = 11

#: CONTINUATION frames that a header block may have; each holds 16 KiB.
MAX_CONTINUATIONS = 8

# Prototypes with what is needed only; nghttp2_api.callbacks has the full ones.
_ON_BEGIN_FRAME = CFUNCTYPE(c_int, c_bool, c_void_p)
_ON_BEGIN_HEADERS = CFUNCTYPE(c_int, c_bool)
_ON_HEADER = CFUNCTYPE(c_int, c_bool, c_bool, c_char_p, c_bool, c_char_p)
_ON_INVALID_HEADER = CFUNCTYPE(c_int, c_bool, c_bool, c_void_p, c_size_t, c_void_p, c_size_t)
_ON_FRAME_RECV = CFUNCTYPE(c_int, c_bool, c_void_p)
_ON_DATA_CHUNK_RECV = CFUNCTYPE(c_int, c_bool, c_bool, c_int32, c_void_p, c_size_t)
_ON_FRAME_FAILURE = CFUNCTYPE(c_int, c_bool, c_void_p, c_int)
_ON_ERROR = CFUNCTYPE(c_int, c_bool, c_int, c_char_p)
_ON_SEND_DATA = CFUNCTYPE(c_int, c_bool, c_bool, c_void_p)
_READ_LENGTH = CFUNCTYPE(c_ssize_t)

#: The most that is put into one DATA frame, where the peer takes that much (SETTINGS_MAX_FRAME_SIZE); it is also how
#: much is read ahead of the library. Together with its header, such a frame fills records of TLS.
FRAME_SIZE = 256 * 1024 - 9

#: Says how large a DATA frame may be; the library lowers it to what the peer and the windows allow.
_read_length = _READ_LENGTH(lambda: FRAME_SIZE)


class SessionCallbacks:
    """The callbacks of one session, and the lists that they fill.

    Keep it as long as the session. It knows nothing of the session: no circle of references keeps either alive.

    :param max_fields: how many fields a header block may have.
    """

    __slots__ = ("_objects", "diagnosis", "events", "failures", "fields", "payload_heads", "pointer")

    def __init__(self, max_fields: int) -> None:
        #: What happened, in order.
        self.events: list[tuple[int, int, Any, Any]] = []
        #: Fields of the header block that is arriving.
        self.fields: list[tuple[bytes, bytes]] = []
        #: The header of the frame whose payload is to be sent from where it is: none or one.
        self.payload_heads: list[bytes] = []
        #: What the library said about the peer's last mistake.
        self.diagnosis: list[str] = []
        #: Exceptions raised inside callbacks.
        self.failures: list[BaseException] = []
        #: The callbacks as the library keeps them, until :meth:`release`.
        self.pointer = c_void_p()
        # A CFUNCTYPE object must live as long as C may call it.
        self._objects = {**_receiving(self, max_fields), **_failing(self), **_sending(self)}
        if not nghttp2_option_set_max_continuations:
            self._objects |= _counting(self)
        if nghttp2_session_callbacks_new(byref(self.pointer)) != 0:
            raise MemoryError("nghttp2_session_callbacks_new")
        for name, callback in self._objects.items():
            # Untyped, because argtypes insist on the full prototype.
            bind_untyped(libnghttp2, f"nghttp2_session_callbacks_set_{name}", None)(self.pointer, callback)
        bind_untyped(libnghttp2, "nghttp2_session_callbacks_set_data_source_read_length_callback", None)(
            self.pointer, _read_length
        )

    def release(self) -> None:
        """Free the library's form, of which each session has a copy."""
        nghttp2_session_callbacks_del(self.pointer)
        self.pointer = c_void_p()


def _receiving(target: SessionCallbacks, max_fields: int) -> dict[str, Any]:
    """Make the callbacks for what arrives in good order."""
    events, fields, failures = target.events, target.fields, target.failures
    add_event, add_field = events.append, fields.append
    # Where the session keeps the frame that it is receiving, and the struct there.
    frame_address = 0
    header = nghttp2_frame_hd()
    # The last header block. A server's responses often have the same.
    block: list[tuple[bytes, bytes]] = []

    def on_begin_headers(_session: bool) -> int:
        # A block that was cut off, because its stream was cancelled or malformed, has left its first fields behind.
        try:
            fields.clear()
            return 0
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    def on_header(_session: bool, _frame: bool, name: bytes, _size: bool, value: bytes) -> int:
        try:
            if len(fields) < max_fields:
                add_field((name, value))
                return 0
            # A byte of HPACK can stand for 4 KiB, so the block is cut off while it arrives.
            add_event((EVENT_TOO_MANY_FIELDS, header.stream_id, None, None))
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    def on_header_untrimmed(session: bool, frame: bool, name: bytes, size: bool, value: bytes) -> int:
        # Libraries before 1.50 let white space around a value pass, the later ones call on_invalid_header.
        return on_header(session, frame, name, size, value.strip(b" \t"))

    finds_white_space = bool(nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation)

    def on_frame_recv(_session: bool, address: int) -> int:
        nonlocal frame_address, header, block
        try:
            if address != frame_address:
                header = nghttp2_frame_hd.from_address(address)
                frame_address = address
            kind = header.type
            if kind == NGHTTP2_DATA:
                flags = header.flags
                if flags & NGHTTP2_FLAG_END_STREAM:
                    add_event((EVENT_END, header.stream_id, None, None))
                elif header.length == 0 or (
                    flags & NGHTTP2_FLAG_PADDED and (not events or events[-1][0] != EVENT_DATA)
                ):
                    add_event((EVENT_CONTROL, header.stream_id, kind, flags))
            elif kind == NGHTTP2_HEADERS:
                if fields != block:
                    block = fields.copy()
                add_event((EVENT_HEADERS, header.stream_id, block, header.length << 8 | header.flags))
            elif kind == NGHTTP2_RST_STREAM:
                add_event((EVENT_RESET, header.stream_id, nghttp2_rst_stream.from_address(address).error_code, None))
            elif kind == NGHTTP2_SETTINGS and not header.flags & NGHTTP2_FLAG_ACK:
                add_event((EVENT_SETTINGS, 0, kind, header.flags))
            elif kind == NGHTTP2_GOAWAY:
                goaway = nghttp2_goaway.from_address(address)
                text = string_at(goaway.opaque_data, goaway.opaque_data_len) if goaway.opaque_data_len else b""
                add_event((EVENT_GOAWAY, goaway.last_stream_id, goaway.error_code, text))
            else:
                add_event((EVENT_CONTROL, header.stream_id, kind, header.flags))
            return 0
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    def on_data_chunk_recv(_session: bool, _flags: bool, stream_id: int, address: int, size: int) -> int:
        try:
            add_event((EVENT_DATA, stream_id, address, size))
            return 0
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    return {
        "on_begin_headers_callback": _ON_BEGIN_HEADERS(on_begin_headers),
        "on_header_callback": _ON_HEADER(on_header if finds_white_space else on_header_untrimmed),
        "on_frame_recv_callback": _ON_FRAME_RECV(on_frame_recv),
        "on_data_chunk_recv_callback": _ON_DATA_CHUNK_RECV(on_data_chunk_recv),
    }


def _sending(target: SessionCallbacks) -> dict[str, Any]:
    """Make the callback for a frame whose payload the library doesn't copy."""
    heads, failures = target.payload_heads, target.failures

    def on_send_data(_session: bool, _frame: bool, head: int) -> int:
        try:
            heads.append(string_at(head, 9))
            return NGHTTP2_ERR_PAUSE  # the library's function returns: what comes next comes behind the payload
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    return {"send_data_callback": _ON_SEND_DATA(on_send_data)}


def _failing(target: SessionCallbacks) -> dict[str, Any]:
    """Make the callbacks for what goes wrong."""
    add_event, fields, diagnosis, failures = target.events.append, target.fields, target.diagnosis, target.failures

    def on_invalid_frame_recv(_session: bool, address: int, code: int) -> int:
        try:
            header = nghttp2_frame_hd.from_address(address)
            add_event((EVENT_INVALID, header.stream_id, code, header.type))
            return 0
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    def on_invalid_header(_session: bool, _frame: bool, name: int, name_size: int, value: int, value_size: int) -> int:
        try:
            # RFC 9113 section 8.2.1 makes the message malformed, but white space around a value is a mistake that
            # servers make and that harms nobody.
            trimmed = string_at(value, value_size).strip(b" \t")
            if nghttp2_check_header_name(name, name_size) and nghttp2_check_header_value(trimmed, len(trimmed)):
                fields.append((string_at(name, name_size), trimmed))
                return 0
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    def on_frame_not_send(_session: bool, address: int, code: int) -> int:
        try:
            header = nghttp2_frame_hd.from_address(address)
            add_event((EVENT_NOT_SENT, header.stream_id, code, header.type))
            return 0
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    def on_error(_session: bool, _code: int, message: bytes) -> int:
        try:
            diagnosis[:] = [message.decode("utf-8", "backslashreplace")]
            return 0
        except BaseException as error:
            failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE

    return {
        "on_invalid_frame_recv_callback": _ON_FRAME_FAILURE(on_invalid_frame_recv),
        "on_invalid_header_callback": _ON_INVALID_HEADER(on_invalid_header),
        "on_frame_not_send_callback": _ON_FRAME_FAILURE(on_frame_not_send),
        "error_callback2": _ON_ERROR(on_error),
    }


def _counting(target: SessionCallbacks) -> dict[str, Any]:
    """Make the callback that limits CONTINUATION frames where the library has no limit of its own (CVE-2024-28182)."""
    events, failures = target.events, target.failures
    count = 0

    def on_begin_frame(_session: bool, address: int) -> int:
        nonlocal count
        try:
            if nghttp2_frame_hd.from_address(address).type != NGHTTP2_CONTINUATION:
                count = 0
                return 0
            count += 1
            if count <= MAX_CONTINUATIONS:
                return 0
            events.append((EVENT_TOO_MANY_CONTINUATIONS, 0, None, None))
        except BaseException as error:
            failures.append(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE

    return {"on_begin_frame_callback": _ON_BEGIN_FRAME(on_begin_frame)}
