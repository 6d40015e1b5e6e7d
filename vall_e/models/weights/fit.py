"""Loading tensors into a model that may not be quite the one they were saved from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vall_e.errors import WeightsError
from vall_e.models.lora.tensors import base_names

log = logging.getLogger(__name__)

SHOWN = 5


def fit(
    model: nn.Module, tensors: Mapping[str, Tensor], path: Path, *, strict: bool = True, resize: bool = False
) -> list[str]:
    """Load the tensors of the weights file `path` into a model, past the adapters it may have.

    With `resize` a tensor that differs in its rows alone is cut or extended; returns the names of these. Without
    `strict` tensors that are missing keep their values and foreign ones are left out, which is said. WeightsError
    names everything else that does not fit.
    """
    state = model.state_dict()
    places = base_names(state)
    own = {name: state[place] for name, place in places.items()}
    fitted = {name: resized(t, own[name]) if resize and name in own else t for name, t in tensors.items()}
    absent = [*_missing(own, fitted), *_foreign(own, fitted)]
    wrong = [*([] if not strict else absent), *_misshapen(own, fitted)]
    if wrong:
        raise WeightsError(f"weights={path} does not fit the model: {some(wrong)}")
    if changed := [name for name in fitted if fitted[name] is not tensors[name]]:
        log.warning("Other sizes than in %s: %s", path, some(changed))
    if absent:
        log.warning("Not all of %s fits the model: %s", path, some(absent))
    model.load_state_dict(state | {places[name]: t for name, t in fitted.items() if name in own})
    return [places[name] for name in changed]


def resized(tensor: Tensor, like: Tensor) -> Tensor:
    """`tensor` with as many rows as `like` if they differ in nothing else; new rows are the mean, of biases 0."""
    if tensor.shape == like.shape or tensor.shape[1:] != like.shape[1:] or not tensor.ndim:
        return tensor
    missing = len(like) - len(tensor)
    if missing <= 0:
        return tensor[: len(like)]
    row = tensor.float().mean(0, keepdim=True) if tensor.ndim > 1 else torch.zeros(1)
    return torch.cat([tensor, row.to(tensor.dtype).expand(missing, *tensor.shape[1:])])


def _missing(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in own if name not in tensors)


def _foreign(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Iterator[str]:
    yield from (f"{name} is foreign" for name in tensors if name not in own)


def _misshapen(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Iterator[str]:
    for name in own:
        if name in tensors and tensors[name].shape != own[name].shape:
            yield f"{name} is {tuple(tensors[name].shape)}, the model's is {tuple(own[name].shape)}"


def some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "; ".join(names[:SHOWN]) + more
