"""Settings that follow from others: settled once, when the settings are sealed, and said in the log."""

from __future__ import annotations

from collections.abc import Iterator

from .hyperparameters import DEEPSPEED_SCHEDULERS, SCHEDULERS
from .one_vocabulary import ONE_OF_EACH
from .optimizations import MODULES
from .rank import world_size
from .schema import Config
from .setting import shown
from .trainer import Backend, WeightDtype

RATES_OF_THEIR_OWN = ("muon", "prodigy", "dadaptation")
"""Optimizers that do not step by learning_rate alone."""


def derive(config: Config) -> list[str]:
    """Settle what follows from other settings, in place; one sentence for each setting that changed."""
    return [note for rule in RULES for note in rule(config)]


def _swapped_modules(config: Config) -> Iterator[str]:
    optimizations = config.optimizations
    if optimizations.replace and not optimizations.swapped_modules:
        optimizations.replace = False
        yield f"optimizations.replace=false, as none of {', '.join(MODULES)} is chosen to swap modules for"


def _swapped_optimizer(config: Config) -> Iterator[str]:
    optimizations = config.optimizations
    if optimizations.swapping == "bitsandbytes" and optimizations.dadaptation:
        optimizations.dadaptation = False
        yield "optimizations.dadaptation=false, as bitsandbytes=true takes the optimizer's place first"


def _scheduler(config: Config) -> Iterator[str]:
    hyper = config.hyperparameters
    is_known = hyper.scheduler_type.lower() in map(str.lower, SCHEDULERS)  # one that is not is refused by its own name
    if hyper.scheduler_type and is_known and not hyper.scheduler:
        hyper.scheduler, hyper.scheduler_type = hyper.scheduler_type, ""
        yield f"hyperparameters.scheduler={hyper.scheduler}, from its old name scheduler_type"
    if hyper.schedule_free and config.optimizations.swapping == "dadaptation":
        hyper.scheduler = ""
        yield "hyperparameters.scheduler='', as optimizations.dadaptation=true finds the learning rate itself"
    if config.trainer.backend is Backend.deepspeed and not hyper.torch_scheduler:
        yield from _schedule_under_deepspeed(config)


def _schedule_under_deepspeed(config: Config) -> Iterator[str]:
    hyper, kind = config.hyperparameters, config.optimizations.swapping or config.hyperparameters.optimizer.lower()
    if not hyper.scheduler:
        hyper.torch_scheduler = True
        yield "hyperparameters.torch_scheduler=true, as DeepSpeed is given no scheduler"
    elif kind in RATES_OF_THEIR_OWN and hyper.scheduler.lower() not in DEEPSPEED_SCHEDULERS:
        hyper.torch_scheduler = True
        yield f"hyperparameters.torch_scheduler=true, as DeepSpeed's schedules know one rate, {kind} has others"


def _checkpointing(config: Config) -> Iterator[str]:
    trainer = config.trainer
    if trainer.activation_checkpointing is not None:
        trainer.gradient_checkpointing, trainer.activation_checkpointing = trainer.activation_checkpointing, None
        value = shown(trainer.gradient_checkpointing)
        yield f"trainer.gradient_checkpointing={value}, from its old name activation_checkpointing"


def _several_ranks(config: Config) -> Iterator[str]:
    ranks = world_size()
    if ranks > 1 and config.trainer.backend is Backend.local and not (config.trainer.ddp or config.trainer.fsdp):
        config.trainer.ddp = True
        yield f"trainer.ddp=true, as the run has {ranks} ranks"
    if ranks == 1 and config.trainer.fsdp:
        config.trainer.fsdp = False
        yield "trainer.fsdp=false, as the run has one rank: start it with torchrun"


def _mixed_precision(config: Config) -> Iterator[str]:
    trainer = config.trainer
    if trainer.backend is not Backend.deepspeed:
        return
    if trainer.deepspeed.amp and trainer.weight_dtype is WeightDtype.float16:
        trainer.deepspeed.amp = False
        yield "trainer.deepspeed.amp=false, as weight_dtype=float16 is DeepSpeed's own mixed precision"
    if trainer.deepspeed.amp and trainer.amp:
        trainer.amp = False
        yield "trainer.amp=false, as deepspeed.amp=true takes its place"


def _teacher(config: Config) -> Iterator[str]:
    if config.model.teacher and config.model.training:
        config.model.training = False
        yield "model.training=false, as model.teacher=true"


def _one_vocabulary(config: Config) -> Iterator[str]:
    flags = config.model.experimental
    for name in (name for name in ONE_OF_EACH if flags.hf and getattr(flags, name)):
        setattr(flags, name, False)
        yield f"model.experimental.{name}=false, as hf=true has one table and one head"


def _saving(config: Config) -> Iterator[str]:
    if not config.trainer.save_frequency and config.evaluation.frequency:
        config.trainer.save_frequency = config.evaluation.frequency
        yield f"trainer.save_frequency={config.trainer.save_frequency}, from evaluation.frequency"


RULES = (
    _swapped_modules,
    _swapped_optimizer,
    _scheduler,
    _checkpointing,
    _several_ranks,
    _mixed_precision,
    _teacher,
    _one_vocabulary,
    _saving,
)
