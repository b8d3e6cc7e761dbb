"""The host of a URL: names, internationalised names and addresses (RFC 3986 section 3.2.2), and percent-encoding.

A host has one form here, so that who checks it (for a redirect, a cookie, a list of hosts that may be asked) and who
connects to it speak of the same one:

* IPv4 addresses are four decimal numbers. ``127.1``, ``0x7f.0.0.1``, ``0177.0.0.1`` and ``2130706433`` are refused:
  the system's resolver takes them for 127.0.0.1, and a look at the text doesn't.
* IPv6 addresses are shortened as RFC 5952 wants, so ``[0:0::1]`` is ``[::1]``.
* Names are in lower case, with labels that the name system can carry (RFC 1034 section 3.1). A dot at the end stays:
  it says that no search list is to be used.
* Internationalised names are turned into their ASCII form: by IDNA 2008 with the mapping of UTS #46, like in browsers,
  where the package ``idna`` is installed; emoji are not in it. Without that package, Python's own codec is used,
  which is IDNA 2003 with Unicode 3.2. What the two could read differently is then refused, so that a URL never leads
  to another host for the lack of a package: ``faß.de`` (``fass.de`` in IDNA 2003) and what is newer than Unicode 3.2.
"""

from __future__ import annotations

from .errors import InvalidUrlError

# RFC 3986 section 2.3, and with the sub-delims of section 2.2: what every part of a URL may have in it, and a name.
# ``text.strip(UNENCODED)`` is empty where there is nothing else.
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
UNENCODED = _UNRESERVED + "!$&'()*+,;="

#: The numbers that an IPv4 address is written with.
_OCTETS = frozenset(map(str, range(256)))

#: RFC 1034 section 3.1.
_MAX_LABEL = 63
_MAX_NAME = 253

#: IDNA 2003 makes other letters of the first five, IDNA 2008 doesn't (UTS #46 section 2.3); and it leaves the last six
#: where they are, which can't be seen and are left out otherwise.
_DEVIATIONS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def utf8(text: str) -> bytes:
    """Return text as UTF-8; what ``surrogateescape`` made of bytes that weren't any becomes these bytes again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidUrlError("the URL has half of a surrogate pair in it") from None


def find_control(text: str) -> str:
    """Return the first control character of a text, or nothing."""
    if text.isprintable():  # which C can tell at once, for nearly every text
        return ""
    return next((letter for letter in text if letter < " " or "\x7f" <= letter <= "\x9f"), "")


def _decoded_bytes(text: str) -> bytes:
    import re

    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes((int(match.group(1), 16),)), utf8(text))


def decoded(text: str) -> str:
    """Decode percent-encoding: as UTF-8, or as Latin-1 where it isn't that."""
    if "%" not in text:
        return text
    data = _decoded_bytes(text)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def canonical_host(host: str) -> str:
    """Return a host in its one form.

    :raises InvalidUrlError: it can't be a host.
    """
    if host.startswith("["):
        return _ip_literal(host)
    if host.isascii() and "%" not in host:
        if host.strip(UNENCODED):
            raise InvalidUrlError(f"the host has {'a blank' if ' ' in host else 'a character'} in it that no host has")
        return _checked_name(host.lower())
    try:
        name = _decoded_bytes(host).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidUrlError("the host is not a name: it is not UTF-8") from None
    if find_control(name):
        raise InvalidUrlError("the host has a control character in it")
    if not name.isascii():
        name = _idna(name)
    # The mapping may turn look-alikes into delimiters: U+FF0F becomes "/".
    if name.strip(UNENCODED):
        raise InvalidUrlError("the host is not a name once it is decoded")
    return _checked_name(name.lower())


def _checked_name(name: str) -> str:
    """Return a name, in ASCII and lower case, if a resolver can only read it in one way."""
    last = name.removesuffix(".").rpartition(".")[2]
    # URL Standard section 3.5, "ends in a number": what programs take for an IPv4 address of some form.
    if last.isdigit() or (last.startswith("0x") and not last[2:].strip("0123456789abcdef")):
        numbers = name.split(".")
        if len(numbers) == 4 and all(number in _OCTETS for number in numbers):
            return name
        raise InvalidUrlError(
            "the host looks like an IPv4 address but isn't four decimal numbers from 0 to 255 without leading zeros, "
            "so programs read it differently"
        )
    if len(name) > _MAX_LABEL:
        labels = name.removesuffix(".").split(".")
        if len(name.removesuffix(".")) > _MAX_NAME or max(map(len, labels)) > _MAX_LABEL:
            raise InvalidUrlError("the host name is too long: labels have 63 characters, and all together 253")
    if name.startswith(".") or ".." in name:
        raise InvalidUrlError("the host name has an empty label: two dots in a row, or one in front")
    return name


def _idna(name: str) -> str:
    """Return the ASCII form of an internationalised name; see above."""
    if len(name) > _MAX_NAME + 1:  # before work is done that grows faster than the name
        raise InvalidUrlError("the host is not an internationalised name: it is too long")
    advice = ""
    try:
        try:
            import idna
        except ImportError:
            advice = "It may be one by the rules of IDNA 2008, for which the package idna has to be installed"
            return _idna_2003(name)
        return idna.encode(name, uts46=True).decode("ascii")
    except (UnicodeError, IndexError):  # idna's own errors are of the first kind, too
        raise InvalidUrlError("the host is not an internationalised name", advice=advice) from None


def _idna_2003(name: str) -> str:
    """Return the ASCII form of a name that IDNA 2008 makes the same of.

    :raises UnicodeError: there is none, or it may be another one.
    """
    from stringprep import in_table_a1
    from unicodedata import normalize, ucd_3_2_0

    if not _DEVIATIONS.isdisjoint(name) or normalize("NFKC", name) != ucd_3_2_0.normalize("NFKC", name):
        raise UnicodeError
    encoded = name.encode("idna")
    # The codec turns letters into small ones that came later: those of Cherokee.
    if any(map(in_table_a1, name)) or any(map(in_table_a1, encoded.decode("idna"))):
        raise UnicodeError
    return encoded.decode("ascii")


def _ip_literal(host: str) -> str:
    """Return an IPv6 address in brackets, its zone percent-encoded (RFC 3986 section 3.2.2, RFC 6874)."""
    from _socket import AF_INET6, inet_ntop, inet_pton  # `socket` itself costs more than a request

    address, percent, zone = host[1:-1].partition("%")
    try:
        address = inet_ntop(AF_INET6, inet_pton(AF_INET6, address))
    except (OSError, ValueError):
        raise InvalidUrlError("what is in brackets is not an IPv6 address") from None
    if not host.endswith("]"):
        raise InvalidUrlError("the IPv6 address has no closing bracket")
    if not percent:
        return f"[{address}]"
    # "%25" is the percent sign; a bare one is what everybody types. A zone may begin with "25" only after "%25".
    zone = decoded(zone.removeprefix("25") if len(zone) > 2 else zone)
    if not zone or zone.strip(_UNRESERVED):
        raise InvalidUrlError("the zone of the IPv6 address is not a name")
    return f"[{address}%25{zone}]"
