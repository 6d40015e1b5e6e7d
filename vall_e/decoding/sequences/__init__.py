"""Sequences that grow through a cache: by an id a step, by several, by levels in turn, by drafts."""
