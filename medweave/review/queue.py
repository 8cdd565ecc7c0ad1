"""Write the labels that an expert should look at into a folder: images, masks, COCO, a list and a page."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medweave import config
from medweave.data.coco import write_coco
from medweave.data.corrections import store_of
from medweave.data.images import encode_image, read_bytes, read_image, to_rgb8
from medweave.data.masks import Array, encode_mask, read_mask
from medweave.data.probabilities import decode_probabilities
from medweave.data.sources import root_of
from medweave.data.table import ImageRow, ImageTable
from medweave.errors import InputError
from medweave.quality.review import Pick, choose_for_review
from medweave.report.content import Example
from medweave.report.pictures import Picture, thumbnail
from medweave.report.review import render_review
from medweave.review.manifest import MANIFEST, Proposal, Queue
from medweave.writing import new_folder

COLUMNS = ("image_id", "rank", "why", "predicted_dice", "low", "high", "decision")


@dataclass(frozen=True)
class _Shown:
    """A chosen row: a thumbnail (uint8 RGB), the digest of the written image, and the proposed HxW uint8 class map."""

    row: ImageRow
    why: str
    thumbnail: Picture
    shown_sha256: str
    mask: Array


def write_queue(labels: ImageTable, data: config.Data, task: str, run: str, folder: Path, count: int) -> int:
    """Write the `count` checked labels whose correction helps most into a new folder; return how many there were.

    The folder has `images/<image_id>.png` (8-bit RGB), `masks/<image_id>.png` (as `export_png` writes them, all 0 where
    no label was made), `annotations.json` (COCO, files named as in `images`), `queue.csv`, `review.html` and
    `queue.json`. Images that the task's store has corrections for are left out.
    Raises InputError for a folder that is not empty, when no image is left to review, or when one has changed.
    """
    picks = choose_for_review(labels, count, data.max_pixels, store_of(data, task).current().keys())
    if not picks:
        raise InputError(f"run:{run}: no image is left to review; all of its labels are corrected, or it had none")
    with new_folder(folder) as aside:
        for name in ("images", "masks"):
            (aside / name).mkdir()
        shown = [_write_pixels(pick, aside, len(data.classes), data.max_pixels) for pick in picks]
        _write_lists(aside, shown, data, task, run)
    return len(shown)


def _write_pixels(pick: Pick, folder: Path, classes: int, max_pixels: int) -> _Shown:
    row = pick.row
    if hashlib.sha256(read_bytes(row.image_uri)).hexdigest() != row.image_sha256:
        raise InputError(f"{row.image_uri}: has changed since the run that labelled it; run again, then review")
    image = to_rgb8(read_image(row.image_uri, max_pixels))
    png = encode_image(image)
    mask = read_mask(row.mask, classes, max_pixels) if row.mask else np.zeros((row.height, row.width), np.uint8)
    (folder / "images" / f"{row.image_id}.png").write_bytes(png)
    (folder / "masks" / f"{row.image_id}.png").write_bytes(encode_mask(mask * np.uint8(255 if classes == 1 else 1)))
    return _Shown(row, pick.why, thumbnail(image), hashlib.sha256(png).hexdigest(), mask)


def _write_lists(folder: Path, shown: Sequence[_Shown], data: config.Data, task: str, run: str) -> None:
    images = (
        ({"file_name": f"{item.row.image_id}.png", "height": item.row.height, "width": item.row.width}, item.mask)
        for item in shown
    )
    write_coco(folder / "annotations.json", data.classes, images)
    with (folder / "queue.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for rank, item in enumerate(shown, start=1):
            row = item.row
            writer.writerow((row.image_id, rank, item.why, row.predicted_dice, row.low, row.high, row.decision))
    page = render_review([_example(item, len(data.classes)) for item in shown], task, run, data.classes)
    (folder / "review.html").write_text(page, encoding="utf-8")
    here = data.model_copy(update={"root": root_of(data)})
    queue = Queue(task=task, run=run, data=here, proposals=[_proposal(item) for item in shown])
    (folder / MANIFEST).write_text(queue.model_dump_json(indent=1), encoding="utf-8")


def _example(item: _Shown, classes: int) -> Example:
    coarse = decode_probabilities(item.row.coarse, classes).max(axis=0) if item.row.coarse else None
    return Example(item.row.image_id, item.thumbnail, {"mask": item.mask}, coarse, (), (), item.why)


def _proposal(item: _Shown) -> Proposal:
    row = item.row
    return Proposal.model_construct(
        image_id=row.image_id,
        group_id=row.group_id,
        image_uri=row.image_uri,
        image_sha256=row.image_sha256,
        shown_sha256=item.shown_sha256,
        height=row.height,
        width=row.width,
        label_id=row.label_id,
        made_by=row.made_by,
        mask=encode_mask(item.mask),
    )
