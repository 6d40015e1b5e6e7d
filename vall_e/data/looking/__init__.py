"""Showing a dataset: numbers, pictures and sounds."""
