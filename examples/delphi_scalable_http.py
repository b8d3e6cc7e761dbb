"""The console program that Grijjy published with the original, in Python: HTTP and HTTP/2 with the same class.

    python examples/delphi_scalable_http.py [URL [HTTP2-URL]]

Delphi: program DelphiScalableHttp, in DelphiScalableClientSockets
"""

from __future__ import annotations

import sys

from httpclient import HttpClientError, TgoHttpClient


def show(http: TgoHttpClient, url: str) -> None:
    response = http.get(url)
    print(f"{url}: HTTP/{response.http_version} {response.status_code}, {len(response.content)} bytes")
    print(response.text)


def main(urls: list[str]) -> int:
    http_url = urls[0] if urls else "http://www.grijjy.com"
    http2_url = urls[1] if len(urls) > 1 else "https://nghttp2.org"
    try:
        with TgoHttpClient() as http:  # TgoHttpClient.Create ... Free
            show(http, http_url)
        with TgoHttpClient(True) as http:  # TgoHttpClient.Create(True): HTTP/2 only
            show(http, http2_url)
    except HttpClientError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
