"""Settings of adapters: low-rank additions to the weights of a model (LoRA, arXiv:2106.09685)."""

from __future__ import annotations

from dataclasses import dataclass

from .setting import setting


@dataclass(kw_only=True)
class LoraConfig:
    """One adapter."""

    name: str = setting("lora", "First part of the adapter's full name.")
    rank: int = setting(128, "Width of the low-rank product.", at_least=1, at_most=4096)
    alpha: int = setting(128, "Strength: the product is scaled by alpha / rank.", at_least=1)
    training: bool = setting(
        True, "Train this adapter and freeze the model, unless model.frozen_params says what is frozen."
    )
    embeddings: bool = setting(False, "Train the embeddings, too; the adapter holds how they change.")
    parametrize: bool = setting(False, "Add to the weights (W + B A) in place of the outputs (W x + B A x).")
    rvq_levels: list[int] = setting(
        [], "Levels at which the adapter speaks; [] is those that its file names, else all.", at_least=0
    )
    path: str | None = setting(None, "File of the adapter: what it speaks with, or starts from in training.")

    @property
    def full_name(self) -> str:
        """For example `lora-r128-a128`; names checkpoint folders."""
        return f"{self.name}-r{self.rank}-a{self.alpha}"
