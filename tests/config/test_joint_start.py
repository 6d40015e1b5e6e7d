"""Several processes start one run: what each may do, and where it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import forked
from tests.config.launching import launched
from tests.small_run import environment
from vall_e.config.rank import PORTS, meeting_port, rank, without_local_rank, world_size

CLOCK = "hydra.run.dir=runs/${now:%H-%M}"


@pytest.fixture(autouse=True)
def two_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two ranks, as torchrun and DeepSpeed's launcher tell it."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)


def test_the_launcher_tells_which_rank_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (rank(), world_size()) == (1, 2)
    monkeypatch.delenv("RANK")
    monkeypatch.setenv("WORLD_SIZE", "")
    assert (rank(), world_size()) == (0, 1)


def test_the_local_rank_that_deepspeed_adds_is_no_mistake_and_another_is() -> None:
    assert without_local_rank(["seed=1", "--local_rank=1"]) == ["seed=1"]
    assert without_local_rank(["--local_rank=2"]) == ["--local_rank=2"]


def test_jobs_side_by_side_meet_at_ports_of_their_own_that_no_connection_has() -> None:
    array = [meeting_port(str(30_211_998 + task)) for task in range(1000)]
    assert len(set(array)) == 1000 and set(array) <= set(PORTS) and max(PORTS) < 32_768
    assert meeting_port("job") in PORTS


def test_a_folder_named_by_the_clock_is_refused(tmp_path: Path) -> None:
    ended = launched(CLOCK, folder=tmp_path)
    assert ended.status == 2 and len(ended.told) == 1
    assert ended.told[0].startswith("rank 1: the launch has 2 ranks (WORLD_SIZE), but hydra.run.dir=runs/${now:%H-%M}")


def test_a_sweep_is_refused(tmp_path: Path) -> None:
    ended = launched("-m", "seed=1,2", folder=tmp_path)
    assert ended.status == 2 and "a sweep cannot be shared by ranks" in ended.told[-1]


@pytest.mark.parametrize("app", ["evaluate", "export"])
def test_an_app_that_runs_in_one_process_is_refused(app: str, tmp_path: Path) -> None:
    done = forked.run(["-m", f"vall_e.{app}"], tmp_path, environment())
    assert done.returncode == 2 and f"{app} runs in one process: start it without a launcher" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_rank_keeps_a_log_of_its_own_and_no_records(tmp_path: Path) -> None:
    ended = launched("hydra.run.dir=run", "weights=missing.sft", folder=tmp_path)
    assert ended.status == 2 and all(line.startswith("rank 1: ") for line in ended.told)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"run/logs/rank1.log"}
