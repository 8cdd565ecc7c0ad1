"""Two labels of an image: the better one is kept, and trusted only where the other does not contradict it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from medweave import progress
from medweave.config import Quality
from medweave.data.masks import read_mask
from medweave.data.table import ImageRow, ImageTable, ShardWriter
from medweave.quality.features import mask_dice

STANDING = ("reject", "review", "accept")


def choose_labels(
    first: ImageTable, second: ImageTable, settings: Quality, classes: int, max_pixels: int, work: Path
) -> ImageTable:
    """Of two checked labels of each image the one to keep; the rows, in order, go to a table in the folder `work`.

    `first` and `second` are tables of the same images in the same order, as `check_labels` returns them. Kept is the
    label with the better decision, of two alike the one of the higher predicted Dice, of equal ones the first. Where
    both have a mask, `features["second_opinion"]` is their Dice, mean over the classes that either has, and an
    accepted label goes to review if that is below `settings.contradicted`. Goes on after the shards that `work` has.
    """
    writer = ShardWriter(work)
    with progress.task("choose labels", len(first)) as task:

        def chosen(index: int) -> Iterator[ImageRow]:
            for rows in zip(first.shard(index), second.shard(index), strict=True):
                yield _choose(*rows, settings, classes, max_pixels)
                task.advance()

        for index, shard in enumerate(first.manifest["shards"]):
            if writer.has(index):
                task.advance(int(shard["rows"]))
            else:
                writer.write(index, list(chosen(index)))
    return writer.finish()


def count_kept(chosen: ImageTable, second: ImageTable) -> dict[str, Any]:
    """How many masks `second` has, of how many of them `choose_labels` kept the label, and how many were accepted.

    `second` is the table as it was checked. `missing` counts, by reason, the images that have none.
    """
    made_by = (row.made_by for shard in second.shards(["made_by"]) for row in shard)
    missing = Counter(how["missing"] for how in made_by if "missing" in how)
    labels = {row.label_id for shard in second.shards(["label_id"]) for row in shard if row.label_id}
    kept = [row for shard in chosen.shards(["label_id", "decision"]) for row in shard if row.label_id in labels]
    accepted = sum(row.decision == "accept" for row in kept)
    return {"made": len(labels), "kept": len(kept), "accepted": accepted, "missing": dict(missing.most_common())}


def _choose(first: ImageRow, second: ImageRow, settings: Quality, classes: int, max_pixels: int) -> ImageRow:
    if first.image_id != second.image_id:
        raise ValueError(f"labels of different images: {first.image_id} and {second.image_id}")
    kept = max(first, second, key=_standing)
    if not (first.mask and second.mask):
        return kept
    masks = [read_mask(row.mask, classes, max_pixels) for row in (first, second)]
    if not (masks[0].any() and masks[1].any()):
        return kept
    alike = mask_dice(masks[0], masks[1], classes)
    kept = replace(kept, features={**kept.features, "second_opinion": alike})
    if kept.decision != "accept" or alike >= settings.contradicted:
        return kept
    reason = f"second opinion {alike:.2f} is below {settings.contradicted:g}, the Dice of the image's two labels"
    return replace(kept, decision="review", weight=0.0, made_by={**kept.made_by, "reason": reason})


def _standing(row: ImageRow) -> tuple[int, float]:
    return STANDING.index(row.decision or "reject"), -1.0 if row.predicted_dice is None else row.predicted_dice
