"""What records the numbers of a run, one recorder a file."""
