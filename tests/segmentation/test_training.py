"""The training loop: the loss by hand, resuming after a kill, and what must stop it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from medweave.errors import InputError, RunError
from medweave.segmentation import training
from medweave.segmentation.networks import Architecture, architecture_of, build_network, pretrained_or_random
from medweave.segmentation.training import Plan, segmentation_loss, train

PLAN = Plan("test", 6, (3, 6), seed=5)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_loss_of_an_undecided_network_by_hand():
    # p = 1/2 everywhere: cross-entropy is ln 2. Soft Dice of a half-covered mask is 2*(8*.5)/(16*.5+8) = 1/2.
    masks = torch.zeros(1, 4, 4, dtype=torch.uint8)
    masks[:, :2] = 1
    loss = segmentation_loss(torch.zeros(1, 1, 4, 4), masks, torch.ones(1))
    assert loss.item() == pytest.approx(math.log(2) + 0.5, abs=1e-4)


def test_loss_of_a_sure_and_right_network_is_nothing_for_several_classes():
    masks = torch.tensor([[[0, 1], [2, 2]]], dtype=torch.uint8)
    logits = torch.tensor([[[[-40.0, 40], [-40, -40]], [[-40.0, -40], [40, 40]]]])
    assert segmentation_loss(logits, masks, torch.ones(1)).item() == pytest.approx(0.0, abs=1e-4)


def test_loss_is_the_weighted_mean_over_images():
    masks = torch.zeros(2, 4, 4, dtype=torch.uint8)
    masks[:, :2] = 1
    right = torch.where(masks[:1] > 0, 40.0, -40.0)[:, None]
    logits = torch.cat([right, torch.zeros(1, 1, 4, 4)])
    undecided = math.log(2) + 0.5
    assert segmentation_loss(logits, masks, torch.tensor([3.0, 1.0])).item() == pytest.approx(undecided / 4, abs=1e-3)
    assert segmentation_loss(logits, masks, torch.tensor([1.0, 0.0])).item() == pytest.approx(0.0, abs=1e-3)


def test_a_killed_training_resumes_and_ends_with_the_same_weights(tmp_path, monkeypatch, recipe, compute, discs):
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)
    architecture = architecture_of(recipe, 1)
    whole = train(architecture, discs, recipe, compute, PLAN, tmp_path / "whole")

    steps = 0
    real_step = training._step

    def killed_in_fifth_step(*arguments):
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt
        return real_step(*arguments)

    monkeypatch.setattr(training, "_step", killed_in_fifth_step)
    with pytest.raises(KeyboardInterrupt):
        train(architecture, discs, recipe, compute, PLAN, tmp_path / "killed")
    resumed = train(architecture, discs, recipe, compute, PLAN, tmp_path / "killed")

    assert steps == 5 + 2  # step 5 again from the checkpoint after step 4, and step 6
    assert all(same(whole.networks[step], resumed.networks[step]) for step in (3, 6))
    assert not same(whole.networks[3], whole.networks[6])
    assert resumed.losses == whole.losses


def test_the_seed_decides_the_weights(tmp_path, recipe, compute, discs):
    architecture = architecture_of(recipe, 1)
    one, two, other = (
        train(architecture, discs, recipe, compute, replace(PLAN, seed=seed, snapshots=(2,)), tmp_path / name)
        for name, seed in (("one", 1), ("two", 1), ("other", 2))
    )
    assert same(one.networks[2], two.networks[2])
    assert not same(one.networks[2], other.networks[2])


def test_the_loss_falls(tmp_path, recipe, compute, discs):
    recipe = recipe.model_copy(update={"learning_rate": 5e-3})
    result = train(architecture_of(recipe, 1), discs, recipe, compute, Plan("t", 60, (60,), 0), tmp_path)
    losses = [loss for _, loss in result.losses]
    assert losses[-1] < 0.6 * losses[0]


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path, recipe, compute, discs):
    broken = recipe.model_copy(update={"learning_rate": 1e30, "clip_norm": 1e30})
    with pytest.raises(RunError, match=r"not finite at step \d+; lower segmentation.learning_rate"):
        train(architecture_of(recipe, 1), discs, broken, compute, PLAN, tmp_path)


def test_an_unknown_encoder_names_the_nearest():
    with pytest.raises(InputError, match="unknown encoder 'resnet81'; did you mean 'resnet18'"):
        build_network(Architecture("Unet", "resnet81", None, 1))


def test_pretrained_weights_that_cannot_be_fetched_are_replaced_and_this_is_recorded(monkeypatch, recipe):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    architecture = Architecture("Unet", "tu-resnet10t", (8, 8, 8, 8, 8), 1)
    network, origin = pretrained_or_random(architecture, "imagenet")
    assert origin == "random (imagenet could not be fetched)"
    assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)
    assert pretrained_or_random(architecture, None)[1] == "random"


@pytest.mark.parametrize("name", ["Unet", "UnetPlusPlus", "FPN"])
def test_networks_give_logits_of_the_input_size(name, recipe):
    settings = recipe.model_copy(update={"architecture": name})
    network = build_network(architecture_of(settings, 3)).eval()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 3, 64, 64)


def test_a_batch_has_its_share_of_gold():
    from tests.segmentation.conftest import make_discs

    data = make_discs(20, gold=5)
    drawn = data.draw(8, 0.5, np.random.default_rng(0))
    assert data.gold[drawn].sum() == 4
    assert len(set(drawn)) == 8
    assert len(make_discs(3).draw(8, 0.5, np.random.default_rng(0))) == 8
    assert make_discs(6, gold=0).draw(4, 0.5, np.random.default_rng(0)).shape == (4,)
