"""Thousands of failures, followed by success: no failure may cost a connection, a place, a descriptor or a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.faults import Storm

if TYPE_CHECKING:
    from tests.certificates import Certificates


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.usefixtures("certificates", "no_leaks")
def test_http1(seed: int, certificates: Certificates) -> None:
    with Storm(certificates, seed, http2=False) as storm:
        storm.run(1200)
        storm.check()
    for result in ("ok", "cancelled", "RemoteClosedError", "HttpProtocolError", "ReceiveTimeoutError", "ConnectError",
                   "HttpCertificateError", "HttpTlsError", "DeadlineError", "DecodingError", "BodyError"):  # fmt: skip
        assert storm.results[result], storm.results


@pytest.mark.usefixtures("certificates", "no_leaks")
def test_both_protocols(certificates: Certificates) -> None:
    with Storm(certificates, 3) as storm:
        storm.run(1200)
        storm.check()
    for result in ("ok", "cancelled", "Http2StreamError", "ReceiveTimeoutError"):
        assert storm.results[result], storm.results
