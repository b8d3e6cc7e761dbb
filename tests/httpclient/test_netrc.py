"""User names and passwords out of .netrc files, and what is said about files that are of no use."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from httpclient import InvalidRequestError
from httpclient.authentication._netrc import netrc_credentials

FILE = """\
# comment
machine example.org login user password secret
machine Example.NET
    login other
    account unused
    password "with blank"
machine 192.0.2.1 login four password 4
machine ::1 login six password 6
machine [2001:db8::1] login brackets password 7
machine account.example account only password secret
machine token.example password secret
machine empty.example login "" password ""
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, and no NETRC."""
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(path: Path, text: str = FILE, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refusal(host: str = "example.org", path: str | None = None) -> str:
    """Return the message of the error; no password may be in it, nor in what is printed with it or hangs on to it."""
    with pytest.raises(InvalidRequestError) as caught:
        netrc_credentials(host, path)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__context__
    return str(caught.value)


@pytest.mark.parametrize(
    ("host", "credentials"),
    [
        ("example.org", ("user", "secret")),
        ("EXAMPLE.org", ("user", "secret")),
        ("example.net", ("other", "with blank")),
        ("192.0.2.1", ("four", "4")),
        ("::1", ("six", "6")),
        ("[::1]", ("six", "6")),
        ("2001:db8::1", ("brackets", "7")),
        ("account.example", ("only", "secret")),
        ("token.example", ("", "secret")),
        ("empty.example", None),
        ("www.example.org", None),
        ("example.org:80", None),
        ("", None),
    ],
)
def test_entries(home: Path, host: str, credentials: tuple[str, str] | None) -> None:
    write(home / ".netrc")
    assert netrc_credentials(host) == credentials


def test_the_default_entry_is_for_all_others(home: Path) -> None:
    write(home / ".netrc", "machine example.org login user password secret\ndefault login all password any")
    assert netrc_credentials("example.org") == ("user", "secret")
    assert netrc_credentials("www.example.org") == ("all", "any")


def test_which_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".netrc", "machine host login home password x")
    named = write(home / "named", "machine host login named password x")
    given = write(home / "given", "machine host login given password x")
    assert netrc_credentials("host") == ("home", "x")
    monkeypatch.setenv("NETRC", str(named))
    assert netrc_credentials("host") == ("named", "x")
    assert netrc_credentials("host", str(given)) == ("given", "x")
    assert netrc_credentials("host", "~/given") == ("given", "x")
    monkeypatch.setenv("NETRC", "")
    assert netrc_credentials("host") == ("home", "x")
    monkeypatch.setenv("NETRC", os.devnull)
    assert netrc_credentials("host") is None


def test_a_home_without_one_has_no_passwords(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert netrc_credentials("example.org") is None
    monkeypatch.setenv("HOME", str(write(home / "file")))
    assert netrc_credentials("example.org") is None


def test_a_file_that_is_named_has_to_be_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(path=str(home / "missing"))
    assert "missing' can't be used: No such file" in message
    monkeypatch.setenv("NETRC", str(home / "gone"))
    assert "gone' can't be used: No such file" in refusal()
    assert "can't be used: Is a directory" in refusal(path=str(home))
    assert "can't be used: its name has a NUL in it" in refusal(path="a\0b")


def test_a_change_is_seen(home: Path) -> None:
    path = write(home / ".netrc", "machine host login one password x")
    assert netrc_credentials("host") == ("one", "x")
    assert netrc_credentials("host") == ("one", "x")
    write(path, "machine host login second password x")
    assert netrc_credentials("host") == ("second", "x")
    # Another file in its place, of the same size and age.
    status = path.stat()
    other = write(home / "other", "machine host login third1 password x")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)
    assert netrc_credentials("host") == ("third1", "x")
    path.unlink()
    assert netrc_credentials("host") is None


def test_it_is_not_read_each_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".netrc")
    assert netrc_credentials("example.org") == ("user", "secret")
    monkeypatch.setattr("httpclient.authentication._netrc._read", lambda file: pytest.fail("read again"))
    assert netrc_credentials("::1") == ("six", "6")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o610])
def test_the_file_at_home_is_closed_to_others(home: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / ".netrc", mode=mode)
    for _ in range(2):
        message = refusal()
        assert "open to other users" in message
        assert "chmod 600" in message
    # Also for a host that isn't in it: the file is the matter.
    refusal("www.example.org")
    # A file that is named is taken as it is.
    assert netrc_credentials("example.org", str(path)) == ("user", "secret")
    monkeypatch.setenv("NETRC", str(path))
    assert netrc_credentials("example.org") == ("user", "secret")
    path.chmod(0o600)
    monkeypatch.delenv("NETRC")
    assert netrc_credentials("example.org") == ("user", "secret")


def test_a_file_without_passwords_may_be_open(home: Path) -> None:
    write(home / ".netrc", "machine host login user", mode=0o644)
    assert netrc_credentials("host") == ("user", "")
    write(home / ".netrc", "# nothing", mode=0o644)
    assert netrc_credentials("host") is None


def test_the_file_at_home_is_not_another_users(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / ".netrc")
    # As seen by somebody else; who isn't root can't give files away.
    user = path.stat().st_uid + 1
    monkeypatch.setattr(os, "getuid", lambda: user)
    if path.stat().st_uid == 0:
        os.chown(path, user + 1, -1)
    assert "belongs to another user" in refusal()
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid)
    assert netrc_credentials("example.org") == ("user", "secret")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("secret", 1),
        ("machine host login user pasword secret\n", 1),
        ("machine host login user password secret\nmachine other\n  secret\n", 3),
        ("\n\nmachine host login user password x secret", 3),
    ],
)
def test_what_is_wrong_is_said_without_quoting_it(home: Path, text: str, line: int) -> None:
    path = write(home / ".netrc", text)
    message = refusal()
    # Python counts the line break that follows as well.
    assert any(f"{str(path)!a} can't be used: what is near line {each} can't" in message for each in (line, line + 1))


def test_a_file_that_is_not_text(home: Path) -> None:
    path = home / ".netrc"
    path.write_bytes(b"machine host login \xff\xfe password secret")
    path.chmod(0o600)
    assert "not text in UTF-8" in refusal()


def test_a_user_name_in_utf_8(home: Path) -> None:
    write(home / ".netrc", "machine host login J\xe4s\xf8n password \u263a")
    assert netrc_credentials("host") == ("J\xe4s\xf8n", "\u263a")
