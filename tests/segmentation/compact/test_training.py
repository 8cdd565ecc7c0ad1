import numpy as np
import pytest
import torch

from medweave.compact.scenes import make_scene
from medweave.compact.training import Recipe, train
from medweave.compact.weights import load_state
from medweave.segmentation.compact.training import SCENES, SIDES, Unprompted


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def recipe(work, **changed):
    tiny = {"steps": 3, "batch": 2, "side": 64, "decay": 2, "workers": 0, "threads": 1, "every": 1, "held_out": 1}
    return Recipe(work, **{**tiny, **changed})


def test_it_starts_from_the_promptable_models_weights(tmp_path):
    state, _ = load_state("compact")
    started = Unprompted().build(recipe(tmp_path)).state_dict()
    torch.testing.assert_close(started["encoder.fine.weight"], state["image_encoder.fine.weight"], rtol=0, atol=0)
    torch.testing.assert_close(started["coarse.weight"], state["mask_decoder.coarse.weight"], rtol=0, atol=0)
    shared = [name for name in started if f"image_encoder.{name.removeprefix('encoder.')}" in state]
    assert len(shared) == sum(name.startswith("image_encoder.") for name in state)


def test_a_batch_shows_all_objects_of_its_scenes_at_changing_sizes(tmp_path):
    settings = recipe(tmp_path, side=96)
    batches = Unprompted().batches(settings)
    for index, more in enumerate(SIDES):
        images, masks = batches[index]
        assert images.shape == (2, 3, 96 + more, 96 + more)
        assert masks.shape == (2, 96 + more, 96 + more)
    scene = make_scene((0, SCENES, 0, 1))
    assert masks.max() == 1
    area = batches[0][1][1].float().mean().item()
    assert area == pytest.approx(np.any(scene.masks, axis=0).mean(), abs=0.02)


def test_a_run_learns_and_goes_on_where_it_stopped(tmp_path):
    whole = train(Unprompted(), recipe(tmp_path / "whole"))
    train(Unprompted(), recipe(tmp_path / "parts", steps=1, decay=1))
    later = Unprompted().measure(whole.averaged, Unprompted().held_out(recipe(tmp_path)), recipe(tmp_path))
    assert 0 <= later["all objects"] <= 1
    resumed = train(Unprompted(), recipe(tmp_path / "parts"))
    assert (whole.step, resumed.step) == (3, 3)
    for one, other in zip(whole.averaged.parameters(), resumed.averaged.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    start = Unprompted().build(recipe(tmp_path))
    assert any(not torch.equal(a, b) for a, b in zip(start.parameters(), whole.model.parameters(), strict=True))
