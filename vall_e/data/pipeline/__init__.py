"""The steps of preparation: transcribe, segment, phonemise, encode, similar, pack."""
