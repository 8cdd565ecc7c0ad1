from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from scipy.stats import bootstrap

from medweave.bench.data import gold_boxes, gold_folder
from medweave.bench.measuring import measure, summary
from medweave.labeling.labelers import Made, NoMask


@dataclass
class Filled:
    """Takes all of every box for the object, but gives no label for what it is told to leave out."""

    leave_out: str = ""
    name: str = "filled"
    digest: str = ""
    requires_prompts: bool = True
    seen: list = field(default_factory=list)

    def provenance(self, image_id=None, /):
        return {}

    def segment(self, targets, /):
        self.seen.append([target.image_sha256 for target in targets])
        return [self.label(target) for target in targets]

    def label(self, target):
        if target.image_id == self.leave_out:
            return NoMask("left out")
        probabilities = np.zeros((1, *target.image.shape[:2]), np.float32)
        for prompt in target.prompts:
            x0, y0, x1, y1 = (round(edge) for edge in prompt.box)
            probabilities[0, y0:y1, x0:x1] = 1
        return Made(probabilities)


def test_dice_of_every_image_and_way(folder):
    promptings = {share: partial(gold_boxes, classes=1, share=share, seed=0) for share in (0.0, 0.2)}
    measured = measure(Filled("three"), gold_folder(folder, 1), promptings)
    speck = 2 * 1600 / (1600 + 1604)  # the boxes' 40 x 30 + 20 x 20 pixels; the mask has 4 more
    assert measured.dice[0.0] == pytest.approx([1.0, 0.0, speck])
    assert (measured.dice[0.2][[0, 2]] < 1).all() and (measured.dice[0.2][[0, 2]] > 0.5).all()
    told = measured.to_json()
    assert told["images_per_second"] > 0
    assert told[0.0]["dice"]["mean"] == pytest.approx((1 + speck) / 3, abs=1e-4)


def test_warming_up_keeps_nothing_that_the_measured_images_could_use(folder):
    labeler, images = Filled(), gold_folder(folder, 1)
    measure(labeler, images, {"gold_box": partial(gold_boxes, classes=1, share=0.0, seed=0)})
    warm_up, measured = labeler.seen
    assert measured == [image.target.image_sha256 for image in images] and not {*warm_up} & {*measured}


def test_intervals_are_those_of_scipys_bootstrap():
    values = np.random.default_rng(3).beta(8, 2, 60)
    told = summary(values)
    for name, interval, statistic, error in (
        ("mean", "ci95", np.mean, 0.003),
        ("median", "median_ci95", np.median, 0.006),
    ):
        reference = bootstrap((values,), statistic, n_resamples=20_000, method="percentile", rng=0).confidence_interval
        assert told[name] == pytest.approx(statistic(values), abs=1e-4)
        assert told[interval] == pytest.approx([reference.low, reference.high], abs=error)
    assert summary(np.array([0.5])) == {"mean": 0.5, "ci95": [0.5, 0.5], "median": 0.5, "median_ci95": [0.5, 0.5]}
