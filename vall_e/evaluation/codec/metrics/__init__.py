"""Metrics of what a codec does to speech: one a file."""
