"""The public names that most programs don't use: their modules are imported when they are first asked for."""

from __future__ import annotations

#: The module of each.
LATER = {
    "Authentication": "authentication",
    "AuthenticationRequest": "authentication",
    "BasicAuthentication": "authentication",
    "BearerAuthentication": "authentication",
    "Challenge": "authentication",
    "DigestAuthentication": "authentication",
    "DuplexStream": "duplex",
    "HttpCookieJar": "cookies",
    "Http1Limits": "http1_limits",
    "RetryPolicy": "retrying",
    "TgoHttpClientState": "states",
    "Timings": "timings",
    "TlsInfo": "tls",
}


def load(name: str) -> object:
    """Import the module of a name, and return what it stands for."""
    from importlib import import_module

    return getattr(import_module(f".{LATER[name]}", __package__), name)
