"""What a migration says: one line a setting, under what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

TITLES = {
    "renamed": "Renamed",
    "translated": "Translated",
    "dropped": "Dropped, as without meaning here",
    "written": "Defaults of the reference, written out as ours differ",
    "kept": "Defaults of vall_e that stand",
    "unavailable": "Not available in this version; a run starts when they are overridden",
    "unplaced": "Warning: could not be placed",
}


@dataclass(kw_only=True)
class Report:
    """Lines under titles; a title without lines is not shown."""

    renamed: list[str] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = {title: getattr(self, name) for name, title in TITLES.items()}
        return "\n".join(
            f"{title} ({len(lines)}):\n" + "".join(f"  {line}\n" for line in lines)
            for title, lines in parts.items()
            if lines
        )
