"""Lambdas become templates by their shape; whatever else they hold is never run."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from vall_e.config.migration.getters import getter_template
from vall_e.config.path_name import path_name

TEMPLATES = {
    "lambda p: f'{p.parts[-3]}_{p.parts[-2]}'": "{-3}_{-2}",
    "lambda p: f'{p.parts[-3]}'": "{-3}",
    "lambda p: p.parts[-2]": "{-2}",
    "lambda path: path.parts[-4]": "{-4}",
    "lambda p: p.name": "{-1}",
    "lambda p: p.stem": "{-1}",
    "lambda p: p.parent.name": "{-2}",
    "lambda p: p.parent.parent.name": "{-3}",
    "lambda p: p.parts[-3] + '_' + p.parts[-2]": "{-3}_{-2}",
    "lambda p: f'libri-{p.parent.name}'": "libri-{-2}",
    "  lambda p: p.parts[-2]\n": "{-2}",
}

REFUSED = [
    "lambda p: __import__('os').system('touch hostile')",
    "lambda p: open('hostile', 'w').name",
    "lambda p: [open('hostile', 'w'), p.parts[-2]][1]",
    "(lambda: open('hostile', 'w'))() or (lambda p: p.parts[-2])",
    'lambda p: f\'{open("hostile", "w")}{p.parts[-2]}\'',
    "lambda p: f'{p.parts[-2]!r}'",
    "lambda p: f'{p.parts[-2]:>20}'",
    "lambda p: p.parts[-2].split('_')[0]",
    "lambda p: p.parts[2]",
    "lambda p: p.parts[-10]",
    "lambda p: p.parts[-0]",
    "lambda p: q.parts[-2]",
    "lambda p: 'everyone'",
    "lambda p: '{-2}' + p.parts[-3]",
    "lambda p, q: p.parts[-2]",
    "lambda: p.parts[-2]",
    "p.parts[-2]",
    "lambda p:",
    "",
    "\0",
    "lambda p: " + "(" * 400 + "p.name" + ")" * 400,
    "lambda p: " + "-" * 480 + "1",
]


@pytest.mark.parametrize("source", TEMPLATES)
def test_a_known_shape_becomes_a_template(source: str) -> None:
    assert getter_template(source) == TEMPLATES[source]


@pytest.mark.parametrize("source", REFUSED)
def test_every_other_text_is_refused_and_not_run(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert getter_template(source) is None
    assert list(tmp_path.iterdir()) == []


def test_a_template_gives_the_name_that_the_lambda_gave() -> None:
    template = getter_template("lambda p: f'{p.parts[-3]}_{p.parts[-2]}'")
    assert template is not None
    assert path_name(template, PurePath("data/LibriTTS/1034/1034_121119_000.flac")) == "LibriTTS_1034"
