"""Python in a process of its own: for what happens once in a process, or at its end."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap
import types
from typing import TYPE_CHECKING

from tests.certificates import Identity

if TYPE_CHECKING:
    from tests.certificates import Certificates

ROOT = pathlib.Path(__file__).parents[2]

_VARIABLE = "TESTS_CERTIFICATES"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run *code* in a fresh Python that looks for OpenSSL where *environment* says, and nowhere else."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENSSL_API_")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def compile_library(path: pathlib.Path, source: str, *options: str) -> str:
    """Compile C into a shared library at *path*; return that."""
    command = ["gcc", "-x", "c", "-", "-shared", "-fPIC", "-w", *options, "-o", str(path)]
    subprocess.run(command, input=source, text=True, check=True)
    return str(path)


def sent_certificates(certificates: Certificates, *names: str) -> dict[str, str]:
    """Return the environment that gives another process these identities, and the authority."""
    described: dict[str, object] = {"ca_file": str(certificates.ca_file)}
    for name in names:
        described[name] = [str(part) for part in getattr(certificates, name)]
    return {_VARIABLE: json.dumps(described)}


def received_certificates() -> types.SimpleNamespace:
    """In the other process: return what it was given."""
    described = json.loads(os.environ[_VARIABLE])
    received = types.SimpleNamespace(ca_file=pathlib.Path(described.pop("ca_file")))
    for name, (certificate, key, password) in described.items():
        setattr(received, name, Identity(pathlib.Path(certificate), pathlib.Path(key), password))
    return received
