"""What `--help` says: the usage, examples, the groups to choose from and the settings most often changed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from textwrap import fill
from typing import Any

from omegaconf import DictConfig, OmegaConf

from .codec_evaluation import CodecEvaluationConfig
from .codec_training import CodecTrainingConfig
from .export import ExportConfig
from .nearest import groups, options
from .plot import PlotConfig
from .schema import Config

LEFT = 44  # characters of the left column at most

LOOK_FURTHER = (
    ("--cfg job", "all settings, as YAML; add -p model for one group, --resolve for the values behind ${...}"),
    ("--info defaults-tree", "which file brought what"),
    ("-m seed=1,2,3", "one run for each value, in runs/sweeps, ranked in its leaderboard.csv"),
    ("+key=value", "a new entry of a mapping, for example +model.loss_factors.text=0.1"),
    ("--hydra-help", "the flags of Hydra"),
)


@dataclass(frozen=True, kw_only=True)
class App:
    """What the help of one app tells."""

    module: str
    script: str
    purpose: str
    examples: tuple[tuple[str, str], ...]
    settings: tuple[str, ...]
    arguments: str = ""
    root: type = Config


APPS = {
    "train": App(
        module="vall_e.train",
        script="vall-e-train",
        purpose="Train a model on a prepared dataset. The same command resumes a run from its newest checkpoint.",
        examples=(
            ("", "the tiny model on the sample speech, in runs/sample-ar+nar-tiny-llama-8"),
            ("experiment=demo", "minutes on a CPU, in runs/demo"),
            (
                "model=ar+nar-llama-8 dataset.hdf5_name=data/mine.h5 hydra.run.dir=runs/mine",
                "the full model on data of your own",
            ),
            ("hyperparameters=prodigy trainer.iterations=5000", "another optimizer, for 5000 steps"),
            ("trainer.amp=true trainer.weight_dtype=bfloat16 optimizations=compile", "mixed precision, compiled"),
            (
                "weights=W.safetensors hydra.run.dir=runs/finetuned",
                "start from trained weights",
            ),
            ("-m seed=1,2 hyperparameters.learning_rate=1e-4,3e-4", "a sweep of four runs"),
            ("-m experiment=[demo,sweep/learning-rate]", "a sweep kept as a preset"),
        ),
        settings=(
            "device",
            "seed",
            "weights",
            "dataset.hdf5_name",
            "dataset.duration_range",
            "hyperparameters.batch_size",
            "hyperparameters.learning_rate",
            "hyperparameters.warmup_steps",
            "trainer.iterations",
            "trainer.save_frequency",
            "evaluation.frequency",
        ),
    ),
    "evaluate": App(
        module="vall_e.evaluate",
        script="vall-e-evaluate",
        purpose="Measure trained weights on the training and validation speech of a dataset.",
        examples=(
            ("weights=W.safetensors", "the sample speech"),
            ("weights=W.safetensors evaluation.size=64", "more samples in each pass"),
            ("weights=W.safetensors evaluation.kwargs.ar_temperature=0.95", "draw less freely"),
            ("weights=W.safetensors dataset.hdf5_name=data/mine.h5", "data of your own"),
            ("-m weights=A.safetensors,B.safetensors", "compare two"),
            ("-m weights=W.safetensors experiment=sweep/sampling", "find out how freely to draw"),
        ),
        settings=(
            "weights",
            "device",
            "seed",
            "dataset.hdf5_name",
            "evaluation.size",
            "evaluation.batch_size",
            "evaluation.kwargs.ar_temperature",
            "evaluation.kwargs.top_p",
            "evaluation.kwargs.max_duration",
        ),
    ),
    "prepare": App(
        module="vall_e.prepare",
        script="vall-e-prepare",
        purpose="Turn a folder of recordings into an HDF5 dataset. Run again, it goes on, or adds what is new.",
        examples=(
            ("", "the speech that ships with vall_e, to data/sample-builtin.h5"),
            ("dataset.source=recordings dataset.hdf5_name=data/mine.h5", "speech of your own"),
            ("dataset.source=recordings preparation.dry_run=true", "what would be made of it; nothing is written"),
            ("dataset.source=LJSpeech-1.1 preparation.recipe=ljspeech", "a corpus of a known layout, said outright"),
            (
                "dataset.source=radio preparation=untranscribed",
                "with transcripts by Whisper; needs the extra transcribe",
            ),
            ("-m preparation.shard=range(8) preparation.shards=8 hydra/launcher=joblib", "in eight jobs side by side"),
            ("audio_backend=encodec", "with EnCodec; needs the extra encodec"),
            ("device=cuda", "encode on a GPU"),
        ),
        settings=(
            "dataset.source",
            "dataset.hdf5_name",
            "preparation.recipe",
            "preparation.language",
            "preparation.transcribe",
            "preparation.trim_silence",
            "preparation.similar_top_k",
            "preparation.dry_run",
            "audio_backend",
            "codec.path",
            "tokenizer_path",
            "device",
        ),
    ),
    "data": App(
        module="vall_e.data",
        script="vall-e-data",
        purpose="Show a dataset: totals, histograms, an utterance, and samples of each task to listen to.",
        arguments="[PATH ...] ",
        examples=(
            ("", "the speech that ships with vall_e, as vall_e.prepare has left it"),
            ("data/mine.h5", "speech of your own"),
            ("data/mine.h5 seed=1", "another utterance and other samples"),
            ("data/mine.h5 dataset.noise_scale=1 dataset.duration_range=[2,6]", "as these settings make them"),
            ("data/mine.h5 audio_backend=encodec", "codes of EnCodec"),
            ("data/mine.h5 hydra.run.dir=seen", "into the folder seen"),
        ),
        settings=(
            "seed",
            "audio_backend",
            "dataset.hdf5_name",
            "dataset.training",
            "dataset.noise",
            "dataset.duration_range",
            "dataset.noise_scale",
        ),
    ),
    "train_codec": App(
        module="vall_e.train_codec",
        script="vall-e-train-codec",
        purpose="Train the built-in codec, which turns speech into tokens and back. The same command resumes a run.",
        examples=(
            ("audio=recordings", "a folder of recordings, in runs/codec"),
            ("audio=[recordings,radio] audio_weights=[2,1] holdout=[ann,de]", "two folders; leave two subfolders out"),
            ("audio=recordings steps=20000 batch_size=16 out=runs/longer", "longer, with larger batches"),
            ("audio=recordings losses.waveform=3 losses.decoder_phase=2", "truer waveforms below 1 kHz"),
            ("audio=recordings adversary.start=5000", "against discriminators, from step 5000 on"),
            (
                "audio=recordings weights=runs/codec/codec.safetensors adversary.start=500 out=runs/codec-2",
                "go on from a codec, against discriminators",
            ),
            ("audio=recordings +shape.decoder_width=384", "another size"),
            ("audio=recordings amp=true", "convolutions in bfloat16"),
        ),
        settings=(
            "audio",
            "holdout",
            "steps",
            "batch_size",
            "clip_seconds",
            "learning_rate",
            "losses.linear_stft",
            "losses.mel_stft",
            "losses.waveform",
            "losses.commitment",
            "adversary.start",
            "augmentation.noise",
            "ema_decay",
            "weights",
            "save_frequency",
            "evaluation_frequency",
            "device",
            "out",
        ),
        root=CodecTrainingConfig,
    ),
    "evaluate_codec": App(
        module="vall_e.evaluate_codec",
        script="vall-e-evaluate-codec",
        purpose="Measure how well codecs keep speech, how they use their codes, and how fast they are.",
        examples=(
            ("audio=recordings", "the built-in codec, by all metrics that are installed"),
            ("audio=recordings speakers=[speaker_7] limit=100", "a hundred utterances of a speaker"),
            (
                "audio=recordings codecs=[builtin,runs/codec/codec.safetensors]",
                "the built-in codec and one of your own",
            ),
            ("audio=recordings codecs=[builtin,encodec]", "with EnCodec; needs the extra encodec"),
            ("audio=recordings metrics=[pesq,stoi,codebook_use]", "these alone; some need the extra codec-metrics"),
            ("audio=recordings whisper=medium", "word errors by a larger Whisper, fetched once"),
        ),
        settings=tuple(f.name for f in fields(CodecEvaluationConfig)),
        root=CodecEvaluationConfig,
    ),
    "export": App(
        module="vall_e.export",
        script="vall-e-export",
        purpose="Write trained weights in another form: another number format, file format or layout.",
        examples=(
            ("run=runs/demo", "the newest checkpoint, with the moving average of the weights if there is one"),
            ("run=runs/demo dtype=bfloat16 weights_name=bf16", "half the size"),
            ("run=runs/demo tag=500 folder=old", "an older checkpoint, to another folder"),
            ("run=runs/demo weights_format=pretrained weights_name=mine", "a folder with config.json, as on the hub"),
            ("weights=W.safetensors hf=true", "a folder that transformers reads"),
            ("run=runs/voice export_lora=true", "the adapters of a run alone"),
            ("run=runs/voice merge_loras=true weights_name=merged", "weights that speak so without an adapter"),
            (
                "weights=W.safetensors merge_loras=true +lora@loras.voice=r8 loras.voice.path=lora.pth folder=merged",
                "the same with an adapter file, of the reference system, too",
            ),
        ),
        settings=(
            "run",
            "tag",
            "weights",
            "folder",
            "weights_name",
            "weights_format",
            "dtype",
            "hf",
            "export_lora",
            "merge_loras",
        ),
        root=ExportConfig,
    ),
    "plot": App(
        module="vall_e.plot",
        script="vall-e-plot",
        purpose="Draw the curves of training runs together, as a picture and as a page to point at.",
        examples=(
            ("runs=[runs/demo]", "loss, accuracy and mel-STFT of a run"),
            ("runs=[runs/a,runs/b]", "two runs, in the same charts"),
            ("runs=[runs/a] metrics=[loss,grad_norm,nll.level*]", "other metrics"),
            ("runs=[runs/a] smoothing=0", "every point as it is"),
            ("runs=[runs/a,runs/b] x_axis=time", "over hours"),
            ("runs=[runs/a] folder=docs name=demo formats=[png]", "docs/demo.png alone"),
        ),
        settings=tuple(f.name for f in fields(PlotConfig)),
        root=PlotConfig,
    ),
    "speak": App(
        module="vall_e",
        script="vall-e",
        purpose="Speak a text in the voice of a recording.",
        arguments="TEXT [PROMPT [OUT]] ",
        examples=(
            (
                '"Hello, world!" voice.wav hello.wav weights=W.safetensors',
                "in the voice of voice.wav",
            ),
            ('"Hello, world!" weights=W.safetensors', "without a prompt: any voice"),
            ('"Guten Tag." voice.wav weights=W.safetensors inference.language=de', "another language"),
            ('"Hello!" voice.wav weights=W.safetensors inference.seed=7', "the same speech every time"),
            ('"Hello!" voice.wav weights=W.safetensors inference.ar_temperature=0.9', "draw less freely"),
            ('"Hello!" voice.wav - weights=W.safetensors inference.chunk_frames=75 | aplay', "heard while it is said"),
            ("voice.wav weights=W.safetensors inference.task=stt", "what is said in voice.wav, in phonemes"),
        ),
        settings=(
            "weights",
            "device",
            "inference.language",
            "inference.seed",
            "inference.ar_temperature",
            "inference.top_p",
            "inference.input_prompt_length",
            "inference.max_duration",
            "inference.chunk_frames",
        ),
    ),
    "voice": App(
        module="vall_e.voice",
        script="vall-e-voice",
        purpose="Keep a voice ready: what is spoken in it need not encode the recording again.",
        arguments="RECORDING [VOICE] ",
        examples=(
            ("voice.wav", "in voice.safetensors"),
            ("voice.wav me.safetensors inference.input_prompt_length=6", "six seconds of it"),
            ("voice.wav audio_backend=encodec", "for weights that speak the codes of EnCodec"),
        ),
        settings=("audio_backend", "codec.path", "device", "inference.input_prompt_length"),
    ),
}


def help_text(app: str, config: DictConfig | None = None) -> str:
    """The help of an app; with the composed `config` it shows the values that are in force."""
    told = APPS[app]
    flags = "" if told.arguments else "[flags] "
    parts = [
        told.purpose,
        f"Usage: python -m {told.module} {told.arguments}{flags}[group=option] [key=value] ...  (or: {told.script})",
        titled(
            "Examples", [(f"python -m {told.module} {command}".rstrip(), meaning) for command, meaning in told.examples]
        ),
    ]
    if told.root is Config:
        parts.append(titled("Groups", [(group, ", ".join(options(group))) for group in groups()]))
    parts.append(
        titled(
            "Settings most often changed", [(_assigned(key, config), _meaning(told.root, key)) for key in told.settings]
        )
    )
    if not told.arguments:
        completion = (
            f'eval "$({told.script} -sc install=bash)"',
            "complete names with the tab key; zsh and fish likewise",
        )
        reference = (
            f"python -m vall_e.config show {'GROUP' if told.root is Config else app}",
            "every setting: its default, what is allowed and what it means",
        )
        parts.append(titled("To look further", [reference, *LOOK_FURTHER, completion]))
    return "\n\n".join(parts) + "\n"


def titled(title: str, rows: list[tuple[str, str]]) -> str:
    """A title over two columns, 120 wide; a left side that is too long gets a line of its own."""
    width = max((len(left) for left, _ in rows if len(left) <= LEFT), default=LEFT // 2)
    lines = [f"{title}:"]
    for left, right in rows:
        fits = len(left) <= width
        lines += [] if fits else [f"  {left}"]
        first = f"  {left if fits else '':<{width}}  "
        lines.append(fill(right, 120, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False))
    return "\n".join(lines)


def _assigned(key: str, config: DictConfig | None) -> str:
    value = OmegaConf.select(config, key) if config is not None else None
    if config is None:
        return key
    return f"{key}={value.name if isinstance(value, Enum) else 'null' if value is None else value}"


def _meaning(root: type, key: str) -> str:
    rule: Any = None
    kind: Any = root
    for name in key.split("."):
        field = next(f for f in fields(kind) if f.name == name)
        rule, kind = field.metadata.get("rule"), field.default_factory
    span = rule.span()
    return f"{rule.meaning.rstrip('.')}" + (f" ({span})." if span else ".")
