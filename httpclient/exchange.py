"""One attempt at a request, from the moment it has a connection: what the protocol modules report to.

An exchange is the *sink* of :mod:`.http1.response` and :mod:`.http2.session`: they call its ``on_`` methods, with
nothing known of who waits. It ends exactly once, with a response or with an error.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from .content.decoding import ContentDecoder, codings_of, too_large
from .errors import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from openssl_api import TlsEngine
    from socketpool import ConnectTimes

    from .content._large_body import LargeBody
    from .errors import HttpClientError
    from .head import ResponseHead
    from .pending import PendingCall
    from .request import Request
    from .tls import TlsInfo

#: Bodies of as many bytes, or more, are put together where they are returned from; see ``content._large_body``.
LARGE = 1 << 20
#: More than one part in so many must be there first. Memory that nobody writes to is only address space, but nobody
#: shall have even that by announcing a body.
_SHARE = 8


class Exchange:
    """An attempt whose body is collected in memory.

    :param request: what is asked.
    :param call: the non-blocking call that it is an attempt of, which is told in the thread of the worker when it has
        ended; ``None`` where the calling thread waits for it.

    :ivar head: the head of the final response, once it is there.
    :ivar done: the attempt has ended, see :attr:`error`.
    :ivar responded: the peer has sent something; from then on a retry is not safe.
    :ivar began: when an attempt that isn't the first began, in ``time.monotonic()`` seconds.
    :ivar head_at: when the head arrived, likewise; not there before.
    :ivar ended_at: when the response was complete, likewise.
    :ivar times: how the connection was made; not there if it was there already.
    :ivar waited: seconds for which it stood in the queue for a connection; not there if it didn't.
    :ivar fresh: don't use an idle connection: one has just proved stale.
    :ivar proxy_credentials: what a proxy that carries the request out was sent; not there otherwise.
    """

    __slots__ = (
        "began", "call", "chunks", "connection", "done", "ended_at", "error", "fresh", "head", "head_at",
        "informational", "large", "last_activity", "news", "on_sent", "proxy_credentials", "request", "responded",
        "stream_id", "times", "trailers", "waited", "waiter",
    )  # fmt: skip

    began: float
    head_at: float
    ended_at: float
    times: ConnectTimes | None
    waited: float

    #: HTTP/2: what arrives is taken at once, so the peer may send more at once.
    auto_consume = True
    #: HTTP/2: what ``:protocol`` says (RFC 8441).
    protocol = ""
    proxy_credentials: str
    #: HTTP/2: the request is sent before anybody waits for the response.
    sends_first = True
    #: Call :meth:`deliver` after each receive.
    incremental = False
    #: Something of the body has been given to the user: the request can't be repeated without his noticing.
    delivered = False

    def __init__(self, request: Request, call: PendingCall | None = None) -> None:
        self.request = request
        self.call = call
        self.on_sent: Callable[[bytes], object] | None = None
        self.informational: Callable[[ResponseHead], object] | None = None
        self.connection: Any = None
        #: HTTP/2: the list in which an exchange that something has happened to is noted.
        self.news: list[Exchange] | None = None
        self.stream_id = 0
        self.waiter: Any = None
        self.head: ResponseHead | None = None
        self.chunks: list[bytes] = []
        #: Where the body is collected instead of in the chunks, while it arrives.
        self.large: LargeBody | None = None
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.error: HttpClientError | None = None
        self.done = False
        self.responded = False
        self.fresh = False
        self.last_activity = 0.0

    def on_informational(self, head: ResponseHead) -> None:
        """An interim response has arrived (1xx)."""
        self.responded = True
        if self.news is not None:
            self.news.append(self)
        if self.informational is not None:
            self.informational(head)

    def on_head(self, head: ResponseHead) -> None:
        """The head of the final response has arrived."""
        self.head = head
        self.responded = True
        self.head_at = monotonic()
        if self.news is not None:
            self.news.append(self)

    def on_data(self, view: memoryview | bytes) -> None:
        """Bytes of the body have arrived; *view* is only valid during the call."""
        if self.large is None:
            self.chunks.append(bytes(view))
        else:
            body = self.large.add(view)
            if body is not None:
                self.chunks.append(body)
                self.large = None
        if self.news is not None:
            self.news.append(self)

    def expect(self, length: int, remaining: int) -> None:
        """A large body is under way.

        :param length: how many bytes the peer has announced.
        :param remaining: how many of them are still to come.
        """
        if self.large is None and length - remaining > length // _SHARE and self.head is not None:
            if self.head.coded:
                return  # decoders want it piece by piece
            from .content._large_body import LargeBody

            try:
                large = LargeBody(length)
            except (AttributeError, MemoryError):
                return
            for chunk in self.chunks:
                large.add(chunk)
            self.chunks.clear()
            self.large = large

    def on_response(self, head: ResponseHead, view: memoryview) -> None:
        """A whole response has arrived at once; *view* is only valid during the call."""
        self.head = head
        self.head_at = self.ended_at = monotonic()
        self.chunks.append(view.tobytes())
        self.done = True
        if self.news is not None:
            self.news.append(self)

    def on_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """The response is complete."""
        self.trailers = trailers
        self.ended_at = monotonic()
        self.done = True
        if self.news is not None:
            self.news.append(self)

    def on_failure(self, error: HttpClientError) -> None:
        """The attempt has failed; only the first call counts."""
        if not self.done:
            self.error = error
            self.done = True
            if self.news is not None:
                self.news.append(self)

    def finish(self) -> None:
        """Tell who is waiting for it that a non-blocking attempt has ended."""
        call = self.call
        if call is not None:
            call.attempt_ended(self)

    def deliver(self) -> None:
        """Hand what has arrived to the user, with nothing locked."""

    @property
    def decoded(self) -> bool:
        """What is collected isn't what came: its content codings have been undone."""
        return False

    @property
    def peer(self) -> str:
        """The address of the server, once there is a connection; empty before."""
        return "" if self.connection is None else self.connection.peer

    @property
    def tls(self) -> TlsInfo | None:
        """What is known of the TLS of the connection; ``None`` without TLS."""
        engine: TlsEngine | None = None if self.connection is None else self.connection.engine
        if engine is None:
            return None
        from .tls import TlsInfo

        return TlsInfo(engine)

    def satisfied(self) -> bool:
        """Whoever drives the connection for this exchange can stop."""
        return self.done

    def body(self) -> bytes:
        """Return the body collected so far."""
        chunks = self.chunks
        if len(chunks) != 1:
            # Kept in one piece only, or a large body would take twice its size.
            self.chunks = chunks = [b"".join(chunks)]
        return chunks[0]


class PiecewiseExchange(Exchange):
    """An attempt whose body goes to the user piece by piece."""

    __slots__ = ("_arrived",)

    def __init__(self, request: Request, call: PendingCall | None = None) -> None:
        super().__init__(request, call)
        #: What has come and isn't the user's yet.
        self._arrived: deque[bytes] = deque()

    def on_data(self, view: memoryview | bytes) -> None:
        self._arrived.append(bytes(view))
        if self.news is not None:
            self.news.append(self)

    def on_response(self, head: ResponseHead, view: memoryview) -> None:
        self.on_head(head)
        if view:
            self.on_data(view)
        self.on_end([])

    def expect(self, length: int, remaining: int) -> None:
        pass  # nothing is collected


class IncrementalExchange(PiecewiseExchange):
    """An attempt whose body is given to a callback piece by piece, its content codings undone.

    :param on_recv: gets the exchange and each piece; where it returns ``False``, the piece is not kept for the
        response.
    :param withholds: says whether the body is to be kept as it comes for now.

    :ivar withheld: the pieces are kept, because another attempt may follow this one; ``None`` before the first.
    """

    __slots__ = (
        "_begun", "_decoder", "_delivering", "_kept", "_on_recv", "_withholds", "delivered", "withheld",
    )  # fmt: skip

    incremental = True

    def __init__(
        self,
        request: Request,
        on_recv: Callable[[IncrementalExchange, bytes], object],
        withholds: Callable[[IncrementalExchange], bool],
        call: PendingCall | None = None,
    ) -> None:
        super().__init__(request, call)
        self._on_recv = on_recv
        self._withholds = withholds
        self._begun = False
        self._decoder: ContentDecoder | None = None
        self._kept = 0
        self._delivering = False
        self.delivered = False
        self.withheld: bool | None = None

    def deliver(self) -> None:
        if self._delivering:
            return  # called from within the callback, by something that it has done
        self._delivering = True
        over = self.done and self.error is None  # looked at first, because more may arrive meanwhile
        arrived = self._arrived
        try:
            while arrived:
                piece = arrived.popleft()
                if self.withheld is None:
                    self.withheld = self._withholds(self)
                if self.withheld:
                    self.chunks.append(piece)
                    continue
                self.delivered = True
                for part in self._decode(piece):
                    if self._on_recv(self, part) is not False:
                        self._keep(part)
            if over and self._decoder is not None:
                self._decoder.finish()
        except DecodingError as error:
            error.locate(url=self.request.uri.to_string(), peer=self.peer)
            raise
        finally:
            self._delivering = False

    def _decode(self, piece: bytes) -> Iterable[bytes]:
        if not self._begun:
            self._begun = True
            codings = () if self.head is None else codings_of(self.head)
            if codings:
                self._decoder = ContentDecoder(codings)
        return (piece,) if self._decoder is None else self._decoder.decode(piece)

    def _keep(self, part: bytes) -> None:
        if self._decoder is not None:
            self._kept += len(part)
            limit = self.request.max_decoded_size
            if self._kept > limit > 0:
                raise too_large(limit)
        self.chunks.append(part)

    @property
    def decoded(self) -> bool:
        return self._decoder is not None

    def deliver_withheld(self) -> None:
        """Deliver what was kept back, because no other attempt follows."""
        if self.withheld:
            self.withheld = False
            chunks, self.chunks = self.chunks, []
            self._arrived.extend(chunks)
            self.deliver()


class StreamExchange(PiecewiseExchange):
    """An attempt whose body is pulled by the caller: nothing is read that nobody has asked for.

    :ivar wants_head: the caller waits for the head only, so far.
    :ivar taken: bytes that the caller has taken and HTTP/2 hasn't given back to the window yet.
    """

    __slots__ = ("taken", "wants_head")

    auto_consume = False

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.wants_head = True
        self.taken = 0

    def satisfied(self) -> bool:
        return self.done or bool(self._arrived) or (self.wants_head and self.head is not None)

    def take(self) -> bytes:
        """Return the next piece that has arrived, ``b""`` if none has."""
        return self._arrived.popleft() if self._arrived else b""
