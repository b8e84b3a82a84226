"""Training of text encoders in torch: it knows tokens by their rows alone."""
