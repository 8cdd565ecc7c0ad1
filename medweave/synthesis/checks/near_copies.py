"""Samples that are too close to a training image: a copied patient is a privacy breach.

Each sample is held against all training images, in all flips, by three measures, of which each sees what the others
miss: the bits in which perceptual hashes differ (recompressed, resized, brightened), the distance in a feature space
(redrawn), and the correlation of gray pixels at the best place and scale (cropped). How close is too close is what
hardly any training image is to another one: closer than the closest of them, where these are few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medweave.errors import InputError
from medweave.synthesis.checks.pictures import SIDE, Features, Pictures, Views, views_of

SCALES = (1.0, 0.95, 0.9, 0.85, 0.8)
"""Shares of a training image's side that a sample may show."""
CANDIDATES = 100
"""Nearest flipped images in the feature space, whose pixels are compared."""
TAIL = 0.2
"""Share of the training images, those that are closest to another one, by which the limits are set."""
MEASURES = 3
SMALLEST = 1e-6


@dataclass(frozen=True)
class Closeness:
    """How close an image is to the closest of others, by each measure on its own.

    `bits` of 256 by which the hashes differ, `distance` of the features, `correlation` of the pixels, -1..1.
    """

    bits: float
    distance: float
    correlation: float

    def closer_by(self, other: Closeness) -> list[str]:
        """The measures by which this is closer than `other`."""
        nearer = {
            "hash": self.bits < other.bits,
            "features": self.distance < other.distance,
            "pixels": self.correlation > other.correlation,
        }
        return [name for name, is_nearer in nearer.items() if is_nearer]


@dataclass(frozen=True)
class Found:
    """The training image that a sample is closest to, and by which measures it is a near-copy (none: it is not)."""

    nearest: str
    closeness: Closeness
    by: tuple[str, ...]


class TrainingImages:
    """The images that a generator learned from, and how close different ones of them come to each other."""

    def __init__(self, real: Pictures, features: Features, false_alarms: float, same_bits: int) -> None:
        """`false_alarms` is the share of different images that all measures together would call copies (above 0).

        Images of one group, or of which the hashes differ in at most `same_bits` bits, are not different ones.
        Raises InputError when no two images are different.
        """
        self._ids = real.ids
        plain = views_of(real.images, features)
        self._mean = plain.features.mean(axis=(0, 1))
        deviation = plain.features.std(axis=(0, 1))
        self._deviation = np.maximum(deviation, max(float(np.median(deviation)), SMALLEST))
        self._views = self._standard(plain)
        among = list(self._among(np.array(real.groups), same_bits))
        if not among:
            raise InputError("near-copies: no two training images are different; give more images")
        share = false_alarms / MEASURES
        self.limits = Closeness(
            lower_tail([one.bits for one in among], share),
            lower_tail([one.distance for one in among], share),
            1.0 - lower_tail([1.0 - one.correlation for one in among], share),
        )
        """What a different image comes below, or for the correlation above, in a third of `false_alarms` of cases."""

    @property
    def features(self) -> NDArray[np.float32]:
        """The images' features, NxD, with mean 0 and deviation 1, or less where a feature varies less than most.

        What hardly varies over real images would otherwise outweigh all else as soon as a sample moves it a little.
        """
        return self._views.features[:, 0]

    def standardised(self, views: Views) -> NDArray[np.float32]:
        """The features of other images on the same scale, NxD."""
        return self._standard(views).features[:, 0]

    def compare(self, samples: Views) -> list[Found]:
        """Which training image each sample is closest to, and whether it is a near-copy of it."""
        samples = self._standard(samples)
        nobody = np.zeros(len(self._ids), bool)
        found = []
        for index in range(len(samples)):
            closeness, nearest = _closeness(samples.only(index), self._views, nobody)
            found.append(Found(self._ids[nearest], closeness, tuple(closeness.closer_by(self.limits))))
        return found

    def _among(self, groups: NDArray[np.str_], same_bits: int) -> Iterator[Closeness]:
        """How close each image comes to the closest different one; images that none is different from are left out."""
        for index, group in enumerate(groups):
            one = self._views.only(index)
            alike = (groups == group) | (_bits(one, self._views) <= same_bits)
            if not alike.all():
                yield _closeness(one, self._views, alike)[0]

    def _standard(self, views: Views) -> Views:
        return Views(views.gray, views.hashes, (views.features - self._mean) / self._deviation)


def _bits(one: Views, others: Views) -> NDArray[np.int64]:
    """N: bits between one picture, in the flip that fits best, and each of N others as it is."""
    differing = [
        np.bitwise_count(flipped ^ others.hashes[:, 0]).sum(axis=-1, dtype=np.int64) for flipped in one.hashes[0]
    ]
    return np.asarray(np.min(differing, axis=0))


def _closeness(one: Views, others: Views, excluded: NDArray[np.bool_]) -> tuple[Closeness, int]:
    """How close one picture is to the others that are not excluded, and which one is closest (in pixels)."""
    bits = np.where(excluded, np.iinfo(np.int64).max, _bits(one, others))
    distances = np.linalg.norm(one.features[0][:, None] - others.features[None, :, 0], axis=-1)
    distances[:, excluded] = np.inf
    order = [at for at in np.argsort(distances, axis=None)[:CANDIDATES] if np.isfinite(distances.flat[at])]
    places = [divmod(int(at), len(others)) for at in order]
    places += [(flip, int(bits.argmin())) for flip in range(len(distances))]
    correlations = [_correlation(one.gray[0, flip], others.gray[which, 0]) for flip, which in places]
    best = int(np.argmax(correlations))
    return Closeness(float(bits.min()), float(distances.min()), correlations[best]), places[best][1]


def _correlation(gray: NDArray[np.uint8], whole: NDArray[np.uint8]) -> float:
    """The highest correlation of a gray image, shrunk to each scale, with any window of another one."""
    import cv2

    highest = -1.0
    for scale in SCALES:
        side = round(SIDE * scale)
        window = cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA)
        if window.std() > 0:
            highest = max(highest, float(cv2.matchTemplate(whole, window, cv2.TM_CCOEFF_NORMED).max()))
    return highest


def lower_tail(values: Sequence[float], share: float) -> float:
    """What the share of further such values, all positive, is below; the share may be less than one of them.

    Weissman's estimate (1978) from the lowest fifth, by Hill's index of their inverses.
    """
    ordered = np.maximum(np.sort(values), SMALLEST)
    lowest = min(max(1, round(TAIL * len(ordered))), len(ordered) - 1)
    index = float(np.log(ordered[lowest] / ordered[:lowest]).mean())
    return float(ordered[lowest] * (share * len(ordered) / lowest) ** index)
