"""Takes out settings that qualify what is switched off, and so mean nothing."""

from __future__ import annotations

from vall_e.config.dataset import NOISY_TASKS
from vall_e.config.generations import LATEST
from vall_e.config.schema import Config

from .composed import composed
from .outcome import dotted
from .result import Migration

JOINING = ("dataset.resps_append_p",)
AUTOTUNING = ("hyperparameters.autotune_params",)
NOISE = ("dataset.noise_scale",)
DISTILLATION = tuple(f"hyperparameters.teacher_{name}" for name in ("alpha", "temperature", "loss_fn"))
LAYERS = ("optimizations.bitnet", "optimizations.fp8")
SUMS = tuple(f"model.experimental.{name}" for name in ("audio_embedding_sums", "audio_embedding_sums_mode"))
CODEC_TABLES = ("model.experimental.audio_embedding_mode",)
SWAPPING = tuple(f"optimizations.{name}" for name in ("replace", "linear", "embedding", "optimizers"))


def drop_idle(done: Migration) -> None:
    """Take idle settings out, and say of those that were given what they qualify."""
    idle = _idle(composed(done.values))
    for keys in list(done.values):
        # A value of a mapping is idle with the mapping.
        what = next((idle[name] for end in range(len(keys)) if (name := dotted(keys[: end + 1])) in idle), None)
        if what is None:
            continue
        del done.values[keys]
        if keys in done.given:
            done.report.dropped.append(f"{done.given[keys]}: it qualifies {what}")


def _idle(config: Config) -> dict[str, str]:
    """What each idle setting qualifies, by its dotted name."""
    dataset, swaps = config.dataset, config.optimizations
    noisy = NOISY_TASKS & set(dataset.tasks)
    switched_off = (
        (SUMS, config.model.version < LATEST, "sums of embeddings, which older generations always make in full"),
        (CODEC_TABLES, config.model.version == LATEST, "tables of older generations, and version 5 never read it"),
        (JOINING, dataset.resps_max_samples == 1, "joined targets, and resps_max_samples is 1"),
        (NOISE, not (dataset.prompt_inject_noise or noisy), "noise, and no task mixes it in"),
        (AUTOTUNING, not config.hyperparameters.autotune, "the search for fast settings, and it is off"),
        (DISTILLATION, config.teacher is None, "distillation, and there is no teacher"),
        (
            LAYERS,
            not (swaps.linear and (swaps.replace or swaps.injects)),
            "linear layers that replace or injects swap, and there are none",
        ),
        (
            SWAPPING,
            not (swaps.bitsandbytes or swaps.dadaptation or swaps.bitnet or swaps.fp8),
            "swapped modules, and none is chosen",
        ),
    )
    return {name: what for names, off, what in switched_off if off for name in names}
