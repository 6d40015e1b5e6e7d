"""Where weights lie that a setting names: a file, a folder, or `hf://owner/name[@revision]` on the Hugging Face hub.

Nothing is fetched but what is named with `hf://`, and of that the files of a pretrained folder alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from vall_e.errors import MissingExtra, WeightsError

from .pretrained import CONFIG, read_config

SCHEME = "hf://"
PLACE = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def is_on_hub(named: str) -> bool:
    """Whether weights are named as lying on the hub."""
    return named.startswith(SCHEME)


def weights_path(named: str, key: str = "weights") -> Path:
    """The file or folder that the setting `key` names; what lies on the hub is fetched into its cache first."""
    return fetched(named, key) if is_on_hub(named) else Path(named)


def fetched(named: str, key: str = "weights") -> Path:
    """The cached folder of one revision of `hf://owner/name[@revision]`.

    HF_HUB_OFFLINE, HF_HOME, HF_ENDPOINT and HF_TOKEN are honoured. WeightsError if it cannot be had, MissingExtra
    without huggingface_hub.
    """
    if not (place := PLACE.fullmatch(named)):
        raise WeightsError(
            f"{key}={named} is no place on the hub, allowed: hf://owner/name or hf://owner/name@revision"
        )
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "hub", f"{key}={named}") from error
    folder = _fetch(hf_hub_download, place["repository"], CONFIG, place["revision"], f"{key}={named}").parent
    for file in read_config(folder, key).files:
        _fetch(hf_hub_download, place["repository"], file, folder.name, f"{key}={named}")  # of the very same commit
    return folder


def _fetch(download: Callable[..., str], repository: str, file: str, revision: str | None, here: str) -> Path:
    """One file into the cache; WeightsError says why not."""
    try:
        return Path(download(repository, file, revision=revision, library_name="vall_e"))
    except Exception as error:  # those of the library, of whichever HTTP client it has, and of the disk
        raise WeightsError(f"{here} cannot be fetched: {_why(error, file)}") from error


def _why(error: Exception, file: str) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "access must be asked for on its page, and HF_TOKEN be set"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such repository, or it is private and HF_TOKEN is none that may read it"
    if isinstance(error, errors.RevisionNotFoundError):
        return "there is no such revision"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"{file} is not in the cache, and the hub is not reached (HF_HUB_OFFLINE, network)"
    if isinstance(error, errors.EntryNotFoundError):
        return f"it has no {file}, which a pretrained folder has"
    return f"{file}: {error}".partition("\n")[0]
