"""`docs/config.md`: how settings are composed, and all of them in tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vall_e.atomic import replace_text

from ..nearest import groups, options
from .fragments import by_default, first_comment, place
from .reference import ALONE, Entry, Section, sections, typed
from .show import about

INTRODUCTION = """\
# Settings

Written by `python -m vall_e.config docs` from the dataclasses in `vall_e/config/`, which check every run; a test tells
when this page is stale. In a terminal `python -m vall_e.config` tells the same: with `show model` a group, with
`show trainer.amp` all about one setting.

## How the settings of a run are composed

Later steps beat earlier ones:

1. The defaults in the tables below.
2. `conf/config.yaml` chooses a fragment of each group, for example `model: ar+nar-tiny-llama-8`: the file
   `conf/model/ar+nar-tiny-llama-8.yaml`, which sets some of the settings of `model`. On the command line
   `model=ar+nar-llama-8` chooses another.
3. Presets such as `experiment=demo` set values in any group and may choose fragments. They stack: of
   `experiment=[a,b]` the later one wins.
4. Single settings on the command line: `trainer.iterations=5000`. A new entry of a mapping is written with a plus sign:
   `+hyperparameters.optimizer_params.eps=1e-8`.

Then names, types, ranges and relations between settings are checked, before anything slow begins. A misspelt name is
refused with the nearest one. A default such as *follows codec.levels* is the value of the setting that it names.

`python -m vall_e.train --cfg job --resolve` prints what is in force, `--info defaults-tree` which file brought what.
Fragments of your own lie in a folder like `conf/`: `--config-dir mine model=big` takes `mine/model/big.yaml`.

**Not yet** marks what is declared but needs a component that this version lacks: the values that are named, or every
value but the default. Asking for one ends the run before it begins.

## Completion and checks in an editor

`schemas/` holds a JSON Schema for each group; `python -m vall_e.config schema` writes them anew. With a language server
for YAML (in VS Code the extension *YAML*), one line in a fragment turns on completion, explanations and checks:

```yaml
# yaml-language-server: $schema=../../schemas/model.schema.json
```

The path is relative to the file. In a file that begins with `# @package _global_` the line comes below that. Presets
take `experiment.schema.json`, primary configs `config.schema.json`. The editor wants names spelt as they are below; the
program takes them in any case."""


def write_page(path: Path, *, check: bool) -> int:
    """Write the page, or with `check` only see whether the file is that page; the exit status."""
    if check:
        fresh = path.is_file() and path.read_text(encoding="utf-8") == page()
        if not fresh:
            print(f"{path} is stale: write it with `python -m vall_e.config docs {path}`", file=sys.stderr)
        return 0 if fresh else 1
    replace_text(path, page())
    print(path)
    return 0


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## Groups", _table(("Group", "What it settles", "Options"), map(_group_row, groups()))]
    parts += ["## config", "Settings of no group, written without a prefix, `seed=1`.", _settings(sections()["config"])]
    for group in groups():
        parts += _group(group)
    for app in ALONE:
        about_app = f"The settings of `python -m vall_e.{app}`, written without a prefix."
        parts += [f"## {app}", about_app, _settings(sections()[app])]
    return "\n\n".join(parts) + "\n"


def _group_row(group: str) -> tuple[str, ...]:
    return f"[{group}](#{group})", about(group), ", ".join(f"`{option}`" for option in options(group))


def _group(group: str) -> Iterator[str]:
    """The section of a group: what it is for, its options, its settings and those of the sections within."""
    yield f"## {group}"
    yield about(group)
    yield _table(
        (f"Option, `{place(group)}=`", "What it is"), (_option_row(group, option) for option in options(group))
    )
    for name, section in sections().items():
        if name.startswith(f"{group}."):
            yield from (f"### {name}", section.about)
        if name == group or name.startswith(f"{group}."):
            yield _settings(section)


def _option_row(group: str, option: str) -> tuple[str, ...]:
    default = " (default)" if option in by_default(group) else ""
    return f"`{option}`{default}", first_comment(group, option)


def _settings(section: Section) -> str:
    """The table of a section's settings; the sections within it have tables of their own."""
    first = f"Setting, `{section.prefix}`" if section.prefix else "Setting"
    rows = [_row(entry) for entry in section.entries if not entry.is_section]
    return _table((first, "Type", "Default", "Allowed", "Meaning"), rows)


def _row(entry: Entry) -> tuple[str, ...]:
    default = f"*{entry.default}*" if entry.link else f"`{entry.default}`"
    allowed = ", ".join(f"`{typed(name)}`" for name in entry.names) or entry.allowed
    not_yet = f" **Not yet:** {'; '.join(entry.not_yet)}." if entry.not_yet else ""
    return f"`{entry.name}`", entry.type, default, allowed, entry.rule.meaning + not_yet


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ([cell.replace("|", "\\|") for cell in line] for line in (head, ["---"] * len(head), *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
