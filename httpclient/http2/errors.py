"""What to say when HTTP/2 goes wrong: from codes and frames to errors that name the cause and who is at fault.

RFC 9113 sections 5.4 and 7.
"""

from __future__ import annotations

from nghttp2_api.constants import (
    NGHTTP2_CANCEL,
    NGHTTP2_ENHANCE_YOUR_CALM,
    NGHTTP2_ERR_FLOODED,
    NGHTTP2_ERR_TOO_MANY_CONTINUATIONS,
    NGHTTP2_HTTP_1_1_REQUIRED,
    NGHTTP2_INTERNAL_ERROR,
    NGHTTP2_NO_ERROR,
    NGHTTP2_REFUSED_STREAM,
)
from nghttp2_api.nghttp2 import nghttp2_strerror

from ..errors import Http2ConnectionError, Http2StreamError, RefusedStreamError, http2_error_name

_FRAME_NAMES = (
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
)

#: RFC 7838, RFC 8336 and RFC 9218.
_EXTENSIONS = {0xA: "ALTSVC", 0xC: "ORIGIN", 0x10: "PRIORITY_UPDATE"}

#: Longest piece of the peer's or the library's text in a message.
_TEXT_SHOWN = 200


def frame_name(kind: int) -> str:
    """Return the name of a frame type (RFC 9113 section 6), or its number."""
    if 0 <= kind < len(_FRAME_NAMES):
        return _FRAME_NAMES[kind]
    return _EXTENSIONS.get(kind, f"type {kind:#x}")


def library_text(code: int) -> str:
    """Return nghttp2's text for one of its error codes."""
    text: bytes = nghttp2_strerror(code)
    return text.decode("ascii", "replace")


def peer_text(data: bytes) -> str:
    """Return the peer's explanation in GOAWAY as a message may show it; empty where there is none."""
    return ascii(data[:_TEXT_SHOWN].decode("utf-8", "replace"))[1:-1]


def _because(diagnosis: str) -> str:
    return f": {diagnosis[:_TEXT_SHOWN]}" if diagnosis else ""


def reset_by_peer(code: int) -> Http2StreamError:
    """Return the error of a stream that the peer ended with RST_STREAM before the response was complete."""
    name = http2_error_name(code)
    if code == NGHTTP2_REFUSED_STREAM:
        return RefusedStreamError(f"the server refused the request before processing it (RST_STREAM with {name})", code)
    if code == NGHTTP2_NO_ERROR:
        return Http2StreamError("the server ended the stream before the response was complete (NO_ERROR)", code)
    error = Http2StreamError(f"the server reset the stream with {name}", code)
    if code == NGHTTP2_HTTP_1_1_REQUIRED:
        error.advice = "Ask over HTTP/1.1"
    elif code == NGHTTP2_ENHANCE_YOUR_CALM:
        error.advice = "The server wants fewer requests"
    return error


def request_unwanted(code: int) -> Http2StreamError:
    """Return the error of a request that is still being sent when the peer, having answered, wants no more of it."""
    if code == NGHTTP2_NO_ERROR:
        return Http2StreamError("the server has answered in full and wants no more of the request (NO_ERROR)", code)
    return reset_by_peer(code)


def invalid_from_peer(code: int, library_code: int, kind: int, diagnosis: str) -> Http2StreamError:
    """Return the error of a stream on which the peer broke the rules.

    :param code: the error code that the stream ends with.
    :param library_code: what nghttp2 objects to; 0 where it didn't say.
    :param kind: type of the frame; -1 where that isn't known.
    :param diagnosis: what nghttp2 said in words.
    """
    frame = f" in a {frame_name(kind)} frame" if kind >= 0 else ""
    objection = diagnosis or (library_text(library_code) if library_code else "")
    return Http2StreamError(
        f"the server broke the rules of HTTP/2{frame}, so the stream was ended with {http2_error_name(code)}"
        f"{_because(objection)}",
        code,
    )


def closed_here(code: int, diagnosis: str) -> Http2StreamError:
    """Return the error of a stream that nghttp2 ended, with no frame to blame."""
    if code == NGHTTP2_REFUSED_STREAM:
        return not_sent("the connection takes no more requests")
    if code in {NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL}:
        name = http2_error_name(code)
        return Http2StreamError(f"the stream was ended from this side with {name}{_because(diagnosis)}", code)
    return invalid_from_peer(code, 0, -1, diagnosis or "the response isn't well-formed")


def not_sent(reason: str) -> RefusedStreamError:
    """Return the error of a request that has not left this side."""
    return RefusedStreamError(f"the request was not sent: {reason}")


def going_away(code: int, text: str, *, sent: bool) -> RefusedStreamError:
    """Return the error of a request that the peer's GOAWAY says was not processed (RFC 9113 section 6.8)."""
    because = f" with {http2_error_name(code)}" if code else ""
    explained = f" ({text})" if text else ""
    what = "did not process the request" if sent else "takes no more requests"
    return RefusedStreamError(f"the server is closing the connection{because} and {what}{explained}", code)


def closed_by_peer(code: int, text: str) -> Http2ConnectionError:
    """Return the error of a request that was under way when the peer, after GOAWAY, ended the connection."""
    explained = f" ({text})" if text else ""
    return Http2ConnectionError(f"the server ended the connection with {http2_error_name(code)}{explained}", code)


def connection_failure(code: int, reason: str) -> Http2ConnectionError:
    """Return the error of a connection that nghttp2 or a limit of ours ended with GOAWAY."""
    if code == NGHTTP2_INTERNAL_ERROR:
        return Http2ConnectionError(f"the HTTP/2 connection failed on this side{_because(reason)}", code)
    return Http2ConnectionError(
        f"the server broke the rules of HTTP/2, so the connection was ended with {http2_error_name(code)}"
        f"{_because(reason)}",
        code,
    )


def fatal_failure(library_code: int, diagnosis: str) -> Http2ConnectionError:
    """Return the error of a connection on which a function of nghttp2 failed for good."""
    reason = diagnosis or library_text(library_code)
    if library_code in {NGHTTP2_ERR_FLOODED, NGHTTP2_ERR_TOO_MANY_CONTINUATIONS}:
        return flooding(reason)
    return connection_failure(NGHTTP2_INTERNAL_ERROR, reason)


def flooding(what: str) -> Http2ConnectionError:
    """Return the error of a connection on which the peer sends frames that cost and give nothing."""
    return Http2ConnectionError(
        f"the server floods the connection with frames that serve no request: {what}", NGHTTP2_ENHANCE_YOUR_CALM
    )
