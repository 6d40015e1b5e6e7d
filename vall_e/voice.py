"""`python -m vall_e.voice RECORDING [VOICE] [key=value ...]`: keep a voice ready for speaking.

The recording is encoded once; VOICE, `RECORDING.safetensors` if it is not named, is then given to `python -m vall_e`
in place of the recording.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vall_e.__main__ import is_setting
from vall_e.atomic import why_unwritable
from vall_e.config.composing import compose_config
from vall_e.config.help import help_text
from vall_e.config.schema import Config
from vall_e.config.startup import open_job
from vall_e.errors import ConfigError
from vall_e.launch import launch


def parse(arguments: list[str]) -> tuple[Path, Path, list[str]]:
    """The recording, the voice, and the settings."""
    overrides = [a for a in arguments if is_setting(a)]
    files = [Path(a) for a in arguments if a not in overrides]
    if not 1 <= len(files) <= 2:
        raise ConfigError("a recording is needed: python -m vall_e.voice voice.wav [voice.safetensors]")
    recording, voice = [*files, files[0].with_suffix(".safetensors")][:2]
    if recording.suffix == ".safetensors":
        raise ConfigError(f"{recording} is no recording")
    if voice.suffix != ".safetensors":
        raise ConfigError(f"{voice} cannot be written, allowed: a file that ends in .safetensors")
    if reason := why_unwritable(voice):
        raise ConfigError(f"{voice} cannot be written: {reason}")
    return recording, voice, overrides


def keep(recording: Path, voice: Path, cfg: Config) -> None:
    """Encode the recording and write the voice."""
    from vall_e.audio import open_codec
    from vall_e.decoding.voice import is_voice, read_voice, save_voice

    if voice.exists() and not is_voice(voice):
        raise ConfigError(f"{voice} is no voice and would be replaced: give the voice another name")
    codec = open_codec(cfg.audio_backend, cfg.codec, cfg.device)
    codes = read_voice(recording, codec, cfg.inference.input_prompt_length)
    save_voice(voice, codes, codec.identity)
    print(f"{voice}: {len(codes) / codec.identity.frame_rate:.2f} s of {recording}, codec {codec.identity.name}")


def run() -> None:
    """Parse, compose, keep."""
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        print(help_text("voice"))
        return
    recording, voice, overrides = parse(arguments)
    keep(recording, voice, open_job(compose_config("speak", overrides)))


def main() -> None:
    """Entry point of the app."""
    launch(run)


if __name__ == "__main__":
    main()
