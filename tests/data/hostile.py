"""Corrupt and hostile recordings and manifest lines, more than two hundred, made on the spot."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

RATE = 8_000
SECONDS = 0.3
Line = str | dict[str, object]


def tone(seconds: float = SECONDS) -> np.ndarray:
    return (0.5 * np.sin(np.arange(int(seconds * RATE)) / 4)).astype(np.float32)


def encoded(folder: Path, form: str) -> bytes:
    path = folder / f"encoded.{form.lower()}"
    soundfile.write(path, tone(), RATE, format=form)
    content = path.read_bytes()
    path.unlink()
    return content


def files(folder: Path, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """(suffix, content) of files that are no recordings."""
    whole = {form: encoded(folder, form) for form in ("WAV", "FLAC", "OGG", "AIFF")}
    for form in ("WAV", "FLAC"):
        for _ in range(20):
            yield form.lower(), whole[form][: rng.randrange(len(whole[form]) - 8)]
    for form in ("OGG", "AIFF"):
        for _ in range(5):
            yield form.lower(), whole[form][: rng.randrange(40)]
    yield "wav", b""
    for size in (1, 44, 1_000, 100_000):
        yield "wav", bytes(size)
    for suffix in ("wav", "flac", "ogg", "mp3", "aiff"):
        yield suffix, b"This is a text, not a recording.\n" * 50
        yield suffix, b"<html><head><title>404</title></head><body>Not found</body></html>"
    for suffix in ("wav", "flac", "ogg"):
        for _ in range(8):
            yield suffix, rng.randbytes(rng.randrange(1, 5_000))
            yield suffix, whole[suffix.upper()][:16] + rng.randbytes(500)
    for rate in (0, 1, 7, 1_000, 3_999, 400_000, 10_000_000, 2**31 - 1, 2**32 - 1):
        yield "wav", wav(tone(), rate=rate)
    for channels in (0, 9, 40, 200, 1024, 65_535):
        yield "wav", wav(np.tile(tone(), max(1, channels % 256)), channels=channels)
    claimed = bytearray(whole["FLAC"])
    claimed[21] |= 0x0F
    claimed[22:26] = b"\xff" * 4  # 2^36 - 1 samples
    yield "flac", bytes(claimed)


def wav(samples: np.ndarray, *, rate: int = RATE, channels: int = 1) -> bytes:
    """A WAV of 32-bit floats with any header."""
    body = samples.astype("<f4").tobytes()
    block = (4 * channels) % 65_536
    head = struct.pack("<HHIIHH", 3, channels, rate, (rate * block) % 2**32, block, 32)
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def spoilt_samples() -> Iterator[np.ndarray]:
    """Sound with numbers that are none, or with too few of them."""
    for value in (np.nan, np.inf, -np.inf):
        for place in (0, 100, -1):
            wave = tone()
            wave[place] = value
            yield wave
    yield np.full(1000, np.nan, np.float32)
    for length in (0, 1, 10, 100):
        yield tone()[:length]
    yield tone(61.0)


def lines(good: dict[str, object], rng: random.Random) -> Iterator[Line]:
    """Manifest lines that say what cannot be; each names a whole recording, or tries to."""
    for path in (
        *("../../etc/passwd", "../good0.wav", "a/../../good0.wav", "/etc/passwd", "/dev/zero", "./../x.wav", ".."),
        *("", " ", "good0.wav\x00", "good0.wav\x00.flac", "a\nb.wav", "\x1b[31m.wav", "x" * 5_000, "/" * 300),
        *("nowhere.wav", "good0.wav/", "~/x.wav", "file:///etc/passwd", "http://localhost/x.wav", "|id", "$(id).wav"),
    ):
        yield {**good, "path": path}
    for text in (
        "",
        " ",
        "\n",
        "...",
        "?!",
        "\u200b",
        "a\x00b",
        "\x07",
        "\ud800",
        "x" * 6_000,
        "x" * 900_000,
        None,
        [1],
    ):
        yield {**good, "text": text}
    for language in ("xx", "klingon", "en_us_and_more_of_it", "../en", "\x00", "e" * 10_000, "日本", "en;ru"):
        yield {**good, "lang": language}
    for speaker in ("a/b/c", "/", "a/", "../..", "a/..", "\x00", "a\nb", "s" * 10_000, "a//b"):
        yield {**good, "speaker": speaker}
    for split in ("test", "../training", "\x00", "t" * 5_000):
        yield {**good, "split": split}
    yield from ("{", "nonsense", "[]", "1", "null", '"text"', "\x00", '{"path": }', "[" * 50_000, '{"a":' * 50_000)
    yield "{" + " " * 1_100_000 + "}"
    yield from ("{}", json.dumps({"text": "no path"}), json.dumps({"path": {"a": 1}, "text": "x"}))
    for _ in range(10):
        line = json.dumps(good)
        yield line[: rng.randrange(1, len(line))]


def special_files(folder: Path) -> list[str]:
    """Names of what looks like a file and is none."""
    (folder / "folder.wav").mkdir()
    (folder / "dangling.wav").symlink_to("nowhere")
    (folder / "itself.wav").symlink_to("itself.wav")
    os.mkfifo(folder / "pipe.wav")
    (folder / "device.wav").symlink_to("/dev/zero")
    return ["folder.wav", "dangling.wav", "itself.wav", "pipe.wav", "device.wav"]


def make_hostile(folder: Path, seed: int = 0) -> tuple[int, list[str]]:
    """A corpus of good recordings among hostile input; how many lines are bad, and the ids of the good ones."""
    rng = random.Random(seed)
    bad: list[Line] = []
    for number, (suffix, content) in enumerate(files(folder, rng)):
        (folder / f"bad{number}.{suffix}").write_bytes(content)
        bad.append({"path": f"bad{number}.{suffix}", "speaker": "g/s", "text": "Where is it?", "lang": "en"})
    for number, wave in enumerate(spoilt_samples()):
        (folder / f"spoilt{number}.wav").write_bytes(wav(wave))
        bad.append({"path": f"spoilt{number}.wav", "speaker": "g/s", "text": "Where is it?", "lang": "en"})
    bad += [{"path": name, "speaker": "g/s", "text": "Where?", "lang": "en"} for name in special_files(folder)]
    soundfile.write(folder / "whole.wav", tone(), RATE)
    bad += list(lines({"path": "whole.wav", "speaker": "g/s", "text": "Where?", "lang": "en"}, rng))
    good = [f"good{number}" for number in range(20)]
    for name in good:
        soundfile.write(folder / f"{name}.wav", tone(), RATE)
    written = [json.dumps(line) if isinstance(line, dict) else line for line in bad]
    for name in good:
        line = json.dumps({"path": f"{name}.wav", "speaker": "g/s", "text": "Saturday came.", "lang": "en"})
        written.insert(rng.randrange(len(written) + 1), line)
    text = "\n".join(written).encode("utf-8", "surrogatepass")
    (folder / "meta.jsonl").write_bytes(text)
    return len(bad), [f"g/s/{name}" for name in good]
