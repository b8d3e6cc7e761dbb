"""Fixtures that every test may use: certificates, local servers, and a watch for what a test leaves behind.

The programs are started once per run, and only when the first test asks for them.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.certificates import Certificates
from tests.servers.apache import Apache
from tests.servers.leaks import watch
from tests.servers.nghttpd import Nghttpd
from tests.servers.nginx import Nginx
from tests.servers.proxies import Microsocks, Stunnel, Tinyproxy
from tests.servers.redis import Redis
from tests.servers.scripted import ScriptedServer
from tests.servers.site import Site
from tests.servers.sockets import refused_port as _refused_port
from tests.servers.sockets import silent_port as _silent_port

# The proxy of the machine that the tests run on doesn't lead to the servers of the tests.
for _name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tests.servers.http2 import Http2Server
    from tests.servers.site import Responder

    # Arguments are those of the class.
    ScriptedServers = Callable[..., ScriptedServer]
    Http2Servers = Callable[..., Http2Server]


class Served:
    """See the fixture ``served``."""

    def __init__(self, request: pytest.FixtureRequest, scripted: ScriptedServers) -> None:
        self.http2: bool = request.param
        self._request = request
        self._scripted = scripted

    def __call__(self, respond: Responder, **options: Any) -> tuple[Site, str]:
        """Return a new site and its URL, without a slash at the end."""
        site = Site(respond)
        if self.http2:
            servers: Http2Servers = self._request.getfixturevalue("http2_scripted")
            return site, servers(site.http2, **options).url
        return site, self._scripted(site.http1, **options).url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of an authority that only this run knows, each made on first use."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Nginx]:
    """The nginx of this run, with every site of ``tests.servers.nginx.SITES``."""
    with Nginx(tmp_path_factory.mktemp("nginx"), certificates) as server:
        yield server


@pytest.fixture(scope="session")
def nghttpd(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Nghttpd]:
    """The nghttpd of this run: HTTP/2 over TLS."""
    with Nghttpd(tmp_path_factory.mktemp("nghttpd"), certificates.server) as server:
        yield server


@pytest.fixture(scope="session")
def nghttpd_clear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nghttpd]:
    """The other nghttpd of this run: HTTP/2 in the clear, by prior knowledge."""
    with Nghttpd(tmp_path_factory.mktemp("nghttpd-clear"), None) as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Redis]:
    """The redis-server of this run, with a plain and a TLS port."""
    with Redis(tmp_path_factory.mktemp("redis"), certificates) as server:
        yield server


@pytest.fixture(scope="session")
def apache() -> Iterator[Apache]:
    """The Apache httpd of this run: Digest and Basic authentication."""
    with tempfile.TemporaryDirectory() as name:
        # Not one of pytest's, which are closed to other users: httpd doesn't run as root.
        Path(name).chmod(0o755)
        with Apache(Path(name)) as server:
            yield server


@pytest.fixture(scope="session")
def tinyproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tinyproxy]:
    """An HTTP proxy."""
    with Tinyproxy(tmp_path_factory.mktemp("tinyproxy")) as server:
        yield server


@pytest.fixture(scope="session")
def tinyproxy_password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tinyproxy]:
    """An HTTP proxy that asks for user name and password."""
    with Tinyproxy(tmp_path_factory.mktemp("tinyproxy-password"), password=True) as server:
        yield server


@pytest.fixture(scope="session")
def stunnel(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, tinyproxy_password: Tinyproxy
) -> Iterator[Stunnel]:
    """An HTTPS proxy: TLS in front of the one that asks for user name and password."""
    with Stunnel(tmp_path_factory.mktemp("stunnel"), certificates.server, tinyproxy_password.port) as server:
        yield server


@pytest.fixture(scope="session")
def microsocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microsocks]:
    """A SOCKS 5 proxy."""
    with Microsocks(tmp_path_factory.mktemp("microsocks")) as server:
        yield server


@pytest.fixture(scope="session")
def microsocks_password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microsocks]:
    """A SOCKS 5 proxy that asks for user name and password."""
    with Microsocks(tmp_path_factory.mktemp("microsocks-password"), password=True) as server:
        yield server


@pytest.fixture
def scripted() -> Iterator[ScriptedServers]:
    """Makes servers that last as long as the test: ``server = scripted(handler, tls=...)``."""
    with contextlib.ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> ScriptedServer:
            return stack.enter_context(ScriptedServer(*arguments, **options))

        yield make


@pytest.fixture
def http2_scripted() -> Iterator[Http2Servers]:
    """Makes HTTP/2 servers that last as long as the test: ``server = http2_scripted(handler, settings=...)``."""
    # Not at the top: most tests don't need it, and some run where the package isn't installed.
    from tests.servers.http2 import Http2Server

    with contextlib.ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> Http2Server:
            return stack.enter_context(Http2Server(*arguments, **options))

        yield make


@pytest.fixture
def served(request: pytest.FixtureRequest, scripted: ScriptedServers) -> Served:
    """Makes sites that last as long as the test, over HTTP/1.1, or HTTP/2 where the parameter says so.

    ``site, url = served(respond)``; the clients are to be made with ``http2=served.http2``.
    """
    return Served(request, scripted)


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections."""
    with _refused_port() as port:
        yield port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 where connecting neither succeeds nor fails."""
    with _silent_port() as port:
        yield port


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fails the test if it leaves threads or open file descriptors behind.

    Name it before fixtures that the test opens, and after the servers of the run:
    ``@pytest.mark.usefixtures("nginx", "no_leaks")``.
    """
    with watch():
        yield
