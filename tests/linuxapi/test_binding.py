"""linuxapi.binding, with small C libraries made for the purpose."""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import sys
import threading
from typing import Any

import pytest

from linuxapi import Library, MissingFunction, MissingSymbolError, bind, bind_untyped, load_library
from linuxapi.binding import mapped_file

SOURCE = """
#include <time.h>

int answer(void) { return ANSWER; }
int twice(int x) { return 2 * x; }
long long wide(long long x) { return x; }
int new_name(void) { return 7; }

/* Set `started`, then wait up to `milliseconds` for `flag`. */
int wait_for(volatile int *started, volatile int *flag, int milliseconds)
{
    struct timespec millisecond = {0, 1000000};
    *started = 1;
    while (!*flag && milliseconds-- > 0)
        nanosleep(&millisecond, 0);
    return *flag;
}
"""


def compiled(directory: pathlib.Path, name: str, answer: int) -> str:
    path = directory / name
    command = ["gcc", "-shared", "-fPIC", f"-DANSWER={answer}", "-x", "c", "-", "-o", str(path)]
    subprocess.run(command, input=SOURCE, text=True, check=True)
    return str(path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compiled(tmp_path_factory.mktemp("first"), "libanswer-first.so.1", 1)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compiled(tmp_path_factory.mktemp("second"), "libanswer-second.so.1", 2)


@pytest.fixture
def library(first: str) -> Library:
    loaded = load_library([first], package="libanswer1", variable="ANSWER_LIBRARY")
    loaded.version = lambda: "1.2.3"
    return loaded


def answer_of(library: Library) -> object:
    return bind(library, "answer", ctypes.c_int, [])()


def test_the_first_that_loads_is_taken(first: str, second: str) -> None:
    names = ["libno-such-library.so.9", second, first]
    library = load_library(names, package="libanswer1", variable="ANSWER_LIBRARY")
    assert answer_of(library) == 2
    assert library.name == second
    assert library.path == os.path.realpath(second)


def test_the_variable_names_the_only_file(monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> None:
    monkeypatch.setenv("ANSWER_LIBRARY", second)
    assert answer_of(load_library([first], package="libanswer1", variable="ANSWER_LIBRARY")) == 2
    monkeypatch.setenv("ANSWER_LIBRARY", "/no/such/libanswer.so")
    with pytest.raises(ImportError, match=r"/no/such/libanswer\.so") as caught:
        load_library([first], package="libanswer1", variable="ANSWER_LIBRARY")
    assert first not in str(caught.value)


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    monkeypatch.setenv("ANSWER_LIBRARY", "")
    assert answer_of(load_library([first], package="libanswer1", variable="ANSWER_LIBRARY")) == 1


def test_no_library_says_what_was_tried_and_what_to_do() -> None:
    names = ["libno-such-library.so.9", "libno-such-library.so.8"]
    with pytest.raises(ImportError) as caught:
        load_library(names, package="libnosuch9", variable="NO_SUCH_LIBRARY", purpose="answers")
    message = str(caught.value)
    for part in [*names, "libnosuch9", "NO_SUCH_LIBRARY", "answers"]:
        assert part in message


def test_symbols_of_two_libraries_do_not_cross(first: str, second: str) -> None:
    libraries = [load_library([name], package="p", variable="ANSWER_LIBRARY") for name in (first, second)]
    assert [answer_of(library) for library in libraries] == [1, 2]


def test_prototypes(library: Library) -> None:
    assert bind(library, "twice", ctypes.c_int, [ctypes.c_int])(21) == 42
    assert bind(library, "wide", ctypes.c_longlong, [ctypes.c_longlong])(2**40) == 2**40
    with pytest.raises(ctypes.ArgumentError):
        bind(library, "twice", ctypes.c_int, [ctypes.c_int])("21")


@pytest.mark.parametrize("hold_gil", [False, True])
def test_two_bindings_of_a_function_are_independent(library: Library, hold_gil: bool) -> None:
    plain = bind(library, "twice", ctypes.c_int, [ctypes.c_int], hold_gil=hold_gil)
    checked = bind(library, "twice", ctypes.c_int, [ctypes.c_int], errcheck=lambda r, f, a: (r, a), hold_gil=hold_gil)
    untyped = bind_untyped(library, "twice", ctypes.c_ubyte, hold_gil=hold_gil)
    assert plain(200) == 400
    assert checked(200) == (400, (200,))
    assert untyped(200) == 400 - 256


def test_a_renamed_function_is_found(library: Library) -> None:
    function = bind(library, "old_name", ctypes.c_int, [], alternatives=["older_name", "new_name"])
    assert function
    assert function() == 7


def test_a_missing_function_is_false_and_explains_itself(library: Library, first: str) -> None:
    function = bind(library, "absent", ctypes.c_int, [ctypes.c_int], since="1.9", alternatives=["absent_too"])
    assert isinstance(function, MissingFunction)
    assert not function
    assert function.__name__ == "absent"
    assert "absent" in repr(function)
    with pytest.raises(MissingSymbolError) as caught:
        function(1)
    message = str(caught.value)
    for part in ["absent", os.path.realpath(first), "1.2.3", "1.9", "libanswer1", "ANSWER_LIBRARY"]:
        assert part in message
    assert isinstance(caught.value, AttributeError)


def test_a_missing_function_without_a_known_version(library: Library) -> None:
    with pytest.raises(MissingSymbolError) as caught:
        bind(library, "absent", None, [])()
    assert "or later" not in str(caught.value)


def test_a_missing_function_for_a_hot_path_is_an_error_at_once(library: Library) -> None:
    with pytest.raises(MissingSymbolError, match="absent"):
        bind_untyped(library, "absent")


def run_beside(function: Any, milliseconds: int) -> int:
    """Call ``wait_for`` while another thread wants to set the flag as soon as the call has started."""
    started, flag, over = ctypes.c_int(), ctypes.c_int(), threading.Event()

    def other() -> None:
        while not started.value and not over.is_set():
            pass
        flag.value = 1

    thread = threading.Thread(target=other)
    thread.start()
    try:
        result: int = function(ctypes.byref(started), ctypes.byref(flag), milliseconds)
    finally:
        over.set()
        thread.join()
    return result


def test_which_functions_keep_the_gil(library: Library) -> None:
    types = [ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int), ctypes.c_int]
    releasing = bind(library, "wait_for", ctypes.c_int, types)
    keeping = bind(library, "wait_for", ctypes.c_int, types, hold_gil=True)
    assert run_beside(releasing, 60_000) == 1
    # Without a GIL there is nothing to keep.
    without_gil = not getattr(sys, "_is_gil_enabled", lambda: True)()
    assert run_beside(keeping, 60_000 if without_gil else 50) == without_gil
    assert run_beside(bind_untyped(library, "wait_for", hold_gil=False), 60_000) == 1


def test_mapped_file(library: Library, first: str) -> None:
    assert mapped_file("libanswer-first.so") == os.path.realpath(first)
    assert mapped_file("libno-such-library.so") is None
    assert mapped_file("libno-such-library.so", "libanswer-first.so") == os.path.realpath(first)
    assert mapped_file("answer-first.so") is None


def test_a_library_describes_itself(library: Library, first: str) -> None:
    assert repr(library) == f"<Library {os.path.realpath(first)} version 1.2.3>"
    fresh = load_library([first], package="p", variable="ANSWER_LIBRARY")
    assert fresh.version() == "unknown"
