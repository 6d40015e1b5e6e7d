"""The codec language model."""
