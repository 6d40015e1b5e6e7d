"""Names that are read off a path: `{-2}` is the folder of a file, `{-3}` the folder above, other letters stand."""

from __future__ import annotations

import re
from pathlib import PurePath

PLACE = re.compile(r"\{-([1-9])\}")


def path_name_problem(template: str) -> str | None:
    """Why a template cannot be used, or None."""
    if not PLACE.search(template) or set("{}") & set(PLACE.sub("", template)):
        return "is not allowed, allowed: text with {-1} (file name), {-2} (its folder), ... {-9}"
    return None


def path_name(template: str, path: PurePath) -> str:
    """The template with every place filled in from `path`; a place above the first folder takes the first."""
    parts = path.with_suffix("").parts
    return PLACE.sub(lambda place: parts[max(0, len(parts) - int(place[1]))], template)
