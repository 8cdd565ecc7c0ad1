"""Quality control of made labels: clean, measure, predict the Dice, decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.config import Quality
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import encode_mask, read_mask
from medweave.data.probabilities import decode_probabilities
from medweave.data.table import ImageRow, ImageTable, MaskRef, ShardWriter, write_table
from medweave.quality.calibration import Calibration, fit_calibration, uncalibrated
from medweave.quality.cleanup import clean_mask
from medweave.quality.features import label_features, mask_dice
from medweave.quality.gate import LabelBounds, bounds_from_features, decide


def with_coarse(gold: ImageTable, gold_weak: ImageTable, folder: Path) -> ImageTable:
    """Gold with the out-of-fold probabilities (`coarse`) that labelling the gold images left behind."""
    coarse = {row.image_id: row.coarse for shard in gold_weak.shards(["coarse"]) for row in shard}
    return write_table(folder, (replace(row, coarse=coarse.get(row.image_id)) for row in gold))


def measure_labels(table: ImageTable, classes: int, max_pixels: int, work: Path) -> ImageTable:
    """The same table, written to `work`, with `label_features` of every label added to `features`.

    For gold, whose `coarse` column holds out-of-fold probabilities, this is what made labels are compared with.
    Goes on after the shards that `work` already has.
    """

    def measured(row: ImageRow) -> ImageRow:
        if not row.mask:
            return row
        features = _features(row, read_mask(row.mask, classes, max_pixels), classes, max_pixels)
        return replace(row, features={**row.features, **features})

    return _map_rows("measure labels", table, measured, work)


def check_labels(
    table: ImageTable,
    gold: ImageTable | None,
    gold_weak: ImageTable | None,
    settings: Quality,
    classes: int,
    max_pixels: int,
    work: Path,
) -> ImageTable:
    """Clean, measure and judge every label of `table`; the rows, in order, go to a table in the folder `work`.

    `gold` (its `coarse` column out of fold) bounds the features; without it nothing is out of bounds. `gold_weak`
    are the gold images as the whole chain labels them out of fold: they calibrate the predicted Dice, and without
    them it is the agreement with the coarse model. `classes` counts the foreground classes; images and masks of more
    than `max_pixels` are refused.

    A row gets the cleaned mask (its `made_by` and `label_id` say how it was cleaned), `features`, `predicted_dice`,
    `low`, `high`, `decision` and `weight`; the reason stands in `made_by["reason"]` and is no part of `label_id`. A
    row without a label is rejected. Goes on after the shards that `work` already has.
    """
    bounds = gold_bounds(gold, settings, classes, max_pixels) if gold else LabelBounds()
    calibration = (
        calibrate(gold, gold_weak, bounds, settings, classes, max_pixels) if gold and gold_weak else uncalibrated()
    )

    def checked(row: ImageRow) -> ImageRow:
        if row.label_source == "none":
            return replace(row, decision="reject", weight=0.0)
        return _check(row, calibration, bounds, settings, classes, max_pixels)

    return _map_rows("check labels", table, checked, work)


def gold_bounds(gold: ImageTable, settings: Quality, classes: int, max_pixels: int) -> LabelBounds:
    """Bounds on label features from all gold labels; see `bounds_from_features`."""
    features = [
        _features(row, read_mask(row.mask, classes, max_pixels), classes, max_pixels) for row in gold if row.mask
    ]
    return bounds_from_features(features, settings.slack)


def calibrate(
    gold: ImageTable, gold_weak: ImageTable, bounds: LabelBounds, settings: Quality, classes: int, max_pixels: int
) -> Calibration:
    """Fit the predicted Dice on gold images that the whole chain labelled too, after the same cleanup.

    Empty made labels are left out, as they are rejected anyway. With no label left: `uncalibrated()`.
    """
    truths = {row.image_id: row.mask for shard in gold.shards(["mask"]) for row in shard}
    agreement, dice, groups = [], [], []
    for row in gold_weak:
        if row.label_source == "none" or not row.coarse:
            continue
        mask = clean_mask(
            read_mask(row.mask, classes, max_pixels), settings.min_component_share, bounds.most_components
        )
        features = _features(row, mask, classes, max_pixels)
        if features["components"] == 0:
            continue
        agreement.append(features["agreement"])
        dice.append(mask_dice(mask, read_mask(truths[row.image_id], classes, max_pixels), classes))
        groups.append(row.group_id)
    return fit_calibration(np.array(agreement), np.array(dice), groups) if groups else uncalibrated()


def _check(
    row: ImageRow, calibration: Calibration, bounds: LabelBounds, settings: Quality, classes: int, max_pixels: int
) -> ImageRow:
    mask = clean_mask(read_mask(row.mask, classes, max_pixels), settings.min_component_share, bounds.most_components)
    features = _features(row, mask, classes, max_pixels)
    predicted: tuple[float | None, float | None, float | None] = (None, None, None)
    if "agreement" in features:
        predicted = calibration.predict(features["agreement"])
    decision, weight, reason = decide(predicted[0], predicted[1], features, bounds, settings)
    made_by: dict[str, Any] = {**row.made_by, "cleanup": _cleanup(settings, bounds)}
    labelled = row.with_label(row.label_source, MaskRef(png=encode_mask(mask)), made_by)
    return replace(
        labelled,
        made_by={**made_by, "reason": reason},
        features={**row.features, **features},
        predicted_dice=predicted[0],
        low=predicted[1],
        high=predicted[2],
        decision=decision,
        weight=weight,
    )


def _cleanup(settings: Quality, bounds: LabelBounds) -> dict[str, Any]:
    return {"min_component_share": settings.min_component_share, "max_components": bounds.most_components}


def _features(row: ImageRow, mask: NDArray[np.uint8], classes: int, max_pixels: int) -> dict[str, float]:
    coarse = decode_probabilities(row.coarse, classes) if row.coarse else None
    return label_features(to_rgb8(read_image(row.image_uri, max_pixels)), mask, coarse)


def _map_rows(name: str, table: ImageTable, change: Callable[[ImageRow], ImageRow], work: Path) -> ImageTable:
    """Write `change` of every row to `work`, a shard at a time, skipping the shards that are there."""
    writer = ShardWriter(work)
    with progress.task(name, len(table)) as task:

        def changed(rows: list[ImageRow]) -> Iterator[ImageRow]:
            for row in rows:
                yield change(row)
                task.advance()

        for index, shard in enumerate(table.manifest["shards"]):
            if writer.has(index):
                task.advance(int(shard["rows"]))
            else:
                writer.write(index, list(changed(table.shard(index))))
    return writer.finish()
