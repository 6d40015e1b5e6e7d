"""Evaluation of a model: generate, decode, compare, keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from vall_e.audio.codec import Codec
from vall_e.audio.read import write_wav
from vall_e.config.evaluation import EvaluationConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.data.sample import Sample
from vall_e.decoding.generate import generate_speech
from vall_e.decoding.request import Said, SpeechRequest
from vall_e.models.vall_e import VallE
from vall_e.text.languages import language_id
from vall_e.text.tokenizer import Tokenizer

from .mel_stft import MelStft
from .naming import Place, SampleFiles, file_name
from .report import write_report
from .result import EvaluationResult, PassResult, SampleResult, write_metrics
from .spectrogram import draw_spectrograms
from .undisturbed import undisturbed
from .writing_down import write_down


class Generate(Protocol):
    """What speaks for a model, to every request."""

    def __call__(
        self, model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int
    ) -> list[Said]: ...


class Evaluator:
    """Lets a model say what samples say and compares the two.

    Codes become waves by `codec`; `seed` decides what is drawn, and is the same at every step, so that successive
    evaluations differ by the model alone. With a `tokenizer` the model writes down the targets, too. The metric's
    filters are built once, at the first evaluation.
    """

    def __init__(
        self,
        codec: Codec,
        cfg: EvaluationConfig,
        seed: int,
        generate: Generate = generate_speech,
        *,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        self._codec, self._cfg, self._seed, self._generate = codec, cfg, seed, generate
        self._tokenizer = tokenizer
        self._rate = codec.identity.sample_rate
        self._mel_stft: MelStft | None = None

    def evaluate(
        self, model: VallE, passes: Mapping[str, Sequence[Sample]], folder: Path, step: int
    ) -> EvaluationResult:
        """Evaluate every pass (by name, for example `val`); a pass without samples is left out of the result.

        Files in `folder`, f being `<speaker>_<utterance>`: `ref/<f>.wav` target, `<model>/<pass>/<f>.wav` output,
        `<model>/prom/<f>.wav` prompt, `<model>/<pass>/<f>.png` spectra, `metrics.json` (keys: `result.py`) and
        `index.html`. Neither the model's modes nor any random state is changed.
        """
        name = file_name(model.cfg.full_name)
        files = SampleFiles(folder, name)
        found = {}
        total = sum(map(len, passes.values()))
        with undisturbed(model), _bar(total) as progress:
            for pass_name, samples in passes.items():
                results = []
                for sample, codes in self._speak(model, samples):
                    results.append(self._judge(sample, codes, files.place(sample, pass_name)))
                    progress.update()
                if results:
                    found[pass_name] = PassResult(samples=self._written_down(model, samples, results))
        result = EvaluationResult(
            folder=folder,
            step=step,
            model=model.cfg.full_name,
            date=datetime.now().astimezone().isoformat(timespec="seconds"),
            seed=self._seed,
            sampling=self._cfg.kwargs,
            passes=found,
        )
        write_metrics(result)
        write_report(result)
        return result

    def _speak(self, model: VallE, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Tensor]]:
        """Samples with the codes int16 [T, Q] that the model gives them."""
        for first in range(0, len(samples), self._cfg.batch_size):
            batch = samples[first : first + self._cfg.batch_size]
            spoken = self._generate(model, [_request(sample) for sample in batch], self._cfg.kwargs, self._seed)
            yield from ((sample, said.codes) for sample, said in zip(batch, spoken, strict=True))

    def _written_down(self, model: VallE, samples: Sequence[Sample], results: list[SampleResult]) -> list[SampleResult]:
        """The results with what the model writes of the targets."""
        if self._tokenizer is None:
            return results
        written = write_down(model, samples, self._tokenizer, self._cfg.batch_size)
        return [replace(result, written=one) for result, one in zip(results, written, strict=True)]

    def _judge(self, sample: Sample, codes: Tensor, place: Place) -> SampleResult:
        """Write the waves of a sample and compare them."""
        target, output = self._codec.decode(torch.from_numpy(sample.response)), self._codec.decode(codes.cpu())
        prompt = self._codec.decode(torch.from_numpy(sample.heard)) if len(sample.heard) else torch.zeros(0)
        for file, wave in ((place.target, target), (place.output, output), (place.prompt, prompt)):
            if wave is not prompt or len(prompt):
                write_wav(place.folder / file, wave.numpy(), self._rate)
        metric = self._metric()
        draw_spectrograms(place.folder / place.spectrogram, target, output, metric, self._rate)
        return SampleResult(
            utterance=sample.utterance,
            speaker=sample.speaker,
            language=sample.language,
            text=sample.text,
            mel_stft=metric.distance(output, target),
            empty=not len(output),
            target_seconds=len(target) / self._rate,
            output_seconds=len(output) / self._rate,
            prompt_seconds=len(prompt) / self._rate,
            target=place.target,
            output=place.output,
            prompt=place.prompt if len(prompt) else None,
            spectrogram=place.spectrogram,
        )

    def _metric(self) -> MelStft:
        if self._mel_stft is None:
            self._mel_stft = MelStft(self._rate)
        return self._mel_stft


def _request(sample: Sample) -> SpeechRequest:
    return SpeechRequest(
        tokens=torch.from_numpy(sample.tokens),
        prompt=torch.from_numpy(sample.heard) if len(sample.heard) else None,
        lang=language_id(sample.language),
    )


def _bar(total: int) -> tqdm:
    # It leaves no trace: a training run's own bar goes on below.
    return tqdm(total=total, desc="Evaluating", unit="sample", leave=False, disable=None)
