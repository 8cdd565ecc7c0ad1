import numpy as np
import pytest
import torch

from medweave.compact.training import Recipe, Training, program, train
from medweave.compact.weights import read_card
from medweave.labeling.compact.training import DEFAULTS, Prompted, mask_loss
from medweave.labeling.compact.weights import NAME, load_model


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_loss_by_hand():
    targets = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    logits = torch.tensor([[[0.0, 0.0], [-100.0, -100.0]]], requires_grad=True)
    loss = mask_loss(logits, torch.tensor([0.5]), targets)
    cross_entropy = 2 * np.log(2) / 4
    dice = (2 * 0.5 + 1) / (1 + 1 + 1)
    assert loss.item() == pytest.approx(cross_entropy + (1 - dice) + (0.5 - 0.0) ** 2, rel=1e-5)
    right = torch.tensor([[[100.0, -100.0], [-100.0, -100.0]]])
    assert mask_loss(right, torch.tensor([1.0]), targets).item() == pytest.approx(0, abs=1e-6)


def test_a_killed_and_resumed_run_equals_an_unbroken_one(tmp_path, monkeypatch):
    tiny = {"steps": 5, "batch": 2, "side": 32, "decay": 2, "workers": 0, "threads": 1, "every": 2, "held_out": 1}
    unbroken = train(Prompted(), Recipe(tmp_path / "unbroken", **tiny))

    update = Training.update
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "update", lambda self, batch: update(self, batch) if self.step < 3 else _interrupt())
        train(Prompted(), Recipe(tmp_path / "broken", **tiny))
    resumed = train(Prompted(), Recipe(tmp_path / "broken", **tiny))

    assert resumed.step == unbroken.step == 5
    for one, other in zip(unbroken.averaged.parameters(), resumed.averaged.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert [stage["until_step"] for stage in resumed.stages] == [5]


def test_the_program_goes_on_at_another_side_and_exports(tmp_path, monkeypatch):
    tiny = {"batch": 2, "decay": 1, "workers": 0, "threads": 1, "every": 1, "held_out": 1}
    first = train(Prompted(), Recipe(tmp_path / "work", steps=1, side=32, **tiny))
    options = [f"--{name}={value}" for name, value in {"steps": 2, "side": 64, **tiny}.items()]
    places = ["--work", str(tmp_path / "work"), "--export", str(tmp_path / "weights")]
    monkeypatch.setattr("sys.argv", ["training", *places, *options])
    program(Prompted(), DEFAULTS, "")

    card = read_card(NAME, tmp_path / "weights")
    assert [(stage["side"], stage["until_step"]) for stage in card["stages"]] == [(32, 1), (64, 2)]
    assert set(card["held_out_dice"]) == {"box", "points", "both"}
    exported, _ = load_model(tmp_path / "weights")
    changed = zip(first.averaged.parameters(), exported.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in changed)


def _interrupt():
    raise KeyboardInterrupt
