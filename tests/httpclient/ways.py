"""The ways to make a request, for tests that expect the same of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from httpclient import HttpClientError, HttpResponse, TgoHttpClient

if TYPE_CHECKING:
    from tests.certificates import Certificates

#: How long a test waits for what has to come, in seconds.
LIMIT = 30.0


class Way(NamedTuple):
    """Blocking or non-blocking, or a stream that is read to its end."""

    blocking: bool
    streamed: bool = False

    def client(
        self, certificates: Certificates | None = None, *, http2: bool | None = False, **options: Any
    ) -> TgoHttpClient:
        """Return a client of this way; HTTP/1.1 only unless told otherwise."""
        if certificates is not None:
            options["ca_file"] = str(certificates.ca_file)
        return TgoHttpClient(http2, self.blocking, **options)

    def request(self, client: TgoHttpClient, method: str, url: str, **options: Any) -> HttpResponse:
        """Make a request and return its response."""
        if self.streamed:
            with client.stream(method, url, **options) as response:
                assert isinstance(response.content, bytes)
                return response
        return self.result(client.request(method, url, **options))

    def get(self, client: TgoHttpClient, url: str, **options: Any) -> HttpResponse:
        """Make a GET request and return its response."""
        return self.request(client, "GET", url, **options)

    def fail(self, client: TgoHttpClient, method: str, url: str, **options: Any) -> HttpClientError:
        """Make a request that has to fail, and return its error."""
        with pytest.raises(HttpClientError) as caught:
            self.request(client, method, url, **options)
        return caught.value

    def result(self, made: Any) -> HttpResponse:
        """Return the response of what a request method has returned."""
        response = made if self.blocking else made.result(LIMIT)
        assert isinstance(response, HttpResponse)
        return response


BLOCKING = Way(True)
NON_BLOCKING = Way(False)

#: Runs a test once for each way.
both_ways = pytest.mark.parametrize("way", [BLOCKING, NON_BLOCKING], ids=["blocking", "non-blocking"])

STREAMED = Way(True, True)

#: Runs a test once for each way, over HTTP/1.1 and over HTTP/2: with a ``way`` and a ``served``.
everywhere = pytest.mark.parametrize(
    ("way", "served"),
    [
        pytest.param(way, http2, id=f"{name}-{'http2' if http2 else 'http1'}")
        for way, name in ((BLOCKING, "blocking"), (NON_BLOCKING, "non-blocking"), (STREAMED, "streamed"))
        for http2 in (False, True)
    ],
    indirect=["served"],
)
