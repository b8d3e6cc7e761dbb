"""The set-up says what is missing and how to install it; looked at with commands of the tests' own in the PATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "_setup.sh"


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A directory that comes first in the PATH."""
    directory = tmp_path / "commands"
    directory.mkdir()
    return directory


def put(commands: Path, name: str, text: str) -> None:
    path = commands / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def bash(commands: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", f"source {SETUP}\n{script}", "scripts/test"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_nothing_is_done_where_nothing_is_missing(commands: Path) -> None:
    put(commands, "apt-get", "echo installing; exit 1")
    done = bash(commands, "setup_system runtime demo test python")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_root_the_command_to_run_is_shown(commands: Path) -> None:
    put(commands, "id", "echo 1000")
    put(commands, "sudo", "exit 1")
    put(commands, "apt-get", "echo installing; exit 1")
    done = bash(commands, "_has_header() { false; }\nsetup_system test\necho not reached")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "sudo apt-get install --yes --no-install-recommends libc6-dev libnghttp2-dev libssl-dev\n" in done.stderr
    assert done.stderr.count("\n") == 3


def test_without_apt_the_names_are_shown(commands: Path) -> None:
    done = bash(
        commands, '_has_library() { false; }\n_has_command() { [ "$1" != apt-get ]; }\nsetup_system runtime\necho on'
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "this is missing, under the names that Debian has for it: libnghttp2-14 libssl3" in done.stderr


def test_with_sudo_it_is_installed(commands: Path, tmp_path: Path) -> None:
    put(commands, "id", "echo 1000")
    # A sudo that says what it was asked to run, and runs nothing.
    put(commands, "sudo", f'printf "%s\\n" "$*" >>{tmp_path}/asked; touch {tmp_path}/installed')
    script = f"_has_library() {{ [ -e {tmp_path}/installed ]; }}\nsetup_system runtime\necho on"
    done = bash(commands, script)
    assert (done.returncode, done.stdout) == (0, "on\n")
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("-n true\n-n bash -c")
    assert asked.endswith("install libnghttp2-14 libssl3\n")


def test_what_is_still_missing_afterwards_is_said(commands: Path) -> None:
    put(commands, "id", "echo 1000")
    put(commands, "sudo", "exit 0")
    done = bash(commands, "_has_certificates() { false; }\nsetup_system runtime\necho on")
    assert done.returncode == 1
    assert "still missing after installing: ca-certificates" in done.stderr


def test_a_python_that_is_too_old_is_not_taken(commands: Path) -> None:
    for version in ("", ".14", ".13", ".12", ".11"):
        put(commands, f"python3{version}", "exit 1")
    done = bash(commands, 'PYTHON=python3; _find_python ctypes; echo "$python"')
    assert (done.returncode, done.stdout) in {(0, "/usr/bin/python3\n"), (1, "")}
    put(commands, "python3.12", "exit 0")
    done = bash(commands, 'PYTHON=python3; _find_python ctypes; echo "$python"')
    assert (done.returncode, done.stdout) == (0, f"{commands}/python3.12\n")


def test_a_foreign_environment_that_does_not_work_is_left_alone(commands: Path, tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    done = bash(commands, f"venv={tmp_path}/.venv\nsetup_python test")
    assert done.returncode == 1
    assert f"{tmp_path}/.venv can't be used" in done.stderr
    assert list((tmp_path / ".venv").iterdir()) == []


def test_an_environment_is_made_once_and_again_when_the_project_changes(commands: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project.optional-dependencies]\ntest = ["setuptools"]\n')
    # Its pip is replaced by one that only writes down what it is asked for.
    script = f"""root={project}; venv=$root/.venv
setup_python; mkdir -p {tmp_path}/pip/pip; touch {tmp_path}/pip/pip/__init__.py
echo 'import sys; open("{tmp_path}/asked", "a").write(" ".join(sys.argv[1:]) + chr(10))' >{tmp_path}/pip/pip/__main__.py
export PYTHONPATH={tmp_path}/pip
setup_python test; setup_python test
echo '# changed' >>$root/pyproject.toml
setup_python test
"$python" -c 'import sys; print(sys.prefix)'"""
    done = bash(commands, script)
    assert (done.returncode, done.stdout) == (0, f"{project}/.venv\n"), done.stderr
    assert (tmp_path / "asked").read_text().splitlines() == [
        "install --quiet --disable-pip-version-check setuptools"
    ] * 2


def test_a_half_made_environment_is_made_again(commands: Path, tmp_path: Path) -> None:
    marks = tmp_path / ".venv" / ".setup"
    marks.mkdir(parents=True)
    (marks / "state").write_text("begun\n")
    done = bash(commands, f"venv={tmp_path}/.venv\nsetup_python\n\"$python\" -c 'print(6 * 7)'")
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    assert (marks / "state").read_text() == "made\n"
