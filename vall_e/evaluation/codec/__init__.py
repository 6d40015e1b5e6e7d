"""How well codecs keep speech, how they use their codes, and how fast they are."""
