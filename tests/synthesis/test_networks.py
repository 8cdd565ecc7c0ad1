"""Sizes of the U-Net, conditions as planes, pixels there and back."""

import pytest
import torch

from medweave.errors import InputError
from medweave.synthesis.networks import Pixels, architecture_of, build, encode_masks, widths


def test_levels_halve_down_to_twelve_pixels_or_fewer():
    assert widths(64, 32) == (32, 64, 128, 128)
    assert widths(96, 32) == (32, 64, 128, 128)
    assert widths(16, 8) == (8, 16)
    assert widths(256, 128) == (128, 256, 512, 512, 512, 512)
    assert widths(26, 8) == (8, 16)


@pytest.mark.parametrize("size", [16, 48, 80, 112])
def test_the_network_takes_planes_of_image_and_condition_and_gives_the_images(make_settings, size):
    built = build(architecture_of(make_settings(image_size=size).synthesis, 3, 2))
    said = built.network(torch.zeros(2, 3 + 3, size, size), torch.tensor([0, 999])).sample
    assert said.shape == (2, 3, size, size)


def test_free_images_have_no_condition(make_settings):
    architecture = architecture_of(make_settings(conditional=False).synthesis, 1, 2)
    assert architecture.condition_channels == 0
    assert build(architecture).network(torch.zeros(1, 1, 16, 16), torch.tensor([5])).sample.shape == (1, 1, 16, 16)


def test_a_mask_becomes_a_share_of_each_cell_and_a_plane_that_says_it_is_known():
    masks = torch.tensor([[[1, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 2], [0, 0, 2, 2]]] * 2, dtype=torch.uint8)
    planes = encode_masks(masks, torch.tensor([True, False]), classes=2, side=2)
    assert planes[0].tolist() == [[[0.75, 0.0], [0.0, 0.0]], [[0.25, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]
    assert not planes[1].any()


def test_pixels_come_back_exactly():
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    space = Pixels(1, 16)
    assert space.encode(every).min() == -1.0 and space.encode(every).max() == 1.0
    assert (space.decode(space.encode(every)) == every).all()
    assert (space.decode(torch.tensor([-7.0, 7.0])) == torch.tensor([0, 255])).all()


@pytest.mark.parametrize("kind", ["latent", "stable_diffusion"])
def test_pretrained_weights_must_be_named(make_settings, kind):
    with pytest.raises(InputError, match=rf"synthesis\.kind={kind}.*set synthesis\.pretrained"):
        build(architecture_of(make_settings(kind=kind).synthesis, 1, 1))
