"""Optimizer steps of the codec, and of the discriminators beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from vall_e.audio.builtin.spectral_codec import SpectralCodec
from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.device import choose_device
from vall_e.engines.descent import descend, nonfinite_in_a_row
from vall_e.engines.gradient_buffer import GradientBuffer
from vall_e.engines.ranks import ALONE, Ranks
from vall_e.engines.snapshot import copied
from vall_e.optim.learning_rate import apply_factor, effective, peak, set_peak
from vall_e.optim.moving_average import MovingAverage
from vall_e.optim.optimizers import build_optimizer
from vall_e.optim.schedules import learning_rate_factor

from .adversary import Adversary
from .codebooks import pool_over, usage_of
from .half_precision import in_bfloat16
from .losses.terms import SpectralTerms
from .quantiser_dropout import kept_levels

CODEBOOKS_TOLD = 25
"""Steps between the numbers on codebooks."""


class CodecEngine:
    """Owns codec, discriminators, optimizers and counters on each rank; `step` makes one optimizer step.

    Everything random follows from seed and step, so that a run goes on exactly. Every rank hears its part of the clips;
    gradients are averaged and codebooks learnt from all of them.
    """

    def __init__(self, cfg: CodecTrainingConfig, codec: SpectralCodec, ranks: Ranks = ALONE) -> None:
        self.cfg, self.ranks = cfg, ranks
        self.device = choose_device(cfg.device, ranks.local_rank)
        self.codec = codec.to(self.device)
        self.terms = SpectralTerms(cfg.losses, codec.shape.sample_rate)
        self.optimizer = build_optimizer(codec, cfg.hyperparameters, [])
        self.gradients = GradientBuffer(codec.parameters())
        self.average = MovingAverage(codec.named_parameters(), cfg.ema_decay) if cfg.ema_decay else None
        self.adversary = self._adversary()
        self.global_step = self.nonfinite = 0
        pool_over(codec.quantizer, ranks)
        if cfg.amp:
            in_bfloat16(codec.encoder, self.device)
            in_bfloat16(codec.decoder, self.device)

    def step(self, wave: Tensor) -> dict[str, float]:
        """One step of this rank's clips, float32 [B, N]; returns what is to be logged, means over all ranks."""
        began, rng = time.perf_counter(), np.random.default_rng((self.cfg.seed, self.global_step))
        torch.manual_seed(int(rng.integers(2**63)))
        factor = learning_rate_factor(self.global_step, self.cfg.hyperparameters, self.cfg.steps)
        apply_factor(self.optimizer, factor)
        self.codec.train()
        self.gradients.zero()
        loss, stats = self._loss(wave.to(self.device), rng)
        loss.backward()  # type: ignore[no-untyped-call]
        self.gradients.average(self.ranks)
        grad_norm = descend(self.optimizer, self.gradients, self.cfg.gradient_clipping)
        self.nonfinite = nonfinite_in_a_row(self.nonfinite, grad_norm, self.global_step + 1)
        if self.average is not None and np.isfinite(grad_norm):
            self.average.update(self._decay)
        self.global_step += 1
        told = {"grad_norm": grad_norm, "lr": effective(self.optimizer), "step_seconds": time.perf_counter() - began}
        return _means(self.ranks.gather(stats)) | told | self._codebooks()

    def _loss(self, wave: Tensor, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """What is to be descended, and the numbers of this rank; `loss` of these is that of the spectra alone."""
        keep = self._kept(rng, len(wave)).to(self.device)
        output, magnitude, direction, commitment = self.codec(wave, keep)
        commitment = commitment * self.ranks.size
        terms = self.terms(output, wave)
        if self.terms.looks_into_decoder:
            terms |= self.terms.within(magnitude, direction, self._spectrum(wave))
        spectral = self.terms.total(terms)
        loss = spectral + self.cfg.losses.commitment * commitment
        told = {"loss": spectral.item(), "commitment": commitment.item()} | {
            n: term.item() for n, term in terms.items()
        }
        if self.adversary is None or self.global_step < self._learns_from:
            return loss, told
        against, seen = self._against(self.adversary, wave, output, rng)
        return loss + against, told | seen

    def _spectrum(self, wave: Tensor) -> Tensor:
        """What the decoder should write of waveforms [B, N]: complex64 [B, bins, N / hop]."""
        with torch.no_grad():
            return self.codec.features.spectrum(wave)

    def _against(
        self, adversary: Adversary, wave: Tensor, output: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """A step of the discriminators; then, once they steer, their part of the codec's loss."""
        samples = min(wave.shape[1], int(adversary.cfg.crop_seconds * self.codec.shape.sample_rate))
        start = int(rng.integers(wave.shape[1] - samples + 1))
        real, coded = wave[:, start : start + samples], output[:, start : start + samples]
        told = adversary.learn(real, coded)
        if self.global_step < (adversary.cfg.start or 0):
            return output.new_zeros(()), told
        terms = adversary.judge(real, coded)
        weights = self.cfg.losses
        against = weights.adversarial * terms["adversarial"] + weights.feature_matching * terms["feature_matching"]
        return against, told | {name: term.item() for name, term in terms.items()}

    def _kept(self, rng: np.random.Generator, size: int) -> Tensor:
        """Levels of this rank's clips."""
        keep = kept_levels(rng, size * self.ranks.size, self.codec.shape.levels)
        return keep[self.ranks.rank * size : (self.ranks.rank + 1) * size]

    def _codebooks(self) -> dict[str, float]:
        return usage_of(self.codec.quantizer) if self.global_step % CODEBOOKS_TOLD == 0 else {}

    @property
    def _decay(self) -> float:
        """Of the average: at the beginning shorter, so that it forgets the weights that were drawn."""
        return min(self.cfg.ema_decay, (self.global_step + 1) / (self.global_step + 10))

    @property
    def _learns_from(self) -> int:
        return self.cfg.adversary.learns_from or 0

    @property
    def learning_rate(self) -> float:
        """The peak learning rate in force."""
        return peak(self.optimizer)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Change the peak learning rate from the next step on."""
        set_peak(self.optimizer, learning_rate)

    @contextmanager
    def speaking(self) -> Iterator[SpectralCodec]:
        """Inside the block the codec is as it is exported."""
        self.codec.eval()
        with self.average.in_force() if self.average else nullcontext():
            yield self.codec

    def weights(self) -> dict[str, Tensor]:
        """The state of the codec as it is exported, in main memory."""
        with self.speaking() as codec:
            return copied(codec.state_dict().items())

    def _adversary(self) -> Adversary | None:
        cfg = self.cfg
        if cfg.adversary.start is None:
            return None
        return Adversary(cfg.adversary, cfg.gradient_clipping, self.ranks, self.device, amp=cfg.amp)


def _means(parts: list[dict[str, float]]) -> dict[str, float]:
    """Of the numbers of all ranks."""
    return {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
