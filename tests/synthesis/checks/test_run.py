import cv2
import numpy as np
import pytest

from medweave.config import SampleChecks
from medweave.errors import InputError
from medweave.synthesis.checks import check_folder, check_samples
from tests.synthesis.checks.conftest import drawn, pictures, pooled

SETTINGS = SampleChecks()


@pytest.fixture(scope="module")
def checked(real):
    """A good sample, a memorised one, a gray one, the good one again, two unlike their masks, and five good ones."""
    flat = np.full_like(real.images[0], 90)
    images = [drawn(300), real.images[4][:, ::-1], flat, drawn(300), drawn(301), drawn(302)]
    images += [drawn(seed) for seed in range(303, 308)]
    agreement = [{"coarse": 0.9, "labeler": 0.9} for _ in images]
    agreement[4] = {"coarse": 0.1, "labeler": 0.9}
    agreement[5] = {"coarse": 0.4, "labeler": 0.5}
    return check_samples(pictures(images, "s"), real, pooled, SETTINGS, 28, 0, agreement)


def test_each_sample_is_dropped_for_its_reason(checked):
    reasons = {sample.image_id: sample.reasons for sample in checked.samples if sample.reasons}
    assert reasons == {
        "s1": ("near-copy of a training image",),
        "s2": ("constant",),
        "s3": ("near-copy of another sample",),
        "s4": ("the coarse model finds another mask",),
        "s5": ("the labeler finds another mask",),
    }
    assert checked.kept == ["s0", "s6", "s7", "s8", "s9", "s10"]


def test_what_is_told(checked):
    told = checked.to_json()
    assert (told["made"], told["kept"]) == (11, 6)
    assert sum(told["reasons"].values()) == 5
    assert [(one["sample"], one["image"]) for one in told["near_copies"]] == [("s1", "real4")]
    assert told["closest"]["bits"] >= told["limits"]["bits"]
    assert told["closest"]["correlation"] <= told["limits"]["correlation"]
    assert told["agreement"] == {"coarse": 0.9, "labeler": 0.9}
    assert told["frechet"]["images"] == 6
    assert 0.5 < told["diversity"] < 1.5


def test_samples_of_one_kind_have_little_diversity(real):
    rng = np.random.default_rng(0)
    alike = [np.clip(drawn(400) + rng.normal(0, 25, (96, 96, 1)), 0, 255).astype(np.uint8) for _ in range(6)]
    told = check_samples(pictures(alike, "s"), real, pooled, SETTINGS, 0, 0).to_json()
    assert told["diversity"] < 0.5
    assert told["agreement"] == {}


def test_no_samples(real):
    told = check_samples(pictures([]), real, pooled, SETTINGS, 28, 0).to_json()
    assert told["made"] == told["kept"] == 0 and told["closest"] is told["frechet"] is told["diversity"] is None


def test_folders(tmp_path, real):
    samples, training = tmp_path / "samples", tmp_path / "training"
    for folder in (samples, training):
        folder.mkdir()
    for name, image in zip(real.ids, real.images, strict=True):
        cv2.imwrite(str(training / f"{name}.png"), image)
    cv2.imwrite(str(samples / "copy.jpg"), cv2.resize(real.images[9], (70, 64)))
    cv2.imwrite(str(samples / "new.png"), drawn(500))
    found = check_folder(samples, training, pooled)
    assert found.kept == ["new"]
    assert found.samples[0].copy.nearest == "real9"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no images here"):
        check_folder(tmp_path / "empty", training, pooled)
    with pytest.raises(InputError, match="none: no such folder"):
        check_folder(tmp_path / "none", training, pooled)
