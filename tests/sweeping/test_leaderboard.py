"""The leaderboard: its order, what it shows of the settings, and its picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread

from vall_e.sweeping.finish import finish
from vall_e.sweeping.job_result import JobResult, Status, write_result
from vall_e.sweeping.labels import labels, short_names, short_values
from vall_e.sweeping.leaderboard import rank, write_csv
from vall_e.sweeping.leaderboard_plot import numeric_parameters, plot_leaderboard
from vall_e.sweeping.sweep import Sweep
from vall_e.sweeping.table import table


def sweep(folder: Path = Path("runs/sweeps/x"), *, maximize: bool = False) -> Sweep:
    return Sweep(id="this", folder=folder, objective="loss", maximize=maximize)


def job(number: int, objective: float | None, *overrides: str, error: str | None = None) -> JobResult:
    status = Status.failed if error else Status.finished
    return JobResult(
        sweep="this",
        number=number,
        folder=str(number),
        overrides=list(overrides),
        status=status,
        objective=objective,
        seconds=2.0,
        error=error,
    )


def order(jobs: Sequence[JobResult], *, maximize: bool = False) -> list[int]:
    return [ranked.number for ranked in rank(sweep(maximize=maximize), jobs).jobs]


JOBS = [job(0, 2.0), job(1, None, error="no data"), job(2, -1.0), job(3, 2.0), job(4, 0.0)]


def test_the_lowest_objective_leads_and_failed_jobs_come_last() -> None:
    assert order(JOBS) == [2, 4, 0, 3, 1]


def test_the_highest_objective_leads_a_search_that_maximises() -> None:
    assert order(JOBS, maximize=True) == [0, 3, 4, 2, 1]


def test_only_settings_that_differ_are_parameters() -> None:
    jobs = [job(0, 1.0, "seed=1", "+x.y=2", "model=a"), job(1, 1.0, "seed=1", "+x.y=3", "model=a")]
    assert rank(sweep(), jobs).parameters == ["x.y"]


def test_a_setting_that_one_job_lacks_is_a_parameter() -> None:
    assert rank(sweep(), [job(0, 1.0, "seed=1"), job(1, 1.0)]).parameters == ["seed"]


def test_names_are_shortened_where_no_other_ends_alike() -> None:
    keys = ["hyperparameters.learning_rate", "inference.seed", "seed"]
    assert list(short_names(keys).values()) == ["learning_rate", "inference.seed", "seed"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["0.0012520653814999472", "1e-4", "0.01"], ["0.001252", "1e-4", "0.01"]),
        (["runs/a/ckpt/fp32.sft", "runs/b/ckpt/fp32.sft"], ["a", "b"]),
        (["a/x", "x"], ["a/x", "x"]),
        (["runs/a", "", "runs/b"], ["a", "", "b"]),
        (["1", ""], ["1", ""]),
        (["a" * 40, "b"], ["…" + "a" * 29, "b"]),
        (["[0,1]", "null"], ["[0,1]", "null"]),
    ],
)
def test_values_are_shortened_to_what_differs(values: list[str], shown: list[str]) -> None:
    assert short_values(values) == shown


def test_the_table_tells_rank_settings_and_errors() -> None:
    key = "hyperparameters.learning_rate"
    jobs = [job(0, 2.5, f"{key}=1e-4"), job(1, None, f"{key}=9", error="no")]
    lines = table(rank(sweep(), jobs)).splitlines()
    assert [line.split() for line in lines] == [
        ["rank", "job", "loss", "learning_rate", "seconds"],
        ["1", "0", "2.5", "1e-4", "2.0"],
        ["1", "9", "2.0", "failed:", "no"],
    ]
    assert lines[2].index("9") == lines[0].index("learning_rate")


def test_the_csv_holds_whole_names_and_values(tmp_path: Path) -> None:
    jobs = [job(0, 0.1 + 0.2, "model.dropout=0.12345678", "seed=1"), job(1, None, "model.dropout=0", error="a, b")]
    write_csv(rank(sweep(), jobs), tmp_path / "leaderboard.csv")
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["rank", "job", "status", "objective", "seconds", "model.dropout", "seed", "error"]
    assert float(rows[0]["objective"]) == 0.1 + 0.2 and rows[0]["model.dropout"] == "0.12345678"
    assert (rows[1]["rank"], rows[1]["status"], rows[1]["seed"], rows[1]["error"]) == ("", "failed", "", "a, b")


def test_settings_that_are_numbers_in_all_ranked_jobs_get_a_chart() -> None:
    jobs = [job(i, 1.0, f"seed={i}", f"model={'ab'[i]}", f"x={i or 'null'}") for i in range(2)]
    assert numeric_parameters(rank(sweep(), [*jobs, job(2, None, "seed=x", error="no")])) == ["seed"]


PICTURES = {
    "one job": [job(0, 2.0)],
    "equal objectives": [job(i, 2.0, f"seed={i}") for i in range(3)],
    "signs and zero": [job(i, i - 1.0, f"seed={i}", f"model.dropout={i - 1}") for i in range(3)],
    "orders of magnitude": [job(i, 10.0**i, f"hyperparameters.learning_rate={10**-i}") for i in range(6)],
    "names": [job(i, float(i), f"model={i}b") for i in range(3)],
    "a failure": [job(0, 1.0, "seed=1"), job(1, None, "seed=2", error="$x^2_{ is no formula$")],
    "many jobs": [job(i, 1.0 + i, f"seed={i}", f"model.dropout={i / 100}") for i in range(90)],
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_of(name: str, tmp_path: Path) -> None:
    board = rank(sweep(), PICTURES[name])
    plot_leaderboard(board, tmp_path / "leaderboard.png")
    height, width = imread(tmp_path / "leaderboard.png").shape[:2]
    assert (width > 1200) == bool(numeric_parameters(board))
    assert 300 < height < 2000


def test_jobs_that_an_earlier_sweep_left_in_the_folder_are_not_ranked(tmp_path: Path) -> None:
    write_result(sweep(tmp_path), job(0, 1.0))
    write_result(sweep(tmp_path), replace(job(1, 0.5), sweep="earlier"))
    (tmp_path / "2").mkdir()
    (tmp_path / "2/job.json").write_text("of somebody else")
    assert [ranked.number for ranked in finish(sweep(tmp_path)).jobs] == [0]


def test_a_leaderboard_that_cannot_be_written_is_told_and_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_result(sweep(tmp_path), job(0, 1.0))
    (tmp_path / "leaderboard.csv").mkdir()
    assert len(finish(sweep(tmp_path)).jobs) == 1
    assert "could not be written" in caplog.text


def test_the_short_settings_of_a_job_stand_beside_it() -> None:
    board = rank(sweep(), [job(0, 2.0, "model.dropout=0.1"), job(1, 1.0, "model.dropout=0.2")])
    assert labels(board) == [{"dropout": "0.2"}, {"dropout": "0.1"}]
