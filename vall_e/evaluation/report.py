"""The page of an evaluation, to be opened from disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vall_e.atomic import replace_text

from .result import EvaluationResult

TEMPLATE = "report.html.j2"

PASSES = {
    "subtrain": "Sentences the model was trained on: how well it has learnt them.",
    "val": "Sentences kept from training: how well it speaks what is new.",
}


def write_report(result: EvaluationResult) -> None:
    """Write `index.html` beside the audio, atomically; it needs no network, and links are relative."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = templates.get_template(TEMPLATE).render(
        result=result,
        sampling=asdict(result.sampling),
        meanings=PASSES,
        writes=any(found.phoneme_error_rate is not None for found in result.passes.values()),
    )
    replace_text(result.page, page)
