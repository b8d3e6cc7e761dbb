"""What a client says in every request: the settings that the original has as properties.

Each setting takes effect with the next request; requests under way keep what they were made with.
"""

from __future__ import annotations

import threading
from itertools import count

from linuxapi.forks import after_fork_in_child

from .constants import TIMEOUT_CONNECT, TIMEOUT_RECV
from .content.decoding import MAX_DECODED_SIZE
from .credentials import as_authentication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from .authentication.schemes import Authentication
    from .call_options import AuthenticationInput
    from .head import ResponseHead
    from .headers import TgoHttpHeaders
    from .retrying import RetryPolicy
    from .uri import TgoURI

#: What a client calls itself where nothing else is said (RFC 9110 section 10.1.5).
DEFAULT_USER_AGENT = "scalable-client-sockets/0.1.0"

#: How many user names and passwords of URLs a client remembers what servers have said to them.
_MAX_PASSWORDS = 64

#: Guards, for all clients, the moment in which one gets its cookie jar.
_making = threading.Lock()

#: Of all clients, so that two threads that change settings at once can't make the same.
_versions = count(1)


class RequestSettings:
    """The settings of a client that become header fields and body of its requests."""

    def __init__(self) -> None:
        from .headers import TgoHttpHeaders

        #: Changes with every change here, so that what was made from the settings can be kept.
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
        self._request_body = ""
        self._request_data = b""
        self._connect_timeout = TIMEOUT_CONNECT
        self._recv_timeout = TIMEOUT_RECV
        self._send_timeout: float | None = None
        self._pool_timeout: float | None = None
        self._timeout = 0.0
        self._auth: Authentication | None = None
        self._retry: RetryPolicy | None = None
        #: What user names and passwords have become: with Digest, each remembers what servers have said.
        self._passwords: dict[tuple[str, str], Authentication] = {}
        self._netrc: str | bool = False
        self._jar: CookieJar | None = None
        self._keeps_cookies = True

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
    def request_body(self) -> str:
        """Text to send as the body of the next requests, as UTF-8; wins over :attr:`request_data`.

        Delphi: Grijjy.Http.TgoHttpClient.RequestBody
        """
        return self._request_body

    @request_body.setter
    def request_body(self, value: str) -> None:
        self._request_body = value
        self._changed()

    @property
    def request_data(self) -> bytes:
        """Bytes to send as the body of the next requests. Delphi: Grijjy.Http.TgoHttpClient.RequestData"""
        return self._request_data

    @request_data.setter
    def request_data(self, value: bytes) -> None:
        self._request_data = value
        self._changed()

    # Limits

    @property
    def connect_timeout(self) -> float:
        """Seconds for lookup, TCP and TLS together."""
        return self._connect_timeout

    @connect_timeout.setter
    def connect_timeout(self, value: float) -> None:
        self._connect_timeout = value
        self._changed()

    @property
    def recv_timeout(self) -> float:
        """Seconds of silence after which the server is given up."""
        return self._recv_timeout

    @recv_timeout.setter
    def recv_timeout(self, value: float) -> None:
        self._recv_timeout = value
        self._changed()

    @property
    def send_timeout(self) -> float | None:
        """Seconds for which the server may take nothing of what is sent to it; ``None`` for :attr:`recv_timeout`."""
        return self._send_timeout

    @send_timeout.setter
    def send_timeout(self, value: float | None) -> None:
        self._send_timeout = value
        self._changed()

    @property
    def pool_timeout(self) -> float | None:
        """Seconds to wait for a connection where none may be opened; ``None`` for :attr:`connect_timeout`, counted
        from when anybody last got one.
        """
        return self._pool_timeout

    @pool_timeout.setter
    def pool_timeout(self, value: float | None) -> None:
        self._pool_timeout = value
        self._changed()

    @property
    def timeout(self) -> float:
        """Seconds for a call altogether, redirects, retries and their pauses included; 0 for no limit."""
        return self._timeout

    @timeout.setter
    def timeout(self, value: float) -> None:
        self._timeout = value
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

    # Credentials

    @property
    def auth(self) -> Authentication | None:
        """How requests authenticate themselves: an :class:`Authentication`; may be set to name and password too, as
        in ``("name", "password")``. Goes before :attr:`user_name`, and before what a netrc file says.
        """
        return self._auth

    @auth.setter
    def auth(self, value: AuthenticationInput | None) -> None:
        self._auth = as_authentication(value)
        self._changed()

    @property
    def netrc(self) -> str | bool:
        """Look for the credentials of hosts in a netrc file: a path; ``True`` for what the environment variable
        ``NETRC`` names, or ``~/.netrc``; ``False`` not to.
        """
        return self._netrc

    @netrc.setter
    def netrc(self, value: str | bool) -> None:
        self._netrc = value
        self._changed()

    def authentication_of(self, user_name: str, password: str) -> Authentication:
        """Return what sends a user name and password: the same object for the same ones.

        :raises InvalidRequestError: they can't be sent.
        """
        known = self._passwords.get((user_name, password))
        if known is None:
            known = as_authentication((user_name, password))
            assert known is not None
            if len(self._passwords) >= _MAX_PASSWORDS:
                self._passwords.clear()
            self._passwords[user_name, password] = known
        return known

    # Retries

    @property
    def retry(self) -> RetryPolicy | None:
        """After which failures and responses a request is repeated; may be set to a number of times. ``None``: only
        where nothing of it can have been processed (RFC 9110 section 9.2.2).
        """
        return self._retry

    @retry.setter
    def retry(self, value: RetryPolicy | int | None) -> None:
        self._retry = as_retry_policy(value)
        self._changed()

    # Cookies

    @property
    def cookie_jar(self) -> CookieJar | None:
        """The cookies that servers have set, kept by the rules of RFC 6265; ``None`` where none are kept.

        Any ``http.cookiejar.CookieJar`` may be set, also one that other clients share.
        """
        if self._jar is None and self._keeps_cookies:
            from .cookies.jar import HttpCookieJar

            with _making:
                if self._jar is None:
                    self._jar = HttpCookieJar()
        return self._jar

    @cookie_jar.setter
    def cookie_jar(self, value: CookieJar | None) -> None:
        self._keeps_cookies = value is not None
        self._jar = value
        self._changed()

    @property
    def known_jar(self) -> CookieJar | None:
        """The jar, if there is one already: it is made for the first cookie."""
        return self._jar

    def receive_cookies(self, uri: TgoURI, head: ResponseHead) -> None:
        """Keep the cookies that a response sets."""
        jar = self.cookie_jar
        if jar is not None:
            from .cookies.any_jar import store_cookies

            store_cookies(jar, uri, head.get_all(b"set-cookie"))


def as_retry_policy(given: RetryPolicy | int | None) -> RetryPolicy | None:
    """Return the retry policy for what a caller gave."""
    if isinstance(given, int):
        from .retrying import RetryPolicy

        return RetryPolicy(given) if given else None
    return given


def _after_fork_in_child() -> None:
    global _making
    _making = threading.Lock()


after_fork_in_child(_after_fork_in_child)
