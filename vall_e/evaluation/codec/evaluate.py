"""Codecs measured on speech. It can be killed at any point and started again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from tqdm import tqdm

from vall_e.config.codec_evaluation import CodecEvaluationConfig
from vall_e.errors import ConfigError

from .candidates import ORIGINAL, Candidate, Subject, open_candidates
from .counting import counted_use
from .measuring import Measuring, Rendition
from .metrics.choosing import chosen_names, open_metrics
from .result import Result, Row, Scores
from .speed import Speed, measure_speed
from .utterances import Utterance, draw, find_utterances
from .writing import write_all

log = logging.getLogger(__name__)

Plan = list[tuple[Candidate, list[Subject]]]
"""What is measured of each codec; the originals are the first of the first."""


def evaluate_codecs(cfg: CodecEvaluationConfig, folder: Path) -> Result:
    """Measure the codecs of the settings on `cfg.audio`, and write what was found into `folder`.

    Of an earlier run there, scores of the same codec, levels and recording are taken over.
    """
    if not cfg.audio:
        raise ConfigError("audio= is not set: name a folder with recordings, for example vall_e/sample")
    names = chosen_names(cfg)
    found = find_utterances(Path(cfg.audio), cfg.speakers)
    candidates = open_candidates(cfg)
    plan = [(candidate, candidate.subjects(cfg.levels)) for candidate in candidates]
    plan[0][1].insert(0, ORIGINAL)
    drawn, counted = draw(found, cfg.limit, cfg.seed), draw(found, cfg.codebook_limit, cfg.seed)
    metrics = open_metrics(cfg, names)
    with closing(Measuring(folder, metrics)) as measuring:
        rows = list(_rows(measuring, drawn, plan))
        uses = {c.label: counted_use(c, counted, measuring.journal) for c in candidates if "codebook_use" in names}
    result = Result(
        audio=cfg.audio,
        seed=cfg.seed,
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        sample_rate=candidates[0].codec.identity.sample_rate,
        metrics=metrics,
        utterances=drawn,
        rows=rows,
        codebook_use=uses,
        speed=_speeds(candidates, drawn) if "speed" in names else {},
    )
    write_all(result, folder, cfg.pictures)
    return result


def _rows(measuring: Measuring, drawn: Sequence[Utterance], plan: Plan) -> Iterator[Row]:
    """A row a subject; utterance by utterance, so that each is encoded once."""
    total = len(drawn) * sum(len(subjects) for _, subjects in plan)
    with tqdm(desc="Measuring", unit="wave", total=total, disable=None) as bar:
        for candidate, subjects in plan:
            measured: list[list[tuple[Scores, str]]] = [[] for _ in subjects]
            for utterance in drawn:
                rendition = Rendition(utterance, candidate)
                for column, subject in zip(measured, subjects, strict=True):
                    column.append(measuring.measure(rendition, subject))
                    bar.update()
            for subject, column in zip(subjects, measured, strict=True):
                yield Row(subject, [scores for scores, _ in column], [file for _, file in column])


def _speeds(candidates: Sequence[Candidate], drawn: Sequence[Utterance]) -> dict[str, Speed]:
    log.info("Timing encoding and decoding, each in a process of its own")
    return {one.label: measure_speed(one, drawn) for one in candidates}
