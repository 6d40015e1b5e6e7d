"""Which utterances are drawn when, in which batches, and where a run is among them."""
