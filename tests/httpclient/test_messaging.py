"""Messages and those who subscribe to them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from httpclient.errors import DecodingError, HttpClientError
from httpclient.headers import TgoHttpHeaders
from httpclient.messaging import TgoHttpResponseMessage, TMessage, TMessageManager


class Greeting(TMessage):
    def __init__(self, text: str) -> None:
        self.text = text


class LoudGreeting(Greeting):
    pass


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[object, str]] = []

    def hear(self, sender: object, message: Greeting) -> None:
        self.heard.append((sender, message.text))


def test_a_message_reaches_its_listeners_in_order() -> None:
    manager = TMessageManager()
    heard: list[tuple[str, object, Greeting]] = []

    def listener(name: str) -> Callable[[object, Greeting], None]:
        return lambda sender, message: heard.append((name, sender, message))

    for name in "abc":
        manager.subscribe_to_message(Greeting, listener(name))
    message = Greeting("hello")
    manager.send_message("me", message)
    assert heard == [("a", "me", message), ("b", "me", message), ("c", "me", message)]


def test_only_the_class_itself_is_heard() -> None:
    manager = TMessageManager()
    listener = Listener()
    manager.subscribe_to_message(Greeting, listener.hear)
    manager.send_message(None, LoudGreeting("HELLO"))
    manager.send_message(None, TMessage())
    assert listener.heard == []


def test_unsubscribe_by_number() -> None:
    manager = TMessageManager()
    listener = Listener()
    first = manager.subscribe_to_message(Greeting, listener.hear)
    second = manager.subscribe_to_message(Greeting, listener.hear)
    assert first != second
    manager.unsubscribe(Greeting, first)
    manager.send_message(None, Greeting("once"))
    assert listener.heard == [(None, "once")]
    manager.unsubscribe(Greeting, second)
    manager.unsubscribe(Greeting, second)
    manager.send_message(None, Greeting("never"))
    assert len(listener.heard) == 1
    assert manager.subscribe_to_message(Greeting, listener.hear) not in {first, second}


def test_unsubscribe_by_listener() -> None:
    manager = TMessageManager()
    listener, other = Listener(), Listener()
    manager.subscribe_to_message(Greeting, listener.hear)
    manager.subscribe_to_message(Greeting, other.hear)
    manager.subscribe_to_message(Greeting, listener.hear)
    manager.unsubscribe(Greeting, listener.hear)
    manager.unsubscribe(LoudGreeting, other.hear)
    manager.send_message(None, Greeting("x"))
    assert listener.heard == []
    assert other.heard == [(None, "x")]


def test_has_subscribers() -> None:
    manager = TMessageManager()
    assert not manager.has_subscribers(Greeting)
    number = manager.subscribe_to_message(Greeting, Listener().hear)
    assert manager.has_subscribers(Greeting)
    assert not manager.has_subscribers(LoudGreeting)
    manager.unsubscribe(Greeting, number)
    assert not manager.has_subscribers(Greeting)


def test_listeners_may_come_and_go_while_a_message_is_sent() -> None:
    manager = TMessageManager()
    late = Listener()
    calls = []

    def once(sender: object, message: Greeting) -> None:
        calls.append(message.text)
        manager.unsubscribe(Greeting, once)
        manager.subscribe_to_message(Greeting, late.hear)

    manager.subscribe_to_message(Greeting, once)
    manager.send_message(None, Greeting("first"))
    manager.send_message(None, Greeting("second"))
    assert calls == ["first"]
    assert late.heard == [(None, "second")]


def failing(sender: object, message: Greeting) -> None:
    raise ZeroDivisionError("in a listener")


def test_a_failing_listener_keeps_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reports.append)
    manager = TMessageManager()
    listener = Listener()
    manager.subscribe_to_message(Greeting, failing)
    manager.subscribe_to_message(Greeting, listener.hear)
    manager.send_message(None, Greeting("x"))
    assert listener.heard == [(None, "x")]
    (report,) = reports
    assert report.exc_type is ZeroDivisionError
    assert str(report.exc_value) == "in a listener"
    assert report.exc_traceback is not None
    assert report.object is failing


def test_a_failure_is_printed_by_default(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    manager = TMessageManager()
    manager.subscribe_to_message(Greeting, failing)
    manager.send_message(None, Greeting("x"))
    printed = capsys.readouterr().err
    assert "ZeroDivisionError: in a listener" in printed
    assert "Traceback" in printed


def test_a_listener_may_end_the_program() -> None:
    manager = TMessageManager()

    def leave(sender: object, message: Greeting) -> None:
        raise SystemExit

    manager.subscribe_to_message(Greeting, leave)
    with pytest.raises(SystemExit):
        manager.send_message(None, Greeting("x"))


def test_threads_subscribe_send_and_unsubscribe_at_once() -> None:
    manager = TMessageManager()
    steady = Listener()
    manager.subscribe_to_message(Greeting, steady.hear)
    numbers: list[int] = []

    def work() -> None:
        own = Listener()
        for _ in range(300):
            number = manager.subscribe_to_message(Greeting, own.hear)
            numbers.append(number)
            manager.send_message(None, Greeting("x"))
            manager.unsubscribe(Greeting, number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == 1200
    assert len(steady.heard) == 1200
    assert len(manager._listeners[Greeting]) == 1


def test_the_default_manager_is_shared() -> None:
    assert TMessageManager.default_manager is TMessageManager.default_manager
    assert TMessageManager().default_manager is TMessageManager.default_manager


def test_response_message() -> None:
    client: Any = object()
    headers = TgoHttpHeaders({"Content-Type": "text/html; charset=utf-8"})
    message = TgoHttpResponseMessage(client, headers, 200, "text/html; charset=utf-8", "utf-8", b"body")
    assert message.http_client is client
    assert message.response_headers is headers
    assert message.response_status_code == 200
    assert message.response_content_type == "text/html; charset=utf-8"
    assert message.response_content_charset == "utf-8"
    assert message.response == b"body"
    assert message.error is None
    assert message.http_response is None
    with pytest.raises(AttributeError):
        message.response = b""  # type: ignore[misc]


class Answer:
    """Looks like a response, as far as a message looks at one."""

    status_code = 201
    charset = "utf-8"

    def __init__(self, body: bytes | HttpClientError) -> None:
        self.headers = TgoHttpHeaders({"content-type": "text/plain; charset=UTF-8"})
        self._body = body

    @property
    def content(self) -> bytes:
        if isinstance(self._body, HttpClientError):
            raise self._body
        return self._body


def test_the_message_of_a_response() -> None:
    client: Any = object()
    answer: Any = Answer(b"body")
    message = TgoHttpResponseMessage.of(client, answer, None)
    assert message.response_headers is answer.headers
    assert message.http_response is answer
    assert message.response_status_code == 201
    assert message.response_content_type == "text/plain; charset=UTF-8"
    assert message.response_content_charset == "utf-8"
    assert message.response == b"body"
    assert message.error is None


def test_the_message_of_a_failure() -> None:
    client: Any = object()
    error = HttpClientError("failed")
    message = TgoHttpResponseMessage.of(client, None, error)
    assert message.error is error
    assert message.http_response is None
    assert message.response_status_code == 0
    assert message.response == b""
    assert len(message.response_headers) == 0


def test_the_message_of_a_body_that_cannot_be_decoded() -> None:
    client: Any = object()
    error = DecodingError("not gzip")
    answer: Any = Answer(error)
    message = TgoHttpResponseMessage.of(client, answer, None)
    assert message.error is error
    assert message.http_response is answer
    assert message.response_status_code == 201
    assert message.response == b""
