"""Which layer a sample of ``perf`` belongs to."""

from __future__ import annotations

import pytest

from benchmarks.profile import LAYERS, OTHER, shares, table_head

REPORT = """
# Overhead  Shared Object
# ........  .......................................
#
    50.00%  [kernel.kallsyms]
    20.00%  libpython3.11.so.1.0
     8.00%  python3.11
     5.00%  libcrypto.so.3
     4.00%  libssl-2cd4.so.3
     3.00%  _ctypes.cpython-311-x86_64-linux-gnu.so
     2.00%  libffi.so.8.1.2
     2.00%  libnghttp2.so.14.24.1
     2.00%  libc.so.6
     1.00%  pycurl.cpython-311-x86_64-linux-gnu.so
     1.00%  libcurl-9f.so.4.8.0
     1.00%  [vdso]
     1.00%  math.cpython-311-x86_64-linux-gnu.so
"""


def test_each_file_belongs_to_a_layer() -> None:
    found = shares(REPORT)
    expected = {"kernel": 0.51, "Python": 0.29, "ctypes": 0.05, "C library": 0.02, "OpenSSL": 0.09, "nghttp2": 0.02}
    assert found == pytest.approx({**expected, OTHER: 0.02})
    assert sum(found.values()) == pytest.approx(1.0)


def test_the_table_has_a_column_for_each() -> None:
    head, rule = table_head()
    assert head.count("|") == rule.count("|") == len(LAYERS) + 5
