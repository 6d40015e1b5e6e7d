"""Tasks that say another text in the midst of a recording (SpeechX, arXiv:2308.06873)."""

from __future__ import annotations

from vall_e.data.utterance import Codes

from .scene import Scene
from .spoken import Spoken, TaskSample, Tokens

DROPPED_P = 0.125
"""Chance that nothing stands before the edit, and, if something does, that nothing follows it."""


def edit(scene: Scene) -> TaskSample:
    """cse: speech with a gap in, the speech with the edit in its place out."""
    before, _, after = _around_the_edit(scene)
    text, tokens, response = _joined(scene, before, scene.spoken, after)
    return TaskSample(text, tokens, (*_codes(before), "soe", "mask", "eoe", *_codes(after)), response)


def edit_in_noise(scene: Scene) -> TaskSample:
    """nse: noisy speech in, the same with another middle and the same noise out."""
    before, middle, after = _around_the_edit(scene)
    noise = scene.noise()

    def noisy(spoken: Spoken) -> Spoken:
        return Spoken(spoken.text, spoken.tokens, scene.noisy(spoken.codes, noise))

    before, after = before and noisy(before), after and noisy(after)
    text, tokens, response = _joined(scene, before, noisy(scene.spoken), after)
    replaced = noisy(middle).codes
    return TaskSample(text, tokens, (*_codes(before), "soe", replaced, "eoe", *_codes(after)), response)


def _around_the_edit(scene: Scene) -> tuple[Spoken | None, Spoken, Spoken | None]:
    """What stands before the edit, what it replaces and what follows; one of the outer two may be missing."""
    before, middle, after = scene.others(3)
    if scene.chance(DROPPED_P):
        return None, middle, after
    return before, middle, None if scene.chance(DROPPED_P) else after


def _joined(scene: Scene, *parts: Spoken | None) -> tuple[str, Tokens, Codes]:
    there = [part for part in parts if part is not None]
    return *scene.around.texts(there), scene.around.joined([part.codes for part in there])


def _codes(part: Spoken | None) -> tuple[Codes, ...]:
    return () if part is None else (part.codes,)
