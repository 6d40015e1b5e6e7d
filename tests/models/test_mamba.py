"""The Mamba backbones compute what the models of their names do, and begin as they begin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from tests.models.backbones import BACKBONES
from tests.models.tiny import TINY, speech, tiny_config, tiny_model
from vall_e.models.backbones.mamba import Mixer
from vall_e.models.backbones.recurrence import Recurrence
from vall_e.models.vall_e import VallE

MAMBAS = [name for name in BACKBONES if "mamba" in name]
# Of MambaMixer of transformers 5.24, with the weights and the input of the test below.
MIXED = [
    [0.299263, -0.099885, -0.377544, -0.196002],
    [0.657943, -0.090504, -0.728873, -0.480724],
    [-1.000562, -0.365653, 0.713994, 0.925221],
    [-3.667709, 2.413305, 5.559051, 1.943404],
    [1.500221, 4.836452, 2.290177, -3.041608],
    [-7.681208, -1.251747, 6.700196, 6.502788],
]


@torch.no_grad()
def test_a_mixer_gives_what_that_of_transformers_gave() -> None:
    mixer, x = Mixer(4), torch.cos(0.7 * torch.arange(24.0)).view(6, 4)
    for number, (_, parameter) in enumerate(sorted(mixer.named_parameters()), 1):
        parameter.copy_(0.8 * torch.sin(number * torch.arange(1.0, parameter.numel() + 1)).view_as(parameter))
    torch.testing.assert_close(mixer(x, Recurrence([6]), 0), torch.tensor(MIXED), atol=1e-5, rtol=1e-5)


def mamba_of_transformers(arch: str, layers: int) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": TINY["dim"], "num_hidden_layers": layers, "vocab_size": 3}
    if arch == "mamba":
        return transformers.MambaModel(transformers.MambaConfig(**sizes)).eval()
    expand = 4 if arch == "mamba2-hf" else 2
    heads = {"expand": expand, "num_heads": expand * TINY["heads"], "head_dim": TINY["dim"] // TINY["heads"]}
    return transformers.Mamba2Model(transformers.Mamba2Config(**sizes, **heads, n_groups=1)).eval()


@pytest.mark.parametrize("name", MAMBAS)
@torch.no_grad()
def test_a_backbone_is_that_of_transformers_with_the_same_tensors(name: str) -> None:
    ours = tiny_model(**BACKBONES[name]).model
    theirs = mamba_of_transformers(BACKBONES[name]["arch_type"], len(ours.stack))
    read = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert (read.missing_keys, read.unexpected_keys) == (["embeddings.weight"], [])
    x = torch.randn(300, TINY["dim"], generator=torch.Generator().manual_seed(0))
    found, _ = ours(x, torch.arange(300), Recurrence([300]))
    torch.testing.assert_close(found, theirs(inputs_embeds=x[None]).last_hidden_state[0], atol=3e-4, rtol=1e-4)


def test_steps_begin_between_a_thousandth_and_a_tenth_and_rates_count_up() -> None:
    torch.manual_seed(0)
    mixer = Mixer(32)
    sizes = nn.functional.softplus(mixer.dt_proj.bias)
    assert 1e-3 <= sizes.min() < 2e-3 and 0.05 < sizes.max() <= 0.1
    torch.testing.assert_close(mixer.A_log.exp(), torch.arange(1.0, 17.0).expand(64, 16))
    assert mixer.D.eq(1).all() and mixer.dt_proj.weight.abs().max() <= 2**-0.5


def test_maps_into_the_residual_begin_smaller_in_a_deeper_model() -> None:
    def largest(layers: int) -> Tensor:
        torch.manual_seed(0)
        stack = VallE(tiny_config(**BACKBONES["mamba"] | {"size": TINY | {"layers": layers}})).model.stack
        return stack[0].get_parameter("mixer.out_proj.weight").abs().max()

    torch.testing.assert_close(largest(2), 2 * largest(8))


@pytest.mark.parametrize("name", MAMBAS)
def test_the_loss_falls(name: str) -> None:
    torch.manual_seed(0)
    model, samples = VallE(tiny_config(**BACKBONES[name])), [speech(0), speech(3, 1), speech(1, 2)]
    optimizer, losses = AdamW(model.parameters(), lr=3e-3), list[float]()
    for _ in range(15):
        optimizer.zero_grad()
        loss = model(samples).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.5


def test_mixed_precision_keeps_the_state_and_the_sizes_of_steps_exact() -> None:
    model = tiny_model(**BACKBONES["mamba"])
    exact = model([speech(0)]).loss.detach()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model([speech(0)]).loss.detach()
    assert float(rounded) == pytest.approx(float(exact), rel=0.01) and not rounded.equal(exact)
