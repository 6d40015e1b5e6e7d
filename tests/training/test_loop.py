"""What a run leaves in its folder, and what it obeys."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.small_run import TINY, checkpoints, identity, losses, rows, small, write_speech
from vall_e.engines.checkpoint import load_states
from vall_e.errors import CheckpointError, WeightsError
from vall_e.models.weights.weights_file import load_weights
from vall_e.training.loop import train
from vall_e.training.run import Run, open_run


@contextmanager
def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> Iterator[None]:
    """stdin is a pipe that holds `text` and stays open."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    with os.fdopen(reader) as stream, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", stream)
        yield
    os.close(writer)


def tags(folder: Path) -> list[str]:
    found = [path.name for path in checkpoints(folder).iterdir() if path.is_dir()]
    return sorted(found, key=lambda name: (len(name), name))


def test_the_loss_returned_is_the_mean_over_all_launches(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=2), tmp_path)
    returned = train(small(speech), tmp_path)
    assert returned == pytest.approx(sum(losses(tmp_path).values()) / 6)


def test_a_finished_run_says_so_and_stays_as_it_is(
    speech: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = train(small(speech, iterations=2), tmp_path)
    before = rows(tmp_path)
    with caplog.at_level(logging.INFO):
        assert train(small(speech, iterations=2), tmp_path) == first
    assert "Nothing is left to do: trainer.iterations=2 is reached" in caplog.text
    assert rows(tmp_path) == before and tags(tmp_path) == ["2"]


def test_checkpoints_come_at_their_steps_and_the_oldest_go(speech: Path, tmp_path: Path) -> None:
    train(small(speech, save_frequency=1, keep_last_checkpoints=2), tmp_path)
    assert tags(tmp_path) == ["5", "6"]
    assert (checkpoints(tmp_path) / "latest").read_text() == "6\n"


def test_all_checkpoints_are_kept_if_wanted(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=4, save_frequency=1, keep_last_checkpoints=0), tmp_path)
    assert tags(tmp_path) == ["1", "2", "3", "4"]


def test_a_tag_of_ones_own_is_written_over(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=3, save_frequency=1, save_tag="mine"), tmp_path)
    assert tags(tmp_path) == ["mine"]
    assert load_states(checkpoints(tmp_path) / "mine")[1]["step"] == 3


def test_commands_through_a_pipe_are_obeyed(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = small(speech, evaluation__size=1, learning_rate=1e-3, save_frequency=2)
    with caplog.at_level(logging.INFO), typed(monkeypatch, "save\nlr 0.5\nsave@2\neval@2\ntime\nquit@3\n"):
        train(cfg, tmp_path)
    assert tags(tmp_path) == ["1", "2", "3"]
    assert [row["lr"] for row in rows(tmp_path) if "lr" in row] == [1e-3, 0.5, 0.5]
    assert [row["step"] for row in rows(tmp_path) if "val.mel_stft" in row] == [2]
    assert caplog.text.count("Saved") == 3, "a save that was told and is due happens once"
    assert "Stopped at step 3" in caplog.text and "minutes" in caplog.text


def test_a_learning_rate_set_while_it_runs_survives_a_resume(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with typed(monkeypatch, "lr 0.5\n"):
        train(small(speech, iterations=2), tmp_path)
    train(small(speech, iterations=3), tmp_path)
    assert rows(tmp_path)[-1]["lr"] == 0.5


def test_a_learning_rate_changed_in_the_settings_holds_after_a_resume(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=2), tmp_path)
    train(small(speech, iterations=3, learning_rate=1e-5, optimizer_params={"weight_decay": 0.5}), tmp_path)
    assert rows(tmp_path)[-1]["lr"] == 1e-5
    run = open_run(small(speech, iterations=3, optimizer_params={"weight_decay": 0.25}), tmp_path)
    assert [group["weight_decay"] for group in run.engine.optimizer.param_groups] == [0.25, 0.0]
    run.close()


def test_quit_without_saving(speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with typed(monkeypatch, "quit\n"):
        train(small(speech, save_on_quit=False, export_on_quit=False), tmp_path)
    assert not checkpoints(tmp_path).exists()


def test_an_export_with_every_checkpoint(speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with typed(monkeypatch, "save\nquit@2\n"):
        train(small(speech, export_on_save=True, save_on_quit=False, export_on_quit=False), tmp_path)
    assert load_weights(checkpoints(tmp_path) / "fp32.safetensors", torch.device("cpu")).step == 1


def test_eval_with_nothing_to_evaluate_is_told(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), typed(monkeypatch, "eval\n"):
        train(small(speech, iterations=2), tmp_path)
    assert "Nothing is evaluated: evaluation.size=0" in caplog.text


def test_without_validation_speech_training_speech_is_evaluated_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_speech(tmp_path / "speech.h5", identity(), validation=False)
    train(small(tmp_path / "speech.h5", iterations=1, frequency=1, evaluation__size=1), tmp_path / "run")
    assert "no validation speech" in caplog.text and "val.mel_stft" in rows(tmp_path / "run")[-1]


def test_a_step_count_that_begins_anew_keeps_weights_and_old_metrics(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=3), tmp_path)
    run = open_run(small(speech, restart_step_count=True), tmp_path)
    run.close()
    assert run.engine.global_step == 0 and run.engine.optimizer.state
    assert run.loader.state_dict()["batch"] == 3
    kept = next(tmp_path.glob("metrics.before-*.jsonl"))
    assert len(kept.read_text().splitlines()) == 3 and rows(tmp_path) == []


def test_weights_alone_are_restored_if_wanted(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=3), tmp_path)
    run = open_run(small(speech, load_module_only=True), tmp_path)
    run.close()
    trained = load_weights(checkpoints(tmp_path) / "fp32.safetensors", torch.device("cpu")).model.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in run.engine.model.state_dict().items())
    assert run.engine.global_step == 0 and not run.engine.optimizer.state


def test_without_states_the_counters_go_on_with_a_fresh_optimizer(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=3), tmp_path)
    run = open_run(small(speech, load_states=False), tmp_path)
    run.close()
    assert run.engine.global_step == 3 and not run.engine.optimizer.state
    assert run.loader.state_dict()["batch"] == 3


def test_a_run_begins_with_its_exported_weights_in_place_of_its_checkpoint(speech: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"load_state_dict=true wants .*fp32\.safetensors: no such file"):
        open_run(small(speech, load_state_dict=True), tmp_path)
    train(small(speech, iterations=3), tmp_path)
    run = open_run(small(speech, load_state_dict=True), tmp_path)
    run.close()
    assert run.engine.global_step == 0 and not run.engine.optimizer.state


def test_a_tag_to_begin_from(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=4, save_frequency=1), tmp_path)
    run = open_run(small(speech, load_tag="2"), tmp_path)
    run.close()
    assert run.engine.global_step == 2
    with pytest.raises(CheckpointError, match=r"trainer\.load_tag=7: .*no such folder"):
        open_run(small(speech, load_tag="7"), tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"model__size": TINY | {"dim": 64}}, {"tokenizer": "naive"}],
    ids=["size", "tokenizer"],
)
def test_a_folder_of_another_model_is_refused_with_the_way_out(
    speech: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    train(small(speech, iterations=1), tmp_path)
    with pytest.raises(CheckpointError, match=r"another model[\s\S]*hydra\.run\.dir=PATH"):
        train(small(speech, **change), tmp_path)


def test_another_optimizer_is_refused_with_the_way_out(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=1), tmp_path)
    with pytest.raises(CheckpointError, match=r"state of AdamW.*Prodigy.*trainer\.load_states=false"):
        train(small(speech, optimizer="prodigy"), tmp_path)
    with pytest.raises(CheckpointError, match=r"AdamW over 61 parameters.*AdamW over 60"):
        train(small(speech, frozen_params=["sep"]), tmp_path)


def test_a_run_can_start_from_the_weights_of_another(speech: Path, tmp_path: Path) -> None:
    train(small(speech, iterations=2), tmp_path / "first")
    weights = checkpoints(tmp_path / "first") / "fp32.safetensors"
    run = open_run(small(speech, weights=str(weights)), tmp_path / "second")
    run.close()
    trained = load_weights(weights, torch.device("cpu")).model.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in run.engine.model.state_dict().items())
    with pytest.raises(WeightsError, match="symbols of another tokenizer"):
        open_run(small(speech, weights=str(weights), tokenizer="naive"), tmp_path / "third")
    with pytest.raises(WeightsError, match="no such file"):
        open_run(small(speech, weights="nowhere.safetensors"), tmp_path / "fourth")


def test_a_dataset_that_changed_is_told_and_training_goes_on(
    speech: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(small(speech, iterations=2), tmp_path / "run")
    train(small(speech, iterations=3, batch_size=3), tmp_path / "run")
    assert "differ from the saved run" in caplog.text and len(losses(tmp_path / "run")) == 3


def test_codes_of_other_codec_weights_are_refused(speech: Path, tmp_path: Path) -> None:
    write_speech(tmp_path / "other.h5", replace(identity(), digest="f" * 16))
    with pytest.raises(ValueError, match="prepared with other weights of the codec builtin"):
        train(small(tmp_path / "other.h5"), tmp_path / "run")


def test_every_step_tells_its_pace(speech: Path, tmp_path: Path) -> None:
    train(small(speech), tmp_path)
    steps = [row for row in rows(tmp_path) if "loss" in row]
    for row in steps:
        assert row["seconds"] > 0 and 0 <= row["data_wait"] <= 1 and row["memory_gib"] > 0.05
    assert steps[0]["remaining_hours"] > 0 == steps[-1]["remaining_hours"]


def test_eval_quit_before_the_first_batch_evaluates_and_ends(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with typed(monkeypatch, "save\neval_quit\n"):
        train(small(speech, evaluation__size=1, export_on_quit=False), tmp_path)
    assert not losses(tmp_path) and not checkpoints(tmp_path).exists()
    assert [row["step"] for row in rows(tmp_path) if "val.mel_stft" in row] == [0]


def test_lines_added_to_the_commands_of_a_run_are_obeyed(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_and_tell(run: Run, values: Mapping[str, float]) -> None:
        log(run, values)
        with (tmp_path / "commands").open("a") as file:
            file.write(f"quit@{run.engine.global_step + 1}\n")

    log = Run.log
    monkeypatch.setattr(Run, "log", log_and_tell)
    train(small(speech), tmp_path)
    assert sorted(losses(tmp_path)) == [1, 2]
