"""What an evaluation found, and how it is kept as `metrics.json`.

step, model, date             what was evaluated and when (ISO 8601)
seed, sampling                how the samples were drawn, as in the configuration under evaluation.kwargs
metrics                       {"val.mel_stft": ...}: the means that go to the log of a training run
passes.<pass>.mel_stft        mean over the samples
passes.<pass>.empty           samples for which the model said nothing
passes.<pass>.phoneme_error_rate  errors of all samples over phonemes said; null if speech is not written down
passes.<pass>.samples[]       utterance, speaker, language, text,
                              mel_stft (lower is better, 0 is equal), empty (judged as silence),
                              target_seconds, output_seconds, prompt_seconds (0: no prompt),
                              target, output, prompt, spectrogram: files relative to the folder (null: no prompt),
                              written: phonemes said and written, and errors between them, or null
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vall_e.atomic import replace_text
from vall_e.config.sampling import SamplingConfig

from .writing_down import Written


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """One sample; files are relative to the folder of the evaluation."""

    utterance: str
    speaker: str
    language: str
    text: str
    mel_stft: float
    empty: bool
    target_seconds: float
    output_seconds: float
    prompt_seconds: float
    target: str
    output: str
    prompt: str | None
    spectrogram: str
    written: Written | None = None
    """What the model writes down of the target, in models that do."""


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """The samples of a pass, at least one."""

    samples: list[SampleResult]

    @property
    def mel_stft(self) -> float:
        """Mean distance of output and target."""
        return sum(sample.mel_stft for sample in self.samples) / len(self.samples)

    @property
    def empty(self) -> int:
        """Samples for which the model said nothing."""
        return sum(sample.empty for sample in self.samples)

    @property
    def phoneme_error_rate(self) -> float | None:
        """Errors in what was written down over all phonemes said; None if nothing was to be written."""
        written = [sample.written for sample in self.samples if sample.written is not None]
        if not written:
            return None
        return sum(one.errors for one in written) / max(1, sum(len(one.said) for one in written))


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What an evaluation found; its audio lies in `folder`."""

    folder: Path
    step: int
    model: str
    date: str
    seed: int
    sampling: SamplingConfig
    passes: dict[str, PassResult]

    @property
    def page(self) -> Path:
        """The page to listen to."""
        return self.folder / "index.html"

    @property
    def metrics(self) -> dict[str, float]:
        """Means by name, for example `val.mel_stft` and, where speech is written down, `val.phoneme_error_rate`."""
        rates = {f"{name}.phoneme_error_rate": found.phoneme_error_rate for name, found in self.passes.items()}
        written = {name: rate for name, rate in rates.items() if rate is not None}
        return {f"{name}.mel_stft": found.mel_stft for name, found in self.passes.items()} | written

    def summary(self) -> str:
        """One line for the log."""
        means = (
            f"{name} {found.mel_stft:.3f} over {len(found.samples)} samples"
            + (f", {found.empty} without any speech" if found.empty else "")
            + ("" if found.phoneme_error_rate is None else f", {found.phoneme_error_rate:.1%} of phonemes misheard")
            for name, found in self.passes.items()
        )
        return f"mel-STFT at step {self.step}: {'; '.join(means)} (lower is better)"


def write_metrics(result: EvaluationResult) -> None:
    """Write `metrics.json` into the folder of the evaluation, atomically."""
    content = {
        "step": result.step,
        "model": result.model,
        "date": result.date,
        "seed": result.seed,
        "sampling": asdict(result.sampling),
        "metrics": result.metrics,
        "passes": {
            name: {
                "mel_stft": found.mel_stft,
                "empty": found.empty,
                "phoneme_error_rate": found.phoneme_error_rate,
                "samples": [asdict(sample) for sample in found.samples],
            }
            for name, found in result.passes.items()
        },
    }
    replace_text(result.folder / "metrics.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
