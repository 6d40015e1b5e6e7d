"""Guided predictions and greedy decoding of masked frames, as often as the reference did them.

`cfg_S_R.logits` are the predictions of `masked` guided by a strength of S and a rescale of R, `nar_len.stepsN.cfgS` is
what N steps guided by S say, level 0 alone or with the levels above.
"""

from __future__ import annotations

import re

import numpy as np
import torch

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.guidance import Guidance
from vall_e.decoding.masked import blank, decode_masked
from vall_e.decoding.non_autoregressive import decode_levels, frame_logits
from vall_e.decoding.sampling.dice import seeded
from vall_e.models.vall_e import VallE

from .fixture import Array, Fixture
from .greedy import prefix
from .passes import Passes

NUMBER = r"(\d+(?:\.\d+)?)"
GUIDED = re.compile(rf"cfg_{NUMBER}_{NUMBER}\.logits")
DECODED = re.compile(rf"nar_len\.steps(\d+)\.cfg{NUMBER}")
DEFAULTS = ("cfg_2.0_0.75.logits", "nar_len.steps25.cfg2.0")
"""What is computed where the reference names nothing."""
LEVELS_RESCALE = 0.7
"""The reference's for the levels above 0."""


@torch.inference_mode()
def masked_arrays(model: VallE, fixture: Fixture, passes: Passes) -> dict[str, Array]:
    """Logits float32 [T, V], and codes int32 [T] or [T, Q], by name; nothing for a model without masked decoding."""
    if fixture.batched or "len" not in fixture.config.capabilities:
        return {}
    names, found = fixture.reference, dict[str, Array]()
    for name in [n for n in names if GUIDED.match(n) or DECODED.match(n)] or DEFAULTS:
        if guided := GUIDED.match(name):
            if "masked" in passes:
                guide = Guidance(strength=float(guided[1]), rescale=float(guided[2]))
                found[guided[0]] = frame_logits(model, passes["masked"], guide)[0].numpy()
        elif decoded := DECODED.match(name):
            ids = decode(model, fixture, int(decoded[1]), float(decoded[2]), whole=len(names.get(name, ())) == 2)
            found[decoded[0]] = ids
    return found


def decode(model: VallE, fixture: Fixture, steps: int, strength: float, *, whole: bool) -> Array:
    """The likeliest codes of a response as long as the given one: level 0 int32 [T], or all levels [T, Q]."""
    given = fixture.samples[0]
    sampling = SamplingConfig(
        max_steps=steps, ar_temperature=0.0, cfg_strength=strength, minimum_cfg_strength=0.0, remasking=False
    )
    shown, dice = [prefix(given)], seeded(0, 1)
    codes = decode_masked(model, shown, [blank(len(given.response), model.stop)], sampling, dice)
    if whole:
        upper = SamplingConfig(cfg_strength=strength, cfg_rescale=LEVELS_RESCALE)
        codes = decode_levels(model, shown, codes, upper, dice)
    return codes[0].numpy().astype(np.int32)
