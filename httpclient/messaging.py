"""Messages to whoever subscribed to them: Delphi's ``System.Messaging``, as far as the original uses it.

A non-blocking request ends in a :class:`TgoHttpResponseMessage` to those who asked for that::

    def listener(sender: object, message: TgoHttpResponseMessage) -> None: ...
    TMessageManager.default_manager.subscribe_to_message(TgoHttpResponseMessage, listener)

Delphi: System.Messaging, and Grijjy.Http.TgoHttpResponseMessage
"""

from __future__ import annotations

import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, TypeVar

    from .client import TgoHttpClient
    from .errors import HttpClientError
    from .headers import TgoHttpHeaders
    from .response import HttpResponse

    MessageType = TypeVar("MessageType", bound="TMessage")


class TMessage:
    """What is sent; derive from it. Delphi: System.Messaging.TMessage"""

    __slots__ = ("__weakref__",)


class TMessageManager:
    """Brings messages to their listeners. All members may be used from any thread, and from within a listener.

    Delphi: System.Messaging.TMessageManager
    """

    __slots__ = ("_last_id", "_listeners", "_lock")

    #: The manager that everybody shares. Delphi: System.Messaging.TMessageManager.DefaultManager
    default_manager: ClassVar[TMessageManager]

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_id = 0
        #: By message class; a tuple is replaced and never changed, so that sending needs no lock.
        self._listeners: dict[type[TMessage], tuple[tuple[int, Callable[[Any, Any], object]], ...]] = {}

    def subscribe_to_message(
        self, message_class: type[MessageType], listener: Callable[[Any, MessageType], object]
    ) -> int:
        """Have *listener* called with ``(sender, message)`` for every message of exactly this class.

        It is called in the thread that sends, which for responses is a worker thread: it should be quick.

        :return: a number by which to unsubscribe; it is never used again.

        Delphi: System.Messaging.TMessageManager.SubscribeToMessage
        """
        with self._lock:
            self._last_id += 1
            number = self._last_id
            self._listeners[message_class] = (*self._listeners.get(message_class, ()), (number, listener))
            return number

    def unsubscribe(
        self, message_class: type[MessageType], listener: int | Callable[[Any, MessageType], object]
    ) -> None:
        """Stop calling a listener; a call that is under way in another thread may still end later.

        :param listener: the number that subscribing returned, or the listener itself, which ends all of its
            subscriptions to this class. An unknown one is ignored.

        Delphi: System.Messaging.TMessageManager.Unsubscribe
        """
        with self._lock:
            rest = tuple(
                (number, function)
                for number, function in self._listeners.get(message_class, ())
                # By equality: each access to a method makes a new object.
                if listener not in (number, function)
            )
            if rest:
                self._listeners[message_class] = rest
            else:
                self._listeners.pop(message_class, None)

    def has_subscribers(self, message_class: type[TMessage]) -> bool:
        """Whether sending a message of this class would reach anybody: to find out before making one."""
        return message_class in self._listeners

    def send_message(self, sender: object, message: TMessage) -> None:
        """Call the listeners of the message's class, in the order in which they subscribed, in this thread.

        A listener that fails doesn't keep the message from the others, nor does it harm the sender: the exception
        goes to ``sys.unraisablehook``, which prints it with its traceback unless it is replaced.

        Delphi: System.Messaging.TMessageManager.SendMessage
        """
        for _, listener in self._listeners.get(type(message), ()):
            try:
                listener(sender, message)
            except Exception as error:
                _report(error, listener)


def _report(error: Exception, listener: object) -> None:
    """Hand a listener's exception to ``sys.unraisablehook``."""
    # The hook takes any object with these attributes; the real class can't be made in Python.
    from types import SimpleNamespace

    arguments: Any = SimpleNamespace(
        exc_type=type(error),
        exc_value=error,
        exc_traceback=error.__traceback__,
        err_msg="Exception ignored in the message listener",
        object=listener,
    )
    try:
        sys.unraisablehook(arguments)
    except TypeError:
        # The interpreter's own hook insists on the real class; sys.excepthook prints the same.
        sys.excepthook(type(error), error, error.__traceback__)


TMessageManager.default_manager = TMessageManager()


class TgoHttpResponseMessage(TMessage):
    """The result of a non-blocking request.

    :param http_client: the client that made the request.
    :param response_headers: header fields of the response.
    :param response_status_code: its status code; 0 where the request failed.
    :param response_content_type: its Content-Type; empty where there is none.
    :param response_content_charset: the charset of its Content-Type; empty where there is none.
    :param response: its body.
    :param error: why the request failed; ``None`` where it didn't.
    :param http_response: the response itself; ``None`` where the request failed.

    Differs from Delphi: a failed request sends a message, too. Delphi: Grijjy.Http.TgoHttpResponseMessage
    """

    __slots__ = (
        "_error",
        "_http_client",
        "_http_response",
        "_response",
        "_response_content_charset",
        "_response_content_type",
        "_response_headers",
        "_response_status_code",
    )

    def __init__(  # noqa: PLR0917 - the original's parameters
        self,
        http_client: TgoHttpClient,
        response_headers: TgoHttpHeaders,
        response_status_code: int,
        response_content_type: str,
        response_content_charset: str,
        response: bytes,
        *,
        error: HttpClientError | None = None,
        http_response: HttpResponse | None = None,
    ) -> None:
        self._http_client = http_client
        self._response_headers = response_headers
        self._response_status_code = response_status_code
        self._response_content_type = response_content_type
        self._response_content_charset = response_content_charset
        self._response = response
        self._error = error
        self._http_response = http_response

    @classmethod
    def of(
        cls, http_client: TgoHttpClient, http_response: HttpResponse | None, error: HttpClientError | None
    ) -> TgoHttpResponseMessage:
        """Make the message of a request that ended.

        :param http_response: the response, or ``None``.
        :param error: why there is none.
        """
        from .headers import TgoHttpHeaders

        body = b""
        if http_response is not None:
            from .errors import HttpClientError

            try:
                body = http_response.content
            except HttpClientError as failure:
                # The body can't be decoded: the message says so, and the response is there to look at.
                error = error or failure
        if http_response is None:
            return cls(http_client, TgoHttpHeaders(), 0, "", "", b"", error=error)
        headers = http_response.headers
        return cls(
            http_client,
            headers,
            http_response.status_code,
            headers.value("content-type"),
            http_response.charset,
            body,
            error=error,
            http_response=http_response,
        )

    @property
    def http_client(self) -> TgoHttpClient:
        """The client that made the request. Delphi: Grijjy.Http.TgoHttpResponseMessage.HttpClient"""
        return self._http_client

    @property
    def response_headers(self) -> TgoHttpHeaders:
        """The header fields. Delphi: Grijjy.Http.TgoHttpResponseMessage.ResponseHeaders"""
        return self._response_headers

    @property
    def response_status_code(self) -> int:
        """The status code; 0 where the request failed. Delphi: Grijjy.Http.TgoHttpResponseMessage.ResponseStatusCode"""
        return self._response_status_code

    @property
    def response_content_type(self) -> str:
        """The Content-Type. Delphi: Grijjy.Http.TgoHttpResponseMessage.ResponseContentType"""
        return self._response_content_type

    @property
    def response_content_charset(self) -> str:
        """The charset of the Content-Type. Delphi: Grijjy.Http.TgoHttpResponseMessage.ResponseContentCharset"""
        return self._response_content_charset

    @property
    def response(self) -> bytes:
        """The body. Delphi: Grijjy.Http.TgoHttpResponseMessage.Response"""
        return self._response

    @property
    def error(self) -> HttpClientError | None:
        """Why the request failed; ``None`` where it didn't."""
        return self._error

    @property
    def http_response(self) -> HttpResponse | None:
        """The response itself; ``None`` where the request failed."""
        return self._http_response
