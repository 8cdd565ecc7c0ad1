import numpy as np
import pytest
import torch

from medweave.compact.scenes.scenes import Scene, make_scene
from medweave.labeling.compact.windows import Windows, draw_view, jittered, low_resolution, make_batch


@pytest.fixture(scope="module")
def drawn():
    return [make_scene((4, number), 128) for number in range(6)]


def test_a_batch_is_its_number_whatever_came_before():
    first, second = (Windows(2, batch=2, side=64, pool=8) for _ in range(2))
    for index in range(3):
        last = first[index]
    for one, other in zip(last[:-1], second[2][:-1], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_old_scenes_are_forgotten():
    windows = Windows(2, batch=2, side=64, fresh=5, pool=4)
    for index in range(4):
        windows[index]
    assert windows._scenes and min(windows._scenes) >= 15


@pytest.mark.parametrize("whole", [False, True])
def test_prompts_are_where_the_targets_are(drawn, whole):
    batch = make_batch(np.random.default_rng(0), drawn, 128, whole)
    assert batch.inputs.shape == (6, 3, 128, 128) and batch.targets.shape == (6, 64, 64)
    assert batch.targets.min() >= 0 and batch.targets.max() <= 1 and batch.targets.sum(dim=(1, 2)).min() > 0
    rows = columns = (torch.arange(64) + 0.5) * 2
    for target, box, points, labels in zip(batch.targets, batch.boxes, batch.points, batch.labels, strict=True):
        inside = ((rows > box[1]) & (rows < box[3]))[:, None] & ((columns > box[0]) & (columns < box[2]))[None]
        seen = target > 0.5
        assert (seen & inside).sum() > 0.4 * seen.sum()
        for (x, y), label in zip(points, labels, strict=True):
            if label == 1:
                assert target[int((y + 0.5) // 2), int((x + 0.5) // 2)] > 0
    centre = batch.boxes.view(6, 2, 2).mean(dim=1)
    assert whole or bool(((centre > 0) & (centre < 128)).all())


def test_low_resolution_is_the_share_of_each_pixel():
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 2:6] = 1
    shares = low_resolution(mask, (0, 0, 8, 8), 4)
    np.testing.assert_allclose(shares, [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 0]])
    beyond = low_resolution(mask, (-4, 2, 4, 10), 4)
    np.testing.assert_allclose(beyond, [[0, 0, 0, 1], [0, 0, 0, 0.5], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_a_view_shows_the_object_in_its_box():
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 10:50] = 1
    scene = Scene(np.repeat((200 * mask)[..., None], 3, axis=2), mask[None])
    rng = np.random.default_rng(1)
    for _ in range(20):
        view = draw_view(rng, scene)
        x0, y0, x1, y1 = (int(edge) for edge in view.box)
        assert view.mask.sum() == view.mask[y0:y1, x0:x1].sum() > 0
        assert view.mask[y0].any() and view.mask[y1 - 1].any() and view.mask[:, x0].any() and view.mask[:, x1 - 1].any()
        np.testing.assert_array_equal(view.image[..., 0] > 0, view.mask > 0)


def test_jitter_moves_sides_both_ways_within_bounds_and_the_image():
    rng = np.random.default_rng(0)
    boxes = np.array([jittered(rng, (100.0, 100.0, 200.0, 300.0), (400, 300)) for _ in range(400)])
    shift = (boxes - [100, 100, 200, 300]) / [100, 200, 100, 200]
    assert np.abs(shift).max() <= 0.35 and (shift.min(axis=0) < -0.15).all() and (shift.max(axis=0) > 0.15).all()
    at_border = np.array([jittered(rng, (0.0, 0.0, 300.0, 400.0), (400, 300)) for _ in range(50)])
    assert at_border.min() >= 0 and (at_border <= [300, 400, 300, 400]).all()
