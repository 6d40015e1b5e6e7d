"""Measuring a model on speech: passes over samples, a metric, and a page to listen to."""
