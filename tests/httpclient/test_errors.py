"""The tree of exceptions: what they are, what they say, and what they never say."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from httpclient import errors
from httpclient.errors import (
    BodyError,
    ClientClosedError,
    ConnectError,
    ConnectTimeoutError,
    DeadlineError,
    DecodingError,
    Http2ConnectionError,
    Http2StreamError,
    HttpCertificateError,
    HttpClientError,
    HttpProtocolError,
    HttpStatusError,
    HttpTimeoutError,
    HttpTlsError,
    InvalidRequestError,
    InvalidUrlError,
    PoolTimeoutError,
    ProxyError,
    ReceiveTimeoutError,
    RedirectError,
    RefusedStreamError,
    RemoteClosedError,
    RequestAbortedError,
    SendTimeoutError,
    TooManyRedirectsError,
    compose_message,
    http2_error_name,
    without_credentials,
)

URL = "https://user:secret@host.example:8443/path?q=1"
SHOWN = "https://host.example:8443/path?q=1"


class Answer:
    """Looks like a response, as far as the errors look at one."""

    status_code = 404
    reason = "Not Found"
    url = URL

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer)

    __hash__ = None  # type: ignore[assignment]


BUILT_IN: dict[type[HttpClientError], type[Exception]] = {
    BodyError: ValueError,
    ClientClosedError: RuntimeError,
    ConnectError: OSError,
    ConnectTimeoutError: TimeoutError,
    DeadlineError: TimeoutError,
    DecodingError: ValueError,
    Http2ConnectionError: OSError,
    Http2StreamError: OSError,
    HttpCertificateError: OSError,
    HttpProtocolError: OSError,
    HttpStatusError: OSError,
    HttpTimeoutError: TimeoutError,
    HttpTlsError: OSError,
    InvalidRequestError: ValueError,
    InvalidUrlError: ValueError,
    PoolTimeoutError: TimeoutError,
    ProxyError: OSError,
    ReceiveTimeoutError: TimeoutError,
    RedirectError: OSError,
    RefusedStreamError: OSError,
    RemoteClosedError: ConnectionError,
    RequestAbortedError: ConnectionAbortedError,
    SendTimeoutError: TimeoutError,
    TooManyRedirectsError: OSError,
}
CLASSES = list(BUILT_IN)


def make(error_class: type[HttpClientError], **options: Any) -> HttpClientError:
    if error_class is HttpStatusError:
        return HttpStatusError(Answer(), **options)
    return error_class("it happened", **options)


def test_every_public_class_is_in_the_table() -> None:
    public = {
        value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, HttpClientError) and not name.startswith("_")
    }
    assert public == {*CLASSES, HttpClientError}


@pytest.mark.parametrize("error_class", CLASSES)
def test_each_is_also_what_fits_among_the_built_in(error_class: type[HttpClientError]) -> None:
    error = make(error_class)
    assert isinstance(error, HttpClientError)
    assert isinstance(error, BUILT_IN[error_class])
    # What isn't a time-out must not be caught as one.
    assert isinstance(error, TimeoutError) is issubclass(error_class, HttpTimeoutError)


@pytest.mark.parametrize("error_class", CLASSES)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_each_can_be_pickled_and_copied(error_class: type[HttpClientError], protocol: int) -> None:
    error = make(error_class, url=URL)
    error.locate(peer="192.0.2.1:443")
    error.add_note("seen by a test")
    for same in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):
        assert type(same) is error_class
        assert str(same) == str(error)
        assert same.args == error.args
        assert vars(same) == vars(error)
        assert same.retry_safe is error.retry_safe
        assert same.__notes__ == ["seen by a test"]


def test_a_pickled_error_keeps_its_number() -> None:
    error = ConnectError("connection refused")
    error.errno = 111
    assert pickle.loads(pickle.dumps(error)).errno == 111
    assert str(error).startswith("connection refused")


@pytest.mark.parametrize("error_class", CLASSES)
def test_the_message_says_what_where_and_what_to_do(error_class: type[HttpClientError]) -> None:
    error = make(error_class, url=URL, advice="Do this")
    error.locate(phase="receive", peer="192.0.2.1:443")
    text = str(error)
    assert text.startswith("the server answered 404 Not Found" if error_class is HttpStatusError else "it happened")
    assert SHOWN in text
    assert error.phase
    assert f"phase {error.phase}" in text
    assert "peer 192.0.2.1:443" in text
    assert text.endswith(". Do this")
    assert repr(error) == f"{error_class.__name__}({text!r})"


@pytest.mark.parametrize("error_class", CLASSES)
def test_credentials_are_in_no_error(error_class: type[HttpClientError]) -> None:
    error = make(error_class, url=URL)
    assert error.url == SHOWN
    error.url = URL
    assert error.url == SHOWN
    for text in (str(error), repr(error), repr({key: vars(error)[key] for key in vars(error) if key != "response"})):
        assert "secret" not in text
        assert "user" not in text
    other = make(error_class).locate(url=URL)
    assert "secret" not in str(other)


def test_locating_adds_only_what_is_missing() -> None:
    error = HttpProtocolError("bad", phase="send")
    assert error.locate(url="http://a/", phase="receive", peer="one") is error
    error.locate(url="http://b/", phase="connect", peer="two")
    assert (error.url, error.phase, error.peer) == ("http://a/", "send", "one")


@pytest.mark.parametrize(
    ("url", "strict", "shown"),
    [
        ("http://host/", False, "http://host/"),
        ("http://u@host/", False, "http://host/"),
        ("http://u:p@host/@x?y@z#@", False, "http://host/@x?y@z#@"),
        ("http://u:p@q@host", False, "http://host"),
        ("http://host/a@b", False, "http://host/a@b"),
        ("//u:p@host/", False, "//host/"),
        ("u:p@host/", False, "host/"),
        ("http://user:pa/ss@host/", True, "http://host/"),
        ("http://user:pa?ss#1@host/", True, "http://host/"),
        ("http:/user:pass@host/", True, "host/"),
        ("http://h/\r\nx\x00\x7f\u2028", False, "http://h/\\r\\nx\\x00\\x7f\\u2028"),
        ("", False, ""),
    ],
)
def test_without_credentials(url: str, strict: bool, shown: str) -> None:
    assert without_credentials(url, strict=strict) == shown


def test_an_invalid_url_shows_nothing_in_front_of_its_last_at() -> None:
    error = InvalidUrlError("the port is not a number", url="http://user:pa/ss@host/")
    assert "pa" not in error.url
    assert str(error) == "the port is not a number (url http://host/, phase prepare)"


def test_a_long_url_is_cut_in_the_message_only() -> None:
    url = "http://host/" + "x" * 1000
    error = ConnectError("refused", url=url)
    assert error.url == url
    assert len(str(error)) < 500


def test_compose_message() -> None:
    assert compose_message("what") == "what"
    assert compose_message("what", advice="Do") == "what. Do"
    assert compose_message("what", peer="p") == "what (peer p)"
    assert (
        compose_message("what", url=URL, phase="tls", peer="p", advice="Do")
        == f"what (url {SHOWN}, phase tls, peer p). Do"
    )


@pytest.mark.parametrize(
    ("error", "safe"),
    [
        (ConnectError(), True),
        (ConnectTimeoutError(), True),
        (PoolTimeoutError(), True),
        (ProxyError(), True),
        (HttpCertificateError(), True),
        (HttpTlsError(), True),
        (HttpTlsError(phase="receive"), False),
        (HttpTlsError(phase="receive", retry_safe=True), True),
        (RefusedStreamError(), True),
        (Http2StreamError(), False),
        (Http2ConnectionError(), False),
        (Http2ConnectionError(retry_safe=True), True),
        (ReceiveTimeoutError(), False),
        (SendTimeoutError(), False),
        (RemoteClosedError(), False),
        (RemoteClosedError(retry_safe=True), True),
        (InvalidUrlError(), False),
    ],
)
def test_retry_safe(error: HttpClientError, safe: bool) -> None:
    assert error.retry_safe is safe
    assert pickle.loads(pickle.dumps(error)).retry_safe is safe


def test_http2_errors_carry_and_name_their_code() -> None:
    assert http2_error_name(0) == "NO_ERROR"
    assert http2_error_name(13) == "HTTP_1_1_REQUIRED"
    assert http2_error_name(14) == "0xe"
    assert Http2StreamError(error_code=8).error_code == 8
    assert str(Http2StreamError(error_code=8)).startswith("the HTTP/2 stream ended with CANCEL")
    assert str(Http2ConnectionError(error_code=11)).startswith("the HTTP/2 connection ended with ENHANCE_YOUR_CALM")
    assert RefusedStreamError().error_code == 7
    assert pickle.loads(pickle.dumps(Http2StreamError("x", 5))).error_code == 5


def test_status_and_redirect_errors_carry_the_response() -> None:
    answer = Answer()
    assert HttpStatusError(answer).response is answer
    assert TooManyRedirectsError("circle", answer).response is answer
    assert RedirectError().response is None
    assert HttpCertificateError("expired", verify_code=10).verify_code == 10


def test_an_error_without_words_has_its_name() -> None:
    assert str(DeadlineError()) == "DeadlineError"
