"""Functions of modules are called in forked children, and nothing keeps them alive for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os
from linuxapi.forks import after_fork_in_child

def first():
    os.write(1, b"first ")

def failing():
    raise OSError("ignored")

def gone():
    os.write(1, b"gone ")

def last():
    os.write(1, b"last")

for function in (first, failing, gone, last):
    after_fork_in_child(function)
del function, gone

child = os.fork()
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""


def test_in_the_child_only() -> None:
    line = [sys.executable, "-c", PROGRAM]
    root = Path(__file__).parents[2]
    done = subprocess.run(line, cwd=root, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "first last"
    assert "OSError: ignored" in done.stderr
