"""The command line: ``python -m httpclient [options] URL...``.

``-v`` shows requests and responses as curl does; ``--trace`` shows what every layer did, with the name of the Delphi
routine that does it there.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from .call_options import RequestOptions
    from .client import TgoHttpClient
    from .response import HttpResponse


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    import argparse

    width = _terminal_width() - 2
    parser = argparse.ArgumentParser(
        prog="python -m httpclient",
        description="Fetch URLs over HTTP/1.1, HTTPS or HTTP/2.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=width),
    )
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("-X", "--request", metavar="METHOD", help="the method; GET, or POST with --data")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="may be repeated")
    body = parser.add_mutually_exclusive_group()
    body.add_argument("-d", "--data", metavar="DATA", help="the body; @FILE sends a file, as it is read")
    body.add_argument("--json", metavar="JSON", help="a body in JSON")
    body.add_argument(
        "-F", "--form", action="append", metavar="NAME=VALUE", help="a field of a form; NAME=@FILE sends a file"
    )
    parser.add_argument("-G", "--params", action="append", metavar="NAME=VALUE", help="add to the query of the URL")
    parser.add_argument("-I", "--head", action="store_true", help="ask for the head only")
    parser.add_argument("-i", "--include", action="store_true", help="show the response's header fields too")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the body to a file instead of standard output")
    parser.add_argument("-C", "--continue", dest="resume", action="store_true", help="go on with what --output has")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what is sent and received")
    parser.add_argument("--trace", action="store_true", help="show what every layer does, and its Delphi routine")
    parser.add_argument("--http1.1", dest="http1", action="store_true", help="HTTP/1.1 only")
    parser.add_argument("--http2", action="store_true", help="HTTP/2 only, on http URLs by prior knowledge")
    parser.add_argument("--cacert", metavar="FILE", help="trust these CA certificates instead of the system's")
    parser.add_argument("--cert", metavar="FILE", help="the client's certificate, and its key if that is in there")
    parser.add_argument("--key", metavar="FILE", help="the client's private key")
    parser.add_argument("--pin", action="append", default=[], metavar="FINGERPRINT", help="of the server's certificate")
    parser.add_argument("--tlsv1.3", dest="tls13", action="store_true", help="TLS 1.3 or newer")
    parser.add_argument("-k", "--insecure", action="store_true", help="don't verify the server's certificate")
    parser.add_argument("-u", "--user", metavar="NAME:PASSWORD", help="Basic, or Digest if the server asks for that")
    parser.add_argument("--bearer", metavar="TOKEN", help="a bearer token")
    parser.add_argument("-n", "--netrc", action="store_true", help="look for name and password in ~/.netrc")
    parser.add_argument("-b", "--cookie-jar", metavar="FILE", help="read cookies from a file, and write them there")
    parser.add_argument("-x", "--proxy", metavar="URL", help="a proxy: http, https, socks5 or socks5h; '' for none")
    parser.add_argument("--unix-socket", metavar="PATH", help="connect through this socket")
    parser.add_argument("--retry", type=int, default=0, metavar="TIMES", help="repeat what fails, after a pause")
    parser.add_argument("--connect-timeout", type=float, metavar="SECONDS")
    parser.add_argument("--recv-timeout", type=float, metavar="SECONDS", help="of silence")
    parser.add_argument("--timeout", type=float, default=0.0, metavar="SECONDS", help="for everything together")
    parser.add_argument("--no-redirects", action="store_true", help="don't follow redirects")
    parser.add_argument("-f", "--fail", action="store_true", help="exit with 22 where a status is 400 or above")
    return parser.parse_args(argv)


def _terminal_width() -> int:
    """Return how many columns there are. argparse would ask shutil, which takes longer to import than a request."""
    columns = os.environ.get("COLUMNS", "")
    try:
        return (int(columns) if columns.isdecimal() else 0) or os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def _client(options: argparse.Namespace) -> TgoHttpClient:
    from .client import TgoHttpClient
    from .constants import TIMEOUT_CONNECT, TIMEOUT_RECV

    client = TgoHttpClient(
        True if options.http2 else False if options.http1 else None,
        verify=not options.insecure,
        minimum_tls_version="1.3" if options.tls13 else "1.2",
        fingerprints=options.pin,
        netrc=options.netrc,
        cookie_jar=options.cookie_jar,
        proxy=options.proxy,
        unix_socket=options.unix_socket,
        retry=options.retry or None,
        ca_file=options.cacert,
        certificate=_read(options.cert),
        private_key=_read(options.key),
        connect_timeout=TIMEOUT_CONNECT if options.connect_timeout is None else options.connect_timeout,
        recv_timeout=TIMEOUT_RECV if options.recv_timeout is None else options.recv_timeout,
        timeout=options.timeout,
        follow_redirects=not options.no_redirects,
    )
    for header in options.header:
        client.request_headers.add_or_set(header)
    if options.user:
        client.user_name, _, client.password = options.user.partition(":")
    if options.bearer:
        from .authentication.schemes import BearerAuthentication

        client.auth = BearerAuthentication(options.bearer)
    return client


def _read(path: str | None) -> bytes:
    if path is None:
        return b""
    with open(path, "rb") as file:
        return file.read()


def _pairs(given: list[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in given)]


def _content(options: argparse.Namespace) -> RequestOptions:
    """Return the body that the options ask for."""
    if options.json is not None:
        from json import loads

        return {"json": loads(options.json)}
    if options.form is not None:
        from pathlib import Path

        pairs = _pairs(options.form)
        return {
            "data": [(name, value) for name, value in pairs if not value.startswith("@")],
            "files": [(name, Path(value[1:])) for name, value in pairs if value.startswith("@")],
        }
    if options.data is None:
        return {}
    if options.data.startswith("@"):
        from pathlib import Path

        return {"data": Path(options.data[1:])}
    return {"data": options.data.encode()}


def _fetch(client: TgoHttpClient, url: str, options: argparse.Namespace) -> int:
    content = _content(options)
    method = options.request or ("HEAD" if options.head else "POST" if content else "GET")
    if options.params:
        content["params"] = _pairs(options.params)
    if options.resume and options.output:
        client.download(url, options.output, resume=True, **content)
        return 0
    with client.stream(method, url, **content) as response:
        if options.verbose:
            for earlier in response.history:
                _show_exchange(earlier)
            _show_exchange(response)
        if options.include or options.head:
            _show_head(response, sys.stdout.buffer.write, "")
        if options.output:
            with open(options.output, "wb") as file:
                for piece in response.iter_bytes():
                    file.write(piece)
        else:
            for piece in response.iter_bytes():
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        if options.verbose:
            _show_timings(response)
        return 22 if options.fail and response.status_code >= 400 else 0


def _show_timings(response: HttpResponse) -> None:
    timings = response.timings
    phases = ", ".join(
        f"{name} {getattr(timings, name) * 1000:.1f}" for name in ("lookup", "connect", "tls", "response")
    )
    sys.stderr.write(f"* ms: {phases}\n")


def _show_exchange(response: HttpResponse) -> None:
    def write(data: bytes) -> None:
        sys.stderr.buffer.write(data)

    request = response.request
    write(f"* {response.peer} {response.tls_description}\n".encode())
    write(f"> {request.method} {request.uri.target} HTTP/{response.http_version}\n".encode())
    for name, value in request.fields:
        shown = "***" if name.lower() in ("authorization", "cookie", "proxy-authorization") else value
        write(f"> {name}: {shown}\n".encode())
    write(b">\n")
    _show_head(response, write, "< ")


def _show_head(response: HttpResponse, write: object, prefix: str) -> None:
    assert callable(write)
    reason = f" {response.reason}" if response.reason else ""
    write(f"{prefix}HTTP/{response.http_version} {response.status_code}{reason}\n".encode())
    for name, value in response.headers.items():
        write(f"{prefix}{name}: {value}\n".encode())
    write(f"{prefix.rstrip()}\n".encode())


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    :return: the exit status: 0; 22 with ``--fail`` where a status is 400 or above; 1 after an error; 130 when it was
        interrupted. Wrong arguments end the process with 2.
    """
    from .errors import HttpClientError

    options = _arguments(argv)
    if options.trace:
        from .trace import install

        install(sys.stderr)
    status = 0
    try:
        with _client(options) as client:
            for url in options.urls:
                try:
                    status = max(status, _fetch(client, url, options))
                except HttpClientError as error:
                    _complain(f"{type(error).__name__}: {error}")
                    status = 1
    except BrokenPipeError:
        # Whoever read our output has seen enough. What is still in the buffer has to go nowhere, and quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (HttpClientError, OSError, ValueError) as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _complain(text: str) -> None:
    print(f"httpclient: {text}", file=sys.stderr)
