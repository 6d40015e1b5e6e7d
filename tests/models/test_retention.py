"""Retention by its formula, all positions at once and one by one."""

from __future__ import annotations

import math

import torch

from tests.models.tiny import speech, tiny_model
from vall_e.models.backbones.retention import angles, decays, retain, retain_next, retained, rotate_pairs, rotation


def drawn(spread: float = 1.0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(spread * torch.randn(40, 3, width, generator=generator) for width in (8, 8, 16))


def test_it_is_that_of_the_formula() -> None:
    q, k, v = drawn()
    found = retain(q, k, v, decays(3))
    for head in range(3):
        decay = math.log(1 - 2 ** (-5 - head))
        for n in (0, 1, 17, 39):
            fading = [math.exp((n - m) * decay) for m in range(n + 1)]
            seen = [float(q[n, head] @ k[m, head]) * fading[m] / math.sqrt(sum(fading)) for m in range(n + 1)]
            size = min(max(sum(map(abs, seen)), 1), 5e4)
            expected = sum((seen[m] / size * v[m, head] for m in range(n + 1)), torch.zeros(16))
            torch.testing.assert_close(found[n, head], expected, atol=1e-5, rtol=1e-4)


def test_steps_are_the_same_but_for_a_factor_that_the_norm_undoes() -> None:
    (q, k, v), decay = drawn(), decays(3)
    whole, state = retain(q, k, v, decay), torch.zeros(1, 3, 8, 16)
    for n in range(40):
        step, state = retain_next(q[n : n + 1], k[n : n + 1], v[n : n + 1], decay, state, torch.tensor([n]))
        norms = [torch.nn.functional.rms_norm(x, (16,), eps=1e-6) for x in (step[0], whole[n])]
        torch.testing.assert_close(*norms, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(state[0], retained(k, v, decay), atol=1e-4, rtol=1e-4)


def test_small_sums_are_not_divided_by() -> None:
    (q, k, v), decay = drawn(0.1), decays(3)
    step, _ = retain_next(q[:1], k[:1], v[:1], decay, torch.zeros(1, 3, 8, 16), torch.tensor([0]))
    torch.testing.assert_close(step, retain(q[:1], k[:1], v[:1], decay))


def test_products_depend_on_the_distance_alone() -> None:
    q, k, _ = drawn()
    near, far = (rotation(torch.tensor([start, start + 5]), 8) for start in (0, 30))
    products = []
    for turned in (near, far):
        a, b = (rotate_pairs(torch.stack([x, x]), turned) for x in (q[0], k[0]))
        products.append((a[0] * b[1]).sum(-1))
    torch.testing.assert_close(*products)
    assert angles(8)[:2].tolist() == [1, 1] and math.isclose(float(angles(8)[-1]), 1e-4, rel_tol=1e-5)


def test_casts_round_neither_angles_nor_decays() -> None:
    model = tiny_model(arch_type="retnet", flags={"noncausal_masks": False})
    expected = model([speech(0)]).loss
    model.model.retnet_rel_pos.bfloat16()
    assert model([speech(0)]).loss.equal(expected)
