"""What became of the jobs of a sweep, and which of them did best."""
