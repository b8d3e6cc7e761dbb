"""Requests with an Authentication, made by hand: what a client does with one, step by step to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from httpclient import TgoURI
from httpclient.authentication.schemes import AuthenticationRequest, parse_challenges
from httpclient.content.body import make_body

if TYPE_CHECKING:
    from httpclient import HttpResponse, TgoHttpClient
    from httpclient.authentication.schemes import Authentication

#: More tries than any Authentication may want.
TRIES = 10


def call(
    client: TgoHttpClient, authentication: Authentication, method: str, url: str, data: bytes | None = None
) -> tuple[HttpResponse, list[str]]:
    """Make a request; return the last response, and what was sent as Authorization with each try."""
    uri = TgoURI(url)
    body = None if data is None else make_body(data)
    request = AuthenticationRequest(method, uri.target, uri.origin, body)
    value = authentication.authorize(request)
    sent = []
    while True:
        sent.append(value)
        response: HttpResponse = client.request(
            method, url, headers={"Authorization": value} if value else None, data=data
        )
        if response.status_code != 401:
            if authentication.learns:
                authentication.learn(request, _fields(response, "authentication-info"), value)
            return response, sent
        answer = authentication.respond(request, parse_challenges(_fields(response, "www-authenticate")), value)
        if answer is None:
            return response, sent
        assert len(sent) < TRIES
        value = answer


def _fields(response: HttpResponse, name: str) -> list[bytes]:
    return [value.encode("latin-1") for value in response.headers.get_all(name)]
