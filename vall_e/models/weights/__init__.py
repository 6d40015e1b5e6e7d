"""Weights in files: our own, those of the reference system and of transformers, and how they are fitted."""
