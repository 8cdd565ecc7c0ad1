"""What a batch shows and says of its pixels, and how images are mixed."""

from dataclasses import fields, replace

import numpy as np
import torch

from medweave.config import Augmentation
from medweave.segmentation.augmentation import Augmenter
from medweave.segmentation.views import Views, cutmix, moved_views
from tests.segmentation.conftest import make_discs

STILL = Augmentation(rotation=0.0, scale=(1.0, 1.0), translation=0.0, flip_horizontal=False)


def batch():
    """A gold image, a weak label, a synthetic one, and an image without a trusted label."""
    discs = make_discs(4, gold=1)
    sources = ("gold", "weak", "synthetic", "none")
    rows = tuple(replace(row, label_source=source) for row, source in zip(discs.rows, sources, strict=True))
    coarse = np.full_like(discs.coarse, 51)  # a fifth everywhere
    return replace(discs, rows=rows, coarse=coarse, weights=np.array([1, 0.6, 0.7, 0], np.float32))


def test_who_says_what_a_pixel_is():
    views = moved_views(batch(), Augmenter(STILL), soft=0.5, self_training=0.25)
    labels = torch.from_numpy(batch().masks).float()
    expected = torch.stack([labels[0], (labels[1] + 0.2) / 2, labels[2], torch.full_like(labels[3], 0.2)])
    torch.testing.assert_close(views.targets[:, 0], expected, atol=2 / 255, rtol=0)
    assert np.allclose(views.trust[:, 0, 0], [1, 0.6, 0.7, 0.25])
    assert views.expert[:, 3, 5].tolist() == [True, False, False, False]
    blind = replace(batch(), coarse=np.zeros_like(batch().coarse))
    assert moved_views(blind, Augmenter(STILL), 0.5, 1.0).trust[3].sum() == 0
    assert not views.taught.any() and not views.sure.any()


def test_a_class_map_becomes_one_map_a_class():
    discs = make_discs(1)
    masks = np.zeros((1, 32, 32), np.uint8)
    masks[0, 0, :3] = 0, 1, 2
    found = replace(discs, masks=masks, coarse=np.zeros((1, 2, 32, 32), np.uint8)).targets(0.5)
    assert found.dtype == np.uint8 and found[0, :, 0, :3].tolist() == [[0, 255, 0], [0, 0, 255]]


def numbered(count: int, size: int = 16) -> Views:
    """All maps of image k are filled with k."""
    maps = torch.arange(count)[:, None, None].expand(count, size, size)
    one = maps[:, None].float()
    return Views(one.expand(-1, 3, -1, -1).to(torch.uint8), one, maps.float(), maps, one, maps.float())


def test_a_box_of_another_image_replaces_the_same_place_in_all_maps():
    torch.manual_seed(0)
    mixed = cutmix(numbered(6), 1.0)
    found = 0
    for index in range(6):
        replaced = mixed.trust[index] != index
        if not replaced.any():
            continue  # mixed with itself
        found += 1
        rows, columns = replaced.any(dim=1), replaced.any(dim=0)
        assert torch.equal(replaced, rows[:, None] & columns[None])  # one box
        assert 0.05 < replaced.float().mean() < 0.6
        assert len(mixed.trust[index][replaced].unique()) == 1
        for name in (field.name for field in fields(Views)):
            maps = getattr(mixed, name)[index]
            assert torch.equal((maps[0] if maps.dim() == 3 else maps).float(), mixed.trust[index])
    assert found >= 4


def test_a_share_of_nothing_mixes_nothing_and_the_seed_repeats():
    assert torch.equal(cutmix(numbered(4), 0.0).trust, numbered(4).trust)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(cutmix(numbered(4), 1.0).trust)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
