"""Pages made from a template, to be opened from disk."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .atomic import replace_text


def write_page(path: Path, template: Path, /, **content: object) -> None:
    """Fill in the template and write `path`, atomically. Text is escaped; what the template lacks is an error."""
    templates = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    replace_text(path, templates.get_template(template.name).render(content))
