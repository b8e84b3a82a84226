"""Evaluation of rankers on held-out cases, and the report."""
