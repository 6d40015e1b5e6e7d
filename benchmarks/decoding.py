"""`python -m benchmarks.decoding`: AR steps against the uncached loop and against the reading of the weights."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.speech import RATE
from vall_e.config.model import ModelConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.reply import Reply
from vall_e.device import choose_device
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

PROMPT = 3 * RATE
TEXT = 60


def request() -> ModelInput:
    """A text of 60 tokens and a prompt of 3 s, no response yet."""
    prompt = torch.randint(1024, (PROMPT, 8))
    return ModelInput(text=torch.randint(3, 100, (TEXT,)), prompt=prompt, lang=0, tone=0)


def never_stop(logits: Tensor, _replies: Sequence[Reply]) -> list[int]:
    """The likeliest codes but the stop id."""
    return logits[:, :1024].argmax(-1).tolist()


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """Wall time of a call."""
    began = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def step_seconds(model: VallE, rows: int, frames: int) -> float:
    """Seconds of a step: the difference between many steps and one, so that the prefix does not count."""
    prefixes = [request() for _ in range(rows)]

    def decode(steps: int) -> float:
        return seconds_of(lambda: decode_level_zero(model, prefixes, steps, never_stop), model.device)

    one, many = decode(1), decode(frames)
    return (many - one) / (frames - 1)


@torch.inference_mode()
def uncached_seconds(model: VallE, frames: int) -> float:
    """Seconds of the step that the uncached loop makes when `frames` codes are there: the whole sequence again."""
    whole = replace(request(), response=torch.randint(1024, (frames, 1)))
    return seconds_of(lambda: model.hidden(model.pack([whole])), model.device)


@torch.inference_mode()
def reading_seconds(model: VallE) -> float:
    """Seconds in which this machine reads the weights of the backbone once, multiplying them with a vector."""
    matrices = [parameter for parameter in model.model.parameters() if parameter.ndim == 2]
    vectors = {m.shape[1]: m.new_ones(m.shape[1]) for m in matrices}
    return min(seconds_of(lambda: [m @ vectors[m.shape[1]] for m in matrices], model.device) for _ in range(5))


def main() -> None:
    """Alternate both loops and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="full")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rows", type=int, default=8, help="of the batch beside a single request")
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    model = VallE(ModelConfig(size=told.size)).to(choose_device(told.device), getattr(torch, told.dtype)).eval()
    ratios: dict[str, list[float]] = {}
    for number in range(told.repeats + 1):
        step = step_seconds(model, 1, told.frames)
        early = step_seconds(model, 1, max(2, told.frames // 6))
        batch = step_seconds(model, told.rows, told.frames)
        if not number:
            continue
        for name, value in {
            "steps/s": 1 / step,
            "times the uncached loop, at its mean length": uncached_seconds(model, told.frames // 2) / step,
            "of what reading the weights permits": reading_seconds(model) / step,
            "cost of a step over one of the first sixth": step / early,
            f"audio of {told.rows} rows over one row": told.rows * step / batch,
            "real-time factor": step * RATE,
        }.items():
            ratios.setdefault(name, []).append(value)
    for name, values in ratios.items():
        print(f"{statistics.median(values):8.2f}  {name}")


if __name__ == "__main__":
    main()
