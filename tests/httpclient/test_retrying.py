"""When a request is made again, and how much later."""

from __future__ import annotations

import copy
import datetime
import email.utils
import inspect
import math
import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import httpclient
from httpclient import HttpClientError, ResponseHead, TgoURI
from httpclient._http_date import parse_http_date
from httpclient.content.body import Body, make_body
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
    HttpProtocolError,
    HttpTlsError,
    InvalidRequestError,
    PoolTimeoutError,
    ReceiveTimeoutError,
    RedirectError,
    RefusedStreamError,
    RemoteClosedError,
    RequestAbortedError,
    SendTimeoutError,
)
from httpclient.request import Request
from httpclient.retrying import RETRIED_STATUSES, RetryPolicy, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

#: No chance, so that seconds can be compared.
EXACT = RetryPolicy(3, jitter=0)


def request(method: str = "GET", body: Body | None = None) -> Request:
    return Request(method, TgoURI("http://example.org/"), [], body, 1.0, 1.0, 0.0)


def response(status: int = 503, **fields: str) -> ResponseHead:
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]
    return ResponseHead(status, b"", "1.1", pairs)


def once() -> Body:
    return make_body(iter([b"data"]))


# How often and how much later


def test_the_simple_use() -> None:
    policy = RetryPolicy(3)
    delays = [policy.delay_after_response(request(), response(), attempt) for attempt in range(1, 7)]
    assert [delay is not None for delay in delays] == [True, True, True, False, False, False]
    failures = [policy.delay_after_failure(request(), ConnectError("x"), attempt) for attempt in range(1, 7)]
    assert [delay is not None for delay in failures] == [True, True, True, False, False, False]


def test_none_at_all() -> None:
    policy = RetryPolicy(0)
    assert policy.delay_after_response(request(), response(), 1) is None
    assert policy.delay_after_failure(request(), ConnectError("x"), 1) is None


def test_it_doubles_up_to_a_limit() -> None:
    policy = RetryPolicy(10**6, backoff=0.25, max_backoff=3, jitter=0)
    delays = [policy.delay_after_failure(request(), ConnectError("x"), attempt) for attempt in range(1, 8)]
    assert delays == [0.25, 0.5, 1.0, 2.0, 3, 3, 3]
    assert policy.delay_after_failure(request(), ConnectError("x"), 10**6) == 3
    assert RetryPolicy(5, backoff=0).delay_after_response(request(), response(), 5) == 0
    assert RetryPolicy(5, backoff=9, max_backoff=1, jitter=0).delay_after_response(request(), response(), 1) == 1


@pytest.mark.parametrize("jitter", [0.1, 0.5, 1.0])
def test_a_share_is_left_to_chance(jitter: float) -> None:
    policy = RetryPolicy(3, backoff=2, jitter=jitter)
    delays = [policy.delay_after_failure(request(), ConnectError("x"), 2) for _ in range(200)]
    found = [delay for delay in delays if delay is not None]
    assert len(set(found)) > 100
    assert 4 * (1 - jitter) <= min(found) < 4 - 2 * jitter < max(found) <= 4


# After failures

UNSENT = [ConnectError("x"), ConnectTimeoutError("x"), PoolTimeoutError("x"), HttpTlsError("x"), RefusedStreamError()]
UNKNOWN = [
    RemoteClosedError("x"),
    ReceiveTimeoutError("x"),
    SendTimeoutError("x"),
    HttpTlsError("x", phase="receive"),
    Http2StreamError("x", 2),
    Http2ConnectionError("x", 11),
]
FINAL = [
    HttpCertificateError("x"),
    ClientClosedError("x"),
    DeadlineError("x"),
    HttpProtocolError("x"),
    Http2StreamError("x", 13),
    Http2ConnectionError("x", 12),
    DecodingError("x"),
    RedirectError("x"),
    RequestAbortedError("x"),
    InvalidRequestError("x"),
    BodyError("x"),
    HttpClientError("x"),
]


def name_of(error: object) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", UNSENT, ids=name_of)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "X"])
def test_what_was_not_sent_is_sent_again(error: HttpClientError, method: str) -> None:
    assert EXACT.delay_after_failure(request(method), error, 1) == 0.5
    never = RetryPolicy(3, connect_errors=False)
    assert never.delay_after_failure(request(method), error, 1) is None


@pytest.mark.parametrize("error", UNKNOWN, ids=name_of)
def test_what_may_have_been_done_depends_on_the_method(error: HttpClientError) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"):
        assert EXACT.delay_after_failure(request(method), error, 1) == 0.5
    for method in ("POST", "PATCH", "CONNECT", "get"):
        assert EXACT.delay_after_failure(request(method), error, 1) is None
    own = RetryPolicy(3, methods=["POST"], jitter=0)
    assert own.delay_after_failure(request("POST"), error, 1) == 0.5
    assert own.delay_after_failure(request("GET"), error, 1) is None
    assert RetryPolicy(3, methods=None, jitter=0).delay_after_failure(request("PATCH"), error, 1) == 0.5
    # That nothing was sent is another matter.
    assert RetryPolicy(3, connect_errors=False, jitter=0).delay_after_failure(request(), error, 1) == 0.5


@pytest.mark.parametrize("error", FINAL, ids=name_of)
def test_what_cannot_get_better_is_left(error: HttpClientError) -> None:
    assert RetryPolicy(3, methods=None).delay_after_failure(request(), error, 1) is None


def test_every_error_was_thought_of() -> None:
    errors = {
        value
        for name in httpclient.__all__
        if inspect.isclass(value := getattr(httpclient, name)) and issubclass(value, HttpClientError)
    }
    policy = RetryPolicy(3, methods=None)
    again = {each for each in errors if policy.delay_after_failure(request(), each.__new__(each), 1) is not None}
    # A new kind of error isn't repeated before somebody has decided that it may be.
    assert again <= {type(error) for error in UNSENT + UNKNOWN}


def test_a_body_that_is_gone_cannot_be_sent_again() -> None:
    for method in ("PUT", "GET"):
        assert EXACT.delay_after_failure(request(method, Body(b"data")), ConnectError("x"), 1) == 0.5
        assert EXACT.delay_after_failure(request(method, once()), ConnectError("x"), 1) is None
        assert EXACT.delay_after_response(request(method, Body(b"data")), response(), 1) == 0.5
        assert EXACT.delay_after_response(request(method, once()), response(), 1) is None


# After responses


@pytest.mark.parametrize("status", range(100, 600))
def test_statuses(status: int) -> None:
    again = EXACT.delay_after_response(request(), response(status), 1) is not None
    assert again == (status in {429, 502, 503, 504})
    own = RetryPolicy(3, statuses=[500])
    assert (own.delay_after_response(request(), response(status), 1) is not None) == (status == 500)


def test_statuses_and_methods() -> None:
    for method in ("POST", "PATCH"):
        assert EXACT.delay_after_response(request(method), response(), 1) is None
        assert RetryPolicy(3, methods=None).delay_after_response(request(method), response(), 1) is not None
    assert EXACT.delay_after_response(request("PUT"), response(), 1) == 0.5
    assert RetryPolicy(3, methods=()).delay_after_response(request("PUT"), response(), 1) is None


def after(value: str, **options: Any) -> float | None:
    policy = RetryPolicy(3, jitter=0, **options)
    return policy.delay_after_response(request(), response(Retry_After=value, Date="Sun, 06 Nov 1994 08:49:37 GMT"), 1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        ("0007", 7.0),
        ("60", 60.0),
        # Longer than anybody waits: the response is the result.
        ("61", None),
        ("9999999999", None),
        ("9" * 4000, None),
        # RFC 9110 section 5.6.7
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:50:38 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        # Nothing to wait for: as if it weren't there.
        ("0", 0.5),
        ("0" * 4000, 0.5),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.5),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 0.5),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0.5),
        # Nonsense, too.
        ("", 0.5),
        ("-1", 0.5),
        ("+5", 0.5),
        ("5.0", 0.5),
        ("1e3", 0.5),
        ("0x10", 0.5),
        ("inf", 0.5),
        ("nan", 0.5),
        ("5, 6", 0.5),
        ("\xb2", 0.5),
        ("soon", 0.5),
        ("a" * 10_000, 0.5),
        ("Sun, 99 Nov 1994 08:49:47 GMT", 0.5),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert after(value) == seconds


def test_retry_after_can_be_bounded_and_passed_over() -> None:
    assert after("10", max_retry_after=9.5) is None
    assert after("10", max_retry_after=10) == 10
    assert after("10", max_retry_after=0) is None
    assert after("10", respect_retry_after=False) == 0.5
    assert after("9999999999", respect_retry_after=False) == 0.5
    assert after("9999999999", max_retry_after=1e12) == 9999999999


def test_retry_after_changes_nothing_about_who_and_how_often() -> None:
    head = response(Retry_After="5")
    assert EXACT.delay_after_response(request("POST"), head, 1) is None
    assert EXACT.delay_after_response(request(), head, 4) is None
    assert EXACT.delay_after_response(request(), response(500, Retry_After="5"), 1) is None


def test_a_date_is_the_servers() -> None:
    # Its clock may be wrong; the difference isn't.
    later = "Sun, 06 Nov 1994 08:49:47 GMT"
    assert retry_after(response(Retry_After=later, Date="Sun, 06 Nov 1994 08:49:40 GMT")) == 7
    # Without one, it is ours that counts.
    assert retry_after(response(Retry_After=later)) == 0
    assert retry_after(response(Retry_After=later, Date="today")) == 0
    hour = email.utils.formatdate(time.time() + 3600, usegmt=True)
    assert 3000 < retry_after(response(Retry_After=hour)) <= 3600
    assert (
        retry_after(response(Retry_After="Fri, 31 Dec 9999 23:59:59 GMT", Date="Mon, 01 Jan 0001 00:00:00 GMT")) == 1e10
    )
    assert retry_after(response()) == 0


@given(st.binary(max_size=60), st.none() | st.binary(max_size=60))
def test_nothing_that_a_server_sends_is_an_error(value: bytes, date: bytes | None) -> None:
    fields = [(b"Retry-After", value)] + ([] if date is None else [(b"Date", date)])
    head = ResponseHead(503, b"", "1.1", fields)
    assert 0 <= retry_after(head) <= 1e10
    delay = EXACT.delay_after_response(request(), head, 1)
    assert delay is None or 0.5 <= delay <= 60


# Dates

NOW = 1_700_000_000.0  # 2023
MOMENTS = st.datetimes(min_value=datetime.datetime(1, 1, 1), max_value=datetime.datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=datetime.UTC)
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def seconds_of(moment: datetime.datetime) -> int:
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(seconds=1)


@given(MOMENTS, st.sampled_from([str, str.lower, str.upper]))
def test_dates_with_four_digits_for_the_year(moment: datetime.datetime, case: Callable[[str], str]) -> None:
    day, month, clock = DAYS[moment.weekday()][:3], MONTHS[moment.month - 1], f"{moment:%H:%M:%S}"
    for text in (
        f"{day}, {moment.day:02} {month} {moment.year:04} {clock} GMT",
        f"{day} {month} {moment.day:2} {clock} {moment.year:04}",
        f"{day} {month} {moment.day:02} {clock} {moment.year:04}",
    ):
        assert parse_http_date(case(text).encode(), NOW) == seconds_of(moment)


@given(MOMENTS.filter(lambda moment: 1974 <= moment.year <= 2073))
def test_dates_with_two_digits_for_the_year(moment: datetime.datetime) -> None:
    text = f"{DAYS[moment.weekday()]}, {moment.day:02}-{MONTHS[moment.month - 1]}-{moment:%y %H:%M:%S} GMT"
    assert parse_http_date(text.encode(), NOW) == seconds_of(moment)


def test_the_century_moves_along() -> None:
    # RFC 9110 section 5.6.7: more than 50 years ahead means the past.
    def year(digits: int, now: int) -> int:
        moment = seconds_of(datetime.datetime(now, 6, 15, tzinfo=datetime.UTC))
        found = parse_http_date(f"Monday, 15-Jun-{digits:02} 00:00:00 GMT".encode(), moment)
        assert found is not None
        return datetime.datetime.fromtimestamp(found, datetime.UTC).year

    assert [year(digits, 2023) for digits in (0, 23, 73, 74, 99)] == [2000, 2023, 2073, 1974, 1999]
    assert [year(digits, 1990) for digits in (90, 99, 40, 41, 0)] == [1990, 1999, 1940, 1941, 1900]


@pytest.mark.parametrize(
    "value",
    [
        "", "GMT", "784111777", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 6 Nov 1994 08:49:37 GMT", " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT", "Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT", "Sun Nov   08:49:37 1994", "Sun Nov  0 08:49:37 1994",
        "Sun, 06 N\xf6v 1994 08:49:37 GMT", "Sun, \xb206 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT\n",
    ],
)  # fmt: skip
def test_what_is_no_date(value: str) -> None:
    assert parse_http_date(value.encode("latin-1"), NOW) is None


def test_days_that_are_rare() -> None:
    assert parse_http_date(b"Tue, 29 Feb 2000 00:00:00 GMT", NOW) == 951782400
    # A leap second
    assert parse_http_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW) == 1483228800


@given(st.binary(max_size=50), st.floats(-1e12, 1e12))
def test_no_date_is_an_error(value: bytes, now: float) -> None:
    parse_http_date(value, now)
    parse_http_date(b"Monday, 15-Jun-%02d 00:00:00 GMT" % (abs(hash(value)) % 100), now)


# The object


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempts": -1}, "attempts"),
        ({"attempts": 1.5}, "attempts"),
        ({"attempts": "3"}, "attempts"),
        ({"backoff": -0.1}, "backoff is"),
        ({"backoff": math.inf}, "backoff is"),
        ({"max_backoff": math.nan}, "max_backoff"),
        ({"max_retry_after": -1}, "max_retry_after"),
        ({"max_retry_after": math.inf}, "max_retry_after"),
        ({"jitter": -0.1}, "jitter"),
        ({"jitter": 1.1}, "jitter"),
        ({"jitter": math.nan}, "jitter"),
        ({"methods": "GET"}, "methods"),
    ],
)
def test_numbers_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RetryPolicy(**options)


def test_it_cannot_be_changed() -> None:
    policy = RetryPolicy(3)
    for name in ("attempts", "other"):
        with pytest.raises(AttributeError, match="make another"):
            setattr(policy, name, 4)
    with pytest.raises(AttributeError, match="make another"):
        del policy.attempts
    assert policy.attempts == 3
    assert policy.statuses == RETRIED_STATUSES


def test_it_is_a_value() -> None:
    policy = RetryPolicy(2, statuses=[500, 429], methods=["GET"], backoff=1)
    same = RetryPolicy(2, statuses=(429, 500), methods={"GET"}, backoff=1.0)
    assert policy == same
    assert hash(policy) == hash(same)
    assert policy != RetryPolicy(2)
    assert policy != 2
    for one in (policy, RetryPolicy(methods=None)):
        for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)), eval(repr(one))):
            assert other == one
