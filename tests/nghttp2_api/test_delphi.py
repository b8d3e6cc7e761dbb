"""Every declaration of the Delphi unit has its place in the package."""

from __future__ import annotations

import csv
import pathlib

import nghttp2_api
from nghttp2_api._delphi import NEW, PORTED

TABLE = pathlib.Path(__file__).parents[1] / "data" / "delphi_api.tsv"


def test_every_row_of_the_unit_is_ported_once() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["unit"] == "Nghttp2"]
    expected = sorted((".".join(filter(None, (row["unit"], row["owner"], row["name"]))), row["kind"]) for row in rows)
    assert len(expected) == 82
    assert sorted((row.delphi, row.kind) for row in PORTED) == expected


def test_every_target_exists() -> None:
    for row in PORTED:
        package, name, *field = row.python.split(".")
        assert package == "nghttp2_api"
        target = getattr(nghttp2_api, name)
        for part in field:
            assert part in {entry[0] for entry in target._fields_}, row


def test_every_public_name_is_ported_or_new() -> None:
    ported = {row.python.split(".")[1] for row in PORTED}
    assert ported | {name for name in NEW if "." not in name} == set(nghttp2_api.__all__)
    assert ported & set(NEW) == set()
    assert all(NEW.values())
