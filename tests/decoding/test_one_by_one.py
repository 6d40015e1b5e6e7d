"""Whatever chooses codes of level 0 one by one, a request says the same alone, in a batch, and as it comes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.decoding.test_generate import MASKED, REQUESTS, prone_to_stop, say
from tests.models.tiny import tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.finish import Finish
from vall_e.decoding.generate import generate_speech, joined, stream_speech
from vall_e.errors import ConfigError

SHORT = SamplingConfig(max_duration=25, nar_temperature=0.8)
SAMPLERS = {
    "mirostat": replace(SHORT, mirostat_tau=3.0, mirostat_eta=0.2),
    "entropix": replace(SHORT, entropix_sampling=True),
    "guided entropix": replace(SHORT, entropix_sampling=True, cfg_strength=2.0),
    "repetition aware": replace(SHORT, top_p=0.3, ras_window=10, ras_threshold=0.1),
    "beam": replace(SHORT, beam_width=4),
    "guided beam": replace(SHORT, beam_width=3, cfg_strength=2.0),
}
DRAWN = [name for name in SAMPLERS if "beam" not in name]
each_sampler = pytest.mark.parametrize("name", SAMPLERS)


@each_sampler
def test_a_request_gets_the_same_codes_alone_in_a_batch_and_streamed(name: str) -> None:
    model, sampling = prone_to_stop(3.0), SAMPLERS[name]
    together = say(model, REQUESTS, sampling, seed=11)
    assert together == [say(model, [request], sampling, seed=11)[0] for request in REQUESTS]
    parts = list(stream_speech(model, REQUESTS, sampling, 11, 2))
    assert [said.codes.tolist() for said in joined(parts, len(REQUESTS))] == together
    assert together != say(model, REQUESTS, SHORT, seed=11)


@pytest.mark.parametrize("name", DRAWN)
def test_chunks_change_nothing_at_level_0(name: str) -> None:
    model, sampling = prone_to_stop(2.0), replace(SAMPLERS[name], max_levels=0)
    chunked = replace(sampling, chunk_frames=5, chunk_lookahead=2)
    assert say(model, REQUESTS, chunked, seed=11) == say(model, REQUESTS, sampling, seed=11)


@pytest.mark.parametrize("name", DRAWN)
def test_a_seed_decides(name: str) -> None:
    model, sampling = tiny_model(), replace(SAMPLERS[name], max_levels=0)
    assert say(model, REQUESTS, sampling, 1) != say(model, REQUESTS, sampling, 2)


@each_sampler
def test_guards_end_what_goes_on(name: str) -> None:
    sampling = replace(SAMPLERS[name], max_duration=9, max_levels=0)
    said = generate_speech(prone_to_stop(-1e6), REQUESTS[:2], sampling, 0)
    assert [(len(one.codes), one.finish) for one in said] == [(9, Finish.length)] * 2


@each_sampler
def test_masked_decoding_has_no_use_for_it(name: str) -> None:
    model = tiny_model(capabilities=["nar", "len"])
    with pytest.raises(ConfigError, match=r"(tau|sampling|window|width)=\S+ needs level 0 code by code"):
        say(model, REQUESTS[:1], replace(SAMPLERS[name], modality="auto"))
    assert say(model, REQUESTS[:1], MASKED)
