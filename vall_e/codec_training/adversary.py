"""The discriminators in training: they learn, and they tell what the codec has to do better."""

from __future__ import annotations

import torch
from torch import Tensor

from vall_e.config.codec_adversary import AdversaryConfig
from vall_e.config.codec_training import BETAS
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.engines.descent import descend
from vall_e.engines.gradient_buffer import GradientBuffer
from vall_e.engines.ranks import Ranks
from vall_e.optim.optimizers import build_optimizer

from .discriminators.ensemble import Discriminators
from .discriminators.judgement import Judgement
from .half_precision import in_bfloat16
from .losses.adversarial import adversarial, discriminator_loss
from .losses.feature_matching import feature_matching


class Adversary:
    """Discriminators with an optimizer of their own."""

    def __init__(self, cfg: AdversaryConfig, clipping: float, ranks: Ranks, device: torch.device, *, amp: bool) -> None:
        self.cfg, self._clipping, self._ranks = cfg, clipping, ranks
        self.discriminators = Discriminators(cfg).to(device)
        if amp:
            for member in self.discriminators.members:
                in_bfloat16(member, device)
        hyper = HyperparametersConfig(learning_rate=cfg.learning_rate, optimizer_params={"betas": BETAS})
        self.optimizer = build_optimizer(self.discriminators, hyper, [])
        self.gradients = GradientBuffer(self.discriminators.parameters())

    def learn(self, real: Tensor, coded: Tensor) -> dict[str, float]:
        """A step of the discriminators; waveforms [B, N] twice."""
        self.gradients.zero()
        judged = self.discriminators(torch.cat([real, coded.detach()]))
        scores = [one.score.chunk(2) for one in judged]
        loss = discriminator_loss([r for r, _ in scores], [c for _, c in scores], self.cfg.objective)
        loss.backward()  # type: ignore[no-untyped-call]
        self.gradients.average(self._ranks)
        norm = descend(self.optimizer, self.gradients, self._clipping)
        told = {f"score.{name}": _mean([pair[n] for pair in scores]) for n, name in enumerate(("real", "coded"))}
        return {"adversary.loss": loss.item(), "adversary.grad_norm": norm} | told

    def judge(self, real: Tensor, coded: Tensor) -> dict[str, Tensor]:
        """The terms of the codec's loss, without their weights; the discriminators learn nothing from them."""
        self.discriminators.requires_grad_(False)
        with torch.no_grad():
            heard: list[Judgement] = self.discriminators(real)
        judged: list[Judgement] = self.discriminators(coded)
        self.discriminators.requires_grad_(True)
        return {
            "adversarial": adversarial([one.score for one in judged], self.cfg.objective),
            "feature_matching": feature_matching([one.features for one in heard], [one.features for one in judged]),
        }


def _mean(scores: list[Tensor]) -> float:
    return float(torch.stack([score.detach().mean() for score in scores]).mean())
