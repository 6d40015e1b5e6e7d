"""A model with one head for everything, as one with a head for each RVQ level and task."""

from __future__ import annotations

from dataclasses import replace

from vall_e.errors import ConfigError
from vall_e.models.heads import SINGLE, head_rows, head_tensors

from .weights_file import WeightsContent


def split_classifiers(content: WeightsContent) -> WeightsContent:
    """Every head gets the first rows of the single one, so that it gives the same logits for them.

    ConfigError if the heads are split already, or if one of them needs more rows.
    """
    experimental = content.config.experimental
    if experimental.hf:
        raise ConfigError("split_classifiers=true: these weights have one vocabulary, whose head says ids of all kinds")
    if experimental.split_classifiers:
        raise ConfigError("split_classifiers=true: the heads of these weights are split already")
    weight, bias = (content.tensors[name] for name in head_tensors(content.config, SINGLE))
    tensors = {name: tensor for name, tensor in content.tensors.items() if not name.startswith(f"{SINGLE}.")}
    for index, (head, rows) in enumerate(head_rows(content.config).items()):
        if rows > len(weight):
            raise ConfigError(f"split_classifiers=true: the head {head} has {rows} rows, the single one {len(weight)}")
        tensors[f"classifiers.proj.{index}.weight"] = weight[:rows].clone()
        tensors[f"classifiers.proj.{index}.bias"] = bias[:rows].clone()
    flags = replace(experimental, split_classifiers=True, tie_classifier_to_embedding=False)
    config = replace(content.config, experimental=flags)
    return replace(content, tensors=tensors, config=config)
