"""What a generator learns from, and the batches drawn from it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from medweave.data import MaskRef, write_table
from medweave.data.masks import encode_mask
from medweave.errors import InputError
from medweave.synthesis.training_images import TrainingImages, collect_images


def test_all_real_images_at_twice_the_size_and_the_masks_that_are_known(rows, make_settings, tmp_path):
    more = [
        replace(rows[0], image_id="weak", label_source="weak", decision="accept"),
        replace(rows[1], image_id="unsure", label_source="weak", decision="review"),
        replace(rows[2], image_id="made", label_source="synthetic", decision="accept"),
    ]
    table = write_table(tmp_path / "table", [*rows, *more])
    data = collect_images([table], make_settings(), tmp_path / "learn")
    assert data.images.shape == (12, 32, 32, 1)
    assert data.known.tolist() == [True] * 5 + [False] * 5 + [True, False]
    assert (data.masks[0] == data.masks[10]).all() and data.masks[0].any() and not data.masks[11].any()


def test_colour_is_kept_where_most_images_have_some(rows, make_settings, tmp_path):
    paint = []
    for number, row in enumerate(rows):
        image = np.zeros((40, 40, 3), np.uint8)
        image[..., 2] = 200 if number < 6 else 0
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), image)
        paint.append(replace(row, image_uri=str(path)))
    table = write_table(tmp_path / "table", paint)
    coloured = collect_images([table], make_settings(), tmp_path / "a")
    assert coloured.channels == 3 and coloured.images[0, 0, 0].tolist() == [200, 0, 0]
    gray = collect_images([table], make_settings(colour="gray"), tmp_path / "b")
    assert gray.channels == 1 and gray.images[0, 0, 0].tolist() == [60]  # 0.299 x 200
    table = write_table(tmp_path / "fewer", paint[3:] + paint[6:])
    assert collect_images([table], make_settings(), tmp_path / "c").channels == 1
    assert collect_images([table], make_settings(colour="rgb"), tmp_path / "d").channels == 3


def test_a_batch_moves_image_and_mask_together_and_has_half_its_masks_known(make_settings):
    masks = np.zeros((20, 32, 32), np.uint8)
    masks[:, 4:14, 2:14] = 1
    known = np.arange(20) < 4
    data = TrainingImages((masks * 200)[..., None], masks, known)
    settings = make_settings(batch_size=8).synthesis
    images, found, sure = data.draw(settings, np.random.default_rng(0))
    assert images.shape == (8, 16, 16, 1) and found.shape == (8, 16, 16)
    assert sure.sum() == 4
    assert len({image.tobytes() for image in images}) > 1
    inside = images[..., 0] > 150
    assert np.mean(inside == (found == 1)) > 0.97


def test_the_whole_image_is_drawn_without_crops_and_flips(make_settings):
    image = np.arange(1024, dtype=np.uint8).reshape(1, 32, 32, 1)
    data = TrainingImages(image, image[..., 0], np.array([False]))
    drawn, _, _ = data.draw(make_settings(crop=0.0, flip=False).synthesis, np.random.default_rng(0))
    expected = image.reshape(16, 2, 16, 2).astype(float).mean(axis=(1, 3))
    assert np.abs(drawn[0, ..., 0] - expected).max() <= 1


def test_seven_images_are_too_few(rows, make_settings, tmp_path):
    table = write_table(tmp_path / "table", rows[:7])
    with pytest.raises(InputError, match=r"7 images are too few.*8 at least"):
        collect_images([table], make_settings(), tmp_path / "learn")


def test_masks_that_are_all_empty(rows, make_settings, tmp_path):
    empty = MaskRef(png=encode_mask(np.zeros((40, 40), np.uint8)))
    table = write_table(tmp_path / "table", [replace(row, mask=empty) if row.mask else row for row in rows])
    with pytest.raises(InputError, match=r"no known mask has a foreground.*synthesis\.conditional=false"):
        collect_images([table], make_settings(), tmp_path / "learn")
    assert not collect_images([table], make_settings(conditional=False), tmp_path / "learn").known.any()
