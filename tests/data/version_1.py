"""Stores as version 1 wrote them: chunked and compressed datasets, Fletcher-32 alone against damage."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path

import h5py
import numpy as np

from vall_e.data.utterance import SPLITS, Utterance

from .tones import FRAME_RATE, IDENTITY, LEVELS


def write_version_1(path: Path, utterances: list[Utterance]) -> None:
    """A store of version 1 with the fingerprints 0, 1, ..."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        codes = np.concatenate([one.codes for one in utterances])
        packed = {"compression": "lzf", "shuffle": True, "fletcher32": True}
        file.create_dataset("codes", data=codes, maxshape=(None, LEVELS), chunks=(256, LEVELS), **packed)
        file["codes_offsets"] = [0, *accumulate(len(one.codes) for one in utterances)]
        for name in ("id", "text", "phonemes"):
            texts = [getattr(one, name).encode() for one in utterances]
            content = np.frombuffer(b"".join(texts), np.uint8)
            file.create_dataset(name, data=content, maxshape=(None,), chunks=(16_384,), fletcher32=True)
            file[f"{name}_offsets"] = [0, *accumulate(map(len, texts))]
        for name, dtype in (("speaker", "int32"), ("language", "int16")):
            names = list(dict.fromkeys(getattr(one, name) for one in utterances))
            file[name] = np.array([names.index(getattr(one, name)) for one in utterances], dtype)
            file.attrs[f"{name}s"] = json.dumps(names)
        file["split"] = np.array([SPLITS.index(one.split) for one in utterances], "int8")
        file["fingerprint"] = np.arange(len(utterances), dtype=np.uint64)
        file.attrs.update(
            format="vall_e",
            version=1,
            codec=json.dumps(asdict(IDENTITY)),
            frame_rate=FRAME_RATE,
            levels=LEVELS,
            utterances=len(utterances),
            hours=len(codes) / FRAME_RATE / 3600,
            splits=json.dumps(SPLITS),
        )
