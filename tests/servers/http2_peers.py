"""HTTP/2 servers and proxies of other makers: Apache httpd, H2O, HAProxy and nghttpx.

Each listens on two ports, HTTP/2 over TLS and in the clear, and serves the same paths: the files of
:mod:`tests.servers.files` at the root, ``/echo`` (the body of the request), ``/header`` (the fields ``X-Big-1`` to
``X-Big-3`` of the request), ``/gzip/`` (the files, compressed) and ``/redirect/302`` (to another path). The proxies
have an nginx behind them that does. What one of them can't do is not in its :attr:`~Http2Peer.FEATURES`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ._process import ServerError, ServerProcess, program
from .files import write_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.certificates import Identity

#: How many fields of a request ``/header`` returns.
BIG_FIELDS = 3


class Http2Peer(ServerProcess):
    """Base of the servers here.

    :param directory: a directory of its own.
    :param identity: its certificate.
    :param idle: seconds after which it closes a connection that nothing happens on; 0 for a long time.
    """

    #: What it can do besides serving files and echoing bodies: ``gzip``, ``redirect``, ``header``, ``trailers``.
    FEATURES: ClassVar[frozenset[str]] = frozenset({"gzip", "redirect", "header"})

    #: Ends it in order: no more requests, but answers to those that it has.
    GRACEFUL: ClassVar[signal.Signals] = signal.SIGQUIT

    def __init__(self, directory: Path, identity: Identity, idle: int = 0) -> None:
        super().__init__(directory, port_count=2)
        self._identity = identity
        self._idle = idle or 3600

    def url(self, path: str = "", tls: bool = True) -> str:
        """Return the address of a path."""
        return f"http{'s' if tls else ''}://localhost:{self.ports[0 if tls else 1]}{path}"

    def shut_down(self) -> None:
        """Have it end in order, and don't wait for that."""
        os.kill(self.pid, self.GRACEFUL)


_APACHE = """
ServerRoot "{directory}"
ServerName localhost
Listen 127.0.0.1:{ports[0]}
Listen 127.0.0.1:{ports[1]}
PidFile httpd.pid
DefaultRuntimeDir "{directory}"
Mutex posixsem
ErrorLog /dev/stderr
LogLevel error
# Taken where it is started by root: it doesn't stay that.
User #65534
Group #65534
{modules}
DocumentRoot files
Protocols h2 h2c http/1.1
ServerLimit 4
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 64
MaxSpareThreads 16
MinSpareThreads 1
KeepAliveTimeout {idle}
Timeout 3600
<VirtualHost 127.0.0.1:{ports[0]}>
    SSLEngine on
    SSLCertificateFile "{identity.certificate}"
    SSLCertificateKeyFile "{identity.key}"
</VirtualHost>
<Location "/">
    Require all granted
</Location>
<Location "/echo">
    SetHandler cgi-script
    Options +ExecCGI
</Location>
<Location "/header">
    Header echo ^X-Big
</Location>
<Location "/gzip/">
    SetOutputFilter DEFLATE
</Location>
ScriptSock cgid.socket
Alias "/echo" "{directory}/echo"
Alias "/gzip/" "{directory}/files/"
Redirect 302 /redirect/302 /1k
"""

# All is read before anything is written: httpd looks at the output when it has written the input.
_ECHO = """#!/bin/sh
file=$(mktemp) && cat >"$file" && printf 'Content-Type: text/plain\\n\\n' && cat "$file"
rm -f "$file"
"""

_APACHE_MODULES = (
    "mpm_event", "authz_core", "alias", "deflate", "filter", "headers", "cgid", "ssl", "http2",
)  # fmt: skip


class ApacheHttp2(Http2Peer):
    """Apache httpd with mod_http2.

    :param directory: as for all of them, but everybody can read it: httpd doesn't run as root.
    """

    GRACEFUL = signal.SIGWINCH

    def command(self) -> Sequence[str | Path]:
        apache = program("apache2", "apache2-bin")
        modules = Path("/usr/lib/apache2/modules")
        if not (modules / "mod_http2.so").exists():
            raise ServerError(f"there is no {modules}/mod_http2.so (Debian/Ubuntu: apt install apache2-bin)")
        write_files(self.directory / "files")
        (self.directory / "files" / "header").write_text("header\n")
        (self.directory / "echo").write_text(_ECHO)
        (self.directory / "echo").chmod(0o755)
        (self.directory / "httpd.conf").write_text(
            _APACHE.format(
                directory=self.directory,
                ports=self.ports,
                identity=self._identity,
                idle=self._idle,
                modules="\n".join(f'LoadModule {name}_module "{modules}/mod_{name}.so"' for name in _APACHE_MODULES),
            )
        )
        return [apache, "-DFOREGROUND", "-f", self.directory / "httpd.conf"]

    def reload(self) -> None:
        """Have it start anew without losing a request."""
        os.kill(self.pid, signal.SIGUSR1)


_H2O = """
num-threads: 1
pid-file: {directory}/h2o.pid
error-log: /dev/stderr
{user}
http2-idle-timeout: {idle}
http2-graceful-shutdown-timeout: 10
listen:
  host: 127.0.0.1
  port: {ports[0]}
  ssl:
    certificate-file: {identity.certificate}
    key-file: {identity.key}
    ocsp-update-interval: 0
listen:
  host: 127.0.0.1
  port: {ports[1]}
hosts:
  default:
    paths:
      "/":
        file.dir: {directory}/files
      "/gzip":
        file.dir: {directory}/files
        compress: [gzip]
      "/redirect/302":
        redirect:
          status: 302
          url: /1k
      "/echo":
        mruby.handler: |
          Proc.new do |env|
            input = env["rack.input"]
            [200, {{"content-type" => "text/plain"}}, [input ? input.read : ""]]
          end
      "/header":
        mruby.handler: |
          Proc.new do |env|
            fields = {{}}
            (1..{fields}).each {{|n| fields["x-big-#{{n}}"] = env["HTTP_X_BIG_#{{n}}"] || ""}}
            [200, fields, ["header\\n"]]
          end
"""


class H2o(Http2Peer):
    """H2O, a server of its own making: its HTTP/2, its TLS records, its priorities."""

    GRACEFUL = signal.SIGTERM

    def command(self) -> Sequence[str | Path]:
        h2o = program("h2o", "h2o")
        write_files(self.directory / "files")
        (self.directory / "h2o.conf").write_text(
            _H2O.format(
                directory=self.directory,
                ports=self.ports,
                identity=self._identity,
                idle=self._idle,
                fields=BIG_FIELDS,
                user="user: root" if os.geteuid() == 0 else "",
            )
        )
        return [h2o, "-c", self.directory / "h2o.conf"]


class Http2Proxy(Http2Peer):
    """Base of those that have a server behind them.

    :param backend: the port of 127.0.0.1 where that speaks HTTP/1.1.
    """

    FEATURES = Http2Peer.FEATURES | {"trailers"}

    def __init__(self, directory: Path, identity: Identity, backend: int, idle: int = 0) -> None:
        super().__init__(directory, identity, idle)
        self._backend = backend


_HAPROXY = """
global
    maxconn 256
    nbthread 1
    tune.bufsize 65536
    # How long those have that don't leave.
    hard-stop-after 20s
defaults
    mode http
    timeout connect 10s
    timeout client {idle}s
    timeout http-keep-alive {idle}s
    timeout server 3600s
frontend tls
    bind 127.0.0.1:{ports[0]} ssl crt {directory}/server.pem alpn h2,http/1.1
    default_backend servers
frontend clear
    bind 127.0.0.1:{ports[1]} proto h2
    default_backend servers
backend servers
    http-reuse always
    server one 127.0.0.1:{backend}
"""


class Haproxy(Http2Proxy):
    """HAProxy in front of an HTTP/1.1 server: an HTTP/2 that is its own from end to end."""

    GRACEFUL = signal.SIGUSR1

    def command(self) -> Sequence[str | Path]:
        haproxy = program("haproxy", "haproxy")
        (self.directory / "server.pem").write_bytes(self._identity.certificate_pem + self._identity.key_pem)
        (self.directory / "haproxy.cfg").write_text(
            _HAPROXY.format(directory=self.directory, ports=self.ports, idle=self._idle, backend=self._backend)
        )
        return [haproxy, "-W", "-db", "-f", self.directory / "haproxy.cfg"]

    def reload(self) -> None:
        """Have it start anew without losing a request."""
        os.kill(self.pid, signal.SIGUSR2)


class Nghttpx(Http2Proxy):
    """nghttpx in front of an HTTP/1.1 server."""

    def command(self) -> Sequence[str | Path]:
        return [
            program("nghttpx", "nghttp2-proxy"),
            "--conf=/dev/null",
            f"--frontend=127.0.0.1,{self.ports[0]}",
            f"--frontend=127.0.0.1,{self.ports[1]};no-tls",
            f"--backend=127.0.0.1,{self._backend}",
            "--workers=1",
            "--no-ocsp",
            "--log-level=ERROR",
            "--accesslog-file=/dev/null",
            f"--frontend-http2-read-timeout={self._idle}s",
            f"--pid-file={self.directory}/nghttpx.pid",
            self._identity.key,
            self._identity.certificate,
        ]
