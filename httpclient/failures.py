"""From the errors of the packages below to ours: which cause, and in which phase of the request."""

from __future__ import annotations

from socketpool import (
    ConnectionTimeoutError,
    ManagerClosedError,
    TransferTimeoutError,
)

from .errors import (
    PHASE_RECEIVE,
    PHASE_SEND,
    ConnectError,
    ConnectTimeoutError,
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


def _text(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


def aborted(what: str = "the client was closed while the request was running") -> RequestAbortedError:
    """Return the error of a request that this side gave up."""
    return RequestAbortedError(what)


def _tls_failure(error: OSError) -> HttpClientError | None:
    # Without importing openssl_api, which a process that speaks no TLS never loads.
    names = {base.__name__ for base in type(error).__mro__}
    if "TlsCertificateError" in names:
        return HttpCertificateError(_text(error), verify_code=getattr(error, "verify_code", 0))
    if "TlsError" in names:
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
    else:
        tls = _tls_failure(error) if isinstance(error, OSError) else None
        if tls is not None:
            tls.retry_safe = False
        failure = tls or RemoteClosedError(_text(error))
        failure.phase = PHASE_SEND if sending else PHASE_RECEIVE
    if failure is not error:
        failure.__cause__ = error
    return failure.locate(url=request.uri.to_string(), peer=peer)
