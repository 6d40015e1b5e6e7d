"""DNSMOS, Reddy et al. 2022: how a listener would rate speech, by the networks that the package `speechmos` carries."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from .metric import Score
from .pair import Pair


class Dnsmos:
    """The overall mean opinion score (OVRL, P.835) of what was decoded, 1 to 5; the original is not looked at."""

    name, title, better, digits, version = "dnsmos", "DNSMOS", "higher", 2, "1"

    def measure(self, pair: Pair) -> Score | None:
        """None for silence. Speech shorter than 9 s is repeated, longer speech is heard in windows of 9 s."""
        if pair.is_silent:
            return None
        return Score(float(self._network(pair.at_16_khz[1], 16_000, False)["ovrl_mos"]))

    @cached_property
    def _network(self) -> Any:
        from speechmos import dnsmos

        models = Path(dnsmos.__file__).parent / "dnsmos_models"
        return dnsmos.DNSMOS(str(models / "sig_bak_ovr.onnx"), str(models / "model_v8.onnx"))
