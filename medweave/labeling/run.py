"""The labelling run: the whole chain over an image table, a shard at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from medweave import progress
from medweave.data.images import read_image, to_rgb8
from medweave.data.table import ImageRow, ImageTable, LabelSource, ShardWriter
from medweave.labeling.batches import Halving, batched, read_ahead
from medweave.labeling.chain import OUT_OF_MEMORY, Chain, Image, Label
from medweave.labeling.store import LabelStore
from medweave.shared import shared

BATCH = 16
"""Images that are labelled at a time, if they have no more than `MOST_PIXELS`."""
MOST_PIXELS = 64_000_000


def label_images(
    table: ImageTable, chain: Chain, source: LabelSource, work: Path, max_pixels: int, store: Path
) -> ImageTable:
    """Label every image of `table`; the rows, in order, go to a table in the folder `work`.

    Every row gets `coarse` and the coarse model's `features`. A row with a mask gets `source` as its label source and
    in `made_by` what it takes to make the mask again: the labeler's provenance, the code's version, and, for labelers
    that are prompted, the coarse model's digest and the prompts; besides, the labeler's `score` and the `agreement` of
    the prompts, where there are any. A row that gets no mask has label source `none` and the reason in
    `made_by["missing"]`.

    Goes on after the shards that `work` already has; the result is that of a run without a break. Labels of the same
    recipe that an earlier run, or another pod, left in `store`, a folder in home, are not made again, and new ones are
    left there.

    Raises InputError for an image that cannot be read.
    """
    finished = LabelStore(store, chain.recipe())
    with shared(finished.folder):
        return _label_images(table, chain, source, ShardWriter(work), max_pixels, finished)


def _label_images(
    table: ImageTable, chain: Chain, source: LabelSource, writer: ShardWriter, max_pixels: int, finished: LabelStore
) -> ImageTable:
    in_parts = Halving("label", BATCH)
    sizes = [int(shard["rows"]) for shard in table.manifest["shards"]]
    todo = [index for index in range(len(sizes)) if not writer.has(index)]

    def load(item: tuple[int, ImageRow]) -> _Loaded:
        index, row = item
        label = finished.get(row)
        try:
            image = None if label else to_rgb8(read_image(row.image_uri, max_pixels))
        except MemoryError:
            return _Loaded(index, row, None, chain.without_memory())
        return _Loaded(index, row, image, label)

    done = len(table) - sum(sizes[index] for index in todo)
    with progress.task("label", len(table), done, unit="images") as task:
        rows = ((index, row) for index in todo for row in table.shard(index))
        loaded = read_ahead(load, rows, lambda item: item[1].height * item[1].width, MOST_PIXELS)
        for index, items in groupby(loaded, lambda item: item.shard):
            labelled: list[ImageRow] = []
            new: list[tuple[ImageRow, Label]] = []
            for batch in batched(items, lambda item: item.pixels, BATCH, MOST_PIXELS):
                made = iter(chain.label([(item.row, item.image) for item in batch if item.image is not None], in_parts))
                labels = [item.label or next(made) for item in batch]
                labelled += [label.on(item.row, source) for item, label in zip(batch, labels, strict=True)]
                fresh = [(item.row, label) for item, label in zip(batch, labels, strict=True) if item.label is None]
                new += fresh
                task.skip(len(batch) - len(fresh))
                task.advance(len(fresh))
            writer.write(index, labelled)
            for row, label in new:
                if label.made_by.get("missing") != OUT_OF_MEMORY:
                    finished.put(row, label)
    result = writer.finish()
    say_missing(result, "gold images get no weak label to compare with" if _is_gold(table) else "images get no label")
    return result


@dataclass(frozen=True)
class _Loaded:
    """A row of a shard with its image, or with its label where there is no need (or no memory) for the image."""

    shard: int
    row: ImageRow
    image: Image | None
    label: Label | None

    @property
    def pixels(self) -> int:
        return 0 if self.image is None else self.image.shape[0] * self.image.shape[1]


def _is_gold(table: ImageTable) -> bool:
    return any(row.label_source == "gold" for shard in table.shards([]) for row in shard)


def say_missing(labelled: ImageTable, what: str) -> None:
    """Say of how many images `what`, such as that they get no label, and why."""
    made_by = (row.made_by for shard in labelled.shards(["made_by"]) for row in shard)
    reasons = Counter(how["missing"] for how in made_by if "missing" in how)
    if reasons:
        shown = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        more = "; …" if len(reasons) > 3 else ""
        progress.say(f"  label: {reasons.total()} of {len(labelled)} {what}: {shown}{more}")
