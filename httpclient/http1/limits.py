"""How much an HTTP/1.1 server may send besides the body."""

from __future__ import annotations

#: What an error says to do about a limit that was passed.
RAISE_LIMIT = "If the server is to be trusted, give the client other http1_limits"


class Http1Limits:
    """Bounds against hostile or broken servers; treat as read-only once in use. Sizes are in bytes.

    :param header_bytes: largest head, status line included.
    :param header_count: most fields in a head, and in a trailer section.
    :param informational: most 1xx responses before the final one.
    :param chunk_extension_bytes: most bytes of chunk extensions beyond what the data between them outweighs.
    :param trailer_bytes: largest trailer section.
    """

    __slots__ = ("chunk_extension_bytes", "header_bytes", "header_count", "informational", "trailer_bytes")

    def __init__(
        self,
        *,
        header_bytes: int = 65536,
        header_count: int = 256,
        informational: int = 16,
        chunk_extension_bytes: int = 16384,
        trailer_bytes: int = 16384,
    ) -> None:
        self.header_bytes = header_bytes
        self.header_count = header_count
        self.informational = informational
        self.chunk_extension_bytes = chunk_extension_bytes
        self.trailer_bytes = trailer_bytes


DEFAULT_LIMITS = Http1Limits()
