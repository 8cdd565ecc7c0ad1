"""True Dice of the labels that batches had, once experts' masks of their images have arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from medweave.config import Data
from medweave.data import ImageTable, MaskRef
from medweave.data.corrections import CorrectionStore
from medweave.data.masks import read_mask
from medweave.monitoring.store import BatchStore
from medweave.quality.features import mask_dice
from medweave.writing import whole_file

MASKS, FILE = "masks.parquet", "reviewed.json"


@dataclass(frozen=True)
class Reviewed:
    """How many images of a batch experts have drawn by now, and the mean Dice (0..1) of the batch's labels of them."""

    images: int
    dice: float


def write_masks(table: ImageTable, path: Path) -> None:
    """Keep the labels (PNG) of a measured table by the SHA-256 of their images, a shard at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("image_sha256", pa.string()), ("mask", pa.binary())])
    with pq.ParquetWriter(path, schema) as writer:
        for shard in table.shards(["mask"]):
            records = [{"image_sha256": row.image_sha256, "mask": row.mask.png} for row in shard if row.mask.png]
            writer.write_table(pa.Table.from_pylist(records, schema=schema))


def expert_masks(gold: ImageTable, corrections: CorrectionStore) -> dict[str, MaskRef]:
    """The experts' masks by the SHA-256 of their images; a correction comes before what it corrects."""
    masks = {row.image_sha256: row.mask for shard in gold.shards(["mask"]) for row in shard if row.mask}
    return masks | {image: MaskRef(uri=kept.mask_uri) for image, kept in corrections.current().items()}


def review_batches(store: BatchStore, masks: Mapping[str, MaskRef], data: Data) -> dict[str, Reviewed]:
    """Hold every batch's labels against the experts' `masks` and keep what came of it; batch id to result.

    A batch's labels are those that were judged, whatever the model has learned since.
    """
    with store.lock():
        found = {batch.id: one for batch in store.batches() if (one := _review(store.folder(batch), masks, data))}
        text = json.dumps({name: asdict(one) for name, one in found.items()}, indent=1)
        with whole_file(store.root / FILE) as aside:
            aside.write_text(text, encoding="utf-8")
    return found


def reviewed_batches(store: BatchStore) -> dict[str, Reviewed]:
    """What `review_batches` kept last; nothing before."""
    path = store.root / FILE
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: Reviewed(**one) for name, one in kept.items()}


def _review(folder: Path, masks: Mapping[str, MaskRef], data: Data) -> Reviewed | None:
    import pyarrow.parquet as pq

    if not (folder / MASKS).exists():
        return None
    images = pq.read_table(folder / MASKS, columns=["image_sha256"])["image_sha256"].to_pylist()
    known = sorted(masks.keys() & set(images))
    if not known:
        return None
    labels = pq.read_table(folder / MASKS, filters=[("image_sha256", "in", known)]).to_pylist()
    classes = len(data.classes)
    dice = [
        mask_dice(
            read_mask(MaskRef(png=label["mask"]), classes, data.max_pixels),
            read_mask(masks[label["image_sha256"]], classes, data.max_pixels),
            classes,
        )
        for label in labels
    ]
    return Reviewed(len(dice), sum(dice) / len(dice))
