"""Whatever stands on a command line or in a fragment, a user is told one sentence, and never sees a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from .launching import launched

# command line -> words that the message must hold
ODD = {
    "--experimental-rerun job.pickle": ["--experimental-rerun=job.pickle", "vall_e.repeat"],
    "--nope": ["unrecognized arguments: --nope"],
    "--cfg": ["--cfg", "expected one argument"],
    "--cfg jobs": ["invalid choice: 'jobs'", "job"],
    "--resolve": ["--resolve", "--cfg"],
    "--run --multirun": ["--run, --multirun"],
    "--config-dir nowhere model=x": ["nowhere"],
    "--config-name nope": ["'nope'"],
    "--config-path nope": ["nope"],
    "--shell-completion install=nope": ["'nope'", "bash"],
    "hydra.searchpath=[nowhere]": ["hydra.searchpath=nowhere"],
    "hydra.searchpath=[ftp://x]": ["hydra.searchpath=[ftp://x]"],
    "hydra.searchpath=3": ["hydra.searchpath", "list"],
    "hydra.run.dir=taken": ["taken: File exists", "hydra.run.dir"],
    "hydra.run.dir=${nope}": ["hydra.run.dir", "nope"],
    "hydra.mode=often": ["hydra.mode=often", "RUN"],
    "hydra.job.env_copy=[NOPE]": ["hydra.job.env_copy", "NOPE"],
    "hydra.verbose={a:1}": ["within Hydra"],
    "+hydra.callbacks.x._target_=os.system": ["os.system"],
    "seed=${nope}": ["seed: ", "nope"],
    "seed=${seed}": ["seed: "],
    "seed=${oc.env:NOPE}": ["seed: ", "NOPE"],
    "seed=${vall_e.codec:rate,builtin}": ["seed", "rate"],
    "--cfg job --resolve seed=${nope}": ["seed: ", "nope"],
    "seed=1,2": ["seed=1,2", "-m", "[1,2]"],
    "+seed=1": ["seed", "without a plus"],
    "~nothing": ["nothing"],
    "~model.dropout": ["model.dropout"],
    "=3": ["=3"],
    "seed": ["seed: cannot be read"],
    "model=null": ["model=null", "one of its options"],
    "model=[1]": ["model=[1]", "one of its options"],
    "model=???": ["model", "must be chosen"],
    "experiment=[demoo]": ["experiment=demoo", "nearest: experiment=demo"],
    "model@other=ar+nar-llama-8": ["model@other", "+model@other"],
    "lora=r8": ["+lora@loras.NAME=OPTION"],
    "+lora=r8": ["nearest: +lora@loras.NAME"],
    "dataset.duration_range.x=3": ["dataset.duration_range.x=3"],
    "dataset.duration_range.7=3": ["dataset.duration_range.7=3"],
    "model.experimental.rvq_levels_p=[true]": ["model.experimental.rvq_levels_p"],
    "model.experimental.rvq_level_range=[3,1]": ["model.experimental.rvq_level_range"],
    "+model.loss_factors.resp=nan": ["model.loss_factors=nan"],
    f"seed={'9' * 400}": ["seed=999", "out of range"],
}


@pytest.mark.parametrize("line", ODD)
def test_an_odd_command_line_ends_with_one_sentence(line: str, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    done = launched(*line.split(), folder=tmp_path)
    assert done.status == 2 and len(done.told) == 1, done.told
    assert [words for words in ODD[line] if words not in done.told[0]] == [], done.told


def test_a_newline_in_a_value_does_not_tear_the_sentence_apart(tmp_path: Path) -> None:
    done = launched("device='a\nb'", folder=tmp_path)
    assert len([line for line in done.told if "device" in line and "allowed" in line]) == 1


# content of model/mine.yaml -> words that the message must hold
FRAGMENTS: dict[bytes, list[str]] = {
    b"dropout: [": ["mine.yaml", "line"],
    b"a:\n\t- b\n": ["mine.yaml", "line 2"],
    b"dropout: 0.1\ndropout: 0.2\n": ["mine.yaml", "duplicate key dropout"],
    b"dropout: 0.1\n---\ndropout: 0.2\n": ["mine.yaml", "another document"],
    b"name: !!python/object/apply:os.system ['true']\n": ["mine.yaml", "os.system"],
    b"name: \xe9\n": ["model=mine", "utf-8"],
    b"name: \x00\n": ["mine.yaml"],
    b"- 1\n- 2\n": ["model/mine", "a group of settings"],
    b"3\n": ["model=mine"],
    b"experimental: 3\n": ["model.experimental=3", "a group of settings"],
    b"# @package a b\nname: x\n": ["model=mine", "@package"],
    b"defaults: 3\n": ["model/mine", "list"],
    b"defaults: [nothere]\n": ["model/mine", "model=nothere"],
    b"defaults: [mine]\n": ["model=mine", "contains itself"],
    b"size: &x [*x]\n": ["mine"],
    b"dropout: ${nowhere.x}\n": ["model.dropout", "nowhere.x", "mine.yaml"],
    b"dropout: ${a\n": ["dropout", "${a"],
    b"null: 4\n": ["model=mine"],
    b"_target_: os.system\n": ["model._target_"],
    b"size: {dim: 64, heads: 2, layers: 1, label: [x]}\n": ["model.size", "label", "mine.yaml"],
}


@pytest.mark.parametrize("content", FRAGMENTS)
def test_an_odd_fragment_ends_with_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "some folder" / "model").mkdir(parents=True)
    (tmp_path / "some folder" / "model" / "mine.yaml").write_bytes(content)
    done = launched("--config-dir", "some folder", "model=mine", folder=tmp_path)
    assert done.status == 2 and len(done.told) == 1, done.told
    assert [words for words in FRAGMENTS[content] if words not in done.told[0]] == [], done.told
