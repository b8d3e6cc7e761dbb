"""Local servers: real programs, and servers driven by hand byte for byte.

:mod:`.nginx`, :mod:`.nghttpd` and :mod:`.redis` need nothing beyond the standard library and the programs themselves,
so the demo and the benchmarks use them as well; :mod:`.http2` needs the ``h2`` package of the test extra.
"""
