"""Side-by-side measurements: ``python -m benchmarks.NAME``; results in docs/results."""
