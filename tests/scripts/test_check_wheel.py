"""The check of the wheel finds what is missing, what is too much, and what can't be imported."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from scripts.check_wheel import PACKAGES, import_problems, problems

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    **{f"{package}/{name}": "" for package in PACKAGES for name in ("__init__.py", "py.typed", "module.py")},
    "x-1.dist-info/METADATA": "",
    "x-1.dist-info/licenses/LICENSE": "",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in GOOD:
        if "dist-info" not in name:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
    return tmp_path


def wheel(directory: Path, files: dict[str, str]) -> Path:
    path = directory / "x.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_good_wheel_is_good(clone: Path) -> None:
    good = wheel(clone, GOOD)
    assert problems(good, clone) == []
    assert import_problems(good) == ""


@pytest.mark.parametrize(
    ("lost", "found"),
    [
        ("linuxapi/module.py", ["linuxapi/module.py is missing"]),
        ("httpclient/py.typed", ["httpclient/py.typed is missing", "httpclient has no py.typed"]),
        ("x-1.dist-info/licenses/LICENSE", ["LICENSE is missing"]),
    ],
)
def test_what_is_missing_is_found(clone: Path, lost: str, found: list[str]) -> None:
    assert problems(wheel(clone, {name: text for name, text in GOOD.items() if name != lost}), clone) == found


@pytest.mark.parametrize("name", ["tests/test_x.py", "conftest.py", "socketpool/notes.txt"])
def test_what_is_too_much_is_found(clone: Path, name: str) -> None:
    assert problems(wheel(clone, {**GOOD, name: ""}), clone) == [f"{name} doesn't belong there"]


def test_a_package_that_cannot_be_imported_is_found(clone: Path) -> None:
    assert "ZeroDivisionError" in import_problems(wheel(clone, {**GOOD, "socketpool/__init__.py": "1 / 0"}))
