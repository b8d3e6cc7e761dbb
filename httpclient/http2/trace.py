"""The frames of an HTTP/2 connection, for whoever wants to see or count them.

They are read off the bytes that come and go, so that what nghttp2 doesn't tell of is there too: CONTINUATION, padding,
unknown types. Contents of HEADERS and DATA are never shown: they can hold secrets. A connection without a trace has
none of this.
"""

from __future__ import annotations

from ..errors import http2_error_name
from .errors import frame_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: ``trace(peer, frame)``: gets each frame of each connection, from any thread, one at a time for a connection.
    Http2Trace = Callable[[str, "Http2Frame"], object]

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

#: RFC 9113 section 3.4: what a client's first frame follows.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_HEAD_SIZE = 9
#: Bytes of a payload that are kept.
_KEPT = 128
_SETTINGS = {
    1: "HEADER_TABLE_SIZE", 2: "ENABLE_PUSH", 3: "MAX_CONCURRENT_STREAMS", 4: "INITIAL_WINDOW_SIZE",
    5: "MAX_FRAME_SIZE", 6: "MAX_HEADER_LIST_SIZE", 8: "ENABLE_CONNECT_PROTOCOL", 9: "NO_RFC7540_PRIORITIES",
}  # fmt: skip
_FLAGS = {
    DATA: ((0x1, "END_STREAM"), (0x8, "PADDED")),
    HEADERS: ((0x1, "END_STREAM"), (0x4, "END_HEADERS"), (0x8, "PADDED"), (0x20, "PRIORITY")),
    SETTINGS: ((0x1, "ACK"),),
    PUSH_PROMISE: ((0x4, "END_HEADERS"), (0x8, "PADDED")),
    PING: ((0x1, "ACK"),),
    CONTINUATION: ((0x4, "END_HEADERS"),),
}


class Http2Frame:
    """One frame.

    :ivar sent: by this side.
    :ivar kind: the number of its type (RFC 9113 section 6).
    :ivar flags: as they are on the wire.
    :ivar stream_id: 0 for the connection.
    :ivar length: bytes of its payload.
    :ivar payload: the first of them, except those of DATA, HEADERS, PUSH_PROMISE and CONTINUATION.
    """

    __slots__ = ("flags", "kind", "length", "payload", "sent", "stream_id")

    def __init__(self, sent: bool, kind: int, flags: int, stream_id: int, length: int) -> None:
        self.sent = sent
        self.kind = kind
        self.flags = flags
        self.stream_id = stream_id
        self.length = length
        self.payload = b""

    @property
    def name(self) -> str:
        """The name of its type, or its number."""
        return frame_name(self.kind)

    @property
    def explanation(self) -> str:
        """What it says, in words; empty where there is nothing to say."""
        payload = self.payload
        if self.kind == SETTINGS:
            entries = []
            for start in range(0, len(payload) - 5, 6):
                key = int.from_bytes(payload[start : start + 2], "big")
                value = int.from_bytes(payload[start + 2 : start + 6], "big")
                entries.append(f"{_SETTINGS.get(key, f'{key:#x}')}={value}")
            return " ".join(entries)
        if self.kind == WINDOW_UPDATE:
            return f"+{int.from_bytes(payload[:4], 'big') & 0x7FFFFFFF}"
        if self.kind == RST_STREAM:
            return http2_error_name(int.from_bytes(payload[:4], "big"))
        if self.kind == GOAWAY:
            last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
            text = ascii(payload[8:].decode("utf-8", "replace"))[1:-1]
            return f"last stream {last}, {http2_error_name(int.from_bytes(payload[4:8], 'big'))} {text}".rstrip()
        if self.kind == PING:
            return payload.hex()
        return ""

    def __str__(self) -> str:
        flags = "|".join(name for bit, name in _FLAGS.get(self.kind, ()) if self.flags & bit)
        parts = [">" if self.sent else "<", self.name, f"stream {self.stream_id}", f"{self.length} bytes"]
        return " ".join([*parts, *filter(None, (flags, self.explanation))])

    def __repr__(self) -> str:
        return f"<Http2Frame {self}>"


class FrameReader:
    """Finds the frames in what goes in one direction of a connection.

    :param sent: the direction: to the peer.
    :param tell: called with each frame, as soon as it is complete.

    :ivar counts: how many there were, by type.
    """

    __slots__ = ("_frame", "_head", "_left", "_payload", "_sent", "_skip", "_tell", "counts")

    def __init__(self, sent: bool, tell: Callable[[Http2Frame], object]) -> None:
        self._sent = sent
        self._tell = tell
        self.counts: dict[int, int] = {}
        self._skip = len(PREFACE) if sent else 0
        self._head = b""
        #: The frame whose payload isn't complete, how much of it is missing, and what is kept of it.
        self._frame: Http2Frame | None = None
        self._left = 0
        self._payload = b""

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes, however they are cut."""
        position, end = min(self._skip, len(data)), len(data)
        self._skip -= position
        while position < end or (self._frame is not None and not self._left):
            frame = self._frame
            if frame is None:
                wanted = _HEAD_SIZE - len(self._head)
                self._head += bytes(data[position : position + wanted])
                position += wanted
                if len(self._head) < _HEAD_SIZE:
                    return
                head, self._head = self._head, b""
                self._left = int.from_bytes(head[:3], "big")
                stream_id = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
                frame = self._frame = Http2Frame(self._sent, head[3], head[4], stream_id, self._left)
                self._payload = b""
            here = min(self._left, end - position)
            room = _KEPT - len(self._payload)
            if room > 0 and frame.kind not in (DATA, HEADERS, PUSH_PROMISE, CONTINUATION):
                self._payload += bytes(data[position : position + min(here, room)])
            position += here
            self._left -= here
            if self._left:
                return
            self._frame = None
            frame.payload = self._payload
            self.counts[frame.kind] = self.counts.get(frame.kind, 0) + 1
            self._tell(frame)
