"""What a model of masked decoding has learnt by heart it says."""

from __future__ import annotations

import torch
from torch import Generator

from tests.models.tiny import draw_codes, draw_text, tiny_config
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.generate import generate_speech
from vall_e.decoding.request import SpeechRequest
from vall_e.models.draws import draw_input
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

UTTERANCES = [(draw_text(6, seed), draw_codes(9 + 4 * seed, seed + 50)) for seed in range(3)]
PROMPT = draw_codes(4)
FLAGS = {"rvq_levels_p": [0], "masking_ratio": "random", "cfg_cond_dropout_p": 0.1}


def learnt(steps: int) -> VallE:
    torch.manual_seed(0)
    model = VallE(tiny_config(FLAGS, size={"dim": 64, "heads": 2, "layers": 2}, capabilities=["nar", "len"]))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    generator = Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        model(batch(model, generator)).loss.backward()
        optimizer.step()
    return model.eval()


def batch(model: VallE, generator: Generator) -> list[ModelInput]:
    return [
        draw_input(model.cfg, text, PROMPT, codes, 0, generator, task)
        for text, codes in UTTERANCES
        for task in ("tts", "tts", "len")
    ]


def test_masked_decoding_says_what_was_learnt() -> None:
    """Chance would hit one frame in a thousand."""
    requests = [SpeechRequest(tokens=text, prompt=PROMPT) for text, _ in UTTERANCES]
    sampling = SamplingConfig(max_levels=0, ar_temperature=0.5)
    found = [said.codes for said in generate_speech(learnt(200), requests, sampling, 0)]
    assert [len(said) for said in found] == [len(codes) for _, codes in UTTERANCES]
    pairs = zip(found, UTTERANCES, strict=True)
    right = [float((said[:, 0] == codes[:, 0]).float().mean()) for said, (_, codes) in pairs]
    assert min(right) > 0.6 and sum(right) > 2.4, right
