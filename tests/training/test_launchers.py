"""Two ranks from the launchers of torch and DeepSpeed: train, evaluate, export; what is exported speaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import vall_e
from tests.free_port import free_port
from tests.small_run import checkpoints, environment, losses, rows
from tests.training.test_resume import OVERRIDES

SAMPLE = Path(vall_e.__file__).parent / "sample"
BIN = Path(sys.executable).parent
EVALUATED = ("evaluation.size=1", "evaluation.frequency=2", "evaluation.kwargs.max_duration=8")
LAUNCHERS = {
    "torchrun": ["--nproc-per-node=2", "--module", "vall_e.train", "trainer=ddp"],
    "deepspeed": ["--num_accelerators=2", "--module", "vall_e.train", "trainer=deepspeed"],
}


def ended(command: list[str], folder: Path) -> str:
    """What a command told that ended well, one that was given no GPU."""
    env = environment() | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    env["PATH"] = f"{BIN}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_trains_on_two_ranks_what_then_speaks(launcher: str, speech: Path, tmp_path: Path) -> None:
    if launcher == "deepspeed":
        pytest.importorskip("deepspeed", reason="the extra deepspeed is not installed")
    command = [str(BIN / launcher), f"--master_port={free_port()}", *LAUNCHERS[launcher]]
    told = [*OVERRIDES, *EVALUATED, f"dataset.hdf5_name={speech}", "hydra.run.dir=run", "trainer.iterations=2"]
    told.append("hyperparameters.torch_optimizer=true")
    ended([*command, *told], tmp_path)
    folder = tmp_path / "run"
    assert "parameters on 2 ranks" in (folder / "train.log").read_text()
    assert sorted(losses(folder)) == [1, 2] and "val.mel_stft" in rows(folder)[-1]
    assert len(list(folder.glob("logs/*/2/index.html"))) == 1 and (folder / "logs" / "rank1.log").is_file()
    assert (checkpoints(folder) / "2" / "weights.safetensors").is_file()

    weights, voice = checkpoints(folder) / "fp32.safetensors", next(SAMPLE.rglob("*.ogg"))
    settings = ["device=cpu", f"weights={weights}", "inference.phonemes=true", "inference.max_duration=8"]
    ended([sys.executable, "-m", "vall_e", "həloʊ", str(voice), "hello.wav", *settings], tmp_path)
    assert soundfile.info(tmp_path / "hello.wav").frames > 0
