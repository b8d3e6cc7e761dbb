"""Benchmarks: this project's client beside five others, on the same server. Run `python -m benchmarks --help`."""
