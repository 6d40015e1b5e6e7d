"""What `python -m vall_e.config` says in a terminal: what there is to set, tables of settings, all about one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap

from vall_e.errors import ConfigError

from ..help import titled
from ..nearest import groups, nearest, options
from .fragments import by_default, first_comment, place, setters
from .reference import Entry, Section, entries, sections, typed

WIDTH = 120
COLUMNS = (32, 20, 30)
"""Characters of the columns setting, default and allowed at most; the meaning takes the rest."""

OF_PRESETS = {
    "experiment": "Whole runs as presets; they stack: experiment=[a,b].",
    "tokenizer": "The symbols of the text: `tokenizer` and `tokenizer_path` of `config`.",
}
"""What the groups without a section of their own are for."""

EXAMPLES = (
    ("show model", "options and settings of a group"),
    ("show trainer.deepspeed", "settings of a section"),
    ("show trainer.amp seed", "all about single settings"),
    ("deepspeed trainer=deepspeed-zero2", "what DeepSpeed would be given"),
    ("docs", "write docs/config.md, the reference of all settings"),
    ("schema", "write JSON Schemas, with which editors complete and check YAML"),
)


def overview() -> str:
    """The groups and sections, each with what it is for, and examples."""
    inner = [(name, section.about) for name, section in sections().items() if name not in groups()]
    return "\n\n".join(
        [
            "Look at the settings: `show NAME` explains each of the groups, sections and settings.",
            titled("Groups (group=OPTION)", [(group, about(group)) for group in groups()]),
            titled("Sections (section.setting=VALUE; those of config and of apps without a prefix)", inner),
            titled("Examples", [(f"python -m vall_e.config {command}", meaning) for command, meaning in EXAMPLES]),
        ]
    )


def about(group: str) -> str:
    """What a group is for, in one line."""
    return OF_PRESETS[group] if group in OF_PRESETS else sections()[group].about


def shown_names(names: Sequence[str]) -> str:
    """All about groups, sections and settings; ConfigError with the nearest name for one that does not exist."""
    return "\n\n".join(map(_shown_name, names))


def _shown_name(name: str) -> str:
    parts = [f"{name}: {about(name)}", _options(name)] if name in groups() else []
    for at, section in sections().items():
        if at == name or at.startswith(f"{name}."):
            parts += [_table(section)] if at in groups() else [f"{at}: {section.about}", _table(section)]
    if name in entries():
        parts.append(_card(entries()[name]))
    if not parts:
        raise ConfigError(f"{name}: no such group, section or setting{_nearest(name)}")
    return "\n\n".join(parts)


def _options(group: str) -> str:
    chosen = by_default(group)
    rows = [(f"{o} (default)" if o in chosen else o, first_comment(group, o)) for o in options(group)]
    return titled(f"Options, {place(group)}=OPTION", rows)


def _table(section: Section) -> str:
    """The settings of a section in aligned columns."""
    rows = [("setting", "default", "allowed", "meaning"), *(_row(e) for e in section.entries if not e.is_section)]
    widths = [min(most, max(len(row[i]) for row in rows)) for i, most in enumerate(COLUMNS)]
    widths.append(WIDTH - 2 - sum(width + 2 for width in widths))
    lines = [line for row in rows for line in _wrapped(row, widths)]
    return "\n".join([f"Settings, {section.prefix}SETTING=VALUE:", *lines])


def _row(entry: Entry) -> tuple[str, str, str, str]:
    """Name, default, what is allowed and meaning of a setting; names that need a missing component stand last."""
    here = ", ".join(typed(name) for name in entry.names if name not in entry.missing) or entry.rule.span()
    allowed = here if entry.type == "name" else f"{entry.type}: {here}" if here else entry.type
    later = f"; not yet: {', '.join(entry.missing)}" if entry.missing else ""
    needs = f" Not yet: {entry.not_yet[0]}." if entry.rule.needs else ""
    return entry.name, entry.default, allowed + later, entry.rule.meaning + needs


def _wrapped(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a row whose cells are wrapped to their columns."""
    cells = [wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
    for line in zip_longest(*cells, fillvalue=""):
        yield ("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))).rstrip()


def _card(entry: Entry) -> str:
    """All about one setting."""
    rows = [("meaning", entry.rule.meaning), ("type", entry.type), ("default", entry.default)]
    rows += [("allowed", entry.allowed)] if entry.allowed else []
    rows += _listed("not yet", entry.not_yet)
    rows += _listed("set by", [f"{fragment} to {typed(value)}" for fragment, value in setters(entry.key)])
    return titled(entry.key, rows)


def _listed(label: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """Rows of which the first alone has a label."""
    return [("" if i else label, line) for i, line in enumerate(lines)]


def _nearest(name: str) -> str:
    """The name that was probably meant: one like it, or one whose last part is like it."""
    by_last_name = {key.rpartition(".")[2]: key for key in reversed(entries())}
    like = nearest(name, [*groups(), *sections(), *entries()]) or nearest(name, by_last_name)
    found = by_last_name.get(name) or by_last_name.get(like or "", like)
    return f" (nearest: {found})" if found else ""
