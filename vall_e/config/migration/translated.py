"""Settings whose values are said in another way here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vall_e.config.codec import CODEC_FACTS, AudioBackend
from vall_e.config.dataset import SampleOrder
from vall_e.config.deviations import DEVIATIONS

from .files import FILES
from .getters import GETTERS
from .outcome import Dropped, Item, Old, Outcome, Placed, Refused, Translator

LONGEST_MASKED = 200
"""Steps of masked decoding that somebody may have asked for; more of them are steps of the AR part."""


def _codec(value: Any) -> Any:
    return "encodec" if value == "vocos" else value


def _audio_backend(item: Item, old: Old) -> Iterator[Outcome]:
    note = "the same codes" if item.value == "vocos" else ""
    yield Placed(("audio_backend",), _codec(item.value), note)


def _use_codec(item: Item, old: Old) -> Iterator[Outcome]:
    name = item.keys[-1].removeprefix("use_")
    if item.value:
        yield Placed(("audio_backend",), _codec(name), f"from {item.keys[-1]}")
    else:
        yield Dropped("audio_backend names the codec")


def _sample_rate(item: Item, old: Old) -> Iterator[Outcome]:
    name = _codec(old.tree.get("audio_backend", DEVIATIONS["audio_backend"].reference))
    known = isinstance(name, str) and name in AudioBackend.__members__
    rate = CODEC_FACTS[AudioBackend[name]].sample_rate if known else item.value
    if item.value == rate:
        yield Dropped("it follows from audio_backend")
    else:
        yield Refused(f"audio_backend={name} has {rate}")


def _tokenizer(item: Item, old: Old) -> Iterator[Outcome]:
    if item.value in (None, "naive") or not isinstance(item.value, str):
        yield Placed(item.keys, item.value)
    else:
        yield Dropped("every name but naive means the file tokenizer_path")


def _sample_order(item: Item, old: Old) -> Iterator[Outcome]:
    if isinstance(item.value, str) and item.value not in SampleOrder.__members__:
        yield Placed(item.keys, "interleaved", "what every other name meant")
    else:
        yield Placed(item.keys, item.value)


def _chance(item: Item, old: Old) -> Iterator[Outcome]:
    """A chance that was once a switch."""
    yield Placed(item.keys, float(item.value) if isinstance(item.value, bool) else item.value)


def _switch(item: Item, old: Old) -> Iterator[Outcome]:
    """A switch that was once a chance."""
    number = isinstance(item.value, (int, float)) and not isinstance(item.value, bool)
    yield Placed(item.keys, item.value > 0 if number else item.value, "a switch here" if number else "")


def _range(item: Item, old: Old) -> Iterator[Outcome]:
    number = isinstance(item.value, (int, float)) and not isinstance(item.value, bool)
    yield Placed(item.keys, [item.value, item.value] if number else item.value)


def _size(item: Item, old: Old) -> Iterator[Outcome]:
    if not isinstance(item.value, Mapping):
        yield Placed(item.keys, item.value)
        return
    rows = ("audio_tokens", "text_tokens")
    for name in rows:
        if name in item.value:
            yield Placed(("model", name), item.value[name], f"{name} is a setting of its own")
    size = {key: value for key, value in item.value.items() if key not in rows}
    if isinstance(size.get("label", ""), str):
        yield Placed(item.keys, size)
    else:
        yield Refused("label must be text")


def _scheduler(item: Item, old: Old) -> Iterator[Outcome]:
    if not item.value and (other := old.get("hyperparameters", "scheduler_type")):
        yield Dropped(f"scheduler_type={other} decides")
    else:
        yield Placed(item.keys, item.value)


def _checkpointing(item: Item, old: Old) -> Iterator[Outcome]:
    decides = old.get("trainer", "activation_checkpointing")
    if item.value is None:
        yield Dropped("null says nothing")
    elif item.name.endswith(".gradient_checkpointing") and decides is not None:
        yield Dropped("activation_checkpointing, which is given, too, decides")
    else:
        yield Placed(item.keys, item.value)


def _save_frequency(item: Item, old: Old) -> Iterator[Outcome]:
    if item.value is None:
        yield Placed(item.keys, 0, "null meant evaluation.frequency")
    else:
        yield Placed(item.keys, item.value)


def _max_steps(item: Item, old: Old) -> Iterator[Outcome]:
    number = isinstance(item.value, int) and not isinstance(item.value, bool)
    if number and item.value > LONGEST_MASKED:
        frames = ("evaluation", "kwargs", "max_duration")
        yield Placed(frames, item.value, "so many are steps of the AR part, one a frame")
    else:
        yield Placed(item.keys, item.value)


def _max_levels(item: Item, old: Old) -> Iterator[Outcome]:
    if item.value == 0 and not isinstance(item.value, bool):
        yield Dropped("0 meant all levels, which are the default here")
    else:
        yield Placed(item.keys, item.value)


TRANSLATED: dict[str, Translator] = {
    **FILES,
    **GETTERS,
    "audio_backend": _audio_backend,
    **{f"inference.use_{codec}": _use_codec for codec in ("vocos", "encodec", "dac")},
    "sample_rate": _sample_rate,
    "tokenizer": _tokenizer,
    "dataset.sample_order": _sample_order,
    "dataset.prompt_similar_p": _chance,
    "dataset.prompt_inject_noise": _switch,
    "dataset.prompt_duration_range": _range,
    "model.size": _size,
    "hyperparameters.scheduler": _scheduler,
    "trainer.gradient_checkpointing": _checkpointing,
    "trainer.save_frequency": _save_frequency,
    "evaluation.kwargs.max_steps": _max_steps,
    "evaluation.kwargs.max_levels": _max_levels,
}
