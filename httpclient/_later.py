"""The public names that most programs don't use: their modules are imported when they are first asked for."""

from __future__ import annotations

#: The module of each.
LATER = {
    "Authentication": "authentication",
    "AuthenticationRequest": "authentication",
    "BasicAuthentication": "authentication",
    "BearerAuthentication": "authentication",
    "BodyWithTrailers": "body",
    "Challenge": "authentication",
    "DigestAuthentication": "authentication",
    "DuplexStream": "duplex",
    "Http1Limits": "http1_limits",
    "HttpClientManager": "manager",
    "HttpCookieJar": "cookies",
    "RetryPolicy": "retrying",
    "TMessage": "messaging",
    "TMessageManager": "messaging",
    "TThreadSafeBuffer": "buffer",
    "TgoHttpClientManager": "manager",
    "TgoHttpClientState": "states",
    "TgoHttpResponseMessage": "messaging",
    "Timings": "timings",
    "TlsInfo": "tls",
}
