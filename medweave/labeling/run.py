"""The labelling run: coarse prediction, prompts and labeler over an image table, a shard at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
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

BATCH = 16
"""Images that are read and given to the coarse model at a time."""


class CoarsePredictor(Protocol):
    """Where the prompts come from."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""

    def probabilities(self, images: Sequence[NDArray[np.uint8]], rows: Sequence[ImageRow]) -> NDArray[np.float32]:
        """Foreground probabilities NxCxHxW at the network's size, 0..1, of N images HxWx3 uint8 and their rows."""


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
            for row, image, probabilities in _predicted(table.shard(index), coarse, classes, max_pixels):
                rows.append(_label(row, image, probabilities, coarse.digest, labeler, bounds, settings, source))
                task.advance()
            writer.write(index, rows)
    labelled = writer.finish()
    _say_missing(labelled)
    return labelled


def _predicted(
    rows: Sequence[ImageRow], coarse: CoarsePredictor, classes: int, max_pixels: int
) -> Iterator[tuple[ImageRow, NDArray[np.uint8], NDArray[np.float32]]]:
    """Each row with its image and the coarse model's probabilities, `BATCH` images in memory at a time."""
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        images = [to_rgb8(read_image(row.image_uri, max_pixels)) for row in batch]
        probabilities = coarse.probabilities(images, batch)
        if probabilities.shape[1] != classes:
            found = probabilities.shape[1]
            raise InputError(f"coarse model: has {found} classes, data.classes has {classes}; train it again")
        yield from zip(batch, images, probabilities, strict=True)


def _label(
    row: ImageRow,
    image: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    coarse_digest: str,
    labeler: Labeler,
    bounds: Bounds,
    settings: Labeling,
    source: LabelSource,
) -> ImageRow:
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
            made_by |= {"coarse": coarse_digest, "prompts": [prompt.to_json() for prompt in prompts]}
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
