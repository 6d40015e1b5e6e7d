"""Errors a user can mend. Apps print the message alone and leave with status 2.

VallEError
├── ConfigError       a setting is unknown, missing, out of range or at odds with another
├── TextError         a text cannot be normalised, phonemised or tokenised
├── AudioError        an audio file cannot be read, or a codec cannot be used
├── DataError         a manifest or a dataset file is missing, foreign or damaged
├── WeightsError      a weights file is missing, foreign, or does not fit the model
├── CheckpointError   a checkpoint is missing, damaged, or of another model
├── SweepError        jobs of a sweep failed
├── MemoryExhausted   a step does not fit into memory, however its batch is split
├── RankLostError     another process of the run is gone
└── MissingExtra      an optional package is not installed
"""

from __future__ import annotations


class VallEError(Exception):
    """Base of all errors whose message is meant for the user."""


class ConfigError(VallEError, ValueError):
    """A setting is unknown, missing, out of range or at odds with another."""


class TextError(VallEError, ValueError):
    """A text cannot be normalised, phonemised or tokenised."""


class AudioError(VallEError, ValueError):
    """An audio file cannot be read, or a codec cannot be used."""


class DataError(VallEError, ValueError):
    """A manifest or a dataset file is missing, foreign or damaged."""


class WeightsError(VallEError, ValueError):
    """A weights file is missing, foreign, or does not fit the model."""


class CheckpointError(VallEError, ValueError):
    """A checkpoint is missing, damaged, or of another model."""


class SweepError(VallEError):
    """Jobs of a sweep failed."""


class MemoryExhausted(VallEError):
    """A step does not fit into memory, however its batch is split."""


class RankLostError(VallEError):
    """Another process of the run is gone."""


class MissingExtra(VallEError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(package, extra, purpose)  # as they are: so it can be handed from process to process

    def __str__(self) -> str:
        package, extra, purpose = self.args
        return f"{purpose} needs the package '{package}': pip install 'vall_e[{extra}]'"
