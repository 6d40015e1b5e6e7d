"""What the folder of a run says of the run, and what can be done with it."""
