"""The Python clients, each in a process of its own: ``python -m tests.comparison.worker NAME``.

Reads pickled jobs from standard input and writes what came of them to standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import resource
import ssl
import struct
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

from tests.comparison.jobs import HTTPX, OURS, REQUESTS, Ask, Got, NotOffered, Options, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Send = Callable[[Ask], Got]

_SHOWN = 4096
_TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def _pieces(body: bytes) -> Iterator[bytes]:
    half = len(body) // 2
    yield body[:half]
    yield body[half:]


def _body(ask: Ask, files: list[BinaryIO]) -> dict[str, Any]:
    """The keyword arguments that all three libraries have in common, but for what httpx calls ``content``."""
    if ask.kind in ("file", "multipart"):
        files.append(open(ask.body, "rb"))  # noqa: SIM115 - closed by the caller, with the others
        return {"files": {"file": files[-1]}} if ask.kind == "multipart" else {"data": files[-1]}
    if ask.kind == "json":
        return {"json": json.loads(ask.body)}
    if ask.kind == "generator":
        return {"data": _pieces(ask.body)}
    return {"data": ask.body} if ask.body else {}


def _all(send: Send, asks: list[Ask], options: Options) -> list[Got]:
    def attempt(ask: Ask) -> Got:
        try:
            if ask.pause:
                time.sleep(ask.pause)
            return send(ask)
        except NotOffered:
            raise
        except Exception as error:
            return Got(type(error).__name__, extra={"message": str(error)[:300]})

    if options.together == "threads":
        with ThreadPoolExecutor(len(asks)) as threads:
            return list(threads.map(attempt, asks))
    return [attempt(ask) for ask in asks]


def ours(asks: list[Ask], options: Options) -> list[Got]:
    """This project's client."""
    import httpclient

    arguments: dict[str, Any] = {}
    if options.auth:
        kinds: dict[str, Any] = {
            "basic": httpclient.BasicAuthentication,
            "digest": httpclient.DigestAuthentication,
            "bearer": httpclient.BearerAuthentication,
        }
        arguments["auth"] = kinds[options.auth[0]](*options.auth[1:])
    if options.certificate:
        arguments.update(certificate=options.certificate[0], private_key=options.certificate[1])
    for name, value in {
        "ca_file": options.ca, "ciphers": options.ciphers, "max_redirects": options.max_redirects,
        "minimum_tls_version": options.minimum_tls, "netrc": options.netrc, "fingerprints": options.pin,
        "max_decoded_size": options.decoded,
        "proxy": options.proxy, "retry": options.retries, "timeout": options.total, "unix_socket": options.unix,
    }.items():  # fmt: skip
        if value:
            arguments[name] = value

    blocking = options.together != "futures"
    with httpclient.TgoHttpClient(
        options.http2, blocking, follow_redirects=options.follow, verify=options.verify, **arguments
    ) as client:
        informational: list[str] = []
        client.on_informational = lambda _, head: informational.append(str(head.status))

        def result(response: Any) -> Got:
            tls = response.tls
            return Got(
                "",
                response.status_code,
                list(response.headers.items()),
                response.content[:_SHOWN],
                response.text[:_SHOWN],
                len(response.content),
                response.url,
                {
                    "peer": response.peer,
                    "tls": f"{tls.version}, {tls.cipher}" if tls else "",
                    "timings": str(response.elapsed or ""),
                    "phases": str(response.timings or ""),
                    "trailers": ", ".join(f"{name}: {value}" for name, value in response.trailers),
                    "informational": " ".join(informational),
                    "version": response.http_version,
                },
            )

        def send(ask: Ask) -> Got:
            files: list[BinaryIO] = []
            try:
                return result(client.request(ask.method, ask.url, headers=ask.headers, **_body(ask, files)))
            finally:
                for file in files:
                    file.close()

        if blocking:
            return _all(send, asks, options)
        futures = [client.request(ask.method, ask.url, headers=ask.headers) for ask in asks]
        return [result(future.result()) for future in futures]


def requests(asks: list[Ask], options: Options) -> list[Got]:
    """Requests."""
    import requests as library
    import urllib3
    from requests.auth import HTTPDigestAuth

    if options.unix:
        raise NotOffered("not offered (a package of others, requests-unixsocket)")
    if options.together == "futures":
        raise NotOffered("not offered (a package of others, requests-futures)")
    if options.decoded:
        raise NotOffered("not offered")
    if options.pin:
        raise NotOffered("not offered (urllib3's assert_fingerprint, by an adapter of one's own)")
    with library.Session() as session:

        class Adapter(library.adapters.HTTPAdapter):
            """What the documentation recommends for options of TLS: a context for urllib3."""

            def init_poolmanager(self, *arguments: Any, **named: Any) -> Any:
                context = ssl.create_default_context(cafile=options.ca or None)
                if options.minimum_tls:
                    context.minimum_version = _TLS_VERSIONS[options.minimum_tls]
                if options.ciphers:
                    context.set_ciphers(options.ciphers)
                return super().init_poolmanager(*arguments, ssl_context=context, **named)

        if options.minimum_tls or options.ciphers:
            session.mount("https://", Adapter())
        if options.retries:
            retry = urllib3.Retry(total=options.retries, status_forcelist=[503], backoff_factor=0.1)
            session.mount("http://", library.adapters.HTTPAdapter(max_retries=retry))
        if options.auth:
            kind, *credentials = options.auth
            if kind == "basic":
                session.auth = (credentials[0], credentials[1])
            elif kind == "digest":
                session.auth = HTTPDigestAuth(*credentials)
            else:
                session.headers["Authorization"] = f"Bearer {credentials[0]}"
        if options.netrc:
            os.environ["NETRC"] = options.netrc
        if options.max_redirects:
            session.max_redirects = options.max_redirects
        if options.proxy:
            session.proxies = {"http": options.proxy, "https": options.proxy}
        session.cert = options.certificate
        # Not of the session: REQUESTS_CA_BUNDLE would go before it.
        verify: Any = (options.ca or None) if options.verify else False

        def send(ask: Ask) -> Got:
            files: list[BinaryIO] = []
            headers = dict(ask.headers)
            try:
                response = session.request(
                    ask.method,
                    ask.url,
                    headers=headers,
                    allow_redirects=options.follow,
                    verify=verify,
                    timeout=options.total or None,
                    **_body(ask, files),
                )
            finally:
                for file in files:
                    file.close()
            return Got(
                "",
                response.status_code,
                list(response.headers.items()),
                response.content[:_SHOWN],
                response.text[:_SHOWN],
                len(response.content),
                response.url,
                {"timings": str(response.elapsed.total_seconds()), "version": f"HTTP/{response.raw.version / 10}"},
            )

        return _all(send, asks, options)


def httpx(asks: list[Ask], options: Options) -> list[Got]:
    """Httpx."""
    import httpx as library

    class Bearer(library.Auth):
        def auth_flow(self, request: Any) -> Iterator[Any]:  # type: ignore[override]
            request.headers["Authorization"] = f"Bearer {options.auth[1]}"
            yield request

    arguments: dict[str, Any] = {"follow_redirects": options.follow}
    context: Any = options.verify
    if options.pin or options.decoded:
        raise NotOffered("not offered")
    if options.ca or options.certificate or options.minimum_tls or options.ciphers:
        context = ssl.create_default_context(cafile=options.ca or None)
        if options.certificate:
            context.load_cert_chain(*options.certificate)
        if options.minimum_tls:
            context.minimum_version = _TLS_VERSIONS[options.minimum_tls]
        if options.ciphers:
            context.set_ciphers(options.ciphers)
    if options.auth:
        kinds: dict[str, Any] = {"basic": library.BasicAuth, "digest": library.DigestAuth}
        kind, *credentials = options.auth
        arguments["auth"] = kinds[kind](*credentials) if kind in kinds else Bearer()
    if options.netrc:
        arguments["auth"] = library.NetRCAuth(options.netrc)
    if options.max_redirects:
        arguments["max_redirects"] = options.max_redirects
    if options.unix:
        arguments["transport"] = library.HTTPTransport(uds=options.unix)
    if options.retries:
        # Of connections only: there is nothing for responses.
        arguments["transport"] = library.HTTPTransport(retries=options.retries)
    if options.proxy:
        proxy = library.Proxy(options.proxy, ssl_context=context if options.proxy.startswith("https") else None)
        arguments["proxy"] = proxy
    arguments["timeout"] = options.total or 10.0
    if options.http2 is True:
        # Prior knowledge.
        arguments.update(http1=False, http2=True)
    arguments["verify"] = context

    def content(ask: Ask, files: list[BinaryIO]) -> dict[str, Any]:
        body = _body(ask, files)
        if "data" in body:
            body["content"] = body.pop("data")
        return body

    def result(response: library.Response) -> Got:
        stream = response.extensions.get("network_stream")
        tls = stream and stream.get_extra_info("ssl_object")
        try:
            peer = str(stream.get_extra_info("server_addr")) if stream else ""
        except OSError:
            # The connection is closed already.
            peer = ""
        return Got(
            "",
            response.status_code,
            list(response.headers.multi_items()),
            response.content[:_SHOWN],
            response.text[:_SHOWN],
            len(response.content),
            str(response.url),
            {
                "peer": peer,
                "tls": str(tls.version()) if tls else "",
                "timings": str(response.elapsed.total_seconds()),
                "version": response.http_version,
            },
        )

    if options.together == "futures":

        async def every() -> list[Got]:
            async with library.AsyncClient(**arguments) as client:
                return [result(one) for one in await asyncio.gather(*(client.get(ask.url) for ask in asks))]

        return asyncio.run(every())
    with library.Client(**arguments) as client:

        def send(ask: Ask) -> Got:
            files: list[BinaryIO] = []
            try:
                return result(client.request(ask.method, ask.url, headers=ask.headers, **content(ask, files)))
            finally:
                for file in files:
                    file.close()

        return _all(send, asks, options)


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def _do(client: Callable[[list[Ask], Options], list[Got]], asks: list[Ask], options: Options) -> Session:
    before = dict(os.environ)
    os.environ.update(options.env)
    if options.memory:
        limit = _status("VmSize:") + options.memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    in_use = _status("VmRSS:")
    session = Session()
    try:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            session.got = client(asks, options)
        session.warned = ", ".join(
            sorted({one.category.__name__ for one in given if not issubclass(one.category, ResourceWarning)})
        )
    except NotOffered as reason:
        session.not_offered = str(reason)
    except BaseException as error:
        session.got = [Got(type(error).__name__, extra={"message": str(error)[:300]})]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.environ.clear()
        os.environ.update(before)
    session.growth = _status("VmHWM:") - in_use
    return session


def main() -> None:
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    client = {OURS: ours, REQUESTS: requests, HTTPX: httpx}[sys.argv[1]]
    # A library imported in the middle of a job would count as memory of that job.
    __import__({OURS: "httpclient"}.get(sys.argv[1], sys.argv[1]))
    threading.excepthook = lambda _: None
    while head := source.read(4):
        asks, options = pickle.loads(source.read(*struct.unpack("!I", head)))
        answer = pickle.dumps(_do(client, asks, options))
        sink.write(struct.pack("!I", len(answer)) + answer)
        sink.flush()


if __name__ == "__main__":
    main()
