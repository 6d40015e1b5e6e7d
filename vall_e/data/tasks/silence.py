"""Codes of a frame of silence, as the published weights were trained with them."""

from __future__ import annotations

ENCODEC = (62, 424, 786, 673, 622, 986, 570, 948)

SILENCE = {"encodec": ENCODEC, "vocos": ENCODEC, "dac": (568, 804, 10, 674, 364, 981, 568, 378, 731)}
"""By the name of the codec."""
