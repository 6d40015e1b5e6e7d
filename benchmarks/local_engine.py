"""`python -m benchmarks.local_engine`: the local engine against a bare torch loop over the same model and batches."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from benchmarks.speech import batch
from vall_e.audio import open_codec
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.config.model import ModelConfig
from vall_e.config.optimizations import OptimizationsConfig
from vall_e.config.schema import Config
from vall_e.config.trainer import TrainerConfig, WeightDtype
from vall_e.data.sample import Sample
from vall_e.engines.local import LocalEngine
from vall_e.engines.micro_batch import draw_micro_batch
from vall_e.models.vall_e import VallE
from vall_e.optim.optimizers import build_optimizer
from vall_e.text import open_tokenizer

Step = Callable[[Sequence[Sequence[Sample]]], int]


def settings(told: argparse.Namespace) -> Config:
    """Settings of both loops."""
    dtype = WeightDtype[told.dtype]
    return Config(
        device=told.device,
        model=ModelConfig(size=told.size),
        hyperparameters=HyperparametersConfig(gradient_accumulation_steps=told.accumulation),
        trainer=TrainerConfig(
            weight_dtype=dtype, amp=dtype is not WeightDtype.float32, gradient_checkpointing=told.checkpointing
        ),
        optimizations=OptimizationsConfig(compile=told.compile),
    )


def engine_step(engine: LocalEngine) -> Step:
    """A step of the engine; returns the positions computed."""

    def step(micro_batches: Sequence[Sequence[Sample]]) -> int:
        before = engine.tokens
        engine.step(micro_batches)
        return engine.tokens - before

    return step


def bare_step(cfg: Config, model: VallE, dtype: torch.dtype) -> Step:
    """The step a user would write by hand: forward, backward, clip, AdamW."""
    optimizer = build_optimizer(model, cfg.hyperparameters, [])
    count = 0

    def step(micro_batches: Sequence[Sequence[Sample]]) -> int:
        nonlocal count
        positions = 0
        for number, samples in enumerate(micro_batches):
            inputs = draw_micro_batch(cfg.model, samples, 1.0, (cfg.seed, count, number)).inputs
            with torch.autocast(model.device.type, dtype, enabled=cfg.trainer.amp):
                output = model(inputs)
            (output.loss / len(micro_batches)).backward()
            positions += int(output.stats["positions"])
        torch.nn.utils.clip_grad_norm_(model.parameters(), cfg.hyperparameters.gradient_clipping)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        count += 1
        return positions

    return step


def rate(step: Step, micro_batches: Sequence[Sequence[Sample]], device: torch.device) -> float:
    """Positions a second of one step."""
    began = time.perf_counter()
    positions = step(micro_batches)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return positions / (time.perf_counter() - began)


def main() -> None:
    """Alternate steps of both and print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="quarter")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--peak-tflops", type=float, default=0.0, help="of the card, for the FLOP utilisation")
    told = parser.parse_args()
    cfg = settings(told)
    # No layer is left out, so that both loops compute the same.
    cfg.model.experimental = replace(cfg.model.experimental, layerskip_p_max=0.0)
    codec = open_codec(AudioBackend.builtin, CodecConfig(), "cpu").identity
    engine = LocalEngine(cfg, open_tokenizer(None, None), codec)
    bare = LocalEngine(cfg, open_tokenizer(None, None), codec).model.train()
    for parameter in bare.parameters():
        parameter.grad = None
    steps = {"engine": engine_step(engine), "bare loop": bare_step(cfg, bare, engine.dtype)}
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(told.steps + 3):
        drawn = [batch(told.batch_size, number * 100 + k) for k in range(told.accumulation)]
        for name, step in sorted(steps.items(), reverse=bool(number % 2)):
            found = rate(step, drawn, engine.device)
            rates[name] += [found] if number >= 3 else []
    report(rates, engine, told.peak_tflops)


def report(rates: dict[str, list[float]], engine: LocalEngine, peak: float) -> None:
    """Print medians, their ratio, memory and, where the card's peak is told, the utilisation."""
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, found in medians.items():
        print(f"{name:<10} {found:12,.0f} positions/s")
    pairs = [ours / theirs for ours, theirs in zip(rates["engine"], rates["bare loop"], strict=True)]
    print(f"engine / bare loop: {statistics.median(pairs):.3f} (median of {len(pairs)} pairs)")
    if engine.device.type == "cuda":
        print(f"peak memory of both {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    else:
        print(f"peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    if peak:
        backbone = sum(p.numel() for p in engine.model.model.parameters())
        print(f"model FLOP utilisation {6 * backbone * medians['engine'] / (peak * 1e12):.1%} (6 N a position)")


if __name__ == "__main__":
    main()
