"""Weights on the Hugging Face hub: fetched where named, one revision, three files; a hub on this machine is asked.

Each process is new, as huggingface_hub reads its environment when it is imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from vall_e.config.export import ExportConfig
from vall_e.config.pretrained import FILES
from vall_e.models.weights.pretrained import save_pretrained
from vall_e.models.weights.weights_file import read_weights

from .hub_server import Hub, serving
from .models.test_pretrained import content
from .small_run import engine, environment, small

pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")

FETCH = """
import json, sys
from vall_e.config.hub import weights_path
from vall_e.errors import VallEError
for named in sys.argv[1:]:
    try:
        print(json.dumps(["", str(weights_path(named))]))
    except VallEError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = save_pretrained(tmp_path_factory.mktemp("hub") / "mine", content())
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"README.md": b"#", "pytorch_model.bin": b"?"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as one:
        yield one


def within(hub: Hub, home: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that has a cache in `home` and knows this hub alone."""
    kept = {name: value for name, value in environment().items() if not name.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    own |= {"HF_HUB_ETAG_TIMEOUT": "300", "HF_HUB_DOWNLOAD_TIMEOUT": "300", "no_proxy": "127.0.0.1"}
    return kept | own | {"NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | variables


def fetch(hub: Hub, home: Path, *named: str, before: str = "", **variables: str) -> list[tuple[str, str]]:
    """Error (class and sentence) or ("", folder) of each name, by a new process."""
    command = [sys.executable, "-c", before + FETCH, *named]
    done = subprocess.run(command, env=within(hub, home, **variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_three_files_of_one_revision_are_fetched_once(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    commit = hub.add("owner/name", "main", files)
    ((error, place),) = fetch(hub, tmp_path, "hf://owner/name")
    assert not error, place
    assert sorted(path.name for path in Path(place).iterdir()) == sorted(FILES)
    assert all((Path(place) / name).read_bytes() == files[name] for name in FILES)
    assert read_weights(Path(place)).tensors["sep"].equal(content().tensors["sep"])
    asked = {line.partition(" ")[2] for line in hub.log}
    assert asked == {
        f"/owner/name/resolve/{at}/{name}" for name, at in zip(FILES, ("main", commit, commit), strict=True)
    }
    hub.log.clear()
    assert fetch(hub, tmp_path, "hf://owner/name", f"hf://owner/name@{commit}") == [("", place)] * 2
    assert not [line for line in hub.log if line.startswith("GET")]


def test_what_was_fetched_is_there_offline_and_nothing_else(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    hub.add("owner/name", "main", files)
    (there,) = fetch(hub, tmp_path, "hf://owner/name")
    hub.log.clear()
    found, other = fetch(hub, tmp_path, "hf://owner/name", "hf://owner/other", HF_HUB_OFFLINE="1")
    assert found == there and not hub.log
    assert other[0] == "WeightsError"
    assert other[1].startswith("weights=hf://owner/other cannot be fetched: config.json is not in the cache, and the")


def test_a_revision_is_another_folder(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    config = json.loads(files["config.json"]) | {"step": 8}
    hub.add("owner/name", "main", files)
    hub.add("owner/name", "v2", files | {"config.json": json.dumps(config).encode()})
    (_, first), (_, second) = fetch(hub, tmp_path, "hf://owner/name", "hf://owner/name@v2")
    assert [read_weights(Path(place)).step for place in (first, second)] == [7, 8]


def test_what_cannot_be_had_is_one_sentence(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    hub.add("owner/name", "main", files)
    hub.add("owner/gated", "main", files)
    hub.gated.add("owner/gated")
    hub.add("owner/photos", "main", {"photo.png": b"?"})
    hub.add("owner/half", "main", {"config.json": files["config.json"]})
    hub.add("owner/llama", "main", files | {"config.json": b'{"model_type": "llama"}'})
    expected = {
        "hf://owner/none": "there is no such repository, or it is private",
        "hf://owner/name@v9": "there is no such revision",
        "hf://owner/gated": "access must be asked for on its page",
        "hf://owner/photos": "it has no config.json, which a pretrained folder has",
        "hf://owner/half": "it has no model.safetensors",
        "hf://owner/llama": "is of the model type 'llama', allowed: vall_e",
        "hf://name": "is no place on the hub, allowed: hf://owner/name or hf://owner/name@revision",
        "hf://owner/name/file": "is no place on the hub",
        "hf://owner/name@": "is no place on the hub",
        "hf://../..": "cannot be fetched: config.json: ",
    }
    for told, words in zip(fetch(hub, tmp_path, *expected), expected.values(), strict=True):
        assert told[0] == "WeightsError" and words in told[1] and "\n" not in told[1], told
    assert not [line for line in hub.log if "llama" in line and "model.safetensors" in line], "it is looked at first"


def test_without_the_package_the_extra_is_named(hub: Hub, tmp_path: Path) -> None:
    absent = "import sys\nsys.modules['huggingface_hub'] = None\n"
    (told,) = fetch(hub, tmp_path, "hf://owner/name", before=absent)
    expected = "weights=hf://owner/name needs the package 'huggingface_hub': pip install 'vall_e[hub]'"
    assert told == ("MissingExtra", expected)


SPEAK_AND_EXPORT = """
import sys
from vall_e.__main__ import main
from vall_e.config.export import ExportConfig
from vall_e.engines.export import export
export(ExportConfig(weights=sys.argv[1], folder="out", dtype="float16"))
settings = "inference.phonemes=true", "inference.max_duration=8"
sys.argv[1:] = "həloʊ", "", "out.wav", f"weights={sys.argv[1]}", *settings
main()
"""


def test_apps_take_weights_from_the_hub(hub: Hub, speech: Path, tmp_path: Path) -> None:
    one = engine(small(speech))
    one.write_weights(tmp_path / "w.safetensors", one.weights(), 5)
    folder = save_pretrained(tmp_path / "mine", read_weights(tmp_path / "w.safetensors"))
    hub.add("owner/name", "v1", {path.name: path.read_bytes() for path in folder.iterdir()})
    command = [sys.executable, "-c", SPEAK_AND_EXPORT, "hf://owner/name@v1"]
    environment = within(hub, tmp_path / "home")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("out.wav: "), done.stderr
    assert read_weights(tmp_path / "out/fp32.safetensors").tensors["sep"].dtype is torch.float16


def test_what_comes_from_the_hub_is_not_exported_into_its_cache() -> None:
    (problem,) = ExportConfig(weights="hf://owner/name").problems()
    assert problem == "folder=null is where weights=hf://owner/name lie, which is a cache: give another folder"
    assert not list(ExportConfig(weights="hf://owner/name", folder="out").problems())
