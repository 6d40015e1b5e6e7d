"""The page of an evaluation, to be opened from disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from vall_e.page import write_page

from .result import EvaluationResult

TEMPLATE = Path(__file__).with_name("report.html.j2")

PASSES = {
    "subtrain": "Sentences the model was trained on: how well it has learnt them.",
    "val": "Sentences kept from training: how well it speaks what is new.",
}


def write_report(result: EvaluationResult) -> None:
    """Write `index.html` beside the audio, atomically; it needs no network, and links are relative."""
    write_page(
        result.page,
        TEMPLATE,
        result=result,
        sampling=asdict(result.sampling),
        meanings=PASSES,
        writes=any(found.phoneme_error_rate is not None for found in result.passes.values()),
    )
