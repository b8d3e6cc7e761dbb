"""The form in which every package records where its names come from (see ``_delphi.py`` in each of them)."""

from __future__ import annotations

from typing import NamedTuple


class Ported(NamedTuple):
    """One declaration of the Delphi original, and what it became.

    :ivar delphi: unit, owner and name: ``Grijjy.Http.TgoHttpClient.Get``.
    :ivar kind: ``const``, ``type``, ``record``, ``field``, ``class``, ``constructor``, ``function``, ...
    :ivar python: package, owner and name: ``httpclient.TgoHttpClient.get``.
    :ivar note: why the name or the meaning differs; empty where the naming rule gives the name.
    """

    delphi: str
    kind: str
    python: str
    note: str = ""
