"""Benchmarks against peers and physical floors: `python -m benchmarks`."""
