"""Whether weights that lie on the disk belong to the model, the codec and the tokenizer of a run."""

from __future__ import annotations

from pathlib import Path

from vall_e.audio.codec import CodecIdentity
from vall_e.errors import CheckpointError, WeightsError
from vall_e.models.vall_e import VallE
from vall_e.models.weights.fit import fit
from vall_e.models.weights.origin import differences
from vall_e.models.weights.published import current_tensors, is_published
from vall_e.models.weights.weights_file import read_tensors
from vall_e.text import Tokenizer


def take_weights(
    model: VallE, tokenizer: Tokenizer, codec: CodecIdentity, path: Path, *, strict: bool = True, resize: bool = False
) -> list[str]:
    """Load a weights file into `model`; WeightsError if it is of another model, codec or tokenizer.

    `strict` and `resize` say what may differ between the two models, and what is returned: see `fit`.

    Weights that carry no codec or tokenizer, as those published by others do, are taken at the user's word.
    """
    metadata, tensors = read_tensors(path)
    if is_published(metadata):
        tensors = current_tensors(tensors, model.cfg)
    changed = fit(model, tensors, path, strict=strict, resize=resize)
    if found := list(differences(metadata, tokenizer, codec)):
        raise WeightsError(f"weights={path} cannot be gone on with: " + "; ".join(found))
    return changed


def take_checkpoint(
    model: VallE, tokenizer: Tokenizer, codec: CodecIdentity, path: Path, *, strict: bool = True, resize: bool = False
) -> list[str]:
    """`take_weights` of a checkpoint; CheckpointError, with what to do, if it is of another run."""
    try:
        return take_weights(model, tokenizer, codec, path, strict=strict, resize=resize)
    except WeightsError as error:
        raise CheckpointError(
            f"the run folder holds checkpoints of another model or of other data ({path.parent}).\n"
            "Give this run a folder of its own with hydra.run.dir=PATH, or set back what has changed since.\n"
            f"In detail: {error}"
        ) from error
