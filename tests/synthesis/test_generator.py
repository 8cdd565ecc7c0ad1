"""Generators as directories."""

import json

import numpy as np
import pytest

from medweave.errors import InputError
from medweave.synthesis import Generator

SEEDS = [(0, k) for k in range(3)]


@pytest.fixture
def folder(generator, tmp_path):
    generator.save(tmp_path / "generator")
    return tmp_path / "generator"


@pytest.mark.parametrize("sampler", ["dpm_solver", "ddim", "ddpm"])
def test_a_loaded_generator_makes_the_same_images(generator, folder, make_settings, conditions, sampler):
    settings = make_settings(sampler=sampler)
    loaded = Generator.load(folder, settings.compute)
    assert loaded.digest == generator.digest and loaded.card == generator.card
    masks = np.stack([condition.mask for condition in conditions[:3]])
    images = generator.make(SEEDS, masks, settings.synthesis)
    assert images.shape == (3, 16, 16, 1) and images.dtype == np.uint8
    assert (loaded.make(SEEDS, masks, settings.synthesis) == images).all()


@pytest.mark.parametrize("sampler", ["dpm_solver", "ddpm"])
def test_an_image_does_not_depend_on_the_others_of_its_batch(generator, make_settings, conditions, sampler):
    masks, settings = np.stack([c.mask for c in conditions[:3]]), make_settings(sampler=sampler).synthesis
    together = generator.make(SEEDS, masks, settings).astype(int)
    alone = generator.make(SEEDS[2:], masks[2:], settings).astype(int)
    assert np.abs(together[2] - alone[0]).max() <= 1
    assert np.abs(together[2] - together[1]).max() > 20


def test_the_mask_matters(generator, make_settings, conditions):
    masks, settings = np.stack([c.mask for c in conditions[:2]]), make_settings().synthesis
    one, other = generator.make([(0, 0), (0, 0)], masks, settings)
    assert (one != other).any()


def test_guidance_steers_images_for_masks_and_no_others(generator, make_settings, conditions):
    weak, strong = (make_settings(guidance=value).synthesis for value in (1.0, 8.0))
    mask = conditions[0].mask[None]
    assert (generator.make([(0, 0)], mask, weak) != generator.make([(0, 0)], mask, strong)).any()
    assert (generator.make([(0, 0)], None, weak) == generator.make([(0, 0)], None, strong)).all()


def test_free_images_of_a_generator_that_knows_masks(generator, make_settings):
    assert generator.make(SEEDS, None, make_settings().synthesis).shape == (3, 16, 16, 1)


def test_a_folder_without_a_generator(tmp_path):
    with pytest.raises(InputError, match="no generator here"):
        Generator.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("card.json", b"{}", "not a generator's card"),
        ("card.json", b"half", "not a generator's card"),
        ("weights.safetensors", b"half", "not the ones of the card"),
    ],
)
def test_damaged_files_are_named(folder, name, content, said):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        Generator.load(folder)


def test_missing_weights_and_other_formats_are_told(folder):
    (folder / "weights.safetensors").rename(folder / "elsewhere")
    with pytest.raises(InputError, match="cannot be read"):
        Generator.load(folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"format": 99}))
    with pytest.raises(InputError, match="of another format"):
        Generator.load(folder)


def test_how_it_is_used_is_part_of_the_digest(generator, folder):
    card = json.loads((folder / "card.json").read_text())
    card["schedule"]["prediction_type"] = "epsilon"
    (folder / "card.json").write_text(json.dumps(card))
    assert Generator.load(folder).digest != generator.digest
