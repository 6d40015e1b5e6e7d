"""A codec measured on clips that it does not learn from, and kept to be listened to."""

from __future__ import annotations

from pathlib import Path

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from torch import Tensor

from vall_e.atomic import replacing_folder
from vall_e.audio.builtin.spectral_codec import SpectralCodec
from vall_e.audio.read import write_wav

from .losses.terms import SpectralTerms

PREFIX = "held_out."
TEMPLATE = "samples.html.j2"


@torch.no_grad()
def measure(codec: SpectralCodec, clips: Tensor, terms: SpectralTerms) -> tuple[dict[str, float], Tensor]:
    """Terms of the loss between clips [B, N] and what all levels make of them, and that: [B, N] in main memory.

    `decoder_magnitude` and `decoder_phase`, which look into the decoder, are not among them.
    """
    device = next(codec.parameters()).device
    coded = torch.cat([codec.decode(codec.encode(clip[None].to(device))).cpu() for clip in clips])
    found = terms(coded, clips)
    told = {"loss": terms.total(found), **found}
    return {PREFIX + name: float(value) for name, value in told.items()}, coded


def write_samples(folder: Path, clips: Tensor, coded: Tensor, sample_rate: int, title: str) -> Path:
    """Write clips [B, N] and their coded versions as WAV into `folder`, with a page to hear them; returns the page."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    names = [(f"{number}.original.wav", f"{number}.coded.wav") for number in range(len(clips))]
    with replacing_folder(folder) as partial:
        for pair, waves in zip(names, zip(clips, coded, strict=True), strict=True):
            for name, wave in zip(pair, waves, strict=True):
                write_wav(partial / name, wave.numpy(), sample_rate)
        page = templates.get_template(TEMPLATE).render(title=title, names=names)
        (partial / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"
