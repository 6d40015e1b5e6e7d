"""Layers between embeddings and heads, of every kind, behind one signature (`backbone.py`)."""
