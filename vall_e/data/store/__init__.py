"""Datasets in files: columns with checksums, shards, and what is similar."""
