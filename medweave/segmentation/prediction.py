"""Prediction over image tables: what the coarse model offers to labelers, and how a model does on a test set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import tee

import numpy as np

from medweave.config import Settings
from medweave.data import ImageRow, ImageTable
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.segmentation.evaluation import Evaluation, Pair, evaluate_masks
from medweave.segmentation.segmenter import Segmenter


class OutOfFold:
    """A coarse ensemble whose members never judge a group of images that they were trained on."""

    def __init__(self, coarse: Segmenter) -> None:
        self._coarse = coarse

    @property
    def digest(self) -> str:
        """The ensemble's digest."""
        return self._coarse.digest

    def probabilities(self, images: Sequence[np.ndarray], rows: Sequence[ImageRow]) -> np.ndarray:
        """Foreground probabilities NxCxSxS float32 of images HxWx3 uint8."""
        return np.stack([probabilities for probabilities, _ in self.predict(images, rows)])

    def predict(
        self, images: Sequence[np.ndarray], rows: Sequence[ImageRow]
    ) -> list[tuple[np.ndarray, dict[str, float]]]:
        """For each image HxWx3 uint8 its foreground probabilities CxSxS float32, and features of its row.

        The feature is `flip_agreement` (see `Prediction`), where there are flips at test time.
        """
        judges = [self._coarse.unseen_member(row.group_id) for row in rows]
        found: dict[int, tuple[np.ndarray, dict[str, float]]] = {}
        for member in set(judges):
            theirs = [index for index, judge in enumerate(judges) if judge == member]
            seen = self._coarse.predict([images[i] for i in theirs], member)
            for place, index in enumerate(theirs):
                agreement = {} if seen.flip_agreement is None else {"flip_agreement": float(seen.flip_agreement[place])}
                found[index] = seen.probabilities[place], agreement
        return [found[index] for index in range(len(images))]


def evaluate_segmenter(segmenter: Segmenter, test: ImageTable, settings: Settings) -> Evaluation:
    """Per-image metrics of a segmenter's predictions against the masks of a table."""
    classes, max_pixels = len(settings.data.classes), settings.data.max_pixels
    segmenter = segmenter.on(settings.compute)

    def pairs() -> Iterator[Pair]:
        rows, again = tee(test)
        images = (to_rgb8(read_image(row.image_uri, max_pixels)) for row in rows)
        for row, prediction in zip(again, segmenter.predict_masks(images), strict=True):
            yield row.image_id, row.group_id, prediction, read_mask(row.mask, classes, max_pixels)

    return evaluate_masks(pairs(), classes, settings.evaluation.surface_tolerance, total=len(test))
