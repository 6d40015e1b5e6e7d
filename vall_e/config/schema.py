"""The root of the configuration: every fragment, preset and override is checked against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .architectures import RECURRENT, WITHOUT_MLP
from .chosen_optimizer import optimizer_problems
from .codec import AUDIO_BACKENDS_NEED, CODEC_FACTS, AudioBackend, CodecConfig
from .dataset import TASK_ROWS, DatasetConfig
from .evaluation import EvaluationConfig
from .hyperparameters import DEEPSPEED_OPTIMIZERS, DEEPSPEED_SCHEDULERS, TEACHING, HyperparametersConfig
from .inference import InferenceConfig
from .lora import LoraConfig
from .model import GPU_ATTENTIONS, VARLEN_ATTENTIONS, ModelConfig
from .optimizations import OptimizationsConfig
from .preparation import PreparationConfig
from .setting import setting
from .trainer import Backend, TrainerConfig, WeightDtype
from .weights_format import WEIGHTS_FORMATS


@dataclass(kw_only=True)
class Config:
    """Everything a run is told."""

    device: str = setting("auto", "Where tensors live: auto (a GPU if there is one), cpu, cuda or cuda:N.")
    seed: int = setting(0, "Seed of every random draw of a run.", at_least=0)
    experimental: bool = setting(False, "Show what is being tried out.", needs="the web page")
    silent_errors: bool = setting(False, "Warn of speakers and splits that select nothing in place of stopping.")
    weights: str | None = setting(
        None, "Weights to start from: a file, a folder or hf://owner/name; with model, tokenizer and codec settings."
    )
    teacher: str | None = setting(
        None, "Weights of the model that teaches this one: a file, a folder or hf://owner/name."
    )
    weights_name: str = setting("fp32", "Stem of the exported weights file.")
    weights_format: str = setting(
        "safetensors", "Suffix of the exported weights file; pt and pth are pickled.", allowed=WEIGHTS_FORMATS
    )
    tokenizer: str | None = setting(None, "naive: the symbol table of early weights; null: a tokenizer file.")
    tokenizer_path: str | None = setting(None, "A tokenizer.json; null takes the IPA tokenizer that ships with vall_e.")
    audio_backend: AudioBackend = setting(AudioBackend.builtin, "The neural codec.", options_need=AUDIO_BACKENDS_NEED)
    sample_rate: int = setting(24_000, "Samples per second of the codec's waveform.", at_least=8_000)
    codec: CodecConfig = setting(CodecConfig, "The neural codec's facts.")
    dataset: DatasetConfig = setting(DatasetConfig, "The speech.")
    preparation: PreparationConfig = setting(PreparationConfig, "How recordings become a dataset.")
    model: ModelConfig = setting(ModelConfig, "The language model.")
    loras: dict[str, LoraConfig] = setting({}, "Adapters by name: +lora@loras.NAME=OPTION.")
    hyperparameters: HyperparametersConfig = setting(HyperparametersConfig, "The optimisation.")
    trainer: TrainerConfig = setting(TrainerConfig, "The run.")
    evaluation: EvaluationConfig = setting(EvaluationConfig, "The evaluation.")
    inference: InferenceConfig = setting(InferenceConfig, "Speaking.")
    optimizations: OptimizationsConfig = setting(OptimizationsConfig, "Speed and memory.")

    def problems(self) -> Iterator[str]:
        """Relations between groups that do not hold."""
        yield from self._codec_problems()
        yield from self._tokenizer_problems()
        yield from self._device_problems()
        yield from self._task_problems()
        yield from self._vocabulary_problems()
        yield from self._sampling_problems()
        yield from self._optimization_problems()
        yield from self._adapter_problems()
        yield from self._teacher_problems()

    def _codec_problems(self) -> Iterator[str]:
        facts, codec, backend = CODEC_FACTS[self.audio_backend], self.codec, f"audio_backend={self.audio_backend.name}"
        for name in ("sample_rate", "frame_rate", "levels", "codebook_size"):
            if getattr(codec, name) != getattr(facts, name):
                yield f"codec.{name}={getattr(codec, name)} contradicts {backend}, which has {getattr(facts, name)}"
        if self.sample_rate != codec.sample_rate:
            yield f"sample_rate={self.sample_rate} contradicts codec.sample_rate={codec.sample_rate}"
        if self.model.resp_levels > codec.levels:
            yield f"model.resp_levels={self.model.resp_levels} is more than the {codec.levels} levels of {backend}"
        if self.model.audio_tokens != codec.codebook_size:
            yield f"model.audio_tokens={self.model.audio_tokens} contradicts codec.codebook_size={codec.codebook_size}"

    def _tokenizer_problems(self) -> Iterator[str]:
        if self.tokenizer not in (None, "naive"):
            yield f"tokenizer={self.tokenizer!r} is not allowed, allowed: naive, or null with tokenizer_path"
        if self.tokenizer == "naive" and self.tokenizer_path:
            yield "tokenizer=naive has no file, but tokenizer_path is set: set one of them"

    def _device_problems(self) -> Iterator[str]:
        if not (
            self.device in ("auto", "cpu", "cuda") or (self.device.startswith("cuda:") and self.device[5:].isdigit())
        ):
            yield f"device={self.device!r} is not allowed, allowed: auto, cpu, cuda, cuda:N"
        if self.device == "cpu" and self.model.attention.lower() in GPU_ATTENTIONS:
            yield f"model.attention={self.model.attention} does not go with device=cpu: it runs on GPUs alone"
        if self.trainer.weight_dtype is WeightDtype.float32 and self.model.attention.lower() in VARLEN_ATTENTIONS:
            precise = f"model.attention={self.model.attention} does not go with trainer.weight_dtype=float32"
            yield f"{precise}: it computes in 16 bits, add trainer.weight_dtype=bfloat16 trainer.amp=true"

    def _task_problems(self) -> Iterator[str]:
        tasks = self.dataset.tasks
        for task in tasks:
            if self.model.tasks < (rows := TASK_ROWS.get(task, 0)):
                missing = f"has no row for {task} in dataset.tasks_list, allowed: {rows} and up"
                yield f"model.tasks={self.model.tasks} {missing}"
        if self.model.version == 2 and not {"tts", "len", "stt"}.issuperset(tasks):
            yield (
                f"dataset.tasks_list={self.dataset.tasks_list} does not go with model.version=2, which has no "
                "embedding of tasks, allowed there: tts, stt"
            )
        if "len" in tasks and "len" not in self.model.capabilities:
            yield (
                f"dataset.tasks_list={self.dataset.tasks_list} needs len among model.capabilities="
                f"{self.model.capabilities}"
            )
        for task, segment in (("len", "len"), ("stt", "text")):
            if task in tasks and self.model.loss_factors and not self.model.loss_factors.get(segment):
                yield (
                    f"model.loss_factors={self.model.loss_factors} has no {segment}, which dataset.tasks_list="
                    f"{self.dataset.tasks_list} is to learn: +model.loss_factors.{segment}=1"
                )

    def _vocabulary_problems(self) -> Iterator[str]:
        used = {
            f"dataset.tasks_list={self.dataset.tasks_list}": ("stt" in self.dataset.tasks, "hears all levels at once"),
            "tokenizer=naive": (self.tokenizer == "naive", "gives spaces the id of the separator"),
            "trainer.resize_modules=true": (self.trainer.resize_modules, "would shift what follows in the one table"),
        }
        for way, (chosen, why) in used.items():
            if chosen and self.model.experimental.hf:
                yield f"{way} does not go with model.experimental.hf=true: it {why}"

    def _sampling_problems(self) -> Iterator[str]:
        modality = self.evaluation.kwargs.modality.lower()
        needed = {"nar-len": "len", "ar+nar": "ar"}.get(modality)
        if needed and needed not in self.model.capabilities:
            yield (
                f"evaluation.kwargs.modality={modality} needs {needed} among model.capabilities="
                f"{self.model.capabilities}"
            )
        arch = self.model.arch_type.lower()
        if self.evaluation.kwargs.entropix_sampling and arch in RECURRENT:
            yield f"evaluation.kwargs.entropix_sampling=true needs attention, model.arch_type={arch} has none"

    def _adapter_problems(self) -> Iterator[str]:
        levels, named = self.model.resp_levels, dict[str, str]()
        for name, lora in self.loras.items():
            if not name or "." in name:
                yield f"loras: {name!r} is no name of an adapter, allowed: a name without a dot"
            if any(level >= levels for level in lora.rvq_levels):
                yield f"loras.{name}.rvq_levels={lora.rvq_levels} is out of range, allowed: 0 to {levels - 1}"
            if other := named.get(lora.full_name):
                yield (
                    f"loras.{name}.name={lora.name} makes it {lora.full_name}, as loras.{other} is: name it otherwise, "
                    f"for example loras.{name}.name={name}"
                )
            named[lora.full_name] = name

    def _teacher_problems(self) -> Iterator[str]:
        if self.teacher is None:
            plain = HyperparametersConfig()
            for name in TEACHING:
                if (value := getattr(self.hyperparameters, name)) != getattr(plain, name):
                    yield f"hyperparameters.{name}={value} says how a teacher teaches: name it with teacher=WEIGHTS"

    def _optimization_problems(self) -> Iterator[str]:
        trainer = self.trainer
        yield from optimizer_problems(self.hyperparameters, self.optimizations, trainer)
        if trainer.backend is Backend.local:
            yield from self._of_deepspeed()
        if trainer.fsdp:
            yield from self._beside_fsdp()
        if trainer.backend is Backend.deepspeed:
            local = {"loras": self.loras, "teacher": self.teacher, "trainer.ema_decay": trainer.ema_decay}
            for name in (name for name, value in local.items() if value):
                yield f"{name} does not go with trainer.backend=deepspeed, allowed there: trainer.backend=local"
            if self.optimizations.compile and trainer.deepspeed.zero_optimization_level == 3:
                yield (
                    "optimizations.compile does not go with trainer.deepspeed."
                    "zero_optimization_level=3, which gathers weights within what would be compiled, allowed: 0 to 2"
                )
            if self.model.experimental.tie_classifier_to_embedding and trainer.deepspeed.zero_optimization_level == 3:
                yield (
                    "model.experimental.tie_classifier_to_embedding does not go with trainer.deepspeed."
                    "zero_optimization_level=3, which gathers the weights of each module for itself, allowed: 0 to 2"
                )
        if self.optimizations.compile and (arch := self.model.arch_type.lower()) in WITHOUT_MLP:
            yield f"optimizations.compile compiles MLPs, and model.arch_type={arch} has none, allowed there: false"
        if self.optimizations.unsloth and not trainer.gradient_checkpointing:
            yield "optimizations.unsloth=true needs trainer.gradient_checkpointing=true"
        if self.optimizations.model_offloading is not None:
            spread = {"backend=deepspeed": trainer.backend is Backend.deepspeed, "fsdp=true": trainer.fsdp}
            for other in (name for name, chosen in {**spread, "ddp=true": trainer.ddp}.items() if chosen):
                yield f"optimizations.model_offloading does not go with trainer.{other}: one process splits the model"

    def _of_deepspeed(self) -> Iterator[str]:
        hyper = self.hyperparameters
        for name, theirs in (("optimizer", DEEPSPEED_OPTIMIZERS), ("scheduler", DEEPSPEED_SCHEDULERS)):
            if (value := getattr(hyper, name)).lower() in theirs:
                yield f"hyperparameters.{name}={value} is DeepSpeed's: add trainer.backend=deepspeed"

    def _beside_fsdp(self) -> Iterator[str]:
        trainer = self.trainer
        if trainer.backend is Backend.deepspeed:
            yield "trainer.fsdp=true is torch's, DeepSpeed shards by trainer.deepspeed.zero_optimization_level"
        if trainer.weight_dtype is WeightDtype.float16:
            yield "trainer.fsdp=true does not go with trainer.weight_dtype=float16, allowed: float32, bfloat16"
        others = {"loras": self.loras, "teacher": self.teacher, "trainer.ema_decay": trainer.ema_decay}
        for name in (name for name, value in others.items() if value):
            yield f"{name} does not go with trainer.fsdp=true, allowed there: trainer.fsdp=false"
