"""What drives the optimisation."""
