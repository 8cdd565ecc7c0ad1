"""A segmenter: saved and read, damaged, averaged over flips and members, at any image size."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from medweave.config import Compute
from medweave.errors import InputError
from medweave.segmentation.networks import Architecture, build_network
from medweave.segmentation.segmenter import Card, Segmenter, mask_dice

ARCHITECTURE = Architecture("Unet", "resnet18", (8, 8, 8, 8, 8), 2)
CPU = Compute(device="cpu", precision="fp32")


def make_segmenter(members: int = 2, **card) -> Segmenter:
    torch.manual_seed(0)
    settings = {"flips": (3,), "training": {"folds": {"a": 1}, "losses": {}}, **card}
    networks = [build_network(ARCHITECTURE) for _ in range(members)]
    return Segmenter(Card(ARCHITECTURE, ("left", "right"), 32, "random", (9, 9), **settings), networks, CPU)


class Ramp(nn.Module):
    """Its logit is the input's first channel: it sees flips."""

    def forward(self, images):
        return images[:, :1]


def test_a_saved_segmenter_predicts_the_same(tmp_path):
    segmenter = make_segmenter()
    segmenter.save(tmp_path / "model")
    again = Segmenter.load(tmp_path / "model", CPU)
    images = [np.random.default_rng(k).integers(0, 255, (40 + k, 50, 3), dtype=np.uint8) for k in range(3)]
    assert again.card == segmenter.card
    assert again.digest == segmenter.digest
    np.testing.assert_array_equal(again.probabilities(images), segmenter.probabilities(images))
    assert again.unseen_member("a") == 1
    assert again.unseen_member("b") is None


def test_the_digest_tells_what_the_same_weights_are_used_for():
    digests = {make_segmenter(1, **card).digest for card in ({}, {"flips": ()}, {"training": {"folds": {"b": 0}}})}
    assert len(digests) == 3
    assert make_segmenter(1).digest in digests


def test_a_segmenter_computes_in_the_precision_it_is_told():
    full = make_segmenter(1)
    half = full.on(Compute(device="cpu", precision="bf16"))
    image = np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    apart = np.abs(half.probabilities([image]) - full.probabilities([image])).max()
    assert 0 < apart < 0.05
    assert half.digest == full.digest
    np.testing.assert_array_equal(half.on(CPU).probabilities([image]), full.probabilities([image]))


def test_members_are_averaged():
    segmenter = make_segmenter()
    images = [np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)]
    each = [segmenter.probabilities(images, member) for member in (0, 1)]
    assert np.abs(each[0] - each[1]).max() > 0.01
    np.testing.assert_allclose(segmenter.probabilities(images), (each[0] + each[1]) / 2, atol=1e-6)


def test_flips_are_undone():
    card = Card(Architecture("Unet", "resnet18", None, 1), ("x",), 32, "random", (9,), flips=(2, 3))
    image = np.zeros((32, 32, 3), np.uint8)
    image[:16, :8] = 255
    plain = Segmenter(Card(card.architecture, ("x",), 32, "random", (9,)), [Ramp()], CPU).probabilities([image])
    np.testing.assert_allclose(Segmenter(card, [Ramp()], CPU).probabilities([image]), plain, atol=1e-6)


class Column(nn.Module):
    """Sees the left eight columns whatever the image."""

    def forward(self, images):
        return torch.where(torch.arange(32) < 8, 1.0, -1.0).expand(len(images), 1, 32, 32)


def test_flips_that_agree_and_flips_that_do_not():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :8] = 255
    card = Card(Architecture("Unet", "resnet18", None, 1), ("x",), 32, "random", (9,), (3,))
    assert Segmenter(replace(card, flips=()), [Ramp()], CPU).predict([image]).flip_agreement is None
    assert Segmenter(card, [Ramp()], CPU).predict([image, 0 * image]).flip_agreement == pytest.approx([1, 1])
    # columns: flipped they are the right eight, and the mean (logits 1 and -1 on either side) is 0.5 there: no mask
    assert Segmenter(card, [Column()], CPU).predict([image]).flip_agreement == pytest.approx([0])
    # the mean of three views, two of them alike: the left eight; Dice 1, 1 and 0
    assert Segmenter(replace(card, flips=(2, 3)), [Column()], CPU).predict([image]).flip_agreement == pytest.approx(
        [2 / 3]
    )
    # a member that agrees with itself and one that does not
    both = Segmenter(replace(card, flips=(2, 3)), [Ramp(), Column()], CPU)
    assert both.predict([image]).flip_agreement == pytest.approx([5 / 6])
    assert both.predict([image], 0).flip_agreement == pytest.approx([1])


def test_dice_of_masks_is_the_mean_over_the_classes_that_are_there():
    first, second = torch.zeros(3, 2, 4, 4, dtype=torch.bool), torch.zeros(3, 2, 4, 4, dtype=torch.bool)
    first[0, 0, :2], second[0, 0, 1:3] = True, True  # 8 and 8 pixels, 4 shared; class 2 is in neither
    first[1, 1, 0] = True  # only in one
    second[1, 0] = first[1, 0] = True
    assert mask_dice(first, second).tolist() == pytest.approx([0.5, 0.5, 1])


def test_masks_come_at_the_images_own_sizes():
    sizes = [(20, 31), (64, 48), (1, 5)]
    images = (np.zeros((*size, 3), np.uint8) for size in sizes)
    assert [mask.shape for mask in make_segmenter(1).predict_masks(images)] == sizes


def test_no_image_no_mask():
    assert list(make_segmenter(1).predict_masks([])) == []


def test_a_missing_folder_and_a_broken_card_are_named(tmp_path):
    with pytest.raises(InputError, match="no segmenter here"):
        Segmenter.load(tmp_path)
    (tmp_path / "card.json").write_text('{"format": 1}')
    with pytest.raises(InputError, match="not a segmenter's card"):
        Segmenter.load(tmp_path)


def test_damaged_weights_are_refused(tmp_path):
    make_segmenter(1).save(tmp_path)
    weights = tmp_path / "member-0.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"member-0\.safetensors: the weights are not the ones of the card"):
        Segmenter.load(tmp_path)


def test_weights_of_another_architecture_are_refused(tmp_path):
    make_segmenter(1).save(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    card["architecture"]["encoder"] = "resnet34"
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="another architecture than Unet with resnet34"):
        Segmenter.load(tmp_path)
