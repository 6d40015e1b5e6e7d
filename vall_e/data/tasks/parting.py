"""Tasks that part a voice from what sounds with it (SpeechX, arXiv:2308.06873)."""

from __future__ import annotations

from vall_e.data.tasks.mixing import repeated

from .scene import Scene
from .spoken import Spoken, TaskSample, asked, without_text

TEXTLESS_P = 0.5
"""Chance that the text is not shown."""

STRANGER_GAIN = (0.5, 0.75)
"""Of the voice that is to be left out."""


def suppress_noise(scene: Scene) -> TaskSample:
    """ns: noisy speech in, the speech out."""
    codes = scene.spoken.codes
    noisy = scene.noisy(codes, scene.noise())
    return asked(_shown(scene), ("ns", noisy), codes)


def remove_speech(scene: Scene) -> TaskSample:
    """sr: noisy speech in, the noise out."""
    noise = repeated(scene.noise(), len(scene.spoken.codes))
    noisy = scene.noisy(scene.spoken.codes, noise)
    return asked(_shown(scene), ("sr", noisy), noise)


def extract_speaker(scene: Scene) -> TaskSample:
    """tse: two voices at once in, the one of the prompt out."""
    codes, prompt = scene.spoken.codes, scene.prompt()
    stranger, gain = scene.stranger(), float(scene.rng.uniform(*STRANGER_GAIN))
    overlapped = scene.around.mixer.mix([(codes, 1.0), (stranger, gain)])
    return asked(_shown(scene), (prompt, "tse", overlapped), codes)


def _shown(scene: Scene) -> Spoken:
    return without_text(scene.spoken) if scene.chance(TEXTLESS_P) else scene.spoken
