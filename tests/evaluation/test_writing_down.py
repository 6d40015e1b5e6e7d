"""Speech written down by a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vall_e.audio.codec import Codec
from vall_e.config.evaluation import EvaluationConfig
from vall_e.config.model import ModelConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.evaluation.evaluator import Evaluator
from vall_e.evaluation.writing_down import write_down
from vall_e.models.draws import draw_input
from vall_e.models.vall_e import VallE
from vall_e.text import NaiveTokenizer, open_tokenizer

from .speech import TINY, Parrot, Speech, targets

TOKENIZER = open_tokenizer(None, None)
SHORT = EvaluationConfig(batch_size=2, kwargs=SamplingConfig(max_duration=8))


@pytest.fixture(scope="module")
def said(speech: Speech) -> Speech:
    """Two recordings with different texts."""
    texts = ("həloʊ", "ɡʊd mɔːnɪŋ")
    return [
        replace(sample, tokens=np.array(TOKENIZER.encode(text), np.int64), response=sample.response[:24])
        for sample, text in zip(speech, texts, strict=False)
    ]


@pytest.fixture(scope="module")
def learnt(said: Speech) -> VallE:
    """A model that has learnt to write those two down."""
    torch.manual_seed(0)
    cfg = ModelConfig(size=TINY, dropout=0.0)
    model = VallE(cfg)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    inputs = [
        draw_input(cfg, torch.from_numpy(s.tokens), ("stt",), torch.from_numpy(s.response), 0, generator, "stt")
        for s in said
    ]
    for _ in range(60):
        optimizer.zero_grad()
        model(inputs).loss.backward()
        optimizer.step()
    return model.eval()


def test_a_model_writes_what_it_has_learnt(said: Speech, learnt: VallE) -> None:
    written = write_down(learnt, said, TOKENIZER, 2)
    assert [one.written for one in written] == [one.said for one in written] == ["həloʊ", "ɡʊd mɔːnɪŋ"]
    assert [one.errors for one in written] == [0, 0]


def test_what_is_written_does_not_depend_on_the_batch(speech: Speech, model: VallE) -> None:
    different = [replace(speech[0], language="de"), *speech[1:]]
    alone = [write_down(model, [sample], TOKENIZER, 1)[0] for sample in different]
    assert write_down(model, different, TOKENIZER, 3) == alone
    assert all(len(TOKENIZER.encode(one.written)) <= 2 * len(speech[0].tokens) + 2 for one in alone)


def test_ids_that_the_tokenizer_lacks_are_unknown(speech: Speech, model: VallE) -> None:
    with torch.no_grad():
        model.classifiers.proj[-1].bias[250] += 1e4
    (written,) = write_down(model, speech[:1], NaiveTokenizer(), 1)
    assert not written.written.replace("<unk>", "") and written.errors > 0


def test_an_evaluation_tells_how_much_was_misheard(tmp_path: Path, codec: Codec, said: Speech, learnt: VallE) -> None:
    wrong = replace(said[1], tokens=np.array(TOKENIZER.encode("ɡʊd iːvnɪŋ"), np.int64))
    parrot = Parrot(targets([*said, wrong]))
    passes = {"subtrain": said, "val": [wrong]}
    found = Evaluator(codec, SHORT, 0, parrot, tokenizer=TOKENIZER).evaluate(learnt, passes, tmp_path, 7)
    # m for i, ɔ for ː and ː for v.
    assert found.metrics["subtrain.phoneme_error_rate"] == 0
    assert found.metrics["val.phoneme_error_rate"] == pytest.approx(3 / len("ɡʊd iːvnɪŋ"))
    kept = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert kept["passes"]["val"]["samples"][0]["written"]["written"] == "ɡʊd mɔːnɪŋ"
    page = found.page.read_text(encoding="utf-8")
    assert "Phoneme error rate" in page and "ɡʊd mɔːnɪŋ" in page
    assert "of phonemes misheard" in found.summary()


def test_without_writing_nothing_is_said_of_it(tmp_path: Path, codec: Codec, said: Speech, learnt: VallE) -> None:
    found = Evaluator(codec, SHORT, 0, Parrot(targets(said))).evaluate(learnt, {"val": said}, tmp_path, 7)
    assert set(found.metrics) == {"val.mel_stft"}
    assert "Phoneme error rate" not in found.page.read_text(encoding="utf-8")
