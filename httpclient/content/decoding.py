"""Content codings (RFC 9110 section 8.4): from the bytes of a body as they came to what they stand for.

Incremental and without I/O: bytes go in as they arrive, and come out in pieces of at most :data:`PIECE_SIZE`, each made
when it is asked for. So a body of any size, and one that is a thousand times as large as what was sent, takes the
memory of one piece while it is streamed. Who collects a body instead gives a limit to :func:`decode_body`.

* ``gzip``, ``x-gzip``: zlib. All members; what follows the last one and isn't a member is ignored, as gzip(1) and
  nearly all clients do.
* ``deflate``: zlib. In the zlib format, as RFC 9110 section 8.4.1.2 wants it, and without, as some servers send it;
  what follows is ignored.
* ``br``: the package ``brotli`` or ``brotlicffi``, 1.2 or newer: older ones can't limit what they give.
* ``zstd``: Python itself from 3.14 on; before, the package ``backports.zstd`` or ``zstandard``.
* ``identity``: nothing to do.

A body that is cut off, or that doesn't follow its coding, is an error, whatever could be decoded before. An empty one
is empty in every coding: servers announce codings for bodies that aren't there.

Any other coding leaves the whole body as it came: RFC 9110 asks nothing of the recipient, and the field, still there to
be looked at, says what the bytes are. One of these whose package is missing was not asked for; to hand out its bytes as
if they were the content would help nobody, so that is an error, which names the package.

No Delphi origin: the original gives what came.
"""

from __future__ import annotations

from ..errors import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BytesIO

    from ..head import ResponseHead

#: The most bytes that a decoder gives at once.
PIECE_SIZE = 256 * 1024

#: How many codings one body may have. Each multiplies what a few bytes can become.
MAX_CODINGS = 5

#: How large a body may become, in bytes, where the client says nothing else.
MAX_DECODED_SIZE = 1 << 30

#: Each coding that this module knows, by the names that it goes by (RFC 9110 section 8.4.1.3, RFC 7932, RFC 8878).
_NAMES = {b"gzip": "gzip", b"x-gzip": "gzip", b"deflate": "deflate", b"br": "br", b"zstd": "zstd"}

_accepted = ""


# What can be decoded here


def accept_encoding() -> str:
    """Return the value of Accept-Encoding for what this installation can decode: ``gzip, deflate`` at least.

    Found out once. May be called from any thread.
    """
    global _accepted
    if not _accepted:
        from ._coding_packages import brotli_module, zstd_module_name

        names = ["gzip", "deflate"]
        if brotli_module() is not None:
            names.append("br")
        if zstd_module_name():
            names.append("zstd")
        _accepted = ", ".join(names)
    return _accepted


def content_codings(values: Iterable[bytes]) -> tuple[str, ...]:
    """Return the codings that have to be undone, in the order in which they were applied.

    :param values: the Content-Encoding fields.
    :return: names; empty where there is nothing to be done, or nothing that can be: a coding is unknown.

    >>> content_codings([b"identity, X-GZIP", b"br"])
    ('gzip', 'br')
    """
    codings = []
    for member in b",".join(values).lower().split(b","):
        name = member.strip(b" \t")
        if not name or name == b"identity":  # not to be sent, and harmless
            continue
        if name not in _NAMES:
            return ()
        codings.append(_NAMES[name])
    return tuple(codings)


def codings_of(head: ResponseHead) -> tuple[str, ...]:
    """Return the codings of a response's body that have to be undone; see :func:`content_codings`.

    A part of something (RFC 9110 section 15.3.7) has none: it is cut out of the coded form, and can't be decoded.
    """
    if not head.coded or head.status == 206:
        return ()
    return content_codings(head.get_all(b"content-encoding"))


# Decoding


class ContentDecoder:
    """Undoes the codings of one body. For one thread at a time.

    :param codings: as :func:`content_codings` returns them.
    :raises DecodingError: a package that is needed is missing, or there are more than :data:`MAX_CODINGS`.
    """

    __slots__ = ("_stages",)

    def __init__(self, codings: tuple[str, ...]) -> None:
        from ._decoders import new_decoder

        if len(codings) > MAX_CODINGS:
            raise DecodingError(f"the body has {len(codings)} content codings; {MAX_CODINGS} are the most to be undone")
        # RFC 9110 section 8.4: listed in the order in which they were applied.
        self._stages = [new_decoder(coding) for coding in reversed(codings)]

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes of the body, and yield what they stand for, in pieces of at most :data:`PIECE_SIZE`.

        The iterator must be used up before the next call.

        :raises DecodingError: they don't follow the coding.
        """
        return self._from_stage(0, data)

    def _from_stage(self, number: int, data: bytes) -> Iterator[bytes]:
        pieces = self._stages[number].decode(data)
        if number + 1 == len(self._stages):
            return pieces
        return (result for piece in pieces for result in self._from_stage(number + 1, piece))

    def finish(self) -> None:
        """Take note that the body is over.

        :raises DecodingError: something is missing.
        """
        for stage in self._stages:
            stage.finish()


def decode_pieces(codings: tuple[str, ...], pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body as it is decoded, in pieces of at most :data:`PIECE_SIZE`.

    :param codings: as :func:`content_codings` returns them, not empty.
    :param pieces: the body as it came.
    :raises DecodingError: it can't be decoded to its end.
    """
    decoder: ContentDecoder | None = None
    for piece in pieces:
        if piece:
            if decoder is None:
                decoder = ContentDecoder(codings)
            yield from decoder.decode(piece)
    if decoder is not None:
        decoder.finish()


def decode_body(codings: tuple[str, ...], pieces: Iterable[bytes], limit: int = MAX_DECODED_SIZE) -> bytes:
    """Return a whole body decoded.

    :param limit: how many bytes it may become; 0 for no limit.
    :raises DecodingError: it can't be decoded, or becomes larger.
    """
    first = b""
    rest: BytesIO | None = None
    size = 0
    for part in decode_pieces(codings, pieces):
        size += len(part)
        if size > limit > 0:
            raise too_large(limit)
        if rest is not None:
            rest.write(part)
        elif not first:
            first = part
        else:
            # It hands out what it has collected; joining a list would take twice the memory.
            from io import BytesIO

            rest = BytesIO()
            rest.write(first)
            rest.write(part)
    return first if rest is None else rest.getvalue()


def too_large(limit: int) -> DecodingError:
    """Return the error of a body that becomes larger than *limit* bytes."""
    return DecodingError(
        f"the body becomes larger than {limit} bytes as it is decoded",
        advice="Read it piece by piece with stream(), or raise max_decoded_size",
    )
