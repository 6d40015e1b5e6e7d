"""Speech to text: what is said in a recording, token after token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vall_e.errors import ConfigError
from vall_e.models.layout import ModelInput
from vall_e.models.tokens import TEXT_BOS, TEXT_EOS
from vall_e.models.vall_e import VallE
from vall_e.text.tokenizer import Tokenizer

from .autoregressive import decode_ids
from .reply import Reply

UNKNOWN = 0


def check_hears(model: VallE) -> None:
    """ConfigError if a model cannot be shown all levels of what it is to write down."""
    if model.cfg.experimental.hf:
        raise ConfigError("stt does not go with weights of model.experimental.hf=true: it hears all levels at once")


def transcribe(model: VallE, responses: Sequence[Tensor], steps: int, lang: int | None = 0) -> list[list[int]]:
    """Likeliest text ids of speech, bos and eos left out, `steps` at most: codes int [T, Q] each.

    ConfigError as of `check_hears`.
    """
    check_hears(model)
    bos, rows = torch.tensor([TEXT_BOS]), model.cfg.text_tokens
    prefixes = [ModelInput(task="stt", text=bos, response=response, lang=lang) for response in responses]

    def likeliest(logits: Tensor, _replies: Sequence[Reply]) -> list[int]:
        # One head for all tells more ids apart than text has.
        return logits[:, :rows].argmax(-1).tolist()

    return decode_ids(model, prefixes, model.text_emb, TEXT_EOS, steps, likeliest)


def phonemes_of(ids: Sequence[int], tokenizer: Tokenizer) -> str:
    """What text ids stand for; those that a head has but the tokenizer has not are unknown."""
    known = set(tokenizer.vocabulary.values())
    return tokenizer.decode([token if token in known else UNKNOWN for token in ids])
