"""This project's client with the OpenSSL and nghttp2 that pycurl's wheel brings: the same libraries as pycurl.

No client of its own: beside "ours", which uses the system's, it tells what a newer version of the libraries is worth.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path


def _use_libraries_of_pycurl() -> None:
    package = find_spec("pycurl")
    if package is None or package.origin is None:
        raise ImportError("pycurl isn't there")
    libraries = Path(package.origin).parent.with_name("pycurl.libs")
    for variable, name in (
        ("OPENSSL_API_LIBCRYPTO", "libcrypto"),
        ("OPENSSL_API_LIBSSL", "libssl"),
        ("NGHTTP2_API_LIBNGHTTP2", "libnghttp2"),
    ):
        found = next(libraries.glob(f"{name}-*.so*"), None)
        if found is None:
            raise ImportError(f"pycurl brings no {name} of its own in {libraries}")
        os.environ[variable] = str(found)


# Before anything of this project is imported; processes that are started inherit it.
_use_libraries_of_pycurl()

from benchmarks.clients.ours import *  # noqa: E402, F403

CANNOT = {"plain": "the same as ours without TLS"}
