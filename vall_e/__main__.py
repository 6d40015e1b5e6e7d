"""`python -m vall_e TEXT [PROMPT [OUT]] [key=value ...]`: speak.

TEXT is an argument, PROMPT a recording of the voice or a file of `python -m vall_e.voice`, OUT a WAV file or `-` for
standard output; settings are overrides, as for every other app. With `inference.task=stt` a recording stands in the
place of TEXT and its phonemes are printed.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from vall_e.atomic import why_unwritable
from vall_e.config.composing import compose_config
from vall_e.config.help import help_text
from vall_e.config.inference import SpokenTask
from vall_e.config.sampling import SamplingConfig
from vall_e.config.schema import Config
from vall_e.config.startup import open_job
from vall_e.errors import ConfigError
from vall_e.launch import end_with_reader, launch

if TYPE_CHECKING:
    from torch import Tensor

    from vall_e.decoding.finish import Finish
    from vall_e.decoding.speaker import Speaker

OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@]*(=.*)?$", re.DOTALL)
DEFAULT_OUT = "speech.wav"
STREAM = "-"
"""The output that is standard output."""


@dataclass(frozen=True)
class Arguments:
    """What stands on the command line."""

    text: str
    prompt: str
    out: str
    overrides: list[str]


def parse(arguments: list[str]) -> Arguments:
    """The first argument is the text whatever it holds; of the others those with `=` are settings."""
    if not arguments:
        raise ConfigError('a text is needed: python -m vall_e "Hello there!" voice.wav hello.wav weights=PATH')
    text, *rest = arguments
    overrides = [a for a in rest if is_setting(a)]
    files = [a for a in rest if a not in overrides]
    if flags := [a for a in files if a.startswith("-") and a != STREAM]:
        raise ConfigError(f"{flags[0]}: no such option; settings are given as key=value, see --help")
    if len(files) > 2:
        raise ConfigError(f"too many files ({', '.join(files)}), allowed: a prompt and an output; quote the text")
    prompt, out = [*files, "", ""][:2]
    check_out(out or DEFAULT_OUT, prompt)
    return Arguments(text, prompt, out or DEFAULT_OUT, overrides)


def is_setting(argument: str) -> bool:
    """Whether an argument is `key=value`, and no file of that name."""
    return "=" in argument and OVERRIDE.match(argument) is not None and not Path(argument).exists()


def check_out(out: str, prompt: str) -> None:
    """ConfigError for an output that is neither standard output nor a WAV file to be written, or is the prompt."""
    path = Path(out)
    if out == STREAM:
        return
    if path.suffix.lower() != ".wav":
        raise ConfigError(f"{out} cannot be written, allowed: a file that ends in .wav")
    if prompt and path.exists() and Path(prompt).exists() and path.samefile(prompt):
        raise ConfigError(f"{out} is the prompt: give the output another name")
    if reason := why_unwritable(path):
        raise ConfigError(f"{out} cannot be written: {reason}")


def speak(arguments: Arguments, cfg: Config) -> None:
    """Say the text and write a WAV file, or a WAV stream to standard output; or write a recording down."""
    from vall_e.decoding.open_speaker import open_speaker
    from vall_e.decoding.voice import read_voice

    speaker = open_speaker(cfg)
    if cfg.inference.task is SpokenTask.stt:
        write_down(speaker, arguments)
        return
    length = cfg.inference.input_prompt_length
    voice = read_voice(Path(arguments.prompt), speaker.codec, length) if arguments.prompt else None
    seed = cfg.seed if cfg.inference.seed is None else cfg.inference.seed
    if arguments.out == STREAM:
        speak_to_pipe(speaker, arguments.text, voice, seed)
    else:
        speak_to_file(speaker, arguments.text, voice, seed, Path(arguments.out))


def write_down(speaker: Speaker, arguments: Arguments) -> None:
    """Print the phonemes of the recording that stands in the place of a text."""
    from vall_e.decoding.voice import read_voice

    if arguments.prompt:
        raise ConfigError(f"inference.task=stt takes a recording alone, not {arguments.prompt}")
    print(speaker.write_down(read_voice(Path(arguments.text), speaker.codec, 0)))


def speak_to_file(speaker: Speaker, text: str, voice: Tensor | None, seed: int, out: Path) -> None:
    """Write a WAV file when everything is said."""
    from vall_e.audio.read import write_wav

    speech = speaker.speak(text, voice, seed)
    for piece in speech.silent:
        print(f"warning: the model said nothing for {piece!r}", file=sys.stderr)
    tell_ends(speech.pieces, speech.finishes, speaker.cfg, "inference.retries=3 tries again")
    write_wav(out, speech.wave, speech.sample_rate)
    print(f"{out}: {len(speech.wave) / speech.sample_rate:.2f} s")


def speak_to_pipe(speaker: Speaker, text: str, voice: Tensor | None, seed: int) -> None:
    """Write to standard output while it is said, and tell when the first sound came."""
    from vall_e.audio.wav_stream import WavStream

    if speaker.cfg.retries:
        raise ConfigError(f"inference.retries={speaker.cfg.retries}: what was heard cannot be said again, allowed: 0")
    end_with_reader()
    began, samples = time.perf_counter(), 0
    speech = speaker.stream(text, voice, seed)
    waves = iter(speech.waves)
    wave = next(waves, None)
    first = time.perf_counter() - began
    stream = WavStream(sys.stdout.buffer, speech.sample_rate)
    while wave is not None:
        samples += len(wave)
        stream.write(wave)
        wave = next(waves, None)
    tell_ends(speech.pieces, speech.finishes, speaker.cfg, "write a file with inference.retries=3 to try again")
    print(f"{samples / speech.sample_rate:.2f} s, the first sound after {first:.2f} s", file=sys.stderr)


def tell_ends(pieces: Sequence[str], finishes: Sequence[Finish], cfg: SamplingConfig, advice: str) -> None:
    """Warn of pieces that did not end by themselves."""
    bounds = f" (inference.max_duration={cfg.max_duration}, inference.frames_per_token={cfg.frames_per_token:g})"
    for piece, finish in zip(pieces, finishes, strict=True):
        if finish.name != "stop":
            why = finish.value + bounds * (finish.name == "length")
            print(f"warning: {piece!r} was ended as {why}: {advice}", file=sys.stderr)


def refuse_ignored(overrides: list[str]) -> None:
    """Settings that come from the weights file cannot be given beside it; of the codec its own weights can."""
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key == "codec" or re.split(r"[./@]", key)[0] in ("model", "tokenizer", "tokenizer_path", "audio_backend"):
            raise ConfigError(f"{key} cannot be set: it comes with the weights file")


def run() -> None:
    """Parse, compose, speak."""
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        print(help_text("speak"))
        return
    if "--cfg" in arguments:
        overrides = [a for a in arguments if "=" in a and not a.startswith("-")]
        print(OmegaConf.to_yaml(compose_config("speak", overrides)), end="")
        return
    parsed = parse(arguments)
    refuse_ignored(parsed.overrides)
    speak(parsed, open_job(compose_config("speak", parsed.overrides)))


def main() -> None:
    """Entry point of `vall-e`."""
    launch(run)


if __name__ == "__main__":
    main()
