"""nginx with its own configuration: HTTP/1.1 and HTTP/2, in the clear and over TLS, good and bad certificates.

Every site serves the same locations, listed in the configuration below, under another port.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ._process import ServerError, ServerProcess, program
from .files import write_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.certificates import Certificates

#: The credentials that ``/private/`` asks for.
USER, PASSWORD = "user", "secret"


class Site(NamedTuple):
    """How one port is served.

    :ivar identity: the attribute of ``Certificates`` with its certificate; empty for no TLS.
    :ivar http2: HTTP/2, negotiated by ALPN over TLS and by prior knowledge without.
    :ivar directives: further lines of configuration.
    """

    identity: str = ""
    http2: bool = False
    directives: str = ""


SITES = {
    "http": Site(),
    "h2c": Site(http2=True),
    "https": Site("server", http2=True),
    "https1": Site("server"),
    # After five requests on a connection it is closed: by GOAWAY where that is HTTP/2.
    "few": Site(directives="keepalive_requests 5;"),
    "few2": Site("server", http2=True, directives="keepalive_requests 5;"),
    "one_stream": Site("server", http2=True, directives="http2_max_concurrent_streams 1;"),
    "tls12": Site("server", directives="ssl_protocols TLSv1.2;"),
    "client_required": Site("server", directives="ssl_verify_client on; ssl_verify_depth 20;"),
    "rsa": Site("server_rsa"),
    "ip_only": Site("ip_only"),
    "name_only": Site("name_only"),
    "wrong_host": Site("wrong_host"),
    "expired": Site("expired"),
    "not_yet_valid": Site("not_yet_valid"),
    "self_signed": Site("self_signed"),
    "unknown_authority": Site("unknown_authority"),
    "incomplete_chain": Site("incomplete_chain"),
    "big_chain": Site("big_chain"),
}

_TLS = """
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {ca};"""

_SITE = """
    server {{
        listen {address}:{port} {listen};
        {unix}
        server_name localhost;{tls}
        {directives}
        include locations.conf;
    }}"""

_CONFIG = """
{user}
load_module {echo_module};
worker_processes 1;
daemon off;
# One process as a rule: nothing is left behind when it is killed, and its CPU time is the server's.
master_process {master};
pid nginx.pid;
error_log stderr warn;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{
    types {{ text/plain txt; }}
    default_type application/octet-stream;
    access_log {access_log};
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 0;
    # The body is echoed out of memory: a body in a file would come back empty.
    client_body_buffer_size 16m;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    absolute_redirect off;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:1m;
    {sites}
}}
"""

_LOCATIONS = """
root files;

# The body and the content type of the request, chunked over HTTP/1.1.
location = /echo {
    default_type "";
    add_header Content-Type $content_type;
    echo_read_request_body;
    echo_request_body;
}

# What the server understood of the request and its connection.
location = /request {
    default_type text/plain;
    return 200 "method=$request_method
uri=$request_uri
protocol=$server_protocol
host=$http_host
length=$http_content_length
type=$content_type
agent=$http_user_agent
accept=$http_accept
encoding=$http_accept_encoding
authorization=$http_authorization
cookie=$http_cookie
referer=$http_referer
range=$http_range
x=$http_x
";
}
location = /connection {
    default_type text/plain;
    return 200 "connection=$connection
requests=$connection_requests
client=$remote_port
tls=$ssl_protocol
cipher=$ssl_cipher
name=$ssl_server_name
reused=$ssl_session_reused
certificate=$ssl_client_s_dn
";
}
location = /path { default_type text/plain; return 200 "$request_uri"; }

# Slow: the first byte comes late, or each byte does.
location = /late { echo_sleep 0.5; echo "late"; }
location = /never { echo_sleep 3600; echo "never"; }
location /slow/ { alias files/; limit_rate 20k; sendfile_max_chunk 4k; }

# Redirects; /redirect/to?url=http://... goes where the caller says.
location = /redirect/loop { return 302 /redirect/loop; }
location = /redirect/relative { return 302 ../1k?from=relative#part; }
location = /redirect/to { return 302 $arg_url; }

# The connection ends after the response, or after three requests here.
location /close/ { alias files/; keepalive_timeout 0; }
location /three/ { alias files/; keepalive_requests 3; }

location /gzip/ { alias files/; gzip on; gzip_types *; gzip_min_length 1; gzip_http_version 1.0; gzip_proxied any; }
location /chunked/ { alias files/; echo_before_body -n ""; }
location /private/ { alias files/; auth_basic "the tests"; auth_basic_user_file passwords; }
location /uploads/ { root .; dav_methods PUT DELETE; create_full_put_path on; }

location /trailers/ { alias files/; add_trailer X-Trailer "the end"; }
location = /header {
    default_type text/plain;
    add_header X-Big-1 $http_x_big_1;
    add_header X-Big-2 $http_x_big_2;
    add_header X-Big-3 $http_x_big_3;
    return 200 "header\n";
}

location = /cookies { add_header Set-Cookie "first=1; Path=/"; add_header Set-Cookie "second=2; Path=/"; return 204; }
"""
_LOCATIONS += "\n".join(
    [
        *(f"location = /status/{code} {{ return {code}; }}" for code in (204, 304, 400, 404, 500, 503)),
        *(f"location = /redirect/{code} {{ return {code} /request; }}" for code in (301, 302, 303, 307, 308)),
        *(f"location = /redirect/chain/{left} {{ return 302 /redirect/chain/{left - 1}; }}" for left in range(1, 11)),
        "location = /redirect/chain/0 { return 302 /request; }",
    ]
)


class Nginx(ServerProcess):
    """One nginx, with one port for each of its sites.

    :param directory: a directory of its own.
    :param certificates: where its certificates come from.
    :param sites: which of :data:`SITES` to serve; all of them by default.
    :param connections: how many connections it holds at once.
    :param access_log: write ``access.log``: a line per request, and a system call.
    :param master: with a process above the one that serves, so that it can be told to start anew (SIGHUP).
    """

    def __init__(
        self,
        directory: Path,
        certificates: Certificates,
        sites: Sequence[str] = tuple(SITES),
        *,
        connections: int = 1024,
        access_log: bool = False,
        master: bool = False,
    ) -> None:
        super().__init__(directory, port_count=len(sites))
        self.sites = tuple(sites)
        self.uploads = directory / "uploads"
        self._certificates = certificates
        self._connections = connections
        self._access_log = access_log
        self._master = master

    def command(self) -> Sequence[str | Path]:
        nginx = program("nginx", "nginx-light")
        write_files(self.directory / "files")
        self.uploads.mkdir(exist_ok=True)
        (self.directory / "passwords").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (self.directory / "locations.conf").write_text(_LOCATIONS)
        (self.directory / "nginx.conf").write_text(
            _CONFIG.format(
                user="user root;" if os.geteuid() == 0 else "",
                echo_module=_module(nginx, "ngx_http_echo_module.so", "libnginx-mod-http-echo"),
                connections=self._connections,
                descriptors=self._connections + 64,
                master="on" if self._master else "off",
                access_log="access.log" if self._access_log else "off",
                sites="".join(map(self._site, self.sites)),
            )
        )
        # "-e" as well as the directive: before it has read its configuration, nginx writes to a file of the system.
        return [nginx, "-e", "stderr", "-p", self.directory, "-c", "nginx.conf"]

    def port(self, site: str) -> int:
        """Return the port of a site."""
        return self.ports[self.sites.index(site)]

    def url(self, site: str, path: str = "", host: str = "localhost") -> str:
        """Return the address of *path* on a site."""
        return f"{'https' if SITES[site].identity else 'http'}://{host}:{self.port(site)}{path}"

    def unix_socket(self, site: str) -> Path:
        """Return the path of the Unix domain socket of a site, which is there if the path isn't too long for one."""
        return self.directory / f"{site}.socket"

    def access(self) -> list[str]:
        """Return the lines of the access log so far."""
        return (self.directory / "access.log").read_text().splitlines()

    def _site(self, name: str) -> str:
        site = SITES[name]
        tls = ""
        if site.identity:
            identity = getattr(self._certificates, site.identity)
            tls = _TLS.format(certificate=identity.certificate, key=identity.key, ca=self._certificates.ca_file)
        listen = f"{'ssl' if site.identity else ''} {'http2' if site.http2 else ''}"
        path = self.unix_socket(name)
        # unix(7): sun_path has room for no more. Such a directory has no Unix domain sockets.
        unix = f"listen unix:{path} {listen};" if len(os.fsencode(path)) <= 107 else ""
        return _SITE.format(
            address=self.address, port=self.port(name), unix=unix, listen=listen, tls=tls, directives=site.directives
        )


def _module(nginx: str, name: str, package: str) -> Path:
    built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr
    directory = re.search(r"--modules-path=(\S+)", built)
    path = Path(directory[1] if directory else "/usr/lib/nginx/modules") / name
    if not path.exists():
        raise ServerError(f"nginx has no {path} (Debian/Ubuntu: apt install {package})")
    return path
