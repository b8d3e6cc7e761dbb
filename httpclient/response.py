"""What a request returns.

No Delphi origin: the original leaves the result in properties of the client.
"""

from __future__ import annotations

from .content.decoding import codings_of, decode_body, decode_pieces
from .errors import BodyError, DecodingError
from .headers import TgoHttpHeaders

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from typing import Any

    from .exchange import Exchange
    from .head import ResponseHead
    from .request import Request
    from .streaming import StreamReader
    from .timings import Timings
    from .tls import TlsInfo


class HttpResponse:
    """Status, header fields and body of a response.

    Made by :class:`TgoHttpClient`. From its request methods it comes with the body read; from
    :meth:`TgoHttpClient.stream` the body is still to be read, and the response must be closed: use it in a ``with``
    statement. For one thread at a time.

    :ivar status_code: RFC 9110 section 15.
    :ivar history: the responses that led here: redirects followed and challenges answered, oldest first.
    :ivar started: when the call began, in ``time.monotonic()`` seconds.
    :ivar ended: when the response was complete (its head, for a stream), likewise.
    """

    __slots__ = (
        "_content", "_encoding", "_exchange", "_head", "_headers", "_reader", "_text", "ended", "history", "started",
        "status_code",
    )  # fmt: skip

    def __init__(
        self, exchange: Exchange, reader: StreamReader | None = None, started: float = 0.0, ended: float = 0.0
    ) -> None:
        head = exchange.head
        assert head is not None
        self._head: ResponseHead = head
        self._exchange = exchange
        self._reader = reader
        self._headers: TgoHttpHeaders | None = None
        self._content: bytes | None = None
        self._text: str | None = None
        self._encoding: str | None = None
        self.status_code = head.status
        self.history: list[HttpResponse] | tuple[HttpResponse, ...] = ()
        self.started = started
        self.ended = ended

    # The head

    @property
    def headers(self) -> TgoHttpHeaders:
        """The header fields, in order, repeated ones kept."""
        headers = self._headers
        if headers is None:
            headers = self._headers = TgoHttpHeaders.from_fields(self._head.fields)
        return headers

    @property
    def reason(self) -> str:
        """The reason phrase; HTTP/2 has none, so the usual one stands in."""
        reason = self._head.reason
        if reason:
            return reason.decode("latin-1")
        from .status import REASONS

        return REASONS.get(self.status_code, "")

    @property
    def http_version(self) -> str:
        """``"1.0"``, ``"1.1"`` or ``"2"``."""
        return self._head.version

    @property
    def url(self) -> str:
        """The URL that this is the response of: after redirects, the last one."""
        return self.request.uri.to_string()

    @property
    def method(self) -> str:
        """The method of the request that this is the response of."""
        return self.request.method

    @property
    def ok(self) -> bool:
        """The status is below 400."""
        return self.status_code < 400

    @property
    def is_redirect(self) -> bool:
        """The status asks for another request, and a Location says where."""
        return self.status_code in (301, 302, 303, 307, 308) and self._head.get(b"location") is not None

    @property
    def peer(self) -> str:
        """The address and port of the server."""
        return self._exchange.peer

    @property
    def elapsed(self) -> float:
        """Seconds from the call to the end of the response (of its head, for a stream), redirects and repeats
        included.
        """
        return self.ended - self.started

    @property
    def timings(self) -> Timings:
        """How long each phase took."""
        from .timings import Timings

        return Timings(self._exchange, self.started, self.ended)

    @property
    def request(self) -> Request:
        """The request that this is the response of, as it was sent."""
        return self._exchange.request

    @property
    def tls_description(self) -> str:
        """TLS version, cipher and ALPN protocol, as in ``TLSv1.3, TLS_AES_256_GCM_SHA384, h2``; empty without TLS."""
        return str(self._exchange.tls or "")

    @property
    def tls(self) -> TlsInfo | None:
        """TLS version, cipher, ALPN protocol and the server's certificate; ``None`` without TLS."""
        return self._exchange.tls

    @property
    def cookies(self) -> dict[str, str]:
        """Name and value of the cookies that this response sets; see :attr:`TgoHttpClient.cookie_jar` for all."""
        values = self._head.get_all(b"set-cookie")
        pairs = (value.decode("latin-1").partition(";")[0].partition("=") for value in values)
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """Trailer fields (RFC 9110 section 6.5); there once the body has been read."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._exchange.trailers or ()]

    def raise_for_status(self) -> HttpResponse:
        """Return the response itself, or raise where the status is 400 or above.

        :raises HttpStatusError: it is.
        """
        if self.status_code >= 400:
            from .errors import HttpStatusError

            raise HttpStatusError(self)
        return self

    # The body

    @property
    def content(self) -> bytes:
        """The whole body, without its content codings. For a stream, reads what is left of it.

        The header fields stay as they came: Content-Encoding is still there, and Content-Length is the length before
        decoding. A part of something (status 206) is left as it came: a part can't be decoded. So is a body in a coding
        that isn't known; see :mod:`httpclient.content.decoding`.

        :raises DecodingError: the body can't be decoded, or becomes larger than the client's ``max_decoded_size``.
        :raises HttpClientError: the rest could not be read.
        :raises BodyError: parts of the stream have been given out already.
        """
        content = self._content
        if content is None:
            plain = self._reader is None and not self._head.coded
            content = self._content = self._exchange.body() if plain else self._read_all()
        return content

    def _read_all(self) -> bytes:
        try:
            codings = self._codings()
            if codings:
                return decode_body(codings, self.iter_raw(), self.request.max_decoded_size)
        except DecodingError as error:
            self._undecodable(error)
            raise
        return self._exchange.body() if self._reader is None else b"".join(self._reader.pieces())

    def _codings(self) -> tuple[str, ...]:
        """Return the content codings that are still to be undone."""
        return () if self._exchange.decoded else codings_of(self._head)

    def _undecodable(self, error: DecodingError) -> None:
        """Give up the body, which nothing more can be made of."""
        self.close()
        error.locate(url=self.url, peer=self.peer)

    @property
    def charset(self) -> str:
        """The ``charset`` parameter of Content-Type in lower case; empty where there is none."""
        from .content.charset import content_charset

        return content_charset(self._head.get(b"content-type", b"") or b"")

    @property
    def encoding(self) -> str:
        """What :attr:`text` decodes with: the charset that the response names, or UTF-8. May be set."""
        return self._encoding or self.charset or "utf-8"

    @encoding.setter
    def encoding(self, value: str) -> None:
        self._encoding = value
        self._text = None

    @property
    def text(self) -> str:
        """The body as text: by byte order mark, the charset of Content-Type, or UTF-8; bad bytes become U+FFFD."""
        text = self._text
        if text is None:
            from .content.charset import decode_text

            text = self._text = decode_text(self.content, self._encoding or self.charset)
        return text

    def json(self, **options: Any) -> Any:
        """Parse the body as JSON (RFC 8259: UTF-8, -16 or -32 is found out).

        :param options: for ``json.loads``.
        :raises ValueError: it isn't JSON.
        """
        import json

        return json.loads(self.content, **options)

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the body in the pieces in which it arrives; for a stream, nothing is read ahead of the loop.

        Content codings are undone as in :attr:`content`, in pieces of at most 256 KiB, without a limit to their sum.

        :raises DecodingError: the body can't be decoded to its end.
        :raises HttpClientError: it could not be read to its end.
        :raises BodyError: the stream has been read or closed already.
        """
        if self._content is not None:
            yield self._content
            return
        try:
            codings = self._codings()
            if codings:
                yield from decode_pieces(codings, self.iter_raw())
                return
        except DecodingError as error:
            self._undecodable(error)
            raise
        if self._reader is None:
            yield self.content
        else:
            yield from self._reader.pieces()

    def iter_raw(self) -> Iterator[bytes]:
        """Yield the body as it came, with its content codings, in the pieces in which it arrives.

        :raises HttpClientError: it could not be read to its end.
        :raises BodyError: the stream has been read or closed already; or there was a coding, and ``on_recv`` got what
            it stands for.
        """
        if self._reader is not None:
            yield from self._reader.pieces()
        elif self._exchange.decoded:
            raise BodyError("the body was decoded for on_recv as it arrived, and is not there as it came")
        else:
            yield from filter(None, self._exchange.chunks)

    def iter_lines(self) -> Iterator[str]:
        """Yield the body line by line, without line ends, decoded like :attr:`text`."""
        import codecs

        from .content.charset import _MARKS, find_codec

        decoder = None
        start = b""
        parts: list[str] = []
        for piece in _with_end(self.iter_bytes()):
            if decoder is None:
                # A byte order mark is up to four bytes long, and pieces may be shorter.
                start += piece
                if len(start) < 4 and piece:
                    continue
                mark, codec = next((item for item in _MARKS if start.startswith(item[0])), (b"", ""))
                codec = codec or find_codec(self.encoding) or "utf-8"
                decoder = codecs.getincrementaldecoder(codec)(errors="replace")
                text = decoder.decode(start[len(mark) :], final=not piece)
            else:
                text = decoder.decode(piece, final=not piece)
            parts.append(text)
            if "\n" in text:
                *lines, rest = "".join(parts).split("\n")
                parts = [rest]
                for line in lines:
                    yield line.removesuffix("\r")
        rest = "".join(parts)
        if rest:
            yield rest

    def save(self, path: str | os.PathLike[str]) -> int:
        """Write the body into a file, without its content codings; of a stream, as it arrives.

        A file of that name is replaced when the body is complete. See :meth:`TgoHttpClient.download` for one that can
        be continued.

        :return: the size of the file in bytes.
        :raises HttpClientError: the body could not be read to its end.
        :raises OSError: the file could not be written.
        """
        from .content.download import save_response

        return save_response(self, path)

    def close(self) -> None:
        """Give up what hasn't been read of a stream. Nothing to do for other responses."""
        if self._reader is not None:
            self._reader.close()

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<HttpResponse [{self.status_code}]>"


def _with_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces that aren't empty, and then an empty one."""
    for piece in pieces:
        if piece:
            yield piece
    yield b""
