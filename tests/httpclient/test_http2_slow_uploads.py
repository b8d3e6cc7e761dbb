"""Bodies that take longer than the time limits: a slow line is not a silent server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from h2.events import DataReceived, StreamEnded

from httpclient import SendTimeoutError
from tests.httpclient.ways import Way, both_ways
from tests.servers.http2 import Http2Session

if TYPE_CHECKING:
    from tests.conftest import Http2Servers


def slowly(session: Http2Session) -> None:
    """Take 16 KiB every 0.05 s."""
    received = 0
    head = session.receive_head()
    assert head is not None
    while True:
        for event in session.take(head.stream_id):
            if isinstance(event, DataReceived):
                received += len(event.data)
                time.sleep(0.05)
                session.h2.acknowledge_received_data(event.flow_controlled_length, head.stream_id)
                session.flush()
            elif isinstance(event, StreamEnded):
                session.respond(head.stream_id, b"%d" % received)
                while session.pump():
                    pass
                return
        if not session.pump():
            return


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_an_upload_may_take_longer_than_the_limits(way: Way, http2_scripted: Http2Servers) -> None:
    server = http2_scripted(slowly, acknowledge=False)
    with way.client(http2=True, recv_timeout=0.6, send_timeout=0.6) as http:
        assert way.request(http, "POST", server.url, data=bytes(500_000)).content == b"500000"


@both_ways
@pytest.mark.usefixtures("no_leaks")
def test_a_server_that_takes_nothing(way: Way, http2_scripted: Http2Servers) -> None:
    def handler(session: Http2Session) -> None:
        done.wait(20)

    done = threading.Event()
    server = http2_scripted(handler, acknowledge=False)
    with way.client(http2=True, recv_timeout=20, send_timeout=0.3) as http:
        error = way.fail(http, "POST", server.url, data=bytes(500_000))
        done.set()
        assert isinstance(error, SendTimeoutError)
        assert "took no data for 0.3 s" in str(error)
