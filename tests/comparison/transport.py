"""Probes: proxies, addresses, TLS, HTTP/2, and many requests at once."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import subprocess
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

from tests.comparison.jobs import CURL, HTTPX, OURS, REQUESTS, Ask, NotOffered
from tests.comparison.lab import CAP, Lab, probe, told
from tests.servers.http2 import Http2Server
from tests.servers.scripted import listen, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.comparison.jobs import Got
    from tests.servers.connection import Connection
    from tests.servers.http2 import Http2Session

MANY = 20

#: What a cell says where this machine hasn't got what the point is about.
UNMEASURED = "(not measured)"


def _works(got: Got) -> str:
    return "yes" if got.status == 200 else f"no: {told(got)}"


# Proxies


@probe("Proxies", "http URL through an HTTP proxy")
def http_proxy(lab: Lab) -> str:
    return _works(lab.ask(lab.stage.nginx.url("http", "/request"), proxy=f"http://127.0.0.1:{lab.stage.tinyproxy.port}"))


@probe("Proxies", "https URL through an HTTP proxy (CONNECT)")
def connect_proxy(lab: Lab) -> str:
    url = lab.stage.nginx.url("https1", "/request")
    return _works(lab.ask(url, ca=lab.ca, proxy=f"http://127.0.0.1:{lab.stage.tinyproxy.port}"))


@probe("Proxies", "user and password in the proxy's URL")
def proxy_password(lab: Lab) -> str:
    proxy = f"http://user:password@127.0.0.1:{lab.stage.tinyproxy_password.port}"
    return _works(lab.ask(lab.stage.nginx.url("https1", "/request"), ca=lab.ca, proxy=proxy))


@probe("Proxies", "an HTTPS proxy")
def https_proxy(lab: Lab) -> str:
    proxy = f"https://localhost:{lab.stage.stunnel.port}"
    return _works(lab.ask(lab.stage.nginx.url("https1", "/request"), ca=lab.ca, proxy=proxy))


@probe("Proxies", "SOCKS 5")
def socks(lab: Lab) -> str:
    proxy = f"socks5h://127.0.0.1:{lab.stage.microsocks.port}"
    got = lab.ask(lab.stage.nginx.url("http", "/request"), proxy=proxy)
    if got.error in ("InvalidSchema", "ImportError"):
        return "with a further package"
    return _works(got)


@probe("Proxies", "no_proxy with a network: 127.0.0.0/8")
def no_proxy(lab: Lab) -> str:
    proxy, asked = lab.site(lambda request: ("200 OK", [], b""))
    server, _ = lab.site(lambda request: ("200 OK", [], b""))
    env = {"http_proxy": proxy.url, "no_proxy": "127.0.0.0/8"}
    got = lab.ask(server.url, env=env)
    return told(got) if got.error else "no: by the proxy" if asked else "yes"


# Addresses


@probe("Addresses", "Unix domain socket")
def unix(lab: Lab) -> str:
    return _works(lab.ask("http://localhost/request", unix=str(lab.stage.nginx.unix_socket("http"))))


def _host(name: str) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        proxy, asked = lab.site(lambda request: ("200 OK", [], b""))
        got = lab.ask(f"http://{name}/", proxy=proxy.url)
        return f"`{asked[0].value('Host')}`" if asked else told(got)

    return run


probe("Addresses", "faß.de (IDNA 2008: `xn--fa-hia.de`)")(_host("faß.de"))
probe("Addresses", "BÜCHER.example (`xn--bcher-kva.example`)")(_host("BÜCHER.example"))


@probe("Addresses", "http://[::1]/")
def ipv6(lab: Lab) -> str:
    server, asked = lab.site(lambda request: ("200 OK", [], b""), listener=listen("::1"))
    got = lab.ask(f"http://[::1]:{server.port}/")
    return _works(got) if not asked else "yes" if asked[0].value("Host") == f"[::1]:{server.port}" else "wrong Host"


@probe("Addresses", "IPv6 zone, http://[fe80::1%25eth0]/ (RFC 6874)")
def ipv6_zone(lab: Lab) -> str:
    with open("/proc/net/if_inet6") as file:
        local = [line.split() for line in file if line.startswith("fe80")]
    if not local:
        return UNMEASURED
    address = str(ipaddress.IPv6Address(int(local[0][0], 16)))
    server, asked = lab.site(lambda request: ("200 OK", [], b""), listener=listen("::"))
    got = lab.ask(f"http://[{address}%25{local[0][5]}]:{server.port}/")
    if not asked:
        return f"no: {told(got)}"
    return "yes" if asked[0].value("Host") == f"[{address}]:{server.port}" else "yes, with the zone in `Host`"


@probe("Addresses", "no answer over IPv6, one over IPv4 (localhost): connected")
def two_families(lab: Lab) -> str:
    server, _ = lab.site(lambda request: ("200 OK", [], b""))
    return _works(lab.ask(f"http://localhost:{server.port}/"))


# TLS


def _refused(site: str) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        host = "127.0.0.1" if site == "name_only" else "localhost"
        got = lab.ask(lab.stage.nginx.url(site, "/request", host), ca=lab.ca)
        return f"refused ({got.error})" if got.error else "ACCEPTED"

    return run


for _point, _site in (
    ("certificate of another host", "wrong_host"),
    ("certificate for the name, asked by address", "name_only"),
    ("expired certificate", "expired"),
    ("self-signed certificate", "self_signed"),
):
    probe("TLS", _point)(_refused(_site))


@probe("TLS", "a minimum of TLS 1.3 set, server of 1.2")
def minimum(lab: Lab) -> str:
    got = lab.ask(lab.stage.nginx.url("tls12", "/request"), ca=lab.ca, minimum_tls="1.3")
    by = {REQUESTS: " (an adapter of one's own)", HTTPX: " (an SSLContext)"}.get(lab.client, "")
    return f"refused{by}" if got.error else "ACCEPTED"


@probe("TLS", "ciphers set")
def ciphers(lab: Lab) -> str:
    context = tls_context(lab.stage.certificates.server, maximum=ssl.TLSVersion.TLSv1_2)
    used: list[str] = []

    def handler(connection: Connection) -> None:
        assert connection.tls
        used.append(str((connection.tls.tls.cipher() or ("",))[0]))
        connection.receive_request()
        connection.respond(b"plain")

    server = lab.serve(handler, tls=context)
    got = lab.ask(server.url, ca=lab.ca, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305")
    by = {REQUESTS: " (an adapter of one's own)", HTTPX: " (an SSLContext)"}.get(lab.client, "")
    return told(got) if got.error else f"yes{by}" if "CHACHA20" in used[0] else "no"


@probe("TLS", "the server's public key pinned")
def pinning(lab: Lab) -> str:
    certificate = lab.stage.certificates.server.certificate
    public = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-pubkey", "-noout"], check=True, capture_output=True
    ).stdout.decode()
    der = ssl.PEM_cert_to_DER_cert(public.replace("PUBLIC KEY", "CERTIFICATE"))
    pins = [hashlib.sha256(data).digest() for data in (der, b"another")]
    url = lab.stage.nginx.url("https1", "/request")
    right, wrong = (lab.ask(url, ca=lab.ca, pin="sha256//" + b64encode(pin).decode()) for pin in pins)
    return "yes" if right.status == 200 and wrong.error else f"no: {told(right)}, {told(wrong)}"


@probe("TLS", "client certificate")
def client_certificate(lab: Lab) -> str:
    made = lab.stage.certificates.client
    url = lab.stage.nginx.url("client_required", "/request")
    return _works(lab.ask(url, ca=lab.ca, certificate=(str(made.certificate), str(made.key))))


@probe("TLS", "SSLKEYLOGFILE")
def key_log(lab: Lab) -> str:
    file = lab.directory / "keys"
    lab.ask(lab.stage.nginx.url("https1", "/request"), ca=lab.ca, env={"SSLKEYLOGFILE": str(file)})
    return "yes" if file.exists() and "SECRET" in file.read_text() else "no"


@probe("TLS", "SSL_CERT_FILE")
def certificate_file(lab: Lab) -> str:
    return _works(lab.ask(lab.stage.nginx.url("https1", "/request"), env={"SSL_CERT_FILE": lab.ca}))


@probe("TLS", "verification off: a warning")
def unverified(lab: Lab) -> str:
    session = lab.session([Ask(lab.stage.nginx.url("self_signed", "/request"))], verify=False)
    return told(session.got[0]) if session.got[0].error else session.warned or "none"


@probe("TLS", "body without a length, TLS cut off without close_notify")
def truncated_tls(lab: Lab) -> str:
    def handler(connection: Connection) -> None:
        connection.receive_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhal")
        connection.close()

    server = lab.serve(handler, tls=tls_context(lab.stage.certificates.server))
    got = lab.ask(server.url, ca=lab.ca)
    return told(got) if got.error else "SILENT: half a body"


# HTTP/2


def _http2(lab: Lab, handler: Callable[[Http2Session], None]) -> Http2Server:
    context = tls_context(lab.stage.certificates.server, alpn=["h2", "http/1.1"])
    server = Http2Server(handler, tls=context, aborts=True, handshakes_fail=True)
    lab.closing(server)
    return server


def _plain(session: Http2Session) -> None:
    while request := session.receive_request():
        session.respond(request.stream_id, b"plain")


@probe("HTTP/2", "by default, where the server offers it")
def by_default(lab: Lab) -> str:
    got = lab.ask(lab.stage.nginx.url("https", "/request"), ca=lab.ca, http2=None)
    return told(got) if got.error else "yes" if "2" in got.extra["version"] else "no"


def _again(refuse: Callable[[Http2Session, int], None], method: str = "GET") -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        _needs_http2(lab)
        count = [0]

        def handler(session: Http2Session) -> None:
            while request := session.receive_request():
                count[0] += 1
                if count[0] == 1:
                    refuse(session, request.stream_id)
                else:
                    session.respond(request.stream_id, b"plain")

        server = _http2(lab, handler)
        got = lab.ask(Ask(server.url, method), ca=lab.ca, http2=True, patience=CAP)
        return "yes" if got.status == 200 else f"no: {told(got)}"

    return run


def _needs_http2(lab: Lab) -> None:
    if lab.client == REQUESTS:
        raise NotOffered("no HTTP/2")


probe("HTTP/2", "GET that GOAWAY says wasn't seen: made again")(_again(lambda session, _: session.go_away(0)))
probe("HTTP/2", "POST that REFUSED_STREAM says wasn't seen: made again")(
    _again(lambda session, stream: session.reset_stream(stream, 7), "POST")
)


@probe("HTTP/2", "trailers")
def http2_trailers(lab: Lab) -> str:
    _needs_http2(lab)

    def handler(session: Http2Session) -> None:
        while request := session.receive_request():
            session.respond(request.stream_id, b"ab", trailers=[("x-sum", "7")])

    got = lab.ask(_http2(lab, handler).url, ca=lab.ca, http2=True)
    return told(got) if got.error else "yes" if "x-sum" in got.extra.get("trailers", "").lower() else "no"


@probe("HTTP/2", f"{MANY} at the same time by one client: connections")
def sharing(lab: Lab) -> str:
    _needs_http2(lab)
    server = _http2(lab, _plain)
    session = lab.session([Ask(f"{server.url}/{n}") for n in range(MANY)], ca=lab.ca, http2=True, together="threads")
    failed = sum(1 for got in session.got if got.status != 200)
    return f"{failed} of {MANY} failed" if failed or session.hung else "one" if server.accepted == 1 else "several"


# Many at once


def _together(how: str) -> Callable[[Lab], str]:
    def run(lab: Lab) -> str:
        barrier = threading.Barrier(MANY)
        met = []

        def handler(connection: Connection) -> None:
            while request := connection.receive_request():
                try:
                    barrier.wait(2)
                    met.append(1)
                except threading.BrokenBarrierError:
                    pass
                connection.respond(request.target.encode())

        server = lab.serve(handler)
        session = lab.session([Ask(f"{server.url}/{n}") for n in range(MANY)], together=how)
        right = sum(1 for n, got in enumerate(session.got) if got.body == b"/%d" % n)
        if session.hung or right < MANY:
            return f"{right} of {MANY} answered"
        by = {
            ("threads", REQUESTS): " (not promised by its documentation)",
            ("threads", CURL): " (--parallel: one thread)",
            ("futures", OURS): ", Futures",
            ("futures", HTTPX): ", asyncio",
            ("futures", CURL): ", --parallel",
        }.get((how, lab.client), "")
        return f"{'yes' if len(met) == MANY else 'not all at once'}{by}"

    return run


probe("Many at once", f"one client, {MANY} threads")(_together("threads"))
probe("Many at once", f"{MANY} without a thread for each")(_together("futures"))
