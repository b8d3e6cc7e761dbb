"""What kind of host a text names: a DNS name or an IP address, and how OpenSSL wants to be told."""

from __future__ import annotations

from functools import lru_cache

from .errors import TlsConfigurationError


@lru_cache(256)
def peer_name(host: str) -> tuple[str, bool]:
    """Return a host in the form that certificates use, and whether it is an IP address.

    A name loses the dot at its end (RFC 6066 section 3) and gets its ASCII form (RFC 5890) in small letters; an IPv6
    address loses its zone (RFC 4007), which means nothing to the peer.

    :raises TlsConfigurationError: it is neither.
    """
    if ":" in host:  # no name contains one
        return host.partition("%")[0].lower(), True
    if is_ipv4(host):
        return host, True
    name = host.removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise TlsConfigurationError(f"{host!r} is no host name: {error}", host=host) from error
    # Before a dot, OpenSSL would accept any name: ".example.org" means "whatever is below example.org". A NUL would
    # end the name early.
    if not name or name.startswith(".") or not name.isprintable() or any(mark in name for mark in " /@\\"):
        raise TlsConfigurationError(f"{host!r} is no host name", host=host)
    return name.lower(), False


def is_ipv4(host: str) -> bool:
    """Tell whether *host* is an IPv4 address of four decimal numbers."""
    parts = host.split(".")
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in parts
    )
