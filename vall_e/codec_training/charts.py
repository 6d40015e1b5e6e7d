"""What is drawn of a codec's training."""

from __future__ import annotations

from vall_e.training.curves import Panel

CHARTS = (
    Panel(r"loss", "loss of spectra"),
    Panel(
        r"(linear|mel|complex)_stft|levels|envelopes|phase|waveform|decoder_(magnitude|phase)", "terms, without weights"
    ),
    Panel(r"commitment", "distance of the encoder from the codebooks"),
    Panel(r"held_out\.loss", "loss on held-out speech", smooth=False),
    Panel(r"entropy\.level\d+", "entropy of the codes in bits"),
    Panel(r"adversarial|feature_matching", "what discriminators tell the codec"),
    Panel(r"adversary\.loss|score\.\w+", "discriminators"),
)
