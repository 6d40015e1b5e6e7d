"""Turning predictions into speech."""
