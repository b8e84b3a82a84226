"""Benchmarks: figures measured on this machine, and the bars they have to hold."""
