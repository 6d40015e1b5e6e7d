"""`python -m benchmarks.packing`: sequences end to end against the same sequences padded to the longest."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.speech import batch
from vall_e.config.model import ModelConfig
from vall_e.device import choose_device
from vall_e.engines.micro_batch import draw_micro_batch
from vall_e.models.packed import Packed
from vall_e.models.vall_e import VallE


def backbone_pass(model: VallE, packed: Packed) -> None:
    """Forward and backward through the backbone, sequences end to end."""
    torch.autograd.backward(model.hidden(packed).float().square().mean())


class PaddedAttention:
    """The usual attention over rows of one length: torch's, with a mask over scores, and dropout if there is any."""

    def __init__(self, lengths: Sequence[int], causal: Sequence[bool], dropout: float) -> None:
        self.rows, self.longest, self.dropout = len(lengths), max(lengths), dropout
        places = torch.arange(self.longest)
        seen = [(places < n) & ((places <= places[:, None]) | (not c)) for n, c in zip(lengths, causal, strict=True)]
        self.seen = torch.stack(seen)[:, None]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [rows * longest, H, D] -> the same."""
        q, k, v = (x.reshape(self.rows, self.longest, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
        mask = self.seen.to(q.device)
        out: Tensor = scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.dropout)
        return out.transpose(1, 2).flatten(0, 1)


def padded_pass(model: VallE, packed: Packed) -> None:
    """The same with every sequence as long as the longest: what lies behind its end is computed and thrown away."""
    longest = max(packed.lengths)
    pieces = torch.split(packed.embeddings, packed.lengths)
    padded = torch.cat([torch.nn.functional.pad(piece, (0, 0, 0, longest - len(piece))) for piece in pieces])
    positions = torch.arange(longest, device=padded.device).repeat(len(pieces))
    own = model.within(packed.layouts)
    hidden, _ = model.model(padded, positions, PaddedAttention(packed.lengths, own.causal, own.dropout))
    torch.autograd.backward(hidden.float().square().mean())


def timed(run: Callable[[VallE, Packed], None], model: VallE, packed: Packed, *, amp: bool = False) -> float:
    """Seconds of a pass, in bfloat16 with `amp`."""
    began = time.perf_counter()
    with torch.autocast(model.device.type, torch.bfloat16, enabled=amp):
        run(model, packed)
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    """Alternate passes of both and print the ratio of times and the padding that is saved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="quarter")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.1, help="of attention")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--amp", action="store_true", help="packed ones in bfloat16, as by trainer.amp=true")
    told = parser.parse_args()
    cfg = ModelConfig(size=told.size, dropout=told.dropout)
    model = VallE(cfg).to(choose_device(told.device))
    ratios, waste = [], []
    for number in range(told.steps + 2):
        inputs = draw_micro_batch(cfg, batch(told.batch_size, number), 1.0, (number,)).inputs
        packed = model.pack(inputs)
        longest = max(packed.lengths)
        waste.append(1 - sum(packed.lengths) / (longest * len(packed.lengths)))
        seconds = [
            timed(padded_pass, model, model.pack(inputs)),
            timed(backbone_pass, model, model.pack(inputs), amp=told.amp),
        ]
        ratios += [seconds[0] / seconds[1]] if number >= 2 else []
    print(f"padding that packing saves: {statistics.mean(waste):.0%}")
    print(f"padded / packed time: {statistics.median(ratios):.2f} (median of {len(ratios)} pairs)")


if __name__ == "__main__":
    main()
