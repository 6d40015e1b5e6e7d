"""Whether the model computes what the reference system computed with the same weights."""
