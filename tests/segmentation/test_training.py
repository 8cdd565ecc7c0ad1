"""The training loop: the loss by hand, resuming after a kill, and what must stop it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medweave.config import Consistency
from medweave.errors import InputError, RunError
from medweave.segmentation import training
from medweave.segmentation.networks import Architecture, architecture_of, build_network, pretrained_or_random
from medweave.segmentation.training import Plan, train
from tests.segmentation.conftest import make_discs

PLAN = Plan("test", 6, (3, 6), seed=5)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


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

    ended = train(architecture, discs, recipe, compute, PLAN, tmp_path / "killed")
    assert steps == 5 + 2  # nothing is left to train
    assert all(same(whole.networks[step], ended.networks[step]) for step in (3, 6))
    assert ended.losses == whole.losses and ended.encoder_weights == whole.encoder_weights


def test_the_seed_decides_the_weights(tmp_path, recipe, compute, discs):
    architecture = architecture_of(recipe, 1)
    one, two, other = (
        train(architecture, discs, recipe, compute, replace(PLAN, seed=seed, snapshots=(2,)), tmp_path / name)
        for name, seed in (("one", 1), ("two", 1), ("other", 2))
    )
    assert same(one.networks[2], two.networks[2])
    assert not same(one.networks[2], other.networks[2])


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 10])
def test_a_training_may_be_as_short_as_one_step(tmp_path, recipe, compute, discs, steps):
    plan = Plan("short", steps, (steps,), seed=5)
    trained = train(architecture_of(recipe, 1), discs, recipe, compute, plan, tmp_path)
    assert [step for step, _ in trained.losses] == [steps]
    assert all(torch.isfinite(value).all() for value in trained.networks[steps].state_dict().values())


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


def test_the_first_network_of_a_process_starts_like_the_next(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    architecture = Architecture("Unet", "tu-resnet10t", (8, 8, 8, 8, 16), 1)  # asked for in no other test
    first, second = (_started(architecture) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def _started(architecture):
    torch.manual_seed(3)
    return pretrained_or_random(architecture, "imagenet")[0].state_dict()


@pytest.mark.parametrize("name", ["Unet", "UnetPlusPlus", "FPN"])
def test_networks_give_logits_of_the_input_size(name, recipe):
    settings = recipe.model_copy(update={"architecture": name})
    network = build_network(architecture_of(settings, 3)).eval()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 3, 64, 64)


def test_a_label_of_weight_nothing_teaches_nothing(tmp_path, recipe, compute):
    recipe = recipe.model_copy(update={"consistency": Consistency(weight=0.0)})
    architecture, plan = architecture_of(recipe, 1), replace(PLAN, snapshots=(3,))
    data = make_discs(8, gold=4)
    data.weights[4:] = 0
    wrong = replace(data, masks=np.where(data.gold[:, None, None], data.masks, 1 - data.masks))
    believed = replace(wrong, weights=np.ones(8, np.float32))
    one, two, other = (
        train(architecture, them, recipe, compute, plan, tmp_path / name).networks[3]
        for name, them in (("right", data), ("wrong", wrong), ("believed", believed))
    )
    assert same(one, two)
    assert not same(one, other)


def test_images_without_labels_teach_through_the_teacher(tmp_path, recipe, compute):
    """The loss has the teacher's part; a weight so small that it cannot matter gives the loss without it."""
    architecture, plan = architecture_of(recipe, 1), replace(PLAN, snapshots=(3,))
    data = make_discs(8, gold=4)
    data.weights[4:] = 0
    networks = [
        train(
            architecture,
            data,
            recipe.model_copy(update={"consistency": Consistency(weight=weight, confidence=0.5, ramp=0.0)}),
            compute,
            plan,
            tmp_path / name,
        ).networks[3]
        for name, weight in (("none", 0.0), ("all", 1.0), ("again", 1.0))
    ]
    assert not same(networks[0], networks[1])
    assert same(networks[1], networks[2])


def test_a_held_out_group_is_never_drawn():
    data = make_discs(8, gold=4).without({"g0", "g5"})
    drawn = {int(index) for k in range(50) for index in data.draw(4, 0.5, np.random.default_rng(k))}
    assert drawn == {1, 2, 3, 4, 6, 7}


def test_few_other_labels_come_up_no_more_often_than_gold_ones():
    data = make_discs(20, gold=15)  # 5 of 20 are others: a quarter of 8 are 2
    drawn = data.draw(8, 0.5, np.random.default_rng(0))
    assert data.gold[drawn].sum() == 6


def test_a_batch_has_its_share_of_gold():
    data = make_discs(20, gold=5)
    drawn = data.draw(8, 0.5, np.random.default_rng(0))
    assert data.gold[drawn].sum() == 4
    assert len(set(drawn)) == 8
    assert len(make_discs(3).draw(8, 0.5, np.random.default_rng(0))) == 8
    assert make_discs(6, gold=0).draw(4, 0.5, np.random.default_rng(0)).shape == (4,)
