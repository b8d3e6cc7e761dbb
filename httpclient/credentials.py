"""Which credentials a request gets: who answers challenges for it, and what it sends unasked. No I/O.

Delphi: the part of Grijjy.Http.TgoHttpClient.CreateRequest (private there) that writes Authorization
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .authentication.schemes import Authentication, AuthenticationRequest
    from .call_options import AuthenticationInput
    from .content.body import Body
    from .head import ResponseHead
    from .request import Request
    from .settings import RequestSettings
    from .uri import TgoURI


def as_authentication(given: AuthenticationInput | None) -> Authentication | None:
    """Return the authentication for what a caller gave."""
    if given is None:
        return None
    from .authentication.schemes import make_authentication

    return make_authentication(given)


def authentication_for(settings: RequestSettings, uri: TgoURI, *, elsewhere: bool = False) -> Authentication | None:
    """Return who authenticates the requests to a URL: its own user name, or what the settings say.

    :param elsewhere: a redirect leads there from another origin: what the settings say was not meant for it, unless
        by name, in a netrc file.
    """
    if uri.username:
        return settings.authentication_of(uri.username, uri.password)
    if not elsewhere:
        if settings.auth is not None:
            return settings.auth
        if settings.user_name:
            return settings.authentication_of(settings.user_name, settings.password)
        if settings.authorization:
            return None
    if settings.netrc:
        from .authentication._netrc import netrc_credentials

        found = netrc_credentials(uri.connect_host, None if settings.netrc is True else settings.netrc)
        if found is not None:
            return settings.authentication_of(*found)
    return None


def asking(method: str, uri: TgoURI, body: Body | None, fields: list[tuple[str, str]]) -> AuthenticationRequest:
    """Return what an authentication may know of a request."""
    from .authentication.schemes import AuthenticationRequest

    return AuthenticationRequest(method, uri.target, uri.origin, body, fields=fields)


def answer(
    authentication: Authentication, request: Request, head: ResponseHead, *, corrected: bool = False
) -> str | None:
    """Return what to answer to the challenges of a response; ``None`` to give up (RFC 9110 section 11.6.1).

    :param corrected: it wasn't *authentication* whose credentials were refused.
    """
    from .authentication.schemes import parse_challenges

    challenges = parse_challenges(head.get_all(b"www-authenticate"))
    asked = asking(request.method, request.uri, request.body, request.fields)
    return authentication.respond(asked, challenges, "" if corrected else _sent(request))


def learn(authentication: Authentication, request: Request, head: ResponseHead) -> None:
    """Have an authentication take note of what a server says about the next requests (RFC 9110 section 11.6.3)."""
    values = head.get_all(b"authentication-info")
    if values:
        asked = asking(request.method, request.uri, request.body, request.fields)
        authentication.learn(asked, values, _sent(request))


def _sent(request: Request) -> str:
    return next((value for name, value in request.fields if name.lower() == "authorization"), "")
