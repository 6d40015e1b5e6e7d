"""What an evaluation found, and how it is kept as `metrics.json`.

step, model, date             what was evaluated and when (ISO 8601)
seed, sampling                how the samples were drawn, as in the configuration under evaluation.kwargs
metrics                       {"val.mel_stft": ...}: the means that go to the log of a training run
passes.<pass>.mel_stft        mean over the samples
passes.<pass>.empty           samples for which the model said nothing
passes.<pass>.samples[]       utterance, speaker, language, text,
                              mel_stft (lower is better, 0 is equal), empty (judged as silence),
                              target_seconds, output_seconds, prompt_seconds (0: no prompt),
                              target, output, prompt, spectrogram: files relative to the folder (null: no prompt)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vall_e.atomic import replace_text
from vall_e.config.sampling import SamplingConfig


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
        """Means by name, for example `val.mel_stft`."""
        return {f"{name}.mel_stft": found.mel_stft for name, found in self.passes.items()}

    def summary(self) -> str:
        """One line for the log."""
        means = (
            f"{name} {found.mel_stft:.3f} over {len(found.samples)} samples"
            + (f", {found.empty} without any speech" if found.empty else "")
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
                "samples": [asdict(sample) for sample in found.samples],
            }
            for name, found in result.passes.items()
        },
    }
    replace_text(result.folder / "metrics.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
