"""From the errors of the packages below to ours: which cause, and in which phase of the request."""

from __future__ import annotations

from socketpool import (
    ConnectionTimeoutError,
    ManagerClosedError,
    TransferTimeoutError,
)

from .errors import (
    PHASE_CONNECT,
    PHASE_POOL,
    PHASE_RECEIVE,
    PHASE_SEND,
    ConnectError,
    ConnectTimeoutError,
    DeadlineError,
    HttpCertificateError,
    HttpClientError,
    HttpTlsError,
    ReceiveTimeoutError,
    RemoteClosedError,
    RequestAbortedError,
    SendTimeoutError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .request import Request

_DOING = {
    PHASE_POOL: "waiting for a connection",
    PHASE_CONNECT: "connecting",
    PHASE_SEND: "sending the request",
    PHASE_RECEIVE: "waiting for the response",
}


class EventFailedError(RequestAbortedError):
    """An event of the client has raised something, its ``__cause__``, and so ended the request.

    A blocking call raises the cause itself; a Future carries this.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"an event of the client failed: {error!r}")
        self.__cause__ = error


def _text(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


def aborted(what: str = "the client was closed while the request was running") -> RequestAbortedError:
    """Return the error of a request that this side gave up."""
    return RequestAbortedError(what)


def deadline_passed(phase: str) -> DeadlineError:
    """Return the error of a request whose overall time limit has passed in a phase."""
    return DeadlineError(f"the overall time limit has passed while {_DOING[phase]}", phase=phase)


def _tls_failure(error: OSError) -> HttpClientError | None:
    # Without importing openssl_api, which a process that speaks no TLS never loads.
    names = {base.__name__ for base in type(error).__mro__}
    if "TlsCertificateError" in names:
        return HttpCertificateError(
            _text(error), verify_code=getattr(error, "verify_code", 0), advice=getattr(error, "advice", "")
        )
    # A reset below TLS is a reset.
    if "TlsError" in names and "TlsTransportError" not in names:
        return HttpTlsError(_text(error))
    return None


def connect_failure(error: BaseException, request: Request) -> HttpClientError:
    """Return what to raise where no connection could be made."""
    failure: HttpClientError
    if isinstance(error, HttpClientError):
        failure = error
    elif isinstance(error, ManagerClosedError):
        failure = aborted()
    elif isinstance(error, ConnectionTimeoutError):
        failure = ConnectTimeoutError(_text(error))
    else:
        tls = _tls_failure(error) if isinstance(error, OSError) else None
        failure = tls or ConnectError(_text(error))
        if isinstance(failure, OSError) and isinstance(error, OSError):
            failure.errno = error.errno
    if failure is not error:
        failure.__cause__ = error
    return failure.locate(url=request.uri.to_string())


def transfer_failure(error: BaseException, request: Request, peer: str, *, sending: bool) -> HttpClientError:
    """Return what to raise where a connection failed while a request was on it."""
    failure: HttpClientError
    if isinstance(error, HttpClientError):
        failure = error
    elif isinstance(error, ManagerClosedError):
        failure = aborted()
    elif isinstance(error, TransferTimeoutError):
        failure = SendTimeoutError(_text(error)) if sending else ReceiveTimeoutError(_text(error))
    elif not isinstance(error, OSError):
        failure = aborted(f"the request could not go on: {error!r}")
    else:
        tls = _tls_failure(error)
        if tls is not None:
            tls.retry_safe = False
        failure = tls or RemoteClosedError(_text(error))
        failure.phase = PHASE_SEND if sending else PHASE_RECEIVE
    if failure is not error:
        failure.__cause__ = error
    return failure.locate(url=request.uri.to_string(), peer=peer)
