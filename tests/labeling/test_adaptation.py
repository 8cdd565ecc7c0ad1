"""Fine-tuning of a small SAM's decoder on gold."""

import numpy as np
import pytest
import torch

from medweave.errors import RunError
from medweave.labeling.adaptation import Recipe, embed_gold, fine_tune
from medweave.labeling.compact.model import build_compact
from medweave.labeling.gold_prompts import BoxErrors, GoldImage, GoldSet
from medweave.labeling.labelers import Target
from medweave.labeling.sam import SamLabeler

RECIPE = Recipe(views=((), (0,)), alternatives=3, batch=2, snapshots=(1, 20), learning_rate=3e-3, warm_up=2, ema=0.8)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def labeler():
    torch.manual_seed(0)
    return SamLabeler(build_compact(64), "compact", "compact", "digest", "cpu", "fp32")


@pytest.fixture(scope="module")
def gold():
    """Six images of one bright square each, three folds, and one without an object."""
    images = []
    for number in range(7):
        image, mask = np.full((64, 96, 3), 40, np.uint8), np.zeros((64, 96), np.uint8)
        if number < 6:
            mask[10 : 40 + number, 5 + 5 * number : 40 + 5 * number] = 1
        image[mask == 1] = 200
        images.append(GoldImage(Target(str(number), str(number), f"g{number}", image), mask))
    return GoldSet(images, {f"g{number}": number % 3 for number in range(7)}, 1, BoxErrors(0.0, 0.1), "box", 5)


def test_lessons_are_frames_with_the_objects_in_them(labeler, gold):
    lessons = embed_gold(labeler, gold, RECIPE)
    assert [lesson.fold for lesson in lessons] == [0, 0, 1, 1, 2, 2] * 4  # each frame also mirrored
    for lesson in lessons:
        assert len(lesson.prompts) == 3
        assert lesson.shares.shape == (3, 32, 32)
        assert torch.equal(lesson.shares[0], lesson.shares[1])
        x0, y0, x1, y1 = lesson.embedding.frame.window
        whole = (x1 - x0) * (y1 - y0) * float(lesson.shares[0].mean())
        assert whole == pytest.approx(35 * (30 + lesson_number(lesson, lessons)), rel=0.02)  # all of it is in the frame


def lesson_number(lesson, lessons):
    return next(index for index, other in enumerate(lessons) if other is lesson) // 2 % 6


def test_views_are_flipped_as_the_recipe_says(labeler, gold):
    straight, flipped = (embed_gold(labeler, gold, RECIPE)[index] for index in (0, 12))
    boxes = [np.array([prompt.box for prompt in lesson.prompts]) for lesson in (straight, flipped)]
    assert np.allclose(boxes[0][:, [1, 3]].mean(), 25, atol=5)  # rows 10 to 40 of 64
    assert np.allclose(boxes[1][:, [1, 3]].mean(), 64 - 25, atol=5)


def test_the_decoder_learns_and_the_encoder_stays(labeler, gold):
    before = {name: value.clone() for name, value in labeler.sam.state_dict().items()}
    lessons = embed_gold(labeler, gold, RECIPE)
    states = fine_tune(labeler, lessons, RECIPE.snapshots, RECIPE, 1, "adapt")
    assert all(torch.equal(value, before[name]) for name, value in labeler.sam.state_dict().items())
    assert set(states) == {1, 20}
    assert states[20].keys() == labeler.decoder_state().keys()

    def overlap(one):
        with torch.no_grad():
            logits, score = one.logits(lessons[0].embedding, lessons[0].prompts)
        found, truth = logits > 0, lessons[0].shares > 0.5
        iou = (found & truth).sum() / (found | truth).sum()
        return float(iou), float((score - iou).abs().mean())

    after, error = overlap(labeler.with_decoder(states[20]))
    assert overlap(labeler)[0] < 0.6 < 0.75 < after
    assert error < overlap(labeler)[1]


def test_what_takes_in_masks_is_not_trained(labeler, gold):
    states = fine_tune(labeler, embed_gold(labeler, gold, RECIPE), [1], RECIPE, 1, "adapt")
    changed = {name for name, value in labeler.decoder_state().items() if not torch.equal(value, states[1][name])}
    assert not any("mask_downscaling" in name or "pe_layer" in name for name in changed)
    assert any(name.startswith("prompt_encoder.point_embeddings") for name in changed)
    assert any(name.startswith("mask_decoder.iou_prediction_head") for name in changed)


def test_it_follows_from_the_seed(labeler, gold):
    lessons = embed_gold(labeler, gold, RECIPE)
    first, again, other = (fine_tune(labeler, lessons, [2], RECIPE, seed, "adapt")[2] for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_loss_that_is_not_finite_stops(labeler, gold):
    broken = labeler.decoder_state()
    broken["mask_decoder.iou_token.weight"] = torch.full_like(broken["mask_decoder.iou_token.weight"], torch.nan)
    with pytest.raises(RunError, match="not finite"):
        fine_tune(labeler.with_decoder(broken), embed_gold(labeler, gold, RECIPE), [1], RECIPE, 1, "adapt")
