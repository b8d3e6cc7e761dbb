"""When a request is made again: after which failures and which responses, how often, and how much later.

Decides only: nothing here waits or sends. It comes after the repeats that a client makes by itself, at once, where an
idle connection turned out to be closed.

No Delphi origin: the original makes each request once.
"""

from __future__ import annotations

from .errors import (
    ClientClosedError,
    ConnectError,
    ConnectTimeoutError,
    Http2ConnectionError,
    Http2StreamError,
    HttpCertificateError,
    HttpTlsError,
    PoolTimeoutError,
    ReceiveTimeoutError,
    RefusedStreamError,
    RemoteClosedError,
    SendTimeoutError,
)
from .request import IDEMPOTENT_METHODS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

    from .errors import HttpClientError
    from .head import ResponseHead
    from .request import Request

#: Statuses after which the same request may succeed (RFC 6585 section 4, RFC 9110 sections 15.6.3 to 15.6.5).
RETRIED_STATUSES = frozenset((429, 502, 503, 504))

#: Raised before anything of the request was sent.
_UNSENT = (ConnectError, ConnectTimeoutError, PoolTimeoutError, HttpTlsError, RefusedStreamError)
#: Raised where nobody can know what has become of the request.
_UNKNOWN = (
    RemoteClosedError, ReceiveTimeoutError, SendTimeoutError, HttpTlsError, Http2StreamError, Http2ConnectionError,
)  # fmt: skip
#: What comes again and again, whenever it is tried.
_LASTING = (HttpCertificateError, ClientClosedError)
#: Likewise the HTTP/2 errors INADEQUATE_SECURITY and HTTP_1_1_REQUIRED (RFC 9113 section 7).
_LASTING_CODES = (12, 13)


class RetryPolicy:
    """Rules for making a request again. Can't be changed; safe to use from any thread, and by any number of clients.

    A request is made again only if its body can be sent again.

    :param attempts: how many times a request is repeated at most, after the first try.
    :param backoff: seconds before the first repeat; twice as many before each further one.
    :param max_backoff: the most seconds that this comes to.
    :param jitter: the share of these seconds, from 0 to 1, that is left to chance, so that clients that failed together
        don't come back together. 0.5 waits between half of them and all.
    :param statuses: responses with these statuses are followed by another try.
    :param methods: the methods that are repeated where the server may have done what it was asked; ``None`` for all.
        By default those that do no harm when they are done twice (RFC 9110 section 9.2.2).
    :param connect_errors: repeat, whatever the method, where nothing of the request was sent: no address, no
        connection, no TLS, or a stream that the server refused unseen. A certificate that isn't accepted is not among
        them.
    :param respect_retry_after: wait as long as the server says in Retry-After (RFC 9110 section 10.2.3).
    :param max_retry_after: the most seconds to wait then. If the server asks for more, its response is the result.
    :raises ValueError: a number can't be used.
    """

    __slots__ = (
        "attempts", "backoff", "connect_errors", "jitter", "max_backoff", "max_retry_after", "methods",
        "respect_retry_after", "statuses",
    )  # fmt: skip

    attempts: int
    backoff: float
    max_backoff: float
    jitter: float
    statuses: frozenset[int]
    methods: frozenset[str] | None
    connect_errors: bool
    respect_retry_after: bool
    max_retry_after: float

    def __init__(
        self,
        attempts: int = 3,
        *,
        backoff: float = 0.5,
        max_backoff: float = 30.0,
        jitter: float = 0.5,
        statuses: Iterable[int] = RETRIED_STATUSES,
        methods: Iterable[str] | None = IDEMPOTENT_METHODS,
        connect_errors: bool = True,
        respect_retry_after: bool = True,
        max_retry_after: float = 60.0,
    ) -> None:
        if not isinstance(attempts, int) or attempts < 0:
            raise ValueError(f"attempts is a whole number, 0 or more, not {attempts!r}")
        if isinstance(methods, str):
            raise ValueError("methods is a collection of methods, not one text")
        put = object.__setattr__
        put(self, "attempts", attempts)
        put(self, "backoff", _seconds(backoff, "backoff"))
        put(self, "max_backoff", _seconds(max_backoff, "max_backoff"))
        put(self, "max_retry_after", _seconds(max_retry_after, "max_retry_after"))
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter is a share from 0 to 1, not {jitter!r}")
        put(self, "jitter", jitter)
        put(self, "statuses", frozenset(statuses))
        put(self, "methods", None if methods is None else frozenset(methods))
        put(self, "connect_errors", bool(connect_errors))
        put(self, "respect_retry_after", bool(respect_retry_after))

    def delay_after_failure(self, request: Request, error: HttpClientError, attempt: int) -> float | None:
        """Return how many seconds to wait before the next try of a request that has failed; ``None`` for no other try.

        :param attempt: the number of the try that has failed, beginning with 1.
        """
        if attempt > self.attempts or isinstance(error, _LASTING) or not request.repeatable:
            return None
        if getattr(error, "error_code", 0) in _LASTING_CODES:
            return None
        if error.retry_safe and isinstance(error, _UNSENT):
            again = self.connect_errors
        else:
            again = isinstance(error, _UNKNOWN) and self._allows(request)
        return self._backoff(attempt) if again else None

    def delay_after_response(self, request: Request, head: ResponseHead, attempt: int) -> float | None:
        """Return how many seconds to wait before the next try of a request; ``None`` if the response is the result.

        :param head: the head of the response.
        :param attempt: the number of the try that it answers, beginning with 1.
        """
        if head.status not in self.statuses or attempt > self.attempts:
            return None
        if not self._allows(request) or not request.repeatable:
            return None
        if self.respect_retry_after:
            wanted = retry_after(head)
            if wanted > self.max_retry_after:
                return None
            if wanted > 0:
                return wanted
        return self._backoff(attempt)

    def _allows(self, request: Request) -> bool:
        return self.methods is None or request.method in self.methods

    def _backoff(self, attempt: int) -> float:
        # Beyond 2**64 it is max_backoff in any case.
        seconds = min(self.max_backoff, self.backoff * 2.0 ** min(max(attempt - 1, 0), 64))
        if self.jitter and seconds:
            from random import random

            seconds -= seconds * self.jitter * random()
        return seconds

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is RetryPolicy else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a retry policy can't be changed; make another")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a retry policy can't be changed; make another")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, ({name: getattr(self, name) for name in self.__slots__},)

    def __repr__(self) -> str:
        return (
            f"RetryPolicy({self.attempts}, backoff={self.backoff!r}, max_backoff={self.max_backoff!r}, "
            f"jitter={self.jitter!r}, statuses={sorted(self.statuses)!r}, "
            f"methods={None if self.methods is None else sorted(self.methods)!r}, "
            f"connect_errors={self.connect_errors!r}, respect_retry_after={self.respect_retry_after!r}, "
            f"max_retry_after={self.max_retry_after!r})"
        )


def _rebuild(values: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(**values)


def _seconds(value: float, name: str) -> float:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} is a number of seconds, 0 or more, not {value!r}")
    return value


def retry_after(head: ResponseHead) -> float:
    """Return how many seconds a response asks to wait (RFC 9110 section 10.2.3).

    :return: 0 where it doesn't, where the time has passed, and where what it says makes no sense; at most 1e10.
    """
    value = head.get(b"retry-after")
    if value is None:
        return 0.0
    if value.isdigit():  # of bytes: ASCII digits
        value = value.lstrip(b"0")
        return float(value or b"0") if len(value) <= 10 else 1e10
    from ._http_date import parse_http_date

    # Both dates are the server's, if it says what time it is there; our clock may differ.
    now = _now()
    then = parse_http_date(value, now)
    if then is None:
        return 0.0
    date = head.get(b"date")
    server_now = None if date is None else parse_http_date(date, now)
    return min(max(0.0, then - (now if server_now is None else server_now)), 1e10)


def _now() -> float:
    from time import time

    return time()
