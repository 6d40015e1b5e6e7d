"""`python -m benchmarks.decoding`: AR steps in each number format, against no cache and against memory."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.speech import RATE
from vall_e.config.model import ModelConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.reply import Reply
from vall_e.device import choose_device
from vall_e.models.int8_linear import to_int8_linears
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import load_weights

PROMPT = 3 * RATE
TEXT = 60


def model_of(told: argparse.Namespace, dtype: str) -> VallE:
    """The weights that were told, or random ones, in a number format; `int8` is of the backbone's linear maps."""
    device = choose_device(told.device)
    torch.manual_seed(0)
    model = load_weights(Path(told.weights), device).model if told.weights else VallE(ModelConfig(size=told.size))
    model = model.to(device).eval()
    if dtype == "int8":
        to_int8_linears(model)
        return model
    return model.to(getattr(torch, dtype))


def request() -> ModelInput:
    """A text of 60 tokens and a prompt of 3 s, no response yet."""
    draw = torch.Generator().manual_seed(0)
    prompt = torch.randint(1024, (PROMPT, 8), generator=draw)
    return ModelInput(text=torch.randint(3, 100, (TEXT,), generator=draw), prompt=prompt, lang=0, tone=0)


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
def likeliest(model: VallE, codes: Tensor) -> Tensor:
    """The likeliest code of every frame after those before it, in one pass: int64 [T] -> int64 [T]."""
    hidden = model.hidden(model.pack([replace(request(), response=codes[:, None])]))
    return model.logits("AR:0:0", hidden[-len(codes) - 1 : -1])[:, :1024].argmax(-1).cpu()


@torch.inference_mode()
def uncached_seconds(model: VallE, frames: int) -> float:
    """Seconds of the step that the loop without a cache makes when `frames` codes are there: the whole sequence."""
    whole = replace(request(), response=torch.randint(1024, (frames, 1)))
    return seconds_of(lambda: model.hidden(model.pack([whole])), model.device)


@torch.inference_mode()
def bytes_a_second(model: VallE) -> float:
    """How fast this machine reads the matrices of the backbone, multiplying each with a vector."""
    matrices = [parameter for parameter in model.model.parameters() if parameter.ndim == 2]
    vectors = {m.shape[1]: m.new_ones(m.shape[1]) for m in matrices}
    best = min(seconds_of(lambda: [m @ vectors[m.shape[1]] for m in matrices], model.device) for _ in range(5))
    return size(matrices) / best


def size(tensors: Sequence[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def weights_size(model: VallE) -> int:
    """Bytes of the matrices that a step reads."""
    return size([tensor for tensor in model.model.state_dict().values() if tensor.ndim == 2])


def measure(model: VallE, plain: VallE, codes: Tensor, told: argparse.Namespace) -> dict[str, float]:
    """Figures of one format, by name; `plain` is the model in float32 and `codes` what it says."""
    step = step_seconds(model, 1, told.frames)
    early = step_seconds(model, 1, max(2, told.frames // 6))
    batch = step_seconds(model, told.rows, told.frames)
    reading = weights_size(model) / bytes_a_second(plain)
    return {
        "steps/s": 1 / step,
        "real-time factor": step * RATE,
        "times the float32 loop without a cache, at its mean length": uncached_seconds(plain, told.frames // 2) / step,
        "of what reading the weights permits": reading / step,
        "cost of a step over one of the first sixth": step / early,
        f"audio of {told.rows} rows over one row": told.rows * step / batch,
        "share of codes that are likeliest in float32, too": float((likeliest(model, codes) == codes).float().mean()),
    }


def main() -> None:
    """Take turns with the formats and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="full")
    parser.add_argument("--weights", help="of a trained model, in place of random ones")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtypes", default="float32,bfloat16,int8", help="number formats, with commas")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rows", type=int, default=8, help="of the batch beside a single request")
    parser.add_argument("--repeats", type=int, default=3, help="after one that is not counted")
    told = parser.parse_args()
    plain = model_of(told, "float32")
    codes = decode_level_zero(plain, [request()], told.frames, never_stop)[0]
    models = {dtype: plain if dtype == "float32" else model_of(told, dtype) for dtype in told.dtypes.split(",")}
    found: dict[str, list[dict[str, float]]] = {dtype: [] for dtype in models}
    for _ in range(told.repeats + 1):
        for dtype, model in models.items():
            found[dtype].append(measure(model, plain, codes, told))
    print(*(f"{dtype:>10}" for dtype in models))
    for name in found[next(iter(models))][0]:
        values = (statistics.median(one[name] for one in runs[1:]) for runs in found.values())
        print(*(f"{value:10.2f}" for value in values), f" {name}")


if __name__ == "__main__":
    main()
