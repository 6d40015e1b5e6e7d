"""What is decoded chunk by chunk is what is decoded at once."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.codec import Codec
from vall_e.audio.streaming import StreamingDecoder

CODEC = BuiltinCodec(SHIPPED_WEIGHTS, torch.device("cpu"))


def check(codec: Codec, sizes: list[int]) -> None:
    codes = torch.randint(1024, (sum(sizes), 8), generator=torch.Generator().manual_seed(0))
    decoder, known, decoded = StreamingDecoder(codec), 0, 0
    waves = []
    for chunk in torch.split(codes, sizes):
        waves.append(decoder.push(chunk))
        known, decoded = known + len(chunk), decoded + len(waves[-1])
        assert decoded == 320 * max(0, known - codec.reach.behind)
    waves.append(decoder.finish())
    torch.testing.assert_close(torch.cat(waves), codec.decode(codes), atol=1e-5, rtol=1e-4)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=6))
def test_chunks_of_the_built_in_codec_have_no_seams(sizes: list[int]) -> None:
    check(CODEC, sizes)


def test_a_frame_of_the_built_in_codec_reaches_no_further_than_it_says() -> None:
    codes = torch.randint(1024, (120, 8), generator=torch.Generator().manual_seed(1))
    whole, other = CODEC.decode(codes), codes.clone()
    other[60] = (codes[60] + 511) % 1024
    changed = (CODEC.decode(other) - whole).abs().reshape(120, 320).amax(-1) > 1e-7
    frames = changed.nonzero().flatten()
    assert 60 - CODEC.reach.behind <= int(frames[0]) and int(frames[-1]) <= 60 + CODEC.reach.before
    assert len(frames) > 30


def test_nothing_becomes_nothing() -> None:
    decoder = StreamingDecoder(CODEC)
    assert not len(decoder.finish())
    assert not len(decoder.push(torch.zeros(0, 8, dtype=torch.int16)))
