"""OmegaConf resolvers: facts of codec, tokenizer and dataset for the configuration.

    ${vall_e.codec:FACT,BACKEND}            sample_rate, frame_rate, levels, codebook_size
    ${vall_e.tokenizer:vocabulary_size,${tokenizer},${tokenizer_path}}
    ${vall_e.dataset:FACT,PATH}             hours, utterances, speakers, languages, codec, sample_rate, frame_rate,
                                            levels, codebook_size
    ${vall_e.sample_speech:}                folder of the speech that ships with vall_e
    ${vall_e.help:APP}                      text of an app's --help
    ${vall_e.record_folder:}                where Hydra keeps what it composed; null for all ranks but the first

A file is opened when a value that needs it is read, not when a configuration is composed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from omegaconf import DictConfig

from vall_e.errors import ConfigError

from .codec import CODEC_FACTS, AudioBackend
from .facts import SAMPLE_SPEECH, DatasetFacts, dataset_facts, vocabulary_size
from .help import help_text
from .nearest import one_of
from .rank_log import record_folder
from .versions import register_resolver


def register_resolvers() -> None:
    """Make the resolvers known to OmegaConf; a second call changes nothing."""
    resolvers: dict[str, Callable[..., Any]] = {
        "codec": codec_fact,
        "tokenizer": tokenizer_fact,
        "dataset": dataset_fact,
        "sample_speech": sample_speech,
        "help": help_template,
        "record_folder": record_folder,
    }
    for name, resolver in resolvers.items():
        register_resolver(f"vall_e.{name}", resolver, replace=True)


def codec_fact(fact: str, backend: AudioBackend | str) -> int | float:
    """A fact of a codec, from its name alone."""
    if isinstance(backend, str):
        backend = AudioBackend[one_of("audio_backend", backend, [b.name for b in AudioBackend])]
    facts = asdict(CODEC_FACTS[backend])
    value: int | float = facts[one_of("vall_e.codec", fact, facts)]
    return value


def tokenizer_fact(fact: str, kind: str | None = None, path: str | None = None) -> int:
    """A fact of the tokenizer; its file is read as JSON."""
    one_of("vall_e.tokenizer", fact, ["vocabulary_size"])
    return vocabulary_size(kind, path)


def dataset_fact(fact: str, path: str) -> Any:
    """A fact of a prepared dataset, from the attributes of its HDF5 file."""
    value = getattr(dataset_facts(path), one_of("vall_e.dataset", fact, DatasetFacts.__annotations__))
    return list(value) if isinstance(value, tuple) else value


def help_template(app: str, *, _root_: DictConfig) -> str:
    """The text of an app's --help, as the template that Hydra fills in; shows the values composed."""
    return help_text(app, _root_).replace("$", "$$")


def sample_speech() -> str:
    """The folder of the speech that ships with vall_e."""
    if not SAMPLE_SPEECH.is_dir():
        raise ConfigError(f"the sample speech is missing from this installation: {SAMPLE_SPEECH}")
    return str(SAMPLE_SPEECH)
