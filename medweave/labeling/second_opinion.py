"""Masks that were made elsewhere, beside the labeler's own labels of the same images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from medweave import __version__, progress
from medweave.config import Settings
from medweave.data.masks import encode_mask
from medweave.data.table import ImageRow, ImageTable, MaskRef, ShardWriter
from medweave.labeling.imported import ImportedMasks, find_masks
from medweave.labeling.labelers import Labeler, NoMask, Target
from medweave.labeling.run import say_missing


def second_labeler(settings: Settings) -> Labeler | None:
    """The folder of masks that `labeling.second_opinion` names, looked up as `labeling.imported` is.

    None without one, or where the labeler itself takes it. Raises InputError for a folder that is missing or holds no
    masks.
    """
    other, data = settings.labeling.other_masks, settings.data
    if other is None:
        return None
    folder = find_masks(other, data.root, "labeling.second_opinion")
    return ImportedMasks(folder, len(data.classes), data.max_pixels)


def second_opinions(labels: ImageTable, labeler: Labeler, work: Path) -> ImageTable:
    """The images of `labels` with the labeler's masks instead; the rows, in order, go to a table in the folder `work`.

    What the coarse model saw of an image stays. A row without a mask of the labeler has label source `none` and the
    reason in `made_by["missing"]`. Goes on after the shards that `work` already has.
    """
    writer = ShardWriter(work)
    with progress.task("second opinion", len(labels), unit="images") as task:
        for index, shard in enumerate(labels.manifest["shards"]):
            if not writer.has(index):
                writer.write(index, [_with_mask(row, labeler) for row in labels.shard(index)])
            task.advance(int(shard["rows"]))
    result = writer.finish()
    say_missing(result, "images get no second opinion")
    return result


def _with_mask(row: ImageRow, labeler: Labeler) -> ImageRow:
    pixels = np.broadcast_to(np.uint8(0), (row.height, row.width, 3))
    [made] = labeler.segment([Target(row.image_id, row.image_sha256, row.group_id, pixels)])
    version = {"version": __version__}
    if isinstance(made, NoMask):
        missing = {**version, "labeler": labeler.name, "labeler_digest": labeler.digest, "missing": made.reason}
        return replace(row, label_source="none", label_id=None, mask=MaskRef(), made_by=missing)
    made_by = {**version, **labeler.provenance(row.image_id)}
    return row.with_label("weak", MaskRef(png=encode_mask(made.class_map())), made_by)
