"""The labelling run: coarse prediction, prompts and labeler over an image table, a shard at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medweave import __version__, progress
from medweave.config import Labeling
from medweave.data.images import read_image, to_rgb8
from medweave.data.masks import encode_mask
from medweave.data.probabilities import encode_probabilities
from medweave.data.table import ImageRow, ImageTable, LabelSource, MaskRef, ShardWriter
from medweave.errors import InputError
from medweave.labeling.labelers import Labeler, NoMaskError
from medweave.labeling.prompts import Bounds, prompts_from_probabilities


class CoarsePredictor(Protocol):
    """Where the prompts come from."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""

    def probabilities(self, image: NDArray[np.uint8], row: ImageRow) -> NDArray[np.float32]:
        """Foreground probabilities CxHxW at the network's size, 0..1, of an image HxWx3 uint8."""


def label_images(
    table: ImageTable,
    coarse: CoarsePredictor,
    labeler: Labeler,
    bounds: Bounds,
    settings: Labeling,
    classes: int,
    source: LabelSource,
    work: Path,
    max_pixels: int,
) -> ImageTable:
    """Label every image of `table`; the rows, in order, go to a table in the folder `work`.

    Every row gets `coarse`. A row with a mask gets `source` as its label source and in `made_by` what it takes to make
    the mask again: the labeler's provenance, the code's version, and, for labelers that are prompted, the coarse
    model's digest and the prompts. A row that gets no mask has label source `none` and the reason in
    `made_by["missing"]`. `classes` counts the foreground classes. Goes on after the shards that `work` already has.

    Raises InputError for an image that cannot be read.
    """
    writer = ShardWriter(work)
    with progress.task("label", len(table)) as task:
        for index, shard in enumerate(table.manifest["shards"]):
            if writer.has(index):
                task.advance(int(shard["rows"]))
                continue
            rows = []
            for row in table.shard(index):
                rows.append(_label(row, coarse, labeler, bounds, settings, classes, source, max_pixels))
                task.advance()
            writer.write(index, rows)
    labelled = writer.finish()
    _say_missing(labelled)
    return labelled


def _label(
    row: ImageRow,
    coarse: CoarsePredictor,
    labeler: Labeler,
    bounds: Bounds,
    settings: Labeling,
    classes: int,
    source: LabelSource,
    max_pixels: int,
) -> ImageRow:
    image = to_rgb8(read_image(row.image_uri, max_pixels))
    probabilities = coarse.probabilities(image, row)
    if len(probabilities) != classes:
        raise InputError(f"coarse model: has {len(probabilities)} classes, data.classes has {classes}; train it again")
    row = replace(row, coarse=encode_probabilities(probabilities))
    made_by: dict[str, Any] = {"version": __version__}
    try:
        prompts = []
        if labeler.requires_prompts:
            prompts = prompts_from_probabilities(
                probabilities, (image.shape[0], image.shape[1]), settings.prompts, bounds
            )
            if not prompts:
                raise NoMaskError("no prompt")
            made_by |= {"coarse": coarse.digest, "prompts": [prompt.to_json() for prompt in prompts]}
        mask = labeler.segment(image, prompts, row.image_id)
        made_by |= labeler.provenance(row.image_id)
    except NoMaskError as reason:
        made_by |= {"labeler": labeler.name, "labeler_digest": labeler.digest, "missing": str(reason)}
        return replace(row, label_source="none", label_id=None, mask=MaskRef(), made_by=made_by)
    return row.with_label(source, MaskRef(png=encode_mask(mask)), made_by)


def _say_missing(table: ImageTable) -> None:
    made_by = (row.made_by for shard in table.shards(["made_by"]) for row in shard)
    reasons = Counter(how["missing"] for how in made_by if "missing" in how)
    if reasons:
        shown = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        more = "; …" if len(reasons) > 3 else ""
        progress.say(f"  label: {reasons.total()} of {len(table)} images get no label: {shown}{more}")
