"""Check that a wheel holds the five packages, whole and typed, and nothing else: ``check_wheel.py FILE``."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("linuxapi", "openssl_api", "nghttp2_api", "socketpool", "httpclient")


def problems(wheel: Path, root: Path = ROOT) -> list[str]:
    """Return what is wrong with a wheel, in words; empty where nothing is.

    :param root: the clone that it was built from.
    """
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.endswith("/")}
    information = {name for name in held if name.partition("/")[0].endswith(".dist-info")}
    wanted = {
        str(path.relative_to(root))
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    found = [f"{name} is missing" for name in sorted(wanted - held)]
    found += [f"{name} doesn't belong there" for name in sorted(held - wanted - information)]
    found += [
        f"{package} has no {name}"
        for package in PACKAGES
        for name in ("__init__.py", "py.typed")
        if f"{package}/{name}" not in held
    ]
    if not any(name.endswith("/LICENSE") for name in information):
        found.append("LICENSE is missing")
    return found


def import_problems(wheel: Path) -> str:
    """Import the packages from the wheel alone, in an interpreter that sees nothing else; return what it says."""
    script = f"import sys; sys.path.insert(0, {str(wheel)!r}); import {', '.join(PACKAGES)}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], cwd="/", capture_output=True, text=True, check=False
    )
    return done.stderr if done.returncode else ""


def main() -> int:
    """Check the wheel that the command line names."""
    wheel = Path(sys.argv[1]).resolve()
    found = problems(wheel)
    if not found and (failure := import_problems(wheel)):
        found.append(f"it can't be imported:\n{failure}")
    for problem in found:
        print(f"{wheel.name}: {problem}")
    if not found:
        print(f"{wheel.name}: {len(PACKAGES)} packages, as it should be")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
