"""Kernels for variable lengths are asked once for causal sequences and once for the others."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.tiny import tiny_model
from vall_e.errors import ConfigError
from vall_e.models.backbones.attention import PackedAttention, shared
from vall_e.models.backbones.attention_choice import missing, packed_attention
from vall_e.models.backbones.varlen_attention import Group, VarlenAttention, flash_attn_kernel, torch_kernel

LENGTHS = [1, 5, 33, 1, 8]
CAUSAL = {"mixed": [True, False, True, False, False], "causal": [True] * 5, "in full": [False] * 5}


def drawn(heads: int) -> Tensor:
    return torch.randn(sum(LENGTHS), heads, 16, requires_grad=True)


def by_formula(q: Tensor, k: Tensor, v: Tensor, group: Group, _dropout: float) -> Tensor:
    """What such a kernel computes; none runs on the CPU."""
    out = []
    for start, end in zip(group.starts.tolist()[:-1], group.starts.tolist()[1:], strict=True):
        assert end - start <= group.longest
        own, keys, values = (shared(x[start:end], q.shape[1], 1) for x in (q, k, v))
        scores = torch.einsum("qhd,khd->hqk", own, keys) / q.shape[-1] ** 0.5
        later = torch.ones(end - start, end - start, dtype=torch.bool).triu(1 if group.causal else end)
        out.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(later, -torch.inf).softmax(-1), values))
    return torch.cat(out)


@pytest.mark.parametrize("causal", CAUSAL.values(), ids=CAUSAL)
def test_output_and_gradients_are_those_of_sequences_one_by_one(causal: list[bool]) -> None:
    torch.manual_seed(0)
    calls, inputs = list[bool](), (drawn(4), drawn(2), drawn(2))

    def kernel(q: Tensor, k: Tensor, v: Tensor, group: Group, dropout: float) -> Tensor:
        calls.append(group.causal)
        return by_formula(q, k, v, group, dropout)

    found = VarlenAttention("varlen", kernel, LENGTHS, causal).attend(*inputs)
    expected = PackedAttention(LENGTHS, causal)(0, *inputs)
    assert sorted(calls) == sorted(set(causal))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    towards = torch.randn_like(found)
    for ours, theirs in zip(*(torch.autograd.grad(o, inputs, towards) for o in (found, expected)), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.skipif(bool(missing("varlen")), reason="this version of torch has no varlen_attn")
def test_torch_takes_what_it_is_given() -> None:
    """On the device meta torch checks arguments and shapes and computes nothing."""
    meta = [torch.empty(sum(LENGTHS), heads, 16, dtype=torch.bfloat16, device="meta") for heads in (4, 2, 2)]
    groups = [
        Group(flag, torch.arange(1), torch.empty(6, dtype=torch.int32, device="meta"), 33) for flag in (True, False)
    ]
    for group in groups:
        assert torch_kernel(*meta, group, 0.0).shape == meta[0].shape


def test_flash_attn_is_asked_as_its_documentation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def flash_attn_varlen_func(
        q: Tensor, k: Tensor, v: Tensor, cu_seqlens_q: Tensor, cu_seqlens_k: Tensor, max_seqlen_q: int,
        max_seqlen_k: int, dropout_p: float = 0.0, softmax_scale: Any = None, causal: bool = False,
    ) -> Tensor:  # fmt: skip
        assert cu_seqlens_q.dtype is torch.int32 and cu_seqlens_q.equal(cu_seqlens_k)
        assert (max_seqlen_q, max_seqlen_k, dropout_p, softmax_scale) == (33, 33, 0.1, None)
        return by_formula(q, k, v, Group(causal, torch.arange(1), cu_seqlens_q, max_seqlen_q), dropout_p)

    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_varlen_func=flash_attn_varlen_func))
    q, k, v = drawn(4), drawn(2), drawn(2)
    found = VarlenAttention("flash_attn", flash_attn_kernel, LENGTHS, [True] * 5, 0.1).attend(q, k, v)
    torch.testing.assert_close(found, PackedAttention(LENGTHS, [True] * 5)(0, q, k, v), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["varlen", "flash_attn", "flash_attention_2"])
def test_it_is_refused_on_the_cpu(name: str) -> None:
    q = torch.zeros(3, 2, 16)
    with pytest.raises(ConfigError, match=f"{name} does not run on the CPU, allowed there: auto, sdpa, .*, flex"):
        packed_attention(name, [3], [True])(0, q, q, q)


@pytest.mark.skipif(not missing("flash_attn"), reason="flash-attn is installed")
def test_a_kernel_that_is_not_installed_is_refused_when_the_model_is_built() -> None:
    with pytest.raises(ConfigError, match=r"flash_attn is not available: needs .* flash-attn \(available: auto.*flex"):
        tiny_model(attention="flash_attn")
