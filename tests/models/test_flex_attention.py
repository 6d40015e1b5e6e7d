"""FlexAttention gives what attention sequence by sequence gives, in one call for a whole batch."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor
from torch.nn.attention import flex_attention as torch_flex
from torch.nn.attention.flex_attention import create_block_mask

from tests.models.tiny import draw_codes, draw_text, speech, tiny_model
from vall_e.audio.codec import CodecIdentity
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.models.backbones import flex_attention
from vall_e.models.backbones.attention import PackedAttention
from vall_e.models.backbones.block_mask import BLOCK, packed_block_mask
from vall_e.models.backbones.checkpointing import Checkpointing
from vall_e.models.backbones.flex_attention import FlexAttention
from vall_e.models.backbones.flex_dropout import STEPS, chance_of, dropping
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import load_weights, save_weights
from vall_e.text import open_tokenizer

CPU = torch.device("cpu")
LENGTHS, CAUSAL = [1, 5, BLOCK + 2, 1, BLOCK, 40], [True, False, True, False, False, True]
MIXED = [speech(0, 0), speech(5, 1, 9), speech(0, 2, BLOCK), speech(1, 3), speech(7, 4)]


@pytest.fixture
def backward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch refuses gradients on the CPU, where it has them unfused alone; they are those of the same formula."""
    monkeypatch.setattr(torch_flex, "_validate_device", lambda *_: None)


def drawn(heads: int) -> Tensor:
    return torch.randn(sum(LENGTHS), heads, 16, requires_grad=True)


def assert_same(found: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    towards = torch.randn_like(found)
    for ours, theirs in zip(*(torch.autograd.grad(o, inputs, towards) for o in (found, expected)), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_blocks_are_those_that_torch_finds_by_asking_every_pair() -> None:
    random = Random(0)
    for _ in range(10):
        lengths = [random.choice([1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK]) for _ in range(random.randint(1, 4))]
        causal = [random.random() < 0.5 for _ in lengths]
        ours = packed_block_mask(lengths, causal, CPU)
        theirs = create_block_mask(ours.mask_mod, None, None, sum(lengths), sum(lengths), CPU)
        assert ours.shape == theirs.shape
        for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices", "q_indices"):
            assert getattr(ours, name).equal(getattr(theirs, name)), name


def test_every_pair_of_a_sequence_is_visible_and_no_other() -> None:
    visible = packed_block_mask([2, 3], [True, False], CPU).mask_mod
    at = torch.arange(5)
    assert visible(at, at, at[:, None], at).int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
    ]


@pytest.mark.usefixtures("backward")
def test_output_and_gradients_are_those_of_sequences_one_by_one() -> None:
    torch.manual_seed(0)
    q, k, v = drawn(4), drawn(2), drawn(2)
    assert_same(FlexAttention(LENGTHS, CAUSAL).attend(q, k, v), PackedAttention(LENGTHS, CAUSAL)(0, q, k, v), (q, k, v))


@pytest.mark.usefixtures("backward")
def test_dropout_is_that_of_the_softmax() -> None:
    torch.manual_seed(0)
    q, k, v = drawn(4), drawn(2), drawn(2)
    allowed = torch.block_diag(
        *(torch.ones(n, n).tril(0 if causal else n) for n, causal in zip(LENGTHS, CAUSAL, strict=True))
    )
    scores = torch.einsum("qhd,khd->hqk", q, k.repeat_interleave(2, 1)) / 4
    softmax = scores.masked_fill(allowed == 0, -torch.inf).softmax(-1)
    torch.manual_seed(1)
    factors = kept(4, 0.5) / 0.5
    expected = torch.einsum("hqk,khd->qhd", softmax * factors, v.repeat_interleave(2, 1))
    torch.manual_seed(1)
    assert_same(FlexAttention(LENGTHS, CAUSAL, 0.5).attend(q, k, v), expected, (q, k, v))


def kept(heads: int, dropout: float, size: int = sum(LENGTHS)) -> Tensor:
    """Which of [H, S, S] are left, as 0 and 1."""
    at = torch.arange(size, dtype=torch.int32)
    modified = dropping(torch.empty(1, heads, size, 1), chance_of(dropout))
    head = torch.arange(heads)[:, None, None]
    return modified(torch.zeros(heads, size, size), at, head, at[:, None], at).isfinite().float()


@pytest.mark.parametrize("dropout", [0.1, 0.5])
def test_what_is_dropped_looks_random(dropout: float) -> None:
    torch.manual_seed(0)
    left = kept(3, dropout, 600)
    assert float(left.mean()) == pytest.approx(1 - dropout, abs=0.002)
    for axis in (1, 2):
        spread = float(left.mean(axis).std())
        assert spread == pytest.approx((dropout * (1 - dropout) / 600) ** 0.5, rel=0.1)
    for other in (left[[1, 2, 0]], left.roll(1, 1), left.roll(1, 2), left.transpose(1, 2), kept(3, dropout, 600)):
        both = float((left * other).mean())
        assert both == pytest.approx((1 - dropout) ** 2, abs=0.005)


def test_a_small_chance_is_not_rounded_away() -> None:
    assert chance_of(1e-9) == 1
    assert chance_of(0.25) / STEPS == 0.25


@torch.no_grad()
def test_a_model_says_of_a_batch_what_it_says_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plain, made = tiny_model(attention="flex"), tiny_model(), []

    def making(*arguments: object) -> object:
        made.append(arguments)
        return packed_block_mask(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(flex_attention, "packed_block_mask", making)
    packed = model.pack(MIXED)
    found = model.hidden(packed)
    assert len(made) == 1, "one mask for all layers"
    alone = torch.cat([plain.hidden(plain.pack([sample])) for sample in MIXED])
    torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.logits("AR:0:0", found), plain.logits("AR:0:0", alone), atol=1e-4, rtol=1e-4)


def learnt(model: VallE) -> tuple[float, list[Tensor]]:
    torch.manual_seed(5)
    loss = model(MIXED).loss
    loss.backward()
    return loss.item(), [p.grad for p in model.parameters() if p.grad is not None]


def test_training_on_the_cpu_takes_sequences_one_by_one() -> None:
    found, expected = (learnt(tiny_model(attention=name, dropout=0.2).train()) for name in ("flex", "auto"))
    assert found[0] == expected[0]
    for ours, theirs in zip(found[1], expected[1], strict=True):
        assert ours.equal(theirs)


@pytest.mark.usefixtures("backward")
def test_layers_that_run_again_for_their_gradients_drop_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlexAttention, "__call__", lambda self, layer, q, k, v: self.attend(q, k, v))
    plain, saving = (tiny_model(attention="flex", dropout=0.2).train() for _ in range(2))
    saving.model.checkpointing = Checkpointing(every=1)
    saving.model.compile_mlps("eager")
    expected, found = learnt(plain), learnt(saving)
    assert found[0] == pytest.approx(expected[0]) != tiny_model()(MIXED).loss.item()
    for ours, theirs in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_decoding_through_a_cache_is_the_same() -> None:
    prefixes = [ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0), ModelInput(text=draw_text(9, 1), lang=1)]
    found, expected = (
        decode_level_zero(tiny_model(attention=name), prefixes, 8, lambda logits, _: logits.argmax(-1).tolist())
        for name in ("flex", "auto")
    )
    assert [ids.tolist() for ids in found] == [ids.tolist() for ids in expected]


def test_weights_speak_without_it(tmp_path: Path) -> None:
    codec = CodecIdentity(name="builtin", digest="d", sample_rate=24000, frame_rate=75, levels=8, codebook_size=1024)
    model, path = tiny_model(attention="flex"), tmp_path / "w.safetensors"
    save_weights(path, model.state_dict(), model.cfg, open_tokenizer("naive", None), codec, 1)
    assert load_weights(path, CPU).model.cfg.attention == "auto"
