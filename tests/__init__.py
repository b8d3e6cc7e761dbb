"""The tests of the project, and the local servers and certificates that the demo and the benchmarks share with them."""
