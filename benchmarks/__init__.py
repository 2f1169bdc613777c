"""Benchmarks: each prints its figure and its ratio against the obvious alternative in the same run."""
