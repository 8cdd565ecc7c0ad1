import cv2
import numpy as np
import pytest

from medweave.compact.scenes import scenes
from medweave.compact.scenes.scenes import LOOKS, make_scene
from medweave.compact.scenes.shapes import FAMILIES, draw_shape, fill, one_piece, place, smooth


def test_a_scene_is_its_seed():
    first, again, other = make_scene((3, 5), 96), make_scene((3, 5), 96), make_scene((3, 6), 96)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_draws_objects_in_one_piece_that_can_be_seen(look, monkeypatch):
    monkeypatch.setattr(scenes, "LOOKS", {look: LOOKS[look]})
    told = []
    for number in range(12):
        scene = make_scene((1, number), 128)
        assert scene.image.shape == (128, 128, 3) and scene.image.dtype == np.uint8
        assert scene.masks.shape[1:] == (128, 128) and set(np.unique(scene.masks)) <= {0, 1}
        assert scene.image.std() > 2
        for mask in scene.masks:
            assert cv2.connectedComponents(mask, connectivity=8)[0] == 2
            ring = (cv2.dilate(mask, np.ones((15, 15), np.uint8)) > 0) & (mask == 0)
            inside, around = (scene.image[where > 0].astype(float) for where in (mask, ring))
            apart = [np.abs(measure(inside, axis=0) - measure(around, axis=0)).max() for measure in (np.mean, np.std)]
            told.append(sum(apart) > 0.1 * scene.image.std())
    assert np.mean(told) > 0.8


def test_filled_outlines_have_the_area_of_what_they_draw():
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    ellipse = np.stack([np.cos(angles), 0.5 * np.sin(angles)], axis=1)
    mask = fill(place(ellipse, (60.0, 50.0), 40.0, np.pi / 2), 128)
    assert mask.sum() == pytest.approx(np.pi * 40 * 20, rel=0.05)
    rows, columns = np.nonzero(mask)
    assert (columns.mean(), rows.mean()) == pytest.approx((59.5, 49.5), abs=0.6)
    assert np.ptp(rows) == pytest.approx(80, abs=2) and np.ptp(columns) == pytest.approx(40, abs=2)


def test_cutting_corners_shrinks_a_square_to_five_sixths():
    corners = smooth(np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]), rounds=7)
    x, y = corners.T
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    assert area == pytest.approx(5 / 6, abs=1e-3)


def test_shapes_of_every_family_keep_to_their_radius():
    for number, family in enumerate(FAMILIES):
        outline = family(np.random.default_rng(number))
        assert outline.shape[1] == 2 and np.isfinite(outline).all()
    for number in range(40):
        mask = draw_shape(np.random.default_rng(number), 128, (64.0, 64.0), 30.0)
        _, _, width, height = cv2.boundingRect(one_piece(mask))
        assert max(width, height) < 1.7 * 60


def test_the_largest_of_several_pieces_is_kept():
    mask = np.zeros((8, 8), np.uint8)
    mask[0, :3] = mask[4:6, 4:7] = 1
    kept = one_piece(mask)
    assert kept.sum() == 6 and kept[4, 4] and not kept[0, 0]
