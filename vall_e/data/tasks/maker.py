"""Makes samples: draws the target, then lets the task draw what goes with it."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import NOISY_TASKS, DatasetConfig
from vall_e.data.prompt import PromptCandidates
from vall_e.data.sample import Sample
from vall_e.data.sampling.selection import Rows, select_rows
from vall_e.data.store.store import Store
from vall_e.data.tasks.mixing import Mixer, OpenCodec
from vall_e.data.utterance import Utterance
from vall_e.errors import DataError
from vall_e.text.tokenizer import Tokenizer

from . import TASKS
from .scene import Scene, Surroundings
from .spoken import Spoken

OF_SEVERAL = ("cse", "nse")
"""Tasks whose target is of several utterances anyway."""


class SampleMaker:
    """Makes a sample of any row for any task; all it draws comes from the generator it is given.

    `rows` int64 [n] are the speech that samples may be made of besides the target, `speakers` int32 [n] whose it is.
    DataError if the dataset lacks what the tasks in `cfg` need: noise, a second speaker, similar utterances.
    """

    def __init__(
        self,
        store: Store,
        cfg: DatasetConfig,
        tokenizer: Tokenizer,
        rows: Rows,
        speakers: npt.NDArray[np.int32],
        *,
        open_codec: OpenCodec | None = None,
    ) -> None:
        candidates = PromptCandidates(rows, speakers)
        tasks = set(cfg.tasks)
        if "tse" in tasks and candidates.speakers < 2:
            raise DataError(f"dataset.tasks_list: tse needs a second speaker, and {store.path} has one")
        if cfg.prompt_similar_p and len(rows):
            store.similar(int(rows[0]))
        needs_noise = cfg.prompt_inject_noise or bool(NOISY_TASKS & tasks)
        self._around = Surroundings(
            store=store,
            cfg=cfg,
            tokenizer=tokenizer,
            frame_rate=store.info.codec.frame_rate,
            candidates=candidates,
            noise=select_rows(store, cfg, "noise") if needs_noise else rows[:0],
            mixer=Mixer(open_codec),
        )
        self._apart = replace(self._around, cfg=replace(cfg, prompt_continuous_utterance_p=0.0))

    def make(
        self,
        rng: np.random.Generator,
        row: int,
        speaker: int,
        told: Utterance,
        task: str,
        *,
        continuous: bool = True,
    ) -> Sample:
        """The sample of `row`, what `speaker` has `told`, for a task; unless `continuous` it is never prompted by its
        own beginning, and the text is that of the response."""
        around = self._around if continuous else self._apart
        scene = Scene(around, rng, (row,), speaker, around.spoken(told))
        if task not in OF_SEVERAL:
            scene = self._padded(self._extended(scene))
        made = TASKS[task](scene)
        return Sample(
            task=task,
            utterance=told.id,
            speaker=told.speaker,
            language=told.language,
            text=made.text,
            tokens=made.tokens,
            prompt=made.prompt,
            response=made.response,
        )

    def _extended(self, scene: Scene) -> Scene:
        """With further utterances of the speaker as part of the target, if that is drawn."""
        around, cfg = self._around, self._around.cfg
        if cfg.resps_max_samples < 2 or not scene.chance(cfg.resps_append_p):
            return scene
        drawn = around.candidates.draw(scene.rng, scene.rows, scene.speaker, cfg.resps_max_samples - 1)
        further = [row for row in drawn if row not in scene.rows]
        parts = [scene.spoken, *map(around.spoken_at, further)]
        spoken = Spoken(*around.texts(parts), around.joined([part.codes for part in parts]))
        return replace(scene, spoken=spoken, rows=(*scene.rows, *further))

    def _padded(self, scene: Scene) -> Scene:
        """With silence on both sides up to the next whole second, if that is drawn."""
        if not scene.chance(self._around.cfg.resps_pad_silence_p):
            return scene
        codes, rate = scene.spoken.codes, self._around.frame_rate
        missing = round(ceil(len(codes) / rate) * rate) - len(codes)
        silence, first = self._around.mixer.silence(missing), (missing + 1) // 2
        padded = np.concatenate([silence[:first], codes, silence[first:]])
        return replace(scene, spoken=replace(scene.spoken, codes=padded))
