"""What a client says in every request: the settings that the original has as properties.

Each setting takes effect with the next request; requests under way keep what they were made with.
"""

from __future__ import annotations

from itertools import count

from .decoding import MAX_DECODED_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .headers import TgoHttpHeaders

#: What a client calls itself where nothing else is said (RFC 9110 section 10.1.5).
DEFAULT_USER_AGENT = "scalable-client-sockets/0.1.0"

#: Of all clients, so that two threads that change settings at once can't make the same.
_versions = count(1)


class RequestSettings:
    """The settings of a client that become header fields and body of its requests.

    :ivar settings_version: changes with every change here, so that what was made from the settings can be kept.
    """

    request_body: str
    request_data: bytes

    def __init__(self) -> None:
        from .headers import TgoHttpHeaders

        self._settings_version = 0
        self._authorization = ""
        self._content_type = ""
        self._max_decoded_size = MAX_DECODED_SIZE
        self._cookies: list[str] = []
        self._password = ""
        self._range = ""
        self._request_headers: TgoHttpHeaders = TgoHttpHeaders()
        self._user_agent = DEFAULT_USER_AGENT
        self._user_name = ""
        #: Text to send as the body of the next requests, as UTF-8; wins over :attr:`request_data`.
        #: Delphi: Grijjy.Http.TgoHttpClient.RequestBody
        self.request_body = ""
        #: Bytes to send as the body of the next requests. Delphi: Grijjy.Http.TgoHttpClient.RequestData
        self.request_data = b""

    @property
    def settings_version(self) -> int:
        """Changes with every change of a setting."""
        return self._settings_version + self._request_headers.version

    def _changed(self) -> None:
        # Once the new value is there: what somebody makes meanwhile of the old one doesn't count as new.
        self._settings_version = next(_versions)

    @property
    def request_headers(self) -> TgoHttpHeaders:
        """Header fields for every request; they win over the fields that other settings make.

        Delphi: Grijjy.Http.TgoHttpClient.RequestHeaders
        """
        return self._request_headers

    @property
    def cookies(self) -> list[str]:
        """Cookies to send, each as ``name=value``.

        Delphi: Grijjy.Http.TgoHttpClient.Cookies
        """
        return self._cookies

    @cookies.setter
    def cookies(self, value: list[str]) -> None:
        self._cookies = list(value)
        self._changed()

    @property
    def user_name(self) -> str:
        """The user for Basic authentication; a URL's own goes first. Delphi: Grijjy.Http.TgoHttpClient.UserName"""
        return self._user_name

    @user_name.setter
    def user_name(self, value: str) -> None:
        self._user_name = value
        self._changed()

    @property
    def password(self) -> str:
        """The password for Basic authentication. Delphi: Grijjy.Http.TgoHttpClient.Password"""
        return self._password

    @password.setter
    def password(self, value: str) -> None:
        self._password = value
        self._changed()

    @property
    def content_type(self) -> str:
        """The Content-Type of requests with a body. Delphi: Grijjy.Http.TgoHttpClient.ContentType"""
        return self._content_type

    @content_type.setter
    def content_type(self, value: str) -> None:
        self._content_type = value
        self._changed()

    @property
    def user_agent(self) -> str:
        """What the client calls itself; empty to send nothing. Delphi: Grijjy.Http.TgoHttpClient.UserAgent"""
        return self._user_agent

    @user_agent.setter
    def user_agent(self, value: str) -> None:
        self._user_agent = value
        self._changed()

    @property
    def range(self) -> str:
        """The Range to ask for, as in ``bytes=0-499``. Delphi: Grijjy.Http.TgoHttpClient.Range"""
        return self._range

    @range.setter
    def range(self, value: str) -> None:
        self._range = value
        self._changed()

    @property
    def authorization(self) -> str:
        """The Authorization to send, as in ``Bearer ...``; a user name goes first.

        Delphi: Grijjy.Http.TgoHttpClient.Authorization
        """
        return self._authorization

    @authorization.setter
    def authorization(self, value: str) -> None:
        self._authorization = value
        self._changed()

    @property
    def max_decoded_size(self) -> int:
        """How many bytes a body may become as its content codings are undone, where it is collected in memory: a few
        bytes can stand for very many. 1 GiB unless it is set; 0 for no limit. What is read piece by piece has none.
        """
        return self._max_decoded_size

    @max_decoded_size.setter
    def max_decoded_size(self, value: int) -> None:
        self._max_decoded_size = value
        self._changed()
