"""Training of the built-in codec."""
