"""Saying to an HTTP proxy who asks (RFC 9110 section 11.7).

No Delphi origin.
"""

from __future__ import annotations

from ..authentication.schemes import AuthenticationRequest, parse_challenges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..authentication.schemes import Authentication
    from ..head import ResponseHead


class ProxyLogin:
    """What authenticates the requests to one proxy. May be used by any number of threads at once.

    :param authentication: knows how.
    :param proxy: scheme, host and port of the proxy.
    """

    __slots__ = ("_authentication", "_proxy")

    def __init__(self, authentication: Authentication, proxy: str) -> None:
        self._authentication = authentication
        self._proxy = proxy

    def authorize(self, method: str, target: str) -> str:
        """Return the value of Proxy-Authorization to send unasked; empty for none.

        :param target: the request target as the proxy gets it.
        """
        return self._authentication.authorize(AuthenticationRequest(method, target, self._proxy, proxy=True))

    def respond(self, method: str, target: str, head: ResponseHead, sent: str) -> str:
        """Return the value to try next after a refusal (407); empty to give up.

        :param head: of the refusal.
        :param sent: the value that was refused.
        """
        request = AuthenticationRequest(method, target, self._proxy, proxy=True)
        challenges = parse_challenges(head.get_all(b"proxy-authenticate"))
        return self._authentication.respond(request, challenges, sent) or ""

    def __repr__(self) -> str:
        return f"<ProxyLogin for {self._proxy}>"
