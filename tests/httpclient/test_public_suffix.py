"""Public suffixes: the algorithm, the list, and what cookies have to do with them."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from httpclient.cookies import _public_suffix
from tests.httpclient.jars import after, sent


@pytest.mark.parametrize("suffix", ["com", "co.uk", "github.io", "unheard-of", "com.au", "foo.ck", "any.kobe.jp"])
def test_public_suffixes_are_refused(suffix: str) -> None:
    """Section 5.3 step 5."""
    assert len(after(f"https://www.{suffix}/", f"a=1; Domain={suffix}")) == 0
    assert len(after(f"https://x.www.{suffix}/", f"a=1; Domain=www.{suffix}")) == 1
    # The host of that name may, but for itself alone.
    jar = after(f"https://{suffix}/", f"a=1; Domain={suffix}")
    assert sent(jar, f"https://{suffix}/") == "a=1"
    assert sent(jar, f"https://www.{suffix}/") == ""


def test_what_is_above_a_public_suffix_is_refused() -> None:
    """All names below kobe.jp but one are public suffixes, so a cookie for it would go to everybody."""
    for host in ("x.any.kobe.jp", "any.kobe.jp", "x.city.kobe.jp", "city.kobe.jp"):
        assert len(after(f"https://{host}/", "a=1; Domain=kobe.jp", "a=1; Domain=jp")) == 0, host
    assert len(after("https://x.city.kobe.jp/", "a=1; Domain=city.kobe.jp")) == 1


RULES = """
// comment
com
jp
*.kobe.jp
!city.kobe.jp
*.ck
!www.ck
uk
co.uk  and what follows a blank
\u516c\u53f8.cn
CN
"""


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("com", "com"),
        ("com.", "com."),
        ("example.com", "com"),
        ("a.b.example.com.", "com."),
        ("jp", "jp"),
        ("kobe.jp", "jp"),
        ("any.kobe.jp", "any.kobe.jp"),
        ("x.any.kobe.jp", "any.kobe.jp"),
        ("city.kobe.jp", "kobe.jp"),
        ("x.city.kobe.jp", "kobe.jp"),
        ("ck", "ck"),
        ("any.ck", "any.ck"),
        ("x.any.ck", "any.ck"),
        ("www.ck", "ck"),
        ("x.www.ck", "ck"),
        ("bbc.co.uk", "co.uk"),
        ("example.uk", "uk"),
        ("x.cn", "cn"),
        ("x.xn--55qx5d.cn", "xn--55qx5d.cn"),
        ("xn--55qx5d.cn", "xn--55qx5d.cn"),
        ("xn--\x80.com", "com"),
        ("xn--99999999999.com", "com"),
        ("unheard-of", "unheard-of"),
        ("example.unheard-of", "unheard-of"),
        ("", ""),
        (".com", ".com"),
        ("a..com", "a..com"),
        ("x." * 120 + "com", "com"),
        ("!city.kobe.jp", "!city.kobe.jp"),  # a name below *.kobe.jp like any other
    ],
)
def test_algorithm_of_public_suffixes(name: str, suffix: str) -> None:
    """https://publicsuffix.org/list: the longest rule counts, exceptions go first, the default is "*"."""
    assert _public_suffix.SuffixList(RULES.splitlines()).suffix_of(name) == suffix


def test_test_data_of_the_public_suffix_list() -> None:
    """What publicsuffix.org gives to those who implement it, with the list that came with it."""
    package = pathlib.Path(__import__("publicsuffixlist").PSLFILE).parent
    rules = _public_suffix.load([str(package / "public_suffix_list.dat")])
    checked = 0
    for line in (package / "test_psl.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("checkPublicSuffix('"):
            continue
        parts = line.split("'")
        name, wanted = parts[1].lower(), parts[3].lower() if len(parts) > 3 else None
        suffix = rules.suffix_of(name)
        # What is asked for is the suffix and one label more.
        rest = name.removesuffix(suffix).removesuffix(".")
        found = f"{rest.rpartition('.')[2]}.{suffix}" if rest else None
        assert found == wanted, name
        checked += 1
    assert checked > 70


def test_where_the_list_comes_from(tmp_path: pathlib.Path) -> None:
    missing, empty, wrong, good = (tmp_path / name for name in ("missing", "empty", "wrong", "good"))
    empty.write_text("")
    wrong.write_bytes(b"com\n\xff\n")
    good.write_text("com\nthe-list\nx.the-list\n")
    found = _public_suffix.load(map(str, [missing, tmp_path, empty, wrong, good]))
    assert found.suffix_of("y.x.the-list") == "x.the-list"
    assert type(found) is _public_suffix.SuffixList
    assert _public_suffix._files()[0] == __import__("publicsuffixlist").PSLFILE
    assert _public_suffix._files()[1] == "/usr/share/publicsuffix/public_suffix_list.dat"


def test_makeshift_without_a_list() -> None:
    makeshift = _public_suffix.load([])
    for suffix in ("com", "de", "unheard-of", "co.uk", "com.au", "or.jp", "gov.br", "github.io", "x.ck", "a.run.app"):
        for name in (suffix, f"x.{suffix}", f"y.x.{suffix}"):
            assert makeshift.suffix_of(name) == suffix
        assert makeshift.suffix_of(f"x.{suffix}.") == suffix + "."
    for name in ("s3.amazonaws.com", "a.eu-west-1.compute.amazonaws.com", "x.blob.core.windows.net"):
        assert makeshift.suffix_of(name) == name
    # Not what only looks like one.
    for name in ("bbc.co.uk", "web.de", "id.me", "t.co", "x.github.io", "python.org", "co.example", "x.windows.net"):
        assert makeshift.suffix_of(f"x.{name}") == makeshift.suffix_of(name) != name
    # Its rules are also in the list.
    real = _public_suffix.load(_public_suffix._files())
    for name in [rule.replace("*", "any") for rule in makeshift.rules]:
        assert real.suffix_of(f"x.{name}") == name


def test_the_list_is_read_only_when_it_is_needed() -> None:
    code = """
from httpclient.cookies import any_jar as cookies, _public_suffix
from httpclient.uri import TgoURI
jar = cookies.HttpCookieJar()
cookies.store_cookies(jar, TgoURI("http://a.example.com"), [b"a=1", b"b=1; Path=/", b"c=1; Domain=example.org"])
assert _public_suffix._list is None and len(jar) == 2
cookies.store_cookies(jar, TgoURI("http://a.example.com"), [b"c=1; Domain=example.com"])
assert _public_suffix._list is not None and len(jar) == 3
"""
    subprocess.run([sys.executable, "-c", code], check=True)
