"""Tasks from text to speech and back."""

from __future__ import annotations

from .scene import Scene
from .spoken import Spoken, TaskSample, asked


def speak(scene: Scene) -> TaskSample:
    """tts: speak a text in the voice of a prompt, or in that of the utterance's own beginning."""
    cfg = scene.around.cfg
    if scene.chance(cfg.prompt_continuous_utterance_p):
        return asked(scene.spoken, *scene.parted())
    prompt = scene.prompt()
    if cfg.prompt_inject_noise:
        prompt = scene.noisy(prompt, scene.noise())
    return asked(scene.spoken, prompt, scene.spoken.codes)


def measure(scene: Scene) -> TaskSample:
    """len: say how many frames `speak` will take; the number follows from the response."""
    return asked(scene.spoken, scene.prompt(), scene.spoken.codes)


def go_on(scene: Scene) -> TaskSample:
    """tts-c: go on where an utterance before has ended, or where the utterance's own beginning has."""
    if scene.chance(scene.around.cfg.prompt_continuous_utterance_p):
        prompt, response = scene.parted()
        return asked(scene.spoken, (prompt, "tts-c"), response)
    (before,) = scene.others(1)
    text, tokens = scene.around.texts([before, scene.spoken])
    return asked(Spoken(text, tokens, scene.spoken.codes), (before.codes, "tts-c"), scene.spoken.codes)


def write_down(scene: Scene) -> TaskSample:
    """stt: write down what is said; the response is the input, the text is learnt."""
    return asked(scene.spoken, ("stt",), scene.spoken.codes)
