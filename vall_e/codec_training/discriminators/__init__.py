"""Networks that learn to tell coded speech from speech."""
