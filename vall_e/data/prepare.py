"""Preparation: a corpus in, a dataset out. It can be killed at any point and started again."""

from __future__ import annotations

from pathlib import Path

from vall_e.atomic import why_unwritable
from vall_e.audio import open_codec
from vall_e.audio.codec import Codec
from vall_e.audio.speaker_encoder import SpeakerEncoder
from vall_e.config.codec import AUDIO_BACKENDS_NEED
from vall_e.config.schema import Config
from vall_e.device import choose_device
from vall_e.errors import DataError
from vall_e.text import Tokenizer

from .pipeline.dry_run import foresee
from .pipeline.job import Job
from .pipeline.joining import join
from .pipeline.models import Models
from .pipeline.report import PrepareReport, nothing_left
from .pipeline.stored_codes import stored_codes
from .pipeline.wave_encoder import WaveEncoder
from .pipeline.whisper import Transcriber, WhisperTranscriber
from .pipeline.workshop import Workshop
from .recipes.corpus_entries import Manifest, read_corpus
from .recipes.share import EVERYTHING, Share

__all__ = ["PART_SIZE", "PrepareReport", "prepare"]

# An interruption costs at most this many utterances.
PART_SIZE = 128

GPU_BATCH_SECONDS = 120.0


def prepare(
    cfg: Config,
    codec: Codec | None = None,
    *,
    tokenizer: Tokenizer | None = None,
    transcriber: Transcriber | None = None,
    part_size: int = PART_SIZE,
) -> PrepareReport:
    """Make the dataset `cfg.dataset.hdf5_name` of the corpus in `cfg.dataset.source`.

    The steps are transcribe, segment, phonemise, encode, similar and pack. What each has finished is kept beside the
    dataset until all are done, and utterances of an existing dataset are taken over, so only what is new or changed
    costs time. Of several jobs (`cfg.preparation.shards`) each does its part, and the last to finish joins them.
    What cannot be used is left out and reported; DataError if nothing can be used. `codec` and `transcriber` are those
    of the settings if None; with a `tokenizer` the symbols that it does not know are reported.
    """
    settings, path = cfg.preparation, Path(cfg.dataset.hdf5_name)
    if not settings.dry_run and (reason := why_unwritable(path)):
        raise DataError(f"dataset.hdf5_name={path} cannot be written: {reason}")
    manifest = _manifest(cfg)
    codec = codec or _codec(cfg, manifest)
    if transcriber is None and settings.transcribe is not None:
        transcriber = WhisperTranscriber(settings.transcribe, cfg.device)
    encoder = WaveEncoder(codec, _batch_seconds(cfg))
    models = Models(codec, encoder, transcriber, SpeakerEncoder(settings.speaker_encoder, cfg.device))
    workshop = Workshop(path, settings.shard, settings.shards)
    if settings.dry_run:
        with Job(settings, models, workshop, part_size) as job:
            return foresee(job, manifest)
    with workshop.claimed(), Job(settings, models, workshop, part_size) as job:
        job.run(manifest.entries)
        return join(job, manifest, tokenizer)


def _manifest(cfg: Config) -> Manifest:
    if cfg.dataset.source is None:
        raise DataError("dataset.source is not set: name a folder with recordings")
    path = Path(cfg.dataset.source)
    settings = cfg.preparation
    share = EVERYTHING if settings.dry_run else Share(settings.shard, settings.shards)
    manifest = read_corpus(path, cfg.dataset, settings, share, "preparation.recipe")
    if not manifest.entries and share.of == 1:
        report = PrepareReport(path=path)
        report.leave_out(manifest.rejected, [], [])
        raise nothing_left(report, len(manifest.rejected))
    return manifest


def _codec(cfg: Config, manifest: Manifest) -> Codec:
    """The codec of the settings; for codes that are there already its name and sizes do."""
    if manifest.codec in AUDIO_BACKENDS_NEED:
        raise DataError(
            f"dataset.source={cfg.dataset.source} holds codes of {manifest.codec}, a codec that is not here to train "
            "or speak with: prepare the recordings that they were made of"
        )
    if manifest.codec is not None and cfg.audio_backend.name != manifest.codec:
        raise DataError(
            f"dataset.source={cfg.dataset.source} holds codes of {manifest.codec}, but audio_backend="
            f"{cfg.audio_backend.name}: set codec={manifest.codec}"
        )
    if manifest.codec is not None and not cfg.preparation.similar_top_k:
        return stored_codes(cfg.audio_backend)
    return open_codec(cfg.audio_backend, cfg.codec, cfg.device)


def _batch_seconds(cfg: Config) -> float:
    if cfg.preparation.batch_seconds is not None:
        return cfg.preparation.batch_seconds
    return GPU_BATCH_SECONDS if choose_device(cfg.device).type == "cuda" else 0.0
