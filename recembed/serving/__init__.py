"""Answers over HTTP, from a run that may be replaced meanwhile; needs recembed[serve]."""
