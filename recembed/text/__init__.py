"""Text: tokens of a corpus, and vectors of its words."""
