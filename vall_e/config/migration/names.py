"""Names of the reference system that moved or went, over all its years; each by where it would lie here."""

from __future__ import annotations

MOVED = {
    "bitsandbytes": "optimizations.bitsandbytes",
    "fp8": "optimizations.fp8",
    "inference.audio_backend": "audio_backend",
    "dataset.max_prompts": "dataset.prompt_max_samples",
    "dataset.max_resps": "dataset.resps_max_samples",
    "dataset.p_resp_append": "dataset.resps_append_p",
    "dataset.p_resp_pad_silence": "dataset.resps_pad_silence_p",
    "dataset.prom_sample_similar": "dataset.prompt_similar_p",
    "dataset.inject_noise_in_prom": "dataset.prompt_inject_noise",
    "dataset.noise_inject_in_prom": "dataset.prompt_inject_noise",
    "dataset.prompt_inject_noise_p": "dataset.prompt_inject_noise",
    "dataset.prompt_duration": "dataset.prompt_duration_range",
    "model.path": "weights",
    "model.p_rvq_levels": "model.experimental.rvq_levels_p",
    "model.audio_embeddings_mode": "model.experimental.audio_embedding_mode",
    **{
        f"model.{name}": f"model.experimental.{name}"
        for name in ("interleave", "kv_heads", "split_classifiers", "audio_embedding_sums", "rvq_level_range")
    },
    "model.experimental.p_rvq_levels": "model.experimental.rvq_levels_p",
    "model.experimental.audio_embeddings_mode": "model.experimental.audio_embedding_mode",
    "model.experimental.teacher_alpha": "hyperparameters.teacher_alpha",
    "model.experimental.teacher_temperature": "hyperparameters.teacher_temperature",
    "hyperparameters.scheduler_type": "hyperparameters.scheduler",
    "trainer.activation_checkpointing": "trainer.gradient_checkpointing",
    "evaluation.steps": "evaluation.kwargs.max_duration",
    "evaluation.temperature": "evaluation.kwargs.ar_temperature",
    "evaluation.ar_temperature": "evaluation.kwargs.ar_temperature",
    "evaluation.nar_temperature": "evaluation.kwargs.nar_temperature",
    "evaluation.nar_levels": "evaluation.kwargs.max_levels",
    "evaluation.kwargs.max_ar_steps": "evaluation.kwargs.max_duration",
    "evaluation.kwargs.max_nar_levels": "evaluation.kwargs.max_levels",
    "evaluation.kwargs.temperature": "evaluation.kwargs.ar_temperature",
    "evaluation.kwargs.ar_temp": "evaluation.kwargs.ar_temperature",
    "evaluation.kwargs.nar_temp": "evaluation.kwargs.nar_temperature",
    "evaluation.kwargs.min_ar_temp": "evaluation.kwargs.min_ar_temperature",
    "evaluation.kwargs.min_nar_temp": "evaluation.kwargs.min_nar_temperature",
    "evaluation.kwargs.entropix": "evaluation.kwargs.entropix_sampling",
}

BY_THE_INDEX = "the index of the HDF5 file is read at once"
NEVER_READ = "it was never read"
GENERATION_1 = "of models before version 2"
LATER = "of models after version 5"
MASKING = "masked training was simplified; see masking_train_p"
LOGGING = "logging is always on"
PER_RUN = "set once for the run, not for its evaluation"
PER_SAMPLE = "evaluation takes it from each sample"
ONE_PIECE = "evaluation speaks samples whole"

DROPPED = {
    "yaml_path": "Hydra keeps the files a run was composed of",
    "mode": "the app decides whether it trains or speaks",
    "supported_weights_formats": "a weights file is named in full",
    "variable_sample_rate": "the sample rate follows from the codec",
    "dataset.hdf5_flag": "each app opens the file as it needs it",
    "dataset.use_metadata": BY_THE_INDEX,
    "dataset.cache": BY_THE_INDEX,
    "dataset.retokenize_text": "phonemes are always tokenised when they are loaded",
    "dataset._frames_per_second": "the frame rate follows from the codec",
    "dataset.phones_range": "duration_range does this",
    "dataset.random_utterance": "every epoch takes every utterance",
    "dataset.temp": NEVER_READ,
    "dataset.continuous": "no longer a way to draw prompts",
    "model.kwargs": NEVER_READ,
    "model.prom_levels": "prompts have the levels of the responses",
    "model.interleave_pattern": "levels interleave frame by frame",
    "model.use_external_audio_embeddings": "embeddings are the model's own",
    "model.p_ar_level": "rvq_levels_p draws the levels",
    "model.p_ar_nar": "rvq_levels_p draws the levels",
    "model.use_multiembedding": GENERATION_1,
    "model._embeddings": GENERATION_1,
    "model._max_levels": "resp_levels says it",
    "model.experimental.interleave_pattern": "levels interleave frame by frame",
    "model.experimental.use_external_audio_embeddings": "embeddings are the model's own",
    "model.experimental.tie_classifier_to_embedding": "it did nothing there, and ties heads here",
    "model.experimental.p_len_train": "the task len is drawn from dataset.tasks_list",
    "model.experimental.len_train_p": "the task len is drawn from dataset.tasks_list",
    "model.experimental.masking_ratio_fixed": "a fixed ratio is a number in masking_ratio",
    "model.experimental.masking_separate_embeddings": MASKING,
    "model.experimental.entropix_sampling": "a setting of decoding: evaluation.kwargs.entropix_sampling",
    **{
        f"model.experimental.{name}": LATER
        for name in (
            "classifiers_bias",
            "max_position_embeddings",
            "lang_cond_dropout_p",
            "use_raw_text_p",
            "resp_parallel_training",
            "len_parallel_training",
            "predict_causally",
            "logit_normalization",
            "per_level_normalization",
            "audio_level_loss_factors",
        )
    },
    "evaluation.load_disabled_engines": "a run has one engine",
    "trainer.load_disabled_engines": "a run has one engine",
    "trainer.no_logger": LOGGING,
    "trainer.aggressive_optimizations": "torch.compile and its kin are the group optimizations",
    "trainer.scale_loss": "float16 always has its loss scaled",
    "evaluation.kwargs.language": PER_SAMPLE,
    "evaluation.kwargs.text_language": PER_SAMPLE,
    "evaluation.kwargs.task": PER_SAMPLE,
    "evaluation.kwargs.input_prompt_length": "prompts are as long as dataset.prompt_duration_range says",
    "evaluation.kwargs.input_prompt_prefix": ONE_PIECE,
    "evaluation.kwargs.prefix_silence": ONE_PIECE,
    "evaluation.kwargs.split_text_by": ONE_PIECE,
    "evaluation.kwargs.context_history": ONE_PIECE,
    "evaluation.kwargs.load_from_artifact": "evaluation takes the samples of the dataset",
    "evaluation.kwargs.out_path": "samples lie in the folder of the run",
    **{
        f"evaluation.kwargs.{name}": PER_RUN
        for name in ("yaml", "model", "lora", "device", "dtype", "amp", "attention", "seed")
    },
    "evaluation.kwargs.disable_tqdm": "the bar shows itself on terminals alone",
}


def dropped(name: str) -> str | None:
    """Why the setting `name`, dotted, has no meaning here; None if it may have one."""
    if name.startswith("inference.recurrent_"):
        return "decoding has a cache, so that no backbone is run recurrently"
    return DROPPED.get(name)
