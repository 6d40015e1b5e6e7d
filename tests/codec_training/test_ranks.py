"""Several ranks train the codec that one process trains."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.child import ended, forked
from tests.codec_training.steps import settings
from tests.codec_training.test_run import rows, states
from tests.free_port import free_port
from vall_e.codec_training.loop import train_codec
from vall_e.codec_training.run import open_run
from vall_e.engines.ranks import Ranks, joined_ranks
from vall_e.errors import CheckpointError, ConfigError

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def test_two_ranks_make_the_steps_of_one_process(corpus: Path, tmp_path: Path) -> None:
    command = [*LAUNCH, "--module", "tests.codec_training.steps", str(corpus), str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    train_codec(settings(str(corpus), tmp_path / "one"), tmp_path / "one")
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    for name in ("loss", "commitment", "grad_norm", "adversary.loss", "feature_matching"):
        assert _named(two, name) == pytest.approx(_named(one, name), rel=1e-3)
    own, other = states(tmp_path / "one", 4), states(tmp_path / "two", 4)
    name = "codec.quantizer.codebooks.0.usage"
    assert other[name].tolist() == pytest.approx(own[name].tolist(), abs=1e-3)


def test_a_batch_that_ranks_cannot_share_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size=4 cannot be shared by 3 ranks"):
        open_run(settings(str(corpus), tmp_path), tmp_path, Ranks(0, 3))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_every_rank_refuses_a_folder_whose_checkpoints_are_damaged(corpus: Path, tmp_path: Path) -> None:
    cfg, damaged = settings(str(corpus), tmp_path), tmp_path / "ckpt/1"
    damaged.mkdir(parents=True)
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "LOCAL_RANK": "0"}

    def refused(rank: int) -> None:
        os.environ.update(meeting, RANK=str(rank))
        with joined_ranks("cpu") as ranks, pytest.raises(CheckpointError, match="every checkpoint below"):
            open_run(cfg, tmp_path, ranks)

    children = [forked(partial(refused, rank)) for rank in range(2)]
    assert [ended(child) for child in children] == [0, 0]


def _named(rows: list[dict[str, float]], name: str) -> list[float]:
    return [row[name] for row in rows if name in row]
