"""The public names that most programs don't use: their modules are imported when they are first asked for."""

from __future__ import annotations

#: The module of each.
LATER = {
    "Authentication": "authentication.schemes",
    "AuthenticationRequest": "authentication.schemes",
    "BasicAuthentication": "authentication.schemes",
    "BearerAuthentication": "authentication.schemes",
    "BodyWithTrailers": "content.body",
    "Challenge": "authentication.schemes",
    "ClientOptions": "client_options",
    "DigestAuthentication": "authentication.schemes",
    "DuplexStream": "duplex",
    "Http1Limits": "http1.limits",
    "HttpClientManager": "manager",
    "HttpCookieJar": "cookies.jar",
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
