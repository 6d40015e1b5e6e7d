"""The curves of several runs: what is drawn is what was logged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from vall_e.config.plot import PlotConfig, XAxis
from vall_e.errors import ConfigError, DataError
from vall_e.training.plots.chart import charts, smoothed
from vall_e.training.plots.colours import ON_WHITE, colour, dashes
from vall_e.training.plots.picture import drawn
from vall_e.training.plots.plot import plot
from vall_e.training.plots.run_curves import labels, read_runs
from vall_e.training.plots.thinning import thinned

NOISE = np.random.default_rng(0)


def write_run(folder: Path, values: Mapping[float, Mapping[str, float]]) -> str:
    """A run's log with a line a step, ten seconds after each other; a step may be a fraction to come twice."""
    folder.mkdir(parents=True)
    rows = [{"step": int(step), "time": 1e9 + 10 * step, **row} for step, row in values.items()]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """Runs of 60 and 80 noisy steps; the first was evaluated at step 50."""
    a: dict[float, dict[str, float]] = {
        step: {"loss": 5 / step + NOISE.random(), "tokens": 100 * step} for step in range(1, 61)
    }
    b: dict[float, dict[str, float]] = {step: {"loss": 3 / step + NOISE.random(), "lr": 1e-4} for step in range(1, 81)}
    a[50.5] = {"val.mel_stft": 2.5}
    return [write_run(tmp_path / "a", dict(sorted(a.items()))), write_run(tmp_path / "b", b)]


def logged(run: str, metric: str) -> tuple[list[float], list[float]]:
    rows = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    return [r["step"] for r in rows if metric in r], [r[metric] for r in rows if metric in r]


def page(runs: list[str], folder: Path, **settings: Any) -> str:
    (path,) = plot(PlotConfig(runs=runs, formats=["html"], **settings), folder)
    return path.read_text(encoding="utf-8")


def numbers(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', html, re.DOTALL)
    assert found
    read: dict[str, Any] = json.loads(found[1])
    return read


def test_the_page_holds_the_numbers_of_the_logs(two: list[str], tmp_path: Path) -> None:
    told = numbers(page(two, tmp_path, metrics=["loss", "val.*"]))
    assert told["runs"] == ["a", "b"]
    loss, evaluation = told["charts"]
    assert (loss["metric"], evaluation["metric"]) == ("loss", "val.mel_stft")
    for run, line in zip(two, loss["lines"], strict=True):
        assert (line["x"], line["values"]) == logged(run, "loss")
    assert [(line["run"], line["x"], line["values"]) for line in evaluation["lines"]] == [(0, [50], [2.5])]


def test_the_lines_of_the_page_lie_where_their_numbers_belong(two: list[str], tmp_path: Path) -> None:
    html = page(two, tmp_path, metrics=["loss"], smoothing=0)
    ticks = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(end|middle)">([\d.,]+)</text>', html)
    across = [(float(text), float(x)) for x, _, anchor, text in ticks if anchor == "middle"]
    up = [(float(text), float(y) - 4) for _, y, anchor, text in ticks if anchor == "end"]
    drawn_lines = [points for points in re.findall(r'<polyline points="([^"]+)"', html) if len(points) > 50]
    for run, points in zip(two, drawn_lines, strict=True):
        places = np.array([pair.split(",") for pair in points.split()], np.float64)
        for expected, place, ends in zip(logged(run, "loss"), places.T, (across, up), strict=True):
            (low, at_low), (high, at_high) = ends[0], ends[-1]
            found = low + (place - at_low) / (at_high - at_low) * (high - low)
            np.testing.assert_allclose(found, expected, atol=0.002 * (high - low))


def test_smoothing_is_a_weighted_mean_of_the_past() -> None:
    values = NOISE.random(100)
    found = smoothed(values, 0.8)
    for end in (1, 2, 40, 100):
        weights = 0.8 ** np.arange(end)[::-1]
        assert found[end - 1] == pytest.approx(np.average(values[:end], weights=weights))


def test_a_smoothed_line_shows_its_points_faintly(two: list[str], tmp_path: Path) -> None:
    html = page(two, tmp_path, metrics=["loss"], smoothing=0.5)
    assert html.count('<polyline class="faint"') == 2
    line = numbers(html)["charts"][0]["lines"][0]
    assert line["values"] == logged(two[0], "loss")[1]
    assert line["smooth"] == pytest.approx(smoothed(np.array(line["values"]), 0.5).tolist())
    assert '<polyline class="faint"' not in page(two, tmp_path, metrics=["loss"], smoothing=0)
    assert '<polyline class="faint"' not in page(two, tmp_path, metrics=["val.mel_stft"], smoothing=0.5)


def test_the_picture_draws_the_same(two: list[str], tmp_path: Path) -> None:
    runs = read_runs(two, XAxis.step)
    figure = drawn(charts(runs, ["loss", "val.*"], 0.5), [run.label for run in runs], "step")
    loss, evaluation = figure.axes
    faint, strong = loss.lines[:2]
    assert (faint.get_xdata().tolist(), faint.get_ydata().tolist()) == logged(two[0], "loss")
    assert faint.get_alpha() < 0.5 and strong.get_alpha() is None and faint.get_color() == strong.get_color()
    assert [text.get_text() for text in figure.legends[0].texts] == ["a", "b"]
    assert (loss.get_title(), evaluation.get_title()) == ("loss", "val.mel_stft")
    assert evaluation.lines[0].get_ydata().tolist() == [2.5] and evaluation.lines[0].get_marker() == "o"
    (path,) = plot(PlotConfig(runs=two, formats=["png"], name="mine"), tmp_path / "out")
    height, width, _ = imread(path).shape
    assert path.name == "mine.png" and width > 600 < height + 300


def test_curves_over_hours_and_tokens(two: list[str], tmp_path: Path) -> None:
    steps, values = logged(two[0], "loss")
    hours = numbers(page(two, tmp_path, metrics=["loss"], x_axis=XAxis.time))["charts"][0]["lines"][0]
    assert hours["x"] == pytest.approx([(step - 1) / 360 for step in steps]) and hours["values"] == values
    loss, evaluation = numbers(page(two[:1], tmp_path, metrics=["loss", "val*"], x_axis=XAxis.tokens))["charts"]
    assert loss["lines"][0]["x"] == [100 * step for step in steps]
    assert evaluation["lines"][0]["x"] == [5000]
    with pytest.raises(ConfigError, match=r"x_axis=tokens cannot be drawn: .*b/metrics.jsonl .*allowed: step, time"):
        page(two, tmp_path, x_axis=XAxis.tokens)


def test_a_page_needs_no_network_and_shows_names_as_they_are(tmp_path: Path) -> None:
    run = write_run(tmp_path / "<b>&'quoted'", {1: {"</script>": 1.0, "loss": 2.0}})
    html = page([run], tmp_path, metrics=["*"])
    assert numbers(html)["runs"] == ["<b>&'quoted'"]
    assert [chart["metric"] for chart in numbers(html)["charts"]] == ["</script>", "loss"]
    assert html.count("</script>") == 2 and "<b>" not in html
    assert not re.search(r"https?:|\bsrc=|\bhref=|@import|url\(", html)


def test_a_constant_and_a_single_point_are_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {3: {"loss": 0.0, "lr": 1e-4}})
    html = page([run], tmp_path, metrics=["loss", "lr"])
    assert html.count("<circle") == 2 and "nan" not in html.lower()


def test_of_a_long_curve_the_peaks_and_the_ends_are_kept() -> None:
    values = NOISE.random(100_000)
    values[54_321], values[77_777] = 9.0, -9.0
    kept = thinned(values, 1000)
    assert len(kept) <= 1002 and np.all(np.diff(kept) > 0)
    assert {0, 54_321, 77_777, 99_999} <= set(kept.tolist())
    assert thinned(values[:1000], 1000).tolist() == list(range(1000))


def test_metrics_come_in_the_order_of_the_patterns_and_levels_by_number(tmp_path: Path) -> None:
    row = {"loss": 1.0, **{f"nll.level{level}": 1.0 for level in range(12)}}
    told = numbers(page([write_run(tmp_path / "run", {1: row})], tmp_path, metrics=["nll.level*", "loss", "*ss"]))
    assert [chart["metric"] for chart in told["charts"]] == [*(f"nll.level{n}" for n in range(12)), "loss"]


def test_twenty_runs_can_be_told_apart() -> None:
    assert len({(ON_WHITE[colour(run)], dashes(run)) for run in range(20)}) == 20


def test_runs_of_one_name_are_called_by_their_paths(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, {1: {"loss": 1.0}}) for name in ("sweep1/0", "sweep2/0", "demo")]
    assert labels(runs) == [*runs[:2], "demo"]
    assert labels([f"{runs[2]}/metrics.jsonl"]) == ["demo"]


def test_many_runs_are_counted_in_the_title_and_named_in_the_table(tmp_path: Path) -> None:
    html = page([write_run(tmp_path / f"run{n}", {1: {"loss": 1.0}}) for n in range(9)], tmp_path)
    assert "<title>9 runs</title>" in html and html.count(">run8</label>") == 1


def test_damaged_lines_cost_only_themselves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = write_run(tmp_path / "run", {1: {"loss": 3.0}, 2: {"loss": 2.0}})
    with (Path(run) / "metrics.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n[1]\n{"step": Infinity, "loss": 1}\n{"step": 3, "loss": NaN}\n{"step": 4, "lo')
    line = numbers(page([run], tmp_path))["charts"][0]["lines"][0]
    assert (line["x"], line["values"]) == ([1, 2], [3.0, 2.0])
    assert [number for number in range(1, 8) if f"line {number} is damaged" in caplog.text] == [3, 4, 5, 7]


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"runs": []}, ConfigError, r"nothing to draw: give runs=\[FOLDER,\.\.\.\]"),
        ({"runs": ["a", "none"]}, ConfigError, "runs: none is no folder of a training run, allowed: "),
        ({"runs": ["a", "."]}, ConfigError, r"runs: \. holds no metrics\.jsonl, allowed: "),
        ({"runs": ["a", "empty"]}, DataError, r"empty/metrics\.jsonl holds no numbers: no step was made, or "),
        ({"metrics": ["los"]}, ConfigError, r"no run recorded los, allowed: loss, .*\(nearest: loss\)"),
        ({"metrics": ["x*", "*y"]}, ConfigError, r"no run recorded any of x\*, \*y, allowed: loss, tokens, val\."),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    two: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    error: type[Exception],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "metrics.jsonl").touch()
    with pytest.raises(error, match=told):
        plot(PlotConfig(**{"runs": ["a"], **settings}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to_is_refused(two: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"curves\.png cannot be written: .*; give another folder=PATH"):
        plot(PlotConfig(runs=two), Path(two[0]) / "metrics.jsonl")
