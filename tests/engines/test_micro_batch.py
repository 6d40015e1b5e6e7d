"""From samples of a dataset to what the model is shown."""

from __future__ import annotations

import pytest
import torch

from tests.data.sounds import OPEN_CODEC, open_sounds, write_sounds
from tests.models.tiny import tiny_config, tiny_model
from vall_e.config.dataset import TASKS
from vall_e.engines.micro_batch import MicroBatch, draw_micro_batch
from vall_e.models.vall_e import VallE


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> MicroBatch:
    """Real speech, a sample of every task."""
    path = tmp_path_factory.mktemp("sounds") / "sounds.h5"
    write_sounds(path, OPEN_CODEC())
    dataset = open_sounds(path, tasks_list=list(TASKS))
    samples = [dataset.sample(index, 0, task) for index, task in enumerate(TASKS)]
    return draw_micro_batch(tiny_config(capabilities=["ar", "nar", "len"]), samples, 1.0, (0, 1))


def test_a_step_trains_every_task_of_a_dataset_at_once(batch: MicroBatch):
    assert [one.task for one in batch.inputs] == list(TASKS)
    torch.manual_seed(0)
    model = VallE(tiny_config(capabilities=["ar", "nar", "len"]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(4):
        loss = model(batch.inputs).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.4


@torch.inference_mode()
def test_parts_of_a_batch_have_its_loss(batch: MicroBatch):
    model = tiny_model(capabilities=["ar", "nar", "len"])
    whole = model(batch.inputs).loss
    parts = sum(part.share * model(part.inputs).loss for part in batch.split(4))
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-5)
