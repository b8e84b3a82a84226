"""Logs: reading, splitting, and the nouns they are made of."""
