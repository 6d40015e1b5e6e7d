"""Speak, train and evaluate with a VALL-E style codec language model; what Python programs use is named here.

`import vall_e` is instant: torch is imported when one of these is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import LoadedSpeaker, load_speaker
    from .models.weights.pretrained import from_pretrained, save_pretrained

__all__ = ["LoadedSpeaker", "from_pretrained", "load_speaker", "save_pretrained"]


def __getattr__(name: str) -> Any:
    if name in ("LoadedSpeaker", "load_speaker"):
        from . import api

        return getattr(api, name)
    if name in ("from_pretrained", "save_pretrained"):
        from .models.weights import pretrained

        return getattr(pretrained, name)
    raise AttributeError(f"module 'vall_e' has no attribute {name!r}")
