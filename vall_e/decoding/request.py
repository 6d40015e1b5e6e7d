"""What is asked of a model, and what it says. N text tokens, P prompt frames, T response frames, Q RVQ levels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vall_e.models.layout import ModelInput

from .finish import Finish


@dataclass(kw_only=True)
class SpeechRequest:
    """What to say and in which voice.

    tokens: int64 [N] with bos and eos; prompt: int [P, Q], or None for a voice of the model's choice; draft: int [T],
    codes of level 0 that masked decoding betters from `denoise_start` on, or None to begin from nothing; frames: how
    many masked decoding says, or None for as many as the model predicts; before: int [B, Q], what has been said already
    and is continued, and tokens_before the number of `tokens` that say it; opening: int [O, Q], codes that the response
    begins with; continue_prompt: level 0 goes on with the prompt in place of imitating it.
    """

    tokens: Tensor
    prompt: Tensor | None
    lang: int = 0
    draft: Tensor | None = None
    frames: int | None = None
    before: Tensor | None = None
    tokens_before: int = 0
    opening: Tensor | None = None
    continue_prompt: bool = False

    @property
    def continues(self) -> bool:
        """Whether the response does not begin anew."""
        return self.continue_prompt or self.before is not None or self.opening is not None

    def for_upper_levels(self) -> ModelInput:
        """What the levels above 0 are told beside the response."""
        return ModelInput(text=self.tokens, prompt=self.prompt, lang=self.lang, tone=0)

    def for_length(self) -> ModelInput:
        """What predicts how long the response will be: only what is still to be said."""
        shown = self.for_upper_levels()
        if not self.tokens_before:
            return shown
        return replace(shown, text=torch.cat([self.tokens[:1], self.tokens[self.tokens_before :]]))

    def for_level_zero(self) -> ModelInput:
        """What level 0 is told before it begins: its response is what it continues."""
        prompt = None if self.continue_prompt else self.prompt
        continued = [self.prompt] if self.continue_prompt else []
        heard = [codes[:, :1].long() for codes in (*continued, self.before, self.opening) if codes is not None]
        response = torch.cat(heard) if heard else None
        return ModelInput(text=self.tokens, prompt=prompt, lang=self.lang, tone=0, response=response)


@dataclass(frozen=True)
class Said:
    """What a model says: codes int16 [T, Q], T may be 0, and why they end."""

    codes: Tensor
    finish: Finish


@dataclass(frozen=True)
class Part:
    """Frames of a response that are final: codes int16 [t, Q]; the last part tells why the response ends.

    request: which of the requests it answers.
    """

    request: int
    codes: Tensor
    finish: Finish | None = None


def in_order(parts: Iterable[Part]) -> Iterator[Part]:
    """Parts of the first request until its last one, then those of the next: each as soon as it can be."""
    waiting: dict[int, list[Part]] = defaultdict(list)
    current = 0
    for part in parts:
        waiting[part.request].append(part)
        while waiting[current]:
            ready = waiting[current].pop(0)
            yield ready
            current += ready.finish is not None
