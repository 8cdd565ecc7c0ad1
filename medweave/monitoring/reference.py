"""The training images, measured like a batch: what batches are held against."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from medweave.config import Data
from medweave.data import ImageRow, ImageTable, MaskRef, write_table
from medweave.monitoring.measuring import Observers, measure
from medweave.monitoring.neighbours import Neighbours
from medweave.version import code_digest

MOST = 2000
"""Training images looked at, drawn at random from more."""


def training_rows(tables: Sequence[ImageTable], seed: int) -> list[ImageRow]:
    """The rows of gold and unlabeled images, in order; of more than 2000 that many at random."""
    total = sum(map(len, tables))
    chosen = set(np.random.default_rng(seed).permutation(total)[:MOST].tolist())
    rows = (row for table in tables for shard in table.shards(["mask"]) for row in shard)
    return [row for index, row in enumerate(rows) if index in chosen]


def measured_training(
    rows: Sequence[ImageRow], observers: Observers, data: Data, labelled_elsewhere: bool, folder: Path
) -> tuple[ImageTable, Neighbours]:
    """The rows measured, and the neighbours that they make; both kept in `folder` for the same images and models.

    With `labelled_elsewhere` the batch's labels are not the champion's, so that here the labels are the experts'.
    """
    neighbours = Neighbours.of(rows, data.max_pixels)
    labels = {row.image_id: row.mask for row in rows if row.mask and row.label_source == "gold"}
    observers = replace(observers, neighbours=neighbours, labels=labels if labelled_elsewhere else None)
    kept = folder / _key(rows, observers, data, labelled_elsewhere)
    if not (kept / "manifest.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as aside:
            images = write_table(f"{aside}/images", (replace(row, label_source="none", mask=MaskRef()) for row in rows))
            measure(images, observers, data, Path(aside) / "measured")
            with suppress(OSError):  # another process was first
                (Path(aside) / "measured").replace(kept)
    return ImageTable(kept), neighbours


def _key(rows: Sequence[ImageRow], observers: Observers, data: Data, labelled_elsewhere: bool) -> str:
    models = [model and model.digest for model in (observers.champion, observers.challenger)]
    code = code_digest("data", "quality", "monitoring", "segmentation", "labeling")
    content = [code, models, labelled_elsewhere, data.classes]
    content += [[row.image_sha256, row.group_id, row.image_uri, row.label_id] for row in rows]
    return "training-" + hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]
