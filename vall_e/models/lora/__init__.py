"""Adapters: low-rank additions to the weights of a model (LoRA, arXiv:2106.09685)."""
