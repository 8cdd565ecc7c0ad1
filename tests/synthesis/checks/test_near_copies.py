import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image

from medweave.errors import InputError
from medweave.synthesis.checks.near_copies import Closeness, TrainingImages, lower_tail
from medweave.synthesis.checks.pictures import views_of
from tests.synthesis.checks.conftest import SIDE, drawn, pictures, pooled


@pytest.fixture(scope="module")
def training(real):
    return TrainingImages(real, pooled, false_alarms=0.01, same_bits=28)


def brightened(image):
    return np.clip(image * 1.1 + 8, 0, 255).astype(np.uint8)


def halved(image):
    return cv2.resize(image, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)


def cropped(image):
    return cv2.resize(image[6:92, 2:88], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def grainy(image):
    return np.clip(image + np.random.default_rng(1).normal(0, 8, image.shape), 0, 255).astype(np.uint8)


def all_at_once(image):
    return brightened(cropped(image[:, ::-1]))


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: image,
        lambda image: image[:, ::-1],
        lambda image: image[::-1],
        brightened,
        halved,
        cropped,
        grainy,
        all_at_once,
    ],
    ids=["same", "left-right", "upside-down", "brightened", "halved", "cropped", "grainy", "all at once"],
)
def test_a_memorised_training_image_is_caught_and_named(training, real, changed):
    samples = [drawn(100), changed(real.images[7]), drawn(101)]
    found = training.compare(views_of(samples, pooled))
    assert [bool(one.by) for one in found] == [False, True, False]
    assert found[1].nearest == "real7"


def test_hardly_any_different_image_is_called_a_copy(training):
    found = training.compare(views_of([drawn(seed) for seed in range(200, 300)], pooled))
    assert sum(bool(one.by) for one in found) <= 4


def test_closeness_of_an_image_to_itself(training, real):
    (found,) = training.compare(views_of([real.images[3]], pooled))
    assert found.closeness.bits == 0
    assert found.closeness.distance == pytest.approx(0, abs=1e-5)
    assert found.closeness.correlation == pytest.approx(1, abs=1e-5)
    assert found.by == ("hash", "features", "pixels")


def test_limits_are_the_lower_tail_of_what_different_images_show(real):
    """Of each of 30 images the closest other one in any flip, by a plain count of differing hash bits."""
    import imagehash

    grays = [
        cv2.resize(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), (64, 64), interpolation=cv2.INTER_AREA) for i in real.images
    ]
    flips = (lambda g: g, np.fliplr, np.flipud, lambda g: g[::-1, ::-1])
    hashes = [
        [imagehash.phash(Image.fromarray(np.ascontiguousarray(f(g))), hash_size=16) for f in flips] for g in grays
    ]
    closest = [min(flip - hashes[j][0] for j in range(30) if i != j for flip in hashes[i]) for i in range(30)]
    limits = TrainingImages(real, pooled, false_alarms=0.03, same_bits=28).limits
    assert limits.bits == pytest.approx(lower_tail(closest, 0.01))


def test_the_lower_tail_by_hand():
    """The lowest fifth of ten values is 1 and 2, the next is 4: Hill's index is log(4 * 2) / 2."""
    values = [9, 8, 4, 7, 2, 11, 12, 1, 10, 13]
    assert lower_tail(values, 0.1) == pytest.approx(4 * 0.5 ** (np.log(8) / 2))
    assert lower_tail(values, 0.2) == pytest.approx(4)
    assert lower_tail([3.0, 3.0], 0.001) == pytest.approx(3)


def test_the_lower_tail_of_a_power_law_is_its_quantile():
    values = np.random.default_rng(0).random(20_000) ** 0.3
    assert lower_tail(values, 0.0003) == pytest.approx(0.0003**0.3, rel=0.05)


def test_images_of_one_patient_and_repeated_ones_set_no_limit(real):
    twice = pictures(
        [*real.images, cropped(real.images[0]), real.images[1]], "real", [*real.groups, real.groups[0], "other"]
    )
    alone = TrainingImages(real, pooled, 0.01, 28).limits
    with_them = TrainingImages(twice, pooled, 0.01, 28).limits
    assert with_them.bits == pytest.approx(alone.bits, abs=2)
    assert with_them.correlation == pytest.approx(alone.correlation, abs=0.02)


def test_without_two_different_images_there_is_nothing_to_judge_by(real):
    with pytest.raises(InputError, match="no two training images are different"):
        TrainingImages(pictures([real.images[0]] * 3), pooled, 0.01, 28)


def test_memory_does_not_grow_with_the_pairs_of_training_images():
    flat = np.full((64, 64, 3), 90, np.uint8)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="no two training images are different"):
            TrainingImages(pictures([flat] * 2000), lambda images: np.zeros((len(images), 1), np.float32), 0.01, 28)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6  # of which 2 x 33 MB are the gray pixels of all flips; a byte a pair would be 4 MB


def test_closer_is_fewer_bits_shorter_distance_higher_correlation():
    limit = Closeness(40, 2.0, 0.9)
    assert Closeness(40, 2.0, 0.9).closer_by(limit) == []
    assert Closeness(39, 3.0, 0.8).closer_by(limit) == ["hash"]
    assert Closeness(50, 1.9, 0.95).closer_by(limit) == ["features", "pixels"]


def test_a_feature_that_hardly_varies_over_real_images_does_not_outweigh_the_others(real):
    """The last third of the features is a thousandth of the others in real images, and twice that in samples."""
    size = {"scale": 0.001}

    def features(images):
        values = pooled(images)
        return np.concatenate([values, values, size["scale"] * values], axis=1)

    training = TrainingImages(real, features, 0.01, 28)
    plain = training.standardised(views_of(real.images[:5], features))
    size["scale"] = 0.002
    moved = training.standardised(views_of(real.images[:5], features))
    assert np.linalg.norm(moved - plain, axis=1).max() < 0.1 * np.linalg.norm(plain, axis=1).min()
