"""What a connection says about its TLS."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socketpool import Stream


def describe_tls(stream: Stream | None) -> str:
    """Return TLS version, cipher and ALPN protocol of a stream; empty for clear text."""
    engine = None if stream is None else stream.engine
    if engine is None:
        return ""
    return ", ".join(filter(None, (engine.version, engine.cipher, engine.alpn.decode("ascii", "replace"))))
