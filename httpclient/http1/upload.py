"""A request body as HTTP/1.1 sends it: as it is where its length is known, in chunks where it isn't (RFC 9112
section 6).

No Delphi origin: the original sends a body that is in memory, in one piece.
"""

from __future__ import annotations

from .request import encode_chunk, encode_trailers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from socketpool import Stream

    from ..content.body import Body

#: Bytes of a body that are read from its source and sent at once.
BODY_PIECE = 256 * 1024


def wire_pieces(body: Body) -> Iterator[tuple[bytes, bool]]:
    """Yield what goes on the wire, piece by piece, and whether it is the last; nothing for a body of length 0.

    :raises BodyError: the body can't be read.
    """
    if body.length is None:
        while piece := body.read(BODY_PIECE):
            yield encode_chunk(piece), False
        trailers = getattr(body, "trailers", None)
        yield encode_trailers(trailers) if trailers else encode_chunk(b""), True
        return
    left = body.length
    while left > 0:
        piece = body.read(BODY_PIECE)
        left -= len(piece)
        yield piece, left <= 0


class Progress:
    """How the peer gets on with what was sent to it: a slow line is not a silent peer.

    :param stream: what it was sent on.
    :param since: when something last happened there, in ``time.monotonic()`` seconds.

    :ivar left: how many bytes the peer hadn't taken when somebody last looked.
    :ivar since: when that was last seen to change.
    """

    __slots__ = ("left", "since")

    def __init__(self, stream: Stream, since: float) -> None:
        self.left = stream.untaken()
        self.since = since

    def look(self, stream: Stream, now: float) -> None:
        """See how much is left now."""
        left = stream.untaken()
        if left != self.left:
            self.left = left
            self.since = now
