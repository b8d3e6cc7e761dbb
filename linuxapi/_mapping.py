"""The form in which every package records where its names come from (see ``_delphi.py`` in each of them).

Here is also the one rule that makes Python names of Delphi's. Only tests and tools import this module.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: The package that each unit of the original became part of, in the order of the documentation.
PACKAGES = {
    "Linuxapi.Epoll": "linuxapi",
    "Linuxapi.Timerfd": "linuxapi",
    "Grijjy.OpenSSL.API": "openssl_api",
    "Grijjy.OpenSSL": "openssl_api",
    "Nghttp2": "nghttp2_api",
    "Grijjy.MemoryPool": "socketpool",
    "Grijjy.SocketPool.Linux": "socketpool",
    "Grijjy.Http": "httpclient",
    "Grijjy.Uri": "httpclient",
}


class Ported(NamedTuple):
    """One declaration of the Delphi original, and what it became.

    :ivar delphi: unit, owner and name: ``Grijjy.Http.TgoHttpClient.Get``.
    :ivar kind: ``const``, ``type``, ``record``, ``field``, ``class``, ``constructor``, ``function``, ...
    :ivar python: package, owner and name: ``httpclient.TgoHttpClient.get``.
    :ivar note: why the name or the meaning differs; empty where the naming rule gives the name.
    """

    delphi: str
    kind: str
    python: str
    note: str = ""


def snake_case(name: str) -> str:
    """Return *name* in lower case, its words joined by underscores: ``ResponseStatusCode``, ``response_status_code``.

    A word starts at a capital that follows a small letter or a digit, and at the last of several capitals if a small
    letter follows: ``OnRecv``, ``on_recv``; ``ALPN``, ``alpn``; ``SSLHelper``, ``ssl_helper``; ``NgHttp2Array``,
    ``ng_http2_array``.
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def parameter_name(name: str) -> str:
    """Return the Python name of a parameter: ``AConnectTimeout``, ``connect_timeout``.

    The ``A`` that Delphi puts before parameters goes, if a capital follows it.
    """
    return snake_case(name[1:] if re.match("A[A-Z]", name) else name)


def private_name(name: str) -> str:
    """Return the Python name of a private field: ``FState``, ``_state``."""
    return "_" + snake_case(name[1:] if re.match("F[A-Z]", name) else name)


def python_name(kind: str, name: str, owner: str = "") -> str:
    """Return the Python name of a Delphi declaration, without its package.

    - What a unit declares itself (types, constants, routines, imports of C functions) keeps its name.
    - Members are written in :func:`snake_case`, values of an enumeration in capitals.
    - The constructor ``Create`` is ``__init__``, the destructor ``Destroy`` is ``close``.

    :param kind: as in :class:`Ported`.
    :param name: the declared name.
    :param owner: the type it belongs to, if it is a member.
    :return: the name, below the owner's where there is one: ``TgoHttpClient.get``.
    """
    if not owner:
        return name
    if kind == "enumvalue":
        member = snake_case(name).upper()
    elif kind == "constructor" and name == "Create":
        member = "__init__"
    elif kind == "destructor" and name == "Destroy":
        member = "close"
    else:
        member = snake_case(name)
    return f"{owner}.{member}"
