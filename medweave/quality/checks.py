"""Quality control of made labels: clean, measure, predict the Dice, decide."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medweave import progress
from medweave.config import Quality
from medweave.data.leads import lead_over
from medweave.data.masks import encode_mask, read_mask
from medweave.data.table import ImageRow, ImageTable, MaskRef, ShardWriter, write_table
from medweave.quality.assessment import Judged, coverage, cross_validated, rank_correlation
from medweave.quality.calibration import Calibration, fit_calibration, uncalibrated
from medweave.quality.cleanup import clean_mask
from medweave.quality.features import component_counts, small_mask, view_features
from medweave.quality.gate import LabelBounds, bounds_from_features, decide, kind_of
from medweave.quality.pairs import GoldPairs, coarse_dice, gold_pairs, known_features, label_view, trust_features

MOST_POINTS = 200
MOST_REASONS = 10


def with_coarse(gold: ImageTable, gold_weak: ImageTable, folder: Path) -> ImageTable:
    """Gold with the out-of-fold probabilities (`coarse`) that labelling the gold images left behind."""
    coarse = {row.image_id: row.coarse for shard in gold_weak.shards(["coarse"]) for row in shard}
    return write_table(folder, (replace(row, coarse=coarse.get(row.image_id)) for row in gold))


def measure_labels(table: ImageTable, classes: int, max_pixels: int, work: Path) -> ImageTable:
    """The same table, written to `work`, with the `view_features` of every label added to `features`.

    For gold, whose `coarse` column holds out-of-fold probabilities, this is what made labels are compared with.
    Goes on after the shards that `work` already has.
    """

    def measured(row: ImageRow) -> ImageRow:
        if not row.mask:
            return row
        features = _features(row, read_mask(row.mask, classes, max_pixels), classes, max_pixels)
        return replace(row, features={**row.features, **features})

    return _map_rows("measure labels", table, measured, work)


@dataclass(frozen=True)
class Standard:
    """What labels are held against: the bounds that gold sets, and the Dice that they are predicted to reach.

    `coarse_dice` is what the coarse model reaches on gold by itself, 0..1 (0 without calibration); with `as_good` the
    labels of gold are no worse than that, by more than one standard error. `learnt` are the labels of gold that the
    calibration is from (None without calibration), `judged` the same, each judged by a calibration that never saw its
    group.
    """

    bounds: LabelBounds = field(default_factory=LabelBounds)
    calibration: Calibration = field(default_factory=uncalibrated)
    coarse_dice: float = 0.0
    as_good: bool = False
    learnt: GoldPairs | None = None
    judged: tuple[Judged, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What a report tells, JSON-serialisable.

        `coarse_dice`, `as_good`; `source` (`chain`, `simulated`, or None without calibration) and the `features` in
        use; how many `labels` of how many `groups` of gold it learnt from; of these, each judged without its group,
        the `rank_correlation` of predicted and true Dice, the `coverage` of the intervals (both may be None), and
        `points` (image_id, predicted, low, high, true), at most 200.
        """
        pairs = self.learnt.pairs if self.learnt else ()
        step = math.ceil(len(self.judged) / MOST_POINTS) or 1
        return {
            "coarse_dice": self.coarse_dice,
            "as_good": self.as_good,
            "source": self.learnt.source if self.learnt else None,
            "features": list(self.calibration.features),
            "labels": len(pairs),
            "groups": len({pair.group_id for pair in pairs}),
            "rank_correlation": rank_correlation(self.judged),
            "coverage": coverage(self.judged),
            "points": [
                [one.pair.image_id, *(round(v, 4) for v in (one.predicted, one.low, one.high, one.pair.dice))]
                for one in self.judged[::step]
            ],
        }


def gold_standard(
    gold: ImageTable,
    gold_weak: ImageTable,
    tables: Sequence[ImageTable],
    settings: Quality,
    classes: int,
    max_pixels: int,
    beside: Standard | None = None,
) -> Standard:
    """What the labels of `tables` are to be held against.

    `gold` bounds their features. `gold_weak`, the gold images as the whole chain labels them out of fold, calibrates
    the predicted Dice (see `gold_pairs` for labelers that cannot label gold). With labels of fewer than two groups
    there is no calibration. `classes` counts the foreground classes; images and masks of more than `max_pixels` are
    refused.

    With `beside`, the standard of the chain's labels, `tables` were made elsewhere and stand beside those. They are
    judged by simulated errors, and need to beat the coarse model only where the chain's labels do, as of an image's
    two labels the better one is kept.
    """
    bounds = gold_bounds(gold, settings, classes, max_pixels)
    found = gold_pairs(
        gold, gold_weak, lambda mask: _clean(mask, settings, bounds), classes, max_pixels, beside is not None
    )
    known = known_features(tables)
    calibration = fit_calibration(found.pairs, known)
    if calibration.line is None:
        return Standard(bounds)
    coarse = coarse_dice(gold, gold_weak, classes, max_pixels)
    reached = float(np.mean(list(coarse.values()))) if coarse else 0.0
    judged = tuple(cross_validated(found.pairs, known))
    as_good = _as_good(found, coarse) if beside is None else beside.as_good
    return Standard(bounds, calibration, reached, as_good, found, judged)


def _as_good(found: GoldPairs, coarse: Mapping[str, float]) -> bool:
    """Whether labels that the chain made are no worse than the coarse model's masks, group by group."""
    pairs = [pair for pair in found.pairs if pair.image_id in coarse]
    groups = [pair.group_id for pair in pairs]
    if found.source != "chain" or len(set(groups)) < 2:
        return False
    lead = lead_over([coarse[pair.image_id] for pair in pairs], [pair.dice for pair in pairs], groups)
    return lead.mean >= -lead.standard_error


def check_labels(
    table: ImageTable, standard: Standard, settings: Quality, classes: int, max_pixels: int, work: Path
) -> ImageTable:
    """Clean, measure and judge every label of `table`; the rows, in order, go to a table in the folder `work`.

    A row gets the cleaned mask (its `made_by` and `label_id` say how it was cleaned), `features`, `predicted_dice`,
    `low`, `high`, `decision` and `weight`; the reason stands in `made_by["reason"]` and is no part of `label_id`. The
    interval of a label out of bounds is 0 to 1, as gold shows no such label that would vouch for it. A row without a
    label is rejected. Goes on after the shards that `work` already has.
    """

    def checked(row: ImageRow) -> ImageRow:
        if row.label_source == "none":
            return replace(row, decision="reject", weight=0.0)
        return _check(row, standard, settings, classes, max_pixels)

    return _map_rows("check labels", table, checked, work)


def count_reasons(table: ImageTable) -> dict[str, dict[str, int]]:
    """For the decisions `review` and `reject`, how many labels have each kind of reason, the most frequent first.

    `none`, if there are such images, are those that no label was made for, with the 10 most frequent reasons.
    """
    rows = [row for shard in table.shards(["decision", "made_by"]) for row in shard]
    made = [row for row in rows if row.label_source != "none"]
    missing = Counter(row.made_by["missing"] for row in rows if "missing" in row.made_by)
    return {
        decision: dict(
            Counter(kind_of(row.made_by["reason"]) for row in made if row.decision == decision).most_common()
        )
        for decision in ("review", "reject")
    } | ({"none": dict(missing.most_common(MOST_REASONS))} if missing else {})


def gold_bounds(gold: ImageTable, settings: Quality, classes: int, max_pixels: int) -> LabelBounds:
    """Bounds on label features from all gold labels, see `bounds_from_features`.

    A label keeps one component of a class more than any gold label has.
    """
    features, most = [], np.zeros(classes, int)
    for row in gold:
        if row.mask:
            mask = small_mask(read_mask(row.mask, classes, max_pixels))
            features.append(view_features(label_view(row, classes, max_pixels), mask))
            most = np.maximum(most, component_counts(mask, classes))
    bounds = bounds_from_features(features, settings.slack)
    return replace(bounds, most_components=tuple((most + 1).tolist())) if bounds.limits else bounds


def _check(row: ImageRow, standard: Standard, settings: Quality, classes: int, max_pixels: int) -> ImageRow:
    bounds = standard.bounds
    mask = _clean(read_mask(row.mask, classes, max_pixels), settings, bounds)
    features = _features(row, mask, classes, max_pixels)
    predicted, low, high = standard.calibration.predict(trust_features(row, features))
    by_itself = standard.coarse_dice if settings.beat_coarse and not standard.as_good else 0.0
    decision, weight, reason = decide(predicted, low, features, bounds, settings, by_itself)
    if low is not None and bounds.broken(features):
        low, high = 0.0, 1.0
    made_by: dict[str, Any] = {**row.made_by, "cleanup": _cleanup(settings, bounds)}
    labelled = row.with_label(row.label_source, MaskRef(png=encode_mask(mask)), made_by)
    return replace(
        labelled,
        made_by={**made_by, "reason": reason},
        features={**row.features, **features},
        predicted_dice=predicted,
        low=low,
        high=high,
        decision=decision,
        weight=weight,
    )


def _clean(mask: NDArray[np.uint8], settings: Quality, bounds: LabelBounds) -> NDArray[np.uint8]:
    return clean_mask(mask, settings.min_component_share, bounds.most_components)


def _cleanup(settings: Quality, bounds: LabelBounds) -> dict[str, Any]:
    """How masks are cleaned, as JSON; `max_components` is a number with one class, and a list with several."""
    most = bounds.most_components
    told = list(most) if most and len(most) > 1 else most and most[0]
    return {"min_component_share": settings.min_component_share, "max_components": told}


def _features(row: ImageRow, mask: NDArray[np.uint8], classes: int, max_pixels: int) -> dict[str, float]:
    return view_features(label_view(row, classes, max_pixels), small_mask(mask))


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
