"""The built-in labeler that needs no weights: an ellipse as shape prior, colour models, and a graph cut.

Around each box, in a crop that is scaled so that every object has about the same size:

1. Prior: log odds that fall linearly with the distance from the ellipse inscribed in the box.
2. Colour: one histogram of the object and one of what surrounds it, along Fisher's linear discriminant in CIELAB,
   fitted to the pixels by their odds, and refitted. Prior and smoothed log likelihood ratio add up to the posterior.
3. GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004) within the band where the posterior is not certain.
4. The object is where the mean of the posterior and the smoothed cut is above one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave.labeling.consensus import Vote, consensus
from medweave.labeling.ellipse import pixels_around, radius
from medweave.labeling.labelers import Made, NoMask, Target
from medweave.labeling.prompts import Box, Prompt

Image = NDArray[np.uint8]
Map = NDArray[np.float32]
Samples = NDArray[np.float64]

SIDE = 128
"""Longer side of the crop; the lengths below are in its pixels, colours on OpenCV's 0..255 scale."""
SURROUNDING = 0.3
"""How much of the box's width and height the crop adds on every side."""
SOFTNESS = 0.12
"""Change of the radius that changes the prior's log odds by 1."""
CERTAIN = 3.0
"""Log odds beyond which the cut may not differ from the posterior."""
MAX_EVIDENCE = 3.0
"""Bound on what a pixel's colour adds to the log odds."""
COLLAPSE = 0.5
"""Change of the area beyond which a cut is not believed."""
BINS = 64
FITS = 2
CUTS = 2
POINT_RADIUS = 3


class GrabCutLabeler:
    """GrabCut with a shape prior; `margin` is what the boxes were grown by, `seed` starts OpenCV's k-means."""

    name = "grabcut"
    digest = ""
    requires_prompts = True

    def __init__(self, classes: int, margin: float, seed: int) -> None:
        self._classes = classes
        self._margin = margin
        self._seed = seed

    def with_margin(self, margin: float) -> GrabCutLabeler:
        """The same labeler for boxes that were grown by another margin."""
        return GrabCutLabeler(self._classes, margin, self._seed)

    def provenance(self, _image_id: str | None = None, /) -> dict[str, Any]:
        """Margin and seed."""
        return {"labeler": self.name, "labeler_digest": self.digest, "margin": self._margin, "seed": self._seed}

    def segment(self, targets: Sequence[Target], /) -> list[Made | NoMask]:
        """Prompts without a box are left out, points are taken for certain."""
        return [self._label(target) for target in targets]

    def _label(self, target: Target) -> Made | NoMask:
        shape = target.image.shape[0], target.image.shape[1]
        votes = [
            _vote(target.image, prompt, _without_margin(prompt.box, self._margin, shape), self._seed)
            for prompt in target.prompts
            if prompt.box is not None
        ]
        return consensus(votes, self._classes, shape)


def _vote(image: Image, prompt: Prompt, box: Box, seed: int) -> Vote:
    """Over one half at least about the ellipse's core, as the prior's odds there outweigh the colours."""
    import cv2

    x0, y0, x1, y1 = box
    left, top, right, bottom = window = pixels_around(box, SURROUNDING, (image.shape[0], image.shape[1]))
    if x0 >= x1 or y0 >= y1 or left >= right or top >= bottom:
        return Vote(prompt, window, np.zeros((bottom - top, right - left), np.float32))
    scale = SIDE / max(right - left, bottom - top)
    width, height = max(4, round((right - left) * scale)), max(4, round((bottom - top) * scale))
    scaling = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    crop = cv2.resize(image[top:bottom, left:right], (width, height), interpolation=scaling)
    denoised = np.asarray(cv2.bilateralFilter(cv2.medianBlur(crop, 7), 7, 30, 5), np.uint8)

    stretch_x, stretch_y = width / (right - left), height / (bottom - top)
    inner = (x0 - left) * stretch_x, (y0 - top) * stretch_y, (x1 - left) * stretch_x, (y1 - top) * stretch_y
    prior = np.float32(1 / SOFTNESS) * (1 - np.minimum(radius(inner, (height, width)), np.float32(4)))
    odds = _posterior(denoised, prior)
    for x, y, is_foreground in prompt.points:
        spot = int((x + 0.5 - left) * stretch_x), int((y + 0.5 - top) * stretch_y)
        cv2.circle(odds, spot, POINT_RADIUS, 4 * CERTAIN if is_foreground else -4 * CERTAIN, cv2.FILLED)

    smooth_cut = cv2.GaussianBlur(_cut(denoised, odds, seed), (0, 0), 3)
    probability = cv2.resize((smooth_cut + _sigmoid(odds)) / 2, (right - left, bottom - top))
    return Vote(prompt, window, np.asarray(probability, np.float32))


def _posterior(crop: Image, prior: Map) -> Map:
    """Log odds of each pixel to belong to the object, from prior log odds and colours."""
    import cv2

    colours = cv2.cvtColor(cv2.GaussianBlur(crop, (0, 0), 2), cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    odds = prior
    for _ in range(FITS):
        inside = _sigmoid(odds).ravel().astype(np.float64)
        evidence = np.clip(_log_likelihood_ratio(colours, inside), -MAX_EVIDENCE, MAX_EVIDENCE)
        odds = prior + cv2.GaussianBlur(evidence.reshape(prior.shape).astype(np.float32), (0, 0), 3)
    return odds


def _log_likelihood_ratio(colours: Samples, inside: Samples) -> Samples:
    """How much likelier each of N colours (Nx3) is in the object, whose pixels have the weights `inside` (N, 0..1)."""
    (object_mean, object_spread), (other_mean, other_spread) = (_moments(colours, w) for w in (inside, 1 - inside))
    noise = 9 * np.eye(3)
    along = colours @ np.linalg.solve(object_spread + other_spread + noise, object_mean - other_mean)
    bins = ((along - along.min()) * ((BINS - 1) / max(np.ptp(along), 1e-6))).astype(int)
    object_share, other_share = (_smooth_histogram(bins, weights) for weights in (inside, 1 - inside))
    ratio: Samples = np.log((object_share + 2e-3) / (other_share + 2e-3))[bins]
    return ratio


def _moments(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[Samples, Samples]:
    """Weighted mean (3) and covariance (3x3)."""
    weights = weights / max(weights.sum(), 1e-9)
    mean = weights @ values
    centred = values - mean
    return mean, (weights[:, None] * centred).T @ centred


def _smooth_histogram(bins: NDArray[np.int64], weights: Samples) -> Samples:
    counts = np.bincount(bins, weights, BINS)
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / 3) ** 2)
    return np.convolve(counts / max(counts.sum(), 1e-9), kernel / kernel.sum(), "same")


def _cut(crop: Image, odds: Map, seed: int) -> Map:
    """GrabCut's mask (0 or 1) where the odds are not certain.

    It is the odds' own mask where one side has no pixels, and where the cut collapses, as it does without contrast.
    """
    import cv2

    likelier = np.asarray(odds > 0, np.float32)
    if likelier.all() or not likelier.any():
        return likelier
    labels = np.full(odds.shape, cv2.GC_BGD, np.uint8)
    labels[odds > -CERTAIN] = cv2.GC_PR_BGD
    labels[odds > 0] = cv2.GC_PR_FGD
    labels[odds > CERTAIN] = cv2.GC_FGD
    cv2.setRNGSeed(seed & 0x7FFFFFFF)
    cv2.grabCut(crop, labels, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), CUTS, cv2.GC_INIT_WITH_MASK)
    cut = np.asarray(labels & 1, np.float32)
    return cut if COLLAPSE < cut.sum() / likelier.sum() < 1 / COLLAPSE else likelier


def _sigmoid(odds: Map) -> Map:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def _without_margin(box: Box, margin: float, shape: tuple[int, int]) -> Box:
    """The box as it was before it grew; a side on the image's border stays there, as the object may go on beyond."""
    x0, y0, x1, y1 = box
    dx, dy = ((x1 - x0) * margin / (1 + 2 * margin), (y1 - y0) * margin / (1 + 2 * margin))
    return (
        x0 + dx if x0 > 0 else x0,
        y0 + dy if y0 > 0 else y0,
        x1 - dx if x1 < shape[1] else x1,
        y1 - dy if y1 < shape[0] else y1,
    )
