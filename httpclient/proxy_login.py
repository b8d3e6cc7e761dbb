"""Saying to an HTTP proxy who asks (RFC 9110 section 11.7).

No Delphi origin.
"""

from __future__ import annotations

from .prepare import basic_authorization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .head import ResponseHead


class ProxyLogin:
    """What authenticates the requests to one proxy. May be used by any number of threads at once.

    :param user_name: the user name.
    :param password: the password, sent unasked as Basic.
    """

    __slots__ = ("_basic",)

    def __init__(self, user_name: str, password: str) -> None:
        self._basic = basic_authorization(user_name, password)

    def authorize(self, method: str, target: str) -> str:
        """Return the value of Proxy-Authorization to send unasked; empty for none.

        :param target: the request target as the proxy gets it.
        """
        return self._basic

    def respond(self, method: str, target: str, head: ResponseHead, sent: str) -> str:
        """Return the value to try next after a refusal (407); empty to give up.

        :param head: of the refusal.
        :param sent: the value that was refused.
        """
        return ""
