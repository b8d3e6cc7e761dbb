"""What can be set about HTTP/2 connections. Apart from what follows from it, so that looking at it loads nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .http2.trace import Http2Trace

#: Seconds in which the server has to send its SETTINGS and acknowledge ours (RFC 9113 section 6.5.3).
SETTINGS_TIMEOUT = 20.0

#: Seconds in which it has to answer PING.
PING_TIMEOUT = 20.0


def check_http2_options(
    ping_interval: float, ping_timeout: float, trace: Http2Trace | None, coalesce: bool
) -> tuple[tuple[str, Any], ...]:
    """Return the names and values of the options that aren't as usual.

    :raises ValueError: a time can't be one.
    """
    if not ping_interval >= 0:  # nor "not a number"
        raise ValueError(f"http2_ping_interval must not be negative: {ping_interval!r}")
    if not ping_timeout > 0:
        raise ValueError(f"http2_ping_timeout must be more than 0: {ping_timeout!r}")
    options: list[tuple[str, Any]] = []
    if ping_interval:
        options += [("ping_interval", ping_interval), ("ping_timeout", ping_timeout)]
    if trace is not None:
        options.append(("trace", trace))
    if coalesce:
        options.append(("coalesce", True))
    return tuple(options)


_default: list[Http2Trace] = []


def set_default_trace(trace: Http2Trace | None) -> None:
    """Have the frames of all connections told that are made from now on, unless they have a trace of their own."""
    _default[:] = [] if trace is None else [trace]


def default_trace() -> Http2Trace | None:
    """Return what is told of frames where nothing else is said."""
    return _default[0] if _default else None
