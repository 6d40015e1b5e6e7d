"""Everything that is compared with the reference."""

from __future__ import annotations

from .fixture import Array, Fixture
from .forward import forward_arrays, load_model
from .greedy import greedy_arrays
from .learning import loss_arrays, training_arrays
from .masked import masked_arrays
from .passes import passes


def measure(fixture: Fixture) -> dict[str, Array]:
    """Forward passes, decoding, losses, gradients and steps of training of a fixture's model, by name."""
    model, shown = load_model(fixture), passes(fixture)
    found = forward_arrays(model, fixture, shown) | greedy_arrays(model, fixture) | loss_arrays(model, shown)
    found |= masked_arrays(model, fixture, shown)
    return found | training_arrays(model, fixture, shown)
