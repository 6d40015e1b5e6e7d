"""Learning from a larger model's predictions beside the targets (Hinton et al., arXiv:1503.02531).

Axes: M predictions, V ids of a head.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from vall_e.audio.codec import CodecIdentity
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.errors import ConfigError, WeightsError
from vall_e.text import Tokenizer

from .layerskip import NO_EXITS
from .layout import ModelInput
from .loss import LossOutput, Predicted, Predictions, is_learnt, per_sample_mean, read_heads
from .vall_e import VallE
from .weights.origin import differences
from .weights.weights_file import load_weights, read_metadata

ROWS = ("text_tokens", "audio_tokens", "resp_levels", "langs", "tones", "tasks")
"""Settings of a model by which it embeds ids: a teacher has at least as many rows as its student."""
ORDER = ("interleave", "causal_size")
"""Switches by which the same codes are predicted in another order or at other places."""
INPUTS = ("lang", "tone")
"""Capabilities that put a segment into every sequence."""


def kl(student: Tensor, teacher: Tensor) -> Tensor:
    """Divergence of predictions, sum over v of p_t (log p_t - log p_s): logits [M, V] each -> [M]."""
    return kl_div(log_softmax(student, -1), log_softmax(teacher, -1), reduction="none", log_target=True).sum(-1)


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over v of (s - t)^2: logits [M, V] each -> [M]."""
    return (student - teacher).square().mean(-1)


SOFT_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"kl": kl, "mse": mse}


class Distillation:
    """The loss of a model whose teacher sees the same inputs; to be called in place of the model.

    loss = (1 - A) * hard + A * tau^2 * soft, where soft compares logits / tau: the mean over samples of the mean over
    each sample's predictions, those that the hard loss is made of.
    """

    def __init__(self, teacher: VallE, cfg: HyperparametersConfig) -> None:
        self.teacher = teacher.eval().requires_grad_(False)
        self.name, self.share, self.temperature = (
            cfg.teacher_loss_fn.lower(),
            cfg.teacher_alpha,
            cfg.teacher_temperature,
        )

    def __call__(
        self,
        model: VallE,
        inputs: Sequence[ModelInput],
        skipped: Collection[int] = (),
        exits: Mapping[int, float] = NO_EXITS,
    ) -> LossOutput:
        """The loss of a batch by all layers of `model` but `skipped`; `parts` has `kl` or `mse` beside the others.

        exits: see `VallE.forward`; their losses are hard ones.
        """
        output: LossOutput = model(inputs, skipped, exits, keep_logits=True)
        assert output.predicted is not None
        soft = self.share * self.temperature**2 * self._soft(model, inputs, output.predicted)
        parts = {name: (1 - self.share) * part for name, part in output.parts.items()} | {self.name: soft}
        return LossOutput(torch.stack(list(parts.values())).sum(), parts, output.stats)

    def _soft(self, model: VallE, inputs: Sequence[ModelInput], student: Predicted) -> Tensor:
        logits = self._teach(model, inputs).logits
        compare, tau = SOFT_LOSSES[self.name], self.temperature
        values = {head: compare(own / tau, logits[head] / tau) for head, own in student.logits.items()}
        members = entries_by_sample(student.batch, model.cfg.loss_factors)
        return (
            per_sample_mean(student.by_entry(values), members)
            if members
            else torch.zeros((), device=model.device, requires_grad=True)
        )

    @torch.no_grad()
    def _teach(self, model: VallE, inputs: Sequence[ModelInput]) -> Predicted:
        """What the teacher predicts where `model` does; the two may lay out their sequences differently."""
        packed = self.teacher.pack(inputs)
        return read_heads(self.teacher.hidden(packed), model.wanted(inputs, packed.layouts), self.teacher.logits)


def entries_by_sample(batch: Sequence[Predictions], factors: Mapping[str, float]) -> dict[int, list[int]]:
    """Which entries of the batch each sample learns."""
    found: dict[int, list[int]] = defaultdict(list)
    for index, entry in enumerate(batch):
        if is_learnt(entry, factors):
            found[entry.sample].append(index)
    return found


def load_teacher(
    path: Path,
    student: VallE,
    tokenizer: Tokenizer,
    codec: CodecIdentity,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> VallE:
    """The model in a weights file, in eval mode, if it can teach `student`.

    WeightsError if it is no weights file, or of another tokenizer or codec; ConfigError if the two models differ in
    what their heads predict or in what they can be shown.
    """
    try:
        teacher = load_weights(path, device).model
        found = list(differences(read_metadata(path), tokenizer, codec))
    except WeightsError as error:
        raise WeightsError(f"teacher={path} cannot be read: {error}") from error
    if found:
        raise WeightsError(f"teacher={path} cannot teach in this run: " + "; ".join(found))
    if problems := [*head_problems(student, teacher), *input_problems(student, teacher)]:
        raise ConfigError(f"teacher={path} cannot teach this model: " + "; ".join(problems))
    return teacher.to(dtype)


def head_problems(student: VallE, teacher: VallE) -> list[str]:
    """Heads of the student that the teacher lacks, or whose ids are not as many."""
    theirs = teacher.head_widths()
    return [
        f"head {name} tells {theirs[name]} ids apart, the model's {width}"
        if name in theirs
        else f"it has no head {name}, which the model has with {width} ids"
        for name, width in student.head_widths().items()
        if theirs.get(name) != width
    ]


def input_problems(student: VallE, teacher: VallE) -> list[str]:
    """What the student is shown and the teacher could not embed, or would be taught at other segments."""
    ours, theirs = student.cfg, teacher.cfg
    found = [
        f"its {name}={getattr(theirs, name)} is less than model.{name}={getattr(ours, name)}"
        for name in ROWS
        if getattr(theirs, name) < getattr(ours, name)
    ]
    found += [
        f"its experimental.{name}={getattr(theirs.experimental, name)} is not the model's"
        for name in ORDER
        if getattr(theirs.experimental, name) != getattr(ours.experimental, name)
    ]
    differing = {c for c in INPUTS if (c in ours.capabilities) != (c in theirs.capabilities)}
    if differing and not ours.experimental.ignore_inputs_for_loss:
        found.append(f"only one of the two has {', '.join(sorted(differing))}, which is learnt as inputs are")
    return found
