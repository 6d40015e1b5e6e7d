"""What is done to clips: numpy float32 [N] at a sample rate, and a generator of random numbers."""
