"""Tests of the benchmarks: of the harness, not of what it measures."""
