"""The server that all clients are measured against: one nginx worker on loopback, in a directory of its own.

It serves, over plain TCP on one port and over TLS (ALPN offers HTTP/2 and HTTP/1.1) on another:

    /small              1 KiB, the same for every request
    /session            1 KiB, whose first byte tells whether this TLS session was resumed ("r") or not (".")
    /bulk-SIZE          a long download
    /body-SIZE          the beginning of it
    /headers-SIZE       1 KiB, with that many bytes of header fields, one of which is new each time
    PUT /upload/NAME    stored as a file, so that what arrived can be compared
    /status             nginx's own count of connections (stub_status)

Everything comes from memory (the directory is on tmpfs where there is one), nothing is logged.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import content

if TYPE_CHECKING:
    from collections.abc import Iterator

# Connections differ by address and port on both sides: with ten addresses to connect to, 10,000 connections and those
# of the rounds before them, still in TIME_WAIT, never come near the 28,000 ephemeral ports that each address has.
HOSTS = tuple(f"127.0.0.{number}" for number in range(1, 11))

# At a time on one HTTP/2 connection; nginx's own default.
MOST_STREAMS = 128

# Room for the bulk file, one upload, and nginx's copy of it.
TMPFS_ROOM = 3 * content.BULK_SIZE


class ServerError(RuntimeError):
    """The server can't be set up here; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the running server is; plain data, handed to the measuring processes as JSON."""

    plain_port: int
    tls_port: int
    directory: str
    worker: int
    version: str
    tls: str

    @property
    def ca_file(self) -> str:
        return f"{self.directory}/ca.pem"

    def url(self, path: str, *, tls: bool, host: str = HOSTS[0]) -> str:
        return f"https://{host}:{self.tls_port}{path}" if tls else f"http://{host}:{self.plain_port}{path}"

    def upload_file(self, name: str) -> Path:
        return Path(self.directory, "upload", name)

    def cpu(self) -> float:
        """CPU seconds that the worker has used so far."""
        nanoseconds = Path(f"/proc/{self.worker}/schedstat").read_text(encoding="ascii").split()[0]
        return int(nanoseconds) / 1e9

    def connections(self) -> tuple[int, int]:
        """Connections open now, without the one that asks, and connections accepted so far, with it."""
        lines = _get(self.plain_port, "/status").decode("ascii").split("\n")
        return int(lines[0].split()[-1]) - 1, int(lines[2].split()[0])

    def wait_until_idle(self, seconds: float = 30.0) -> None:
        """Wait until nginx has noticed that the last client is gone: its clean-up isn't the next one's."""
        deadline = time.monotonic() + seconds
        while self.connections()[0] > 0:
            if time.monotonic() > deadline:
                raise ServerError(f"{seconds:.0f} s after the client's end nginx still has its connections")
            time.sleep(0.02)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Start nginx, yield where it is, and stop it; the directory goes with it."""
    nginx, openssl = _executable("nginx"), _executable("openssl")
    directory = Path(tempfile.mkdtemp(prefix="benchmark-", dir=_parent_directory()))
    try:
        _write_certificates(openssl, directory)
        _write_content(directory)
        plain_port, tls_port = _free_ports()
        (directory / "nginx.conf").write_text(_configuration(directory, plain_port, tls_port), encoding="ascii")
        command = [nginx, "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"]
        _check_configuration(command)
        # There are no threads here that could hold a lock while this process forks.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent)  # noqa: PLW1509
        try:
            worker = int(_first_answer(process, plain_port, directory))
            tls = _tls_in_use(tls_port, directory)
            yield Server(plain_port, tls_port, str(directory), worker, _nginx_version(nginx), tls)
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _executable(name: str) -> str:
    # Debian keeps nginx in /usr/sbin, which the path of an ordinary user lacks.
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise ServerError(f"the benchmarks need the {name} command (Debian: apt install {name})")
    return found


def _parent_directory() -> str | None:
    memory = "/dev/shm"
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > TMPFS_ROOM:
        return memory
    return None


def _write_certificates(openssl: str, directory: Path) -> None:
    """An authority, and a certificate of it for every address: clients verify as they would elsewhere."""
    names = ",".join(["DNS:localhost", *(f"IP:{host}" for host in HOSTS)])
    new = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    authority = ["-subj", "/CN=Benchmark authority", "-keyout", "ca.key", "-out", "ca.pem"]
    # Python 3.13 verifies strictly (RFC 5280): an authority must say what its key is for.
    authority += ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    leaf = ["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.pem"]
    leaf += ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName={names}"]
    leaf += ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"]
    for arguments in (authority, leaf):
        done = subprocess.run([*new, *arguments], cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"openssl req failed: {done.stderr.strip()}")


def _write_content(directory: Path) -> None:
    for name in ("files", "upload", "temporary"):
        (directory / name).mkdir()
    for size in (content.BULK_SIZE, content.BULK_QUICK_SIZE, content.BULK_SHORT_SIZE):
        content.write_file(directory / "files" / f"bulk-{size}", size)
    for size in content.GROWING_SIZES:
        content.write_file(directory / "files" / f"body-{size}", size)
        fields = map(content.field, range(1, size // content.FIELD_SIZE + 1))
        lines = "".join(f"add_header {name} {value};\n" for name, value in fields)
        # A head that is always the same could be recognised instead of being read.
        (directory / f"headers-{size}.conf").write_text(f"add_header X-Request $request_id;\n{lines}", encoding="ascii")


def _free_ports() -> list[int]:
    """Two ports that are free on every address."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < 2:
            port = 0
            try:
                for host in HOSTS:
                    listener = stack.enter_context(socket.socket())
                    listener.bind((host, port))
                    port = listener.getsockname()[1]
            except OSError:
                continue  # taken on one of the addresses: try another
            found.append(port)
    return found


def _configuration(directory: Path, plain_port: int, tls_port: int) -> str:
    plain = "\n    ".join(f"listen {host}:{plain_port} backlog=4096;" for host in HOSTS)
    tls = "\n    ".join(f"listen {host}:{tls_port} ssl http2 backlog=4096;" for host in HOSTS)
    # The worker must be able to read the directory, which belongs to whoever runs this.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    descriptors = os.sysconf("SC_OPEN_MAX")
    small = f'return 200 "{content.SMALL.decode("ascii")}";'
    headers = "\n    ".join(
        f"location = /headers-{size} {{ include headers-{size}.conf; {small} }}" for size in content.GROWING_SIZES
    )
    locations = f"""
    location = /small {{ {small} }}
    location = /session {{ return 200 "${{ssl_session_reused}}{content.SESSION_REST.decode("ascii")}"; }}
    location = /worker {{ return 200 "$pid"; }}
    location = /status {{ stub_status; }}
    {headers}
    location /upload/ {{ root {directory}; dav_methods PUT; client_max_body_size 0; client_body_buffer_size 1m; }}"""
    return f"""
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid nginx.pid;
error_log error.log error;
events {{ use epoll; worker_connections {min(descriptors, 30000) - 100}; }}
http {{
  access_log off;
  default_type application/octet-stream;
  root {directory}/files;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams {MOST_STREAMS};
  client_body_temp_path {directory}/temporary/body;
  proxy_temp_path {directory}/temporary/proxy;
  fastcgi_temp_path {directory}/temporary/fastcgi;
  uwsgi_temp_path {directory}/temporary/uwsgi;
  scgi_temp_path {directory}/temporary/scgi;
  server {{
    {plain}{locations}
  }}
  server {{
    {tls}
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate server.pem;
    ssl_certificate_key server.key;
    ssl_session_cache none;
    ssl_session_tickets on;{locations}
  }}
}}
"""


def _check_configuration(command: list[str]) -> None:
    done = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"nginx refuses the configuration: {done.stderr.strip()}")


def _end_with_parent() -> None:
    """Between fork and exec: nginx gets SIGTERM even if the harness is killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _first_answer(process: subprocess.Popen[bytes], port: int, directory: Path) -> bytes:
    """The worker's process id, as soon as it answers."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return _get(port, "/worker")
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (directory / "error.log").read_text(encoding="utf-8", errors="replace").strip()
                raise ServerError(f"nginx doesn't answer: {log or error}") from error
            time.sleep(0.02)


def _get(port: int, path: str) -> bytes:
    """The harness's own little GET, which belongs to none of the clients."""
    with socket.create_connection((HOSTS[0], port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode("ascii"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head:
        raise ServerError(f"nginx answers {path} with {head[:100]!r}")
    return body


def _tls_in_use(port: int, directory: Path) -> str:
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    with (
        socket.create_connection((HOSTS[0], port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=HOSTS[0]) as tls,
    ):
        name, protocol, bits = tls.cipher() or ("?", "?", 0)
    return f"{protocol}, {name} ({bits} bits), certificate ECDSA P-256"


def _nginx_version(nginx: str) -> str:
    done = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True)
    lines = done.stderr.split("\n")
    return ", ".join(line.removeprefix("nginx version: ") for line in lines[:2])
