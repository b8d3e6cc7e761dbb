"""Request bodies over HTTP/2: what nghttp2 reads when flow control lets it send.

A body that is read piece by piece is read *between* calls into the library, one piece ahead; the callback only copies,
and not even that where the piece is large.
So a body's ``read`` doesn't run below C: it may raise, take its time, and call the session.

Delphi: Grijjy.Http.TgoHttpClient.nghttp2_data_source_read_callback (private there).
"""

from __future__ import annotations

from ctypes import CFUNCTYPE, c_bool, c_char_p, c_int32, c_size_t, c_ssize_t, c_uint32, c_void_p, cast, memmove

from nghttp2_api.callbacks import nghttp2_data_provider, nghttp2_data_source_read_callback
from nghttp2_api.constants import (
    NGHTTP2_DATA_FLAG_EOF,
    NGHTTP2_DATA_FLAG_NO_COPY,
    NGHTTP2_DATA_FLAG_NO_END_STREAM,
    NGHTTP2_ERR_CALLBACK_FAILURE,
    NGHTTP2_ERR_DEFERRED,
)

from ..errors import BodyError
from .callbacks import FRAME_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..errors import HttpClientError

    class BodySource(Protocol):
        """A body that is made while it is sent.

        It may have an attribute ``trailers``, a list of (name, value) to send after its end; it is looked at then.

        If it has a method ``abort(error)``, it goes on after the end of the response, and is told when it can't.
        """

        def read(self, size: int) -> bytes | None:
            """Return the next bytes, about *size*; ``b""`` at the end, ``None`` if there are none yet."""


#: What a peer takes that says nothing of it (RFC 9113 section 6.5.2).
_USUAL_FRAME = 16384

#: Frames with as much payload or more are sent from where it is. Smaller ones are put together, and cost less so.
_NOT_COPIED = 64 * 1024

_READ = CFUNCTYPE(c_ssize_t, c_bool, c_int32, c_void_p, c_size_t, c_void_p)


class Upload:
    """The body of one request.

    :param stream_id: its stream.
    :param body: all of it, or what it is read from.

    :ivar asleep: the source had nothing, and isn't asked before it is said to have something.
    :ivar deferred: the library waits for :func:`nghttp2_session_resume_data`.
    :ivar final: nothing follows the piece that is there.
    :ivar trailers: what is sent after the body.
    """

    __slots__ = (
        "_address",
        "_noted",
        "_piece",
        "_position",
        "_size",
        "_source",
        "asleep",
        "deferred",
        "final",
        "given",
        "stream_id",
        "trailers",
    )

    def __init__(self, stream_id: int, body: bytes | BodySource) -> None:
        self.stream_id = stream_id
        self.asleep = False
        self.deferred = False
        #: Bytes that the library has taken, and how many they were when somebody last looked.
        self.given = 0
        self._noted = 0
        self.trailers: list[tuple[str, str]] = []
        self.final = False
        self._source: Any = None
        if isinstance(body, bytes):
            self.final = True
            self._load(body)
        else:
            self._source = body
            self._load(b"")

    def _load(self, piece: bytes) -> None:
        self._piece = piece
        self._position = 0
        self._size = len(piece)
        self._address = cast(c_char_p(piece), c_void_p).value or 0

    def refill(self) -> bool:
        """Read the next piece, if the last one has been sent.

        :return: there is something to send, or the end has been reached.
        :raises BodyError: what was read isn't bytes. What the source raises passes through.
        """
        if self.final or self._position < self._size:
            return True
        piece = self._source.read(FRAME_SIZE)
        if piece is None:
            self.asleep = True
            return False
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise BodyError(f"the request body gave {type(piece).__name__} where bytes were expected")
        if not len(piece):
            self.final = True
            self.trailers = list(getattr(self._source, "trailers", None) or ())
        self._load(bytes(piece))
        return True

    def give(self, buffer: int, room: int) -> int:
        """Copy the next bytes to where the library wants them.

        :param buffer: address.
        :param room: how many bytes fit.
        :return: how many were copied.
        """
        position = self._position
        size = self._size - position
        size = min(size, room)
        if size:
            memmove(buffer, self._address + position, size)
            self._position = position + size
            self.given += size
        return size

    def take(self, room: int) -> bytes:
        """Return the next bytes, *room* at most, if they are many; otherwise none."""
        position = self._position
        size = min(self._size - position, room)
        if size < _NOT_COPIED:
            return b""
        self._position = end = position + size
        self.given += size
        return self._piece[position:end]  # the same object, where it is all of it

    def progressed(self) -> bool:
        """Say whether the library has taken something since this was last asked."""
        noted, self._noted = self._noted, self.given
        return self.given != noted

    @property
    def outlives_response(self) -> bool:
        """The source has more to give when the response is complete."""
        return hasattr(self._source, "abort")

    def abort(self, error: HttpClientError) -> None:
        """Tell the source that no more of it can be sent."""
        self._source.abort(error)

    @property
    def at_end(self) -> bool:
        """Everything has been given."""
        return self.final and self._position == self._size


class Uploads:
    """The request bodies of one session that haven't been sent in full.

    :ivar given: how many frames the library has filled, if they had the usual size, for whoever counts.
    :ivar payload: what is to be sent behind the header of the frame that the library is sending, if it isn't copied.
    """

    __slots__ = ("_active", "_ended", "_failures", "_hungry", "_read", "given", "payload", "provider")

    def __init__(self, failures: list[BaseException]) -> None:
        self._active: dict[int, Upload] = {}
        #: Those whose source is to be read.
        self._hungry: list[Upload] = []
        #: Those that have been sent but for their trailers.
        self._ended: list[Upload] = []
        self._failures = failures
        self.given = 0
        self.payload = b""
        self._read = _READ(self._on_read)
        #: For ``nghttp2_submit_request``, which copies it.
        self.provider = nghttp2_data_provider()
        self.provider.read_callback = cast(self._read, nghttp2_data_source_read_callback)

    @property
    def busy(self) -> bool:
        """There is a body that hasn't been sent in full."""
        return bool(self._active or self._ended)

    @property
    def waiting(self) -> bool:
        """There is a source to be read, or a body to be ended."""
        return bool(self._hungry or self._ended)

    def add(self, stream_id: int, body: bytes | BodySource) -> None:
        """Start the body of a request that has just been submitted."""
        upload = self._active[stream_id] = Upload(stream_id, body)
        if not upload.final:
            self._hungry.append(upload)

    def has(self, stream_id: int) -> bool:
        """Say whether a request hasn't been sent in full."""
        return stream_id in self._active or any(upload.stream_id == stream_id for upload in self._ended)

    def outlives_response(self, stream_id: int) -> bool:
        """Say whether a request is still being sent that goes on when the response is complete."""
        upload = self._active.get(stream_id)
        return upload is not None and upload.outlives_response

    def progressed(self, stream_id: int) -> bool | None:
        """Say whether a body has moved on since this was last asked; ``None`` where it has been taken in full."""
        upload = self._active.get(stream_id)
        return None if upload is None else upload.progressed()

    def abort(self, stream_id: int, error: HttpClientError) -> bool:
        """Forget the body of a stream that is over, and tell it why. ``False`` if there is none that wants to know."""
        upload = self._active.get(stream_id)
        if upload is None or not upload.outlives_response:
            return False
        self.remove(stream_id)
        upload.abort(error)
        return True

    @property
    def streams(self) -> list[int]:
        """The streams whose requests haven't been sent in full."""
        return list(self._active)

    def remove(self, stream_id: int) -> None:
        """Forget the body of a stream that is over."""
        upload = self._active.pop(stream_id, None)
        if upload in self._hungry:
            self._hungry.remove(upload)
        self._ended = [ended for ended in self._ended if ended.stream_id != stream_id]

    def resume(self, stream_id: int) -> None:
        """Have a source read again that had nothing to give."""
        upload = self._active.get(stream_id)
        if upload is not None and upload.asleep:
            upload.asleep = False
            self._hungry.append(upload)

    def take_hungry(self) -> list[Upload]:
        """Return the bodies whose source is to be read, once."""
        hungry, self._hungry = self._hungry, []
        return hungry

    def take_ended(self) -> list[Upload]:
        """Return the bodies that wait for their trailers, once."""
        ended, self._ended = self._ended, []
        return ended

    def _on_read(self, _session: bool, stream_id: int, buffer: int, room: int, flags: int) -> int:
        try:
            upload = self._active.get(stream_id)
            if upload is None:
                return NGHTTP2_ERR_DEFERRED
            flag = 0
            payload = upload.take(room)
            if payload:
                self.payload = payload
                size = len(payload)
                flag = NGHTTP2_DATA_FLAG_NO_COPY
            else:
                size = upload.give(buffer, room)
            self.given += 1 + size // _USUAL_FRAME
            if upload.at_end:
                del self._active[stream_id]
                flag |= NGHTTP2_DATA_FLAG_EOF
                if upload.trailers:
                    flag |= NGHTTP2_DATA_FLAG_NO_END_STREAM
                    self._ended.append(upload)
            if flag:
                c_uint32.from_address(flags).value = flag
            elif not size:
                upload.deferred = True
                if not upload.asleep:
                    self._hungry.append(upload)
                return NGHTTP2_ERR_DEFERRED
            return size
        except BaseException as error:
            self._failures.append(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE
