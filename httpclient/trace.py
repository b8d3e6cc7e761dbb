"""Show what every layer does, with the name of the Delphi routine that does it there.

Nothing in the layers knows of this: :func:`install` puts a wrapper around the methods in the table below, so a
program that doesn't trace pays nothing. Only sizes and names are shown, never content: headers and bodies can hold
secrets.
"""

from __future__ import annotations

import functools
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    #: Package, module, class, method, Delphi routine, and what to say of a call: (self, arguments, result) to text.
    Point = tuple[str, str, str, str, str, Callable[[Any, tuple[Any, ...], Any], str]]


def _points() -> list[Point]:
    return [
        *(("httpclient", "client", "TgoHttpClient", verb, "TgoHttpClient.DoRequest",
           lambda this, args, result, verb=verb: f"{verb.upper()} {_url(args[0])} -> {result!r}")
          for verb in ("get", "head", "post", "put", "patch", "delete", "options")),
        ("httpclient", "client", "TgoHttpClient", "request", "TgoHttpClient.DoRequest",
         lambda this, args, result: f"{args[0]} {_url(args[1])} -> {result!r}"),
        ("httpclient", "client", "TgoHttpClient", "stream", "TgoHttpClient.DoRequest",
         lambda this, args, result: f"{args[0]} {_url(args[1])} -> {result!r}"),
        ("httpclient", "prepare", "Preparer", "prepare", "TgoHttpClient.CreateRequest",
         lambda this, args, result: f"{len(result.fields)} header fields for {result.uri.authority}"),
        ("httpclient", "pooling.origin", "Origin", "_take", "TgoClientSocketManager.Request",
         lambda this, args, result: f"idle connection to {this.host}:{this.port}: {'yes' if result else 'none'}"),
        ("httpclient", "pooling.origin", "Origin", "give_back", "TgoClientSocketManager.Release",
         lambda this, args, result: f"keep the connection to {this.host}:{this.port}"),
        ("httpclient", "http1.connection", "Http1Connection", "start", "TgoHttpClient.SendRequest",
         lambda this, args, result: "HTTP/1.1 request started by the worker"),
        ("httpclient", "http1.response", "ResponseParser", "receive", "TgoHttpClient.ResponseHeader, ResponseContent",
         lambda this, args, result: f"HTTP/1.1 parser took {result} bytes, response {_done(this.done)}"),
        ("httpclient", "http2.session", "Http2Session", "submit_head", "nghttp2_submit_request",
         lambda this, args, result: f"the request becomes HTTP/2 stream {result}"),
        ("httpclient", "http2.session", "Http2Session", "output", "TgoHttpClient.nghttp2_Send",
         lambda this, args, result: f"{len(result[0]) + len(result[1])} bytes of frames to send" if result[0] else ""),
        ("httpclient", "http2.session", "Http2Session", "receive_at", "TgoHttpClient.nghttp2_Recv",
         lambda this, args, result: f"{args[3]} bytes of frames received"),
        ("socketpool", "connection", "TgoSocketConnection", "open", "TgoSocketConnection.Connect",
         lambda this, args, result: f"connected to {result.address.text} in the calling thread"),
        ("socketpool", "connection", "TgoSocketConnection", "connect", "TgoSocketConnection.Connect",
         lambda this, args, result: f"connecting to {this.hostname}:{this.port} by a worker"),
        ("socketpool", "connection", "TgoSocketConnection", "_on_event", "TSocketPoolWorker.Execute",
         lambda this, args, result: f"epoll event {args[0]:#x} for {this.hostname}:{this.port}"),
        ("socketpool", "connection", "TgoSocketConnection", "disconnect", "TgoSocketConnection.Disconnect",
         lambda this, args, result: f"disconnect {this.hostname}:{this.port}"),
        ("socketpool", "stream", "Stream", "send", "TgoSocketConnection.DoWrite",
         lambda this, args, result: f"send {len(args[0])} bytes to {this.address.text}"),
        ("socketpool", "stream", "Stream", "receive", "TgoSocketConnection.DoRead",
         lambda this, args, result: f"received {result} bytes from {this.address.text}"),
        ("socketpool", "stream", "Stream", "receive_now", "TgoSocketConnection.DoRead",
         lambda this, args, result: f"received {result} bytes from {this.address.text}" if result >= 0 else ""),
        ("socketpool", "tls_stream", "TlsStream", "send", "TgoOpenSSL.Write",
         lambda this, args, result: f"encrypt and send {len(args[0])} bytes to {this.address.text}"),
        ("socketpool", "tls_stream", "TlsStream", "receive", "TgoOpenSSL.Read",
         lambda this, args, result: f"received and decrypted {result} bytes from {this.address.text}"),
        ("socketpool", "tls_stream", "TlsStream", "receive_now", "TgoOpenSSL.Read",
         lambda this, args, result: f"received and decrypted {result} bytes" if result > 0 else ""),
        ("socketpool", "tls_stream", "TlsStream", "handshake_step", "TgoOpenSSL.Connect",
         lambda this, args, result: f"TLS handshake: {_handshake(this, result)}"),
    ]  # fmt: skip


def _url(url: str) -> str:
    from .errors import without_credentials

    return without_credentials(url)


def _done(done: bool) -> str:
    return "complete" if done else "goes on"


def _handshake(stream: Any, done: bool) -> str:
    if not done:
        return "more to come from the server"
    engine = stream.engine
    resumed = ", resumed" if engine.session_reused else ""
    return f"{engine.version}, {engine.cipher}, ALPN {engine.alpn.decode('ascii', 'replace') or 'none'}{resumed}"


def install(output: TextIO | None = None) -> Callable[[], None]:
    """Start to trace everything in this process.

    :param output: where to write, standard error by default: one line for each step, with the milliseconds since
        tracing began, the thread, the package, what happened, and the Delphi routine.
    :return: a function that stops it.

    Not meant to be called while requests are under way in other threads.
    """
    target = sys.stderr if output is None else output
    started = time.monotonic()
    undo: list[Callable[[], None]] = []

    def line(package: str, routine: str, text: str) -> None:
        thread = "" if threading.current_thread() is threading.main_thread() else " (worker)"
        elapsed = (time.monotonic() - started) * 1000
        target.write(f"{elapsed:9.3f} ms  {package:<10}{thread} {text}  [Delphi: {routine}]\n")

    for package, module, owner, name, routine, describe in _points():
        try:
            imported = __import__(f"{package}.{module}", fromlist=[owner])
        except ImportError:
            continue  # a library isn't there, so this layer has nothing to say
        target_class = next(each for each in getattr(imported, owner).__mro__ if name in vars(each))
        original = vars(target_class)[name]
        setattr(target_class, name, _wrapper(original, package, routine, describe, line))
        undo.append(functools.partial(setattr, target_class, name, original))

    def frame(peer: str, frame: object) -> None:
        line("httpclient", "TgoHttpClient.nghttp2_Send, nghttp2_Recv", f"HTTP/2 frame {frame} ({peer})")

    from .http2_options import set_default_trace

    set_default_trace(frame)
    undo.append(lambda: set_default_trace(None))

    def stop() -> None:
        for restore in undo:
            restore()

    return stop


def _wrapper(
    original: Callable[..., Any],
    package: str,
    routine: str,
    describe: Callable[[Any, tuple[Any, ...], Any], str],
    line: Callable[[str, str, str], None],
) -> Callable[..., Any]:
    @functools.wraps(original)
    def traced(this: Any, *args: Any, **options: Any) -> Any:
        try:
            result = original(this, *args, **options)
        except Exception as error:
            line(package, routine, f"{original.__name__} failed: {type(error).__name__}: {error}")
            raise
        text = describe(this, args, result)
        if text:
            line(package, routine, text)
        return result

    return traced
