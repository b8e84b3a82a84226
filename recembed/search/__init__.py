"""Top-k by dot product: exact and approximate, and the audit between them."""
