"""`python -m benchmarks.speaking`: the time to the first sound, the upper levels, masked decoding, and memory."""

from __future__ import annotations

import argparse
import resource
import statistics
from dataclasses import replace

import torch
from torch import nn

from benchmarks.decoding import request, seconds_of
from benchmarks.speech import RATE
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.streaming import StreamingDecoder
from vall_e.config.model import ModelConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.generate import stream_speech
from vall_e.decoding.masked import blank, decode_masked
from vall_e.decoding.non_autoregressive import decode_levels
from vall_e.decoding.request import SpeechRequest
from vall_e.decoding.sampling.dice import seeded
from vall_e.device import choose_device
from vall_e.models.int8_linear import to_int8_linears
from vall_e.models.vall_e import VallE


def speaking_model(told: argparse.Namespace) -> VallE:
    """A model of random weights that speaks code by code and masked, and never stops by itself."""
    torch.manual_seed(0)
    cfg = ModelConfig(size=told.size, capabilities=["ar", "nar", "len", "lang"])
    model = VallE(cfg).to(choose_device(told.device)).eval()
    head = model.classifiers.proj[0]
    assert isinstance(head, nn.Linear)
    head.bias.data[model.stop] = -1e6
    if told.dtype == "int8":
        to_int8_linears(model)
        return model
    return model.to(getattr(torch, told.dtype))


def first_sound(model: VallE, codec: BuiltinCodec, sampling: SamplingConfig) -> float:
    """Seconds from a request to its first samples."""
    asked = request()
    assert isinstance(asked.prompt, torch.Tensor)
    decoder = StreamingDecoder(codec)
    spoken = SpeechRequest(tokens=asked.text, prompt=asked.prompt)

    def until_heard() -> None:
        for part in stream_speech(model, [spoken], sampling, seed=0):
            heard = decoder.push(part.codes)
            if len(heard) or (part.finish and len(decoder.finish())):
                return

    return seconds_of(until_heard, model.device)


def measure(model: VallE, codec: BuiltinCodec, frames: int) -> dict[str, float]:
    """Seconds by what was done."""
    said = SamplingConfig(modality="ar+nar", max_duration=frames, longest_loop=0, frames_per_token=0)
    level_zero, shown = torch.randint(1024, (frames,)), [request()]
    masked = replace(said, modality="nar-len")
    return {
        "first sound, chunks of 38 frames": first_sound(model, codec, replace(said, chunk_frames=38)),
        "first sound, chunks of 75 frames": first_sound(model, codec, replace(said, chunk_frames=75)),
        "first sound, no chunks": first_sound(model, codec, said),
        "seven upper levels": seconds_of(
            lambda: decode_levels(model, shown, [level_zero], said, seeded(0, 1)), model.device
        ),
        "level 0 masked, 25 steps, guided": seconds_of(
            lambda: decode_masked(model, shown, [blank(frames, model.stop)], masked, seeded(0, 1)), model.device
        ),
        "codec": seconds_of(lambda: codec.decode(torch.randint(1024, (frames, 8))), model.device),
    }


def main() -> None:
    """Print medians, and how they relate to the length of the speech."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="full")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32", help="or int8, bfloat16")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    model, codec = speaking_model(told), BuiltinCodec(SHIPPED_WEIGHTS, choose_device(told.device))
    runs = [measure(model, codec, told.frames) for _ in range(told.repeats)]
    for name in runs[0]:
        seconds = statistics.median(run[name] for run in runs)
        print(f"{seconds:8.2f} s {seconds * RATE / told.frames:8.3f} of real time  {name}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{peak:8.2f} GiB of memory at most")


if __name__ == "__main__":
    main()
