"""Labels of gold images with their true Dice: as the whole chain makes them, or else with simulated errors."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import read_mask
from medweave.data.probabilities import decode_probabilities
from medweave.data.table import ImageRow, ImageTable
from medweave.quality.calibration import Pair
from medweave.quality.features import View, class_dice, mask_dice, small_mask, small_view, view_features
from medweave.quality.simulation import simulated_masks

Mask = NDArray[np.uint8]

MIN_GROUPS = 5
"""Groups of gold whose labels by the chain suffice; with fewer the errors are simulated."""


@dataclass(frozen=True)
class GoldPairs:
    """Pairs and where their labels are from: the `chain` itself, or `simulated` errors."""

    source: Literal["chain", "simulated"]
    pairs: tuple[Pair, ...]


def gold_pairs(
    gold: ImageTable,
    gold_weak: ImageTable,
    clean: Callable[[Mask], Mask],
    classes: int,
    max_pixels: int,
    elsewhere: bool = False,
) -> GoldPairs:
    """Pairs from gold and from `gold_weak`, the same images as the whole chain labels them out of fold.

    The labels are the chain's; where it labelled fewer than 5 groups, as with masks made elsewhere, or where the labels
    to be judged were made `elsewhere`, they are `simulated_masks`. Each is cleaned by `clean`, as the labels to be
    judged are. Empty ones are left out, as they are rejected anyway, and so are images without coarse probabilities.
    """
    truths = {row.image_id: row.mask for shard in gold.shards(["mask"]) for row in shard}

    def truth(row: ImageRow) -> Mask:
        return read_mask(truths[row.image_id], classes, max_pixels)

    def chain() -> Iterator[Pair]:
        for row in gold_weak:
            if row.mask and row.coarse and (mask := clean(read_mask(row.mask, classes, max_pixels))).any():
                features = view_features(label_view(row, classes, max_pixels), small_mask(mask))
                dice = mask_dice(mask, truth(row), classes)
                yield Pair(row.image_id, row.group_id, trust_features(row, features), dice)

    def simulated() -> Iterator[Pair]:
        rows = [row for shard in gold_weak.shards(["coarse", "features"]) for row in shard if row.coarse]
        small = {row.image_id: small_mask(truth(row)) for row in rows}
        with progress.task("simulate labels of gold", len(rows)) as task:
            for row in rows:
                others = [small[other.image_id] for other in rows if other.group_id != row.group_id]
                yield from _with_errors(row, label_view(row, classes, max_pixels), small[row.image_id], others, clean)
                task.advance()

    made = () if elsewhere else tuple(chain())
    if len({pair.group_id for pair in made}) >= MIN_GROUPS:
        return GoldPairs("chain", made)
    return GoldPairs("simulated", tuple(simulated()))


def coarse_dice(gold: ImageTable, gold_weak: ImageTable, classes: int, max_pixels: int) -> dict[str, float]:
    """Dice (0..1) of what the coarse model sees out of fold (probability over 0.5) on each gold image, by image id.

    Images where it sees nothing, which get no label either, are left out.
    """
    import cv2

    truths = {row.image_id: row.mask for shard in gold.shards(["mask"]) for row in shard}
    found = {}
    for row in (row for shard in gold_weak.shards(["coarse"]) for row in shard):
        if row.coarse and (seen := decode_probabilities(row.coarse, classes) > 0.5).any():
            truth = read_mask(truths[row.image_id], classes, max_pixels)
            small = cv2.resize(truth, seen.shape[:0:-1], interpolation=cv2.INTER_NEAREST_EXACT)
            found[row.image_id] = class_dice(small == np.arange(1, classes + 1)[:, None, None], seen)
    return found


def label_view(row: ImageRow, classes: int, max_pixels: int) -> View:
    """A row's image with its coarse probabilities, as labels are described on it."""
    coarse = decode_probabilities(row.coarse, classes) if row.coarse else None
    return small_view(to_rgb8(read_image(row.image_uri, max_pixels)), coarse)


def trust_features(row: ImageRow, features: Mapping[str, float]) -> dict[str, float]:
    """What a row's label is trusted by: `features` of its mask, the row's own, and what the labeler said of it."""
    said = {"prompt_agreement": row.made_by.get("agreement"), "score": row.made_by.get("score")}
    return {**row.features, **features, **{name: float(value) for name, value in said.items() if value is not None}}


def known_features(tables: Sequence[ImageTable]) -> set[str]:
    """Names of the features that most labels of the tables have, and of those that are measured on any label."""
    shards = (shard for table in tables for shard in table.shards(["made_by", "features"]))
    labels, counts = 0, Counter[str]()
    for row in (row for shard in shards for row in shard if row.label_source != "none"):
        labels += 1
        counts.update(name for name, value in trust_features(row, {}).items() if math.isfinite(value))
    often = {name for name, count in counts.items() if count > labels / 2}
    return often | {"agreement", "expected_dice", "contrast"}


def _with_errors(
    row: ImageRow, view: View, truth: Mask, others: list[Mask], clean: Callable[[Mask], Mask]
) -> Iterator[Pair]:
    import cv2

    assert view.coarse is not None
    rng = np.random.default_rng(zlib.crc32(row.image_id.encode()))
    height, width = truth.shape
    fitted = [
        cv2.resize(others[k], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        for k in rng.permutation(len(others))[:2]
    ]
    for mask in simulated_masks(truth, view.coarse, fitted, rng):
        if (cleaned := clean(mask)).any():
            features = {**row.features, **view_features(view, cleaned)}
            yield Pair(row.image_id, row.group_id, features, mask_dice(cleaned, truth, len(view.coarse)))
