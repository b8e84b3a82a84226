"""The verbs: what the command line does, as functions with the same names and defaults."""
